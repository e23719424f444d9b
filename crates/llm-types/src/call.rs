//! One request in the neutral form.
//!
//! Every operation is a variant, so that adding one makes each codec decide what to do with it.

use crate::Op;
use crate::chat::ChatRequest;

/// What a client asks for, in no dialect.
#[derive(Debug, Clone)]
pub enum Call {
    /// A conversation turn.
    Chat(Box<ChatRequest>),
}

impl Call {
    /// The operation this call needs.
    #[must_use]
    pub fn op(&self) -> Op {
        match self {
            Self::Chat(_) => Op::Chat,
        }
    }

    /// The model as the client named it.
    #[must_use]
    pub fn model(&self) -> &str {
        match self {
            Self::Chat(request) => &request.model,
        }
    }

    /// Names the model that is to answer, as its provider knows it.
    pub fn set_model(&mut self, model: &str) {
        match self {
            Self::Chat(request) => model.clone_into(&mut request.model),
        }
    }

    /// Whether the client wants a stream of events.
    #[must_use]
    pub fn stream(&self) -> bool {
        match self {
            Self::Chat(request) => request.delivery.stream,
        }
    }
}

impl From<ChatRequest> for Call {
    fn from(request: ChatRequest) -> Self {
        Self::Chat(Box::new(request))
    }
}
