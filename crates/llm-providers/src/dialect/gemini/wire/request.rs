//! What a request is made of, beside its content.

use llm_types::{Str, wire_struct};

use super::{Content, Raw};

wire_struct! {
    /// The body of `generateContent`.
    pub(in super::super) struct Request<'a> {
        contents: Vec<Content<'a>>,
        system_instruction as "systemInstruction": Content<'a>,
        tools: Vec<Tool<'a>>,
        tool_config as "toolConfig": ToolConfig<'a>,
        safety_settings as "safetySettings": Raw<'a>,
        generation_config as "generationConfig": GenerationConfig<'a>,
        cached_content as "cachedContent": Raw<'a>,
        labels: Raw<'a>,
        service_tier as "serviceTier": Str<'a>,
    }
}

wire_struct! {
    /// Functions, or one tool that the provider runs (which stays among the unknown members).
    pub(in super::super) struct Tool<'a> {
        function_declarations as "functionDeclarations": Vec<FunctionDeclaration<'a>>,
    }
}

wire_struct! {
    /// A function that the model may call.
    pub(in super::super) struct FunctionDeclaration<'a> {
        name: Str<'a>,
        description: Str<'a>,
        parameters: Raw<'a>,
        parameters_json_schema as "parametersJsonSchema": Raw<'a>,
    }
}

wire_struct! {
    /// How tools are used.
    pub(in super::super) struct ToolConfig<'a> {
        function_calling_config as "functionCallingConfig": AllowedCalls<'a>,
        include_server_side_tool_invocations as "includeServerSideToolInvocations": bool,
    }
}

wire_struct! {
    /// Which functions may or must be called.
    pub(in super::super) struct AllowedCalls<'a> {
        mode: Str<'a>,
        allowed_function_names as "allowedFunctionNames": Vec<Str<'a>>,
    }
}

wire_struct! {
    /// How the answer is made.
    pub(in super::super) struct GenerationConfig<'a> {
        max_output_tokens as "maxOutputTokens": u64,
        temperature: f64,
        top_p as "topP": f64,
        top_k as "topK": u64,
        candidate_count as "candidateCount": u32,
        stop_sequences as "stopSequences": Vec<Str<'a>>,
        seed: i64,
        presence_penalty as "presencePenalty": f64,
        frequency_penalty as "frequencyPenalty": f64,
        response_logprobs as "responseLogprobs": bool,
        logprobs: u32,
        response_mime_type as "responseMimeType": Str<'a>,
        response_schema as "responseSchema": Raw<'a>,
        response_json_schema as "responseJsonSchema": Raw<'a>,
        response_modalities as "responseModalities": Vec<Str<'a>>,
        speech_config as "speechConfig": SpeechConfig<'a>,
        media_resolution as "mediaResolution": Str<'a>,
        thinking_config as "thinkingConfig": ThinkingConfig<'a>,
    }
}

wire_struct! {
    /// Whether and how much the model thinks.
    pub(in super::super) struct ThinkingConfig<'a> {
        include_thoughts as "includeThoughts": bool,
        thinking_budget as "thinkingBudget": i64,
        thinking_level as "thinkingLevel": Str<'a>,
    }
}

wire_struct! {
    /// How the answer sounds.
    pub(in super::super) struct SpeechConfig<'a> {
        voice_config as "voiceConfig": VoiceChoice<'a>,
        language_code as "languageCode": Str<'a>,
    }
}

wire_struct! {
    /// Which voice speaks.
    pub(in super::super) struct VoiceChoice<'a> {
        prebuilt_voice_config as "prebuiltVoiceConfig": Voice<'a>,
    }
}

wire_struct! {
    /// One of the provider's voices.
    pub(in super::super) struct Voice<'a> {
        voice_name as "voiceName": Str<'a>,
    }
}
