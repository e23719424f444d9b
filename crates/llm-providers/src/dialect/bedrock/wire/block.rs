//! Content blocks of requests and replies.

use llm_types::{Str, wire_struct};

use super::{Raw, Text};

wire_struct! {
    /// One content block: one member is set.
    pub(crate) struct Block<'a> {
        text: Text<'a>,
        image: Media<'a>,
        document: Document<'a>,
        video: Media<'a>,
        audio: Media<'a>,
        tool_use as "toolUse": ToolUse<'a>,
        tool_result as "toolResult": ToolResult<'a>,
        reasoning as "reasoningContent": Reasoning<'a>,
        citations as "citationsContent": CitationsContent<'a>,
        guard as "guardContent": GuardContent<'a>,
        json: Raw<'a>,
        cache_point as "cachePoint": CachePoint<'a>,
    }
}

wire_struct! {
    /// A picture, video or sound.
    pub(crate) struct Media<'a> {
        format: Str<'a>,
        source: Source<'a>,
    }
}

wire_struct! {
    /// Where bytes are.
    pub(crate) struct Source<'a> {
        bytes: Str<'a>,
        text: Str<'a>,
        s3_location as "s3Location": S3Location<'a>,
    }
}

wire_struct! {
    /// An object in S3.
    pub(crate) struct S3Location<'a> {
        uri: Str<'a>,
    }
}

wire_struct! {
    /// A document.
    pub(crate) struct Document<'a> {
        format: Str<'a>,
        name: Str<'a>,
        source: Source<'a>,
        context: Str<'a>,
        citations: DocumentCitations<'a>,
    }
}

wire_struct! {
    /// Whether the answer says where in a document it found something.
    pub(crate) struct DocumentCitations<'a> {
        enabled: bool,
    }
}

wire_struct! {
    /// The model calls a tool.
    pub(crate) struct ToolUse<'a> {
        id as "toolUseId": Str<'a>,
        name: Str<'a>,
        input: Raw<'a>,
        kind as "type": Str<'a>,
    }
}

wire_struct! {
    /// What a tool answered.
    pub(crate) struct ToolResult<'a> {
        id as "toolUseId": Str<'a>,
        content: Vec<Block<'a>>,
        status: Str<'a>,
        kind as "type": Str<'a>,
    }
}

wire_struct! {
    /// Thoughts, signed or encrypted.
    pub(crate) struct Reasoning<'a> {
        text as "reasoningText": ReasoningText<'a>,
        redacted as "redactedContent": Str<'a>,
    }
}

wire_struct! {
    /// Thoughts in words.
    pub(crate) struct ReasoningText<'a> {
        text: Text<'a>,
        signature: Str<'a>,
    }
}

wire_struct! {
    /// Text with its sources.
    pub(crate) struct CitationsContent<'a> {
        content: Vec<Block<'a>>,
        citations: Vec<Raw<'a>>,
    }
}

wire_struct! {
    /// A source.
    pub(crate) struct Quote<'a> {
        title: Str<'a>,
        source: Str<'a>,
        quoted as "sourceContent": Vec<Block<'a>>,
        location: Raw<'a>,
    }
}

wire_struct! {
    /// What a guardrail is to look at.
    pub(crate) struct GuardContent<'a> {
        text: GuardText<'a>,
    }
}

wire_struct! {
    /// Text that a guardrail is to look at.
    pub(crate) struct GuardText<'a> {
        text: Str<'a>,
        qualifiers: Vec<Str<'a>>,
    }
}

wire_struct! {
    /// The prompt is cached up to here.
    pub(crate) struct CachePoint<'a> {
        kind as "type": Str<'a>,
        ttl: Str<'a>,
    }
}
