//! The attempts of one request, as a state machine without I/O.
//!
//! The caller asks for the next step, does it, and comes back with what happened. Time, randomness and
//! failures come in as values, so every rule can be tested without a clock or a network, and a decision can
//! be replayed from a log.
//!
//! The rules, in order: never more than the policy's retries; never past the deadline; a failure that would
//! be the same everywhere ends it; an untried deployment is asked at once; otherwise one that has been tried
//! and said nothing against it is asked again after a pause, if the router's retry budget allows.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_types::{ApiError, ErrorKind};
use rand::rngs::SmallRng;
use smallvec::SmallVec;

use crate::budget::RetryBudget;
use crate::deployment::Deployment;
use crate::group::Group;
use crate::picker::{Candidate, PickCx};
use crate::record::{Attempt, End, Record, Verdict};

/// The longest wait asked for by a provider that is obeyed; a longer one is replaced by our own backoff.
const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(60);

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Call the deployment at this position of the group, then come back with the failure, if any.
    Try(usize),
    /// Let this time pass, then come back without a failure.
    Wait(Duration),
    /// Give up: see [`Attempts::failure`].
    Fail,
}

/// How long an attempt may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// All of it.
    pub total: Duration,
    /// A stream up to its first content.
    pub first_token: Duration,
}

/// The attempts of one request.
#[derive(Debug)]
pub struct Attempts<T> {
    group: Arc<Group<T>>,
    budget: Arc<RetryBudget>,
    deadline: Instant,
    retries: u32,
    waits: u32,
    state: State,
    /// By index in the group; says something only of deployments that were tried.
    returns: SmallVec<[Return; 4]>,
    record: Record,
    rng: Option<SmallRng>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Fresh,
    Trying,
    Waiting { since: Instant, until: Instant },
    Done,
}

/// Whether a deployment that was tried may be asked again in the same request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Return {
    Never,
    /// After our own pause, which begins when there is nobody else to ask.
    Backoff,
    /// From this time on.
    At(Instant),
}

impl Return {
    fn is_ready(self, now: Instant) -> bool {
        self.time().is_some_and(|time| time <= now)
    }

    fn time(self) -> Option<Instant> {
        match self {
            Self::At(time) => Some(time),
            Self::Never | Self::Backoff => None,
        }
    }
}

impl<T> Attempts<T> {
    pub(crate) fn new(group: Arc<Group<T>>, budget: Arc<RetryBudget>, deadline: Instant) -> Self {
        let deployments = group.deployments.len();
        Self {
            budget,
            deadline,
            retries: group.policy.retries,
            waits: 0,
            state: State::Fresh,
            returns: SmallVec::from_elem(Return::Never, deployments),
            record: Record::new(deployments),
            rng: None,
            group,
        }
    }

    /// Allows at most this many retries, where the policy allows more: 0 for a body that cannot be sent twice.
    #[must_use]
    pub fn at_most(mut self, retries: u32) -> Self {
        self.retries = self.retries.min(retries);
        self
    }

    /// Draws pauses from this generator, not from the thread's.
    #[must_use]
    pub fn with_rng(mut self, rng: SmallRng) -> Self {
        self.rng = Some(rng);
        self
    }

    /// Takes deployments out before the first step: `why` says for each what stands against it.
    pub fn pass_over(&mut self, why: impl Fn(&Deployment<T>) -> Option<&'static str>) {
        for (deployment, verdict) in self.group.deployments.iter().zip(&mut self.record.verdicts) {
            if let (Verdict::NotPicked, Some(reason)) = (*verdict, why(deployment)) {
                *verdict = Verdict::PassedOver(reason);
            }
        }
    }

    /// What to do now. `last` is the failure of the attempt that was asked for last; without one that
    /// attempt is taken as abandoned, and the request ends.
    pub fn next(&mut self, now: Instant, last: Option<&ApiError>) -> Step {
        let step = match std::mem::replace(&mut self.state, State::Done) {
            State::Fresh => self.first(now),
            State::Trying => self.after_attempt(now, last),
            State::Waiting { since, until } => self.after_wait(now, since, until),
            State::Done => Err(End::Abandoned),
        };
        step.unwrap_or_else(|end| {
            self.record.end.get_or_insert(end);
            Step::Fail
        })
    }

    /// Takes note that the current attempt is answered: at a stream's first content, or at the whole answer.
    pub fn answered(&mut self, now: Instant) {
        if let (State::Trying, Some(attempt)) = (self.state, self.record.attempts.last_mut()) {
            attempt.took = Some(now.saturating_duration_since(attempt.started));
            self.record.end = Some(End::Answered);
            self.state = State::Done;
        }
    }

