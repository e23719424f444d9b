//! Typed structs of the format (<https://developers.deepgram.com/reference>).

use llm_types::{RawValue, Str, wire_struct};

wire_struct! {
    /// What was heard.
    pub(super) struct Heard<'a> {
        metadata: Metadata<'a>,
        results: Results<'a>,
    }
}

wire_struct! {
    /// What was listened to.
    pub(super) struct Metadata<'a> {
        duration: f64,
        models: Vec<Str<'a>>,
    }
}

wire_struct! {
    /// The channels, and stretches of speech where they were asked for.
    pub(super) struct Results<'a> {
        channels: Vec<Channel<'a>>,
        utterances: Vec<Utterance<'a>>,
    }
}

wire_struct! {
    /// One channel of the sound.
    pub(super) struct Channel<'a> {
        alternatives: Vec<Alternative<'a>>,
        detected_language: Str<'a>,
    }
}

wire_struct! {
    /// One way to understand it, the likeliest first.
    pub(super) struct Alternative<'a> {
        transcript: Str<'a>,
        words: Vec<Word<'a>>,
        languages: Vec<Str<'a>>,
    }
}

wire_struct! {
    /// A word; with its comma or full stop where punctuation was asked for.
    pub(super) struct Word<'a> {
        word: Str<'a>,
        punctuated_word: Str<'a>,
        start: f64,
        end: f64,
        speaker: u64,
    }
}

wire_struct! {
    /// A stretch of speech.
    pub(super) struct Utterance<'a> {
        transcript: Str<'a>,
        start: f64,
        end: f64,
        speaker: u64,
        channel: u64,
    }
}

wire_struct! {
    /// A text to say.
    pub(super) struct Text<'a> {
        text: Str<'a>,
    }
}

wire_struct! {
    /// Sound at an address.
    pub(super) struct Address<'a> {
        url: Str<'a>,
    }
}

wire_struct! {
    /// A failure: the older form has `err_*`, the newer one the others.
    pub(super) struct Failure<'a> {
        err_code: Str<'a>,
        err_msg: Str<'a>,
        category: Str<'a>,
        message: Str<'a>,
        details: Str<'a>,
        request_id: &'a RawValue,
    }
}
