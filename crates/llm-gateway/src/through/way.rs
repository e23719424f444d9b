//! Which deployment lends its credentials to a call, and under which name access lists know what is asked.
//!
//! A model that can be read and that a deployment of the provider serves is called through that deployment, by the name
//! of its group; of several through the first that is well. Everything else goes to the account of the provider's first
//! deployment that is in service, well or not, because what was made there is there; it is known as
//! `{provider}/{model}`, or `{provider}/*` where no model can be read.

use std::sync::Arc;
use std::time::Instant;

use llm_governance::Principal as Who;
use llm_providers::target::Target;
use llm_router::{Deployment, Standing};
use llm_types::{ApiError, Dialect, ErrorKind, Result};

use super::reading::Reading;
use crate::backend::Backend;
use crate::snapshot::Snapshot;

/// The deployments at a provider, each with the name of its group.
pub(super) struct There<'s> {
    /// The provider's own name.
    pub(super) name: String,
    /// Whether calls are signed, so that bodies have to be whole.
    pub(super) signs: bool,
    /// What is spoken there.
    pub(super) dialect: Dialect,
    /// The member of a body that names the model, where it is not `model`.
    pub(super) names_model: Option<String>,
    deployments: Vec<Candidate<'s>>,
}

struct Candidate<'s> {
    group: &'s str,
    deployment: &'s Arc<Deployment<Backend>>,
    /// For any model, where it is a wildcard.
    target: Arc<Target>,
}

impl Candidate<'_> {
    fn standing(&self, now: Instant) -> Standing {
        self.deployment.stats.standing(now)
    }
}

/// Through whom a call goes.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) deployment: Arc<Deployment<Backend>>,
    pub(super) target: Arc<Target>,
    /// What is asked, as access lists know it.
    pub(super) name: String,
    /// A configured model leads there.
    pub(super) known: bool,
    /// How the deployment was when it was chosen.
    pub(super) stood: Standing,
}

/// Who can be called at a provider.
///
/// # Errors
/// 404 where no deployment is at this provider; what is wrong with all that are.
pub(super) fn at<'s>(snapshot: &'s Snapshot, provider: &str) -> Result<There<'s>> {
    let mut fault = None;
    let mut deployments = Vec::new();
    for group in snapshot.router.groups() {
        for deployment in group.deployments.iter() {
            let backend = &deployment.target;
            let is_meant = *backend.provider == *provider;
            match backend.target(Some("*")) {
                Ok(target) if is_meant || target.spec().is_named(provider) => {
                    deployments.push(Candidate { group: &group.name, deployment, target });
                }
                Err(error) if is_meant => fault = fault.or(Some(error)),
                Ok(_) | Err(_) => {}
            }
        }
    }
    let Some(first) = deployments.first() else {
        return Err(fault.unwrap_or_else(|| {
            let message = format!(
                "nothing is served at /v1/{provider}/…: no deployment of a provider `{provider}` is configured; \
                 models are at GET /v1/models"
            );
            ApiError::new(ErrorKind::NotFound, message).with_code("not_found")
        }));
    };
    let name = first.deployment.target.provider.to_string();
    let signs = deployments.iter().any(|one| one.target.signs());
    let dialect = first.target.dialect();
    let names_model = first.target.spec().quirks.rename.get("model").cloned();
    Ok(There { name, signs, dialect, names_model, deployments })
}

/// Through whom a call goes that was read so far.
///
/// # Errors
/// When its deployment cannot be called with this model.
pub(super) fn choose(there: There<'_>, reading: &Reading, who: &Who) -> Result<Way> {
    let There { name: provider, deployments, .. } = there;
    let now = Instant::now();
    if let Some(model) = reading.model.as_deref() {
        let mut refused = None;
        let mut by_health: Vec<&Candidate<'_>> = deployments.iter().collect();
        by_health.sort_by_key(|candidate| candidate.standing(now).rank());
        for candidate in by_health {
            let Some(star) = star(candidate, model) else { continue };
            let name = star
                .map_or_else(|| candidate.group.to_owned(), |star| candidate.group.replacen('*', star, 1));
            let way = Way {
                deployment: Arc::clone(candidate.deployment),
                target: candidate.deployment.target.target(Some(star.unwrap_or("*")))?,
                name,
                known: true,
                stood: candidate.standing(now),
            };
            if who.may_call(&way.name) {
                return Ok(way);
            }
            refused = refused.or(Some(way));
        }
        if let Some(refused) = refused {
            // Who lets requests in says so.
            return Ok(refused);
        }
    }
    let is_drained = |candidate: &Candidate<'_>| candidate.standing(now) == Standing::Drained;
    let Some(first) = deployments.into_iter().min_by_key(is_drained) else {
        return Err(ApiError::new(ErrorKind::Internal, "no deployment at this provider"));
    };
    let model = reading.model.as_deref().unwrap_or("*");
    Ok(Way {
        stood: first.standing(now),
        target: first.deployment.target.target(Some(model))?,
        deployment: Arc::clone(first.deployment),
        name: format!("{provider}/{model}"),
        known: false,
    })
}

/// The deployments at a provider that serve a model, by its name there, each with what its group is called then.
pub(crate) fn leading<'s>(
    snapshot: &'s Snapshot,
    provider: &str,
    model: &str,
) -> impl Iterator<Item = (String, &'s Arc<Deployment<Backend>>)> {
    let there = at(snapshot, provider).map(|there| there.deployments).unwrap_or_default();
    let serves = |candidate: &Candidate<'s>| {
        let star = star(candidate, model)?;
        let group = candidate.group;
        let name = star.map_or_else(|| group.to_owned(), |star| group.replacen('*', star, 1));
        Some((name, candidate.deployment))
    };
    there.iter().filter_map(serves).collect::<Vec<_>>().into_iter()
}

/// What the `*` of a deployment stands for when it serves this model (`None`: it has none); `None`: it does not.
fn star<'m>(candidate: &Candidate<'_>, model: &'m str) -> Option<Option<&'m str>> {
    let served = candidate.target.model();
    if !candidate.deployment.target.is_wildcard() {
        return (served == model).then_some(None);
    }
    let (head, tail) = served.split_once('*')?;
    model.strip_prefix(head)?.strip_suffix(tail).map(Some)
}
