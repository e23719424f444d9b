//! The gate: what is needed to decide, and the decision.

use std::future::Future;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use llm_types::{PicoUsd, RateLimits, glob_matches};
use smallvec::SmallVec;

use super::Refusal;
use super::grant::Grant;
use super::refusal::{denied, model_not_allowed, route_not_allowed, unavailable};
use super::refused::{RefusalCounts, Refused};
use super::seat::{OnFailure, Seat, Shared, here};
use crate::budget::{
    Accounts, BudgetView, BudgetWindow, Denied, Hold, Observer, PriceBound, Quiet, Reservation, Returning,
    by_order, reserve,
};
use crate::directory::{Directory, Kind, Meters};
use crate::error::Error;
use crate::lease::Funding;
use crate::limit::{LimitStore, Limiter, Limiters, Seating};
use crate::now::Now;
use crate::principal::{Member, Principal};
use crate::scope::Scope;

/// How often a request asks for a slice before it is refused. A store that fails is not asked again; one that answers
/// may have the money taken by others before it is reserved here, who then go on: so many in a row are no accident.
const TRIES: usize = 64;

/// What a request asks for, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The model, as the client calls it.
    pub model: &'a str,
    /// The model's own name, where the client calls it by another: limits and budgets of either hold.
    pub alias_of: Option<&'a str>,
    /// The route, such as `/v1/chat/completions`.
    pub route: &'a str,
    /// Words that the request is marked with, beside its key's own.
    pub tags: &'a [Arc<str>],
    /// Tokens to count against limits until the true number is known: of the prompt, and what the answer may have.
    pub tokens: u64,
    /// The most that the first attempt can cost; `None`: there is no bound, which no hard budget lets in.
    pub bound: Option<PriceBound>,
}

impl<'a> Facts<'a> {
    /// The names of the model.
    fn models(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        std::iter::once(self.model).chain(self.alias_of)
    }
}

/// Lets requests in.
#[derive(Debug)]
pub struct Gate {
    inner: Arc<Inner>,
}

/// What a grant needs of its gate.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) directory: Arc<Directory>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) funding: Option<Funding>,
    /// What time it is.
    pub(super) clock: fn() -> Now,
    pub(super) refused: Refused,
    shared: ArcSwapOption<Shared>,
}

/// What a request falls under.
#[derive(Debug, Default)]
struct Under {
    accounts: Accounts,
    limiters: Limiters,
    /// Those of its owners that limit single models.
    by_model: ByModel,
}

/// Owners that limit single models.
pub(super) type ByModel = SmallVec<[Arc<Meters>; 2]>;

impl Under {
    fn add(&mut self, meters: Option<&Arc<Meters>>, facts: &Facts<'_>) {
        let Some(meters) = meters else { return };
        self.accounts.extend(meters.account.clone());
        self.limiters.extend(meters.limiter.clone());
        if !meters.models.is_empty() {
            self.limiters.extend(of_models(meters, || facts.models()));
            self.by_model.push(Arc::clone(meters));
        }
    }
}

/// An owner's limits of these models.
pub(super) fn of_models<'m, I: Iterator<Item = &'m str>>(
    meters: &Meters,
    models: impl Fn() -> I,
) -> impl Iterator<Item = Arc<Limiter>> {
    let fits = move |glob: &str| models().any(|model| glob_matches(glob, model));
    meters.models.iter().filter(move |(name, _)| fits(name)).map(|(_, limiter)| Arc::clone(limiter))
}

impl Gate {
    /// A gate before this directory that counts everything in this process and tells nobody.
    #[must_use]
    pub fn new(directory: Arc<Directory>) -> Self {
        Self::with(directory, Arc::new(Quiet), None)
    }

    /// A gate that tells an observer, and pays from leases where there are any: then the directory must be
    /// [`leasing`](Directory::leasing).
    #[must_use]
    pub fn with(directory: Arc<Directory>, observer: Arc<dyn Observer>, funding: Option<Funding>) -> Self {
        Self::on_clock(directory, observer, funding, Now::read)
    }

