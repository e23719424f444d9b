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

impl Event<'_> {
    /// The event on its own, for whoever keeps it longer than its chunk.
    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        match self {
            Event::Start(start) => Event::Start(start.into_owned()),
            Event::PartStart { choice, part, start } => {
                Event::PartStart { choice, part, start: start.into_owned() }
            }
            Event::Delta { choice, part, delta } => Event::Delta { choice, part, delta: delta.into_owned() },
            Event::PartEnd { choice, part } => Event::PartEnd { choice, part },
            Event::Usage(usage) => Event::Usage(usage),
            Event::Finish { choice, finish } => Event::Finish { choice, finish },
            Event::Error(error) => Event::Error(error),
            Event::Opaque { choice, dialect, members } => {
                Event::Opaque { choice, dialect, members: owned(members) }
            }
        }
    }
}

fn owned<T: ToOwned + ?Sized>(value: Cow<'_, T>) -> Cow<'static, T> {
    Cow::Owned(value.into_owned())
}

impl Start<'_> {
    fn into_owned(self) -> Start<'static> {
        let Start { id, model, created, service_tier, system_fingerprint } = self;
        Start {
            id: owned(id),
            model: owned(model),
            created,
            service_tier: service_tier.map(owned),
            system_fingerprint: system_fingerprint.map(owned),
        }
    }
}

impl PartStart<'_> {
    fn into_owned(self) -> PartStart<'static> {
        match self {
            PartStart::Text => PartStart::Text,
            PartStart::Refusal => PartStart::Refusal,
            PartStart::Reasoning => PartStart::Reasoning,
            PartStart::ToolCall { id, name, kind } => {
                PartStart::ToolCall { id: owned(id), name: owned(name), kind }
            }
            PartStart::Audio { id } => PartStart::Audio { id: owned(id) },
            PartStart::Image { media_type } => PartStart::Image { media_type: owned(media_type) },
            PartStart::Opaque(opaque) => PartStart::Opaque(owned(opaque)),
        }
    }
}

impl Delta<'_> {
    fn into_owned(self) -> Delta<'static> {
        match self {
            Delta::Text(text) => Delta::Text(owned(text)),
            Delta::Reasoning(text) => Delta::Reasoning(owned(text)),
            Delta::Signature(text) => Delta::Signature(owned(text)),
            Delta::Redacted(data) => Delta::Redacted(owned(data)),
            Delta::ToolArgs(text) => Delta::ToolArgs(owned(text)),
            Delta::Refusal(text) => Delta::Refusal(owned(text)),
            Delta::Data(data) => Delta::Data(owned(data)),
            Delta::Transcript(text) => Delta::Transcript(owned(text)),
            Delta::ExpiresAt(at) => Delta::ExpiresAt(at),
            Delta::Citation(citation) => Delta::Citation(owned(citation)),
            Delta::LogProbs(logprobs) => Delta::LogProbs(owned(logprobs)),
            Delta::Extra(extra) => Delta::Extra(owned(extra)),
        }
    }
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
