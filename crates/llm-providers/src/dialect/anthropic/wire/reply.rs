//! The body of an answer, and of an error.

use std::fmt;

use llm_types::{Str, wire_struct};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::{Serialize, Serializer};

use super::{Block, Raw};

wire_struct! {
    /// A whole answer; also the `message` of `message_start`, and the envelope of an error.
    pub(crate) struct Reply<'a> {
        id: Str<'a>,
        kind as "type": Str<'a>,
        role: Str<'a>,
        model: Str<'a>,
        content: Vec<Block<'a>>,
        stop_reason: Str<'a>,
        stop_sequence: Str<'a>,
        stop_details: Raw<'a>,
        usage: Usage<'a>,
        container: Raw<'a>,
        context_management: Raw<'a>,
        error: ErrorBody<'a>,
    }
}

wire_struct! {
    /// What a tap reads of a whole answer.
    pub(crate) struct Watched<'a> {
        kind as "type": Str<'a>,
        model: Str<'a>,
        usage: Usage<'a>,
        error: ErrorBody<'a>,
    }
}

wire_struct! {
    /// The answer of `count_tokens`.
    pub(crate) struct Counted<'a> {
        input_tokens: u64,
        error: ErrorBody<'a>,
    }
}

wire_struct! {
    /// What was used.
    pub(crate) struct Usage<'a> {
        input_tokens: u64,
        output_tokens: u64,
        cache_creation_input_tokens: u64,
        cache_read_input_tokens: u64,
        cache_creation: CacheCreation<'a>,
        output_tokens_details: OutputDetails<'a>,
        server_tool_use: ServerToolUse<'a>,
        iterations: Vec<Usage<'a>>,
        service_tier: Str<'a>,
        inference_geo: Raw<'a>,
        speed: Raw<'a>,
    }
}

wire_struct! {
    /// Tokens written to the cache, by how long it lasts.
    pub(crate) struct CacheCreation<'a> {
        ephemeral_5m_input_tokens: u64,
        ephemeral_1h_input_tokens: u64,
    }
}

wire_struct! {
    /// What the answer's tokens were for.
    pub(crate) struct OutputDetails<'a> {
        thinking_tokens: u64,
    }
}

wire_struct! {
    /// Tools that the provider ran.
    pub(crate) struct ServerToolUse<'a> {
        web_search_requests: u64,
        web_fetch_requests: u64,
    }
}

wire_struct! {
    struct ErrorObject<'a> {
        kind as "type": Str<'a>,
        message: Str<'a>,
    }
}

/// The `error` member: Anthropic's object, or a plain string as some compatible servers send it.
#[derive(Debug, Default)]
pub(crate) struct ErrorBody<'a> {
    /// Anthropic's word for it.
    pub(crate) kind: Str<'a>,
    /// In words.
    pub(crate) message: Str<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for ErrorBody<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ErrorVisitor;
        impl<'de> Visitor<'de> for ErrorVisitor {
            type Value = ErrorBody<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an error object or a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(ErrorBody { kind: Str::default(), message: text.into() })
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(ErrorBody { kind: Str::default(), message: text.to_owned().into() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let object = ErrorObject::deserialize(MapAccessDeserializer::new(map))?;
                let ErrorObject { kind, message, extra: _ } = object;
                Ok(ErrorBody { kind: kind.unwrap_or_default(), message: message.unwrap_or_default() })
            }
        }
        deserializer.deserialize_any(ErrorVisitor)
    }
}

impl Serialize for ErrorBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("type", &self.kind)?;
        map.serialize_entry("message", &self.message)?;
        map.end()
    }
}
