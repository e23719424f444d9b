//! The limits of one owner as they stand, and taking a place in several at once.

use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use llm_types::{RateLimit, RateLimits};
use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;

use super::bucket::Bucket;
use super::{LimitKind, Limits, Seating};
use crate::scope::Scope;

/// Limiters of a request that need no allocation.
pub(crate) type Limiters = SmallVec<[Arc<Limiter>; 5]>;
type Guards<'a> = SmallVec<[MutexGuard<'a, State>; 5]>;

/// How long to wait for a place among those under way: when one gets free is not known.
pub(super) const PLACE_WAIT: Duration = Duration::from_secs(1);

static NEXT: AtomicU64 = AtomicU64::new(0);
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Where milliseconds count from: moments before the first use are counted too.
const BASE: u64 = 1 << 40;

/// Milliseconds of the steady clock, whole ones.
pub(super) fn millis(now: Instant) -> u64 {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    match now.checked_duration_since(*START) {
        Some(since) => BASE.saturating_add(nanos(since) / 1_000_000),
        None => BASE.saturating_sub(nanos(START.saturating_duration_since(now)).div_ceil(1_000_000)),
    }
}

/// The limits of one owner as they stand.
#[derive(Debug)]
pub(crate) struct Limiter {
    order: u64,
    pub(crate) scope: Scope,
    /// The model that the limits are of, where they are not of all.
    pub(crate) model: Option<Arc<str>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    revision: u64,
    pub(super) limits: Limits,
    pub(super) counted: Counted,
}

/// What is counted under limits.
#[derive(Debug, Default)]
pub(super) struct Counted {
    requests: Bucket,
    tokens: Bucket,
    under_way: u32,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Which {
    pub(crate) kind: LimitKind,
    pub(crate) limit: u64,
    pub(crate) wait: Duration,
}

impl Counted {
    /// What a store has counted, at this moment.
    pub(super) fn of(requests: Bucket, tokens: Bucket, under_way: u32) -> Self {
        Self { requests, tokens, under_way }
    }

    /// Whether a request fits, and if not, when.
    pub(super) fn fits(&mut self, limits: &Limits, tokens: u64, now_ms: u64) -> Result<(), Which> {
        let mut worst: Option<Which> = None;
        let mut note = |kind, limit, wait: Duration| {
            if !wait.is_zero() && worst.is_none_or(|worst| wait > worst.wait) {
                worst = Some(Which { kind, limit, wait });
            }
        };
        if let Some(most) = limits.parallel.filter(|most| self.under_way >= *most) {
            note(LimitKind::Parallel, most.into(), PLACE_WAIT);
        }
        if let Some(limit) = limits.rpm {
            self.requests.drain(limit, now_ms);
            note(LimitKind::Requests, limit, self.requests.wait(limit, 1));
        }
        if let Some(limit) = limits.tpm {
            self.tokens.drain(limit, now_ms);
            note(LimitKind::Tokens, limit, self.tokens.wait(limit, tokens));
        }
        worst.map_or(Ok(()), Err)
    }

    /// What has no limit is not counted: it would never flow off.
    pub(super) fn take(&mut self, limits: &Limits, tokens: u64) {
        if limits.rpm.is_some() {
            self.requests.put(1);
        }
        if limits.tpm.is_some() {
            self.tokens.put(tokens);
        }
    }

    /// One more is under way.
    pub(super) fn begin(&mut self) {
        self.under_way = self.under_way.saturating_add(1);
    }