    /// As [`with`](Self::with), with another clock.
    #[must_use]
    pub fn on_clock(
        directory: Arc<Directory>,
        observer: Arc<dyn Observer>,
        funding: Option<Funding>,
        clock: fn() -> Now,
    ) -> Self {
        let (refused, shared) = (Refused::default(), ArcSwapOption::empty());
        Self { inner: Arc::new(Inner { directory, observer, funding, clock, refused, shared }) }
    }

    /// The same gate with limits that are counted in a store.
    #[must_use]
    pub fn sharing_limits(self, store: Arc<dyn LimitStore>, on_failure: OnFailure) -> Self {
        self.share_limits(Some((store, on_failure)));
        self
    }

    /// From now on limits are counted in this store; `None`: in this process. Requests under way end where they began.
    pub fn share_limits(&self, shared: Option<(Arc<dyn LimitStore>, OnFailure)>) {
        let shared = shared.map(|(store, on_failure)| Arc::new(Shared { store, on_failure }));
        self.inner.shared.store(shared);
    }

    /// Whom it knows.
    #[must_use]
    pub fn directory(&self) -> &Arc<Directory> {
        &self.inner.directory
    }

    /// Lets a request in without waiting for anything: with limits of this process and money that is here.
    ///
    /// # Errors
    /// 403 for what is not allowed, 429 for limits, 402 for budgets, 503 where money has to be leased first.
    pub fn try_admit(&self, who: &Principal, facts: &Facts<'_>, now: Now) -> Result<Grant, Refusal> {
        let under = self.under(who, facts, now)?;
        let seated = here(under.limiters, (facts.tokens, Seating::Request), now.steady)?;
        let grant = self.grant(who, (under.accounts, under.by_model), seated, facts.tokens);
        grant.pay(facts.bound.as_ref(), now)
    }

    /// Lets a request in; waits only where a shared store has to be asked.
    ///
    /// # Errors
    /// As [`try_admit`](Self::try_admit); 503 where a store does not answer.
    pub async fn admit(&self, who: &Principal, facts: &Facts<'_>) -> Result<Grant, Refusal> {
        let now = (self.inner.clock)();
        let under = self.under(who, facts, now)?;
        let seated = self.inner.seat(under.limiters, (facts.tokens, Seating::Request), now).await?;
        let mut grant = self.grant(who, (under.accounts, under.by_model), seated, facts.tokens);
        let accounts = grant.accounts.clone();
        match self.inner.funded(accounts, facts.bound.as_ref(), &mut grant.hold).await {
            Ok(hold) => {
                grant.hold = hold;
                Ok(grant)
            }
            Err(refusal) => {
                grant.undo((self.inner.clock)());
                Err(refusal)
            }
        }
    }

    /// Lets a request in without reserving money: each attempt then reserves its own. Waits only where limits are
    /// shared.
    ///
    /// # Errors
    /// 403 for what is not allowed, 429 for limits, 503 where the shared limits do not answer.
    pub async fn enter(&self, who: &Principal, facts: &Facts<'_>) -> Result<Grant, Refusal> {
        match self.enter_here(who, facts) {
            Some(entered) => entered,
            None => self.enter_as(who, facts, Seating::Request).await,
        }
    }

    /// As [`enter`](Self::enter), where nothing has to be waited for; `None`: limits are shared.
    ///
    /// # Errors
    /// 403 for what is not allowed, 429 for limits.
    pub fn enter_here(&self, who: &Principal, facts: &Facts<'_>) -> Option<Result<Grant, Refusal>> {
        if self.inner.shared.load().is_some() {
            return None;
        }
        let entered = self.seated_here(who, facts);
        Some(entered.inspect_err(|refusal| self.inner.refused.count(&refusal.error)))
    }

    /// As [`enter`](Self::enter), for what is no request of its own.
    ///
    /// # Errors
    /// As [`enter`](Self::enter).
    pub async fn enter_as(
        &self,
        who: &Principal,
        facts: &Facts<'_>,
        seating: Seating,
    ) -> Result<Grant, Refusal> {
        let seated = self.seated(who, facts, seating).await;
        seated.inspect_err(|refusal| self.inner.refused.count(&refusal.error))
    }

