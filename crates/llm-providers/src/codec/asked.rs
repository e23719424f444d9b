//! What a request says beside its body, and what of its body is not in memory.

use http::HeaderMap;
use llm_types::{Dialect, Op, Stretch};

/// What a client asks for beside its body: what its route and its headers say.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The operation.
    pub op: Op,
    /// What the client speaks; `None`: nobody's wire, the SDK.
    pub dialect: Option<Dialect>,
    /// The model, where the path names it.
    pub model: Option<String>,
    /// Whether a stream is wanted, where the path says it.
    pub stream: Option<bool>,
    /// The query of the URL, where there is one.
    pub query: Option<String>,
    /// The client's headers, its key among them: none may be forwarded without a reason.
    pub headers: HeaderMap,
    /// What the files of its form hold, in their order, where that is not in the body: there they are empty.
    pub files: Vec<Stretch>,
}

impl Asked {
    /// An operation and nothing else.
    #[must_use]
    pub fn of(op: Op) -> Self {
        let (headers, files) = (HeaderMap::new(), Vec::new());
        Self { op, dialect: None, model: None, stream: None, query: None, headers, files }
    }

    /// The text of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Default for Asked {
    fn default() -> Self {
        Self::of(Op::Chat)
    }
}
