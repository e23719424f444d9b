//! The dialects: one folder each, and one line here.
//!
//! In each folder: `wire` (typed structs of the format), `client` (we call a provider), `server` (a
//! client calls us, where we serve it), `stream` (its streams). Nothing outside a folder knows what its
//! format looks like.

pub mod anthropic;
mod at;
pub mod bedrock;
pub mod cohere;
mod complete;
mod custom;
pub mod deepgram;
mod effort;
pub mod elevenlabs;
pub mod feature_extraction;
pub mod gemini;
mod json;
mod mask;
mod media;
mod name;
mod offer;
pub mod ollama;
pub mod openai_chat;
pub mod openai_completions;
mod openai_error;
pub mod openai_images;
pub mod openai_media;
pub mod openai_moderations;
pub mod openai_responses;
pub mod openai_speech;
pub mod openai_transcriptions;
mod path;
mod payload;
mod prompt;
pub mod replicate;
pub mod rerank;
mod scalar;
mod seen;
pub mod stability;
mod stated;
#[cfg(test)]
mod tests;
pub mod tgi;
mod think;

use llm_types::Dialect;

use crate::codec::{ClientCodec, ServerCodec};

/// How we call a provider of this dialect; `None` for the built-in mock, which is not called.
#[must_use]
pub fn client(dialect: Dialect) -> Option<&'static dyn ClientCodec> {
    match dialect {
        Dialect::OpenaiChat => Some(&openai_chat::Client),
        Dialect::Anthropic => Some(&anthropic::Client),
        Dialect::Gemini => Some(&gemini::Client),
        Dialect::Bedrock => Some(&bedrock::Client),
        Dialect::Cohere => Some(&cohere::Client),
        Dialect::Ollama => Some(&ollama::Client),
        Dialect::Replicate => Some(&replicate::Client),
        Dialect::Rerank => Some(&rerank::Client),
        Dialect::OpenaiCompletions => Some(&openai_completions::Client),
        Dialect::OpenaiMedia => Some(&openai_media::Client),
        Dialect::OpenaiResponses => Some(&openai_responses::Client),
        Dialect::OpenaiTranscriptions => Some(&openai_transcriptions::Client),
        Dialect::OpenaiSpeech => Some(&openai_speech::Client),
        Dialect::OpenaiImages => Some(&openai_images::Client),
        Dialect::OpenaiModerations => Some(&openai_moderations::Client),
        Dialect::Deepgram => Some(&deepgram::Client),
        Dialect::Elevenlabs => Some(&elevenlabs::Client),
        Dialect::Stability => Some(&stability::Client),
        Dialect::FeatureExtraction => Some(&feature_extraction::Client),
        Dialect::Tgi => Some(&tgi::Client),
        Dialect::Mock => None,
    }
}

/// How a client of this dialect calls us; `None` where we do not serve it.
#[must_use]
pub fn server(dialect: Dialect) -> Option<&'static dyn ServerCodec> {
    match dialect {
        Dialect::OpenaiChat => Some(&openai_chat::Server),
        Dialect::OpenaiCompletions => Some(&openai_completions::Server),
        Dialect::OpenaiMedia => Some(&openai_media::Server),
        Dialect::OpenaiResponses => Some(&openai_responses::Server),
        Dialect::Anthropic => Some(&anthropic::Server),
        Dialect::Gemini => Some(&gemini::Server),
        Dialect::Rerank => Some(&rerank::Server),
        Dialect::OpenaiTranscriptions => Some(&openai_transcriptions::Server),
        Dialect::OpenaiSpeech => Some(&openai_speech::Server),
        Dialect::OpenaiImages => Some(&openai_images::Server),
        Dialect::OpenaiModerations => Some(&openai_moderations::Server),
        Dialect::Bedrock
        | Dialect::Cohere
        | Dialect::Deepgram
        | Dialect::Elevenlabs
        | Dialect::Ollama
        | Dialect::Replicate
        | Dialect::Stability
        | Dialect::FeatureExtraction
        | Dialect::Tgi
        | Dialect::Mock => None,
    }
}
