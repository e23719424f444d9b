//! Everything that a configuration decides, at one moment.
//!
//! A request takes one snapshot and keeps it to its end; a reload puts another in its place.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use llm_config::{Affinity, HealthCheck, MidStream, PassThrough, PriceMap};
use llm_cost::PriceBook;
use llm_router::{Deployment, Router};
use llm_types::Secret;

use crate::assemble;
use crate::backend::Backend;
use crate::cache::Answers;
use crate::fetch::MediaFetch;
use crate::files::Shelf;
use crate::guard::Guard;
use crate::jwt::Issuers;
use crate::owner::Owners;
use crate::proxy::Proxies;
use crate::record::Records;
use crate::shared::Shared;
use crate::spool::Spool;
use crate::tenant::Tenants;

/// What a configuration decides.
#[derive(Debug)]
pub struct Snapshot {
    /// Whom a model name leads to.
    pub(crate) router: Router<Backend>,
    /// The models on offer, in config order.
    pub(crate) models: Vec<ModelEntry>,
    /// Who keeps answers under ids.
    pub(crate) owners: Owners,
    /// For whom they are kept; `None`: for everybody.
    pub(crate) tenants: Option<Tenants>,
    /// The key that may call everything; `None`: no key is needed.
    pub(crate) master_key: Option<Secret>,
    /// Whose tokens are as good as a key; `None`: nobody's.
    pub(crate) issuers: Option<Arc<Issuers>>,
    /// Whose word is taken for where a request comes from.
    pub(crate) proxies: Proxies,
    /// The largest request body, in bytes.
    pub(crate) max_body: usize,
    /// Where large uploads are kept.
    pub(crate) spool: Arc<Spool>,
    /// All attempts of a request together.
    pub(crate) request_timeout: Duration,
    /// Requests at once; 0: no bound.
    pub(crate) max_in_flight: usize,
    /// Whether a request is refused when something of it would be lost.
    pub(crate) strict: bool,
    /// Who is told of budgets.
    pub(crate) webhook: Option<Secret>,
    /// Origins that browsers may call from; `*`: any.
    pub(crate) cors: Vec<String>,
    /// Whether models are configured; if not, every provider is there, most of them without a key.
    pub(crate) chosen: bool,
    /// How deployments are looked after while nobody calls them.
    pub(crate) health_check: Option<HealthCheck>,
    /// What is shared with other gateways.
    pub(crate) shared: Option<Arc<Shared>>,
    /// Answers that are kept for equal requests.
    pub(crate) cache: Option<Arc<Answers>>,
    /// Providers' own APIs.
    pub(crate) pass_through: PassThrough,
    /// The folder of files whose provider keeps none.
    pub(crate) shelf: Option<Arc<Shelf>>,
    /// Reads what clients name by its address.
    pub(crate) fetch: Option<Arc<MediaFetch>>,
    /// What looks at content.
    pub(crate) guards: Vec<Arc<dyn Guard>>,
    /// What a model wants beyond what the router knows.
    pub(crate) policy: ModelPolicy,
    /// The same for models that want something else.
    pub(crate) policies: HashMap<Box<str>, ModelPolicy>,
    /// What calls cost.
    pub(crate) prices: Arc<PriceBook>,
    /// Whether an answer may be bounded to what a budget affords.
    pub(crate) clamp_output: bool,
    /// Where newer prices are read.
    pub(crate) price_map: Option<PriceMap>,
    /// Why requests went where they went.
    pub(crate) records: Arc<Records>,
}

/// What a model wants beyond what the router knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ModelPolicy {
    pub(crate) affinity: Affinity,
    pub(crate) mid_stream: MidStream,
}

/// A model as `/v1/models` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelEntry {
    pub(crate) id: String,
    pub(crate) owned_by: String,
}

impl Snapshot {
    /// What the model of this group wants.
    pub(crate) fn policy(&self, group: &str) -> ModelPolicy {
        if self.policies.is_empty() {
            return self.policy;
        }
        self.policies.get(group).copied().unwrap_or(self.policy)
    }

    /// How many models are on offer.
    #[must_use]
    pub fn model_count(&self) -> usize {
        self.models.len()
    }

    /// The window of the model that a deployment of any model calls in place of its `*`, where that is known.
    pub(crate) fn window(&self, deployment: &Deployment<Backend>, star: &str) -> Option<u64> {
        let target = deployment.target.target(Some(star)).ok()?;
        let known = self.prices.entry_of(&deployment.id, &deployment.target.provider, target.model())?;
        assemble::window(known)
    }

    /// Every deployment, in config order.
    pub(crate) fn deployments(&self) -> impl Iterator<Item = &Arc<Deployment<Backend>>> {
        self.router.groups().flat_map(|group| group.deployments.iter())
    }

    /// Installs what looks at content, after those already there.
    #[must_use]
    pub fn with_guard(mut self, guard: Arc<dyn Guard>) -> Self {
        self.guards.push(guard);
        self
    }
}
