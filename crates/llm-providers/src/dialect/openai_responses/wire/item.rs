//! The items that a conversation and an answer are made of.
//!
//! A union by `type`, written by hand. Items that only the provider understands (searches, computer
//! use, compactions) stay raw, because they have to go back as they came.

use llm_types::{RawValue, Str, wire_struct};
use serde::de::{Deserialize, Deserializer, Error};
use serde::{Serialize, Serializer};

use super::{Lossy, Part, Raw, TextPart, by_kind};

wire_struct! {
    /// `message`: the type may be left out in a request, the role never.
    pub(in super::super) struct MessageItem<'a> {
        kind as "type": Str<'a>,
        id: Str<'a>,
        status: Str<'a>,
        role: Str<'a>,
        content: Parts<'a>,
        phase: Str<'a>,
    }
}

wire_struct! {
    /// `function_call`: arguments are JSON text.
    pub(in super::super) struct FunctionCall<'a> {
        kind as "type": Str<'a>,
        id: Str<'a>,
        call_id: Str<'a>,
        name: Str<'a>,
        arguments: Lossy<'a>,
        status: Str<'a>,
    }
}

wire_struct! {
    /// `custom_tool_call`: the input is free text.
    pub(in super::super) struct CustomToolCall<'a> {
        kind as "type": Str<'a>,
        id: Str<'a>,
        call_id: Str<'a>,
        name: Str<'a>,
        input: Lossy<'a>,
        status: Str<'a>,
    }
}

wire_struct! {
    /// `function_call_output`, `custom_tool_call_output`.
    pub(in super::super) struct CallOutput<'a> {
        kind as "type": Str<'a>,
        id: Str<'a>,
        call_id: Str<'a>,
        output: Output<'a>,
        status: Str<'a>,
    }
}

wire_struct! {
    /// `reasoning`: a summary, the thoughts themselves where a provider shows them, and what only the
    /// provider can read.
    pub(in super::super) struct ReasoningItem<'a> {
        kind as "type": Str<'a>,
        id: Str<'a>,
        summary: Vec<ReasoningText<'a>>,
        content: Vec<ReasoningText<'a>>,
        encrypted_content: Str<'a>,
        status: Str<'a>,
    }
}

/// `summary_text` in a summary, `reasoning_text` in the content.
pub(in super::super) type ReasoningText<'a> = TextPart<'a>;

wire_struct! {
    /// `item_reference`: an item that the provider has stored.
    pub(in super::super) struct ItemReference<'a> {
        kind as "type": Str<'a>,
        id: Str<'a>,
    }
}

/// One item.
#[derive(Debug)]
pub(in super::super) enum Item<'a> {
    /// `message`
    Message(MessageItem<'a>),
    /// `function_call`
    FunctionCall(FunctionCall<'a>),
    /// `function_call_output`
    FunctionOutput(CallOutput<'a>),
    /// `custom_tool_call`
    CustomCall(CustomToolCall<'a>),
    /// `custom_tool_call_output`
    CustomOutput(CallOutput<'a>),
    /// `reasoning`
    Reasoning(ReasoningItem<'a>),
    /// `item_reference`
    Reference(ItemReference<'a>),
    /// Any other (items of tools that the provider runs), as it came.
    Other(Str<'a>, Raw<'a>),
}

impl<'a> Item<'a> {
    /// Reads an item from its raw text.
    ///
    /// # Errors
    /// When it is not an object, or one of its members is of the wrong type.
    pub(in super::super) fn read(raw: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(raw)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Item<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        by_kind(deserializer, |kind, raw| {
            let text = raw.get();
            Ok(match kind.as_str() {
                "message" => Self::Message(serde_json::from_str(text)?),
                "function_call" => Self::FunctionCall(serde_json::from_str(text)?),
                "function_call_output" => Self::FunctionOutput(serde_json::from_str(text)?),
                "custom_tool_call" => Self::CustomCall(serde_json::from_str(text)?),
                "custom_tool_call_output" => Self::CustomOutput(serde_json::from_str(text)?),
                "reasoning" => Self::Reasoning(serde_json::from_str(text)?),
                "item_reference" => Self::Reference(serde_json::from_str(text)?),
                // The type may be left out of a message and of a reference; only one of them has a role.
                "" => {
                    let message: MessageItem<'a> = serde_json::from_str(text)?;
                    if message.role.is_none() && message.content.is_none() && message.id.is_some() {
                        Self::Reference(serde_json::from_str(text)?)
                    } else {
                        Self::Message(message)
                    }
                }
                _ => Self::Other(kind, raw.into()),
            })
        })
    }
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Message(item) => item.serialize(serializer),
            Self::FunctionCall(item) => item.serialize(serializer),
            Self::FunctionOutput(item) | Self::CustomOutput(item) => item.serialize(serializer),
            Self::CustomCall(item) => item.serialize(serializer),
            Self::Reasoning(item) => item.serialize(serializer),
            Self::Reference(item) => item.serialize(serializer),
            Self::Other(_, raw) => raw.serialize(serializer),
        }
    }
}

/// Content: a string, or parts.
#[derive(Debug)]
pub(in super::super) enum Parts<'a> {
    /// Text alone.
    Text(Lossy<'a>),
    /// Parts.
    List(Vec<Part<'a>>),
}

/// What a tool answered has the same form.
pub(in super::super) type Output<'a> = Parts<'a>;

impl<'de: 'a, 'a> Deserialize<'de> for Parts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        let read = if raw.starts_with('"') {
            serde_json::from_str(raw).map(Self::Text)
        } else {
            serde_json::from_str(raw).map(Self::List)
        };
        read.map_err(D::Error::custom)
    }
}

impl Serialize for Parts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::List(parts) => parts.serialize(serializer),
        }
    }
}
