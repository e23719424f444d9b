//! Whole answers and errors.

use llm_types::{Str, wire_struct};

use super::{Raw, Text};
use crate::dialect::scalar::{Count, Word};

wire_struct! {
    /// A whole answer.
    pub(crate) struct Reply<'a> {
        id: Str<'a>,
        finish_reason: Str<'a>,
        message: ReplyMessage<'a>,
        usage: Usage<'a>,
        logprobs: Vec<LogProb<'a>>,
        error: Word<'a>,
    }
}

wire_struct! {
    /// What the model said.
    pub(crate) struct ReplyMessage<'a> {
        role: Str<'a>,
        content: Vec<Raw<'a>>,
        tool_plan: Text<'a>,
        tool_calls: Vec<Call<'a>>,
        citations: Vec<Raw<'a>>,
    }
}

wire_struct! {
    /// A piece of it.
    pub(crate) struct Part<'a> {
        kind as "type": Str<'a>,
        text: Text<'a>,
        thinking: Text<'a>,
    }
}

wire_struct! {
    /// A call of a tool.
    pub(crate) struct Call<'a> {
        id: Str<'a>,
        kind as "type": Str<'a>,
        function: Called<'a>,
    }
}

wire_struct! {
    /// What is called. No arguments are `""` in a stream and `"null"` in a whole answer.
    pub(crate) struct Called<'a> {
        name: Str<'a>,
        arguments: Text<'a>,
    }
}

wire_struct! {
    /// A source of a stretch of the answer.
    pub(crate) struct Citation<'a> {
        start: u64,
        end: u64,
        text: Text<'a>,
        sources: Vec<Source<'a>>,
        content_index: u32,
        kind as "type": Str<'a>,
    }
}

wire_struct! {
    /// Where it was found.
    pub(crate) struct Source<'a> {
        kind as "type": Str<'a>,
        id: Word<'a>,
        document: Raw<'a>,
        tool_output: Raw<'a>,
    }
}

wire_struct! {
    /// The document: its members are whatever it was given with.
    pub(crate) struct SourceDocument<'a> {
        title: Word<'a>,
        url: Word<'a>,
    }
}

wire_struct! {
    /// Log probabilities of the tokens of a text.
    pub(crate) struct LogProb<'a> {
        text: Text<'a>,
        token_ids: Vec<u64>,
        logprobs: Vec<f64>,
    }
}

wire_struct! {
    /// What was used: what is billed, and what was counted, with a template of Cohere's own.
    pub(crate) struct Usage<'a> {
        billed as "billed_units": Units<'a>,
        tokens: Units<'a>,
        cached as "cached_tokens": Count,
    }
}

wire_struct! {
    /// Counts; as numbers with a fraction in some answers.
    pub(crate) struct Units<'a> {
        input as "input_tokens": Count,
        output as "output_tokens": Count,
        searches as "search_units": Count,
    }
}

wire_struct! {
    /// What a tap reads of a whole answer.
    pub(crate) struct Watched<'a> {
        usage: Usage<'a>,
    }
}

wire_struct! {
    /// An error.
    pub(crate) struct Failure<'a> {
        id: Str<'a>,
        message: Text<'a>,
    }
}