    /// One of those under way is over.
    pub(super) fn leave(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// A request has ended for which `reserved` tokens were taken.
    pub(super) fn end(&mut self, reserved: u64, end: End, limits: &Limits, now_ms: u64) {
        if let Some(limit) = limits.rpm.filter(|_| end == End::Undone) {
            self.requests.drain(limit, now_ms);
            self.requests.take_back(1);
        }
        let used = match end {
            End::Undone => 0,
            End::Used(tokens) => tokens,
        };
        let Some(limit) = limits.tpm else { return };
        // What has flowed off since is not given back twice: a bucket is never below empty.
        self.tokens.drain(limit, now_ms);
        if used >= reserved {
            self.tokens.put(used - reserved);
        } else {
            self.tokens.take_back(reserved - used);
        }
    }

    pub(super) fn view(&self, limits: &Limits) -> RateLimits {
        RateLimits {
            requests: limits.rpm.map(|limit| self.requests.view(limit)).unwrap_or_default(),
            tokens: limits.tpm.map(|limit| self.tokens.view(limit)).unwrap_or_default(),
        }
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It was refused after all: as if it had not come.
    Undone,
    /// With so many tokens.
    Used(u64),
}

impl Limiter {
    pub(crate) fn new(scope: Scope, model: Option<Arc<str>>) -> Self {
        Self { order: NEXT.fetch_add(1, Ordering::Relaxed), scope, model, state: Mutex::default() }
    }

    /// Gives it these limits, unless it has newer ones. What is counted stays.
    pub(crate) fn configure(&self, limits: Limits, revision: u64) {
        let mut state = self.state.lock();
        if revision > state.revision {
            state.revision = revision;
            state.limits = limits;
        }
    }

    /// Its limits.
    pub(crate) fn limits(&self) -> Limits {
        self.state.lock().limits
    }
}

/// A request that found no place.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) scope: Scope,
    pub(crate) model: Option<Arc<str>>,
    pub(crate) which: Which,
    pub(crate) left: RateLimits,
}

/// A place in all limits of a request.
#[derive(Debug, Default)]
pub(crate) struct Place {
    limiters: Limiters,
    tokens: u64,
    seating: Seating,
}

/// Each once, in the one order that locks are taken in.
pub(crate) fn once(limiters: &mut Limiters) {
    limiters.sort_unstable_by_key(|limiter| limiter.order);
    limiters.dedup_by_key(|limiter| limiter.order);
}

/// Of several that refuse, the one to wait longest for, and its position.
pub(super) fn longest(all: impl IntoIterator<Item = Result<(), Which>>) -> Option<(usize, Which)> {
    let refused = all.into_iter().enumerate().filter_map(|(nth, fits)| Some((nth, fits.err()?)));
    refused.reduce(|worst, next| if next.1.wait > worst.1.wait { next } else { worst })
}

/// Takes a place in every limit, or in none. Of several that refuse, the one to wait longest for is told.
pub(crate) fn take(
    mut limiters: Limiters,
    (tokens, seating): (u64, Seating),
    now: Instant,
) -> Result<(Place, RateLimits), Box<Refused>> {
    once(&mut limiters);
    let now_ms = millis(now);
    let mut guards: Guards<'_> = limiters.iter().map(|limiter| limiter.state.lock()).collect();
    let worst = longest(guards.iter_mut().map(|state| {
        let State { limits, counted, .. } = &mut **state;
        counted.fits(&limits.of_seating(seating), tokens, now_ms)
    }));
    let fits = worst.is_none();
    let mut left = RateLimits::default();
    for state in &mut guards {
        let State { limits, counted, .. } = &mut **state;
        if fits {
            counted.take(&limits.of_seating(seating), tokens);
            if seating == Seating::Request {
                counted.begin();
            }
        }
        left = tighter(left, counted.view(limits));
    }
    drop(guards);
    let Some((nth, which)) = worst else {
        return Ok((Place { limiters, tokens, seating }, left));
    };
    let of = |limiter: &Arc<Limiter>| (limiter.scope.clone(), limiter.model.clone());
    let (scope, model) = limiters.get(nth).map_or((Scope::Global, None), of);
    Err(Box::new(Refused { scope, model, which, left }))
}

/// Of each kind the limit that has less left.
pub(crate) fn tighter(one: RateLimits, other: RateLimits) -> RateLimits {
    let less = |one: RateLimit, other: RateLimit| match (one.left, other.left) {
        (Some(left), Some(less)) if less < left => other,
        (None, _) => other,
        _ => one,
    };
    RateLimits { requests: less(one.requests, other.requests), tokens: less(one.tokens, other.tokens) }
}

impl Place {
    pub(crate) fn holds(&self, limiter: &Arc<Limiter>) -> bool {
        self.limiters.iter().any(|held| Arc::ptr_eq(held, limiter))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.limiters.is_empty()
    }

    /// The request has ended with so many tokens; `None`: with as many as were reserved.
    pub(crate) fn end(&mut self, used: Option<u64>, now: Instant) {
        self.each(End::Used(used.unwrap_or(self.tokens)), now);
    }

    /// The request did not happen.
    pub(crate) fn undo(&mut self, now: Instant) {
        self.each(End::Undone, now);
    }

