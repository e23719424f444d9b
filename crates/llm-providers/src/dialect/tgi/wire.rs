//! The wire structs of the format.

use llm_types::{RawValue, Str, wire_struct};

use crate::dialect::scalar::{Count, Lossy, Word};

wire_struct! {
    /// What is to be gone on with.
    pub(super) struct Request<'a> {
        inputs: Str<'a>,
        parameters: Parameters<'a>,
        stream: bool,
    }
}

wire_struct! {
    /// How it is gone on with.
    pub(super) struct Parameters<'a> {
        max_new_tokens: u64,
        temperature: f64,
        top_p: f64,
        top_k: u64,
        frequency_penalty: f64,
        seed: i64,
        stop: Vec<Str<'a>>,
        return_full_text: bool,
    }
}

wire_struct! {
    /// A whole answer, or an event of a stream.
    pub(super) struct Generated<'a> {
        token: Token<'a>,
        generated_text: Lossy<'a>,
        details: Details<'a>,
        error: &'a RawValue,
    }
}

wire_struct! {
    /// The next words.
    pub(super) struct Token<'a> {
        text: Lossy<'a>,
        special: bool,
    }
}

wire_struct! {
    /// What is told of an answer where that is asked for.
    pub(super) struct Details<'a> {
        finish_reason: Word<'a>,
        generated_tokens: Count,
        prefill: Vec<&'a RawValue>,
    }
}
