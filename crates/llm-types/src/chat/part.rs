//! The pieces of content that a message or an answer is made of.

use crate::{Dialect, Extra, RawValue};

/// One piece of content.
#[derive(Debug, Clone)]
pub enum Part {
    /// Text.
    Text(Text),
    /// The model declines, in words.
    Refusal(Refusal),
    /// A picture.
    Image(Image),
    /// Sound.
    Audio(Audio),
    /// A document or another file, video included.
    File(File),
    /// The model calls a tool.
    ToolCall(ToolCall),
    /// What a tool answered.
    ToolResult(ToolResult),
    /// What the model thought.
    Reasoning(Reasoning),
    /// A source; it belongs to the text part before it.
    Citation(Citation),
    /// A piece that only its own dialect understands.
    Opaque(Opaque),
}

impl Part {
    /// A text part.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Text::new(text))
    }

    /// The texts of `parts` joined, in order.
    #[must_use]
    pub fn text_of(parts: &[Part]) -> String {
        let mut out = String::new();
        for part in parts {
            if let Part::Text(text) = part {
                out.push_str(&text.text);
            }
        }
        out
    }
}

/// "Cache the prompt up to here", as Anthropic and those who follow it spell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheControl {
    /// The kind; `ephemeral` so far.
    pub kind: String,
    /// How long: `5m` or `1h`.
    pub ttl: Option<String>,
}

/// Text.
#[derive(Debug, Clone, Default)]
pub struct Text {
    /// The text.
    pub text: String,
    /// A prompt-cache breakpoint after this part.
    pub cache: Option<CacheControl>,
    /// The provider's signature over this part (Gemini's thought signature, base64).
    pub signature: Option<String>,
    /// Members that no field names.
    pub extra: Extra,
}

impl Text {
    /// Plain text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// A refusal in words.
#[derive(Debug, Clone, Default)]
pub struct Refusal {
    /// What the model said.
    pub text: String,
}

/// Where the bytes of a picture, sound or file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// At an address (`https:`, `gs:`, …). `data:` addresses are taken apart into `Base64`.
    Url(String),
    /// Here.
    Base64 {
        /// The media type, e.g. `image/png`; may be empty when the dialect does not say.
        media_type: String,
        /// Standard base64.
        data: String,
    },
    /// At the provider, under an id.
    FileId(String),
    /// Here, as plain text.
    Text(String),
}

impl Media {
    /// Reads an address; a base64 `data:` URL becomes [`Media::Base64`].
    #[must_use]
    pub fn from_url(url: &str) -> Self {
        let inline = url.strip_prefix("data:").and_then(|rest| rest.split_once(','));
        match inline.and_then(|(head, data)| Some((head.strip_suffix(";base64")?, data))) {
            Some((media_type, data)) => {
                let media_type = media_type.split(';').next().unwrap_or_default();
                Self::Base64 { media_type: media_type.to_owned(), data: data.to_owned() }
            }
            None => Self::Url(url.to_owned()),
        }
    }

    /// The address form: base64 as a `data:` URL; `None` for a file id.
    #[must_use]
    pub fn to_url(&self) -> Option<String> {
        match self {
            Self::Url(url) => Some(url.clone()),
            Self::Base64 { media_type, data } => Some(format!("data:{media_type};base64,{data}")),
            Self::FileId(_) | Self::Text(_) => None,
        }
    }
}

/// A picture.
#[derive(Debug, Clone)]
pub struct Image {
    /// The picture itself.
    pub media: Media,
    /// `low`, `high`, `auto`: how closely the model looks.
    pub detail: Option<String>,
    /// The media type where `media` does not say it.
    pub media_type: Option<String>,
    /// A prompt-cache breakpoint after this part.
    pub cache: Option<CacheControl>,
    /// Members that no field names.
    pub extra: Extra,
}

impl Image {
    /// A picture with nothing else said of it.
    #[must_use]
    pub fn new(media: Media) -> Self {
        Self { media, detail: None, media_type: None, cache: None, extra: Extra::default() }
    }
}

