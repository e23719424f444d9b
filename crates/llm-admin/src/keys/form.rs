//! A key, as it is to be made or changed.

use std::sync::Arc;

use llm_governance::{Key, Scope};
use llm_types::Result;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::form::{Field, Grace, Id, Moment, Name, Object, Range, forms, wrong};
use crate::registry::Registry;
use crate::terms::{BudgetForm, LimitsForm, ModelLimitsForm, TermsForm};

/// A key, as it is to be made or changed: what is left out stays as it is, `null` clears.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeyForm {
    /// Its name for people.
    pub name: Field<Name>,
    /// Models that it may call, `*` for anything; none: all.
    #[schemars(length(max = 1000))]
    pub models: Field<Vec<Name>>,
    /// Routes that it may call, such as `/v1/chat/completions`; none: all.
    #[schemars(length(max = 100))]
    pub routes: Field<Vec<Name>>,
    /// Addresses that its requests may come from; none: all.
    #[schemars(length(max = 1000))]
    pub ip_ranges: Field<Vec<Range>>,
    /// What may be spent; given, they take the place of all it had.
    #[schemars(length(max = 16))]
    pub budgets: Field<Vec<BudgetForm>>,
    /// How often.
    pub limits: Field<LimitsForm>,
    /// How often single models, beside `limits`; given, they take the place of all there were.
    #[schemars(length(max = 64))]
    pub model_limits: Field<Vec<ModelLimitsForm>>,
    /// The team that it belongs to, which must exist.
    pub team_id: Field<Id>,
    /// The user that it belongs to.
    pub user_id: Field<Id>,
    /// The organisation that it belongs to, which must exist; a team's own wins.
    pub organisation_id: Field<Id>,
    /// Words that all of its requests are marked with.
    #[schemars(length(max = 64))]
    pub tags: Field<Vec<Name>>,
    /// Whatever is to be noted.
    pub metadata: Field<Object>,
    /// From when it is turned away.
    pub expires_at: Field<Moment>,
    /// Whether it is turned away.
    pub blocked: Field<bool>,
    /// Whether it may use the admin API.
    pub admin: Field<bool>,
}

/// How a key gets another secret.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RotateForm {
    /// How long the old secret is still good; not at all by default.
    pub grace: Field<Grace>,
}

forms!(KeyForm, RotateForm);

impl KeyForm {
    /// The key with these changes.
    ///
    /// # Errors
    /// 400 for a team or an organisation that does not exist.
    pub fn over(self, mut key: Key, governance: &Registry) -> Result<Key> {
        let Self {
            name,
            models,
            routes,
            ip_ranges,
            budgets,
            limits,
            model_limits,
            team_id,
            user_id,
            organisation_id,
            tags,
            metadata,
            expires_at,
            blocked,
            admin,
        } = self;
        let id = |Id(id)| id;
        exists(governance, "team_id", &team_id, Scope::Team)?;
        exists(governance, "organisation_id", &organisation_id, Scope::Organisation)?;
        team_id.map(id).set(&mut key.team);
        user_id.map(id).set(&mut key.user);
        organisation_id.map(id).set(&mut key.organisation);
        expires_at.map(|Moment(at)| at).set(&mut key.expires_at);
        blocked.put(&mut key.blocked);
        admin.put(&mut key.admin);
        key.terms = TermsForm { models, routes, ip_ranges, budgets, limits, model_limits }.over(&key.terms);
        let mut more = key.more.take().unwrap_or_default();
        name.map(|Name(name)| name).set(&mut more.name);
        tags.map(crate::terms::names).put(&mut more.tags);
        metadata.map(note).set(&mut more.metadata);
        key.more = (*more != llm_governance::KeyMore::default()).then_some(more);
        Ok(key)
    }
}

/// Whether a group that is named exists.
///
/// # Errors
/// 400 where it does not.
pub fn exists(
    governance: &Registry,
    member: &str,
    id: &Field<Id>,
    scope: fn(Arc<str>) -> Scope,
) -> Result<()> {
    let Field::Given(Id(id)) = id else { return Ok(()) };
    match governance.directory().group(&scope(Arc::clone(id))) {
        Some(_) => Ok(()),
        None => Err(wrong(member, format!("names `{id}`, which does not exist: create it first"))),
    }
}

/// An object of somebody else's, to be kept.
pub fn note(Object(object): Object) -> Box<str> {
    serde_json::Value::Object(object).to_string().into()
}
