//! Typed structs of the format, shared by requests and answers.
//!
//! Names are written in camelCase, as the API answers them, and read in snake_case too, as it takes them;
//! members that nothing here names are kept
//! (<https://ai.google.dev/api/generate-content>).

mod embed;
mod reply;
mod request;
mod value;

pub(super) use embed::{
    Counts, EmbedBody, EmbedOne, Image, Instance, Parameters, PredictBody, Predicted, Prediction, Statistics,
    Vector, VectorFacts, Vectors,
};
pub(super) use reply::{
    Block, Candidate, ErrorBody, Grounding, Logprobs, ModalityCount, Problem, ProblemDetail, Response, Span,
    Support, Token, TopTokens, UsageMetadata,
};
pub(super) use request::{
    AllowedCalls, FunctionDeclaration, GenerationConfig, Request, SpeechConfig, ThinkingConfig, Tool,
    ToolConfig, Voice, VoiceChoice,
};
pub(super) use value::{List, Whole, Word};

pub(super) use llm_types::{Raw, WireText};
use llm_types::{Str, wire_struct};

wire_struct! {
    /// One turn, or the content of a candidate.
    pub(in super::super) struct Content<'a> {
        role: Str<'a>,
        parts: List<Part<'a>>,
    }
}

wire_struct! {
    /// One piece of content. Which member is set says what it is.
    pub(in super::super) struct Part<'a> {
        text: WireText<'a>,
        thought: bool,
        inline_data as "inlineData" or "inline_data": Blob<'a>,
        file_data as "fileData" or "file_data": FileData<'a>,
        function_call as "functionCall" or "function_call": FunctionCall<'a>,
        function_response as "functionResponse" or "function_response": FunctionResponse<'a>,
        thought_signature as "thoughtSignature" or "thought_signature": Str<'a>,
        video_metadata as "videoMetadata" or "video_metadata": Raw<'a>,
        media_resolution as "mediaResolution" or "media_resolution": Level<'a>,
    }
}

wire_struct! {
    /// Bytes that stand in the message.
    pub(in super::super) struct Blob<'a> {
        mime_type as "mimeType" or "mime_type": Str<'a>,
        data: Str<'a>,
    }
}

wire_struct! {
    /// Bytes that the provider fetches.
    pub(in super::super) struct FileData<'a> {
        mime_type as "mimeType" or "mime_type": Str<'a>,
        file_uri as "fileUri" or "file_uri": Str<'a>,
    }
}

wire_struct! {
    /// The model calls a function.
    pub(in super::super) struct FunctionCall<'a> {
        id: Str<'a>,
        name: Str<'a>,
        args: Raw<'a>,
        partial_args as "partialArgs" or "partial_args": Raw<'a>,
        will_continue as "willContinue" or "will_continue": bool,
    }
}

wire_struct! {
    /// What a function answered.
    pub(in super::super) struct FunctionResponse<'a> {
        id: Str<'a>,
        name: Str<'a>,
        response: Raw<'a>,
        parts: List<Part<'a>>,
    }
}

wire_struct! {
    /// How closely the model looks at one part.
    pub(in super::super) struct Level<'a> {
        level: Str<'a>,
    }
}
