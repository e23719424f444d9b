//! A piece of a streamed answer: `chat.completion.chunk`.
//!
//! Texts are [`Wtf8`], so that a character whose surrogate halves came in two chunks can be joined.

use std::borrow::Cow;

use llm_types::{RawValue, Str, Wtf8, wire_struct};
use serde::de::{Deserialize, Deserializer, Error};
use serde::{Serialize, Serializer};

use super::{Count, LogProbs, OrNull, ThinkingBlock, Usage, Word, Written};

wire_struct! {
    /// One chunk.
    pub(in super::super) struct Chunk<'a> {
        id: Word<'a>,
        object: Word<'a>,
        created: Count,
        model: Word<'a>,
        choices: Vec<ChunkChoice<'a>>,
        usage: Usage<'a>,
        service_tier: Word<'a>,
        system_fingerprint: Word<'a>,
        error: &'a RawValue,
        citations: Written<'a>,
        search_results: Written<'a>,
        x_groq: Written<'a>,
    }
}

wire_struct! {
    /// A piece of one of the answers.
    pub(in super::super) struct ChunkChoice<'a> {
        index: Count,
        delta: Delta<'a>,
        message: &'a RawValue,
        finish_reason: Word<'a>,
        logprobs: OrNull<LogProbs<'a>>,
        usage: Usage<'a>,
        error: &'a RawValue,
    }
}

wire_struct! {
    /// What is added to the message.
    pub(in super::super) struct Delta<'a> {
        role: Word<'a>,
        content: DeltaContent<'a>,
        refusal: Piece<'a>,
        reasoning_content: Piece<'a>,
        reasoning: Piece<'a>,
        reasoning_details: Written<'a>,
        thinking_blocks: Vec<ThinkingBlock<'a>>,
        tool_calls: Vec<ToolCallDelta<'a>>,
        function_call: FunctionDelta<'a>,
        audio: AudioDelta<'a>,
        images: Vec<Written<'a>>,
        annotations: Vec<Written<'a>>,
        provider_specific_fields: Written<'a>,
    }
}

wire_struct! {
    /// A piece of a tool call.
    pub(in super::super) struct ToolCallDelta<'a> {
        index: Index,
        id: Str<'a>,
        kind as "type": Str<'a>,
        function: FunctionDelta<'a>,
        custom: CustomDelta<'a>,
        provider_specific_fields: Written<'a>,
    }
}

wire_struct! {
    /// A piece of a function call.
    pub(in super::super) struct FunctionDelta<'a> {
        name: Str<'a>,
        arguments: Fragment<'a>,
    }
}

wire_struct! {
    /// A piece of a custom tool's input.
    pub(in super::super) struct CustomDelta<'a> {
        name: Str<'a>,
        input: Piece<'a>,
    }
}

wire_struct! {
    /// A piece of sound.
    pub(in super::super) struct AudioDelta<'a> {
        id: Str<'a>,
        data: Str<'a>,
        transcript: Piece<'a>,
        expires_at: Count,
    }
}

/// The place of a tool call among those of its answer.
pub(in super::super) type Index = Count;

/// Text that may begin or end with half a surrogate pair.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Piece<'a>(pub Wtf8<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Piece<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Wtf8::deserialize(deserializer).map(Self)
    }
}

impl Serialize for Piece<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.clone().into_lossy())
    }
}

/// A piece of JSON arguments; an object in place of its text is taken as the text.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Fragment<'a>(pub Wtf8<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Fragment<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        if !raw.starts_with('"') {
            return Ok(Self(Wtf8::from(raw)));
        }
        serde_json::from_str(raw).map(Self).map_err(D::Error::custom)
    }
}

impl Serialize for Fragment<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.clone().into_lossy())
    }
}

/// More content: a string, or a list of parts.
#[derive(Debug)]
pub(in super::super) enum DeltaContent<'a> {
    /// A string.
    Text(Wtf8<'a>),
    /// Parts.
    Parts(Vec<&'a RawValue>),
}

impl<'de: 'a, 'a> Deserialize<'de> for DeltaContent<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        if raw.starts_with('[') {
            return serde_json::from_str(raw).map(Self::Parts).map_err(D::Error::custom);
        }
        serde_json::from_str(raw).map(Self::Text).map_err(D::Error::custom)
    }
}

impl Serialize for DeltaContent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => {
                let text: Cow<'_, str> = text.clone().into_lossy();
                serializer.serialize_str(&text)
            }
            Self::Parts(parts) => parts.serialize(serializer),
        }
    }
}
