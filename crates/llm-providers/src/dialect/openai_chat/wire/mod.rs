//! The JSON of Chat Completions, as typed structs.
//!
//! One set of structs serves both directions and both halves. Every field is optional, because
//! sixty providers each leave out different ones; what a struct does not name is kept.

mod chunk;
mod message;
mod reply;
mod request;
mod tool;

pub(super) use crate::dialect::scalar::{Count, Lossy, OrNull, Word};
pub(super) use chunk::{
    AudioDelta, Chunk, ChunkChoice, CustomDelta, Delta, DeltaContent, FunctionDelta, ToolCallDelta,
};
pub(super) use message::{
    AudioRef, CacheControlJson, Content, FileBody, ImageUrl, InputAudio, Message, Part, ThinkingBlock,
    Written,
};
pub(super) use reply::{
    Annotation, Audio, Bytes, CacheCreation, Choice, Completion, CompletionDetails, LogProbs, PromptDetails,
    ReplyContent, ReplyMessage, Token, UrlCitation, Usage, without_padding,
};
pub(super) use request::{
    Approximate, AudioOut, Effort, Format, JsonSchema, Request, Stop, StreamOptions, Thinking, UserLocation,
    WebSearchOptions,
};
pub(super) use tool::{
    AllowedTools, Arguments, Custom, CustomCall, Function, FunctionCall, Named, Tool, ToolCall, ToolChoice,
};

use llm_types::wire_struct;

wire_struct! {
    /// An object none of whose members are named: all of them are in `extra`.
    pub(super) struct Open<'a> {}
}
