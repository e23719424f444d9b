//! The money of transcripts: what the provider writes down of what the client speaks, by a model of its own.
//!
//! The client turns them on for the session, and the provider makes one of each piece of sound. So the money for the next
//! one is reserved as soon as they are on, before it may begin; when it begins, that for the one behind it is. Where there
//! is none, they are turned off. The provider may still write some then, of what was handed in before: what it says that
//! they used is booked as well. Only once it has said that it writes any does one that nobody heard of again cost anything.

use std::sync::Arc;

use http::StatusCode;
use llm_cost::Asked as Priced;
use llm_governance::{Grant, Now, PriceBound, Seating};
use llm_providers::realtime::transcript::Wish;
use llm_router::Facts;
use llm_types::{ApiError, ErrorKind, Result, Usage};

use super::meter::Meter;
use crate::attempt::Attempt;
use crate::ticket::tokens;
use crate::worst::{self, media};

/// The longest piece of sound that is believed, in ms: as long as a session.
const LONGEST: u64 = 60 * 60 * 1000;
/// The most transcripts under way.
const MOST: usize = 64;

/// The transcripts of a session.
#[derive(Debug, Default)]
pub(super) struct Transcripts {
    /// By whom they are written; `None`: there are to be none.
    on: Option<On>,
    /// By whom they were written before.
    was: Option<On>,
    /// Whether the provider has said that it writes them.
    confirmed: bool,
    /// The money of the next one.
    next: Option<Paid>,
    /// Those under way, by their items.
    running: Vec<(String, On, Paid)>,
}

/// A transcript that is let in: it is no request of its own, and its tokens count.
#[derive(Debug)]
struct Paid {
    attempt: Attempt,
    grant: Option<Grant>,
}

#[derive(Debug, Clone)]
struct On {
    model: Arc<str>,
    bound: Option<PriceBound>,
}

impl Meter {
    /// The client wants transcripts, or none.
    ///
    /// # Errors
    /// 402 where they are not affordable or nobody knows what they cost, 503 where the money is elsewhere. Then nothing has
    /// changed, and the provider is not to hear of it.
    pub(super) async fn wish(&mut self, wish: &Wish) -> Result<()> {
        let Some(model) = &wish.model else {
            self.silence();
            return Ok(());
        };
        // Clients state all settings to change one.
        let same = self.transcripts.on.as_ref().is_some_and(|on| *on.model == **model);
        if same && self.transcripts.next.is_some() {
            return Ok(());
        }
        let on = On { model: model.as_str().into(), bound: self.bound_of_transcript(model) };
        let next = self.pay_transcript(&on).await?;
        self.transcripts.next = Some(next);
        self.transcripts.on = Some(on);
        Ok(())
    }

    /// There are to be no transcripts from here on.
    pub(super) fn silence(&mut self) {
        let Transcripts { on, was, next, .. } = &mut self.transcripts;
        *was = on.take().or(was.take());
        *next = None;
    }

    /// The provider has told its settings.
    pub(super) fn transcripts_are(&mut self, on: bool) {
        self.transcripts.confirmed = on;
    }

    /// Whether transcripts are on their way.
    pub(super) fn is_writing(&self) -> bool {
        self.transcripts.confirmed && !self.transcripts.running.is_empty()
    }

    /// A piece of sound was handed in, of which there will be a transcript.
    ///
    /// # Errors
    /// As [`wish`](Self::wish), of the one behind it: then they are to be turned off.
    pub(super) async fn transcript_begun(&mut self, item: String) -> Result<()> {
        let Some(on) = self.transcripts.on.clone() else { return Ok(()) };
        let paid = match self.transcripts.next.take() {
            Some(paid) => paid,
            None => self.pay_transcript(&on).await?,
        };
        paid.attempt.sent();
        self.transcripts.running.push((item, on.clone(), paid));
        if self.transcripts.running.len() >= MOST {
            if self.transcripts.confirmed {
                return Err(ApiError::bad_request("the session has as many transcripts under way as it may"));
            }
            let (_, _, Paid { attempt, .. }) = self.transcripts.running.remove(0);
            attempt.forget();
        }
        self.transcripts.next = Some(self.pay_transcript(&on).await?);
        Ok(())
    }

