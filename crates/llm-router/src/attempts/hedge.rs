//! A second deployment beside a slow one.
//!
//! The slowest of a hundred first tokens is often ten times as slow as the middle one. Asking somebody else
//! after a while, and taking whoever begins first, cuts that off for the price of the second request; so it is
//! charged to an allowance for hedges, and only a deployment that is well and untried is asked.

use std::time::{Duration, Instant};

use llm_types::ApiError;

use super::{Attempts, State, Step};
use crate::budget::Spent;
use crate::lease::Lease;
use crate::record::{Because, End};

impl<T> Attempts<T> {
    /// When a second deployment is to be asked with [`Attempts::hedge`], if nothing has come by then.
    #[must_use]
    pub fn hedge_at(&self) -> Option<Instant> {
        let after = self.group.policy.hedge?;
        let [flight] = &*self.flights else {
            return None;
        };
        let streams = self.needs.as_ref().is_some_and(|needs| needs.stream);
        let may = streams && !self.hedged && self.most > 0;
        flight.started().checked_add(after).filter(|at| may && *at < self.deadline)
    }

    /// Asks a second deployment beside the one under way: its position, or `None` when there is nobody to ask
    /// or the allowance for hedges is spent. From then on, come back with [`Attempts::failed`] and
    /// [`Attempts::answered_by`].
    pub fn hedge(&mut self, now: Instant) -> Option<usize> {
        if self.hedge_at().is_none_or(|at| now < at) {
            return None;
        }
        // One try, whatever comes of it.
        self.hedged = true;
        let choice = self.choose(now)?;
        if !self.budget.take(Spent::Hedge, now) {
            if let Some(seat) = self.group.seats.get(choice.index) {
                seat.stats.give_back(&choice.grant, now);
            }
            self.retrace_choice(None);
            return None;
        }
        self.hedges += 1;
        match self.start(choice, now, Duration::ZERO) {
            Step::Try(index) => {
                if let Some(attempt) = self.record.attempts.last_mut() {
                    attempt.because = Because::Hedge;
                }
                self.retrace_choice(Some((index, Because::Hedge)));
                Some(index)
            }
            Step::Wait(_) | Step::Fail => None,
        }
    }

    /// How many attempts are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.flights.len()
    }

    /// The attempt on the deployment at this position failed: what to do now, or `None` while another one is
    /// still waited for.
    pub fn failed(&mut self, index: usize, now: Instant, error: &ApiError) -> Option<Step> {
        self.close(index, now, error);
        if !self.flights.is_empty() {
            return None;
        }
        self.state = State::Done;
        Some(self.after_failure(now, error).unwrap_or_else(|end| self.give_up(end, now)))
    }

    /// The attempt on the deployment at this position, beside another one, is not sent after all: it is as if it had not
    /// been asked.
    pub fn withdraw(&mut self, index: usize, now: Instant) {
        let Some(at) = self.flights.iter().position(|flight| flight.index() == index) else { return };
        self.flights.remove(at).cancel(now);
        let sent = self.record.attempts.iter().rposition(|attempt| attempt.index == index);
        if let Some(sent) = sent {
            let attempt = self.record.attempts.remove(sent);
            if attempt.because == Because::Hedge {
                self.hedges -= 1;
                self.budget.give_back(Spent::Hedge, now);
                self.retrace_choice(None);
            }
        }
        self.tried.clear(index);
    }

    /// The deployment at this position is asked from now on only: what was done before says nothing about it.
    pub fn restart(&mut self, index: usize, now: Instant) {
        if let Some(flight) = self.flights.iter_mut().find(|flight| flight.index() == index) {
            flight.restart(now);
        }
    }

    /// The deployment at this position answered first. The others are to be cancelled; they are booked as lost.
    pub fn answered_by(&mut self, index: usize, now: Instant) -> Option<Lease<T>> {
        let at = self.flights.iter().position(|flight| flight.index() == index)?;
        let mut lease = self.flights.remove(at);
        lease.note_answer(now);
        for lost in std::mem::take(&mut self.flights) {
            lost.note_loss(now);
            if let Some(attempt) = self.running(lost.index()) {
                attempt.lost = true;
                attempt.took = Some(now.saturating_duration_since(attempt.started));
            }
        }
        if let Some(attempt) = self.running(index) {
            attempt.took = Some(now.saturating_duration_since(attempt.started));
        }
        if let (Some(needs), Some(seat)) = (&self.needs, self.group.seats.get(index)) {
            self.group.prefixes.note(&needs.prefixes, seat.key, now);
        }
        self.record.end = Some(End::Answered);
        self.state = State::Done;
        Some(lease)
    }
}
