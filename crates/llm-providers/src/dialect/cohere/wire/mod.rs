//! The wire structs of chat and embed.

mod embed;
mod reply;
mod request;
mod stream;

pub(super) use llm_types::{Raw, WireText as Text};

pub(super) use embed::{Counted, EmbedReply, EmbedRequest, Vectors};
pub(super) use reply::{
    Call, Called, Citation, Failure, LogProb, Part as ReplyPart, Reply, ReplyMessage, Source, SourceDocument,
    Units, Usage, Watched,
};
pub(super) use request::{
    Content, Format, Function, ImageUrl, Message, Part, Request, Thinking, Tool, ToolCall,
};
pub(super) use stream::{Delta, DeltaMessage, StreamEvent};
