//! Answers, whole or as a line of a stream, and errors.

use llm_types::{Str, wire_struct};

use super::{Raw, Text};
use crate::dialect::scalar::{Count, Word};

wire_struct! {
    /// A whole answer, or a line of a stream. A conversation's is in `message`, a text's in `response`.
    pub(crate) struct Reply<'a> {
        model: Str<'a>,
        message: ReplyMessage<'a>,
        response: Text<'a>,
        thinking: Text<'a>,
        tool_calls: Vec<Call<'a>>,
        context: Raw<'a>,
        done: bool,
        done_reason: Str<'a>,
        prompt_eval_count: Count,
        eval_count: Count,
        logprobs: Vec<LogProb<'a>>,
        error: Raw<'a>,
    }
}

wire_struct! {
    /// What the model said.
    pub(crate) struct ReplyMessage<'a> {
        role: Str<'a>,
        content: Text<'a>,
        thinking: Text<'a>,
        images: Vec<Str<'a>>,
        tool_calls: Vec<Call<'a>>,
    }
}

wire_struct! {
    /// A call of a tool. Older servers give it no id.
    pub(crate) struct Call<'a> {
        id: Str<'a>,
        function: Called<'a>,
    }
}

wire_struct! {
    /// What is called: the arguments are an object.
    pub(crate) struct Called<'a> {
        index: Count,
        name: Str<'a>,
        arguments: Raw<'a>,
    }
}

wire_struct! {
    /// The log probability of a token.
    pub(crate) struct LogProb<'a> {
        token: Text<'a>,
        logprob: f64,
        bytes: Vec<u8>,
        top_logprobs: Vec<LogProb<'a>>,
    }
}

wire_struct! {
    /// An error: in words, or at the cloud's address an object with a message.
    pub(crate) struct Failure<'a> {
        error: Raw<'a>,
        message: Word<'a>,
    }
}