    /// A transcript is there.
    pub(super) async fn transcript_done(&mut self, item: &str, usage: Option<&Usage>) {
        self.transcripts.confirmed = true;
        let Some((on, Paid { mut attempt, grant })) =
            self.transcript_of(item).or_else(|| self.unasked(usage))
        else {
            return;
        };
        attempt.names(Some(&on.model));
        if let Some(grant) = grant {
            grant.finish(usage.map(tokens).unwrap_or_default(), Now::read());
        }
        let Some(usage) = usage else {
            if let Some(bound) = on.bound.filter(|_| attempt.is_hard()) {
                attempt.pays_flat(bound.total());
            }
            attempt.settle(None, 0).1.await;
            return;
        };
        self.add_to_total(usage);
        let provider = &*self.deployment.target.provider;
        let asked = Priced { deployment: "", provider, model: &on.model, served: None, picture: None };
        let cost = self.snapshot.prices.cost(&asked, usage);
        attempt.settle_at(usage, cost.known(), cost.total().is_none()).await;
    }

    /// There is no transcript of it.
    pub(super) fn transcript_failed(&mut self, item: &str) {
        self.transcripts.confirmed = true;
        let Some((on, Paid { mut attempt, .. })) = self.transcript_of(item) else { return };
        attempt.names(Some(&on.model));
        let mut error = ApiError::upstream(ErrorKind::BadRequest, "the upstream wrote no transcript");
        error.upstream_status = Some(StatusCode::BAD_REQUEST);
        attempt.fail(&error);
    }

    /// The session is over: what was under way costs a hard budget what was reserved.
    pub(super) fn end_transcripts(&mut self) {
        self.silence();
        let Transcripts { running, confirmed, .. } = &mut self.transcripts;
        for (_, on, Paid { mut attempt, .. }) in running.drain(..) {
            if !*confirmed {
                attempt.forget();
                continue;
            }
            attempt.names(Some(&on.model));
            if let Some(bound) = on.bound.filter(|_| attempt.is_hard()) {
                attempt.pays_flat(bound.total());
            }
        }
    }

    /// The one that this item has.
    fn transcript_of(&mut self, item: &str) -> Option<(On, Paid)> {
        let running = &mut self.transcripts.running;
        let place = running.iter().position(|(running, ..)| running == item)?;
        let (_, on, paid) = running.remove(place);
        Some((on, paid))
    }

    /// One that nobody let in, and that says what it used: it is booked nevertheless.
    fn unasked(&mut self, usage: Option<&Usage>) -> Option<(On, Paid)> {
        let Transcripts { on, was, .. } = &self.transcripts;
        let on = on.as_ref().or(was.as_ref()).filter(|_| usage.is_some())?.clone();
        let attempt = self.attempt_unasked(on.bound);
        attempt.sent();
        Some((on, Paid { attempt, grant: None }))
    }

    async fn pay_transcript(&mut self, on: &On) -> Result<Paid> {
        let paid = self.let_in_at(on.bound, Seating::First).await;
        paid.map(|(attempt, grant)| Paid { attempt, grant }).map_err(|mut error| {
            error.message = format!("input audio transcription by `{}`: {}", on.model, error.message);
            error
        })
    }

    /// The most that a transcript can cost; `None`: nobody knows.
    fn bound_of_transcript(&self, model: &str) -> Option<PriceBound> {
        let provider = &*self.deployment.target.provider;
        let facts = worst::price::lengths(&self.snapshot, (provider, model), &Facts::default());
        let asked = Priced { deployment: "", provider, model, served: None, picture: None };
        let bound = worst::price::bound(&self.snapshot, &asked, &media::of_heard(LONGEST, &facts))?;
        Some(PriceBound::fixed(bound.total()))
    }
}
