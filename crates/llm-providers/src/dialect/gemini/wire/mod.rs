//! Typed structs of the format, shared by requests and answers.
//!
//! Names are written in camelCase, as the API answers them; members that nothing here names are kept
//! (<https://ai.google.dev/api/generate-content>).

mod reply;
mod request;
mod value;

pub(super) use reply::{
    Block, Candidate, ErrorBody, Grounding, Logprobs, ModalityCount, Problem, ProblemDetail, Response, Span,
    Support, Token, UsageMetadata,
};
pub(super) use request::{
    AllowedCalls, FunctionDeclaration, GenerationConfig, Request, SpeechConfig, ThinkingConfig, Tool,
    ToolConfig, Voice, VoiceChoice,
};
pub(super) use value::Word;

pub(super) use llm_types::{Raw, WireText};
use llm_types::{Str, wire_struct};

wire_struct! {
    /// One turn, or the content of a candidate.
    pub(in super::super) struct Content<'a> {
        role: Str<'a>,
        parts: Vec<Part<'a>>,
    }
}

wire_struct! {
    /// One piece of content. Which member is set says what it is.
    pub(in super::super) struct Part<'a> {
        text: WireText<'a>,
        thought: bool,
        inline_data as "inlineData": Blob<'a>,
        file_data as "fileData": FileData<'a>,
        function_call as "functionCall": FunctionCall<'a>,
        function_response as "functionResponse": FunctionResponse<'a>,
        thought_signature as "thoughtSignature": Str<'a>,
        video_metadata as "videoMetadata": Raw<'a>,
        media_resolution as "mediaResolution": Level<'a>,
    }
}

wire_struct! {
    /// Bytes that stand in the message.
    pub(in super::super) struct Blob<'a> {
        mime_type as "mimeType": Str<'a>,
        data: Str<'a>,
    }
}

wire_struct! {
    /// Bytes that the provider fetches.
    pub(in super::super) struct FileData<'a> {
        mime_type as "mimeType": Str<'a>,
        file_uri as "fileUri": Str<'a>,
    }
}

wire_struct! {
    /// The model calls a function.
    pub(in super::super) struct FunctionCall<'a> {
        id: Str<'a>,
        name: Str<'a>,
        args: Raw<'a>,
        partial_args as "partialArgs": Raw<'a>,
        will_continue as "willContinue": bool,
    }
}

wire_struct! {
    /// What a function answered.
    pub(in super::super) struct FunctionResponse<'a> {
        id: Str<'a>,
        name: Str<'a>,
        response: Raw<'a>,
        parts: Vec<Part<'a>>,
    }
}

wire_struct! {
    /// How closely the model looks at one part.
    pub(in super::super) struct Level<'a> {
        level: Str<'a>,
    }
}
