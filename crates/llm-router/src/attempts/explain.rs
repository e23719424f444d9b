//! What was considered, and what to tell a client.
//!
//! Worked out when asked for, save for a sampled request, where each decision is kept as it was made.

use std::fmt::Write;
use std::time::Instant;

use llm_types::{ApiError, ErrorKind, Origin};

use super::Attempts;
use crate::choose::{Ask, Ranks};
use crate::mask::Mask;
use crate::picker::{Estimate, PickCx};
use crate::pool::{Pool, Seat};
use crate::record::{Because, Decision, Reason, Verdict};
use crate::stats::Standing;

/// The most deployments that an error names.
const NAMED: usize = 10;

impl<T> Attempts<T> {
    /// What becomes of each deployment, in the group's order, as things are at this time.
    #[must_use]
    pub fn verdicts(&self, now: Instant) -> Vec<Verdict> {
        (0..self.group.deployments.len()).map(|index| self.verdict(index, now)).collect()
    }

    /// The failure to tell the client after [`super::Step::Fail`]: the last one, and with several attempts in
    /// words that name each of them.
    #[must_use]
    pub fn failure(&self) -> ApiError {
        let Some(last) = self.record.last_error() else {
            return self.nobody();
        };
        let mut error = last.clone();
        if self.record.attempts.len() > 1 && !self.is_refused_everywhere(last) {
            let mut text = String::new();
            self.record.causes(&self.group, &mut text);
            error.message = format!("all {} attempts failed: {text}", self.record.attempts.len());
            // The text names providers itself.
            error.provider = None;
        }
        error
    }

    /// Whether we ourselves refused the request, everywhere for the same reason: then that is all there is to say.
    fn is_refused_everywhere(&self, last: &ApiError) -> bool {
        let same = |error: &ApiError| error.origin == Origin::Gateway && error.message == last.message;
        self.record.attempts.iter().all(|attempt| attempt.error.as_ref().is_some_and(same))
    }

    /// The kind of [`Attempts::failure`].
    pub(crate) fn failure_kind(&self) -> ErrorKind {
        self.record.last_error().map_or_else(|| self.nobody().kind, |error| error.kind)
    }

    /// Why nobody could be asked.
    fn nobody(&self) -> ApiError {
        let name = &self.group.name;
        if self.record.attempts.iter().any(|attempt| attempt.took.is_some()) {
            return ApiError::new(ErrorKind::Unavailable, format!("no deployment of `{name}` answered"));
        }
        let mut text = format!("no deployment of `{name}` can take this request");
        let mut separator = ": ";
        let (mut full, mut too_long, mut unwell, mut against) = (false, false, false, 0);
        let mut wait = None;
        for (index, deployment) in self.group.deployments.iter().enumerate() {
            let Some(reason) = self.against(index) else {
                continue;
            };
            against += 1;
            let left = match reason {
                Reason::Minute(left) => left,
                Reason::Resting(left) | Reason::Cooling(left) => Some(left),
                _ => None,
            };
            wait = wait.into_iter().chain(left).min();
            full |= matches!(reason, Reason::Minute(_) | Reason::Resting(_) | Reason::Parallel);
            too_long |= matches!(reason, Reason::ContextWindow { .. });
            unwell |= reason.is_health();
            if against <= NAMED {
                // Writing to a `String` cannot fail.
                let _ = write!(text, "{separator}{deployment}: {reason}");
                separator = "; ";
            }
        }
        if against > NAMED {
            let _ = write!(text, "; and {} more", against - NAMED);
        }
        // Whoever is full could take it later; without one of them nobody ever will.
        let kind = match (full, too_long) {
            (true, _) => ErrorKind::RateLimit,
            (false, true) => ErrorKind::ContextWindow,
            (false, false) if unwell || against == 0 => ErrorKind::Unavailable,
            // It asks for what nobody has.
            (false, false) => ErrorKind::BadRequest,
        };
        let mut error = ApiError::new(kind, text);
        error.retry_after = wait;
        error
    }

    fn verdict(&self, index: usize, now: Instant) -> Verdict {
        if self.tried.has(index) {
            return Verdict::Tried;
        }
        match self.unable(index).or_else(|| self.obstacle(index, now)) {
            Some(reason) => Verdict::PassedOver(reason),
            None => Verdict::NotPicked,
        }
    }

