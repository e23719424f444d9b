//! The wire formats this workspace speaks.
//!
//! A dialect is a format, not a provider: sixty providers share `openai_chat`. Nothing outside a
//! dialect's own folder in `llm-providers` may depend on what a dialect looks like.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// OpenAI Chat Completions, and every server compatible with it.
    #[default]
    OpenaiChat,
    /// OpenAI Responses.
    OpenaiResponses,
    /// OpenAI's legacy text completions.
    OpenaiCompletions,
    /// OpenAI's operations beside conversations: embeddings and the like.
    OpenaiMedia,
    /// Anthropic Messages.
    Anthropic,
    /// Gemini `generateContent`.
    Gemini,
    /// Amazon Bedrock's Converse.
    Bedrock,
    /// Cohere's second API: conversations and vectors.
    Cohere,
    /// Ollama's own API.
    Ollama,
    /// Replicate's predictions.
    Replicate,
    /// Ordering documents, as Cohere, Jina and those who follow them have it.
    Rerank,
    /// The built-in provider that answers without a network.
    Mock,
    /// Speech to text as OpenAI has it: forms.
    OpenaiTranscriptions,
    /// Text to speech as OpenAI has it.
    OpenaiSpeech,
    /// Pictures as OpenAI has them.
    OpenaiImages,
    /// Whether content is against a policy, as OpenAI has it.
    OpenaiModerations,
    /// Deepgram: speech to text and text to speech.
    Deepgram,
    /// ElevenLabs: speech to text and text to speech.
    Elevenlabs,
    /// Stability: pictures.
    Stability,
    /// Vectors as HuggingFace's inference service has them.
    FeatureExtraction,
    /// A prompt and its parameters, as HuggingFace's text generation servers have them.
    Tgi,
}

impl Dialect {
    const ALL: [Self; 21] = [
        Self::OpenaiChat,
        Self::OpenaiResponses,
        Self::OpenaiCompletions,
        Self::OpenaiMedia,
        Self::Anthropic,
        Self::Gemini,
        Self::Bedrock,
        Self::Cohere,
        Self::Ollama,
        Self::Replicate,
        Self::Rerank,
        Self::Mock,
        Self::OpenaiTranscriptions,
        Self::OpenaiSpeech,
        Self::OpenaiImages,
        Self::OpenaiModerations,
        Self::Deepgram,
        Self::Elevenlabs,
        Self::Stability,
        Self::FeatureExtraction,
        Self::Tgi,
    ];

    /// The dialect of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }

    /// The name used in configuration, headers and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenaiChat => "openai_chat",
            Self::OpenaiResponses => "openai_responses",
            Self::OpenaiCompletions => "openai_completions",
            Self::OpenaiMedia => "openai_media",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Bedrock => "bedrock",
            Self::Cohere => "cohere",
            Self::Ollama => "ollama",
            Self::Replicate => "replicate",
            Self::Rerank => "rerank",
            Self::Mock => "mock",
            Self::OpenaiTranscriptions => "openai_transcriptions",
            Self::OpenaiSpeech => "openai_speech",
            Self::OpenaiImages => "openai_images",
            Self::OpenaiModerations => "openai_moderations",
            Self::Deepgram => "deepgram",
            Self::Elevenlabs => "elevenlabs",
            Self::Stability => "stability",
            Self::FeatureExtraction => "feature_extraction",
            Self::Tgi => "tgi",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
