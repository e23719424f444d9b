//! What the catalogue says of a model.

use std::borrow::Cow;
use std::fmt;

use crate::prices::Prices;

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// Conversations.
    #[default]
    Chat,
    /// Conversations, by the Responses API only.
    Responses,
    /// Text that goes on.
    Completion,
    /// Vectors.
    Embedding,
    /// Order of documents.
    Rerank,
    /// Pictures.
    Image,
    /// Changed pictures.
    ImageEdit,
    /// Speech from text.
    Speech,
    /// Text from speech.
    Transcription,
    /// Conversations over an open connection.
    Realtime,
    /// Judgements of texts.
    Moderation,
    /// Something else.
    Other,
}

impl Mode {
    const NAMES: [(Self, &'static str); 12] = [
        (Self::Chat, "chat"),
        (Self::Responses, "responses"),
        (Self::Completion, "completion"),
        (Self::Embedding, "embedding"),
        (Self::Rerank, "rerank"),
        (Self::Image, "image_generation"),
        (Self::ImageEdit, "image_edit"),
        (Self::Speech, "audio_speech"),
        (Self::Transcription, "audio_transcription"),
        (Self::Realtime, "realtime"),
        (Self::Moderation, "moderation"),
        (Self::Other, "other"),
    ];

    /// Its name, which is LiteLLM's.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(mode, _)| *mode == self).map_or("other", |(_, name)| name)
    }

    /// The mode of that name; unknown ones are [`Mode::Other`].
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self::NAMES.iter().find(|(_, known)| *known == name).map_or(Self::Other, |(mode, _)| *mode)
    }
}

/// What a model can do: a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(u16);

impl Capabilities {
    /// Nothing that is known.
    pub const NONE: Self = Self(0);
    /// Calls functions.
    pub const TOOLS: Self = Self(1);
    /// Can be told which function to call.
    pub const TOOL_CHOICE: Self = Self(1 << 1);
    /// Calls several at once.
    pub const PARALLEL_TOOLS: Self = Self(1 << 2);
    /// Reads pictures.
    pub const VISION: Self = Self(1 << 3);
    /// Reads PDF files.
    pub const PDF: Self = Self(1 << 4);
    /// Hears.
    pub const AUDIO_IN: Self = Self(1 << 5);
    /// Speaks.
    pub const AUDIO_OUT: Self = Self(1 << 6);
    /// Watches.
    pub const VIDEO_IN: Self = Self(1 << 7);
    /// Thinks before it answers.
    pub const REASONING: Self = Self(1 << 8);
    /// Keeps to a JSON schema.
    pub const JSON_SCHEMA: Self = Self(1 << 9);
    /// Has a prompt cache.
    pub const PROMPT_CACHE: Self = Self(1 << 10);
    /// Takes system messages.
    pub const SYSTEM: Self = Self(1 << 11);
    /// Goes on from the beginning of an answer.
    pub const PREFILL: Self = Self(1 << 12);
    /// Searches the web.
    pub const WEB_SEARCH: Self = Self(1 << 13);
    /// Uses a computer.
    pub const COMPUTER_USE: Self = Self(1 << 14);
    /// Searches as often as it likes, whether it is asked to or not, and is paid for each search.
    pub const UNASKED_SEARCH: Self = Self(1 << 15);

