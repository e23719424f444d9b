//! A streamed answer, event by event.
//!
//! Events borrow from the chunk that they were read from, and a decoder writes them straight into
//! whatever takes them (a client's encoder, a collector): no channel and no box per delta. Every
//! event names its choice, because `n > 1` interleaves.
//!
//! Order, for each choice: `PartStart`, its `Delta`s, `PartEnd`, then the next part; parts of one choice
//! do not overlap, except that tool calls may be open together. Part numbers count from 0 in order of
//! appearance. `Finish` comes once per choice, after its last part; `Usage` may come at any time and
//! the last one counts.

use std::borrow::Cow;
use std::ops::ControlFlow;

use crate::chat::{Citation, LogProbs, ToolCallKind};
use crate::{ApiError, Dialect, Extra, Finish, Usage};

/// One event of a streamed answer.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// The answer begins.
    Start(Start<'a>),
    /// A part begins.
    PartStart {
        /// Which answer.
        choice: u32,
        /// Which part of it.
        part: u32,
        /// What it is.
        start: PartStart<'a>,
    },
    /// A piece of a part.
    Delta {
        /// Which answer.
        choice: u32,
        /// Which part of it.
        part: u32,
        /// The piece.
        delta: Delta<'a>,
    },
    /// A part is complete.
    PartEnd {
        /// Which answer.
        choice: u32,
        /// Which part of it.
        part: u32,
    },
    /// What was used so far, cumulative.
    Usage(Usage),
    /// A choice is complete.
    Finish {
        /// Which answer.
        choice: u32,
        /// Why.
        finish: Finish,
    },
    /// The provider broke off with an error; nothing follows.
    Error(ApiError),
    /// Members that only their own dialect understands, as one JSON object.
    Opaque {
        /// Which answer; `None`: the whole reply.
        choice: Option<u32>,
        /// The dialect they belong to.
        dialect: Dialect,
        /// The members.
        members: Cow<'a, Extra>,
    },
}

/// How an answer begins.
#[derive(Debug, Clone, Default)]
pub struct Start<'a> {
    /// The provider's id of the answer; may be empty.
    pub id: Cow<'a, str>,
    /// The model that answers, as the provider names it.
    pub model: Cow<'a, str>,
    /// Unix seconds, where the provider says it.
    pub created: Option<u64>,
    /// The service tier that is used.
    pub service_tier: Option<Cow<'a, str>>,
    /// OpenAI's fingerprint of the backend.
    pub system_fingerprint: Option<Cow<'a, str>>,
}

/// What a part is.
#[derive(Debug, Clone)]
pub enum PartStart<'a> {
    /// Text.
    Text,
    /// A refusal in words.
    Refusal,
    /// Thoughts.
    Reasoning,
    /// A tool call.
    ToolCall {
        /// Its id.
        id: Cow<'a, str>,
        /// The tool's name.
        name: Cow<'a, str>,
        /// What kind of tool.
        kind: ToolCallKind,
    },
    /// Sound.
    Audio {
        /// The provider's id of it.
        id: Cow<'a, str>,
    },
    /// A picture.
    Image {
        /// Its media type.
        media_type: Cow<'a, str>,
    },
    /// A piece that only its own dialect understands, whole.
    Opaque(Cow<'a, crate::chat::Opaque>),
}

/// A piece of a part.
#[derive(Debug, Clone)]
pub enum Delta<'a> {
    /// More text.
    Text(Cow<'a, str>),
    /// More thoughts.
    Reasoning(Cow<'a, str>),
    /// The signature of the part (thoughts, a tool call, a text).
    Signature(Cow<'a, str>),
    /// Encrypted thoughts, whole.
    Redacted(Cow<'a, str>),
    /// More of a tool's arguments.
    ToolArgs(Cow<'a, str>),
    /// More of a refusal.
    Refusal(Cow<'a, str>),
    /// More sound or picture data (base64).
    Data(Cow<'a, str>),
    /// More of the sound's transcript.
    Transcript(Cow<'a, str>),
    /// When the provider forgets the sound, in Unix seconds.
    ExpiresAt(u64),
    /// A source of the text.
    Citation(Cow<'a, Citation>),
    /// Log probabilities of the tokens just sent.
    LogProbs(Cow<'a, LogProbs>),
    /// Members of the part that no delta names.
    Extra(Cow<'a, Extra>),
}

/// Whether the taker wants more.
pub type Flow = ControlFlow<()>;

/// Takes the events of a streamed answer.
pub trait EventSink {
    /// Takes one event. `Break` asks the decoder to stop reading.
    fn event(&mut self, event: Event<'_>) -> Flow;
}

impl<F: FnMut(Event<'_>) -> Flow> EventSink for F {
    fn event(&mut self, event: Event<'_>) -> Flow {
        self(event)
    }
}
