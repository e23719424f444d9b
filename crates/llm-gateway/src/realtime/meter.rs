//! The money of a session: each response is an attempt with a reservation and a row of its own.
//!
//! A response may begin without a word of the client (the provider hears that somebody has stopped to speak), so money
//! for one is always reserved ahead while none runs. Where it cannot be, the session is over.

use std::sync::Arc;

use llm_cost::{Asked, Bound, Classes, Services, Worst};
use llm_governance::PriceBound;
use llm_providers::target::Target;
use llm_router::Deployment;
use llm_types::{ApiError, Result, Units, Usage};

use super::dial::Dialled;
use super::entry::Entry;
use crate::attempt::Attempt;
use crate::backend::Backend;
use crate::snapshot::Snapshot;
use crate::ticket::Ticket;

/// The most responses that may run at once.
const MOST: usize = 16;

/// Counts and pays the responses of a session.
#[derive(Debug)]
pub(super) struct Meter {
    /// `None`: the session is over.
    ticket: Option<Ticket>,
    /// How it was let in; `None`: nothing is counted.
    entry: Option<Entry>,
    /// What was used since then.
    since: Usage,
    deployment: Arc<Deployment<Backend>>,
    target: Arc<Target>,
    bound: Option<PriceBound>,
    /// Paid for and not begun.
    ahead: Option<Attempt>,
    running: Vec<(String, Attempt)>,
    total: Usage,
}

impl Meter {
    /// Of a session with whom was reached.
    pub(super) fn new(
        snapshot: &Snapshot,
        (ticket, entry): (Ticket, Option<Entry>),
        dialled: &Dialled,
    ) -> Self {
        let Dialled { deployment, target, .. } = dialled;
        let pays = ticket.pays(&deployment.target.provider);
        let bound = if pays { bound(snapshot, deployment, target) } else { None };
        Self {
            ticket: Some(ticket),
            entry,
            since: Usage::default(),
            deployment: Arc::clone(deployment),
            target: Arc::clone(target),
            bound,
            ahead: None,
            running: Vec::new(),
            total: Usage::default(),
        }
    }

    /// Sees to it that the next response is within the limits and paid for.
    ///
    /// # Errors
    /// 429 for limits, 402 where it is not affordable, 503 where the money is elsewhere.
    pub(super) async fn reserve(&mut self) -> Result<()> {
        self.enter_again().await?;
        if self.ahead.is_none()
            && let Some(ticket) = &mut self.ticket
        {
            let attempt = ticket.attempt(&self.deployment, &self.target, self.bound).await;
            self.ahead = Some(attempt.map_err(|refusal| refusal.error)?);
        }
        Ok(())
    }

    /// What was used so far counts now, and the next response as a request of its own.
    async fn enter_again(&mut self) -> Result<()> {
        if self.since.is_empty() {
            return Ok(());
        }
        let since = std::mem::take(&mut self.since);
        let (Some(ticket), Some(entry)) = (&mut self.ticket, &self.entry) else { return Ok(()) };
        let renewed = ticket.renew(&since, entry.enter()).await;
        // Nothing goes on that nobody let in.
        renewed.map_err(|refusal| {
            self.ticket = None;
            refusal.error
        })
    }

    /// A response begins.
    ///
    /// # Errors
    /// Where it is one more than are paid for, and not affordable.
    pub(super) async fn begun(&mut self, id: String) -> Result<()> {
        if self.running.len() >= MOST {
            return Err(ApiError::bad_request("the session runs as many responses at once as it may"));
        }
        self.reserve().await?;
        if let Some(mut attempt) = self.ahead.take() {
            attempt.sent();
            attempt.begun();
            self.running.push((id, attempt));
        }
        Ok(())
    }

    /// A response is over: what it cost is written down.
    pub(super) async fn ended(&mut self, id: &str, usage: Option<&Usage>) {
        let place = self.running.iter().position(|(running, _)| running == id);
        let attempt = match place {
            Some(place) => Some(self.running.swap_remove(place).1),
            None => self.ahead.take().inspect(Attempt::sent),
        };
        // One that failed or was cancelled before it said anything used nothing.
        let none = Usage::default();
        let usage = usage.unwrap_or(&none);
        self.total = self.total.clone().and(usage);
        self.since = self.since.clone().and(usage);
        if let Some(attempt) = attempt {
            attempt.settle(Some(usage), 0).1.await;
        }
    }

    /// Whether a response runs.
    pub(super) fn is_busy(&self) -> bool {
        !self.running.is_empty()
    }

    /// The session is over. Of what still ran nobody will say what it used: what was reserved for it is paid. Tells
    /// what was used in all.
    pub(super) fn finish(&mut self) -> Usage {
        // What was never begun was not sent: its money goes back.
        self.ahead = None;
        for (_, mut attempt) in self.running.drain(..) {
            if let Some(bound) = &self.bound {
                attempt.pays_flat(bound.total());
            }
        }
        if let Some(ticket) = self.ticket.take() {
            ticket.finish(Some(&self.since));
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
    let asked = Asked { deployment: &deployment.id, provider, model, served: None, picture: None };
    let Bound { fixed, per_output_token, output_tokens } = snapshot.prices.bound(&asked, &worst)?;
    Some(PriceBound { fixed, per_output_token, output_tokens, clamp_to: None })
}
