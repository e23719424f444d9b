//! Messages and the parts of their content.

use std::borrow::Cow;
use std::fmt;

use llm_types::{RawValue, Str, wire_struct};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

use super::{FunctionCall, Lossy, ToolCall};

wire_struct! {
    /// One message of the conversation.
    pub(in super::super) struct Message<'a> {
        role: Str<'a>,
        content: Content<'a>,
        name: Str<'a>,
        refusal: Str<'a>,
        reasoning_content: Str<'a>,
        reasoning: Str<'a>,
        thinking_blocks: Vec<ThinkingBlock<'a>>,
        reasoning_details: Written<'a>,
        tool_calls: Vec<ToolCall<'a>>,
        tool_call_id: Str<'a>,
        function_call: FunctionCall<'a>,
        audio: AudioRef<'a>,
        cache_control: CacheControlJson<'a>,
        provider_specific_fields: Written<'a>,
    }
}

wire_struct! {
    /// One part of the content. Which members count depends on `type`.
    pub(in super::super) struct Part<'a> {
        kind as "type": Str<'a>,
        text: Str<'a>,
        refusal: Str<'a>,
        image_url: Written<'a>,
        video_url: Written<'a>,
        input_audio: Written<'a>,
        file: Written<'a>,
        cache_control: CacheControlJson<'a>,
    }
}

wire_struct! {
    /// A picture or a film by its address.
    pub(in super::super) struct ImageUrl<'a> {
        url: Str<'a>,
        detail: Str<'a>,
        format: Str<'a>,
    }
}

wire_struct! {
    /// Sound in a message.
    pub(in super::super) struct InputAudio<'a> {
        data: Str<'a>,
        format: Str<'a>,
    }
}

wire_struct! {
    /// A file in a message.
    pub(in super::super) struct FileBody<'a> {
        file_id: Str<'a>,
        filename: Str<'a>,
        file_data: Str<'a>,
        format: Str<'a>,
    }
}

wire_struct! {
    /// The model's own earlier sound.
    pub(in super::super) struct AudioRef<'a> {
        id: Str<'a>,
    }
}

wire_struct! {
    /// Thoughts in Anthropic's terms, signed or encrypted.
    pub(in super::super) struct ThinkingBlock<'a> {
        kind as "type": Str<'a>,
        thinking: Lossy<'a>,
        signature: Str<'a>,
        data: Str<'a>,
    }
}

wire_struct! {
    /// "Cache the prompt up to here."
    pub(in super::super) struct CacheControlJson<'a> {
        kind as "type": Str<'a>,
        ttl: Str<'a>,
    }
}

/// JSON that is read raw and written from whatever holds it.
#[derive(Debug, Clone)]
pub(in super::super) struct Written<'a>(pub Cow<'a, RawValue>);

impl<'a> Written<'a> {
    /// The JSON text of `value`; `None` if it cannot be written, which no type of ours can cause.
    pub(in super::super) fn json(value: &impl Serialize) -> Option<Self> {
        serde_json::value::to_raw_value(value).ok().map(|raw| Self(Cow::Owned(raw)))
    }

    /// The JSON text.
    pub(in super::super) fn get(&self) -> &str {
        self.0.get()
    }
}

impl<'a> From<&'a RawValue> for Written<'a> {
    fn from(raw: &'a RawValue) -> Self {
        Self(Cow::Borrowed(raw))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Written<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'de RawValue>::deserialize(deserializer).map(Self::from)
    }
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// The content of a message: a string, or a list of parts.
#[derive(Debug)]
pub(in super::super) enum Content<'a> {
    /// A string.
    Text(Str<'a>),
    /// Parts, each read on its own, because a part of unknown type is kept as it is.
    Parts(Vec<Written<'a>>),
    /// An explicit `null` (only written: read, it is no content at all).
    Null,
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor;
        impl<'de> Visitor<'de> for ContentVisitor {
            type Value = Content<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of parts")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Content::Text(Str::from(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Content::Text(Str::from(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = seq.next_element()? {
                    parts.push(part);
                }
                Ok(Content::Parts(parts))
            }
        }
        deserializer.deserialize_any(ContentVisitor)
    }
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Parts(parts) => parts.serialize(serializer),
            Self::Null => serializer.serialize_none(),
        }
    }
}
