//! The circuit breaker of one deployment.
//!
//! Closed, then open for a cooldown, then half open: one request finds out whether it is well again. The
//! question every pick asks of every candidate, "does anything stand against it?", is one load; only when
//! something does is the lock taken that the rare changes go through.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use smallvec::SmallVec;

use super::clock::Clock;
use super::standing::Standing;
use super::tally::Tally;
use super::watch::Watch;
use crate::cooldown::{CooldownPolicy, Effect};

/// So long after its cooldown anybody may be the probe.
const OVERDUE: Duration = Duration::from_secs(10);
/// Rests that differ by less are the same.
const MOMENT: Duration = Duration::from_millis(500);
/// The first cooldown for what takes long to change.
const LONG: Duration = Duration::from_secs(60);

/// On what terms a request was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// Nothing stood against the deployment.
    Normal,
    /// It finds out whether the deployment is well again.
    Probe,
    /// There was nobody else.
    LastResort,
}

/// What changed, for those who want to know; as a [`crate::Cooldown`] has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct News {
    /// Zero: recovered.
    pub(crate) left: Duration,
    /// Zero: a rate limit has nothing left, and that is no failure.
    pub(crate) trips: u32,
}

/// A failure, as far as health is concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blow {
    pub(crate) pass: Pass,
    pub(crate) effect: Effect,
    pub(crate) retry_after: Option<Duration>,
    /// Nobody else could take the request.
    pub(crate) alone: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Health {
    /// Whether anything in `breaker` stands against the deployment.
    troubled: AtomicU32,
    /// Failures since the last success.
    streak: AtomicU32,
    /// Half window, failures, answers: 24, 20 and 20 bits.
    tally: AtomicU64,
    breaker: Mutex<Breaker>,
}

#[derive(Debug, Default)]
struct Breaker {
    /// Set from the first failure that opens it to the success that closes it.
    open_until: Option<Instant>,
    /// Until when its provider has asked to be left alone.
    asked_until: Option<Instant>,
    /// The same, as we ourselves have heard it.
    heard_until: Option<Instant>,
    rest_until: Option<Instant>,
    /// Until when others have been told that it rests.
    rest_told: Option<Instant>,
    probing: bool,
    drained: bool,
    /// Cooldowns in a row.
    trips: u32,
    closed_at: Option<Instant>,
    last_blow: Option<Instant>,
    /// Large groups that it stands in, and where.
    watches: SmallVec<[(Weak<Watch>, usize); 1]>,
}

impl Health {
    /// Whether the deployment may be asked now.
    #[inline]
    pub(crate) fn standing(&self, now: Instant) -> Standing {
        if self.troubled.load(Ordering::Acquire) == 0 { Standing::Ready } else { self.looked_at(now) }
    }

    #[cold]
    fn looked_at(&self, now: Instant) -> Standing {
        self.breaker.lock().standing(now)
    }

    /// Whether it is cooling down for as long as its provider has asked for.
    pub(crate) fn is_left_alone(&self, now: Instant) -> bool {
        if self.troubled.load(Ordering::Acquire) == 0 {
            return false;
        }
        let breaker = self.breaker.lock();
        breaker.open_until.is_some() && breaker.asked_until.is_some_and(|until| until > now)
    }

    /// Whether the cooldown that there is was asked for by its provider.
    pub(crate) fn is_asked_pause(&self) -> bool {
        let breaker = self.breaker.lock();
        breaker.open_until.is_some() && breaker.heard_until >= breaker.open_until
    }

