//! What holds for some of a provider's models only.

use serde::Deserialize;

use super::{Quirks, glob_matches};
use crate::Dialect;

/// Quirks of certain models.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelRule {
    /// Models it is for; `*` matches any text.
    pub models: Vec<String>,
    /// Models it is not for.
    pub except: Vec<String>,
    /// It holds only where calls go to one of these hosts; `*` matches any text. Empty: anywhere.
    pub hosts: Vec<String>,
    /// It holds only if the request's reasoning effort is one of these (`default`: not given).
    pub efforts: Vec<String>,
    /// The dialect whose bodies it is about; `None`: the row's own. Dialects of one row name the same
    /// thing differently, and the same models refuse other members in each.
    pub dialect: Option<Dialect>,
    /// What they have to respect.
    #[serde(flatten)]
    pub quirks: Quirks,
}

impl ModelRule {
    /// Whether the rule is for this model at this effort.
    #[must_use]
    pub fn applies(&self, model: &str, effort: Option<&str>) -> bool {
        self.is_for(model)
            && (self.efforts.is_empty()
                || self.efforts.iter().any(|word| word == effort.unwrap_or("default")))
    }

    /// Whether it holds for calls to this host. Until that is known, a rule about some hosts is for nobody.
    #[must_use]
    pub fn is_at(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|glob| glob_matches(glob, host))
    }

    /// Whether the rule is for this model, at whatever effort.
    #[must_use]
    pub fn is_for(&self, model: &str) -> bool {
        self.hosts.is_empty()
            && self.models.iter().any(|glob| glob_matches(glob, model))
            && !self.except.iter().any(|glob| glob_matches(glob, model))
    }
}
