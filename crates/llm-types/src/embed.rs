//! Text to vectors.

use serde_json::value::RawValue;

use crate::{Dialect, Extra, Usage};

/// A request for vectors.
#[derive(Debug, Clone, Default)]
pub struct EmbedRequest {
    /// The model, as the client names it until it is set for a deployment.
    pub model: String,
    /// What is to be embedded; one vector each, in order.
    pub inputs: Vec<EmbedInput>,
    /// The length of the vectors, where the model lets one choose.
    pub dimensions: Option<u32>,
    /// How the client wants the numbers written.
    pub encoding: VectorEncoding,
    /// What the vectors are for, in the words of Gemini's `taskType` (`RETRIEVAL_QUERY`, …).
    pub task: Option<String>,
    /// Whether a longer input is cut to the model's window.
    pub truncate: Option<bool>,
    /// The end user, for the provider's abuse detection.
    pub user: Option<String>,
    /// The dialect that `extra` members belong to.
    pub origin: Option<Dialect>,
    /// Members that no field names.
    pub extra: Extra,
}

/// One thing to be embedded.
#[derive(Debug, Clone)]
pub struct EmbedInput {
    /// What it is.
    pub content: EmbedContent,
    /// The title of a document that is embedded for retrieval.
    pub title: Option<String>,
}

impl EmbedInput {
    /// A text without a title.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { content: EmbedContent::Text(text.into()), title: None }
    }
}

/// What is to be embedded.
#[derive(Debug, Clone)]
pub enum EmbedContent {
    /// A text.
    Text(String),
    /// A text as tokens of the model's own vocabulary.
    Tokens(Vec<u32>),
    /// What only its own dialect understands (pictures, several parts), whole.
    Opaque(Dialect, Box<RawValue>),
}

/// How the numbers of a vector are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VectorEncoding {
    /// As a list of numbers.
    #[default]
    Float,
    /// As base64 of little-endian `f32`.
    Base64,
}

/// Vectors, one per input.
#[derive(Debug, Clone, Default)]
pub struct Embeddings {
    /// The provider's id of the answer; may be empty.
    pub id: String,
    /// The model that answered, as the provider names it.
    pub model: String,
    /// In the order of the inputs.
    pub vectors: Vec<Vec<f32>>,
    /// What it used; `None` where the provider does not say.
    pub usage: Option<Usage>,
    /// The dialect that `extra` members belong to.
    pub origin: Option<Dialect>,
    /// Members that no field names.
    pub extra: Extra,
}