    /// How long an attempt on this deployment may take, begun now.
    #[must_use]
    pub fn limits(&self, deployment: &Deployment<T>, now: Instant) -> Limits {
        let left = self.deadline.saturating_duration_since(now);
        let total = deployment.timeout.unwrap_or(self.group.policy.timeout).min(left);
        Limits { total, first_token: self.group.policy.first_token_timeout.min(total) }
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> &Arc<Group<T>> {
        &self.group
    }

    /// What was considered and done so far.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What was considered and done.
    #[must_use]
    pub fn into_record(self) -> Record {
        self.record
    }

    /// The failure to tell the client after [`Step::Fail`]: the last one, and with several attempts in words
    /// that name each of them.
    #[must_use]
    pub fn failure(&self) -> ApiError {
        let last = self.record.attempts.last().and_then(|attempt| attempt.error.as_ref());
        let Some(last) = last else {
            return ApiError::new(ErrorKind::Unavailable, self.record.summary(&self.group));
        };
        let mut error = last.clone();
        if self.record.attempts.len() > 1 {
            error.message = self.record.summary(&self.group);
            // The summary names providers itself.
            error.provider = None;
        }
        error
    }

    fn first(&mut self, now: Instant) -> Result<Step, End> {
        if now >= self.deadline {
            return Err(End::Deadline);
        }
        let index = self.pick(now).ok_or(End::NoCandidate)?;
        Ok(self.start(index, now, Duration::ZERO))
    }

    fn after_attempt(&mut self, now: Instant, last: Option<&ApiError>) -> Result<Step, End> {
        let index = self.close(now, last);
        let error = last.ok_or(End::Abandoned)?;
        let forced = error.should_retry == Some(true);
        if let Some(state) = index.and_then(|index| self.returns.get_mut(index)) {
            *state = may_return(error, now);
        }
        if !forced && !error.kind.retry_other() {
            return Err(End::NotRetryable);
        }
        if self.record.attempts.len() > usize::try_from(self.retries).unwrap_or(usize::MAX) {
            return Err(End::RetriesSpent);
        }
        if now >= self.deadline {
            return Err(End::Deadline);
        }
        if let Some(untried) = self.pick(now) {
            return Ok(self.start(untried, now, Duration::ZERO));
        }
        self.pause(now)
    }

    /// A pause before one of the deployments that were tried is asked again.
    fn pause(&mut self, now: Instant) -> Result<Step, End> {
        let backoff = match &mut self.rng {
            Some(rng) => self.group.policy.backoff.draw(self.waits, rng),
            None => self.group.policy.backoff.draw(self.waits, &mut rand::rng()),
        };
        let until = self.returns.iter_mut().filter_map(|state| {
            if *state == Return::Backoff {
                *state = now.checked_add(backoff).map_or(Return::Never, Return::At);
            }
            state.time()
        });
        let until = until.min().ok_or(End::NobodyLeft)?.max(now);
        if until >= self.deadline {
            return Err(End::Deadline);
        }
        if !self.budget.withdraw(now) {
            return Err(End::BudgetSpent);
        }
        self.waits += 1;
        if until == now {
            return self.after_wait(now, now, now);
        }
        self.state = State::Waiting { since: now, until };
        Ok(Step::Wait(until - now))
    }

    fn after_wait(&mut self, now: Instant, since: Instant, until: Instant) -> Result<Step, End> {
        if now >= self.deadline {
            return Err(End::Deadline);
        }
        if now < until {
            self.state = State::Waiting { since, until };
            return Ok(Step::Wait(until - now));
        }
        let ready = self.returns.iter().enumerate().filter(|(_, state)| state.is_ready(now));
        // The one that rested longest; a strategy knows nothing of this request's own failures.
        let last = |index| self.record.attempts.iter().rposition(|attempt| attempt.index == index);
        let index = ready.map(|(index, _)| index).min_by_key(|index| last(*index)).ok_or(End::NobodyLeft)?;
        Ok(self.start(index, now, now.saturating_duration_since(since)))
    }

    /// Lets the group's strategy choose among the untried.
    fn pick(&self, now: Instant) -> Option<usize> {
        let untried = self.record.verdicts.iter().map(|verdict| *verdict == Verdict::NotPicked);
        let candidates: SmallVec<[Candidate<'_>; 8]> = untried
            .zip(self.group.deployments.iter())
            .enumerate()
            .filter(|(_, (untried, _))| *untried)
            .map(|(index, (_, deployment))| Candidate::new(index, deployment.weight, &deployment.stats))
            .collect();
        let mut cx = PickCx::new(now);
        cx.attempt = self.record.attempts.len();
        let position = self.group.picker.pick(&candidates, &cx)?;
        candidates.get(position).map(|candidate| candidate.index)
    }

    fn start(&mut self, index: usize, now: Instant, waited: Duration) -> Step {
        if let Some(verdict) = self.record.verdicts.get_mut(index) {
            *verdict = Verdict::Tried;
        }
        self.record.attempts.push(Attempt { index, started: now, waited, took: None, error: None });
        self.state = State::Trying;
        Step::Try(index)
    }

    /// Ends the current attempt; returns which deployment it was on.
    fn close(&mut self, now: Instant, error: Option<&ApiError>) -> Option<usize> {
        let attempt = self.record.attempts.last_mut()?;
        attempt.took = Some(now.saturating_duration_since(attempt.started));
        attempt.error = error.cloned();
        Some(attempt.index)
    }
}

/// Whether the deployment that failed like this may be asked again. Its own word (`x-should-retry`) is about
/// itself: "no" keeps us from returning to it, not from asking another.
fn may_return(error: &ApiError, now: Instant) -> Return {
    if !error.should_retry.unwrap_or_else(|| error.kind.retry_same()) {
        return Return::Never;
    }
    let asked = error.retry_after.filter(|wait| !wait.is_zero() && *wait <= RETRY_AFTER_LIMIT);
    asked.and_then(|wait| now.checked_add(wait)).map_or(Return::Backoff, Return::At)
}
