//! Asking somebody a second time, when nobody untried is well.
//!
//! Who may be asked again, when, and after which pause. All of it is charged to the group's retry budget: it
//! puts load on what has just failed.

use std::time::{Duration, Instant};

use llm_types::{ApiError, ErrorKind, Origin};

use super::{Attempts, State, Step, is_for_others};
use crate::candidates::Candidates;
use crate::choose::{Ask, Choice};
use crate::mask::Mask;
use crate::record::{Because, End, Reason, Waited, WaitedFor};

/// The longest wait asked for by a provider that is obeyed; a longer one is replaced by our own backoff.
pub(super) const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(60);

/// Whether a deployment that was tried may be asked again in the same request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Return {
    Never,
    /// After our own pause, which begins when there is nobody else to ask.
    Backoff,
    /// From this time on.
    At(Instant, Whose),
}

/// Whose pause it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Ours,
    Providers,
}

impl Return {
    fn time(self) -> Option<Instant> {
        match self {
            Self::At(time, _) => Some(time),
            Self::Never | Self::Backoff => None,
        }
    }
}

impl<T> Attempts<T> {
    /// A pause before one of the deployments that were tried is asked again, or the last resort.
    pub(super) fn again(&mut self, now: Instant) -> Result<Step, End> {
        let backoff = match &mut self.rng {
            Some(rng) => self.group.policy.backoff.draw(self.waits, &mut **rng),
            None => self.group.policy.backoff.draw(self.waits, &mut rand::rng()),
        };
        for (_, state) in &mut self.returns {
            if *state == Return::Backoff {
                let ready = now.checked_add(backoff);
                *state = ready.map_or(Return::Never, |ready| Return::At(ready, Whose::Ours));
            }
        }
        let soonest = self.soonest(now, true);
        // Nobody waits for a provider's pause, or for somebody to be well, while another group may answer at once.
        let may_come_back = |(_, until, whose): (usize, Instant, Whose)| {
            whose != Whose::Providers && !self.takes_the_time_of_others(until.max(now))
        };
        if self.may_leave() && !soonest.is_some_and(may_come_back) {
            return Err(End::AllCooling);
        }
        let Some((index, until, whose)) = soonest.or_else(|| self.first_well(now)) else {
            if self.all_paused(now).is_some() {
                return self.wait_for_first(now);
            }
            // Whoever was tried is unwell by now, or must not be asked again.
            if self.some_untried(now) {
                // A pause that was paid for is paid for.
                if self.paused.is_none() && !self.budget.withdraw(now) {
                    return Err(End::BudgetSpent);
                }
                let since = *self.paused.get_or_insert(now);
                if let Some(step) = self.last_resort(now, now.saturating_duration_since(since)) {
                    return Ok(step);
                }
            }
            let (index, until, whose) = self.soonest(now, false).ok_or(End::NobodyLeft)?;
            return self.pause(index, until, whose, now);
        };
        self.pause(index, until, whose, now)
    }

    fn pause(&mut self, index: usize, until: Instant, whose: Whose, now: Instant) -> Result<Step, End> {
        let until = until.max(now);
        if until >= self.deadline {
            return Err(End::Deadline);
        }
        let paused = self.paused.take();
        if paused.is_none() && !self.budget.withdraw(now) {
            return Err(End::BudgetSpent);
        }
        self.waits += 1;
        if until == now {
            return self.after_wait(now, paused.unwrap_or(now), now);
        }
        let why = match whose {
            Whose::Ours => WaitedFor::Backoff(index),
            Whose::Providers => WaitedFor::RetryAfter(index),
        };
        self.record.waits.push(Waited { at: now, pause: until - now, why });
        self.state = State::Waiting { since: now, until };
        self.insists = false;
        Ok(Step::Wait(until - now))
    }

    pub(super) fn after_wait(&mut self, now: Instant, since: Instant, until: Instant) -> Result<Step, End> {
        if now >= self.deadline {
            return Err(End::Deadline);
        }
        if now < until {
            self.state = State::Waiting { since, until };
            return Ok(Step::Wait(until - now));
        }
        let waited = now.saturating_duration_since(since);
        // Somebody untried may be well by now.
        if let Some(choice) = self.choose(now) {
            return Ok(self.start(choice, now, waited));
        }
        if self.record.attempts.is_empty() {
            self.paused = Some(since);
            return self.nobody_well(now);
        }
        let cx = self.pick_cx(now);
        while let Some(index) = self.rested(now) {
            let ask = Ask { cx, needs: self.needs.as_deref(), may_probe: false };
            // Somebody else may have become its probe since we looked: that is no reason to give up.
            let mut seen = Candidates::default();
            self.look(&mut seen, None, &cx);
            let Ok(grant) = self.group.admit(index, &ask, true) else {
                // It is full, and not worth another pause.
                self.set_return(index, Return::Never);
                continue;
            };
            self.trace_choice(seen, now, Some((index, Because::Again)));
            return Ok(self.start(Choice { index, grant, because: Because::Again }, now, waited));
        }
        // Whoever was waited for is unwell by now: another group may answer at once, or one waits on.
        let all_paused = self.all_paused(now).is_some();
        let unwell = self.unwell(now);
        if all_paused || (self.may_leave() && !unwell.is_empty()) {
            self.paused = Some(since);
            return if self.may_leave() { Err(End::AllCooling) } else { self.wait_for_first(now) };
        }
        self.ask_unwell(unwell, now, waited).ok_or(End::NobodyLeft)
    }

