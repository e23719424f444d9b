//! What was considered, and what to tell a client.
//!
//! Worked out when asked for, save for a sampled request, where each decision is kept as it was made.

use std::fmt::Write;
use std::time::Instant;

use llm_types::{ApiError, ErrorKind, Origin};

use super::Attempts;
use super::paused::SOON;
use crate::candidates::Candidates;
use crate::choose::Compared;
use crate::picker::PickCx;
use crate::pool::Pool;
use crate::record::{Because, Decision, Reason, Trace, Verdict};
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
        // Whoever of them is to be asked first, not whoever said so last.
        let paused = self.ended.and_then(|ended| self.all_paused(ended));
        if let (Some((_, wait)), true) = (paused, error.kind == ErrorKind::RateLimit) {
            error.retry_after = Some(wait);
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
        let paused = self.ended.and_then(|ended| self.all_paused(ended));
        let mut text = match paused {
            Some(_) => format!("the providers of `{name}` have asked for a pause"),
            None => format!("no deployment of `{name}` can take this request"),
        };
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
                Reason::Parallel => Some(SOON),
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
        let kind = match (full || paused.is_some(), too_long) {
            (true, _) => ErrorKind::RateLimit,
            (false, true) => ErrorKind::ContextWindow,
            (false, false) if unwell || against == 0 => ErrorKind::Unavailable,
            // It asks for what nobody has.
            (false, false) => ErrorKind::BadRequest,
        };
        let mut error = ApiError::new(kind, text);
        error.retry_after = paused.map(|(_, wait)| wait).or(wait);
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

    /// Sees what becomes of everybody and what is thought of those that are compared: before one of them has the request,
    /// or what it is chosen by would count the request itself. `None`: the strategy is not asked.
    pub(super) fn look(&self, seen: &mut Candidates, compared: Option<Compared<'_>>, cx: &PickCx) {
        if self.record.trace.is_none() {
            return;
        }
        seen.begin(self.group.seats.len());
        // Mostly nothing stands against anybody.
        if !compared.is_some_and(|compared| compared.looked && compared.open.count() == seen.len()) {
            for index in 0..seen.len() {
                seen.judge(index, self.verdict_among(compared, index, cx.now));
            }
        }
        if let Some(Compared { open, .. }) = compared {
            self.group.picker.weigh(&Pool::new(&self.group.seats, open), cx, seen);
        }
    }

    /// As [`Attempts::verdict`] while a choice is made: also who has to wait for the next one.
    fn verdict_among(&self, compared: Option<Compared<'_>>, index: usize, now: Instant) -> Verdict {
        let Some(Compared { tier, open, looked }) = compared else {
            return self.verdict(index, now);
        };
        if looked && open.has(index) {
            return Verdict::NotPicked;
        }
        let seat = || self.group.seats.get(index);
        let is_due = || seat().is_some_and(|seat| seat.stats.standing(now) == Standing::ProbeDue);
        match self.verdict(index, now) {
            Verdict::NotPicked if !tier.has(index) => Verdict::PassedOver(Reason::Later),
            Verdict::NotPicked if !open.has(index) && is_due() => Verdict::PassedOver(Reason::Waiting),
            verdict => verdict,
        }
    }

    /// Takes note of what stands against each deployment now, where no decision was kept: for a request that nobody has
    /// answered.
    pub(crate) fn trace_end(&mut self, now: Instant) {
        if self.record.trace.is_some() {
            return;
        }
        let mut candidates = Candidates::new(self.group.seats.len());
        for index in 0..candidates.len() {
            candidates.judge(index, self.verdict(index, now));
        }
        let mut trace = Trace::default();
        trace.decisions.push(Decision { at: now, candidates, chosen: None });
        self.record.trace = Some(Box::new(trace));
    }

    /// Keeps a decision of a sampled request.
    pub(super) fn trace_choice(
        &mut self,
        mut seen: Candidates,
        at: Instant,
        chosen: Option<(usize, Because)>,
    ) {
        let Some(trace) = &mut self.record.trace else {
            return;
        };
        if let Some((index, because)) = chosen {
            if because != Because::Strategy {
                seen.instead(because);
            }
            seen.judge(index, Verdict::NotPicked);
        }
        trace.decisions.push(Decision { at, candidates: seen, chosen });
    }

    /// Corrects what came of the last decision of a sampled request.
    pub(super) fn retrace_choice(&mut self, chosen: Option<(usize, Because)>) {
        let trace = self.record.trace.as_mut();
        if let Some(decision) = trace.and_then(|trace| trace.decisions.last_mut()) {
            decision.chosen = chosen;
        }
    }
}