    /// Whether its probe has been due for so long that nobody seems to come by who may be one.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        let until = self.breaker.lock().open_until;
        until.is_some_and(|until| now.saturating_duration_since(until) >= OVERDUE)
    }

    /// Lets a request through, which must be given back with `success`, `failure` or `release`. The last resort
    /// is kept out only by a drain.
    pub(crate) fn admit(&self, now: Instant, last_resort: bool) -> Option<Pass> {
        if self.troubled.load(Ordering::Acquire) == 0 {
            return Some(Pass::Normal);
        }
        let mut breaker = self.breaker.lock();
        match breaker.standing(now) {
            Standing::Ready => {
                if breaker.rest_until.is_some_and(|until| until <= now) {
                    breaker.rest_until = None;
                    self.publish(&breaker);
                }
                Some(Pass::Normal)
            }
            Standing::ProbeDue => {
                breaker.probing = true;
                self.publish(&breaker);
                Some(Pass::Probe)
            }
            Standing::Drained => None,
            Standing::Probing | Standing::Cooling(_) | Standing::Resting(_) => {
                last_resort.then_some(Pass::LastResort)
            }
        }
    }

    /// Takes note of an answer.
    pub(crate) fn success(
        &self,
        pass: Pass,
        policy: &CooldownPolicy,
        clock: Clock,
        now: Instant,
    ) -> Option<News> {
        self.count(false, policy, clock, now);
        if self.streak.load(Ordering::Relaxed) != 0 {
            self.streak.store(0, Ordering::Relaxed);
        }
        // A request sent before the failures says nothing about the time after them.
        if pass == Pass::Normal {
            return None;
        }
        let mut breaker = self.breaker.lock();
        breaker.probing &= pass != Pass::Probe;
        breaker.open_until.take()?;
        breaker.closed_at = Some(now);
        self.publish(&breaker);
        self.tally.store(0, Ordering::Relaxed);
        Some(News { left: Duration::ZERO, trips: 0 })
    }

    /// Takes note of a failure.
    pub(crate) fn failure(
        &self,
        blow: Blow,
        policy: &CooldownPolicy,
        clock: Clock,
        now: Instant,
    ) -> Option<News> {
        let pass = blow.pass;
        if blow.effect == Effect::Nothing || policy.duration.is_zero() {
            self.release(pass);
            return None;
        }
        let tally = self.count(true, policy, clock, now);
        let mut breaker = self.breaker.lock();
        breaker.probing &= pass != Pass::Probe;
        let fresh = breaker.last_blow.is_some_and(|last| now.saturating_duration_since(last) < policy.window);
        breaker.last_blow = Some(now);
        let streak = if fresh { self.streak.load(Ordering::Relaxed).saturating_add(1) } else { 1 };
        self.streak.store(streak, Ordering::Relaxed);

        let enough = streak >= policy.failures || tally.is_bad(policy.failures);
        // Whoever says when to come back is not asked before, whatever it failed with.
        let opens = matches!(blow.effect, Effect::Opens | Effect::OpensLong) || blow.retry_after.is_some();
        let at_once = opens && !blow.alone;
        let opens = match breaker.open_until {
            None => enough || at_once,
            // It goes on only if somebody had a look after it ended.
            Some(until) => until <= now && pass != Pass::Normal,
        };
        let asked = blow.retry_after.and_then(|wait| now.checked_add(wait));
        if !opens {
            let longer = asked.zip(breaker.open_until).is_some_and(|(asked, until)| asked > until);
            if longer {
                (breaker.open_until, breaker.asked_until, breaker.heard_until) = (asked, asked, asked);
            }
            self.publish(&breaker);
            if !longer {
                return None;
            }
            return blow.retry_after.map(|left| News { left, trips: breaker.trips });
        }
        if breaker.open_until.is_none() {
            let quiet = breaker.closed_at.is_none_or(|at| now.saturating_duration_since(at) >= policy.window);
            breaker.trips = if quiet { 0 } else { breaker.trips };
        }
        let mut length = policy.length(breaker.trips);
        if blow.effect == Effect::OpensLong {
            length = length.max(LONG);
        }
        let length = blow.retry_after.unwrap_or(length);
        breaker.trips = breaker.trips.saturating_add(1);
        breaker.open_until = now.checked_add(length);
        (breaker.asked_until, breaker.heard_until) = (asked, asked);
        self.publish(&breaker);
        Some(News { left: length, trips: breaker.trips })
    }

    /// Takes note that a request ended without saying anything about the deployment.
    pub(crate) fn release(&self, pass: Pass) {
        if pass == Pass::Probe {
            let mut breaker = self.breaker.lock();
            breaker.probing = false;
            self.publish(&breaker);
        }
    }

    /// Leaves the deployment alone because its rate limit has nothing left. News if it had not been for as long, give
    /// or take a moment: many answers say the same.
    pub(crate) fn rest(&self, left: Duration, now: Instant) -> Option<News> {
        let mut breaker = self.breaker.lock();
        let told = breaker.rest_told.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        breaker.rest_until = breaker.rest_until.max(now.checked_add(left));
        self.publish(&breaker);
        if left <= told.saturating_add(MOMENT) {
            return None;
        }
        breaker.rest_told = now.checked_add(left);
        Some(News { left, trips: 0 })
    }

    /// Takes the deployment out of service, or puts it back.
    pub(crate) fn drain(&self, drained: bool) {
        let mut breaker = self.breaker.lock();
        breaker.drained = drained;
        self.publish(&breaker);
    }

    /// Takes over what another gateway found out. Only ever makes a cooldown or a rest longer, or ends a cooldown.
    pub(crate) fn learn(&self, left: Duration, trips: u32, now: Instant) {
        let mut breaker = self.breaker.lock();
        if !left.is_zero() && trips == 0 {
            breaker.rest_until = breaker.rest_until.max(now.checked_add(left));
            breaker.rest_told = breaker.rest_told.max(now.checked_add(left));
        } else if left.is_zero() {
            if breaker.open_until.take().is_some() {
                breaker.closed_at = Some(now);
            }
            breaker.probing = false;
        } else {
            breaker.open_until = breaker.open_until.max(now.checked_add(left));
            // Whoever told it knows whether its provider asked for that; nobody else needs to look sooner.
            breaker.asked_until = breaker.asked_until.max(now.checked_add(left));
            breaker.trips = breaker.trips.max(trips);
        }
        self.publish(&breaker);
    }

    fn publish(&self, breaker: &Breaker) {
        let troubled = breaker.drained || breaker.open_until.is_some() || breaker.rest_until.is_some();
        self.troubled.store(u32::from(troubled), Ordering::Release);
        for (watch, index) in &breaker.watches {
            if let Some(watch) = watch.upgrade() {
                watch.mark(*index, breaker.probe_at());
            }
        }
    }

    /// Tells a group, in which it has this position, when it is to be probed. Groups that are gone are forgotten.
    pub(crate) fn be_watched(&self, watch: &Arc<Watch>, index: usize) {
        let mut breaker = self.breaker.lock();
        breaker.watches.retain(|(watch, _)| watch.strong_count() > 0);
        breaker.watches.push((Arc::downgrade(watch), index));
        watch.mark(index, breaker.probe_at());
    }

    /// Counts an answer. Counts halve every half window, so that old ones fade instead of ending at once.
    fn count(&self, bad: bool, policy: &CooldownPolicy, clock: Clock, now: Instant) -> Tally {
        let half = clock.period(now, policy.window / 2) & Tally::HALVES;
        let update = |word| Some(Tally::from_word(word).at(half).with(bad).word());
        let result = self.tally.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
        let (Ok(before) | Err(before)) = result;
        Tally::from_word(before).at(half).with(bad)
    }
}

