//! What has been seen of a deployment.
//!
//! Counters are atomics beside the deployment, not in it: a reload builds new deployments and hands the
//! counters of those that did not change over to them, health, limits and all that was learned included.

mod clock;
mod further;
mod headroom;
mod health;
mod latency;
mod learned;
mod minute;
mod outcome;
mod standing;
mod tally;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use llm_types::{ApiError, ErrorKind};
use parking_lot::Mutex;

pub use further::Further;
pub use headroom::{RateLimit, RateLimits, RateLimitsLeft};
pub(crate) use health::{Blow, News, Pass};
pub use latency::Latencies;
pub use learned::{Lesson, Shape};
pub use minute::Load;
pub(crate) use outcome::{Failure, Seen};
pub use outcome::{Outcome, Used};
pub use standing::Standing;
pub(crate) use watch::Watch;

use self::clock::Clock;
use self::headroom::Headroom;
use self::health::Health;
use self::latency::{Latency, PeakEwma};
use self::learned::Learned;
use self::minute::{Booked, Minute};
use crate::cooldown::{CooldownPolicy, Effect, asked};
use crate::facts::Allowance;

/// The counters of one deployment.
#[derive(Debug)]
pub struct Stats {
    // What every pick reads stands together.
    health: Health,
    in_flight: AtomicU32,
    /// The last minute as of the last booking: never less than what is true now.
    booked_requests: AtomicU64,
    booked_tokens: AtomicU64,
    clock: Clock,
    latency: Latency,
    headroom: Headroom,
    minute: Mutex<Minute>,
    learned: OnceLock<Box<Learned>>,
    successes: AtomicU64,
    failures: AtomicU64,
    refusals: AtomicU64,
    /// A tick; 0: never.
    last_failure: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Attempts begun and not ended.
    pub in_flight: u32,
    /// Attempts answered.
    pub successes: u64,
    /// Attempts failed by the deployment or on the way to it.
    pub failures: u64,
    /// Requests that the deployment refused for a fault of their own, or had no time for.
    pub refusals: u64,
}

/// What a bounded deployment has let in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grant {
    pub(crate) pass: Pass,
    booked: Option<Booked>,
}

/// Why a bounded deployment lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Health,
    Parallel,
    Minute,
}

