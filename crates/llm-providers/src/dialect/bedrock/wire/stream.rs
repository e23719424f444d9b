//! Events of a stream. Each holds random padding, `p`, which stays among the members that nobody reads.

use llm_types::{Str, wire_struct};

use super::{Raw, Text, ToolResult, ToolUse, Usage};

wire_struct! {
    /// `contentBlockStart`: tools and what the service runs; other blocks begin with their first piece.
    pub(crate) struct BlockStart<'a> {
        index as "contentBlockIndex": u32,
        start: StartPayload<'a>,
    }
}

wire_struct! {
    /// What begins.
    pub(crate) struct StartPayload<'a> {
        tool_use as "toolUse": ToolUse<'a>,
        tool_result as "toolResult": ToolResult<'a>,
    }
}

wire_struct! {
    /// `contentBlockDelta`, `contentBlockStop`
    pub(crate) struct BlockDelta<'a> {
        index as "contentBlockIndex": u32,
        delta: DeltaPayload<'a>,
    }
}

wire_struct! {
    /// A piece of a block.
    pub(crate) struct DeltaPayload<'a> {
        text: Text<'a>,
        tool_use as "toolUse": ToolDelta<'a>,
        tool_result as "toolResult": Vec<Raw<'a>>,
        reasoning as "reasoningContent": ReasoningDelta<'a>,
        citation: Raw<'a>,
    }
}

wire_struct! {
    /// A piece of a call's input.
    pub(crate) struct ToolDelta<'a> {
        input: Text<'a>,
    }
}

wire_struct! {
    /// A piece of thoughts.
    pub(crate) struct ReasoningDelta<'a> {
        text: Text<'a>,
        signature: Str<'a>,
        redacted as "redactedContent": Str<'a>,
    }
}

wire_struct! {
    /// `messageStop` and `metadata`
    pub(crate) struct Stopped<'a> {
        stop_reason as "stopReason": Str<'a>,
        fields as "additionalModelResponseFields": Raw<'a>,
        usage: Usage<'a>,
        metrics: Raw<'a>,
        padding as "p": Raw<'a>,
    }
}

wire_struct! {
    /// `chunk`: a piece of a model's own answer, in base64.
    pub(crate) struct Chunk<'a> {
        bytes: Str<'a>,
        padding as "p": Raw<'a>,
    }
}

wire_struct! {
    /// The last of those pieces: what was used.
    pub(crate) struct Metered<'a> {
        counts as "amazon-bedrock-invocationMetrics": Counts<'a>,
    }
}

wire_struct! {
    /// Tokens of a model's own answer.
    pub(crate) struct Counts<'a> {
        input as "inputTokenCount": u64,
        cache_read as "cacheReadInputTokenCount": u64,
        cache_write as "cacheWriteInputTokenCount": u64,
        output as "outputTokenCount": u64,
    }
}
