//! The money of transcripts: what the provider writes down of what the client speaks, by a model of its own.
//!
//! The client turns them on for the session, and the provider makes one of each piece of sound. So the money for the next
//! one is reserved as soon as they are on, before it may begin; when it begins, that for the one behind it is. Where there
//! is none, they are turned off; where there is only no room at the moment, until there is. The provider may still write some
//! then, of what was handed in before: what it says that they used is booked as well. Only once it has said that it writes
//! any does one that nobody heard of again cost anything. Which model writes is what the provider has said last: a client may
//! have asked for another one meanwhile.

use std::sync::Arc;

use http::StatusCode;
use llm_cost::Asked as Priced;
use llm_governance::{Grant, Now, PriceBound, Seating};
use llm_providers::realtime::transcript::Wish;
use llm_router::Facts;
use llm_types::{ApiError, ErrorKind, Result, Usage};

use super::meter::Meter;
use crate::attempt::Attempt;
use crate::belief::Belief;
use crate::ticket::tokens;
use crate::worst::{self, media};

/// The longest piece of sound that is believed, in ms: as long as a session.
const LONGEST: u64 = 60 * 60 * 1000;
/// The most transcripts under way.
const MOST: usize = 64;

/// Bytes of sound in a millisecond: 24,000 samples a second, of two bytes.
const BYTES_PER_MS: u64 = 48;

/// The transcripts of a session.
#[derive(Debug, Default)]
pub(super) struct Transcripts {
    /// By whom the client wants them; `None`: there are to be none.
    on: Option<On>,
    /// By whom it wanted them before.
    was: Option<On>,
    /// By whom the provider says that it writes them.
    told: Option<On>,
    /// By whom they are to be written as soon as there is room in the limits.
    muted: Option<On>,
    /// Whether the provider has said that it writes them.
    confirmed: bool,
    /// The money of the next one, by each model that may write it.
    next: Vec<(Arc<str>, Paid)>,
    running: Vec<Running>,
    /// Bytes of sound since the last piece.
    sound: u64,
}

/// A transcript under way.
#[derive(Debug)]
struct Running {
    item: String,
    on: On,
    /// `None`: it was not let in.
    paid: Option<Paid>,
    /// How long its sound is, about.
    heard_ms: u64,
    /// The provider said that it writes them, before it said that it does not.
    sure: bool,
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
    /// The events that ask for them.
    events: Arc<[String]>,
}

impl On {
    /// Whether the provider means this one: it may call it by a longer name.
    fn is(&self, model: &str) -> bool {
        model.is_empty() || (!self.model.is_empty() && model.starts_with(&*self.model))
    }
}

impl Transcripts {
    fn take_next(&mut self, model: &str) -> Option<Paid> {
        let place = self.next.iter().position(|(of, _)| **of == *model)?;
        Some(self.next.swap_remove(place).1)
    }

    fn put_next(&mut self, model: &Arc<str>, paid: Paid) {
        self.next.retain(|(of, _)| of != model);
        self.next.push((Arc::clone(model), paid));
    }

    /// Gives back the money of those that nobody will write.
    fn tidy(&mut self) {
        let Self { on, told, next, .. } = self;
        let is_wanted = |model: &str| [&*on, &*told].into_iter().flatten().any(|on| *on.model == *model);
        next.retain(|(model, _)| is_wanted(model));
    }
}

impl Meter {
    /// The client wants transcripts, or none.
    ///
    /// # Errors
    /// 402 where they are not affordable or nobody knows what they cost, 429 for limits, 503 where the money is elsewhere.
    /// Then nothing has changed, and the provider is not to hear of it.
    pub(super) async fn wish(&mut self, wish: &Wish) -> Result<()> {
        let Some(model) = &wish.model else {
            self.silence();
            return Ok(());
        };
        let on = On {
            model: model.as_str().into(),
            bound: self.bound_of_transcript(model),
            events: wish.again.as_slice().into(),
        };
        // Clients state all settings to change one.
        let same = self.transcripts.on.as_ref().is_some_and(|on| *on.model == **model);
        if !(same && self.transcripts.next.iter().any(|(of, _)| **of == **model)) {
            let next = self.pay_transcript(&on).await?;
            self.transcripts.put_next(&on.model, next);
        }
        let before = self.transcripts.on.replace(on);
        self.transcripts.was = before.or(self.transcripts.was.take());
        self.transcripts.muted = None;
        self.transcripts.tidy();
        Ok(())
    }

