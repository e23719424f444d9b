//! The wire structs of Converse.
//!
//! Its unions are told apart by the name of their one member, so each is a struct of which one field is set;
//! what is not named here stays in `extra` and is kept or reported.

mod block;
mod reply;
mod request;
mod stream;

pub(super) use llm_types::{Raw, WireText as Text};

pub(super) use block::{
    Block, CachePoint, CitationsContent, Document, DocumentCitations, GuardContent, GuardText, Media, Quote,
    Reasoning, ReasoningText, S3Location, Source, ToolResult, ToolUse,
};
pub(super) use reply::{Counted, Failure, ModelFields, Reply, Usage, Watched};
pub(super) use request::{
    Choice, Claude, ClaudeChoice, ClaudeOutput, Count, CountInput, CountTokens, Empty, Fields, Inference,
    InputSchema, JsonSchema, Message, NamedTool, NovaInference, NovaReasoning, OutputConfig, Request,
    ServiceTier, Structure, SystemTool, TextFormat, Tool, ToolConfig, ToolSpec,
};
pub(super) use stream::{
    BlockDelta, BlockStart, Chunk, DeltaPayload, Metered, ReasoningDelta, StartPayload, Stopped,
};
