//! The port for limits that several gateways share.
//!
//! A store takes a place in all limits of a request in one round trip, with the arithmetic of
//! [`Bucket`](super::Bucket), and gives it back when the request ends. What to do when it does not answer in time is
//! the gate's business ([`OnFailure`](crate::OnFailure)); how long to wait for it is the store's own.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use llm_types::RateLimits;

use super::Limits;
use super::bucket::Bucket;
use super::limiter::{Counted, longest, tighter};
use crate::error::Error;
use crate::scope::Scope;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitKind {
    /// Requests a minute.
    Requests,
    /// Tokens a minute.
    Tokens,
    /// Requests at once.
    Parallel,
}

/// A place in one owner's limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitAsk {
    /// Whose.
    pub scope: Scope,
    /// The model that they are of, as they name it; `None`: of all together.
    pub model: Option<Arc<str>>,
    /// The limits.
    pub limits: Limits,
}

/// What a store has counted under the limits of one owner, at the moment of its decision: after taking, or where it
/// refused as it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitCount {
    /// The bucket of requests.
    pub requests: Bucket,
    /// The bucket of tokens.
    pub tokens: Bucket,
    /// Requests under way.
    pub under_way: u32,
}

/// What the store decided, for all of them at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitDecision {
    /// There is a place in each; what is left of the tightest.
    Taken(RateLimits),
    /// There is none; nothing was taken anywhere.
    Refused {
        /// Position of the limit to wait longest for.
        nth: usize,
        /// Of which kind.
        kind: LimitKind,
        /// How long until there is a place.
        wait: Duration,
        /// What is left of the tightest.
        left: RateLimits,
    },
}

impl LimitDecision {
    /// What a store's counts mean, so that it need not know more than whether a request fits. `counts` are those of
    /// `asks`, one by one. `None`: they do not go with what was decided.
    #[must_use]
    pub fn of(taken: bool, asks: &[LimitAsk], counts: &[LimitCount], tokens: u64) -> Option<Self> {
        if asks.len() != counts.len() {
            return None;
        }
        let mut counted: Vec<_> = counts
            .iter()
            .map(|LimitCount { requests, tokens, under_way }| Counted::of(*requests, *tokens, *under_way))
            .collect();
        let both = || asks.iter().zip(&counted);
        let left = both()
            .fold(RateLimits::default(), |left, (ask, counted)| tighter(left, counted.view(&ask.limits)));
        if taken {
            return Some(Self::Taken(left));
        }
        let all = asks.iter().zip(&mut counted);
        let (nth, which) = longest(all.map(|(ask, counted)| counted.fits(&ask.limits, tokens, 0)))?;
        Some(Self::Refused { nth, kind: which.kind, wait: which.wait, left })
    }
}

/// Counts limits for several gateways.
#[async_trait]
pub trait LimitStore: Debug + Send + Sync {
    /// Takes a place in every limit, or in none. A place that is not given back, because the gateway died, ends by
    /// itself after the longest time that a request may take.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn take(&self, request: u64, asks: &[LimitAsk], tokens: u64) -> Result<LimitDecision, Error>;

    /// The request has ended: gives the place back and corrects the tokens. `used` is `None` for a request that did
    /// not happen, which gives back everything. Must not block: a store sends it on in the background.
    fn end(&self, request: u64, asks: &[LimitAsk], reserved: u64, used: Option<u64>);
}
