//! Whole answers and errors.

use llm_types::{Str, wire_struct};

use super::Raw;

wire_struct! {
    /// A whole answer.
    pub(crate) struct Reply<'a> {
        output: ReplyOutput<'a>,
        stop_reason as "stopReason": Str<'a>,
        usage: Usage<'a>,
        metrics: Raw<'a>,
        fields as "additionalModelResponseFields": Raw<'a>,
        service_tier as "serviceTier": Tier<'a>,
    }
}

wire_struct! {
    /// What the model said.
    pub(crate) struct ReplyOutput<'a> {
        message: OutputMessage<'a>,
    }
}

wire_struct! {
    /// The message in it.
    pub(crate) struct OutputMessage<'a> {
        role: Str<'a>,
        content: Vec<Raw<'a>>,
    }
}

wire_struct! {
    /// How the call was served.
    pub(crate) struct Tier<'a> {
        kind as "type": Str<'a>,
    }
}

wire_struct! {
    /// What was used. The counts of cached tokens come under two names at once.
    pub(crate) struct Usage<'a> {
        input as "inputTokens": u64,
        output as "outputTokens": u64,
        total as "totalTokens": u64,
        cache_read as "cacheReadInputTokens": u64,
        cache_read_count as "cacheReadInputTokenCount": u64,
        cache_write as "cacheWriteInputTokens": u64,
        cache_write_count as "cacheWriteInputTokenCount": u64,
        cache_details as "cacheDetails": Vec<CacheDetail<'a>>,
    }
}

wire_struct! {
    /// Tokens written to the cache for one time.
    pub(crate) struct CacheDetail<'a> {
        ttl: Str<'a>,
        input as "inputTokens": u64,
    }
}

wire_struct! {
    /// Members of the model's own answer that were asked for.
    pub(crate) struct ModelFields<'a> {
        usage: UsageFields<'a>,
    }
}

wire_struct! {
    /// What the model itself counted.
    pub(crate) struct UsageFields<'a> {
        output as "output_tokens_details": OutputTokens<'a>,
    }
}

wire_struct! {
    /// What the answer's tokens were for.
    pub(crate) struct OutputTokens<'a> {
        thinking as "thinking_tokens": u64,
    }
}

wire_struct! {
    /// What a tap reads of a whole answer.
    pub(crate) struct Watched<'a> {
        usage: Usage<'a>,
        fields as "additionalModelResponseFields": Raw<'a>,
    }
}

wire_struct! {
    /// A count of tokens.
    pub(crate) struct Counted<'a> {
        input as "inputTokens": u64,
    }
}

wire_struct! {
    /// An error. Its type is in a header, or here.
    pub(crate) struct Failure<'a> {
        message or "Message": Str<'a>,
        kind as "__type": Str<'a>,
        original as "originalStatusCode": u16,
    }
}
