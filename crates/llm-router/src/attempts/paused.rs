//! Where the providers of all have asked to be left alone.
//!
//! Asking one of them all the same would only make it worse: the request waits if that is short, else its caller is told
//! when to come back. When a pause is over its provider's wish is fulfilled: one request is the probe, and nobody waits for
//! what comes of it, which may take as long as a whole answer. A cooldown that we decided on ourselves is another matter,
//! and so are a deployment that is alone and one that said with an answer that its limit has nothing left: when a limit is
//! full again is not when it has room again, and nobody was turned away. Somebody is asked then.

use std::time::{Duration, Instant};

use super::again::RETRY_AFTER_LIMIT;
use super::{Attempts, State, Step};
use crate::record::{End, Reason, Waited, WaitedFor};

/// The longest wait before anybody was asked.
const PATIENCE: Duration = Duration::from_secs(10);
/// When to look again for a parallel place: nobody knows, and it is soon.
pub(super) const SOON: Duration = Duration::from_secs(1);

impl<T> Attempts<T> {
    /// Who is to be asked first, and after how long, if all of several are to be left alone, or are full.
    pub(super) fn all_paused(&self, now: Instant) -> Option<(usize, Duration)> {
        self.first_of_paused(now, |_| true)
    }

    /// The same among some, though all are to be left alone.
    fn first_of_paused(&self, now: Instant, may: impl Fn(usize) -> bool) -> Option<(usize, Duration)> {
        let (mut candidates, mut anybody) = (0, false);
        let mut first: Option<(usize, Duration)> = None;
        for index in self.able.iter() {
            let asked = || self.group.seats.get(index).is_some_and(|seat| seat.stats.is_asked_pause());
            let wait = match self.obstacle(index, now)? {
                Reason::Drained => continue,
                Reason::Cooling(left) if asked() => {
                    anybody = true;
                    left
                }
                Reason::Parallel | Reason::Minute(None) => SOON,
                Reason::Minute(Some(left)) => left,
                _ => return None,
            };
            candidates += 1;
            if may(index) && first.is_none_or(|(_, least)| wait < least) {
                first = Some((index, wait));
            }
        }
        first.filter(|_| anybody && candidates > 1)
    }

    /// How long until anybody here may be asked, as far as providers' pauses decide it; whoever cools down without such a
    /// wish counts as this says.
    pub(crate) fn pause_ahead(&self, now: Instant, ours: impl Fn(Duration) -> Duration) -> Option<Duration> {
        let mut pauses = Vec::new();
        for index in self.able.iter().filter(|index| self.may_be_asked(*index)) {
            let asked = || self.group.seats.get(index).is_some_and(|seat| seat.stats.is_asked_pause());
            let standing = match self.obstacle(index, now) {
                Some(Reason::Drained) => continue,
                Some(Reason::Cooling(left)) if !asked() => ours(left),
                Some(Reason::Cooling(left) | Reason::Minute(Some(left))) => left,
                Some(Reason::Parallel | Reason::Minute(None)) => SOON,
                _ => Duration::ZERO,
            };
            let until = self.returns_at(index).map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
            pauses.push(standing.max(until));
        }
        pauses.into_iter().min()
    }

    /// Waits for the first of those that are to be left alone, if that is not long and the retry budget allows.
    pub(super) fn wait_for_first(&mut self, now: Instant) -> Result<Step, End> {
        let asked = !self.record.attempts.is_empty();
        let (patience, end) =
            if asked { (RETRY_AFTER_LIMIT, End::AllPaused) } else { (PATIENCE, End::NoCandidate) };
        let Some((index, pause)) = self.first_of_paused(now, |index| self.may_be_asked(index)) else {
            return Err(end);
        };
        let in_time = now.checked_add(pause).filter(|until| *until < self.deadline && pause <= patience);
        let Some(until) = in_time.filter(|_| self.waits < self.group.policy.retries) else {
            return Err(end);
        };
        // A pause that was paid for is paid for, also where it has become longer meanwhile.
        let since = self.paused.take();
        if since.is_none() && !self.budget.withdraw(now) {
            return Err(end);
        }
        self.waits += 1;
        self.insists = false;
        self.record.waits.push(Waited { at: now, pause, why: WaitedFor::RetryAfter(index) });
        self.state = State::Waiting { since: since.unwrap_or(now), until };
        Ok(Step::Wait(pause))
    }
}
