//! The request: what is asked of the model, and how the answer is to be delivered.

use super::{
    CacheOptions, Delivery, Identity, Limits, Message, OutputOptions, ReasoningOptions, Sampling, Tooling,
    WebSearch,
};
use crate::{Dialect, Extra};

/// A conversation turn.
///
/// ```
/// use llm_types::chat::{ChatRequest, Message};
/// let mut request = ChatRequest::new([Message::system("Be brief."), Message::user("Hello!")]);
/// request.sampling.temperature = Some(0.2);
/// request.limits.max_completion_tokens = Some(300);
/// ```
#[derive(Debug, Clone, Default)]
pub struct ChatRequest {
    /// The model, as its provider knows it once a deployment is chosen.
    pub model: String,
    /// The conversation so far, oldest first.
    pub messages: Vec<Message>,
    /// Tools that the model may call.
    pub tooling: Tooling,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// The form of the answer.
    pub output: OutputOptions,
    /// How much the model thinks before it answers.
    pub reasoning: ReasoningOptions,
    /// Where the answer ends.
    pub limits: Limits,
    /// How the answer is delivered and served.
    pub delivery: Delivery,
    /// Prompt caching at the provider.
    pub cache: CacheOptions,
    /// Who asks.
    pub identity: Identity,
    /// The provider's own web search.
    pub web_search: Option<WebSearch>,
    /// The dialect that `extra` members belong to; `None`: the caller set them for whoever answers.
    pub origin: Option<Dialect>,
    /// Members that no field above names.
    pub extra: Extra,
}

impl ChatRequest {
    /// A request with everything but the messages left at the provider's defaults.
    #[must_use]
    pub fn new(messages: impl IntoIterator<Item = Message>) -> Self {
        Self { messages: messages.into_iter().collect(), ..Self::default() }
    }
}
