//! The bodies of Converse, ConverseStream and CountTokens.

use llm_types::{Str, wire_struct};

use super::{Block, CachePoint, Raw};

wire_struct! {
    /// The request. The model is in the path.
    pub(crate) struct Request<'a> {
        system: Vec<Block<'a>>,
        messages: Vec<Message<'a>>,
        inference as "inferenceConfig": Inference<'a>,
        tool_config as "toolConfig": ToolConfig<'a>,
        guardrail as "guardrailConfig": Raw<'a>,
        fields as "additionalModelRequestFields": Fields<'a>,
        paths as "additionalModelResponseFieldPaths": Raw<'a>,
        variables as "promptVariables": Raw<'a>,
        metadata as "requestMetadata": Raw<'a>,
        performance as "performanceConfig": Raw<'a>,
        service_tier as "serviceTier": ServiceTier<'a>,
        output as "outputConfig": OutputConfig<'a>,
    }
}

wire_struct! {
    /// One turn.
    pub(crate) struct Message<'a> {
        role: Str<'a>,
        content: Vec<Block<'a>>,
    }
}

wire_struct! {
    /// How tokens are drawn and where the answer ends.
    pub(crate) struct Inference<'a> {
        max_tokens as "maxTokens": u64,
        temperature: f64,
        top_p as "topP": f64,
        stops as "stopSequences": Vec<Str<'a>>,
    }
}

wire_struct! {
    /// The tools and the choice among them.
    pub(crate) struct ToolConfig<'a> {
        tools: Vec<Tool<'a>>,
        choice as "toolChoice": Choice<'a>,
    }
}

wire_struct! {
    /// One tool, or a mark up to which tools are cached.
    pub(crate) struct Tool<'a> {
        spec as "toolSpec": ToolSpec<'a>,
        system as "systemTool": SystemTool<'a>,
        cache_point as "cachePoint": CachePoint<'a>,
    }
}

wire_struct! {
    /// A tool that the client runs.
    pub(crate) struct ToolSpec<'a> {
        name: Str<'a>,
        description: Str<'a>,
        schema as "inputSchema": InputSchema<'a>,
        strict: bool,
    }
}

wire_struct! {
    /// The schema of a tool's input.
    pub(crate) struct InputSchema<'a> {
        json: Raw<'a>,
    }
}

wire_struct! {
    /// A tool that the service runs.
    pub(crate) struct SystemTool<'a> {
        name: Str<'a>,
    }
}

wire_struct! {
    /// Which tools may or must be called.
    pub(crate) struct Choice<'a> {
        auto: Empty<'a>,
        any: Empty<'a>,
        tool: NamedTool<'a>,
    }
}

wire_struct! {
    /// `{}`
    pub(crate) struct Empty<'a> {}
}

wire_struct! {
    /// The one tool to call.
    pub(crate) struct NamedTool<'a> {
        name: Str<'a>,
    }
}

wire_struct! {
    /// How the call is served.
    pub(crate) struct ServiceTier<'a> {
        kind as "type": Str<'a>,
    }
}

wire_struct! {
    /// The form of the answer.
    pub(crate) struct OutputConfig<'a> {
        text as "textFormat": TextFormat<'a>,
    }
}

wire_struct! {
    /// The form of its text.
    pub(crate) struct TextFormat<'a> {
        kind as "type": Str<'a>,
        structure: Structure<'a>,
    }
}

wire_struct! {
    /// The structure of its text.
    pub(crate) struct Structure<'a> {
        schema as "jsonSchema": JsonSchema<'a>,
    }
}

wire_struct! {
    /// JSON by a schema, which is a text here.
    pub(crate) struct JsonSchema<'a> {
        name: Str<'a>,
        description: Str<'a>,
        schema: Str<'a>,
    }
}

wire_struct! {
    /// Members that the service merges into the model's own body.
    pub(crate) struct Fields<'a> {
        thinking: Claude<'a>,
        output_config: ClaudeOutput<'a>,
        reasoning_nova as "reasoningConfig": NovaReasoning<'a>,
        reasoning_effort: Str<'a>,
        reasoning_config: Str<'a>,
        top_k: u64,
        inference as "inferenceConfig": NovaInference<'a>,
        tool_choice: ClaudeChoice<'a>,
        anthropic_beta: Vec<Str<'a>>,
    }
}

wire_struct! {
    /// How Claude thinks.
    pub(crate) struct Claude<'a> {
        kind as "type": Str<'a>,
        budget_tokens: u64,
        display: Str<'a>,
    }
}

wire_struct! {
    /// How hard Claude works.
    pub(crate) struct ClaudeOutput<'a> {
        effort: Str<'a>,
    }
}

wire_struct! {
    /// Whether Claude calls several tools at once. Its kind is in `toolChoice`, and refused here beside that.
    pub(crate) struct ClaudeChoice<'a> {
        disable_parallel_tool_use: bool,
    }
}

wire_struct! {
    /// How Nova thinks.
    pub(crate) struct NovaReasoning<'a> {
        kind as "type": Str<'a>,
        effort as "maxReasoningEffort": Str<'a>,
    }
}

wire_struct! {
    /// How Nova draws tokens.
    pub(crate) struct NovaInference<'a> {
        top_k as "topK": u64,
    }
}

wire_struct! {
    /// The body of CountTokens.
    pub(crate) struct CountTokens<'a> {
        input: CountInput<'a>,
    }
}

wire_struct! {
    /// What is counted.
    pub(crate) struct CountInput<'a> {
        converse: Count<'a>,
    }
}

wire_struct! {
    /// The parts of a request that are counted.
    pub(crate) struct Count<'a> {
        system: Vec<Block<'a>>,
        messages: Vec<Message<'a>>,
        tool_config as "toolConfig": ToolConfig<'a>,
        fields as "additionalModelRequestFields": Fields<'a>,
    }
}
