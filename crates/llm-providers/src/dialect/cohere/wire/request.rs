//! The body of a conversation turn.

use llm_types::{Str, wire_struct};
use serde::{Serialize, Serializer};

use super::Raw;

wire_struct! {
    /// The request.
    pub(crate) struct Request<'a> {
        model: Str<'a>,
        stream: bool,
        messages: Vec<Message<'a>>,
        tools: Vec<Tool<'a>>,
        tool_choice: Str<'a>,
        strict_tools: bool,
        response_format: Format<'a>,
        max_tokens: u64,
        stop_sequences: Vec<Str<'a>>,
        temperature: f64,
        p: f64,
        k: u64,
        seed: i64,
        frequency_penalty: f64,
        presence_penalty: f64,
        logprobs: bool,
        thinking: Thinking<'a>,
    }
}

wire_struct! {
    /// One message.
    pub(crate) struct Message<'a> {
        role: Str<'a>,
        tool_call_id: Str<'a>,
        content: Content<'a>,
        tool_plan: Str<'a>,
        tool_calls: Vec<ToolCall<'a>>,
        citations: Vec<Raw<'a>>,
    }
}

/// What a message holds: one text alone is a text.
#[derive(Debug)]
pub(crate) struct Content<'a>(pub(crate) Vec<Part<'a>>);

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [part] if part.is_bare_text() => part.text.serialize(serializer),
            parts => parts.serialize(serializer),
        }
    }
}

impl<'de: 'a, 'a> serde::Deserialize<'de> for Content<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}

wire_struct! {
    /// A piece of a message.
    pub(crate) struct Part<'a> {
        kind as "type": Str<'a>,
        text: Str<'a>,
        thinking: Str<'a>,
        image_url: ImageUrl<'a>,
        document: Document<'a>,
    }
}

impl<'a> Part<'a> {
    /// A text.
    pub(crate) fn text(text: impl Into<Str<'a>>) -> Self {
        Self { kind: Some("text".into()), text: Some(text.into()), ..Self::default() }
    }

    /// Whether it is a text and nothing else.
    pub(crate) fn is_bare_text(&self) -> bool {
        self.text.is_some() && self.extra.is_empty()
    }
}

wire_struct! {
    /// A picture.
    pub(crate) struct ImageUrl<'a> {
        url: Str<'a>,
        detail: Str<'a>,
    }
}

wire_struct! {
    /// A document: what a tool answered, in a form that can be cited.
    pub(crate) struct Document<'a> {
        data: Raw<'a>,
        id: Str<'a>,
    }
}

wire_struct! {
    /// The model called a tool.
    pub(crate) struct ToolCall<'a> {
        id: Str<'a>,
        kind as "type": Str<'a>,
        function: Function<'a>,
    }
}

wire_struct! {
    /// A tool on offer.
    pub(crate) struct Tool<'a> {
        kind as "type": Str<'a>,
        function: Function<'a>,
    }
}

wire_struct! {
    /// A function: as a tool, or as it was called.
    pub(crate) struct Function<'a> {
        name: Str<'a>,
        description: Str<'a>,
        parameters: Raw<'a>,
        arguments: Str<'a>,
    }
}

wire_struct! {
    /// The form of the answer.
    pub(crate) struct Format<'a> {
        kind as "type": Str<'a>,
        schema as "json_schema": Raw<'a>,
    }
}

wire_struct! {
    /// Whether the model thinks, and how long.
    pub(crate) struct Thinking<'a> {
        kind as "type": Str<'a>,
        token_budget: u64,
    }
}
