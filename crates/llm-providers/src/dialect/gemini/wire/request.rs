//! What a request is made of, beside its content.

use llm_types::{Str, wire_struct};

use super::{Content, List, Raw, Whole};

wire_struct! {
    /// The body of `generateContent`.
    pub(in super::super) struct Request<'a> {
        contents: List<Content<'a>>,
        system_instruction as "systemInstruction" or "system_instruction": Content<'a>,
        tools: List<Tool<'a>>,
        tool_config as "toolConfig" or "tool_config": ToolConfig<'a>,
        safety_settings as "safetySettings" or "safety_settings": Raw<'a>,
        generation_config as "generationConfig" or "generation_config": GenerationConfig<'a>,
        cached_content as "cachedContent" or "cached_content": Raw<'a>,
        labels: Raw<'a>,
        service_tier as "serviceTier" or "service_tier": Str<'a>,
    }
}

wire_struct! {
    /// Functions, or one tool that the provider runs (which stays among the unknown members).
    pub(in super::super) struct Tool<'a> {
        function_declarations as "functionDeclarations" or "function_declarations": List<FunctionDeclaration<'a>>,
    }
}

wire_struct! {
    /// A function that the model may call.
    pub(in super::super) struct FunctionDeclaration<'a> {
        name: Str<'a>,
        description: Str<'a>,
        parameters: Raw<'a>,
        parameters_json_schema as "parametersJsonSchema" or "parameters_json_schema": Raw<'a>,
    }
}

wire_struct! {
    /// How tools are used.
    pub(in super::super) struct ToolConfig<'a> {
        function_calling_config as "functionCallingConfig" or "function_calling_config": AllowedCalls<'a>,
        include_server_side_tool_invocations as "includeServerSideToolInvocations" or "include_server_side_tool_invocations": bool,
    }
}

wire_struct! {
    /// Which functions may or must be called.
    pub(in super::super) struct AllowedCalls<'a> {
        mode: Str<'a>,
        allowed_function_names as "allowedFunctionNames" or "allowed_function_names": List<Str<'a>>,
    }
}

wire_struct! {
    /// How the answer is made.
    pub(in super::super) struct GenerationConfig<'a> {
        max_output_tokens as "maxOutputTokens" or "max_output_tokens": Whole<u64>,
        temperature: f64,
        top_p as "topP" or "top_p": f64,
        top_k as "topK" or "top_k": Whole<u64>,
        candidate_count as "candidateCount" or "candidate_count": Whole<u32>,
        stop_sequences as "stopSequences" or "stop_sequences": List<Str<'a>>,
        seed: Whole<i64>,
        presence_penalty as "presencePenalty" or "presence_penalty": f64,
        frequency_penalty as "frequencyPenalty" or "frequency_penalty": f64,
        response_logprobs as "responseLogprobs" or "response_logprobs": bool,
        logprobs: Whole<u32>,
        response_mime_type as "responseMimeType" or "response_mime_type": Str<'a>,
        response_schema as "responseSchema" or "response_schema": Raw<'a>,
        response_json_schema as "responseJsonSchema" or "response_json_schema": Raw<'a>,
        response_modalities as "responseModalities" or "response_modalities": List<Str<'a>>,
        speech_config as "speechConfig" or "speech_config": SpeechConfig<'a>,
        media_resolution as "mediaResolution" or "media_resolution": Str<'a>,
        thinking_config as "thinkingConfig" or "thinking_config": ThinkingConfig<'a>,
    }
}

wire_struct! {
    /// Whether and how much the model thinks.
    pub(in super::super) struct ThinkingConfig<'a> {
        include_thoughts as "includeThoughts" or "include_thoughts": bool,
        thinking_budget as "thinkingBudget" or "thinking_budget": Whole<i64>,
        thinking_level as "thinkingLevel" or "thinking_level": Str<'a>,
    }
}

wire_struct! {
    /// How the answer sounds.
    pub(in super::super) struct SpeechConfig<'a> {
        voice_config as "voiceConfig" or "voice_config": VoiceChoice<'a>,
        language_code as "languageCode" or "language_code": Str<'a>,
    }
}

wire_struct! {
    /// Which voice speaks.
    pub(in super::super) struct VoiceChoice<'a> {
        prebuilt_voice_config as "prebuiltVoiceConfig" or "prebuilt_voice_config": Voice<'a>,
    }
}

wire_struct! {
    /// One of the provider's voices.
    pub(in super::super) struct Voice<'a> {
        voice_name as "voiceName" or "voice_name": Str<'a>,
    }
}
