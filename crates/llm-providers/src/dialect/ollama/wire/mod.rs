//! The wire structs of `/api/chat`, `/api/generate` and `/api/embed`.

mod embed;
mod reply;
mod request;

pub(super) use llm_types::{Raw, WireText as Text};

pub(super) use embed::{EmbedReply, EmbedRequest};
pub(super) use reply::{Call, Called, Failure, LogProb, Reply, ReplyMessage};
pub(super) use request::{Function, Message, Options, Request, Tool, ToolCall, ToolFunction};
