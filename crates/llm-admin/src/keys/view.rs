//! A key, as the admin API shows it.

use llm_governance::{Key, Now, Scope};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::form::moment_text;
use crate::registry::Registry;
use crate::spend::SpendView;
use crate::terms::{TermsView, texts};

/// A key. Its secret is shown once, when it is made or changed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct KeyView {
    /// Its name for machines.
    pub id: String,
    /// Its secret; only in the answer to what made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its name for people.
    pub name: Option<String>,
    /// The last characters of its secret.
    hint: String,
    /// The team that it belongs to.
    team_id: Option<String>,
    /// The user that it belongs to.
    user_id: Option<String>,
    /// The organisation that it belongs to.
    organisation_id: Option<String>,
    #[serde(flatten)]
    terms: TermsView,
    /// Words that all of its requests are marked with.
    tags: Vec<String>,
    /// What was noted.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    metadata: Option<Box<RawValue>>,
    /// When it was made; `null`: the configuration file defines it.
    created_at: Option<String>,
    /// From when it is turned away.
    expires_at: Option<String>,
    /// Whether it is turned away.
    blocked: bool,
    /// Whether it may use the admin API.
    admin: bool,
    /// Until when the secret before the present one is good.
    previous_until: Option<String>,
    /// Who defines it: `api` or `config`.
    managed_by: &'static str,
    /// What it has spent; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    spend: Option<SpendView>,
}

/// Something that is gone.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DeletedView {
    /// What.
    pub id: String,
    /// Always true.
    pub deleted: bool,
}

/// What was noted, as it came.
pub fn noted(metadata: Option<&str>) -> Option<Box<RawValue>> {
    metadata.and_then(|text| RawValue::from_string(text.to_owned()).ok())
}

/// Who defines something.
pub fn managed_by(governance: &Registry, scope: &Scope) -> &'static str {
    if governance.is_configured(scope) { "config" } else { "api" }
}

impl KeyView {
    /// A key as it is.
    #[must_use]
    pub fn of(key: &Key, governance: &Registry) -> Self {
        let text = |name: &Option<std::sync::Arc<str>>| name.as_ref().map(ToString::to_string);
        let more = key.more.as_deref();
        let now = Now::read().wall;
        let scope = Scope::Key(key.id);
        let made_at = key.id.made_at().filter(|_| !governance.is_configured(&scope));
        Self {
            id: key.id.to_string(),
            key: None,
            name: more.and_then(|more| text(&more.name)),
            hint: key.hint.to_string(),
            team_id: text(&key.team),
            user_id: text(&key.user),
            organisation_id: text(&key.organisation),
            terms: TermsView::of(&scope, &key.terms),
            tags: texts(key.tags()),
            metadata: noted(more.and_then(|more| more.metadata.as_deref())),
            created_at: made_at.map(|at| at.to_string()),
            expires_at: key.expires_at.map(moment_text),
            blocked: key.blocked,
            admin: key.admin,
            previous_until: key.previous().filter(|(_, at)| *at > now).map(|(_, at)| at.to_string()),
            managed_by: managed_by(governance, &scope),
            spend: None,
        }
    }

    /// The same with what was spent.
    pub fn with(self, spend: SpendView) -> Self {
        Self { spend: Some(spend), ..self }
    }
}
