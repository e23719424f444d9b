//! Content blocks of requests and replies.
//!
//! A union by `type`, written by hand: `serde(untagged)` would buffer every picture twice, and a block
//! that is not known here has to survive byte for byte (server tools sign and encrypt what they return).

use std::fmt;
use std::marker::PhantomData;

use llm_types::{Str, wire_struct};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

use super::{Raw, Text, by_kind};

wire_struct! {
    /// A prompt-cache breakpoint.
    pub(crate) struct CacheControl<'a> {
        kind as "type": Str<'a>,
        ttl: Str<'a>,
    }
}

wire_struct! {
    /// Text.
    pub(crate) struct TextBlock<'a> {
        kind as "type": Str<'a>,
        text: Text<'a>,
        citations: Vec<Raw<'a>>,
        cache_control: CacheControl<'a>,
    }
}

wire_struct! {
    /// Where the bytes of a picture or document are.
    pub(crate) struct Source<'a> {
        kind as "type": Str<'a>,
        media_type: Str<'a>,
        data: Str<'a>,
        url: Str<'a>,
        file_id: Str<'a>,
    }
}

wire_struct! {
    /// A picture or a document.
    pub(crate) struct MediaBlock<'a> {
        kind as "type": Str<'a>,
        source: Box<Source<'a>>,
        file_id: Str<'a>,
        title: Str<'a>,
        cache_control: CacheControl<'a>,
    }
}

wire_struct! {
    /// The model calls a tool.
    pub(crate) struct ToolUseBlock<'a> {
        kind as "type": Str<'a>,
        id: Str<'a>,
        name: Str<'a>,
        input: Raw<'a>,
        cache_control: CacheControl<'a>,
    }
}

wire_struct! {
    /// What a tool answered.
    pub(crate) struct ToolResultBlock<'a> {
        kind as "type": Str<'a>,
        tool_use_id: Str<'a>,
        content: Content<'a>,
        is_error: bool,
        cache_control: CacheControl<'a>,
    }
}

wire_struct! {
    /// Signed thoughts.
    pub(crate) struct ThinkingBlock<'a> {
        kind as "type": Str<'a>,
        thinking: Text<'a>,
        signature: Str<'a>,
    }
}

wire_struct! {
    /// Encrypted thoughts.
    pub(crate) struct RedactedBlock<'a> {
        kind as "type": Str<'a>,
        data: Str<'a>,
    }
}

/// One content block.
#[derive(Debug)]
pub(crate) enum Block<'a> {
    /// `text`
    Text(TextBlock<'a>),
    /// `image`
    Image(MediaBlock<'a>),
    /// `document`, `container_upload`
    Document(MediaBlock<'a>),
    /// `tool_use`
    ToolUse(ToolUseBlock<'a>),
    /// `tool_result`
    ToolResult(ToolResultBlock<'a>),
    /// `thinking`
    Thinking(ThinkingBlock<'a>),
    /// `redacted_thinking`
    Redacted(RedactedBlock<'a>),
    /// Any other, as it came.
    Other(Str<'a>, Raw<'a>),
}

impl<'a> Block<'a> {
    /// Reads a block from its raw text.
    ///
    /// # Errors
    /// When it is not an object, or one of its members is of the wrong type.
    pub(crate) fn read(raw: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(raw)
    }

    /// The place for a cache breakpoint, where the block may carry one.
    pub(crate) fn cache_slot(&mut self) -> Option<&mut Option<CacheControl<'a>>> {
        match self {
            Self::Text(block) => Some(&mut block.cache_control),
            Self::Image(block) | Self::Document(block) => Some(&mut block.cache_control),
            Self::ToolUse(block) => Some(&mut block.cache_control),
            Self::ToolResult(block) => Some(&mut block.cache_control),
            Self::Thinking(_) | Self::Redacted(_) | Self::Other(..) => None,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Block<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        by_kind(deserializer, |kind, raw| {
            let text = raw.get();
            Ok(match kind.as_str() {
                "text" => Self::Text(serde_json::from_str(text)?),
                "image" => Self::Image(serde_json::from_str(text)?),
                "document" | "container_upload" => Self::Document(serde_json::from_str(text)?),
                "tool_use" => Self::ToolUse(serde_json::from_str(text)?),
                "tool_result" => Self::ToolResult(serde_json::from_str(text)?),
                "thinking" => Self::Thinking(serde_json::from_str(text)?),
                "redacted_thinking" => Self::Redacted(serde_json::from_str(text)?),
                _ => Self::Other(kind, raw.into()),
            })
        })
    }
}

impl Serialize for Block<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(block) => block.serialize(serializer),
            Self::Image(block) | Self::Document(block) => block.serialize(serializer),
            Self::ToolUse(block) => block.serialize(serializer),
            Self::ToolResult(block) => block.serialize(serializer),
            Self::Thinking(block) => block.serialize(serializer),
            Self::Redacted(block) => block.serialize(serializer),
            Self::Other(_, raw) => raw.serialize(serializer),
        }
    }
}

/// Content: a string, or blocks.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    /// Text alone.
    Text(Str<'a>),
    /// Blocks.
    Blocks(Vec<Block<'a>>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for ContentVisitor<'a> {
            type Value = Content<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of content blocks")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Content::Text(text.into()))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Content::Text(text.to_owned().into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut blocks = Vec::new();
                while let Some(block) = seq.next_element()? {
                    blocks.push(block);
                }
                Ok(Content::Blocks(blocks))
            }
        }
        deserializer.deserialize_any(ContentVisitor(PhantomData))
    }
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Blocks(blocks) => blocks.serialize(serializer),
        }
    }
}

wire_struct! {
    /// A source of a text, of any kind.
    pub(crate) struct Citation<'a> {
        kind as "type": Str<'a>,
        cited_text: Str<'a>,
        url: Str<'a>,
        source: Str<'a>,
        title: Str<'a>,
        document_title: Str<'a>,
    }
}
