//! Models that a body names beside the one that it is for, at a provider that chooses among them by itself.
//!
//! Nobody gets by way of such a list what their key may not call, and no hard budget lets one in whose dearest model it
//! does not cover, with all that are paid beside it. Which names those are is data of the provider's row
//! (`llm_providers::other_model`); a name is known to access lists, budgets and limits as the models are that lead
//! there, else as `{provider}/{name}`.

use std::sync::Arc;

use llm_cost::{Asked, Bound, Worst};
use llm_governance::{PriceBound, Principal as Who};
use llm_providers::other_model::{OtherModel, other_models};
use llm_providers::target::Target;
use llm_router::{Deployment, Facts};
use llm_types::{ApiError, ErrorKind, Head, PicoUsd, Result};

use crate::backend::Backend;
use crate::snapshot::Snapshot;
use crate::through::leading;
use crate::worst::price;

/// The code of a refusal of what nothing bounds.
pub(crate) const UNBOUNDED: &str = "cost_unbounded";

/// The models that a body names beside its own; most name none.
#[derive(Debug)]
pub(crate) struct Beside<'a> {
    snapshot: &'a Snapshot,
    deployment: Arc<Deployment<Backend>>,
    models: Vec<OtherModel>,
    /// Whether the name of the call's own model is the configuration's and not the caller's.
    is_given: bool,
}

impl<'a> Beside<'a> {
    /// The models that a body names for this deployment.
    ///
    /// # Errors
    /// 400 for a body that does not say clearly which.
    pub(crate) fn of(
        snapshot: &'a Snapshot,
        deployment: &Arc<Deployment<Backend>>,
        (target, model): (&Target, &str),
        head: &Head,
    ) -> Result<Option<Self>> {
        let models = other_models(target.spec(), model, head)?;
        let is_given = || !deployment.target.is_wildcard() && target.model() == model;
        Ok((!models.is_empty()).then(|| Self {
            snapshot,
            deployment: Arc::clone(deployment),
            is_given: is_given(),
            models,
        }))
    }

    /// Whether a caller may call all of them.
    ///
    /// # Errors
    /// 403 for the first that they may not.
    pub(crate) fn check(&self, who: &Who) -> Result<()> {
        let provider = &*self.deployment.target.provider;
        let refused = |other: &&OtherModel| match &other.name {
            Some(_) if self.is_given && other.is_of_own_name() => false,
            Some(name) => !self.names(name).any(|known| who.may_call(&known)),
            None => !who.may_call(&format!("{provider}/*")),
        };
        let Some(OtherModel { member, name, .. }) = self.models.iter().find(refused) else { return Ok(()) };
        let message = match name {
            Some(name) => format!(
                "`{member}` names `{name}`, which this key may not call at {provider}: leave it out, or have \
                 `{provider}/{name}` added to the key's models"
            ),
            None => format!(
                "`{member}` lets {provider} choose a model that nobody sees here, and this key may call some only: \
                 leave it out"
            ),
        };
        Err(ApiError::new(ErrorKind::Permission, message).with_param(member).with_code("model_not_allowed"))
    }

    /// What a model of the provider is known as here.
    fn names(&self, name: &str) -> impl Iterator<Item = String> {
        let provider = &*self.deployment.target.provider;
        let leading = leading(self.snapshot, provider, name).map(|(group, _)| group);
        leading.chain([format!("{provider}/{name}")])
    }

    /// The models, by the names that a caller may call them by: their budgets and limits hold as well.
    pub(crate) fn known(&self, who: &Who) -> Vec<Arc<str>> {
        let named = self.models.iter().filter_map(|other| other.name.as_deref());
        let mut known: Vec<Arc<str>> = Vec::new();
        for name in named.flat_map(|name| self.names(name)).filter(|name| who.may_call(name)) {
            if !known.iter().any(|other| **other == *name) {
                known.push(name.into());
            }
        }
        known
    }

    /// The bound of a call that any of them may answer, with those that are paid beside it, from that of its own model
    /// and the most that it can use at a model of such lengths; `None`: nothing bounds one of them.
    pub(crate) fn bound(
        &self,
        own: PriceBound,
        mut worst: impl FnMut(&Facts) -> Option<Worst>,
    ) -> Option<PriceBound> {
        let provider = &*self.deployment.target.provider;
        let (mut dearest, mut added) = (own, PicoUsd::ZERO);
        for other in &self.models {
            let name = other.name.as_deref()?;
            if price::searches_unasked(provider, name) {
                return None;
            }
            let known = leading(self.snapshot, provider, name).next();
            let facts = known.map(|(_, deployment)| deployment.facts.clone()).unwrap_or_default();
            let worst = worst(&price::lengths(self.snapshot, (provider, name), &facts))?;
            // As its answer will be paid.
            let asked =
                Asked { deployment: &self.deployment.id, provider, model: name, served: None, picture: None };
            let bound = price::bound(self.snapshot, &asked, &worst)?;
            if other.is_added {
                added = added.saturating_add(bound.total());
                continue;
            }
            let Bound { fixed, per_output_token, output_tokens } = bound;
            dearest.fixed = dearest.fixed.max(fixed);
            dearest.per_output_token = dearest.per_output_token.max(per_output_token);
            dearest.output_tokens = dearest.output_tokens.max(output_tokens);
        }
        dearest.fixed = dearest.fixed.saturating_add(added);
        Some(dearest)
    }

    /// A refusal of a call that nothing bounds, with what these models have to do with it.
    pub(crate) fn explain(&self, mut error: ApiError) -> ApiError {
        if error.code.as_deref() != Some(UNBOUNDED) {
            return error;
        }
        let told = |OtherModel { member, name, .. }: &OtherModel| match name {
            Some(name) => format!("`{member}` names `{name}`"),
            None => format!("`{member}` chooses a model that nobody sees here"),
        };
        let told: Vec<String> = self.models.iter().map(told).collect();
        error.message.push_str("; ");
        error.message.push_str(&told.join(", "));
        error.message.push_str(": leave out whatever has no price here");
        error
    }
}
