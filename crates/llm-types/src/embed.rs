//! Text to vectors.

use std::borrow::Cow;

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

/// Members in which clients of OpenAI's dialect say what the vectors are for.
const PURPOSES: [&str; 2] = ["task_type", "input_type"];
/// Others' words for it, and Gemini's.
const WORDS: [(&str, &str); 7] = [
    ("query", "RETRIEVAL_QUERY"),
    ("search_query", "RETRIEVAL_QUERY"),
    ("document", "RETRIEVAL_DOCUMENT"),
    ("passage", "RETRIEVAL_DOCUMENT"),
    ("search_document", "RETRIEVAL_DOCUMENT"),
    ("classification", "CLASSIFICATION"),
    ("clustering", "CLUSTERING"),
];

impl EmbedRequest {
    /// What the vectors are for, in Gemini's words, and the member of `extra` that says it where `task` does not:
    /// `task_type` or `input_type`. A word that nobody knows says nothing.
    #[must_use]
    pub fn purpose(&self) -> Option<(Cow<'_, str>, Option<&'static str>)> {
        if let Some(task) = &self.task {
            return Some((Cow::Borrowed(task), None));
        }
        PURPOSES.into_iter().find_map(|name| {
            let word: Cow<'_, str> = serde_json::from_str(self.extra.get(name)?.get()).ok()?;
            let own = |word: &str| word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
            let known = WORDS.iter().find(|(theirs, _)| *theirs == word).map(|(_, own)| Cow::Borrowed(*own));
            let said = known.or_else(|| own(&word).then_some(word)).filter(|word| !word.is_empty())?;
            Some((said, Some(name)))
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vectors_are_for_is_said_in_several_ways() {
        let check = |task: Option<&str>, members: &[(&str, &str)], expect: Option<(&str, Option<&str>)>| {
            let mut request = EmbedRequest { task: task.map(str::to_owned), ..EmbedRequest::default() };
            for (name, word) in members {
                request.extra.set_json(*name, word).unwrap();
            }
            let purpose = request.purpose();
            let purpose = purpose.as_ref().map(|(word, member)| (&**word, *member));
            assert_eq!(purpose, expect, "{task:?} {members:?}");
        };
        check(None, &[], None);
        check(Some("CLUSTERING"), &[("input_type", "query")], Some(("CLUSTERING", None)));
        check(None, &[("input_type", "query")], Some(("RETRIEVAL_QUERY", Some("input_type"))));
        check(None, &[("input_type", "search_document")], Some(("RETRIEVAL_DOCUMENT", Some("input_type"))));
        let both = [("input_type", "query"), ("task_type", "SEMANTIC_SIMILARITY")];
        check(None, &both, Some(("SEMANTIC_SIMILARITY", Some("task_type"))));
        check(None, &[("task_type", "of some kind")], None);
        check(None, &[("input_type", "")], None);
    }
}