impl Stats {
    /// Counters that start at zero.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            health: Health::default(),
            in_flight: AtomicU32::new(0),
            booked_requests: AtomicU64::new(0),
            booked_tokens: AtomicU64::new(0),
            clock: Clock::new(now),
            latency: Latency::default(),
            headroom: Headroom::default(),
            minute: Mutex::default(),
            learned: OnceLock::new(),
            successes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            last_failure: AtomicU64::new(0),
        }
    }

    /// Counts how an attempt ended; says nothing to the circuit breaker, which [`crate::Attempts`] and
    /// [`crate::Lease`] keep.
    ///
    /// A failure that no other deployment could have avoided (a malformed request) counts as a refusal:
    /// callers must not be able to spoil a deployment's record.
    pub fn note(&self, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Success => {
                self.successes.fetch_add(1, Ordering::Relaxed);
            }
            Outcome::Failure(kind) if kind.retry_other() => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                self.last_failure.fetch_max(self.clock.tick(now), Ordering::Relaxed);
            }
            Outcome::Failure(_) => {
                self.refusals.fetch_add(1, Ordering::Relaxed);
            }
            Outcome::Cancelled => {}
        }
    }

    /// Attempts begun and not ended.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// All counters.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            in_flight: self.in_flight(),
            successes: self.successes.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            refusals: self.refusals.load(Ordering::Relaxed),
        }
    }

    /// When the deployment last failed, to the microsecond.
    #[must_use]
    pub fn last_failure(&self) -> Option<Instant> {
        self.clock.time(self.last_failure.load(Ordering::Relaxed))
    }

    /// Counts an attempt as in flight until the guard is dropped.
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// Whether the deployment may be asked now, limits aside.
    #[must_use]
    #[inline]
    pub fn standing(&self, now: Instant) -> Standing {
        self.health.standing(now)
    }

    /// Whether it cools down for as long as its provider has asked for: nobody needs to look how it is.
    #[must_use]
    pub fn is_left_alone(&self, now: Instant) -> bool {
        self.health.is_left_alone(now)
    }

    /// Whether its cooldown, if it has one, is as long as its provider has asked for.
    pub(crate) fn is_asked_pause(&self) -> bool {
        self.health.is_asked_pause()
    }

    /// Whether its probe has been due for long.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        self.health.is_overdue(now)
    }

    /// Tells a group, in which it has this position, when it is to be probed.
    pub(crate) fn be_watched(&self, watch: &Arc<Watch>, index: usize) {
        self.health.be_watched(watch, index);
    }

    /// Takes the deployment out of service, or puts it back. Requests under way go on.
    pub fn drain(&self, drained: bool) {
        self.health.drain(drained);
    }

    /// Takes over a cooldown that another gateway found out about; zero: it has recovered. Without trips it is a rest:
    /// a rate limit has nothing left.
    pub fn learn_cooldown(&self, left: Duration, trips: u32, now: Instant) {
        self.health.learn(left, trips, now);
    }

    /// Ends a cooldown, and tells nobody.
    pub(crate) fn end_cooldown(&self, now: Instant) {
        self.health.learn(Duration::ZERO, 0, now);
    }

    /// Takes note of an active health check: an answer ends a cooldown, a failure counts as a request's would.
    ///
    /// [`crate::Group::checked`] also tells other gateways.
    pub fn checked(&self, result: Result<(), &ApiError>, policy: &CooldownPolicy, now: Instant) {
        self.note_check(result, policy, now);
    }

    pub(crate) fn note_check(
        &self,
        result: Result<(), &ApiError>,
        policy: &CooldownPolicy,
        now: Instant,
    ) -> Option<News> {
        let pass = Pass::LastResort;
        match result {
            Ok(()) => self.health.success(pass, policy, self.clock, now),
            Err(error) => {
                let blow = Blow { pass, effect: Effect::of(error), retry_after: asked(error), alone: false };
                self.health.failure(blow, policy, self.clock, now)
            }
        }
    }

    /// Takes note of what a provider's headers say of its rate limits.
    ///
    /// [`crate::Lease::note_rate_limits`] also tells other gateways.
    pub fn note_rate_limits(&self, limits: &RateLimits, now: Instant) {
        self.note_left(limits, now);
    }

    pub(crate) fn note_left(&self, limits: &RateLimits, now: Instant) -> Option<News> {
        self.headroom.note(limits, self.clock, now);
        self.health.rest(headroom::exhausted(limits)?, now)
    }

    /// Estimated times.
    #[must_use]
    pub fn latencies(&self, now: Instant) -> Latencies {
        Latencies {
            first_token: self.latency.first_token.estimate(self.clock, now),
            whole: self.latency.whole.estimate(self.clock, now),
            per_token: self.latency.per_token.estimate(self.clock, now),
        }
    }

    /// How long a deployment is expected to take, in seconds: to a stream's first content, or to the end of an
    /// answer of so many tokens (0: unknown).
    pub(crate) fn expected(&self, stream: bool, tokens: u32, now: Instant) -> Option<f64> {
        self.latency.expected(stream, tokens, |ewma| ewma.estimate(self.clock, now))
    }

    /// As `expected`, as if nothing had faded.
    pub(crate) fn expected_at_worst(&self, stream: bool, tokens: u32) -> Option<f64> {
        self.latency.expected(stream, tokens, PeakEwma::last)
    }

    /// Requests and tokens of the last minute, as far as they are bounded.
    #[must_use]
    pub fn load(&self, now: Instant) -> Load {
        self.minute.lock().load(self.clock, now)
    }

    /// The share that is left of what may be asked, 0 to 1; 1 when nothing is known.
    #[must_use]
    pub fn headroom(&self, allowance: &Allowance, now: Instant) -> f64 {
        let mut share = self.headroom.share(self.clock, now);
        if allowance.per_minute() {
            let load = self.load(now);
            share = share.min(left(load.requests, allowance.rpm)).min(left(load.tokens, allowance.tpm));
        }
        share.min(left(u64::from(self.in_flight()), allowance.max_parallel))
    }

    /// What the provider's headers last said is left of its rate limits.
    #[must_use]
    pub fn rate_limits_left(&self, now: Instant) -> RateLimitsLeft {
        self.headroom.left(self.clock, now)
    }

    /// What was learned for requests of this shape; `None` until something was.
    #[must_use]
    pub fn lesson(&self, shape: Shape, now: Instant) -> Option<Lesson> {
        self.learned.get().map(|learned| learned.lesson(shape, self.clock.tick(now)))
    }

    /// Begins to learn by size and hour.
    pub(crate) fn start_learning(&self) {
        self.learned.get_or_init(|| Box::new(Learned::new()));
    }

    /// Whether a request fits the allowance. May be wrong either way by the time it is sent: `acquire` is not.
    pub(crate) fn fits(&self, allowance: &Allowance, tokens: u64, now: Instant) -> Result<(), Refused> {
        if allowance.max_parallel.is_some_and(|most| self.in_flight() >= most) {
            return Err(Refused::Parallel);
        }
        if !allowance.per_minute() {
            return Ok(());
        }
        let load = Load {
            requests: self.booked_requests.load(Ordering::Relaxed),
            tokens: self.booked_tokens.load(Ordering::Relaxed),
        };
        if minute::fits(allowance, load, tokens) || minute::fits(allowance, self.load(now), tokens) {
            return Ok(());
        }
        Err(Refused::Minute)
    }

    /// How long until a request fits the allowance, as far as the minute decides it.
    pub(crate) fn free_in(&self, allowance: &Allowance, tokens: u64, now: Instant) -> Option<Duration> {
        self.minute.lock().free_at(allowance, tokens, self.clock, now)
    }

    /// Lets a request in, or says why not. Never beyond the allowance, whoever asks at the same time.
    pub(crate) fn acquire(
        &self,
        allowance: &Allowance,
        tokens: u64,
        last_resort: bool,
        now: Instant,
    ) -> Result<Grant, Refused> {
        let most = allowance.max_parallel.unwrap_or(u32::MAX);
        let enter = |count: u32| (count < most).then(|| count.saturating_add(1));
        if self.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter).is_err() {
            return Err(Refused::Parallel);
        }
        let mut booked = None;
        if allowance.per_minute() {
            let mut minute = self.minute.lock();
            booked = minute.book(allowance, tokens, self.clock, now);
            self.publish(&mut minute, now);
            drop(minute);
            if booked.is_none() {
                self.leave();
                return Err(Refused::Minute);
            }
        }
        let Some(pass) = self.health.admit(now, last_resort) else {
            self.cancel(booked, now);
            self.leave();
            return Err(Refused::Health);
        };
        Ok(Grant { pass, booked })
    }

    /// The request that was let in will not be sent.
    pub(crate) fn give_back(&self, grant: &Grant, now: Instant) {
        self.unbook(grant, now);
        self.release(grant.pass);
        self.leave();
    }

    /// What was booked for it is for others: it will not be sent.
    pub(crate) fn unbook(&self, grant: &Grant, now: Instant) {
        self.cancel(grant.booked, now);
    }

    fn cancel(&self, booked: Option<Booked>, now: Instant) {
        if let Some(booked) = booked {
            let mut minute = self.minute.lock();
            minute.cancel(booked);
            self.publish(&mut minute, now);
        }
    }

    /// The request that was let in is over.
    pub(crate) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// The request that was let in says nothing about the deployment.
    pub(crate) fn release(&self, pass: Pass) {
        self.health.release(pass);
    }

    /// Takes note of an answer, at a stream's first content or at the whole of it.
    pub(crate) fn answered(
        &self,
        grant: &Grant,
        seen: Seen,
        policy: &CooldownPolicy,
        now: Instant,
    ) -> Option<News> {
        self.note(Outcome::Success, now);
        let Seen { shape, took } = seen;
        let times = if shape.stream { &self.latency.first_token } else { &self.latency.whole };
        times.note(took, self.clock, now);
        if let Some(learned) = self.learned.get() {
            learned.note(shape, false, Some(took), self.clock.tick(now));
        }
        self.health.success(grant.pass, policy, self.clock, now)
    }

    /// Takes note of a failure.
    pub(crate) fn failed(
        &self,
        pass: Pass,
        failure: Failure<'_>,
        policy: &CooldownPolicy,
        now: Instant,
    ) -> Option<News> {
        let Failure { error, seen: Seen { shape, took }, alone, excused } = failure;
        if excused {
            self.refusals.fetch_add(1, Ordering::Relaxed);
            self.release(pass);
            return None;
        }
        self.note(Outcome::Failure(error.kind), now);
        let effect = Effect::of(error);
        if effect != Effect::Nothing {
            // A timeout is an answer of that length at least; other failures are fast and say nothing.
            let waited = matches!(error.kind, ErrorKind::Timeout | ErrorKind::GatewayTimeout).then_some(took);
            if let Some(waited) = waited {
                let times = if shape.stream { &self.latency.first_token } else { &self.latency.whole };
                times.note(waited, self.clock, now);
            }
            if let Some(learned) = self.learned.get() {
                learned.note(shape, true, waited, self.clock.tick(now));
            }
        }
        let blow = Blow { pass, effect, retry_after: asked(error), alone };
        self.health.failure(blow, policy, self.clock, now)
    }

    /// Takes note that an answer takes at least so long.
    pub(crate) fn note_slow(&self, seen: Seen, now: Instant) {
        let times = if seen.shape.stream { &self.latency.first_token } else { &self.latency.whole };
        let known = times.estimate(self.clock, now);
        if known.is_none_or(|known| known < seen.took.as_secs_f64()) {
            times.note(seen.took, self.clock, now);
        }
    }

    /// Takes note of what an answer used, once it is complete.
    pub(crate) fn settle(&self, grant: &Grant, used: &Used, seen: Seen, now: Instant) {
        if let Some(booked) = grant.booked {
            let mut minute = self.minute.lock();
            minute.settle(booked, used.tokens(), self.clock, now);
            self.publish(&mut minute, now);
        }
        if let Ok(tokens @ 1..) = u32::try_from(used.output_tokens) {
            self.latency.per_token.note(seen.took / tokens, self.clock, now);
        }
        if let (Some(learned), Some(usd)) = (self.learned.get(), used.usd) {
            learned.note_cost(seen.shape, usd);
        }
    }

    fn publish(&self, minute: &mut Minute, now: Instant) {
        let load = minute.load(self.clock, now);
        self.booked_requests.store(load.requests, Ordering::Relaxed);
        self.booked_tokens.store(load.tokens, Ordering::Relaxed);
    }
}

fn left(used: u64, most: Option<u32>) -> f64 {
    let Some(most) = most else {
        return 1.0;
    };
    let used = u32::try_from(used).unwrap_or(u32::MAX).min(most);
    f64::from(most - used) / f64::from(most.max(1))
}

/// An attempt in flight. Owned by whatever holds the upstream exchange, so that a dropped exchange
/// cannot leave the counter high.
#[derive(Debug)]
#[must_use = "the attempt counts as ended once this is dropped"]
pub struct InFlight(Arc<Stats>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.leave();
    }
}
