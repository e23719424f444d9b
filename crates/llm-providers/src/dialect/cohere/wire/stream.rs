//! Events of a stream.

use llm_types::{Str, wire_struct};

use super::{LogProb, Raw, Text, Usage};
use crate::dialect::scalar::Word;

wire_struct! {
    /// One event.
    pub(crate) struct StreamEvent<'a> {
        kind as "type" or "event_type": Str<'a>,
        id: Str<'a>,
        index: u32,
        delta: Delta<'a>,
        logprobs: LogProb<'a>,
        message: Text<'a>,
    }
}

wire_struct! {
    /// What is new.
    pub(crate) struct Delta<'a> {
        message: DeltaMessage<'a>,
        finish_reason: Str<'a>,
        usage: Usage<'a>,
        error: Word<'a>,
    }
}

wire_struct! {
    /// What is new of the message. A member is an object here that is a list in `message-start`.
    pub(crate) struct DeltaMessage<'a> {
        content: Raw<'a>,
        tool_plan: Text<'a>,
        tool_calls: Raw<'a>,
        citations: Raw<'a>,
    }
}
