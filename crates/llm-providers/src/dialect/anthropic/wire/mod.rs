//! The wire structs of the Messages API.
//!
//! One set for both directions: a client half writes requests and reads replies, a server half does the
//! opposite. Every struct keeps the members it does not name, and a content block of an unknown type
//! stays raw, because Anthropic adds blocks more often than a gateway is released.

mod batch;
mod block;
mod reply;
mod request;
mod stream;

pub(crate) use llm_types::{Kind, Raw, WireText as Text, by_kind};

pub(crate) use batch::{BatchLine, BatchResult, MessageBatch, RequestCounts};
pub(crate) use block::{
    Block, CacheControl, Citation, Content, MediaBlock, RedactedBlock, Source, TextBlock, ThinkingBlock,
    ToolResultBlock, ToolUseBlock,
};
pub(crate) use reply::{Counted, ErrorBody, Reply, Usage, Watched};
pub(crate) use request::{
    Compaction, ContextEdit, ContextEdits, ContextObject, McpServer, McpTools, Message, Metadata,
    OutputConfig, OutputFormat, Request, Thinking, Tool, ToolChoice, ToolDef, Trigger, UserLocation,
};
pub(crate) use stream::{AssembledBlock, BlockDelta, StreamEvent};
