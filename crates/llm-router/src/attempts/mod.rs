//! The attempts of one request, as a state machine without I/O.
//!
//! The caller asks for the next step, does it, and comes back with what happened. Time, randomness and
//! failures come in as values, so every rule can be tested without a clock or a network, and a decision can
//! be replayed from a log.
//!
//! The rules, in order: never past the deadline; a failure that would be the same everywhere ends it; an untried
//! deployment that is well is asked at once, however many failed before it; otherwise, as long as the policy's retries
//! last, one that has been tried and said nothing against it is asked again after a pause, a well one before an unwell
//! one, if the retry budget allows.

mod again;
mod explain;
mod hedge;
mod larger;
mod limits;
mod paused;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_types::{ApiError, ErrorKind, Origin};
use rand::rngs::SmallRng;
use rand::{Rng, RngCore};
use smallvec::SmallVec;

use self::again::Return;
pub use self::limits::Limits;
use crate::budget::RetryBudget;
use crate::candidates::Candidates;
use crate::choose::{Ask, Choice};
use crate::deployment::Deployment;
use crate::group::Group;
use crate::lease::{Granted, Lease};
use crate::mask::Mask;
use crate::needs::Needs;
use crate::picker::PickCx;
use crate::record::{Attempt, Because, End, Record, Trace};

/// The most further attempts at one group that go to somebody who is well and was not asked yet: with so many down it is
/// not theirs alone.
pub(crate) const MOST_MOVES: usize = 16;

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

/// The attempts of one request. Dropping it ends the ones under way.
#[derive(Debug)]
pub struct Attempts<T> {
    group: Arc<Group<T>>,
    budget: Arc<RetryBudget>,
    deadline: Instant,
    needs: Option<Arc<Needs>>,
    /// The most retries, whatever the policy allows.
    most: u32,
    waits: u32,
    /// A second one was asked, or could not be.
    hedged: bool,
    hedges: usize,
    state: State,
    /// Who has what the request needs.
    able: Mask,
    tried: Mask,
    /// What the caller has against whom.
    refused: Vec<(usize, &'static str)>,
    /// Whether those that were tried may be asked again.
    returns: SmallVec<[(usize, Return); 1]>,
    flights: SmallVec<[Lease<T>; 1]>,
    /// There is another group to ask when everybody here is unwell.
    elsewhere: bool,
    /// There is another group to ask when somebody here does not answer in time.
    others: bool,
    /// Not for the next step: nobody there is better off.
    insists: bool,
    /// The beginning of a pause that was charged to the retry budget and nobody was asked after.
    paused: Option<Instant>,
    record: Record,
    ended: Option<Instant>,
    rng: Option<Box<SmallRng>>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Fresh,
    Trying,
    Waiting {
        since: Instant,
        until: Instant,
    },
    /// Nobody elsewhere is better off, or is left: whoever is well by now, or one of those that were tried again.
    Insisting,
    Done,
}

/// Whether we ourselves would not send the request to a deployment, and another one may take it: the caller
/// says so with [`llm_types::Fault::should_retry`].
pub(crate) fn is_for_others(error: &ApiError) -> bool {
    error.origin == Origin::Gateway && error.should_retry == Some(true)
}

impl<T> Attempts<T> {
    pub(crate) fn new(group: Arc<Group<T>>, budget: Arc<RetryBudget>, deadline: Instant) -> Self {
        let deployments = group.deployments.len();
        Self {
            budget,
            deadline,
            needs: None,
            most: u32::MAX,
            waits: 0,
            hedged: false,
            hedges: 0,
            state: State::Fresh,
            able: Mask::all(deployments),
            tried: Mask::none(deployments),
            refused: Vec::new(),
            returns: SmallVec::new(),
            flights: SmallVec::new(),
            elsewhere: false,
            others: false,
            insists: false,
            paused: None,
            record: Record::default(),
            ended: None,
            rng: None,
            group,
        }
    }

    /// Says what the request needs; before the first step.
    #[must_use]
    pub fn needing(mut self, needs: Arc<Needs>) -> Self {
        self.need(needs);
        self
    }

