//! The body of `POST /v1/messages`.
//!
//! Members stand in the order in which Anthropic documents them; those that are not named here travel
//! in `extra`, so that a new feature of the API works through the gateway on the day it comes out.

use std::fmt;
use std::marker::PhantomData;

use llm_types::{Str, wire_struct};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

use super::{CacheControl, Content, Raw, by_kind};

wire_struct! {
    /// The request.
    pub(crate) struct Request<'a> {
        model: Str<'a>,
        max_tokens: u64,
        system: Content<'a>,
        messages: Vec<Message<'a>>,
        tools: Vec<Tool<'a>>,
        tool_choice: ToolChoice<'a>,
        thinking: Thinking<'a>,
        output_config: OutputConfig<'a>,
        temperature: f64,
        top_p: f64,
        top_k: u64,
        stop_sequences: Vec<Str<'a>>,
        stream: bool,
        metadata: Metadata<'a>,
        service_tier: Str<'a>,
        cache_control: CacheControl<'a>,
        context_management: Raw<'a>,
        mcp_servers: Vec<Raw<'a>>,
    }
}

wire_struct! {
    /// One turn.
    pub(crate) struct Message<'a> {
        role: Str<'a>,
        content: Content<'a>,
    }
}

wire_struct! {
    /// A tool that the client runs, or the gateway's own web search.
    pub(crate) struct ToolDef<'a> {
        kind as "type": Str<'a>,
        name: Str<'a>,
        description: Str<'a>,
        input_schema: Raw<'a>,
        strict: bool,
        max_uses: u32,
        user_location: UserLocation<'a>,
        cache_control: CacheControl<'a>,
    }
}

wire_struct! {
    /// Where the asker is.
    pub(crate) struct UserLocation<'a> {
        kind as "type": Str<'a>,
        city: Str<'a>,
        region: Str<'a>,
        country: Str<'a>,
        timezone: Str<'a>,
    }
}

wire_struct! {
    /// Which tools the model may or must call.
    pub(crate) struct ToolChoice<'a> {
        kind as "type": Str<'a>,
        name: Str<'a>,
        disable_parallel_tool_use: bool,
    }
}

wire_struct! {
    /// Whether and how much to think.
    pub(crate) struct Thinking<'a> {
        kind as "type": Str<'a>,
        budget_tokens: u64,
        display: Str<'a>,
    }
}

wire_struct! {
    /// The form of the answer and the effort spent on it.
    pub(crate) struct OutputConfig<'a> {
        effort: Str<'a>,
        format: OutputFormat<'a>,
    }
}

wire_struct! {
    /// JSON by a schema.
    pub(crate) struct OutputFormat<'a> {
        kind as "type": Str<'a>,
        schema: Raw<'a>,
    }
}

wire_struct! {
    /// Who asks.
    pub(crate) struct Metadata<'a> {
        user_id: Str<'a>,
    }
}

wire_struct! {
    /// A tool server that the provider calls itself.
    pub(crate) struct McpServer<'a> {
        kind as "type": Str<'a>,
        url: Str<'a>,
        name: Str<'a>,
        authorization_token: Str<'a>,
        tool_configuration: McpTools<'a>,
    }
}

wire_struct! {
    /// Which tools of a tool server may be called.
    pub(crate) struct McpTools<'a> {
        allowed_tools: Vec<Str<'a>>,
    }
}

/// One tool.
#[derive(Debug)]
pub(crate) enum Tool<'a> {
    /// One that the client runs (`type` absent or `custom`), or that this crate wrote.
    Def(Box<ToolDef<'a>>),
    /// One that the provider runs, as it came.
    Hosted(Raw<'a>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Tool<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        by_kind(deserializer, |kind, raw| {
            Ok(match kind.as_str() {
                "" | "custom" => Self::Def(serde_json::from_str(raw.get())?),
                _ => Self::Hosted(raw.into()),
            })
        })
    }
}

impl Serialize for Tool<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Def(tool) => tool.serialize(serializer),
            Self::Hosted(raw) => raw.serialize(serializer),
        }
    }
}

wire_struct! {
    /// `context_management` in Anthropic's form.
    pub(crate) struct ContextObject<'a> {
        edits: Vec<ContextEdit<'a>>,
    }
}

wire_struct! {
    /// One context edit.
    pub(crate) struct ContextEdit<'a> {
        kind as "type": Str<'a>,
        trigger: Trigger<'a>,
    }
}

wire_struct! {
    /// When a context edit is made.
    pub(crate) struct Trigger<'a> {
        kind as "type": Str<'a>,
        value: u64,
    }
}

wire_struct! {
    /// One context edit in OpenAI's form.
    pub(crate) struct Compaction<'a> {
        kind as "type": Str<'a>,
        compact_threshold: u64,
    }
}

/// `context_management`: Anthropic's object, or OpenAI's list.
#[derive(Debug)]
pub(crate) enum ContextEdits<'a> {
    /// The edits of Anthropic's object.
    Native(Vec<ContextEdit<'a>>),
    /// OpenAI's list.
    List(Vec<Compaction<'a>>),
}

impl<'de: 'a, 'a> Deserialize<'de> for ContextEdits<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EditsVisitor<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for EditsVisitor<'a> {
            type Value = ContextEdits<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with `edits`, or an array")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let object = ContextObject::deserialize(MapAccessDeserializer::new(map))?;
                Ok(ContextEdits::Native(object.edits.unwrap_or_default()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while let Some(edit) = seq.next_element()? {
                    list.push(edit);
                }
                Ok(ContextEdits::List(list))
            }
        }
        deserializer.deserialize_any(EditsVisitor(PhantomData))
    }
}
