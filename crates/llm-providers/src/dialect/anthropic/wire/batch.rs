//! Batches: how one stands, and a line of its answers (docs.anthropic.com/en/api/creating-message-batches).

use llm_types::{Str, wire_struct};

use super::{Raw, Reply};

wire_struct! {
    /// How a batch stands.
    pub(crate) struct MessageBatch<'a> {
        id: Str<'a>,
        processing_status: Str<'a>,
        request_counts: RequestCounts<'a>,
        created_at: Str<'a>,
        cancel_initiated_at: Str<'a>,
        ended_at: Str<'a>,
        expires_at: Str<'a>,
        results_url: Str<'a>,
    }
}

wire_struct! {
    /// How far its requests are.
    pub(crate) struct RequestCounts<'a> {
        processing: u64,
        succeeded: u64,
        errored: u64,
        canceled: u64,
        expired: u64,
    }
}

wire_struct! {
    /// A line of its answers.
    pub(crate) struct BatchLine<'a> {
        custom_id: Str<'a>,
        result: BatchResult<'a>,
    }
}

wire_struct! {
    /// What came of a request.
    pub(crate) struct BatchResult<'a> {
        kind as "type": Str<'a>,
        message: Raw<'a>,
        error: Reply<'a>,
    }
}