/// Sound, said by a person or by the model.
#[derive(Debug, Clone, Default)]
pub struct Audio {
    /// The sound itself; `None` in a history that refers to it by `id` only.
    pub media: Option<Media>,
    /// The encoding: `wav`, `mp3`, `pcm16`, …
    pub format: Option<String>,
    /// What is said, as text.
    pub transcript: Option<String>,
    /// The provider's id of the model's own earlier sound.
    pub id: Option<String>,
    /// When the provider forgets it, in Unix seconds.
    pub expires_at: Option<u64>,
    /// A prompt-cache breakpoint after this part.
    pub cache: Option<CacheControl>,
    /// Members that no field names.
    pub extra: Extra,
}

/// A document or another file.
#[derive(Debug, Clone)]
pub struct File {
    /// The content.
    pub media: Media,
    /// Its name.
    pub filename: Option<String>,
    /// Its media type where `media` does not say it.
    pub media_type: Option<String>,
    /// A prompt-cache breakpoint after this part.
    pub cache: Option<CacheControl>,
    /// Members that no field names.
    pub extra: Extra,
}

/// What kind of tool is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ToolCallKind {
    /// A function with JSON arguments.
    #[default]
    Function,
    /// A custom tool with free text as its input.
    Custom,
    /// A deprecated `function_call` without an id.
    LegacyFunction,
}

/// The model calls a tool.
#[derive(Debug, Clone, Default)]
pub struct ToolCall {
    /// The id that the result refers to.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// JSON text for a function (may be empty: no arguments), free text for a custom tool.
    pub arguments: String,
    /// What kind of tool.
    pub kind: ToolCallKind,
    /// The provider's signature over this call (Gemini's thought signature, base64).
    pub signature: Option<String>,
    /// A prompt-cache breakpoint after this part.
    pub cache: Option<CacheControl>,
    /// Members that no field names.
    pub extra: Extra,
}

/// What a tool answered.
#[derive(Debug, Clone, Default)]
pub struct ToolResult {
    /// The id of the call.
    pub call_id: String,
    /// The tool's name, where the dialect says it (always for a legacy function).
    pub name: Option<String>,
    /// The answer: text, pictures, files.
    pub parts: Vec<Part>,
    /// Whether the tool failed.
    pub is_error: Option<bool>,
    /// A prompt-cache breakpoint after this part.
    pub cache: Option<CacheControl>,
    /// Members that no field names.
    pub extra: Extra,
}

/// What the model thought. It must go back unchanged to the provider that signed it.
#[derive(Debug, Clone, Default)]
pub struct Reasoning {
    /// The thoughts, or their summary; empty when redacted.
    pub text: String,
    /// The provider's signature over them, or what it encrypted of them; [`super::Sealed`] where another dialect
    /// could take it for its own.
    pub signature: Option<String>,
    /// Encrypted thoughts (Anthropic's `redacted_thinking`).
    pub redacted: Option<String>,
    /// Whose signature and encryption they are; `None`: nobody knows, so they are taken for those of the
    /// provider that is asked.
    pub origin: Option<Dialect>,
    /// Members that no field names.
    pub extra: Extra,
}

/// A source of the text before it.
#[derive(Debug, Clone, Default)]
pub struct Citation {
    /// Where the source is.
    pub url: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// First character of the text it supports (Unicode scalar values, from 0).
    pub start: Option<u64>,
    /// One past the last character it supports.
    pub end: Option<u64>,
    /// The words quoted from the source.
    pub quote: Option<String>,
    /// The provider's own form, replayed to the same dialect.
    pub native: Option<(Dialect, Box<RawValue>)>,
}

/// A piece that only its own dialect understands, as raw JSON.
#[derive(Debug, Clone)]
pub struct Opaque {
    /// The dialect it belongs to.
    pub dialect: Dialect,
    /// What that dialect calls it (`server_tool_use`, `executableCode`, …).
    pub kind: String,
    /// The piece itself.
    pub json: Box<RawValue>,
}
