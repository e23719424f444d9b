//! Documents in the order of how well they answer a query.

use serde_json::value::RawValue;

use crate::{Dialect, Extra, Usage};

/// A request to order documents.
///
/// ```
/// use llm_types::RerankRequest;
/// let mut request = RerankRequest::new("What is the capital of France?", ["Berlin", "Paris"]);
/// request.top_n = Some(1);
/// ```
#[derive(Debug, Clone, Default)]
pub struct RerankRequest {
    /// The model, as the client names it until it is set for a deployment.
    pub model: String,
    /// What is asked of the documents.
    pub query: String,
    /// What is to be ordered.
    pub documents: Vec<RerankDocument>,
    /// How many of the best are wanted; `None`: all.
    pub top_n: Option<u32>,
    /// Whether the answer repeats the documents.
    pub return_documents: Option<bool>,
    /// Which members of documents that are objects are read, in this order.
    pub rank_fields: Vec<String>,
    /// Into how many pieces a long document is cut at most.
    pub max_chunks_per_doc: Option<u64>,
    /// How many tokens of a document are read at most.
    pub max_tokens_per_doc: Option<u64>,
    /// Whether a longer document is cut to the model's window.
    pub truncate: Option<bool>,
    /// What the order is for, for models that follow instructions.
    pub instruction: Option<String>,
    /// The dialect that `extra` members belong to.
    pub origin: Option<Dialect>,
    /// Members that no field names.
    pub extra: Extra,
}

impl RerankRequest {
    /// Documents that are texts, with everything else left at the provider's defaults.
    #[must_use]
    pub fn new<T: Into<String>>(query: impl Into<String>, documents: impl IntoIterator<Item = T>) -> Self {
        let documents = documents.into_iter().map(|text| RerankDocument::Text(text.into()));
        Self { query: query.into(), documents: documents.collect(), ..Self::default() }
    }
}

/// One document.
#[derive(Debug, Clone)]
pub enum RerankDocument {
    /// A text.
    Text(String),
    /// An object, whole: `{"text": …}`, a picture, or members that `rank_fields` names.
    Object(Box<RawValue>),
}

impl RerankDocument {
    /// How long it is, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Object(json) => json.get().len(),
        }
    }
}

/// Documents in their order.
#[derive(Debug, Clone, Default)]
pub struct Ranking {
    /// The provider's id of the answer; may be empty.
    pub id: String,
    /// The model that answered, as the provider names it; may be empty.
    pub model: String,
    /// The best first.
    pub results: Vec<Ranked>,
    /// What it used; `None` where the provider does not say.
    pub usage: Option<Usage>,
    /// The dialect that `extra` members belong to.
    pub origin: Option<Dialect>,
    /// Members that no field names.
    pub extra: Extra,
}

/// One document in its place.
#[derive(Debug, Clone)]
pub struct Ranked {
    /// Which document of the request, counted from 0.
    pub index: usize,
    /// How well it answers the query, as the model sees it: the more the better, often from 0 to 1.
    pub score: f64,
    /// The document, where the answer repeats it.
    pub document: Option<RerankDocument>,
    /// Members that no field names.
    pub extra: Extra,
}
