//! Whether content is against a policy.

use serde_json::value::RawValue;

use crate::{Dialect, Extra, Usage};

/// A request to look at content.
#[derive(Debug, Clone)]
pub struct ModerateRequest {
    /// The model, as the client names it until it is set for a deployment; may be empty.
    pub model: String,
    /// What is looked at: a text, a list of texts, or a list of parts.
    pub input: Box<RawValue>,
    /// The dialect that `extra` members belong to.
    pub origin: Option<Dialect>,
    /// Members that no field names.
    pub extra: Extra,
}

impl ModerateRequest {
    /// Texts to look at.
    ///
    /// # Errors
    /// Texts can always be written as JSON.
    pub fn new<T: serde::Serialize>(input: &T) -> serde_json::Result<Self> {
        let input = serde_json::value::to_raw_value(input)?;
        Ok(Self { model: String::new(), input, origin: None, extra: Extra::default() })
    }
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Moderation {
    /// The provider's id of the answer; may be empty.
    pub id: String,
    /// The model that answered, as the provider names it; may be empty.
    pub model: String,
    /// One for each text.
    pub results: Vec<Verdict>,
    /// What it used; `None` where the provider does not say.
    pub usage: Option<Usage>,
    /// The dialect that `extra` members belong to.
    pub origin: Option<Dialect>,
    /// Members that no field names.
    pub extra: Extra,
}

/// What was found in one text.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Whether it is against the policy in any way.
    pub flagged: bool,
    /// In which ways it is and in which not.
    pub categories: Vec<(String, bool)>,
    /// How sure that is, from 0 to 1.
    pub scores: Vec<(String, f64)>,
    /// Members that no field names.
    pub extra: Extra,
}
