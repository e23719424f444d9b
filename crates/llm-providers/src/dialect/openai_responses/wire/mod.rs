//! The JSON of the Responses API, as typed structs.
//!
//! One set for both directions and both halves. Members that are not named are kept in order, and items,
//! parts, tools and events of an unknown type stay raw: OpenAI adds them more often than a gateway is
//! released.

mod item;
mod part;
mod reply;
mod request;
mod stream;
mod tool;

pub(super) use crate::dialect::scalar::{Count, Lossy, Word};
pub(super) use llm_types::{Raw, WireText as Text, by_kind};

pub(super) use item::{CallOutput, CustomToolCall, FunctionCall, Item, MessageItem, Parts, ReasoningItem};
pub(super) use part::{
    Annotation, InputAudio, InputFile, InputImage, OutputText, Part, RefusalPart, Sound, TextPart, Token,
};
pub(super) use reply::{Incomplete, InputDetails, OutputDetails, Response, Usage, Watched};
pub(super) use request::{Format, Input, Reasoning, Request, StreamOptions, TextOptions};
pub(super) use stream::{Head, StreamEvent};
pub(super) use tool::{Choice, ChoiceObject, Custom, Function, Tool};