    /// What stands against a deployment when the request ended.
    fn against(&self, index: usize) -> Option<Reason> {
        self.unable(index).or_else(|| self.obstacle(index, self.ended?))
    }

    /// What of the deployment keeps it from answering this request, whatever its health.
    fn unable(&self, index: usize) -> Option<Reason> {
        if self.able.has(index) {
            return None;
        }
        if let Some((_, why)) = self.refused.iter().find(|(refused, _)| *refused == index) {
            return Some(Reason::Caller(why));
        }
        self.needs.as_ref()?.unmet(self.group.get(index)?)
    }

    /// What of the deployment's health and limits stands against it.
    pub(super) fn obstacle(&self, index: usize, now: Instant) -> Option<Reason> {
        self.group.obstacle(index, self.needs.as_deref(), now)
    }

    /// What is thought of everybody, for the record of a sampled request: before one of them has it, or what it is
    /// chosen by would count the request itself.
    pub(super) fn weigh(&self, open: &Mask, ask: &Ask<'_>) -> Option<Weighed> {
        self.record.trace.as_ref()?;
        let Ranks { compared, later } = self.group.ranks(open, ask);
        let mut waiting = open.clone();
        waiting.remove(&compared);
        waiting.remove(&later);
        let is_due = |seat: &Seat| seat.stats.standing(ask.cx.now) == Standing::ProbeDue;
        waiting.keep(|index| self.group.seats.get(index).is_some_and(is_due));
        Some(Weighed { waiting, ..self.weigh_all(compared, later, &ask.cx) })
    }

    /// As [`Attempts::weigh`], where the strategy is not asked.
    pub(super) fn weigh_none(&self, cx: &PickCx) -> Option<Weighed> {
        self.record.trace.as_ref()?;
        let none = Mask::none(self.group.seats.len());
        Some(self.weigh_all(none.clone(), none, cx))
    }

    fn weigh_all(&self, compared: Mask, later: Mask, cx: &PickCx) -> Weighed {
        let picker = &self.group.picker;
        let score = |(index, seat)| {
            let estimate = picker.estimate(seat, cx);
            if compared.has(index) { estimate } else { Estimate { score: None, ..estimate } }
        };
        let mut estimates: Vec<_> = self.group.seats.iter().enumerate().map(score).collect();
        picker.compare(&Pool::new(&self.group.seats, &compared), cx, &mut estimates);
        Weighed { at: cx.now, later, waiting: Mask::none(self.group.seats.len()), estimates }
    }

    /// Keeps a decision of a sampled request.
    pub(super) fn trace_choice(&mut self, weighed: Option<Weighed>, chosen: Option<(usize, Because)>) {
        let Some(Weighed { at, later, waiting, estimates }) = weighed else {
            return;
        };
        let by_strategy = matches!(chosen, Some((_, Because::Strategy)));
        let candidates = estimates.into_iter().enumerate().map(|(index, estimate)| {
            // The one that was chosen has its place already and may be full with it.
            let verdict = match chosen {
                Some((chosen, _)) if chosen == index => return (Verdict::NotPicked, estimate),
                _ => self.verdict(index, at),
            };
            let against = estimate.against.filter(|_| by_strategy);
            let reason = against.or_else(|| later.has(index).then_some(Reason::Later));
            let reason = reason.or_else(|| waiting.has(index).then_some(Reason::Waiting));
            match (verdict, reason) {
                (Verdict::NotPicked, Some(reason)) => (Verdict::PassedOver(reason), estimate),
                (verdict, _) => (verdict, estimate),
            }
        });
        let decision = Decision { at, candidates: candidates.collect(), chosen };
        if let Some(trace) = &mut self.record.trace {
            trace.decisions.push(decision);
        }
    }

    /// Corrects what came of the last decision of a sampled request.
    pub(super) fn retrace_choice(&mut self, chosen: Option<(usize, Because)>) {
        let trace = self.record.trace.as_mut();
        if let Some(decision) = trace.and_then(|trace| trace.decisions.last_mut()) {
            decision.chosen = chosen;
        }
    }
}

/// What was thought of everybody before a choice.
#[derive(Debug)]
pub(super) struct Weighed {
    at: Instant,
    /// Those whose turn comes after that of whoever was compared.
    later: Mask,
    /// Those whose probe is due, where this request must not be one.
    waiting: Mask,
    estimates: Vec<Estimate>,
}
