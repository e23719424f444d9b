//! A request that was let in: its places, its money, and the way to each attempt.

use std::sync::Arc;

use llm_types::RateLimits;

use super::Refusal;
use super::gate::{ByModel, Inner, of_models};
use super::refusal::denied;
use super::seat::Seat;
use crate::budget::{Accounts, Denied, Hold, PriceBound, Reservation, attach, by_order, reserve};
use crate::directory::{Kind, Snapshot};
use crate::limit::{Limiters, Seating, tighter};
use crate::now::Now;

/// A request that was let in.
///
/// It holds a place in every limit and, until the first attempt takes it over, the money that was reserved at
/// admission. Each attempt has a [`Reservation`] of its own. Dropping the grant ends the request: its places are given
/// back, and the tokens that were reserved count as used if anything was attempted.
#[derive(Debug)]
#[must_use = "the request counts as ended once this is dropped"]
pub struct Grant {
    inner: Arc<Inner>,
    snapshot: Arc<Snapshot>,
    pub(super) accounts: Accounts,
    pub(super) hold: Hold,
    seat: Seat,
    left: RateLimits,
    attempted: bool,
    /// Owners that limit single models, and the tokens that limits count until the true number is known.
    by_model: ByModel,
    tokens: u64,
    seating: Seating,
    /// Another model that it turned to.
    turned: Option<Box<Turned>>,
}

/// What a request falls under because of another model than it asked for.
#[derive(Debug, Default)]
struct Turned {
    /// The models that it is about now, by all their names.
    models: Vec<Arc<str>>,
    /// Their budgets.
    accounts: Accounts,
    /// Its places in the limits of every model that it turned to.
    seats: Vec<Seat>,
}

impl Grant {
    pub(super) fn new(
        inner: Arc<Inner>,
        snapshot: Arc<Snapshot>,
        accounts: Accounts,
        (seat, left): (Seat, RateLimits),
    ) -> Self {
        let (hold, by_model) = (Hold::default(), ByModel::new());
        Self {
            inner,
            snapshot,
            accounts,
            hold,
            seat,
            left,
            attempted: false,
            by_model,
            tokens: 0,
            seating: Seating::Request,
            turned: None,
        }
    }

    /// With what limits of other models need to know.
    pub(super) fn limited(mut self, by_model: ByModel, tokens: u64) -> Self {
        (self.by_model, self.tokens) = (by_model, tokens);
        self
    }

    /// As what it has its places.
    pub(super) fn seated_as(mut self, seating: Seating) -> Self {
        self.seating = seating;
        self
    }

    /// Reserves the money of the first attempt.
    pub(super) fn pay(mut self, bound: Option<&PriceBound>, now: Now) -> Result<Self, Refusal> {
        match reserve(self.accounts.clone(), bound, &mut self.hold, now, &*self.inner.observer) {
            Ok(hold) => {
                self.hold = hold;
                Ok(self)
            }
            Err(reason) => {
                self.undo(now);
                Err(denied(reason, bound))
            }
        }
    }

    /// The request did not happen.
    pub(super) fn undo(&mut self, now: Now) {
        self.seat.undo(now.steady);
    }

    /// What is left of the tightest limits, those of models that it turned to too, this request counted: for the headers of
    /// the answer.
    #[must_use]
    pub fn rate_limits(&self) -> &RateLimits {
        &self.left
    }

    /// The answer limit that the money at admission covers, where the whole was not affordable.
    #[must_use]
    pub fn output_limit(&self) -> Option<u64> {
        self.hold.clamped()
    }

    /// Whether an attempt at this provider has to be paid from any budget.
    #[must_use]
    pub fn pays(&self, provider: &str) -> bool {
        !self.accounts.is_empty()
            || self.turned.as_ref().is_some_and(|turned| !turned.accounts.is_empty())
            || (self.snapshot.has_groups() && self.snapshot.group(Kind::Provider, provider).is_some())
    }

    /// The attempts from here on are of another model than the one that was asked for, by all its names; of none: of
    /// that one again. They fall under that model's budgets and limits as well: a place in its limits is taken once.
    /// Waits only where limits are shared.
    ///
    /// # Errors
    /// 429 for its limits, 503 where the shared ones do not answer. The grant stays as it is.
    pub async fn turn_to(&mut self, models: &[Arc<str>]) -> Result<(), Refusal> {
        let now = (self.inner.clock)();
        if self.is_turned_to(models) {
            return Ok(());
        }
        let (mut accounts, mut limiters) = (Accounts::new(), Limiters::new());
        let registry = &self.inner.directory.registry;
        for model in models {
            let Some(entry) = self.snapshot.group(Kind::Model, model) else { continue };
            let meters = registry.of(entry, &entry.of.terms, now, || Kind::Model.scope(model));
            accounts.extend(meters.and_then(|meters| meters.account.clone()));
            limiters.extend(meters.and_then(|meters| meters.limiter.clone()));
        }
        for meters in &self.by_model {
            limiters.extend(of_models(meters, || models.iter().map(|model| &**model)));
        }
        limiters.retain(|limiter| !self.seats().any(|seat| seat.holds(limiter)));
        let seat = match limiters.is_empty() {
            true => None,
            false => {
                let seated = self.inner.seat(limiters, (self.tokens, self.seating), now).await;
                let (seat, left) = seated.inspect_err(|refusal| self.inner.refused.count(&refusal.error))?;
                self.left = tighter(self.left, left);
                Some(seat)
            }
        };
        let turned = self.turned.get_or_insert_default();
        turned.seats.extend(seat);
        (turned.models, turned.accounts) = (models.to_vec(), accounts);
        Ok(())
    }

