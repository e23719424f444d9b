//! The right to call providers for one request, and the account of what comes of it.
//!
//! Nothing is sent without an [`Attempt`], and only a [`Ticket`] makes one, so there is no way to a provider that
//! is not accounted for. A ticket is one linear value per request: it holds the request's places in its limits. Each
//! attempt has money of its own and a row of its own; both end by themselves when they are dropped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use llm_cost::PriceBook;
use llm_governance::{
    Basis, Grant, Now, PriceBound, Refusal, Reservation, RowCache, RowOwner, RowServed, UsageRow,
};
use llm_providers::target::Target;
use llm_providers::transport::Progress;
use llm_router::Deployment;
use llm_types::{PicoUsd, RateLimits, Usage};
use smallvec::SmallVec;

use crate::attempt::{Attempt, Delivery, Open as Begun};
use crate::backend::Backend;
use crate::governance::Governance;

/// The right to call providers for one request.
#[derive(Debug)]
pub(crate) struct Ticket(Option<Box<Open>>);

/// A request that is metered.
#[derive(Debug)]
struct Open {
    account: Arc<Account>,
    grant: Option<Grant>,
    attempts: u32,
}

/// What all attempts of a request have in common.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) governance: Arc<Governance>,
    pub(crate) prices: Arc<PriceBook>,
    pub(crate) request_id: Arc<str>,
    /// The model, as the client called it.
    pub(crate) model: Arc<str>,
    pub(crate) who: RowOwner,
    pub(crate) tags: SmallVec<[Arc<str>; 2]>,
    /// The request's size in bytes, for an estimate of what nobody counts.
    pub(crate) body: usize,
    /// How the cache took part.
    pub(crate) cache: RowCache,
}

impl Ticket {
    /// Where nothing is metered.
    pub(crate) const fn free() -> Self {
        Self(None)
    }

    /// For a request that was let in.
    pub(crate) fn new(account: Account, grant: Option<Grant>) -> Self {
        Self(Some(Box::new(Open { account: Arc::new(account), grant, attempts: 0 })))
    }

    /// Whether nothing is metered.
    pub(crate) fn is_free(&self) -> bool {
        self.0.is_none()
    }

    /// Whether an attempt at this provider has to be paid from a budget.
    pub(crate) fn pays(&self, provider: &str) -> bool {
        self.0.as_ref().and_then(|open| open.grant.as_ref()).is_some_and(|grant| grant.pays(provider))
    }

    /// Takes note of what the cache said, before anything is attempted.
    pub(crate) fn looked_up(&mut self, cache: RowCache) {
        if let Some(account) = self.0.as_mut().and_then(|open| Arc::get_mut(&mut open.account)) {
            account.cache = cache;
        }
    }

    /// The request was answered from the cache: nobody was called, and it costs nothing. Its row is not waited for, as
    /// no money depends on it.
    pub(crate) fn answered(mut self, served: RowServed, took: Duration) {
        let Some(open) = self.0.take() else { return };
        let Account { governance, request_id, who, tags, .. } = &*open.account;
        let row = UsageRow {
            request: Arc::clone(request_id),
            attempt: 0,
            time: Timestamp::now(),
            who: who.clone(),
            tags: tags.clone(),
            served,
            usage: Usage::default(),
            items: SmallVec::new(),
            cost: PicoUsd::ZERO,
            basis: Basis::Reported,
            cost_incomplete: false,
            overrun: false,
            bookings: SmallVec::new(),
            latency: took,
            first_token: None,
            status: 200,
            error: None,
            cache: RowCache::Hit,
            quality: None,
        };
        drop(governance.book(row));
    }

    /// The attempts from here on are of another model than the one that was asked for; of none: of that one again.
    ///
    /// # Errors
    /// 429 for the limits of that model.
    pub(crate) async fn turn_to(&mut self, models: &[Arc<str>]) -> Result<(), Box<Refusal>> {
        match self.0.as_mut().and_then(|open| open.grant.as_mut()) {
            Some(grant) => grant.turn_to(models).await.map_err(Box::new),
            None => Ok(()),
        }
    }

    /// Takes the places of a request within this one, which is about the same model.
    ///
    /// # Errors
    /// Why there is no place.
    pub(crate) async fn within(
        &self,
        enter: impl Future<Output = Result<Option<Grant>, Refusal>>,
    ) -> Result<Option<Grant>, Box<Refusal>> {
        let mut grant = enter.await.map_err(Box::new)?;
        let own = self.0.as_ref().and_then(|open| open.grant.as_ref());
        if let (Some(grant), Some(own)) = (&mut grant, own) {
            grant.turn_to(own.turned_to()).await.map_err(Box::new)?;
        }
        Ok(grant)
    }

    /// Pays for an attempt: the most that it can cost is reserved.
    ///
    /// # Errors
    /// 402 where it is not affordable, 503 where the money is elsewhere. Nothing has changed then.
    pub(crate) async fn attempt(
        &mut self,
        deployment: &Arc<Deployment<Backend>>,
        target: &Arc<Target>,
        bound: Option<PriceBound>,
    ) -> Result<Attempt, Box<Refusal>> {
        let Some(open) = &mut self.0 else { return Ok(Attempt::free()) };
        let reservation = reserve(open.grant.as_mut(), deployment, bound).await?;
        Ok(open.begin((deployment, target), bound, reservation))
    }