    /// As [`Attempts::needing`], where they lie.
    pub(crate) fn need(&mut self, needs: Arc<Needs>) {
        if !self.group.all_able(&needs) {
            self.able.retain(&self.group.able(&needs));
        }
        self.needs = Some(needs);
    }

    /// Allows at most this many retries, where the policy allows more: 0 for a body that cannot be sent twice.
    #[must_use]
    pub fn at_most(mut self, retries: u32) -> Self {
        self.limit_retries(retries);
        self
    }

    /// As [`Attempts::at_most`], where they lie.
    pub(crate) fn limit_retries(&mut self, retries: u32) {
        self.most = self.most.min(retries);
    }

    /// Draws all chance from this generator, not from the thread's.
    #[must_use]
    pub fn with_rng(mut self, rng: SmallRng) -> Self {
        self.draw_from(rng);
        self
    }

    /// As [`Attempts::with_rng`], where they lie.
    pub(crate) fn draw_from(&mut self, rng: SmallRng) {
        self.rng = Some(Box::new(rng));
    }

    /// Keeps what is considered, for the decision's record. Allocates; everything else here does not.
    #[must_use]
    pub fn sampled(mut self) -> Self {
        self.trace();
        self
    }

    /// As [`Attempts::sampled`], where they lie.
    pub(crate) fn trace(&mut self) {
        self.trace_in(Box::<Trace>::default());
    }

    /// As [`Attempts::trace`], in this place.
    pub(crate) fn trace_in(&mut self, mut place: Box<Trace>) {
        place.decisions.clear();
        self.record.trace = Some(place);
    }

    /// Gives up at once, with [`End::AllCooling`], when everybody is unwell or a provider wants a pause: another group
    /// will be asked.
    #[must_use]
    pub fn with_elsewhere(mut self, elsewhere: bool) -> Self {
        self.set_elsewhere(elsewhere);
        self
    }

    /// As [`Attempts::with_elsewhere`], where they lie.
    pub(crate) fn set_elsewhere(&mut self, elsewhere: bool) {
        self.elsewhere = elsewhere;
    }

    /// Says whether another group could be asked after somebody here who does not answer in time.
    pub(crate) fn set_others(&mut self, others: bool) {
        self.others = others;
    }

    /// Whether somebody here could be asked at once, after [`End::AllCooling`].
    pub(crate) fn could_go_on(&self, now: Instant) -> bool {
        let mut untried = self.able.clone();
        untried.remove(&self.tried);
        let rested = self.rested(now).is_some();
        rested || untried.iter().any(|index| self.obstacle(index, now).is_none())
    }

    /// Takes the next step here also when everybody is unwell: everywhere else is no better now. Goes on after
    /// [`End::AllCooling`].
    pub(crate) fn insist(&mut self) {
        self.insists = true;
        if self.record.end == Some(End::AllCooling) {
            self.record.end = None;
            self.ended = None;
            self.state = if self.record.attempts.is_empty() { State::Fresh } else { State::Insisting };
        }
    }