    /// Who is untried, or may be asked again by now.
    fn unwell(&self, now: Instant) -> Mask {
        let mut unwell = self.able.clone();
        unwell.remove(&self.tried);
        let ready = self.returns.iter().filter(|(_, state)| state.time().is_some_and(|time| time <= now));
        ready.for_each(|(index, _)| unwell.set(*index));
        unwell
    }

    /// Whether anybody is untried, or may be asked again.
    pub(crate) fn has_anybody(&self) -> bool {
        let mut untried = self.able.clone();
        untried.remove(&self.tried);
        !untried.is_empty() || self.returns.iter().any(|(_, state)| *state != Return::Never)
    }

    /// Of those that may be asked again by now and are well, the one that rested longest; a strategy knows nothing of this
    /// request's own failures.
    pub(super) fn rested(&self, now: Instant) -> Option<usize> {
        let last = |index| self.record.attempts.iter().rposition(|attempt| attempt.index == index);
        let ready = self.returns.iter().filter(|(_, state)| state.time().is_some_and(|time| time <= now));
        let ready = ready.map(|(index, _)| *index).filter(|index| self.is_well(*index, now));
        ready.min_by_key(|index| last(*index))
    }

    /// Who may be asked again first, and when.
    fn soonest(&self, now: Instant, well: bool) -> Option<(usize, Instant, Whose)> {
        let times = self.returns.iter().filter_map(|(index, state)| match state {
            Return::At(time, whose) => Some((*index, *time, *whose)),
            Return::Never | Return::Backoff => None,
        });
        let times = times.filter(|(index, ..)| !well || self.is_well(*index, now));
        times.min_by_key(|(_, time, _)| *time)
    }

    /// Who was tried and will be well when the pause is over that it asked for, if nobody else is well before.
    fn first_well(&self, now: Instant) -> Option<(usize, Instant, Whose)> {
        let pauses = self.returns.iter().filter_map(|(index, state)| match state {
            Return::At(time, Whose::Providers) => Some((*index, *time, Whose::Providers)),
            _ => None,
        });
        let pauses = pauses.filter(|(index, time, _)| *time < self.deadline && self.is_well(*index, *time));
        let first = pauses.min_by_key(|(_, time, _)| *time)?;
        let pause = first.1.saturating_duration_since(now);
        let mut others = self.able.iter().filter(|index| *index != first.0 && self.may_be_asked(*index));
        let sooner = others.any(|index| match self.obstacle(index, now) {
            Some(Reason::Cooling(left) | Reason::Resting(left)) => left < pause,
            reason => matches!(reason, None | Some(Reason::Probing)),
        });
        (!sooner).then_some(first)
    }

    fn is_well(&self, index: usize, now: Instant) -> bool {
        self.group.seats.get(index).is_some_and(|seat| seat.stats.standing(now).is_open())
    }

    fn some_untried(&self, now: Instant) -> bool {
        let mut untried = self.able.clone();
        untried.remove(&self.tried);
        let unwell = |reason| matches!(reason, Reason::Cooling(_) | Reason::Resting(_) | Reason::Probing);
        untried.iter().any(|index| self.obstacle(index, now).is_none_or(unwell))
    }

    /// Whether it is untried, or may be asked again.
    pub(super) fn may_be_asked(&self, index: usize) -> bool {
        !self.returns.contains(&(index, Return::Never))
    }

    /// From when on it may be asked again, if it was and that is known.
    pub(super) fn returns_at(&self, index: usize) -> Option<Instant> {
        self.returns.iter().find(|(known, _)| *known == index)?.1.time()
    }

    fn set_return(&mut self, index: usize, state: Return) {
        match self.returns.iter_mut().find(|(known, _)| *known == index) {
            Some((_, known)) => *known = state,
            None => self.returns.push((index, state)),
        }
    }

    /// Takes note of whether the deployment that failed like this may be asked again. Its own word
    /// (`x-should-retry`) is about itself: "no" keeps us from returning to it, not from asking another.
    pub(super) fn note_return(&mut self, index: usize, error: &ApiError, now: Instant) {
        let by_kind = self.group.policy.by_kind.get(error.kind).is_some_and(|retries| retries > 0);
        let once = matches!(error.kind, ErrorKind::Conflict | ErrorKind::UpstreamFormat);
        let again = || {
            let mut earlier = self.record.attempts.iter().filter(|attempt| attempt.index == index);
            earlier.any(|attempt| attempt.error.as_ref().is_some_and(|was| was.kind == error.kind))
        };
        let kind_allows = (error.kind.retry_same() || by_kind) && !(once && again());
        // What we ourselves refuse to send there is refused the second time as well.
        let ours = is_for_others(error) || (error.origin == Origin::Gateway && !error.kind.retry_same());
        let state = if !ours && error.should_retry.unwrap_or(kind_allows) {
            let asked = error.retry_after.filter(|wait| !wait.is_zero() && *wait <= RETRY_AFTER_LIMIT);
            let ready = asked.and_then(|wait| now.checked_add(wait));
            ready.map_or(Return::Backoff, |ready| Return::At(ready, Whose::Providers))
        } else {
            Return::Never
        };
        self.set_return(index, state);
    }
}