    /// Whether the attempts from here on are of these models already.
    #[must_use]
    pub fn is_turned_to(&self, models: &[Arc<str>]) -> bool {
        self.turned.as_ref().map_or(models.is_empty(), |turned| turned.models == models)
    }

    /// The models that it turned to last; empty: none.
    #[must_use]
    pub fn turned_to(&self) -> &[Arc<str>] {
        self.turned.as_ref().map_or(&[], |turned| &turned.models)
    }

    /// Its places in all limits.
    fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.turned.iter().flat_map(|turned| &turned.seats).chain([&self.seat])
    }

    /// Reserves the most that an attempt at this provider can cost. The first attempt takes over what was reserved at
    /// admission; each further one needs its own, for the ones before may have been billed.
    ///
    /// # Errors
    /// 402 where it is not affordable, 503 where money has to be leased first. The grant stays as it is.
    pub fn try_attempt(
        &mut self,
        provider: &str,
        bound: Option<&PriceBound>,
        now: Now,
    ) -> Result<Reservation, Refusal> {
        let accounts = self.accounts_of(provider, now);
        let hold = reserve(accounts, bound, &mut self.hold, now, &*self.inner.observer)
            .map_err(|reason| denied(reason, bound))?;
        Ok(self.attempt_with(hold))
    }

    /// As [`try_attempt`](Self::try_attempt), waiting for a lease where one is needed.
    ///
    /// # Errors
    /// 402 where it is not affordable, 503 where the store does not answer. The grant stays as it is.
    pub async fn attempt(
        &mut self,
        provider: &str,
        bound: Option<&PriceBound>,
    ) -> Result<Reservation, Refusal> {
        let accounts = self.accounts_of(provider, (self.inner.clock)());
        let hold = self.inner.funded(accounts, bound, &mut self.hold).await?;
        Ok(self.attempt_with(hold))
    }

    /// As [`attempt`](Self::attempt), where nothing has to be waited for; `None`: money has to be leased first. The
    /// grant stays as it is then.
    ///
    /// # Errors
    /// 402 where it is not affordable. The grant stays as it is.
    pub fn attempt_here(
        &mut self,
        provider: &str,
        bound: Option<&PriceBound>,
    ) -> Option<Result<Reservation, Refusal>> {
        let now = (self.inner.clock)();
        let accounts = self.accounts_of(provider, now);
        let refusal = match reserve(accounts, bound, &mut self.hold, now, &*self.inner.observer) {
            Ok(hold) => return Some(Ok(self.attempt_with(hold))),
            Err(Denied::Starved(_)) if self.inner.funding.is_some() => return None,
            Err(reason) => denied(reason, bound),
        };
        self.inner.refused.count(&refusal.error);
        Some(Err(refusal))
    }

    /// For what a provider has begun before anybody could be asked: it reserves nothing, is refused by nobody, and
    /// what it costs is booked as an overrun.
    pub fn attempt_begun(&mut self, provider: &str) -> Reservation {
        let now = (self.inner.clock)();
        let hold = attach(self.accounts_of(provider, now), now, &*self.inner.observer);
        self.attempt_with(hold)
    }

    fn accounts_of(&self, provider: &str, now: Now) -> Accounts {
        let mut accounts = self.accounts.clone();
        if let Some(turned) = self.turned.as_ref().filter(|turned| !turned.accounts.is_empty()) {
            accounts.extend(turned.accounts.iter().cloned());
            by_order(&mut accounts);
        }
        if self.snapshot.has_groups()
            && let Some(entry) = self.snapshot.group(Kind::Provider, provider)
        {
            let registry = &self.inner.directory.registry;
            let meters = registry.of(entry, &entry.of.terms, now, || Kind::Provider.scope(provider));
            accounts.extend(meters.and_then(|meters| meters.account.clone()));
            by_order(&mut accounts);
        }
        accounts
    }

    fn attempt_with(&mut self, hold: Hold) -> Reservation {
        self.attempted = true;
        Reservation::new(hold, Arc::clone(&self.inner.observer))
    }

    /// The request has ended and used so many tokens, over all attempts.
    pub fn finish(mut self, tokens: u64, now: Now) {
        self.finished(tokens, now);
    }

    /// As [`finish`](Self::finish), where it lies.
    pub fn finished(&mut self, tokens: u64, now: Now) {
        self.end(Some(tokens), now);
    }

    fn end(&mut self, tokens: Option<u64>, now: Now) {
        let turned = self.turned.iter_mut().flat_map(|turned| &mut turned.seats);
        for seat in turned.chain([&mut self.seat]).filter(|seat| !seat.is_over()) {
            seat.end(tokens, now.steady);
        }
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        std::mem::take(&mut self.hold).release(&*self.inner.observer);
        if !self.seat.is_over() || self.turned.is_some() {
            let used = if self.attempted { None } else { Some(0) };
            self.end(used, (self.inner.clock)());
        }
    }
}
