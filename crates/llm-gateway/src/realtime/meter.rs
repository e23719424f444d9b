//! The money of a session: each response is a request in the limits, and an attempt with a reservation and a row of
//! its own.
//!
//! A client that asks for a response is let in, and pays, before the provider hears of it. A response that the provider
//! begins by itself (it hears that somebody has stopped to speak) is let in when it says so. What has begun and is not
//! let in is cancelled, and what it used until then is booked and counted all the same.

use std::collections::VecDeque;
use std::sync::Arc;

use http::StatusCode;
use llm_cost::{Asked as Priced, Bound, Classes, Services, Worst};
use llm_governance::{Grant, Now, PriceBound, Seating};
use llm_providers::target::Target;
use llm_router::Deployment;
use llm_types::{ApiError, ErrorKind, Op, Result, Units, Usage};

use super::dial::Dialled;
use super::entry::Entry;
use super::transcript::Transcripts;
use crate::attempt::Attempt;
use crate::backend::Backend;
use crate::belief::Belief;
use crate::snapshot::Snapshot;
use crate::ticket::{Ticket, tokens};

/// The most responses that may run at once.
const MOST: usize = 16;
/// The most of them that are followed, with those that nobody let in and that are cancelled.
const MOST_RUNNING: usize = 4 * MOST;

/// Counts and pays the responses of a session.
#[derive(Debug)]
pub(super) struct Meter {
    /// `None`: the session is over.
    ticket: Option<Ticket>,
    /// How it was let in; `None`: nothing is counted.
    entry: Option<Entry>,
    pub(super) deployment: Arc<Deployment<Backend>>,
    pub(super) target: Arc<Target>,
    /// The prices of the session.
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) transcripts: Transcripts,
    bound: Option<PriceBound>,
    /// As what the next response is let in.
    seating: Seating,
    /// Those that the client asked for and that have not begun, in their order.
    asked: VecDeque<Asked>,
    running: Vec<(String, Response)>,
    /// What was used by responses that nobody let in, and is not counted yet.
    uncounted: Usage,
    total: Usage,
}

/// A response that the client asked for.
#[derive(Debug)]
struct Asked {
    /// What the provider calls the event, and what the client does.
    event_id: String,
    own: Option<String>,
    response: Response,
}

/// A response.
#[derive(Debug)]
struct Response {
    attempt: Attempt,
    /// Its places in the limits.
    grant: Option<Grant>,
    /// It was not let in.
    stray: bool,
    /// The event that asked for it, if that was this one: what the provider calls it, and what the client does.
    event: Option<(String, Option<String>)>,
}

impl Meter {
    /// Of a session with whom was reached.
    pub(super) fn new(
        snapshot: &Arc<Snapshot>,
        (ticket, entry): (Ticket, Option<Entry>),
        dialled: &Dialled,
    ) -> Self {
        let Dialled { deployment, target, .. } = dialled;
        Self {
            ticket: Some(ticket),
            bound: entry.as_ref().and_then(|_| bound(snapshot, deployment, target)),
            entry,
            deployment: Arc::clone(deployment),
            target: Arc::clone(target),
            snapshot: Arc::clone(snapshot),
            transcripts: Transcripts::default(),
            seating: Seating::First,
            asked: VecDeque::new(),
            running: Vec::new(),
            uncounted: Usage::default(),
            total: Usage::default(),
        }
    }

    /// Whether a response could be paid now.
    ///
    /// # Errors
    /// 402 where it is not affordable, 503 where the money is elsewhere.
    pub(super) async fn check(&mut self) -> Result<()> {
        let Some(ticket) = &mut self.ticket else { return Ok(()) };
        ticket.check(&self.deployment, self.bound).await.map_err(|refusal| refusal.error)
    }

    /// The client asks for a response. Tells under which name the event goes on.
    ///
    /// # Errors
    /// 429 for limits, 402 where it is not affordable, 503 where the money is elsewhere; 401 and 403 for who may not ask
    /// any more.
    pub(super) async fn ask(&mut self, own: Option<String>) -> Result<String> {
        let response = self.let_in().await?;
        // From here on it may be billed.
        response.attempt.sent();
        let event_id = format!("event_{:032x}", rand::random::<u128>());
        self.asked.push_back(Asked { event_id: event_id.clone(), own, response });
        Ok(event_id)
    }

    /// The provider refuses an event. Tells what the client calls it, where it asked for a response.
    pub(super) fn refused(&mut self, event_id: &str) -> Option<Option<String>> {
        let Some(place) = self.asked.iter().position(|asked| asked.event_id == event_id) else {
            // The provider had begun another by itself, which took this one's place and money, and goes on.
            let is_meant = |(event, _): &mut (String, Option<String>)| event == event_id;
            let taken = self.running.iter_mut().find_map(|(_, response)| response.event.take_if(is_meant));
            return taken.map(|(_, own)| own);
        };
        let Asked { own, response, .. } = self.asked.remove(place)?;
        let mut error = ApiError::upstream(ErrorKind::BadRequest, "the upstream refused the response");
        error.upstream_status = Some(StatusCode::BAD_REQUEST);
        response.attempt.fail(&error);
        Some(own)
    }

    /// A response begins: the first that the client asked for, or one that the provider begins by itself.
    ///
    /// # Errors
    /// As [`ask`](Self::ask): then it is to be cancelled.
    pub(super) async fn begun(&mut self, id: String) -> Result<()> {
        let (mut response, result) = match self.asked.pop_front() {
            Some(Asked { event_id, own, response }) => {
                (Response { event: Some((event_id, own)), ..response }, Ok(()))
            }
            None => match self.let_in().await {
                Ok(response) => (response, Ok(())),
                Err(error) if self.running.len() >= MOST_RUNNING => return Err(error),
                Err(error) => (self.stray(), Err(error)),
            },
        };
        response.attempt.sent();
        response.attempt.begun();
        self.running.push((id, response));
        result
    }

