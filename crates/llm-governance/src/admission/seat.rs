//! A request's place in its limits, here or in a shared store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use llm_types::RateLimits;
use smallvec::SmallVec;

use super::Refusal;
use super::refusal::{limited, limits_unavailable};
use crate::limit::{
    self, LimitAsk, LimitDecision, LimitKind, LimitStore, Limiters, Limits, Place, Seating, Which,
};
use crate::scope::Scope;

/// What to do when the shared limits do not answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// This node counts for itself.
    #[default]
    Local,
    /// The request is refused with 503.
    Refuse,
}

/// Limits that several gateways share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) store: Arc<dyn LimitStore>,
    pub(super) on_failure: OnFailure,
}

/// A place, wherever it is counted.
#[derive(Debug)]
pub(super) enum Seat {
    Here(Place),
    There(Box<Far>),
}

/// A place in a store.
#[derive(Debug)]
pub(super) struct Far {
    store: Arc<dyn LimitStore>,
    request: u64,
    asks: SmallVec<[LimitAsk; 4]>,
    tokens: u64,
}

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Takes a place here.
pub(super) fn here(
    limiters: Limiters,
    counted: (u64, Seating),
    now: Instant,
) -> Result<(Seat, RateLimits), Refusal> {
    match limit::take(limiters, counted, now) {
        Ok((place, left)) => Ok((Seat::Here(place), left)),
        Err(refused) => Err(limited((&refused.scope, refused.model.as_deref()), refused.which, refused.left)),
    }
}

impl Shared {
    /// Takes a place in the store, in one round trip.
    pub(super) async fn take(
        &self,
        mut limiters: Limiters,
        (tokens, seating): (u64, Seating),
        now: Instant,
    ) -> Result<(Seat, RateLimits), Refusal> {
        limit::once(&mut limiters);
        if limiters.is_empty() {
            return here(limiters, (tokens, seating), now);
        }
        let ask = |limiter: &Arc<limit::Limiter>| LimitAsk {
            scope: limiter.scope.clone(),
            model: limiter.model.clone(),
            limits: limiter.limits().of_seating(seating),
        };
        let asks: SmallVec<[LimitAsk; 4]> = limiters.iter().map(ask).collect();
        let request = NEXT.fetch_add(1, Ordering::Relaxed);
        match self.store.take(request, &asks, tokens).await {
            Ok(LimitDecision::Taken(left)) => {
                let store = Arc::clone(&self.store);
                Ok((Seat::There(Box::new(Far { store, request, asks, tokens })), left))
            }
            Ok(LimitDecision::Refused { nth, kind, wait, left }) => {
                let nobody = LimitAsk { scope: Scope::Global, model: None, limits: Limits::default() };
                let LimitAsk { scope, model, limits } = asks.into_iter().nth(nth).unwrap_or(nobody);
                let limit = match kind {
                    LimitKind::Requests => limits.rpm,
                    LimitKind::Tokens => limits.tpm,
                    LimitKind::Parallel => limits.parallel.map(u64::from),
                };
                let which = Which { kind, limit: limit.unwrap_or_default(), wait };
                Err(limited((&scope, model.as_deref()), which, left))
            }
            Err(_) if self.on_failure == OnFailure::Local => here(limiters, (tokens, seating), now),
            Err(error) => Err(limits_unavailable(error)),
        }
    }
}

impl Seat {
    /// Whether it is a place in this limit, among others.
    pub(super) fn holds(&self, limiter: &Arc<limit::Limiter>) -> bool {
        match self {
            Self::Here(place) => place.holds(limiter),
            Self::There(far) => {
                far.asks.iter().any(|ask| ask.scope == limiter.scope && ask.model == limiter.model)
            }
        }
    }

    /// Whether it was given back, or never was one.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Here(place) => place.is_empty(),
            Self::There(far) => far.asks.is_empty(),
        }
    }

    /// The request has ended with so many tokens; `None`: with as many as were reserved.
    pub(super) fn end(&mut self, used: Option<u64>, now: Instant) {
        match self {
            Self::Here(place) => place.end(used, now),
            Self::There(far) => {
                let Far { store, request, asks, tokens } = &mut **far;
                if !asks.is_empty() {
                    store.end(*request, asks, *tokens, Some(used.unwrap_or(*tokens)));
                    asks.clear();
                }
            }
        }
    }

    /// The request did not happen.
    pub(super) fn undo(&mut self, now: Instant) {
        match self {
            Self::Here(place) => place.undo(now),
            Self::There(far) => {
                let Far { store, request, asks, tokens } = &mut **far;
                if !asks.is_empty() {
                    store.end(*request, asks, *tokens, None);
                    asks.clear();
                }
            }
        }
    }
}
