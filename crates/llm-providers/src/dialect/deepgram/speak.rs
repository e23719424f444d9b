//! Text to speech.

use llm_types::{ApiError, Call, Result, SpeechRequest, Str};

use super::wire;
use crate::codec::{EncodeCx, WireRequest};
use crate::dialect::media;
use crate::dialect::openai_speech::{kind_of, spoken_by_character};
use crate::quirk::Row;
use crate::url::escape;

/// How each form of sound is asked for (developers.deepgram.com/docs/tts-media-output-settings).
const FORMS: [(&str, &str); 6] = [
    ("mp3", "encoding=mp3"),
    ("opus", "encoding=opus&container=ogg"),
    ("aac", "encoding=aac"),
    ("flac", "encoding=flac"),
    ("wav", "encoding=linear16&container=wav&sample_rate=24000"),
    ("pcm", "encoding=linear16&container=none&sample_rate=24000"),
];

/// The models that have voices of their own; another is one voice.
const FAMILIES: [&str; 2] = ["aura", "aura-2"];

/// The model with this voice; `None`: it is no voice of that model.
fn voiced(model: &str, voice: &str) -> Option<String> {
    if voice == model {
        return Some(model.to_owned());
    }
    let family = FAMILIES.iter().find(|family| **family == model)?;
    let own = voice.strip_prefix(*family).and_then(|rest| rest.strip_prefix('-'));
    let name = own.map_or(voice, |own| own.split_once('-').map_or(own, |(name, _)| name));
    // Not `2-thalia` of `aura`: that would be another model.
    let is_name = !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphabetic());
    is_name.then(|| if own.is_some() { voice.to_owned() } else { format!("{family}-{name}-en") })
}

/// Writes a request. A model without its voice (`aura-2`) gets that of the request.
///
/// # Errors
/// For a form of sound that Deepgram has not.
pub(super) fn encode(request: &SpeechRequest, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
    let SpeechRequest { model: _, input, voice, instructions, format, speed, events: _, origin: _, extra } =
        request;
    let row = Row::new(cx.spec, cx.model, None);
    let format = format.as_deref().unwrap_or("mp3");
    let form = FORMS.iter().find(|(name, _)| *name == format).map(|(_, form)| *form).ok_or_else(|| {
        let names: Vec<&str> = FORMS.iter().map(|(name, _)| *name).collect();
        ApiError::bad_request(format!("deepgram has no `{format}`: ask for one of {}", names.join(", ")))
            .with_param("response_format")
    })?;
    let mut model = row.model().into_owned();
    if let Some(voice) = voice.as_deref() {
        match voiced(&model, voice) {
            Some(voiced) => model = voiced,
            None if FAMILIES.contains(&&*model) => {
                let message = format!("`{voice}` is no voice of {model}: say its name, such as `thalia`");
                return Err(ApiError::bad_request(message).with_param("voice"));
            }
            None => cx.changes.dropped("voice", "the model is the voice at deepgram"),
        }
    }
    for (name, set) in [
        ("instructions", instructions.is_some()),
        ("speed", speed.is_some_and(|speed| (speed - 1.0).abs() > f64::EPSILON)),
    ] {
        if set {
            cx.changes.dropped(name, row.why());
        }
    }
    for (name, _) in extra.iter() {
        cx.changes.dropped(name.to_owned(), row.why());
    }
    let body = media::bytes(&wire::Text { text: Some(Str::from(input)), ..wire::Text::default() })?;
    let path = format!("/speak?model={}&{form}", escape(&model));
    Ok(media::json(path, body, spoken_by_character(input, kind_of(Some(format)))))
}

/// What a call in Deepgram's own words asks for; `None`: it says no text.
pub(super) fn asked(body: &[u8]) -> Option<Call> {
    let wire::Text { text, extra: _ } = serde_json::from_slice(body).ok()?;
    let request = SpeechRequest { input: text?.into_string(), ..SpeechRequest::default() };
    Some(Call::Speak(Box::new(request)))
}
