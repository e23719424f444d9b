//! Typed structs of the format (<https://platform.openai.com/docs/api-reference/audio>).

use llm_types::{Extra, RawValue, Spoken, Str, wire_struct};

use crate::dialect::media::Counts;

wire_struct! {
    /// A transcript.
    pub(super) struct Reply<'a> {
        model: Str<'a>,
        task: Str<'a>,
        language: Str<'a>,
        duration: f64,
        text: Str<'a>,
        words: Vec<Said<'a>>,
        segments: Vec<Said<'a>>,
        usage: Counts<'a>,
        error: &'a RawValue,
    }
}

wire_struct! {
    /// A word or a segment.
    pub(super) struct Said<'a> {
        text or "word": Str<'a>,
        start: f64,
        end: f64,
        speaker or "speaker_id": &'a RawValue,
    }
}

impl Said<'_> {
    pub(super) fn spoken(self) -> Spoken {
        let Said { text, start, end, speaker, extra } = self;
        let speaker = speaker.filter(|raw| raw.get() != "null");
        Spoken {
            text: text.map(Str::into_string).unwrap_or_default(),
            start: start.unwrap_or_default(),
            end: end.unwrap_or_default(),
            // Some count speakers, some name them.
            speaker: speaker.map(|raw| raw.get().trim_matches('"').to_owned()),
            extra: extra.to_extra(),
        }
    }
}

/// A word as OpenAI writes it.
#[derive(serde::Serialize)]
pub(super) struct Word<'a> {
    pub(super) word: &'a str,
    pub(super) start: f64,
    pub(super) end: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) speaker: Option<&'a str>,
}

/// A segment as OpenAI writes it. What models of others do not say of it (log-probabilities, seek) is left out.
#[derive(serde::Serialize)]
pub(super) struct Segment<'a> {
    pub(super) id: usize,
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) speaker: Option<&'a str>,
}

/// Members in the order of their names behind those that are written here.
pub(super) fn set(extra: &mut Extra, name: &str, value: &(impl serde::Serialize + ?Sized)) {
    if let Ok(json) = serde_json::value::to_raw_value(value) {
        extra.set(name, json);
    }
}