    /// Each with its name and its letter in the catalogue's text.
    pub(crate) const NAMES: [(Self, &'static str, char); 16] = [
        (Self::TOOLS, "tools", 't'),
        (Self::TOOL_CHOICE, "tool_choice", 'c'),
        (Self::PARALLEL_TOOLS, "parallel_tools", 'm'),
        (Self::VISION, "vision", 'v'),
        (Self::PDF, "pdf", 'f'),
        (Self::AUDIO_IN, "audio_in", 'a'),
        (Self::AUDIO_OUT, "audio_out", 'o'),
        (Self::VIDEO_IN, "video_in", 'w'),
        (Self::REASONING, "reasoning", 'r'),
        (Self::JSON_SCHEMA, "json_schema", 'j'),
        (Self::PROMPT_CACHE, "prompt_cache", 'k'),
        (Self::SYSTEM, "system", 's'),
        (Self::PREFILL, "prefill", 'p'),
        (Self::WEB_SEARCH, "web_search", 'q'),
        (Self::COMPUTER_USE, "computer_use", 'u'),
        (Self::UNASKED_SEARCH, "unasked_search", 'x'),
    ];

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the other is part of this.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether nothing is said.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names of what is there.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(one, ..)| self.has(*one)).map(|(_, name, _)| name)
    }

    /// The capability of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(_, known, _)| *known == name).map(|(one, ..)| one)
    }
}

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// Such as 2026.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl Date {
    /// Reads `2026-11-21`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split('-');
        let mut field = |length: usize| {
            let field = fields.next().filter(|field| field.len() == length)?;
            field.bytes().all(|byte| byte.is_ascii_digit()).then_some(field)
        };
        let date = Self {
            year: field(4)?.parse().ok()?,
            month: field(2)?.parse().ok()?,
            day: field(2)?.parse().ok()?,
        };
        (fields.next().is_none() && (1..=12).contains(&date.month) && (1..=31).contains(&date.day))
            .then_some(date)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day } = self;
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// A model at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, as that provider has it.
    pub model: Cow<'static, str>,
    /// What it is for.
    pub mode: Mode,
    /// The most tokens of a prompt, if known.
    pub context_window: Option<u64>,
    /// The most tokens of an answer, if known.
    pub max_output: Option<u64>,
    /// What it can do; `None` where nothing is known, which is not the same as nothing.
    pub capabilities: Option<Capabilities>,
    /// What it costs.
    pub prices: Prices,
    /// When its provider switches it off, if that is announced.
    pub deprecated_on: Option<Date>,
}

impl Entry {
    /// A model of which nothing else is known.
    #[must_use]
    pub fn new(model: impl Into<Cow<'static, str>>, prices: Prices) -> Self {
        Self {
            model: model.into(),
            mode: Mode::default(),
            context_window: None,
            max_output: None,
            capabilities: None,
            prices,
            deprecated_on: None,
        }
    }

    /// What a token of a short prompt and one of its answer cost, in pico-dollars, where tokens are sold.
    #[must_use]
    pub fn per_token(&self) -> Option<(u64, u64)> {
        use crate::class::Class;
        let input = self.prices.base().get(Class::Input)?;
        let output = self.prices.base().get(Class::Output);
        // Embeddings have no answer to pay.
        let output = output.or(matches!(self.mode, Mode::Embedding | Mode::Rerank).then_some(0))?;
        Some((input, output))
    }

    /// Memory beside the value itself, in bytes.
    pub(crate) fn heap(&self) -> usize {
        let name = match &self.model {
            Cow::Borrowed(_) => 0,
            Cow::Owned(name) => name.capacity(),
        };
        name + self.prices.heap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_printed() {
        let date = Date::parse("2026-09-30").unwrap();
        assert_eq!(date.to_string(), "2026-09-30");
        assert!(date > Date::parse("2026-08-31").unwrap());
        for text in ["", "2026-9-30", "2026-13-01", "2026-00-10", "26-01-01", "2026-01-01-01", "2026-01-+1"] {
            assert_eq!(Date::parse(text), None, "{text}");
        }
    }

    #[test]
    fn names_lead_back() {
        for (mode, name) in Mode::NAMES {
            assert_eq!((Mode::of(name), mode.name()), (mode, name));
        }
        assert_eq!(Mode::of("video_generation"), Mode::Other);
        let mut letters: Vec<_> = Capabilities::NAMES.iter().map(|(.., letter)| letter).collect();
        letters.sort();
        letters.dedup();
        assert_eq!(letters.len(), Capabilities::NAMES.len());
        let both = Capabilities::TOOLS.and(Capabilities::VISION);
        assert_eq!(both.names().collect::<Vec<_>>(), ["tools", "vision"]);
        assert!(both.has(Capabilities::VISION) && !both.has(Capabilities::PDF));
    }
}
