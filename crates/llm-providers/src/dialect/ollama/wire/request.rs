//! The body of a conversation turn, and of a text that is to be gone on with.

use llm_types::{Str, wire_struct};

use super::Raw;

wire_struct! {
    /// The request: `messages` for a conversation, `prompt` for a text.
    pub(crate) struct Request<'a> {
        model: Str<'a>,
        messages: Vec<Message<'a>>,
        prompt: Str<'a>,
        tools: Vec<Tool<'a>>,
        format: Raw<'a>,
        think: Raw<'a>,
        logprobs: bool,
        top_logprobs: u32,
        options: Options<'a>,
        stream: bool,
    }
}

wire_struct! {
    /// One message.
    pub(crate) struct Message<'a> {
        role: Str<'a>,
        content: Str<'a>,
        thinking: Str<'a>,
        images: Vec<Str<'a>>,
        tool_calls: Vec<ToolCall<'a>>,
        tool_name: Str<'a>,
        tool_call_id: Str<'a>,
    }
}

wire_struct! {
    /// The model called a tool.
    pub(crate) struct ToolCall<'a> {
        id: Str<'a>,
        function: Function<'a>,
    }
}

wire_struct! {
    /// What it called.
    pub(crate) struct Function<'a> {
        name: Str<'a>,
        arguments: Raw<'a>,
    }
}

wire_struct! {
    /// A tool on offer.
    pub(crate) struct Tool<'a> {
        kind as "type": Str<'a>,
        function: ToolFunction<'a>,
    }
}

wire_struct! {
    /// The function that it is.
    pub(crate) struct ToolFunction<'a> {
        name: Str<'a>,
        description: Str<'a>,
        parameters: Raw<'a>,
    }
}

wire_struct! {
    /// What the model is run with.
    pub(crate) struct Options<'a> {
        num_predict: u64,
        temperature: f64,
        top_k: u64,
        top_p: f64,
        frequency_penalty: f64,
        presence_penalty: f64,
        seed: i64,
        stop: Vec<Str<'a>>,
    }
}
