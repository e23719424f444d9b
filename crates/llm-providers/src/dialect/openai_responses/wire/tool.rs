//! Tools and the choice among them.

use llm_types::{RawValue, Str, wire_struct};
use serde::de::{Deserialize, Deserializer, Error};
use serde::{Serialize, Serializer};

use super::{Raw, by_kind};

wire_struct! {
    /// `function`: flat, and strict unless it says otherwise.
    pub(in super::super) struct Function<'a> {
        kind as "type": Str<'a>,
        name: Str<'a>,
        description: Str<'a>,
        parameters: Raw<'a>,
        strict: bool,
    }
}

wire_struct! {
    /// `custom`: takes free text.
    pub(in super::super) struct Custom<'a> {
        kind as "type": Str<'a>,
        name: Str<'a>,
        description: Str<'a>,
        format: Raw<'a>,
    }
}

/// One tool.
#[derive(Debug)]
pub(in super::super) enum Tool<'a> {
    /// `function`
    Function(Function<'a>),
    /// `custom`
    Custom(Custom<'a>),
    /// One that the provider runs, with its type, as it came.
    Hosted(Str<'a>, Raw<'a>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Tool<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        by_kind(deserializer, |kind, raw| {
            Ok(match kind.as_str() {
                "function" => Self::Function(serde_json::from_str(raw.get())?),
                "custom" => Self::Custom(serde_json::from_str(raw.get())?),
                _ => Self::Hosted(kind, raw.into()),
            })
        })
    }
}

impl Serialize for Tool<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Function(tool) => tool.serialize(serializer),
            Self::Custom(tool) => tool.serialize(serializer),
            Self::Hosted(_, raw) => raw.serialize(serializer),
        }
    }
}

wire_struct! {
    /// A choice that says more than a word: `function` and `custom` with a name, `allowed_tools` with a
    /// mode and tools, `mcp` with a server, or the type of a hosted tool. Also an entry of `tools`.
    pub(in super::super) struct ChoiceObject<'a> {
        kind as "type": Str<'a>,
        name: Str<'a>,
        mode: Str<'a>,
        tools: Vec<ChoiceObject<'a>>,
        server_label: Str<'a>,
    }
}

/// Which tools the model may or must call.
#[derive(Debug)]
pub(in super::super) enum Choice<'a> {
    /// `none`, `auto`, `required`.
    Word(Str<'a>),
    /// Certain tools.
    Object(ChoiceObject<'a>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Choice<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        let read = if raw.starts_with('"') {
            serde_json::from_str(raw).map(Self::Word)
        } else {
            serde_json::from_str(raw).map(Self::Object)
        };
        read.map_err(D::Error::custom)
    }
}

impl Serialize for Choice<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Word(word) => word.serialize(serializer),
            Self::Object(object) => object.serialize(serializer),
        }
    }
}
