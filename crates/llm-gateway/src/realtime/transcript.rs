//! The money of transcripts: what the provider writes down of what the client speaks, by a model of its own.
//!
//! The client turns them on for the session, and the provider makes one of each piece of sound. So the money for the next
//! one is reserved as soon as they are on, before it may begin; when it begins, that for the one behind it is. Where there
//! is none, they are turned off.

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
    /// By whom they are written; `None`: there are none.
    on: Option<On>,
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
        let on = On { model: model.as_str().into(), bound: self.bound_of_transcript(model) };
        let next = self.pay_transcript(&on).await?;
        self.transcripts.next = Some(next);
        self.transcripts.on = Some(on);
        Ok(())
    }

    /// There are no transcripts from here on.
    pub(super) fn silence(&mut self) {
        (self.transcripts.on, self.transcripts.next) = (None, None);
    }

    /// A piece of sound was handed in, of which there will be a transcript.
    ///
    /// # Errors
    /// As [`wish`](Self::wish), of the one behind it: then they are to be turned off.
    pub(super) async fn transcript_begun(&mut self, item: String) -> Result<()> {
        let Some(on) = self.transcripts.on.clone() else { return Ok(()) };
        let Some(paid) = self.transcripts.next.take() else { return Ok(()) };
        paid.attempt.sent();
        self.transcripts.running.push((item, on.clone(), paid));
        if self.transcripts.running.len() >= MOST {
            return Err(ApiError::bad_request("the session has as many transcripts under way as it may"));
        }
        self.transcripts.next = Some(self.pay_transcript(&on).await?);
        Ok(())
    }

    /// A transcript is there.
    pub(super) async fn transcript_done(&mut self, item: &str, usage: Option<&Usage>) {
        let Some((on, Paid { mut attempt, grant })) = self.transcript_of(item) else { return };
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
        let Some((on, Paid { mut attempt, .. })) = self.transcript_of(item) else { return };
        attempt.names(Some(&on.model));
        let mut error = ApiError::upstream(ErrorKind::BadRequest, "the upstream wrote no transcript");
        error.upstream_status = Some(StatusCode::BAD_REQUEST);
        attempt.fail(&error);
    }

    /// The session is over: what was under way costs a hard budget what was reserved.
    pub(super) fn end_transcripts(&mut self) {
        self.silence();
        for (_, on, Paid { mut attempt, .. }) in self.transcripts.running.drain(..) {
            attempt.names(Some(&on.model));
            if let Some(bound) = on.bound.filter(|_| attempt.is_hard()) {
                attempt.pays_flat(bound.total());
            }
        }
    }

    /// The one that this item has; of an item that nobody heard of, the next.
    fn transcript_of(&mut self, item: &str) -> Option<(On, Paid)> {
        let Transcripts { on, next, running } = &mut self.transcripts;
        if let Some(place) = running.iter().position(|(running, ..)| running == item) {
            let (_, on, paid) = running.swap_remove(place);
            return Some((on, paid));
        }
        let (on, paid) = (on.clone()?, next.take()?);
        paid.attempt.sent();
        Some((on, paid))
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