    /// Finds a place in the limits and the money for one more response.
    async fn let_in(&mut self) -> Result<Response> {
        if self.is_full() {
            return Err(ApiError::bad_request("the session runs as many responses at once as it may"));
        }
        let (attempt, grant) = self.let_in_at(self.bound, self.seating).await?;
        self.seating = Seating::Within;
        Ok(Response { attempt, grant, stray: false, event: None })
    }

    /// The same for whatever costs at most so much, under the terms of today.
    pub(super) async fn let_in_at(
        &mut self,
        bound: Option<PriceBound>,
        seating: Seating,
    ) -> Result<(Attempt, Option<Grant>)> {
        let Some(ticket) = &mut self.ticket else { return Err(super::session::gone()) };
        let mut grant = match &mut self.entry {
            Some(entry) => {
                let entered = ticket.within(entry.enter_within(seating)).await;
                entered.map_err(|refusal| refusal.error)?
            }
            None => None,
        };
        let called = (&self.deployment, &self.target);
        let attempt = ticket.attempt_within(grant.as_mut(), called, bound).await;
        Ok((attempt.map_err(|refusal| refusal.error)?, grant))
    }

    fn is_full(&self) -> bool {
        self.running.len() + self.asked.len() >= MOST
    }

    /// A response that nobody let in.
    fn stray(&mut self) -> Response {
        Response { attempt: self.attempt_unasked(self.bound), grant: None, stray: true, event: None }
    }

    /// For what the provider does though nobody let it in.
    pub(super) fn attempt_unasked(&mut self, bound: Option<PriceBound>) -> Attempt {
        match &mut self.ticket {
            Some(ticket) => ticket.attempt_begun(&self.deployment, &self.target, bound),
            None => Attempt::free(),
        }
    }

    /// A response is over: what it cost is written down.
    pub(super) async fn ended(&mut self, id: &str, usage: Option<&Usage>, said: bool) {
        let belief = Belief::of(&self.deployment, Op::Realtime);
        let told = usage.filter(|usage| belief.holds(usage));
        // One that failed or was cancelled before it said anything used nothing.
        let none = Usage::default();
        let is_unknown = told.is_none() && (said || usage.is_some());
        let usage = told;
        let usage = usage.unwrap_or(&none);
        let place = self.running.iter().position(|(running, _)| running == id);
        let response = match place {
            Some(place) => self.running.swap_remove(place).1,
            None => match self.asked.pop_front() {
                Some(asked) => asked.response,
                None if usage.is_empty() && !said => return,
                None => self.stray(),
            },
        };
        self.total = self.total.clone().and(usage);
        let Response { mut attempt, grant, stray, event: _ } = response;
        let counted = std::mem::take(&mut self.uncounted).and(usage);
        match grant {
            Some(grant) => grant.finish(tokens(&counted), Now::read()),
            None => self.uncounted = counted,
        }
        if let Some(bound) = self.bound.filter(|_| is_unknown && !stray && attempt.is_hard()) {
            attempt.pays_flat(bound.total());
        }
        attempt.settle(Some(usage).filter(|_| !is_unknown), 0).1.await;
    }

    /// Whether a response runs, or will, or a transcript is being written.
    pub(super) fn is_busy(&self) -> bool {
        self.is_answering() || self.is_writing()
    }

    /// Whether a response runs, or will.
    pub(super) fn is_answering(&self) -> bool {
        !self.running.is_empty() || !self.asked.is_empty()
    }

    /// The responses that run.
    pub(super) fn running(&self) -> impl Iterator<Item = &str> {
        self.running.iter().map(|(id, _)| &**id)
    }

    pub(super) fn add_to_total(&mut self, usage: &Usage) {
        self.total = self.total.clone().and(usage);
    }

    /// The session is over. Of what still ran nobody will say what it used: what a hard budget reserved for it is paid.
    /// Tells what was used in all.
    pub(super) fn finish(&mut self) -> Usage {
        self.end_transcripts();
        let asked = self.asked.drain(..).map(|asked| asked.response);
        for mut response in asked.chain(self.running.drain(..).map(|(_, response)| response)) {
            if let Some(bound) = self.bound.filter(|_| !response.stray && response.attempt.is_hard()) {
                response.attempt.pays_flat(bound.total());
            }
        }
        if let Some(ticket) = self.ticket.take() {
            ticket.finish(Some(&self.uncounted));
        }
        std::mem::take(&mut self.total)
    }
}

/// The most that a response can cost: a full window of the dearest tokens.
fn bound(snapshot: &Snapshot, deployment: &Deployment<Backend>, target: &Target) -> Option<PriceBound> {
    let (provider, model) = (&*deployment.target.provider, target.model());
    let entry = snapshot.prices.entry(provider, model);
    let worst = Worst {
        input_tokens: deployment.facts.context_window.or_else(|| entry?.context_window)?,
        output_tokens: deployment.facts.max_output.or_else(|| entry?.max_output)?,
        answers: 1,
        queries: 0,
        units: Units::default(),
        classes: Classes::TOKENS,
        services: Services::STANDARD,
    };
    let asked = Priced { deployment: &deployment.id, provider, model, served: None, picture: None };
    let Bound { fixed, per_output_token, output_tokens } = snapshot.prices.bound(&asked, &worst)?;
    Some(PriceBound { fixed, per_output_token, output_tokens, clamp_to: None })
}
