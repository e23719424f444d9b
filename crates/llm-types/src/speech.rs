//! Text to speech.

use bytes::Bytes;

use crate::{Dialect, Extra, Usage};

/// A request to say something.
///
/// ```
/// use llm_types::SpeechRequest;
/// let mut request = SpeechRequest::new("Hello!", "alloy");
/// request.format = Some("wav".to_owned());
/// ```
#[derive(Debug, Clone, Default)]
pub struct SpeechRequest {
    /// The model, as the client names it until it is set for a deployment.
    pub model: String,
    /// What is to be said.
    pub input: String,
    /// Whose voice it is, by its name or id.
    pub voice: Option<String>,
    /// How it is to be said.
    pub instructions: Option<String>,
    /// How the sound is coded: `mp3`, `opus`, `aac`, `flac`, `wav`, `pcm`; `None`: as the provider has it.
    pub format: Option<String>,
    /// How fast, where 1 is the usual.
    pub speed: Option<f64>,
    /// Whether the sound is wanted in events instead of as it is.
    pub events: bool,
    /// The dialect that `extra` members belong to.
    pub origin: Option<Dialect>,
    /// Members that no field names.
    pub extra: Extra,
}

impl SpeechRequest {
    /// A text in a voice, with everything else left at the provider's defaults.
    #[must_use]
    pub fn new(input: impl Into<String>, voice: impl Into<String>) -> Self {
        Self { input: input.into(), voice: Some(voice.into()), ..Self::default() }
    }
}

/// What was said.
#[derive(Debug, Clone, Default)]
pub struct Speech {
    /// The sound.
    pub audio: Bytes,
    /// Its content type.
    pub kind: String,
    /// What it used; `None` where the provider does not say.
    pub usage: Option<Usage>,
}