impl Breaker {
    /// When anybody may find out whether it is well again.
    fn probe_at(&self) -> Option<Instant> {
        let until = self.open_until.filter(|_| !self.drained && !self.probing)?;
        Some(self.rest_until.map_or(until, |rest| until.max(rest)))
    }

    fn standing(&self, now: Instant) -> Standing {
        if self.drained {
            return Standing::Drained;
        }
        let rest = self.rest_until.filter(|until| *until > now);
        match (self.open_until, rest) {
            (Some(until), _) if until > now => Standing::Cooling(until),
            (_, Some(until)) => Standing::Resting(until),
            (Some(_), None) if self.probing => Standing::Probing,
            (Some(_), None) => Standing::ProbeDue,
            (None, None) => Standing::Ready,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    struct Bench {
        health: Health,
        clock: Clock,
        start: Instant,
        policy: CooldownPolicy,
    }

    impl Bench {
        fn new() -> Self {
            let start = Instant::now();
            let (health, clock) = (Health::default(), Clock::new(start));
            Self { health, clock, start, policy: CooldownPolicy::default() }
        }

        fn at(&self, seconds: u64) -> Instant {
            self.start + Duration::from_secs(seconds)
        }

        fn fails(&self, seconds: u64, pass: Pass, effect: Effect) -> Option<News> {
            let blow = Blow { pass, effect, retry_after: None, alone: false };
            self.health.failure(blow, &self.policy, self.clock, self.at(seconds))
        }

        fn answers(&self, seconds: u64, pass: Pass) -> Option<News> {
            self.health.success(pass, &self.policy, self.clock, self.at(seconds))
        }

        fn standing(&self, seconds: u64) -> Standing {
            self.health.standing(self.at(seconds))
        }
    }

    #[test]
    fn it_opens_probes_grows_and_closes() {
        let bench = Bench::new();
        assert_eq!(bench.fails(0, Pass::Normal, Effect::Counts), None);
        assert_eq!(bench.fails(0, Pass::Normal, Effect::Counts), None);
        assert_eq!(bench.standing(0), Standing::Ready);
        let news = bench.fails(0, Pass::Normal, Effect::Counts);
        assert_eq!(news, Some(News { left: 5 * SECOND, trips: 1 }));
        assert_eq!(bench.standing(4), Standing::Cooling(bench.at(5)));
        assert_eq!(bench.health.admit(bench.at(4), false), None);

        assert_eq!(bench.standing(5), Standing::ProbeDue);
        assert_eq!(bench.health.admit(bench.at(5), false), Some(Pass::Probe));
        assert_eq!(bench.standing(5), Standing::Probing);
        assert_eq!(bench.health.admit(bench.at(5), false), None, "one probe");
        let news = bench.fails(6, Pass::Probe, Effect::Counts);
        assert_eq!(news, Some(News { left: 10 * SECOND, trips: 2 }));

        assert_eq!(bench.health.admit(bench.at(16), false), Some(Pass::Probe));
        bench.health.release(Pass::Probe);
        assert_eq!(
            bench.health.admit(bench.at(16), false),
            Some(Pass::Probe),
            "the first one came to nothing"
        );
        assert_eq!(bench.answers(17, Pass::Probe), Some(News { left: Duration::ZERO, trips: 0 }));
        assert_eq!(bench.standing(17), Standing::Ready);
        assert_eq!(bench.health.admit(bench.at(17), false), Some(Pass::Normal));

        // A relapse soon after goes on where it was, one much later begins anew.
        (0..2).for_each(|_| assert_eq!(bench.fails(20, Pass::Normal, Effect::Counts), None));
        let news = bench.fails(20, Pass::Normal, Effect::Counts);
        assert_eq!(news, Some(News { left: 20 * SECOND, trips: 3 }));
        assert_eq!(bench.health.admit(bench.at(40), false), Some(Pass::Probe));
        assert!(bench.answers(40, Pass::Probe).is_some());
        assert_eq!(bench.fails(100, Pass::Normal, Effect::Opens).unwrap().left, 5 * SECOND);
    }

    #[test]
    fn late_news_from_before_the_cooldown_changes_nothing() {
        let bench = Bench::new();
        assert!(bench.fails(0, Pass::Normal, Effect::Opens).is_some());
        assert_eq!(bench.answers(1, Pass::Normal), None);
        assert_eq!(bench.fails(2, Pass::Normal, Effect::Counts), None);
        assert_eq!(bench.standing(2), Standing::Cooling(bench.at(5)));
        assert_eq!(bench.fails(3, Pass::LastResort, Effect::Counts), None);
        assert_eq!(bench.standing(3), Standing::Cooling(bench.at(5)), "a last resort does not lengthen it");
        assert!(bench.answers(4, Pass::LastResort).is_some(), "but it may end it");
        assert_eq!(bench.standing(4), Standing::Ready);
    }

    #[test]
    fn answers_in_between_and_time_forgive() {
        let bench = Bench::new();
        for second in 0..50 {
            assert_eq!(bench.fails(second, Pass::Normal, Effect::Counts), None);
            (0..2).for_each(|_| assert_eq!(bench.answers(second, Pass::Normal), None));
        }
        let slow = Bench::new();
        for minute in 0..10 {
            assert_eq!(slow.fails(minute * 61, Pass::Normal, Effect::Counts), None);
        }
        let half = Bench::new();
        let mut opened = None;
        for nth in 0..10 {
            assert_eq!(half.answers(nth, Pass::Normal), None);
            opened = opened.or(half.fails(nth, Pass::Normal, Effect::Counts).map(|_| nth));
        }
        assert_eq!(opened, Some(2), "half of the answers are failures, three of them");
    }

    #[test]
    fn what_the_provider_asks_for_wins() {
        let check = |effect, retry_after: Option<u64>, alone, expect: Option<u64>| {
            let bench = Bench::new();
            let retry_after = retry_after.map(Duration::from_secs);
            let blow = Blow { pass: Pass::Normal, effect, retry_after, alone };
            let news = bench.health.failure(blow, &bench.policy, bench.clock, bench.start);
            assert_eq!(news.map(|news| news.left), expect.map(Duration::from_secs), "{blow:?}");
            let left_alone = retry_after.is_some() && expect.is_some();
            assert_eq!(bench.health.is_left_alone(bench.start), left_alone, "{blow:?}");
            assert!(!bench.health.is_left_alone(bench.start + 91 * SECOND));
        };
        check(Effect::Opens, None, false, Some(5));
        check(Effect::Opens, Some(1), false, Some(1));
        check(Effect::Opens, Some(90), false, Some(90));
        check(Effect::Opens, Some(90), true, None);
        check(Effect::OpensLong, None, false, Some(60));
        check(Effect::OpensLong, Some(30), false, Some(30));
        check(Effect::Counts, Some(30), false, Some(30));
        check(Effect::Counts, Some(30), true, None);
        check(Effect::Counts, None, false, None);
        check(Effect::Nothing, Some(30), false, None);
    }

    #[test]
    fn rests_and_drains_stand_beside_the_breaker() {
        let bench = Bench::new();
        let rest = |seconds: u64| bench.health.rest(Duration::from_secs(seconds), bench.start);
        assert_eq!(rest(10), Some(News { left: 10 * SECOND, trips: 0 }));
        assert_eq!((rest(3), rest(10)), (None, None), "that is known");
        assert_eq!(bench.standing(9), Standing::Resting(bench.at(10)));
        assert_eq!(bench.standing(10), Standing::Ready);
        assert_eq!(bench.health.admit(bench.at(10), false), Some(Pass::Normal));
        bench.health.drain(true);
        assert_eq!(bench.standing(11), Standing::Drained);
        assert_eq!(bench.health.admit(bench.at(11), false), None);
        assert_eq!(bench.health.admit(bench.at(11), true), None, "not even then");
        bench.health.drain(false);
        assert_eq!(bench.standing(11), Standing::Ready);
    }

    #[test]
    fn others_may_know_more() {
        let bench = Bench::new();
        bench.health.learn(10 * SECOND, 2, bench.start);
        assert_eq!(bench.standing(9), Standing::Cooling(bench.at(10)));
        bench.health.learn(SECOND, 1, bench.at(1));
        assert_eq!(bench.standing(9), Standing::Cooling(bench.at(10)), "only ever longer");
        assert_eq!(bench.health.admit(bench.at(10), false), Some(Pass::Probe));
        assert_eq!(bench.fails(10, Pass::Probe, Effect::Counts).unwrap().trips, 3);
        bench.health.learn(5 * SECOND, 0, bench.at(11));
        assert_eq!(bench.standing(21), Standing::Cooling(bench.at(30)), "a rest makes no cooldown longer");
        bench.health.learn(Duration::ZERO, 0, bench.at(11));
        assert_eq!(bench.standing(11), Standing::Resting(bench.at(16)), "nor does a recovery end it");
        assert_eq!(bench.standing(16), Standing::Ready, "nobody needs to find out");
    }
}