    fn each(&mut self, end: End, now: Instant) {
        let now_ms = millis(now);
        for limiter in std::mem::take(&mut self.limiters) {
            let mut state = limiter.state.lock();
            let State { limits, counted, .. } = &mut *state;
            counted.end(self.tokens, end, &limits.of_seating(self.seating), now_ms);
            if self.seating == Seating::Request {
                counted.leave();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(rpm: u64, tpm: u64, parallel: u32) -> Arc<Limiter> {
        let limiter = Limiter::new(Scope::Team("t".into()), None);
        limiter.configure(Limits { rpm: Some(rpm), tpm: Some(tpm), parallel: Some(parallel) }, 1);
        Arc::new(limiter)
    }

    /// Takes a place for a request of its own.
    fn take(limiters: Limiters, tokens: u64, now: Instant) -> Result<(Place, RateLimits), Box<Refused>> {
        super::take(limiters, (tokens, Seating::Request), now)
    }

    #[test]
    fn what_is_within_a_request_has_its_place_among_those_under_way() {
        let limiter = limiter(2, 1_000, 1);
        let all = || Limiters::from_iter([Arc::clone(&limiter)]);
        let now = Instant::now();
        let (mut session, _) = take(all(), 0, now).unwrap();
        let within = |seating| super::take(all(), (0, seating), now).map(|(place, _)| place);
        within(Seating::First).unwrap().end(Some(400), now);
        let mut second = within(Seating::Within).unwrap();
        assert_eq!(within(Seating::Within).unwrap_err().which.kind, LimitKind::Requests);
        assert!(within(Seating::First).is_ok(), "it was counted before");
        second.end(Some(700), now);
        assert_eq!(within(Seating::First).unwrap_err().which.kind, LimitKind::Tokens);
        // The session alone is under way, until it ends.
        let later = now + Duration::from_secs(60);
        assert_eq!(take(all(), 0, later).unwrap_err().which.kind, LimitKind::Parallel);
        session.end(Some(0), later);
        assert!(take(all(), 0, later).is_ok());
    }

    #[test]
    fn a_place_is_taken_everywhere_or_nowhere() {
        let (wide, narrow) = (limiter(100, 100_000, 100), limiter(2, 1_000, 100));
        let now = Instant::now();
        let both = || Limiters::from_iter([Arc::clone(&wide), Arc::clone(&narrow)]);
        let (one, left) = take(both(), 100, now).unwrap();
        assert_eq!((left.requests.left, left.tokens.left), (Some(1), Some(900)));
        let (mut two, _) = take(both(), 100, now).unwrap();
        let refused = take(both(), 100, now).unwrap_err();
        assert_eq!(refused.which.kind, LimitKind::Requests);
        assert_eq!(refused.which.wait, Duration::from_secs(30));
        // The wide one has not counted the third.
        let (_, left) = take(Limiters::from_iter([Arc::clone(&wide)]), 0, now).unwrap();
        assert_eq!(left.requests.left, Some(97));
        // What did not happen is given back.
        two.undo(now);
        assert!(take(both(), 100, now).is_ok());
        drop(one);
    }

    #[test]
    fn tokens_are_reconciled_and_places_given_back() {
        let limiter = limiter(1_000, 6_000, 1);
        let all = || Limiters::from_iter([Arc::clone(&limiter)]);
        let now = Instant::now();
        let (mut place, _) = take(all(), 5_000, now).unwrap();
        assert_eq!(take(all(), 1, now).unwrap_err().which.kind, LimitKind::Parallel);
        place.end(Some(1_000), now);
        let (mut place, left) = take(all(), 0, now).unwrap();
        assert_eq!(left.tokens.left, Some(5_000));
        // More than was reserved is a debt.
        place.end(Some(11_000), now);
        let refused = take(all(), 1_000, now).unwrap_err().which;
        assert_eq!((refused.kind, refused.wait), (LimitKind::Tokens, Duration::from_secs(70)));
        assert!(take(all(), 1_000, now + refused.wait).is_ok());
    }

    #[test]
    fn newer_limits_win() {
        let limiter = limiter(1, 1, 1);
        limiter.configure(Limits { rpm: Some(5), ..Limits::default() }, 3);
        limiter.configure(Limits { rpm: Some(9), ..Limits::default() }, 2);
        assert_eq!(limiter.limits(), Limits { rpm: Some(5), ..Limits::default() });
    }
}
