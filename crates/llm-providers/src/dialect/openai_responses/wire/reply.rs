//! The Response object: the body of an answer, and what the first and last events of a stream hold.
//!
//! Only what is read has a name. What repeats the request (`tools`, `temperature`, …) stays in `extra`, in
//! order: it is half of the object, and nobody who translates it needs it.

use llm_types::{Str, wire_struct};

use super::{Count, Item, Raw, Word};

wire_struct! {
    /// An answer, whole or so far.
    pub(in super::super) struct Response<'a> {
        id: Word<'a>,
        object: Word<'a>,
        created_at: Count,
        status: Word<'a>,
        model: Word<'a>,
        error: Raw<'a>,
        incomplete_details: Incomplete<'a>,
        output: Vec<Item<'a>>,
        service_tier: Word<'a>,
        usage: Usage<'a>,
        tool_usage: Raw<'a>,
    }
}

wire_struct! {
    /// What is read of an answer whose content is known already or passes through.
    pub(in super::super) struct Watched<'a> {
        object: Word<'a>,
        model: Word<'a>,
        status: Word<'a>,
        error: Raw<'a>,
        incomplete_details: Incomplete<'a>,
        output: Raw<'a>,
        service_tier: Word<'a>,
        usage: Usage<'a>,
        tool_usage: Raw<'a>,
    }
}

wire_struct! {
    /// Why an answer is not whole: `max_output_tokens`, `content_filter`.
    pub(in super::super) struct Incomplete<'a> {
        reason: Str<'a>,
    }
}

wire_struct! {
    /// What an answer used.
    pub(in super::super) struct Usage<'a> {
        input_tokens: Count,
        input_tokens_details: InputDetails<'a>,
        output_tokens: Count,
        output_tokens_details: OutputDetails<'a>,
        total_tokens: Count,
    }
}

wire_struct! {
    /// Of the prompt; each is part of `input_tokens`.
    pub(in super::super) struct InputDetails<'a> {
        cached_tokens: Count,
        cache_write_tokens: Count,
        audio_tokens: Count,
        image_tokens: Count,
    }
}

wire_struct! {
    /// Of the answer; each is part of `output_tokens`.
    pub(in super::super) struct OutputDetails<'a> {
        reasoning_tokens: Count,
        audio_tokens: Count,
        image_tokens: Count,
    }
}