    /// Takes deployments out before the first step: `why` says for each what stands against it.
    pub fn pass_over(&mut self, why: impl Fn(&Deployment<T>) -> Option<&'static str>) {
        for (index, deployment) in self.group.deployments.iter().enumerate() {
            if let (true, Some(reason)) = (self.able.has(index), why(deployment)) {
                self.able.clear(index);
                self.refused.push((index, reason));
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
            State::Insisting => self.insisting(now),
            State::Done => Err(End::Abandoned),
        };
        step.unwrap_or_else(|end| self.give_up(end, now))
    }

    /// Takes note that the current attempt is answered: at a stream's first content, or at the whole answer.
    /// What comes back goes with the rest of the answer; `None` if no attempt is under way.
    pub fn answered(&mut self, now: Instant) -> Option<Lease<T>> {
        let index = self.flights.last()?.index();
        self.answered_by(index, now)
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> &Arc<Group<T>> {
        &self.group
    }

    /// What was done so far.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What was done; nothing more will be.
    #[must_use]
    pub fn take_record(&mut self) -> Record {
        self.state = State::Done;
        self.flights.clear();
        std::mem::take(&mut self.record)
    }

    /// The caller stops asking: what is under way ends with that.
    pub(crate) fn abandon(&mut self, now: Instant) {
        let running = self.record.attempts.iter_mut().filter(|attempt| attempt.took.is_none());
        running.for_each(|attempt| attempt.took = Some(now.saturating_duration_since(attempt.started)));
        self.state = State::Done;
        self.give_up(End::Abandoned, now);
    }

    fn give_up(&mut self, end: End, now: Instant) -> Step {
        self.record.end.get_or_insert(end);
        self.ended.get_or_insert(now);
        self.flights.clear();
        Step::Fail
    }

    fn first(&mut self, now: Instant) -> Result<Step, End> {
        if now >= self.deadline {
            return Err(End::Deadline);
        }
        if let Some(choice) = self.choose(now) {
            return Ok(self.start(choice, now, Duration::ZERO));
        }
        self.nobody_well(now)
    }

    /// Where to go when nobody was asked yet and nobody is well.
    fn nobody_well(&mut self, now: Instant) -> Result<Step, End> {
        let mut unwell = self.able.clone();
        unwell.keep(|index| !matches!(self.obstacle(index, now), Some(reason) if !reason.passes()));
        if self.may_leave() && !unwell.is_empty() {
            return Err(End::AllCooling);
        }
        if self.all_paused(now).is_some() {
            return self.wait_for_first(now);
        }
        let waited = self.paused.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.last_resort(now, waited).ok_or(End::NoCandidate)
    }

    fn after_attempt(&mut self, now: Instant, last: Option<&ApiError>) -> Result<Step, End> {
        let index = self.flights.last().map(Lease::index);
        if let (Some(index), Some(error)) = (index, last) {
            self.close(index, now, error);
        } else if let Some(attempt) = self.record.attempts.last_mut() {
            attempt.took.get_or_insert(now.saturating_duration_since(attempt.started));
        }
        // Those beside the one that failed are not waited for by a caller who does not know of them.
        self.flights.clear();
        self.after_failure(now, last.ok_or(End::Abandoned)?)
    }

    /// Where to go when nobody is asked any more and this was the last failure.
    fn after_failure(&mut self, now: Instant, error: &ApiError) -> Result<Step, End> {
        let by_kind = self.group.policy.by_kind.get(error.kind);
        let forced = error.should_retry == Some(true) || by_kind.is_some_and(|retries| retries > 0);
        // A prompt that did not fit may fit elsewhere: nobody else would do.
        let larger = !forced && error.kind == ErrorKind::ContextWindow && self.leave_smaller();
        if !forced && !larger && !error.kind.retry_other() {
            return Err(End::NotRetryable);
        }
        let allowed = by_kind.unwrap_or(self.group.policy.retries).min(self.most);
        let is_within = |most: u32| self.sent() <= usize::try_from(most).unwrap_or(usize::MAX);
        let may_return = is_within(allowed);
        // Retries bound coming back; without any nobody else is asked either. Nor is everybody for the request's own fault.
        let is_theirs = error.kind.retry_other() || is_for_others(error);
        let may_go_on = allowed > 0 && is_theirs && is_within(self.most) && self.sent() <= MOST_MOVES;
        let may_move = may_return || may_go_on;
        if !may_move {
            return Err(End::RetriesSpent);
        }
        if now >= self.deadline {
            return Err(End::Deadline);
        }
        if let Some(choice) = self.choose(now) {
            return Ok(self.start(choice, now, Duration::ZERO));
        }
        match (larger, may_return) {
            (true, _) => Err(End::NotRetryable),
            (false, true) => self.again(now),
            (false, false) => Err(End::RetriesSpent),
        }
    }

    /// Goes on though everybody here was unwell. Some time may have passed elsewhere.
    fn insisting(&mut self, now: Instant) -> Result<Step, End> {
        if now >= self.deadline {
            return Err(End::Deadline);
        }
        let Some(choice) = self.choose(now) else {
            return self.again(now);
        };
        let waited = self.paused.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        Ok(self.start(choice, now, waited))
    }

    /// How many calls there were, hedges aside: what we ourselves would not send is none.
    fn sent(&self) -> usize {
        let went = |attempt: &&Attempt| !attempt.error.as_ref().is_some_and(is_for_others);
        self.record.attempts.iter().filter(went).count().saturating_sub(self.hedges)
    }

    /// Chooses among the untried that are well.
    fn choose(&mut self, now: Instant) -> Option<Choice> {
        // Where nobody is asked again whoever fails, nobody else would find out.
        let may_move_on = self.most > 0 || self.group.policy.retries == 0;
        let may_probe = self.record.attempts.is_empty() && may_move_on;
        let cx = self.pick_cx(now);
        let ask = Ask { cx, needs: self.needs.as_deref(), may_probe };
        let mut open = self.able.clone();
        open.remove(&self.tried);
        let mut seen = Candidates::default();
        let choice = self.group.choose(&mut open, &ask, |compared| self.look(&mut seen, compared, &cx));
        self.trace_choice(seen, now, choice.map(|choice| (choice.index, choice.because)));
        choice
    }

    /// Asks the untried one that will be well first, though nobody is.
    fn last_resort(&mut self, now: Instant, waited: Duration) -> Option<Step> {
        let mut untried = self.able.clone();
        untried.remove(&self.tried);
        self.ask_unwell(untried, now, waited)
    }

    /// Asks the one of these that will be well first.
    fn ask_unwell(&mut self, mut open: Mask, now: Instant, waited: Duration) -> Option<Step> {
        let cx = self.pick_cx(now);
        let ask = Ask { cx, needs: self.needs.as_deref(), may_probe: false };
        let mut seen = Candidates::default();
        self.look(&mut seen, None, &cx);
        let mut choice = self.group.choose_unwell(&mut open, &ask)?;
        if self.tried.has(choice.index) {
            choice.because = Because::Again;
        }
        self.trace_choice(seen, now, Some((choice.index, choice.because)));
        Some(self.start(choice, now, waited))
    }

    /// Whether another group is asked rather than somebody unwell here.
    fn may_leave(&self) -> bool {
        self.elsewhere && !self.insists
    }

    fn start(&mut self, choice: Choice, now: Instant, waited: Duration) -> Step {
        let Choice { index, grant, because } = choice;
        let shape = self.needs.as_ref().map(|needs| PickCx::new(now).needing(needs).shape());
        let alone = self.able.count() <= 1;
        let granted = Granted { index, grant, shape: shape.unwrap_or_default(), alone };
        self.flights.push(Lease::new(granted, &self.group, now));
        self.tried.set(index);
        self.record.attempts.push(Attempt {
            index,
            because,
            started: now,
            waited,
            took: None,
            error: None,
            lost: false,
        });
        self.state = State::Trying;
        (self.insists, self.paused) = (false, None);
        Step::Try(index)
    }

    /// Ends the attempt under way on this deployment.
    fn close(&mut self, index: usize, now: Instant, error: &ApiError) {
        if let Some(at) = self.flights.iter().position(|flight| flight.index() == index) {
            let mut flight = self.flights.remove(at);
            if self.is_hurried(&flight, now, error) {
                flight.excuse();
            }
            flight.note_failure(error, now);
        }
        self.note_return(index, error, now);
        if let Some(attempt) = self.running(index) {
            attempt.took = Some(now.saturating_duration_since(attempt.started));
            attempt.error = Some(error.clone());
        }
    }

    fn running(&mut self, index: usize) -> Option<&mut Attempt> {
        let attempts = self.record.attempts.iter_mut().rev();
        attempts.into_iter().find(|attempt| attempt.index == index && attempt.took.is_none())
    }

    fn pick_cx(&mut self, now: Instant) -> PickCx {
        let random = match &mut self.rng {
            Some(rng) => rng.next_u64(),
            None => rand::rng().random(),
        };
        let mut cx = PickCx::new(now).with_random(random);
        cx.attempt = self.record.attempts.len();
        match &self.needs {
            Some(needs) => cx.needing(needs),
            None => cx,
        }
    }
}
