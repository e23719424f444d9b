//! A conversation turn in the neutral form.
//!
//! The fields are grouped so that an encoder can destructure a request exhaustively, group by group
//! and without `..`: a new field then does not compile until every dialect has decided what to do
//! with it. That is how "nothing is dropped silently" is kept true.

mod logprob;
mod message;
mod option;
mod part;
mod request;
mod seal;
mod tool;

pub use logprob::{LogProbs, TokenLogProb};
pub use message::{Message, Role};
pub use option::{
    AudioOutput, CacheOptions, Delivery, Effort, Format, Identity, JsonSchema, Limits, OutputOptions,
    ReasoningOptions, Sampling, Thinking, WebSearch,
};
pub use part::{
    Audio, CacheControl, Citation, File, Image, Media, Opaque, Part, Reasoning, Refusal, Text, ToolCall,
    ToolCallKind, ToolResult,
};
pub use request::ChatRequest;
pub use seal::{SEAL, Sealed};
pub use tool::{Tool, ToolChoice, ToolKind, Tooling};
