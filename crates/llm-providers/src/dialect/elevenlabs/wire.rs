//! Typed structs of the format (<https://elevenlabs.io/docs/api-reference>).

use llm_types::{RawValue, Str, wire_struct};

wire_struct! {
    /// What was heard.
    pub(super) struct Heard<'a> {
        language_code: Str<'a>,
        text: Str<'a>,
        words: Vec<Word<'a>>,
        audio_duration_secs: f64,
    }
}

wire_struct! {
    /// A word, the space between two, or a sound (`type`).
    pub(super) struct Word<'a> {
        text: Str<'a>,
        kind as "type": Str<'a>,
        start: f64,
        end: f64,
        speaker_id: Str<'a>,
    }
}

wire_struct! {
    /// A text to say.
    pub(super) struct Text<'a> {
        text: Str<'a>,
        model_id: Str<'a>,
        voice_settings: Settings<'a>,
    }
}

wire_struct! {
    /// How it is said.
    pub(super) struct Settings<'a> {
        speed: f64,
    }
}

wire_struct! {
    /// A failure: an object, a list of faults, or a text.
    pub(super) struct Failure<'a> {
        detail: &'a RawValue,
    }
}

wire_struct! {
    /// What is said of a failure.
    pub(super) struct Detail<'a> {
        status: Str<'a>,
        message or "msg": Str<'a>,
    }
}
