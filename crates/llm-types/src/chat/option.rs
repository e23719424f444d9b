//! Options of a request, grouped by what they are about.

use super::CacheControl;
use crate::RawValue;

/// How tokens are drawn.
#[derive(Debug, Clone, Default)]
pub struct Sampling {
    /// 0 to 2 (Anthropic: 0 to 1).
    pub temperature: Option<f64>,
    /// Nucleus, 0 to 1.
    pub top_p: Option<f64>,
    /// Only the k likeliest.
    pub top_k: Option<u64>,
    /// -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// -2 to 2.
    pub presence_penalty: Option<f64>,
    /// For repeatable answers.
    pub seed: Option<i64>,
    /// Token id to bias, as JSON.
    pub logit_bias: Option<Box<RawValue>>,
}

/// The form of the answer.
#[derive(Debug, Clone, Default)]
pub struct OutputOptions {
    /// How many answers.
    pub n: Option<u32>,
    /// Text, JSON, or JSON by a schema.
    pub format: Option<Format>,
    /// `text`, `audio`, `image`, …; empty: the model's default.
    pub modalities: Vec<String>,
    /// The voice, when `modalities` has audio.
    pub audio: Option<AudioOutput>,
    /// Whether to report log probabilities.
    pub logprobs: Option<bool>,
    /// How many alternatives per token to report.
    pub top_logprobs: Option<u32>,
    /// Text that the answer is expected to repeat, in OpenAI's form.
    pub prediction: Option<Box<RawValue>>,
    /// `low`, `medium`, `high`.
    pub verbosity: Option<String>,
}

/// Text, JSON, or JSON by a schema.
#[derive(Debug, Clone)]
pub enum Format {
    /// Free text.
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON by a schema.
    JsonSchema(JsonSchema),
}

/// The schema of a structured answer.
#[derive(Debug, Clone, Default)]
pub struct JsonSchema {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The JSON Schema.
    pub schema: Option<Box<RawValue>>,
    /// Whether the answer must follow it exactly.
    pub strict: Option<bool>,
}

/// The voice of a spoken answer.
#[derive(Debug, Clone, Default)]
pub struct AudioOutput {
    /// The voice, as JSON (a name, or an object with an id).
    pub voice: Option<Box<RawValue>>,
    /// `wav`, `mp3`, `pcm16`, …
    pub format: Option<String>,
    /// BCP 47, where the provider takes one.
    pub language: Option<String>,
}

/// How much the model thinks before it answers.
#[derive(Debug, Clone, Default)]
pub struct ReasoningOptions {
    /// How hard.
    pub effort: Option<Effort>,
    /// Anthropic's and Gemini's own terms; they win over `effort` there.
    pub thinking: Option<Thinking>,
    /// How thoughts are shown: `summarized`, `omitted`, `auto`, `concise`, `detailed`.
    pub summary: Option<String>,
}

/// How hard to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effort {
    /// Not at all.
    None,
    /// Hardly.
    Minimal,
    /// A little.
    Low,
    /// As usual.
    Medium,
    /// Much.
    High,
    /// Very much.
    XHigh,
    /// As much as it can.
    Max,
}

impl Effort {
    /// The word of OpenAI's `reasoning_effort`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let all = [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::XHigh, Self::Max];
        all.into_iter().find(|effort| effort.name() == word)
    }
}

/// Thinking switched by the caller in Anthropic's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinking {
    /// On, with a budget in tokens where one is given.
    Enabled {
        /// Tokens that thinking may take.
        budget_tokens: Option<u64>,
    },
    /// As much as the model finds right.
    Adaptive,
    /// Off.
    Disabled,
}

/// Where the answer ends.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// OpenAI's older field.
    pub max_tokens: Option<u64>,
    /// OpenAI's newer field, thinking included.
    pub max_completion_tokens: Option<u64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
}

impl Limits {
    /// The bound on the answer, whichever field it came in.
    #[must_use]
    pub fn output_tokens(&self) -> Option<u64> {
        self.max_completion_tokens.or(self.max_tokens)
    }

    /// The longest answer that any field allows: which of two counts is the provider's business.
    #[must_use]
    pub fn most_output_tokens(&self) -> Option<u64> {
        self.max_completion_tokens.max(self.max_tokens)
    }
}

/// How the answer is delivered and served.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    /// As a stream of events.
    pub stream: bool,
    /// The stream ends with a usage chunk. The gateway asks for it anyway and withholds it if unasked.
    pub include_usage: Option<bool>,
    /// The stream is padded against traffic analysis.
    pub include_obfuscation: Option<bool>,
    /// `auto`, `default`, `flex`, `priority`, …
    pub service_tier: Option<String>,
    /// Whether the provider keeps the exchange.
    pub store: Option<bool>,
}

/// Prompt caching at the provider.
#[derive(Debug, Clone, Default)]
pub struct CacheOptions {
    /// Requests with the same key share a cache.
    pub key: Option<String>,
    /// `in_memory`, `24h`.
    pub retention: Option<String>,
    /// OpenAI's `prompt_cache_options`, as JSON.
    pub options: Option<Box<RawValue>>,
    /// Anthropic's automatic caching of the whole prompt.
    pub control: Option<CacheControl>,
}

/// Who asks.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// The end user, as the application names them.
    pub user: Option<String>,
    /// A stable pseudonym for abuse reports.
    pub safety_identifier: Option<String>,
    /// Key-value pairs kept with the exchange, as JSON.
    pub metadata: Option<Box<RawValue>>,
}

/// The provider's own web search.
#[derive(Debug, Clone, Default)]
pub struct WebSearch {
    /// `low`, `medium`, `high`: how much is read.
    pub context_size: Option<String>,
    /// ISO 3166 country code of the asker.
    pub country: Option<String>,
    /// Region of the asker.
    pub region: Option<String>,
    /// City of the asker.
    pub city: Option<String>,
    /// IANA time zone of the asker.
    pub timezone: Option<String>,
}
