//! The body of `POST /v1/responses`.
//!
//! Members stand in the order in which OpenAI documents them.

use llm_types::{RawValue, Str, wire_struct};
use serde::de::{Deserialize, Deserializer, Error};
use serde::{Serialize, Serializer};

use super::{Choice, Item, Raw, Tool};

wire_struct! {
    /// The request.
    pub(in super::super) struct Request<'a> {
        model: Str<'a>,
        instructions: Str<'a>,
        input: Input<'a>,
        tools: Vec<Tool<'a>>,
        tool_choice: Choice<'a>,
        parallel_tool_calls: bool,
        text: TextOptions<'a>,
        reasoning: Reasoning<'a>,
        max_output_tokens: u64,
        max_tool_calls: u64,
        temperature: f64,
        top_p: f64,
        top_logprobs: u32,
        include: Vec<Str<'a>>,
        store: bool,
        previous_response_id: Str<'a>,
        conversation: Conversation<'a>,
        background: bool,
        stream: bool,
        stream_options: StreamOptions<'a>,
        truncation: Str<'a>,
        context_management: Raw<'a>,
        prompt: Raw<'a>,
        prompt_cache_key: Str<'a>,
        prompt_cache_retention: Str<'a>,
        prompt_cache_options: Raw<'a>,
        safety_identifier: Str<'a>,
        user: Str<'a>,
        metadata: Raw<'a>,
        service_tier: Str<'a>,
        moderation: Raw<'a>,
    }
}

/// The conversation: one text of the user, or items.
#[derive(Debug)]
pub(in super::super) enum Input<'a> {
    /// One text of the user.
    Text(Str<'a>),
    /// Items, oldest first.
    Items(Vec<Item<'a>>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Input<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        let read = if raw.get().starts_with('"') {
            serde_json::from_str(raw.get()).map(Self::Text)
        } else {
            serde_json::from_str(raw.get()).map(Self::Items)
        };
        read.map_err(D::Error::custom)
    }
}

impl Serialize for Input<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Items(items) => items.serialize(serializer),
        }
    }
}

wire_struct! {
    /// The form of the answer's text.
    pub(in super::super) struct TextOptions<'a> {
        format: Format<'a>,
        verbosity: Str<'a>,
    }
}

wire_struct! {
    /// `text`, `json_object`, or `json_schema` with the schema beside it.
    pub(in super::super) struct Format<'a> {
        kind as "type": Str<'a>,
        name: Str<'a>,
        description: Str<'a>,
        schema: Raw<'a>,
        strict: bool,
    }
}

wire_struct! {
    /// How much the model thinks, and what of it is shown.
    pub(in super::super) struct Reasoning<'a> {
        effort: Str<'a>,
        summary: Str<'a>,
        generate_summary: Str<'a>,
    }
}

wire_struct! {
    /// How the stream is written.
    pub(in super::super) struct StreamOptions<'a> {
        include_obfuscation: bool,
    }
}

/// The stored conversation that the exchange belongs to: its id, or an object with it.
#[derive(Debug)]
pub(in super::super) enum Conversation<'a> {
    /// Its id.
    Id(Str<'a>),
    /// An object with its id.
    Object(Raw<'a>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Conversation<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        if raw.get().starts_with('"') {
            return serde_json::from_str(raw.get()).map(Self::Id).map_err(D::Error::custom);
        }
        Ok(Self::Object(raw.into()))
    }
}

impl Serialize for Conversation<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Id(id) => id.serialize(serializer),
            Self::Object(object) => object.serialize(serializer),
        }
    }
}
