//! The events of a streamed answer.
//!
//! One flat struct for all of them: a delta is read in a single pass, whatever the order of its
//! members, and what only a few events carry stays raw until it is asked for.

use llm_types::{Str, wire_struct};

use super::{ErrorBody, Raw, Text};

wire_struct! {
    /// One event.
    pub(crate) struct StreamEvent<'a> {
        kind as "type": Str<'a>,
        index: u32,
        message: Raw<'a>,
        content_block: Raw<'a>,
        delta: BlockDelta<'a>,
        usage: Raw<'a>,
        context_management: Raw<'a>,
        error: ErrorBody<'a>,
    }
}

wire_struct! {
    /// A piece of a block, or of the message itself.
    pub(crate) struct BlockDelta<'a> {
        kind as "type": Str<'a>,
        text: Text<'a>,
        thinking: Text<'a>,
        signature: Str<'a>,
        partial_json: Text<'a>,
        citation: Raw<'a>,
        content: Raw<'a>,
        stop_reason: Str<'a>,
        stop_sequence: Str<'a>,
        stop_details: Raw<'a>,
        container: Raw<'a>,
    }
}

wire_struct! {
    /// A block of a server tool, whose input or content comes in pieces.
    pub(crate) struct AssembledBlock<'a> {
        kind as "type": Str<'a>,
        input: Raw<'a>,
        content: Raw<'a>,
    }
}