    /// There are to be no transcripts from here on.
    pub(super) fn silence(&mut self) {
        let Transcripts { on, was, muted, next, .. } = &mut self.transcripts;
        *was = on.take().or(was.take());
        *muted = None;
        next.clear();
    }

    /// There are to be none until there is room for them.
    pub(super) fn mute(&mut self) {
        let on = self.transcripts.on.clone();
        self.silence();
        self.transcripts.muted = on;
    }

    /// A piece of sound was handed in: whether there is room for the transcript of the next one again. Tells the events
    /// that ask for them.
    pub(super) async fn unmute(&mut self) -> Option<Arc<[String]>> {
        let on = self.transcripts.muted.clone()?;
        let next = self.pay_transcript(&on).await.ok()?;
        self.transcripts.put_next(&on.model, next);
        self.transcripts.muted = None;
        let events = Arc::clone(&on.events);
        self.transcripts.on = Some(on);
        Some(events)
    }

    /// The client hands in sound.
    pub(super) fn hears(&mut self, bytes: u64) {
        self.transcripts.sound = self.transcripts.sound.saturating_add(bytes);
    }

    /// The provider has told its settings.
    pub(super) fn transcripts_are(&mut self, model: Option<&str>) {
        let Transcripts { on, was, told, .. } = &self.transcripts;
        let now = model.map(|model| {
            let all = || [on, told, was].into_iter().flatten();
            let known = all().find(|on| *on.model == *model).or_else(|| all().find(|on| on.is(model)));
            known.cloned().unwrap_or_else(|| On {
                model: model.into(),
                bound: self.bound_of_transcript(model),
                // Of one that was turned on without a name.
                events: all()
                    .find(|on| on.model.is_empty())
                    .map(|on| Arc::clone(&on.events))
                    .unwrap_or_default(),
            })
        });
        let all = &mut self.transcripts;
        if now.is_none() {
            let confirmed = all.confirmed;
            all.running.iter_mut().for_each(|running| running.sure |= confirmed);
        }
        (all.confirmed, all.told) = (now.is_some(), now);
        all.tidy();
    }

    /// Whether transcripts are on their way.
    pub(super) fn is_writing(&self) -> bool {
        let Transcripts { confirmed, running, .. } = &self.transcripts;
        running.iter().any(|running| running.paid.is_some() && (*confirmed || running.sure))
    }

    /// A piece of sound was handed in, of which there will be a transcript.
    ///
    /// # Errors
    /// As [`wish`](Self::wish), of the one behind it: then they are to be turned off.
    pub(super) async fn transcript_begun(&mut self, item: String) -> Result<()> {
        let Transcripts { on, was, told, sound, .. } = &mut self.transcripts;
        let heard_ms = (std::mem::take(sound) / BYTES_PER_MS).min(LONGEST);
        let is_on = on.is_some();
        let Some(on) = told.clone().or(on.clone()).or(was.clone()) else { return Ok(()) };
        // Turned off, and the provider may write it nevertheless.
        let paid = match self.transcripts.take_next(&on.model) {
            Some(paid) => Ok(Some(paid)),
            None if is_on => self.pay_transcript(&on).await.map(Some),
            None => Ok(None),
        };
        let (paid, refused) = paid.map_or_else(|error| (None, Err(error)), |paid| (paid, Ok(())));
        if let Some(paid) = &paid {
            paid.attempt.sent();
        }
        self.transcripts.running.push(Running { item, on: on.clone(), paid, heard_ms, sure: false });
        if self.transcripts.running.len() >= MOST {
            let known = self.transcripts.running.iter().position(|running| running.paid.is_none());
            if known.is_none() && self.transcripts.confirmed {
                return Err(ApiError::bad_request("the session has as many transcripts under way as it may"));
            }
            let Running { paid, .. } = self.transcripts.running.remove(known.unwrap_or(0));
            if let Some(Paid { attempt, .. }) = paid {
                attempt.forget();
            }
        }
        refused?;
        if is_on {
            let next = self.pay_transcript(&on).await?;
            self.transcripts.put_next(&on.model, next);
        }
        Ok(())
    }

