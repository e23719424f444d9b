//! A team, user or organisation, as it is to be made or changed.

use std::sync::Arc;

use llm_governance::{Group, Scope};
use llm_types::Result;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::form::{Field, Id, Name, Object, Range, forms, wrong};
use crate::keys::{exists, note};
use crate::registry::Registry;
use crate::terms::{BudgetForm, LimitsForm, ModelLimitsForm, TermsForm};

/// A team, user or organisation, as it is to be made or changed: what is left out stays as it is, `null` clears.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GroupForm {
    /// Its name for machines, where it is made; one is made up where there is none.
    pub id: Field<Id>,
    /// Its name for people.
    pub name: Field<Name>,
    /// Models that may be called, `*` for anything; none: all.
    #[schemars(length(max = 1000))]
    pub models: Field<Vec<Name>>,
    /// Routes that may be called; none: all.
    #[schemars(length(max = 100))]
    pub routes: Field<Vec<Name>>,
    /// Addresses that requests may come from; none: all.
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
    /// The organisation that a team belongs to, which must exist.
    pub organisation_id: Field<Id>,
    /// Whatever is to be noted.
    pub metadata: Field<Object>,
    /// Whether it is turned away.
    pub blocked: Field<bool>,
}

forms!(GroupForm);

impl GroupForm {
    /// The group with these changes.
    ///
    /// # Errors
    /// 400 for an organisation that does not exist, or belongs to what has none.
    pub fn over(self, mut group: Group, scope: &Scope, governance: &Registry) -> Result<Group> {
        let Self {
            id: _,
            name,
            models,
            routes,
            ip_ranges,
            budgets,
            limits,
            model_limits,
            organisation_id,
            metadata,
            blocked,
        } = self;
        if matches!(organisation_id, Field::Given(_)) && !matches!(scope, Scope::Team(_)) {
            return Err(wrong("organisation_id", "is for teams and keys alone"));
        }
        exists(governance, "organisation_id", &organisation_id, Scope::Organisation)?;
        organisation_id.map(|Id(id)| id).set(&mut group.organisation);
        name.map(|Name(name)| name).set(&mut group.name);
        metadata.map(note).set(&mut group.metadata);
        blocked.put(&mut group.blocked);
        group.terms =
            TermsForm { models, routes, ip_ranges, budgets, limits, model_limits }.over(&group.terms);
        Ok(group)
    }

    /// The id that is asked for.
    pub fn asked_id(&self) -> Option<Arc<str>> {
        match &self.id {
            Field::Given(Id(id)) => Some(Arc::clone(id)),
            Field::Absent | Field::Null => None,
        }
    }
}