    /// Whether the attempts from here on are of these models already.
    pub(crate) fn is_turned_to(&self, models: &[Arc<str>]) -> bool {
        let grant = self.0.as_ref().and_then(|open| open.grant.as_ref());
        grant.is_none_or(|grant| grant.is_turned_to(models))
    }

    /// As [`attempt`](Self::attempt), where nothing has to be waited for; `None`: money has to be fetched first.
    ///
    /// # Errors
    /// 402 where it is not affordable. Nothing has changed then.
    pub(crate) fn attempt_here(
        &mut self,
        deployment: &Arc<Deployment<Backend>>,
        target: &Arc<Target>,
        bound: Option<PriceBound>,
    ) -> Option<Result<Attempt, Box<Refusal>>> {
        let Some(open) = &mut self.0 else { return Some(Ok(Attempt::free())) };
        let reservation = match &mut open.grant {
            Some(grant) => match grant.attempt_here(&deployment.target.provider, bound.as_ref())? {
                Ok(reservation) => Some(reservation),
                Err(refusal) => return Some(Err(Box::new(refusal))),
            },
            None => None,
        };
        Some(Ok(open.begin((deployment, target), bound, reservation)))
    }

    /// Pays for an attempt of a request within this one, by the grant that this one has.
    ///
    /// # Errors
    /// As [`attempt`](Self::attempt).
    pub(crate) async fn attempt_within(
        &mut self,
        grant: Option<&mut Grant>,
        (deployment, target): (&Arc<Deployment<Backend>>, &Arc<Target>),
        bound: Option<PriceBound>,
    ) -> Result<Attempt, Box<Refusal>> {
        let Some(open) = &mut self.0 else { return Ok(Attempt::free()) };
        let reservation = reserve(grant, deployment, bound).await?;
        Ok(open.begin((deployment, target), bound, reservation))
    }

    /// For what the provider has begun though nobody let it in: what it costs is booked nevertheless.
    pub(crate) fn attempt_begun(
        &mut self,
        deployment: &Arc<Deployment<Backend>>,
        target: &Arc<Target>,
        bound: Option<PriceBound>,
    ) -> Attempt {
        let Some(open) = &mut self.0 else { return Attempt::free() };
        let reservation = open.grant.as_mut().map(|grant| grant.attempt_begun(&deployment.target.provider));
        open.begin((deployment, target), bound, reservation)
    }

    /// Whether an attempt could be paid now; nothing stays reserved.
    ///
    /// # Errors
    /// As [`attempt`](Self::attempt).
    pub(crate) async fn check(
        &mut self,
        deployment: &Deployment<Backend>,
        bound: Option<PriceBound>,
    ) -> Result<(), Box<Refusal>> {
        let grant = self.0.as_mut().and_then(|open| open.grant.as_mut());
        if let Some(reservation) = reserve(grant, deployment, bound).await? {
            reservation.release();
        }
        Ok(())
    }

    /// What is left of the caller's tightest limits.
    pub(crate) fn rate_limits(&self) -> Option<&RateLimits> {
        self.0.as_ref().and_then(|open| open.grant.as_ref()).map(Grant::rate_limits)
    }

    /// The request has ended, and this is what its answer used.
    pub(crate) fn finish(self, usage: Option<&Usage>) {
        // Unknown counts as reserved, which dropping sees to.
        let Some((mut open, usage)) = self.0.zip(usage) else { return };
        if let Some(grant) = &mut open.grant {
            grant.finished(tokens(usage), Now::read());
        }
    }
}

impl Open {
    fn begin(
        &mut self,
        (deployment, target): (&Arc<Deployment<Backend>>, &Arc<Target>),
        bound: Option<PriceBound>,
        reservation: Option<Reservation>,
    ) -> Attempt {
        self.attempts += 1;
        Attempt::begin(Begun {
            account: Arc::clone(&self.account),
            number: self.attempts,
            reservation,
            deployment: Arc::clone(&deployment.id),
            provider: Arc::clone(&deployment.target.provider),
            target: Arc::clone(target),
            served: None,
            began: Instant::now(),
            time: Timestamp::now(),
            first: None,
            progress: Progress::default(),
            in_part: None,
            unanswered: 0,
            delivery: Delivery::Stream,
            most: bound.map_or(0, |bound| bound.output_tokens),
            prompt: None,
            flat: None,
            exact: None,
            incomplete: false,
            no_text: false,
            picture: None,
        })
    }
}

/// The money of an attempt, where there is somebody to pay it.
async fn reserve(
    grant: Option<&mut Grant>,
    deployment: &Deployment<Backend>,
    bound: Option<PriceBound>,
) -> Result<Option<Reservation>, Box<Refusal>> {
    match grant {
        Some(grant) => {
            let reserved = grant.attempt(&deployment.target.provider, bound.as_ref()).await;
            reserved.map(Some).map_err(Box::new)
        }
        None => Ok(None),
    }
}

/// The tokens that limits count.
pub(crate) fn tokens(usage: &Usage) -> u64 {
    usage.prompt_tokens().saturating_add(usage.completion_tokens())
}
