//! The wire structs of predictions.

use llm_types::{Raw, Str, WireText, wire_struct};

use crate::dialect::scalar::{Count, Word};

wire_struct! {
    /// What is to be predicted.
    pub(super) struct Request<'a> {
        version: Str<'a>,
        input: Input<'a>,
        stream: bool,
    }
}

wire_struct! {
    /// The input of a language model.
    pub(super) struct Input<'a> {
        prompt: Str<'a>,
        system_prompt: Str<'a>,
        temperature: f64,
        top_p: f64,
        top_k: u64,
        presence_penalty: f64,
        frequency_penalty: f64,
        seed: i64,
        stop_sequences: Str<'a>,
        max_tokens: u64,
        max_new_tokens: u64,
        max_length: u64,
    }
}

wire_struct! {
    /// A prediction, finished or not.
    pub(super) struct Prediction<'a> {
        id: Str<'a>,
        model: Str<'a>,
        version: Str<'a>,
        status: Str<'a>,
        input: Raw<'a>,
        output: Raw<'a>,
        error: Raw<'a>,
        logs: Raw<'a>,
        metrics: Metrics<'a>,
        urls: Urls<'a>,
    }
}

/// Our own event in a stream: what was counted, of which streams say nothing.
pub(super) const METRICS: &str = "metrics";

wire_struct! {
    /// What was counted.
    pub(super) struct Metrics<'a> {
        input as "input_token_count": Count,
        output as "output_token_count": Count,
    }
}

wire_struct! {
    /// Where more is to be had.
    pub(super) struct Urls<'a> {
        get: Str<'a>,
        cancel: Str<'a>,
        stream: Str<'a>,
    }
}

wire_struct! {
    /// What an event of a stream says beside text.
    pub(super) struct Said<'a> {
        detail: WireText<'a>,
        reason: Word<'a>,
    }
}
