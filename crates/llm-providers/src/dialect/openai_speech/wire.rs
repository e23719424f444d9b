//! Typed structs of the format (<https://platform.openai.com/docs/api-reference/audio/createSpeech>).

use llm_types::{Raw, RawValue, Str, wire_struct};

wire_struct! {
    /// A text to say.
    pub(super) struct Request<'a> {
        model: Str<'a>,
        input: Str<'a>,
        voice: Raw<'a>,
        instructions: Str<'a>,
        response_format: Str<'a>,
        speed: f64,
        stream_format: Str<'a>,
    }
}

wire_struct! {
    /// Sound in base64 (recordings/mistral/speech-basic).
    pub(super) struct Reply<'a> {
        audio_data or "audio": Str<'a>,
        error: &'a RawValue,
    }
}