    /// Lets the gateway's own call in: nobody asks, so no limits hold. What it costs falls under the budgets of
    /// everything, of its tags and its model, and of the provider that is called. Each attempt reserves its own.
    ///
    /// # Errors
    /// None that is known: what may be asked is not asked here.
    pub fn enter_unasked(&self, facts: &Facts<'_>) -> Result<Grant, Refusal> {
        let (who, now) = (self.inner.directory.anyone(), (self.inner.clock)());
        let under = self.under(&who, facts, now)?;
        let seated = here(Limiters::new(), (0, Seating::Request), now.steady)?;
        Ok(self.grant(&who, (under.accounts, ByModel::new()), seated, 0))
    }

    fn seated_here(&self, who: &Principal, facts: &Facts<'_>) -> Result<Grant, Refusal> {
        let now = (self.inner.clock)();
        let under = self.under(who, facts, now)?;
        let seated = here(under.limiters, (facts.tokens, Seating::Request), now.steady)?;
        Ok(self.grant(who, (under.accounts, under.by_model), seated, facts.tokens))
    }

    async fn seated(&self, who: &Principal, facts: &Facts<'_>, seating: Seating) -> Result<Grant, Refusal> {
        let now = (self.inner.clock)();
        let under = self.under(who, facts, now)?;
        let seated = self.inner.seat(under.limiters, (facts.tokens, seating), now).await?;
        Ok(self.grant(who, (under.accounts, under.by_model), seated, facts.tokens).seated_as(seating))
    }

    /// Hands the money of an attempt over to a store, which leases it under another name: `write` has it do that, and
    /// no slice of its budgets moves meanwhile.
    ///
    /// # Errors
    /// Why it was not written; the money stays where it was.
    pub async fn hand_over<E>(
        &self,
        reservation: Reservation,
        write: impl Future<Output = Result<(), E>>,
    ) -> Result<(), (Box<Reservation>, E)> {
        let accounts = reservation.accounts();
        let _still = match &self.inner.funding {
            Some(funding) => funding.still(&accounts).await,
            None => Vec::new(),
        };
        match write.await {
            Ok(()) => {
                reservation.hand_over();
                Ok(())
            }
            Err(error) => Err((Box::new(reservation), error)),
        }
    }

    /// How many were refused since the start.
    #[must_use]
    pub fn refusals(&self) -> RefusalCounts {
        self.inner.refused.read()
    }

    fn grant(
        &self,
        who: &Principal,
        (accounts, by_model): (Accounts, ByModel),
        seated: (Seat, RateLimits),
        tokens: u64,
    ) -> Grant {
        let grant = Grant::new(Arc::clone(&self.inner), Arc::clone(&who.snapshot), accounts, seated);
        grant.limited(by_model, tokens)
    }

    /// Checks access and finds everything that the request falls under.
    fn under(&self, who: &Principal, facts: &Facts<'_>, now: Now) -> Result<Under, Refusal> {
        for (owner, access) in who.accesses() {
            if !access.allows_model(facts.model) {
                return Err(model_not_allowed(owner, facts.model, access));
            }
            if !access.allows_route(facts.route) {
                return Err(route_not_allowed(owner, facts.route, access));
            }
        }
        let registry = &self.inner.directory.registry;
        let snapshot = &*who.snapshot;
        let mut under = Under::default();
        if let Some(key) = &who.key {
            under.add(registry.of(key, &key.of.terms, now, || Scope::Key(key.of.id)), facts);
        }
        if let Some(global) = &snapshot.global {
            under.add(registry.of(global, &global.of.terms, now, || Scope::Global), facts);
        }
        let members =
            [(Kind::Team, &who.team), (Kind::Organisation, &who.organisation), (Kind::User, &who.user)];
        for (kind, member) in members {
            if let Some(Member { id, entry: Some(entry) }) = member {
                under.add(registry.of(entry, &entry.of.terms, now, || kind.scope(id)), facts);
            }
        }
        if snapshot.has_groups() {
            let tags = who.tags().iter().chain(facts.tags);
            let words =
                tags.map(|tag| (Kind::Tag, &**tag)).chain(facts.models().map(|model| (Kind::Model, model)));
            for (kind, id) in words {
                if let Some(entry) = snapshot.group(kind, id) {
                    under.add(registry.of(entry, &entry.of.terms, now, || kind.scope(id)), facts);
                }
            }
        }
        by_order(&mut under.accounts);
        Ok(under)
    }

