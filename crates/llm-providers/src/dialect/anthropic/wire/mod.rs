//! The wire structs of the Messages API.
//!
//! One set for both directions: a client half writes requests and reads replies, a server half does the
//! opposite. Every struct keeps the members it does not name, and a content block of an unknown type
//! stays raw, because Anthropic adds blocks more often than a gateway is released.

mod block;
mod reply;
mod request;
mod stream;

use std::borrow::Cow;
use std::fmt;

use llm_types::{RawValue, Str, Wtf8};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Serialize, Serializer};

pub(crate) use block::{
    Block, CacheControl, Citation, Content, MediaBlock, RedactedBlock, Source, TextBlock, ThinkingBlock,
    ToolResultBlock, ToolUseBlock,
};
pub(crate) use reply::{ErrorBody, Reply, Usage, Watched};
pub(crate) use request::{
    Compaction, ContextEdit, ContextEdits, ContextObject, McpServer, McpTools, Message, Metadata,
    OutputConfig, OutputFormat, Request, Thinking, Tool, ToolChoice, ToolDef, Trigger, UserLocation,
};
pub(crate) use stream::{AssembledBlock, BlockDelta, StreamEvent};

/// Raw JSON of one value, borrowed where it stood in the input.
#[derive(Debug, Clone)]
pub(crate) struct Raw<'a>(pub(crate) Cow<'a, RawValue>);

impl Raw<'_> {
    /// The JSON text.
    pub(crate) fn get(&self) -> &str {
        self.0.get()
    }
}

impl<'a> From<&'a RawValue> for Raw<'a> {
    fn from(value: &'a RawValue) -> Self {
        Self(Cow::Borrowed(value))
    }
}

impl From<Box<RawValue>> for Raw<'_> {
    fn from(value: Box<RawValue>) -> Self {
        Self(Cow::Owned(value))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'de RawValue>::deserialize(deserializer).map(Self::from)
    }
}

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Text of a model, which may be cut inside a surrogate pair.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text<'a>(pub(crate) Wtf8<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Wtf8::deserialize(deserializer).map(Self)
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.clone().into_lossy())
    }
}

/// The `type` of an object, wherever it stands among the members.
#[derive(Debug, Default)]
pub(crate) struct Kind<'a>(pub(crate) Str<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Kind<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KindVisitor;
        impl<'de> Visitor<'de> for KindVisitor {
            type Value = Kind<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut kind = None;
                while let Some(key) = map.next_key::<Str<'de>>()? {
                    if key.as_str() == "type" {
                        kind = map.next_value::<Option<Str<'de>>>()?;
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Kind(kind.unwrap_or_default()))
            }
        }
        deserializer.deserialize_map(KindVisitor)
    }
}

/// Reads an object by its `type`: `read` gets the type and the raw text.
fn by_kind<'de, D, T>(
    deserializer: D,
    read: impl FnOnce(Str<'de>, &'de RawValue) -> serde_json::Result<T>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    let raw = <&'de RawValue>::deserialize(deserializer)?;
    let read = serde_json::from_str(raw.get()).and_then(|Kind(kind)| read(kind, raw));
    read.map_err(D::Error::custom)
}
