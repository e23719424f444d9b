//! A team, user or organisation, as the admin API shows it.

use llm_governance::{Group, Scope};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::keys::{managed_by, noted};
use crate::registry::Registry;
use crate::spend::SpendView;
use crate::terms::TermsView;

/// A team, user or organisation.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GroupView {
    /// Its name for machines.
    pub id: String,
    /// Its name for people.
    name: Option<String>,
    /// The organisation that a team belongs to.
    organisation_id: Option<String>,
    #[serde(flatten)]
    terms: TermsView,
    /// What was noted.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    metadata: Option<Box<RawValue>>,
    /// Whether it is turned away.
    blocked: bool,
    /// Who defines it: `api` or `config`.
    managed_by: &'static str,
    /// What it has spent; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    spend: Option<SpendView>,
}

/// The id in a scope.
pub fn id_of(scope: &Scope) -> String {
    let text = scope.to_string();
    text.split_once(':').map_or(text.clone(), |(_, id)| id.to_owned())
}

impl GroupView {
    /// A group as it is.
    #[must_use]
    pub fn of(scope: &Scope, group: &Group, governance: &Registry) -> Self {
        let Group { organisation, name, blocked, terms, metadata } = group;
        let text = |name: &Option<std::sync::Arc<str>>| name.as_ref().map(ToString::to_string);
        Self {
            id: id_of(scope),
            name: text(name),
            organisation_id: text(organisation),
            terms: TermsView::of(scope, terms),
            metadata: noted(metadata.as_deref()),
            blocked: *blocked,
            managed_by: managed_by(governance, scope),
            spend: None,
        }
    }

    /// The same with what was spent.
    pub fn with(self, spend: SpendView) -> Self {
        Self { spend: Some(spend), ..self }
    }
}
