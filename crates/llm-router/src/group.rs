//! Deployments that answer to one model name.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use llm_types::ApiError;

use crate::affinity::PrefixMap;
use crate::budget::RetryBudget;
use crate::choose::MANY;
use crate::cooldown::{Cooldown, CooldownPolicy, CooldownStore};
use crate::deployment::Deployment;
use crate::facts::Capabilities;
use crate::fallback::Fallbacks;
use crate::mask::Mask;
use crate::needs::Needs;
use crate::picker::{Picker, Strategy};
use crate::policy::RetryPolicy;
use crate::pool::Seat;
use crate::stats::{News, Watch};

/// A model name and whoever can answer to it. Immutable: a reload builds a new one.
pub struct Group<T> {
    /// The name that clients ask for; may hold one `*`.
    pub name: Arc<str>,
    /// In config order.
    pub deployments: Arc<[Arc<Deployment<T>>]>,
    /// How the group is asked again.
    pub policy: RetryPolicy,
    /// When a deployment is left alone.
    pub cooldown: CooldownPolicy,
    /// Who is asked first.
    pub picker: Box<dyn Picker>,
    /// Its name: `custom` for a picker of the caller's own.
    pub strategy: &'static str,
    /// Where to go when nobody here answers.
    pub fallbacks: Fallbacks,
    /// Where the beginnings of prompts were answered, to be kept over a reload.
    pub prefixes: Arc<PrefixMap>,
    /// The bound on retries and hedges over all requests here, to be kept over a reload.
    pub budget: Arc<RetryBudget>,
    pub(crate) store: Option<Arc<dyn CooldownStore>>,
    pub(crate) seats: Box<[Seat]>,
    /// Sets of positions, to be asked in this order.
    pub(crate) tiers: Box<[Mask]>,
    least: Least,
    /// Who is to be probed, where there are too many to look at each.
    pub(crate) watch: Option<Arc<Watch>>,
}

/// What every deployment of a group has at least: most requests ask for no more, and nobody has to be looked at.
#[derive(Debug)]
struct Least {
    capabilities: Capabilities,
    context_window: u64,
    max_output: u64,
    /// Nobody has a bound on tokens.
    unmeasured: bool,
}

impl<T> Group<T> {
    /// A group with the default strategy.
    #[must_use]
    pub fn new(
        name: impl Into<Arc<str>>,
        policy: RetryPolicy,
        deployments: impl IntoIterator<Item = Deployment<T>>,
    ) -> Self {
        let deployments: Arc<[_]> = deployments.into_iter().map(Arc::new).collect();
        Self {
            name: name.into(),
            policy,
            cooldown: CooldownPolicy::default(),
            picker: Strategy::default().picker(deployments.len()),
            strategy: Strategy::default().name(),
            fallbacks: Fallbacks::default(),
            prefixes: Arc::default(),
            budget: Arc::new(RetryBudget::new(Instant::now())),
            store: None,
            seats: deployments.iter().map(|deployment| Seat::new(deployment)).collect(),
            tiers: tiers(&deployments),
            least: Least::of(&deployments),
            watch: watch(&deployments),
            deployments,
        }
    }

    /// Changes who is asked first.
    #[must_use]
    pub fn with_strategy(self, strategy: Strategy) -> Self {
        let picker = strategy.picker(self.deployments.len());
        Self { strategy: strategy.name(), ..self.with_picker(picker) }
    }

    /// Chooses who is asked first in a way of one's own.
    #[must_use]
    pub fn with_picker(mut self, picker: Box<dyn Picker>) -> Self {
        if picker.learns() {
            self.seats.iter().for_each(|seat| seat.stats.start_learning());
        }
        self.picker = picker;
        self.strategy = "custom";
        self
    }

    /// Changes when a deployment is left alone.
    #[must_use]
    pub fn with_cooldown(mut self, cooldown: CooldownPolicy) -> Self {
        self.cooldown = cooldown;
        self
    }

    /// Says where to go when nobody here answers.
    #[must_use]
    pub fn with_fallbacks(mut self, fallbacks: Fallbacks) -> Self {
        self.fallbacks = fallbacks;
        self
    }

    /// Goes on with what an older group remembered of prompts.
    #[must_use]
    pub fn with_prefixes(mut self, prefixes: Arc<PrefixMap>) -> Self {
        self.prefixes = prefixes;
        self
    }

    /// Goes on with the retry budget of an older group.
    #[must_use]
    pub fn with_budget(mut self, budget: Arc<RetryBudget>) -> Self {
        self.budget = budget;
        self
    }