    /// A transcript is there.
    pub(super) async fn transcript_done(&mut self, item: &str, usage: Option<&Usage>) {
        self.transcripts.confirmed = true;
        let running = self.transcript_of(item);
        let heard_ms = running.as_ref().map(|running| running.heard_ms).unwrap_or_default();
        let known = running.map(|running| (running.on, running.paid));
        let by_default = || {
            let Transcripts { told, on, was, .. } = &self.transcripts;
            Some((told.as_ref().or(on.as_ref()).or(was.as_ref())?.clone(), None))
        };
        let Some((on, paid)) = known.or_else(by_default) else { return };
        let Paid { mut attempt, grant } = match paid {
            Some(paid) => paid,
            // One that nobody let in, and that says what it used, is booked nevertheless.
            None if usage.is_some() => {
                let attempt = self.attempt_unasked(on.bound);
                attempt.sent();
                Paid { attempt, grant: None }
            }
            None => return,
        };
        let belief = Belief::within(&self.deployment.id, None);
        let usage = usage.filter(|usage| belief.holds(usage));
        attempt.names(Some(&on.model));
        if let Some(grant) = grant {
            grant.finish(usage.map(tokens).unwrap_or_default(), Now::read());
        }
        let Some(usage) = usage else {
            self.pays_unsaid(&mut attempt, &on, heard_ms);
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
        let Some(Running { on, paid: Some(Paid { mut attempt, .. }), .. }) = self.transcript_of(item) else {
            return;
        };
        attempt.names(Some(&on.model));
        let mut error = ApiError::upstream(ErrorKind::BadRequest, "the upstream wrote no transcript");
        error.upstream_status = Some(StatusCode::BAD_REQUEST);
        attempt.fail(&error);
    }

    /// The session is over: what was under way costs a hard budget what was reserved, and others what it should.
    pub(super) fn end_transcripts(&mut self) {
        self.silence();
        let confirmed = self.transcripts.confirmed;
        for running in std::mem::take(&mut self.transcripts.running) {
            let Running { on, paid: Some(Paid { mut attempt, .. }), heard_ms, sure, .. } = running else {
                continue;
            };
            if !confirmed && !sure {
                attempt.forget();
                continue;
            }
            attempt.names(Some(&on.model));
            self.pays_unsaid(&mut attempt, &on, heard_ms);
        }
    }

    /// Nobody says what it used: a hard budget pays what was reserved, others what sound of this length costs at most.
    fn pays_unsaid(&self, attempt: &mut Attempt, on: &On, heard_ms: u64) {
        let bound = match attempt.is_hard() {
            true => on.bound,
            false => self.bound_of(&on.model, heard_ms),
        };
        if let Some(bound) = bound {
            attempt.pays_flat(bound.total());
        }
    }

    /// The one that this item has.
    fn transcript_of(&mut self, item: &str) -> Option<Running> {
        let running = &mut self.transcripts.running;
        let place = running.iter().position(|running| running.item == item)?;
        Some(running.remove(place))
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
        self.bound_of(model, LONGEST)
    }

    /// The same for sound of this length.
    fn bound_of(&self, model: &str, heard_ms: u64) -> Option<PriceBound> {
        let provider = &*self.deployment.target.provider;
        let facts = worst::price::lengths(&self.snapshot, (provider, model), &Facts::default());
        let asked = Priced { deployment: "", provider, model, served: None, picture: None };
        let bound = worst::price::bound(&self.snapshot, &asked, &media::of_heard(heard_ms, &facts))?;
        Some(PriceBound::fixed(bound.total()))
    }
}
