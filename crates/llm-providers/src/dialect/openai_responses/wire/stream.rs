//! The events of a streamed answer.
//!
//! One flat struct for all of them: a delta is read in a single pass, whatever the order of its members.
//! Events that are not read here may carry other types under the same names; [`Head`] tells what they are.

use llm_types::{Str, wire_struct};

use super::{Count, Raw, Text};

wire_struct! {
    /// One event.
    pub(in super::super) struct StreamEvent<'a> {
        kind as "type": Str<'a>,
        sequence_number: Count,
        response: Raw<'a>,
        item_id: Str<'a>,
        output_index: u32,
        content_index: u32,
        summary_index: u32,
        annotation_index: u32,
        item: Raw<'a>,
        part: Raw<'a>,
        delta: Text<'a>,
        text: Text<'a>,
        refusal: Text<'a>,
        arguments: Text<'a>,
        input: Text<'a>,
        name: Str<'a>,
        logprobs: Raw<'a>,
        annotation: Raw<'a>,
        obfuscation: Str<'a>,
    }
}

wire_struct! {
    /// What an event is, and nothing else of it.
    pub(in super::super) struct Head<'a> {
        kind as "type": Str<'a>,
    }
}
