//! Tools, the choice among them, and calls of them.

use std::borrow::Cow;

use llm_types::{RawValue, Str, wire_struct};
use serde::de::{Deserialize, Deserializer, Error};
use serde::{Serialize, Serializer};

use super::{CacheControlJson, Lossy, Written};

wire_struct! {
    /// A tool on offer. One of a type that is not ours is kept whole instead.
    pub(in super::super) struct Tool<'a> {
        kind as "type": Str<'a>,
        function: Function<'a>,
        custom: Custom<'a>,
        cache_control: CacheControlJson<'a>,
    }
}

wire_struct! {
    /// A function with JSON arguments.
    pub(in super::super) struct Function<'a> {
        name: Str<'a>,
        description: Str<'a>,
        parameters: &'a RawValue,
        strict: bool,
        cache_control: CacheControlJson<'a>,
    }
}

wire_struct! {
    /// A tool that takes free text.
    pub(in super::super) struct Custom<'a> {
        name: Str<'a>,
        description: Str<'a>,
        format: &'a RawValue,
    }
}

wire_struct! {
    /// A named tool, or a list of allowed ones; also an entry of that list.
    pub(in super::super) struct ToolChoice<'a> {
        kind as "type": Str<'a>,
        name: Str<'a>,
        function: Named<'a>,
        custom: Named<'a>,
        allowed_tools: AllowedTools<'a>,
    }
}

wire_struct! {
    /// The name of a tool.
    pub(in super::super) struct Named<'a> {
        name: Str<'a>,
    }
}

wire_struct! {
    /// The tools that may be called.
    pub(in super::super) struct AllowedTools<'a> {
        mode: Str<'a>,
        tools: Vec<ToolChoice<'a>>,
    }
}

wire_struct! {
    /// A call of a tool, in a request's history or in an answer.
    pub(in super::super) struct ToolCall<'a> {
        index: &'a RawValue,
        id: Str<'a>,
        kind as "type": Str<'a>,
        function: FunctionCall<'a>,
        custom: CustomCall<'a>,
        cache_control: CacheControlJson<'a>,
        provider_specific_fields: Written<'a>,
    }
}

wire_struct! {
    /// A function's name and arguments.
    pub(in super::super) struct FunctionCall<'a> {
        name: Str<'a>,
        arguments: Arguments<'a>,
    }
}

wire_struct! {
    /// A custom tool's name and input.
    pub(in super::super) struct CustomCall<'a> {
        name: Str<'a>,
        input: Lossy<'a>,
    }
}

/// Arguments as JSON text. Some servers send the object itself instead of its text.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Arguments<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Arguments<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        if !raw.starts_with('"') {
            return Ok(Self(Cow::Borrowed(raw)));
        }
        serde_json::from_str::<Lossy<'de>>(raw).map(|text| Self(text.0)).map_err(D::Error::custom)
    }
}

impl Serialize for Arguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