    /// How an owner's budgets stand; empty where none was used yet.
    #[must_use]
    pub fn budgets(&self, scope: &Scope, now: Now) -> Vec<BudgetView> {
        let account = self.inner.directory.registry.account(scope);
        account.map(|account| account.views(now, &*self.inner.observer)).unwrap_or_default()
    }

    /// How all budgets in use stand.
    #[must_use]
    pub fn all_budgets(&self, now: Now) -> Vec<BudgetView> {
        let accounts = self.inner.directory.registry.accounts();
        accounts.iter().flat_map(|account| account.views(now, &*self.inner.observer)).collect()
    }

    /// Takes note of what other nodes have spent in a window: budgets tell their thresholds by the sum.
    pub fn note_elsewhere(&self, window: &BudgetWindow, spent: PicoUsd) {
        if let Some(account) = self.inner.directory.registry.account(&window.budget.scope) {
            account.note_elsewhere(window, spent, &*self.inner.observer);
        }
    }

    /// Takes note of what is booked in a window, by this node, in earlier lives too, and by others: for budgets that
    /// lease nothing.
    pub fn note_booked(&self, window: &BudgetWindow, booked: PicoUsd) {
        if let Some(account) = self.inner.directory.registry.account(&window.budget.scope) {
            account.note_booked(window, booked, &*self.inner.observer);
        }
    }

    /// Renews leases in use and hands back what is not needed. To be called a few times in the time of a lease.
    ///
    /// # Errors
    /// The first failure of the store; the others were tried nevertheless.
    pub async fn tend(&self) -> Result<(), Error> {
        self.tend_all(self.inner.clock, Returning::Idle).await
    }

    /// Hands back everything that is not reserved, before the node stops.
    ///
    /// # Errors
    /// As [`tend`](Self::tend).
    pub async fn hand_back(&self) -> Result<(), Error> {
        self.tend_all(self.inner.clock, Returning::All).await
    }

    fn tend_all(&self, now: fn() -> Now, all: Returning) -> impl Future<Output = Result<(), Error>> + Send {
        let inner = Arc::clone(&self.inner);
        async move {
            let Some(funding) = &inner.funding else { return Ok(()) };
            let mut result = Ok(());
            for account in inner.directory.registry.accounts() {
                let done = funding.tend(&account, now, all, &*inner.observer).await;
                result = result.and(done);
            }
            inner.directory.registry.sweep();
            result
        }
    }
}

impl Inner {
    /// Takes a place in all limits, wherever they are counted.
    pub(super) async fn seat(
        &self,
        limiters: Limiters,
        counted: (u64, Seating),
        now: Now,
    ) -> Result<(Seat, RateLimits), Refusal> {
        match self.shared.load_full() {
            Some(shared) => shared.take(limiters, counted, now.steady).await,
            None => here(limiters, counted, now.steady),
        }
    }

    /// Reserves, leasing what is missing.
    pub(super) async fn funded(
        &self,
        accounts: Accounts,
        bound: Option<&PriceBound>,
        held: &mut Hold,
    ) -> Result<Hold, Refusal> {
        let held = self.leased(accounts, bound, held).await;
        held.inspect_err(|refusal| self.refused.count(&refusal.error))
    }

    async fn leased(
        &self,
        accounts: Accounts,
        bound: Option<&PriceBound>,
        held: &mut Hold,
    ) -> Result<Hold, Refusal> {
        let observer = &*self.observer;
        let Some(funding) = &self.funding else {
            return reserve(accounts, bound, held, (self.clock)(), observer)
                .map_err(|reason| denied(reason, bound));
        };
        for _ in 0..TRIES {
            let shortages = match reserve(accounts.clone(), bound, held, (self.clock)(), observer) {
                Ok(hold) => return Ok(hold),
                Err(Denied::Starved(shortages)) => shortages,
                Err(reason) => return Err(denied(reason, bound)),
            };
            for shortage in &shortages {
                let funded = funding.fund(shortage, self.clock, observer).await;
                funded.map_err(|error| unavailable(Some(error)))?;
            }
        }
        Err(unavailable(None).into())
    }
}
