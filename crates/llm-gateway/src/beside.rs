//! Models that a body names beside the one that it is for, at a provider that chooses among them by itself.
//!
//! Nobody gets by way of such a list what their key may not call, and no hard budget lets one in whose dearest model it
//! does not cover. Which names those are is data of the provider's row (`llm_providers::other_model`); a name is known to
//! access lists as the models are that lead there, else as `{provider}/{name}`.

use std::sync::Arc;

use llm_cost::{Asked, Bound, Worst};
use llm_governance::{PriceBound, Principal as Who};
use llm_providers::other_model::{OtherModel, other_models};
use llm_providers::target::Target;
use llm_router::{Deployment, Facts};
use llm_types::{ApiError, ErrorKind, Head, Result};

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
        Ok((!models.is_empty()).then(|| Self { snapshot, deployment: Arc::clone(deployment), models }))
    }

    /// Whether a caller may call all of them.
    ///
    /// # Errors
    /// 403 for the first that they may not.
    pub(crate) fn check(&self, who: &Who) -> Result<()> {
        let provider = &*self.deployment.target.provider;
        let refused = |other: &&OtherModel| match &other.name {
            Some(name) => {
                !who.may_call(&format!("{provider}/{name}"))
                    && !leading(self.snapshot, provider, name).any(|(group, _)| who.may_call(&group))
            }
            None => !who.may_call(&format!("{provider}/*")),
        };
        let Some(OtherModel { member, name }) = self.models.iter().find(refused) else { return Ok(()) };
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

    /// The bound of a call that any of them may answer, from that of its own model and the most that it can use at a
    /// model of such lengths; `None`: nothing bounds one of them.
    pub(crate) fn dearest(
        &self,
        own: PriceBound,
        mut worst: impl FnMut(&Facts) -> Option<Worst>,
    ) -> Option<PriceBound> {
        let provider = &*self.deployment.target.provider;
        let mut dearest = own;
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
            let Bound { fixed, per_output_token, output_tokens } =
                price::bound(self.snapshot, &asked, &worst)?;
            dearest.fixed = dearest.fixed.max(fixed);
            dearest.per_output_token = dearest.per_output_token.max(per_output_token);
            dearest.output_tokens = dearest.output_tokens.max(output_tokens);
        }
        Some(dearest)
    }

    /// A refusal of a call that nothing bounds, with what these models have to do with it.
    pub(crate) fn explain(&self, mut error: ApiError) -> ApiError {
        if error.code.as_deref() != Some(UNBOUNDED) {
            return error;
        }
        let told = |OtherModel { member, name }: &OtherModel| match name {
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
