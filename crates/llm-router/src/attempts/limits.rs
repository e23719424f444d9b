//! How long an attempt may take.
//!
//! A deployment that hangs must not use up the request's time while others could answer: as long as anybody could be
//! asked after it, an attempt gets a part of what is left. Whoever is the last gets all of it.

use std::time::{Duration, Instant};

use llm_types::{ApiError, ErrorKind};

use super::{Attempts, MOST_MOVES};
use crate::deployment::Deployment;
use crate::lease::Lease;
use crate::record::Reason;

/// How far timers may be off.
const TICK: Duration = Duration::from_millis(5);

/// The least that is left to an attempt, and to whoever is asked after it, of a request's time.
const LEAST_SHARE: Duration = Duration::from_secs(2);

/// How long an attempt may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// All of it.
    pub total: Duration,
    /// A stream up to its first content.
    pub first_token: Duration,
    /// The request's time ends it before half of what the deployment has: being late then says nothing about that.
    pub hurried: bool,
}

impl<T> Attempts<T> {
    /// How long an attempt on this deployment may take, begun now.
    #[must_use]
    pub fn limits(&self, deployment: &Deployment<T>, now: Instant) -> Limits {
        let left = self.deadline.saturating_duration_since(now);
        let own = self.own_time(deployment);
        let share = |own: Duration| {
            let uses_all = own.saturating_add(LEAST_SHARE) > left;
            let shared = uses_all && self.may_be_followed(left, now);
            own.min(if shared { part_of(left, self.probes()) } else { left })
        };
        // Once a stream has begun nobody else can be asked: it may go on for as long as there is time.
        let streams = self.needs.as_ref().is_some_and(|needs| needs.stream);
        let total = if streams { own.min(left) } else { share(own) };
        let first_token = share(self.group.policy.first_token_timeout.min(own)).min(total);
        Limits { total, first_token, hurried: left < own / 2 }
    }

    /// Whether the attempt under way finds out how its deployment is.
    fn probes(&self) -> bool {
        self.flights.last().is_some_and(Lease::probes)
    }

    /// Whether anybody could be asked in this time if the attempt under way does not answer.
    fn may_be_followed(&self, left: Duration, now: Instant) -> bool {
        let policy = &self.group.policy;
        if self.others {
            return true;
        }
        if self.most == 0 {
            return false;
        }
        let soon = |wait: Duration| wait < left / 2;
        let may_come = |index| match self.obstacle(index, now) {
            Some(Reason::Cooling(wait) | Reason::Resting(wait) | Reason::Minute(Some(wait))) => soon(wait),
            reason => reason.is_none_or(|reason| reason.passes()),
        };
        let mut untried = self.able.clone();
        untried.remove(&self.tried);
        let moves = policy.by_kind.timeout.unwrap_or(policy.retries) > 0 && self.sent() <= MOST_MOVES;
        moves && untried.iter().any(may_come)
    }

    /// Whether coming back to somebody at this time is at the cost of another group: nobody here answered in time, or too
    /// little time would be left there.
    pub(super) fn takes_the_time_of_others(&self, then: Instant) -> bool {
        let was_late = self.record.last_error().is_some_and(|error| error.kind == ErrorKind::Timeout);
        was_late || (self.others && self.deadline.saturating_duration_since(then) < 2 * LEAST_SHARE)
    }

    /// How long an attempt may take where the request has time for it.
    fn own_time(&self, deployment: &Deployment<T>) -> Duration {
        deployment.timeout.unwrap_or(self.group.policy.timeout)
    }

    /// Whether the request's time ran out in less than half of what the deployment has for an attempt: others used up
    /// the rest, and nothing is known of this one.
    pub(super) fn is_hurried(&self, flight: &Lease<T>, now: Instant, error: &ApiError) -> bool {
        let timed_out = matches!(error.kind, ErrorKind::Timeout | ErrorKind::GatewayTimeout);
        let half = flight.deployment().map_or(Duration::ZERO, |deployment| self.own_time(deployment) / 2);
        let had = self.deadline.saturating_duration_since(flight.started());
        let took = now.saturating_duration_since(flight.started()).saturating_add(TICK);
        timed_out && had < half && took >= part_of(had, flight.probes())
    }
}

/// What an attempt may have of the time that is left, where others could be asked after it: half of it, and a quarter
/// where it finds out whether its deployment is well again.
fn part_of(left: Duration, probes: bool) -> Duration {
    let part = if probes { left / 4 } else { left / 2 };
    part.max(LEAST_SHARE).min(left)
}
