//! Speech to text: what is asked, and what was heard.

use serde::Deserialize;

use crate::{Content, Dialect, Extra, Upload, Usage};

/// A request to write down what is said.
///
/// ```
/// use llm_types::{TranscribeRequest, TranscriptFormat, Upload};
/// let mut request = TranscribeRequest::new(Upload::new("talk.wav", &b"RIFF"[..]));
/// request.format = TranscriptFormat::Srt;
/// ```
#[derive(Debug, Clone, Default)]
pub struct TranscribeRequest {
    /// The model, as the client names it until it is set for a deployment.
    pub model: String,
    /// The sound.
    pub file: Upload<Content>,
    /// Whether the text is to be in English, whatever is spoken.
    pub translate: bool,
    /// What is spoken, as ISO-639-1.
    pub language: Option<String>,
    /// Words that lead the model: names, the text before.
    pub prompt: Option<String>,
    /// How the text is wanted.
    pub format: TranscriptFormat,
    /// From 0 to 1.
    pub temperature: Option<f64>,
    /// For what times are wanted beside the text: `word`, `segment`.
    pub granularities: Vec<String>,
    /// Whether the text is wanted as it is heard.
    pub stream: bool,
    /// The dialect that `fields` belong to.
    pub origin: Option<Dialect>,
    /// Fields of the form that no member names, in their order.
    pub fields: Vec<(String, String)>,
}

impl TranscribeRequest {
    /// A request with everything left at the provider's defaults.
    #[must_use]
    pub fn new(file: impl Into<Upload<Content>>) -> Self {
        Self { file: file.into(), ..Self::default() }
    }
}

/// How a transcript is written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "String")]
pub enum TranscriptFormat {
    /// An object with the text.
    #[default]
    Json,
    /// The text alone.
    Text,
    /// Subtitles as SubRip has them.
    Srt,
    /// An object with the text and its times.
    VerboseJson,
    /// Subtitles as WebVTT has them.
    Vtt,
    /// A form that only some providers know, by its name.
    Other(String),
}

impl TranscriptFormat {
    /// Its name on the wire.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
            Self::Srt => "srt",
            Self::VerboseJson => "verbose_json",
            Self::Vtt => "vtt",
            Self::Other(name) => name,
        }
    }

    /// Whether it shows when something was said.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        matches!(self, Self::Srt | Self::VerboseJson | Self::Vtt)
    }
}

impl From<String> for TranscriptFormat {
    fn from(name: String) -> Self {
        match &*name {
            "json" => Self::Json,
            "text" => Self::Text,
            "srt" => Self::Srt,
            "verbose_json" => Self::VerboseJson,
            "vtt" => Self::Vtt,
            _ => Self::Other(name),
        }
    }
}

/// What was heard.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    /// The model that answered, as the provider names it; may be empty.
    pub model: String,
    /// All of the text.
    pub text: String,
    /// What is spoken, as the provider names it.
    pub language: Option<String>,
    /// How long the sound is, in seconds.
    pub duration: Option<f64>,
    /// The words with their times, where the provider gives them.
    pub words: Vec<Spoken>,
    /// Stretches of text with their times, where the provider gives them.
    pub segments: Vec<Spoken>,
    /// What it used; `None` where the provider does not say.
    pub usage: Option<Usage>,
    /// Whether it was translated.
    pub translated: bool,
    /// How the client wants it written.
    pub format: TranscriptFormat,
    /// The provider wrote it so already: `text` is all of its answer.
    pub written: bool,
    /// The dialect that `extra` members belong to.
    pub origin: Option<Dialect>,
    /// Members that no field names.
    pub extra: Extra,
}

/// A word or a stretch of text, and when it was said.
#[derive(Debug, Clone, Default)]
pub struct Spoken {
    /// What was said.
    pub text: String,
    /// From when, in seconds.
    pub start: f64,
    /// Until when, in seconds.
    pub end: f64,
    /// By whom, where the provider tells speakers apart.
    pub speaker: Option<String>,
    /// Members that no field names.
    pub extra: Extra,
}
