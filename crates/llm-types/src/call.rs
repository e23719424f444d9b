//! One request in the neutral form.
//!
//! Every operation is a variant, so that adding one makes each codec decide what to do with it.

use crate::chat::ChatRequest;
use crate::{
    EmbedRequest, ImageRequest, ModerateRequest, Op, RerankRequest, SpeechRequest, TranscribeRequest,
};

/// What a client asks for, in no dialect.
#[derive(Debug, Clone)]
pub enum Call {
    /// A conversation turn.
    Chat(Box<ChatRequest>),
    /// How many tokens a conversation turn would take as its prompt.
    CountTokens(Box<ChatRequest>),
    /// Vectors of texts.
    Embed(Box<EmbedRequest>),
    /// Documents in the order of a query.
    Rerank(Box<RerankRequest>),
    /// Speech to text.
    Transcribe(Box<TranscribeRequest>),
    /// Text to speech.
    Speak(Box<SpeechRequest>),
    /// Pictures.
    Image(Box<ImageRequest>),
    /// Whether content is against a policy.
    Moderate(Box<ModerateRequest>),
}

impl Call {
    /// The operation this call needs.
    #[must_use]
    pub fn op(&self) -> Op {
        match self {
            Self::Chat(_) => Op::Chat,
            Self::CountTokens(_) => Op::CountTokens,
            Self::Embed(_) => Op::Embed,
            Self::Rerank(_) => Op::Rerank,
            Self::Transcribe(request) if request.translate => Op::Translate,
            Self::Transcribe(_) => Op::Transcribe,
            Self::Speak(_) => Op::Speech,
            Self::Image(request) => request.task.op(),
            Self::Moderate(_) => Op::Moderate,
        }
    }

    /// The model as the client named it.
    #[must_use]
    pub fn model(&self) -> &str {
        match self {
            Self::Chat(request) | Self::CountTokens(request) => &request.model,
            Self::Embed(request) => &request.model,
            Self::Rerank(request) => &request.model,
            Self::Transcribe(request) => &request.model,
            Self::Speak(request) => &request.model,
            Self::Image(request) => &request.model,
            Self::Moderate(request) => &request.model,
        }
    }

    /// Names the model that is to answer, as its provider knows it.
    pub fn set_model(&mut self, model: &str) {
        match self {
            Self::Chat(request) | Self::CountTokens(request) => model.clone_into(&mut request.model),
            Self::Embed(request) => model.clone_into(&mut request.model),
            Self::Rerank(request) => model.clone_into(&mut request.model),
            Self::Transcribe(request) => model.clone_into(&mut request.model),
            Self::Speak(request) => model.clone_into(&mut request.model),
            Self::Image(request) => model.clone_into(&mut request.model),
            Self::Moderate(request) => model.clone_into(&mut request.model),
        }
    }

    /// Whether the client wants a stream of events.
    #[must_use]
    pub fn stream(&self) -> bool {
        match self {
            Self::Chat(request) => request.delivery.stream,
            Self::Transcribe(request) => request.stream,
            Self::Image(request) => request.stream,
            Self::Speak(request) => request.events,
            Self::CountTokens(_) | Self::Embed(_) | Self::Rerank(_) | Self::Moderate(_) => false,
        }
    }

    /// The conversation, if the call is about one.
    #[must_use]
    pub fn conversation(&self) -> Option<&ChatRequest> {
        match self {
            Self::Chat(request) | Self::CountTokens(request) => Some(request),
            Self::Embed(_)
            | Self::Rerank(_)
            | Self::Transcribe(_)
            | Self::Speak(_)
            | Self::Image(_)
            | Self::Moderate(_) => None,
        }
    }
}

impl From<ChatRequest> for Call {
    fn from(request: ChatRequest) -> Self {
        Self::Chat(Box::new(request))
    }
}