    /// The deployment at this position.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Arc<Deployment<T>>> {
        self.deployments.get(index)
    }

    /// Ends every cooldown here, where there is to be none: whoever cooled down when that was decided is asked again.
    pub fn end_cooldowns(&self, now: Instant) {
        if self.cooldown.duration.is_zero() {
            self.deployments.iter().for_each(|deployment| deployment.stats.end_cooldown(now));
        }
    }

    /// Takes note of an active health check of the deployment at this position, and tells other gateways what it
    /// changed: an answer ends a cooldown, a failure counts as a request's would.
    pub fn checked(&self, index: usize, result: Result<(), &ApiError>, now: Instant) {
        let deployment = self.get(index);
        self.tell(
            index,
            deployment.and_then(|deployment| deployment.stats.note_check(result, &self.cooldown, now)),
        );
    }

    /// Tells other gateways what has changed about a deployment.
    pub(crate) fn tell(&self, index: usize, news: Option<News>) {
        let (Some(News { left, trips }), Some(store), Some(deployment)) =
            (news, &self.store, self.get(index))
        else {
            return;
        };
        let (group, id) = (&*self.name, &*deployment.id);
        store.tell(&Cooldown { group, id, fingerprint: deployment.fingerprint, left, trips });
    }

    /// The deployments as a strategy sees them.
    #[must_use]
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// Whether it matters to anybody here what a request needs: there are several, or its tokens are counted.
    #[must_use]
    pub fn is_choosy(&self) -> bool {
        self.deployments.len() > 1 || self.seats.iter().any(|seat| seat.bounded)
    }

    /// Whether everybody here can do everything, as far as is known.
    #[must_use]
    pub fn can_everything(&self) -> bool {
        self.least.capabilities.has(Capabilities::ALL)
    }

    /// Whether anybody here has a bound on tokens, in which a wrong guess takes the place of other requests.
    #[must_use]
    pub fn counts_tokens(&self) -> bool {
        !self.least.unmeasured
    }

    /// Who has what a request needs, whatever their health.
    #[must_use]
    pub fn able(&self, needs: &Needs) -> Mask {
        let mut able = Mask::all(self.deployments.len());
        if !self.all_able(needs) {
            for (index, deployment) in self.deployments.iter().enumerate() {
                if needs.unmet(deployment).is_some() {
                    able.clear(index);
                }
            }
        }
        able
    }

    /// Whether everybody here is known, without a look at each, to have what a request needs.
    #[must_use]
    pub fn all_able(&self, needs: &Needs) -> bool {
        needs.is_anything() || self.least.suffices(needs)
    }
}

impl Least {
    fn of<T>(deployments: &[Arc<Deployment<T>>]) -> Self {
        let facts = || deployments.iter().map(|deployment| &deployment.facts);
        let least = |tokens: Option<Option<u64>>| tokens.flatten().unwrap_or(u64::MAX);
        Self {
            capabilities: facts().fold(Capabilities::ALL, |all, facts| all.only(facts.capabilities)),
            context_window: least(
                facts().map(|facts| facts.context_window).min_by_key(|has| has.unwrap_or(u64::MAX)),
            ),
            max_output: least(
                facts().map(|facts| facts.max_output).min_by_key(|has| has.unwrap_or(u64::MAX)),
            ),
            unmeasured: facts().all(|facts| facts.allowance.tpm.is_none()),
        }
    }

    fn suffices(&self, needs: &Needs) -> bool {
        needs.tags.is_empty()
            && needs.region.is_none()
            && needs.pin.is_none()
            && self.capabilities.has(needs.capabilities)
            && needs.windows.is_empty()
            && needs.in_window() <= self.context_window
            && needs.output_tokens <= self.max_output
    }
}

/// Who is to be probed; `None` where each is looked at anyway.
fn watch<T>(deployments: &[Arc<Deployment<T>>]) -> Option<Arc<Watch>> {
    let watch =
        (deployments.len() > MANY).then(|| Arc::new(Watch::new(deployments.len(), Instant::now())))?;
    for (index, deployment) in deployments.iter().enumerate() {
        deployment.stats.be_watched(&watch, index);
    }
    Some(watch)
}

/// Lower `order` first; those without weight after everybody else.
fn tiers<T>(deployments: &[Arc<Deployment<T>>]) -> Box<[Mask]> {
    let tier = |deployment: &Deployment<T>| (deployment.weight == 0, deployment.facts.order);
    let mut kinds: Vec<_> = deployments.iter().map(|deployment| tier(deployment)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let members = |kind| {
        let mut mask = Mask::none(deployments.len());
        let of_kind = deployments.iter().enumerate().filter(|(_, deployment)| tier(deployment) == kind);
        of_kind.for_each(|(index, _)| mask.set(index));
        mask
    };
    kinds.into_iter().map(members).collect()
}

impl<T> fmt::Debug for Group<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.deployments.iter().map(|deployment| &deployment.id).collect();
        f.debug_struct("Group")
            .field("name", &self.name)
            .field("deployments", &ids)
            .field("policy", &self.policy)
            .field("cooldown", &self.cooldown)
            .field("picker", &self.picker)
            .field("fallbacks", &self.fallbacks)
            .finish_non_exhaustive()
    }
}
