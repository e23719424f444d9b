//! One attempt's money, and the row that tells of it.
//!
//! It ends in exactly one way: answered, broken off, refused by the provider, or never sent. Dropping it is an end as
//! well: what was sent may be billed, so it counts as broken off.
//!
//! Of an attempt that was sent and not answered nobody says what it cost. A provider writes an answer to its end, and
//! bills it, when it was asked for it whole or in the background, whoever waits: such an attempt costs all that was
//! reserved for it on hard budgets, which may be too much and is never too little. A stream ends when it is closed, so
//! it costs its prompt and as much as can have been written until then. A model that thinks may have done so unseen before
//! it spoke. Soft budgets stop nobody; they are told what is sure, the prompt.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use llm_cost::{Asked, Capabilities, Charge as Price, Picture};
use llm_governance::{Basis, Charge, PriceBound, Reservation, RowItem, RowServed, UsageRow};
use llm_providers::other_model::first;
use llm_providers::target::Target;
use llm_providers::transport::{Progress, was_sent};
use llm_types::{ApiError, ErrorKind, PicoUsd, Usage};

use crate::governance::Kept;
use crate::ticket::Account;

/// One attempt at one deployment.
#[derive(Debug)]
#[must_use = "the attempt counts as ended once this is dropped"]
pub(crate) struct Attempt(Option<Box<Open>>);

/// An attempt that is metered.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) account: Arc<Account>,
    /// From 1.
    pub(crate) number: u32,
    pub(crate) reservation: Option<Reservation>,
    pub(crate) deployment: Arc<str>,
    pub(crate) provider: Arc<str>,
    pub(crate) target: Arc<Target>,
    /// The model that the answer names, where it is another than was asked for.
    pub(crate) served: Option<Arc<str>>,
    pub(crate) began: Instant,
    pub(crate) time: Timestamp,
    /// When the first content came.
    pub(crate) first: Option<Instant>,
    /// Whether it may have reached its provider.
    pub(crate) progress: Progress,
    /// What its first requests used, where it takes several and they were answered.
    pub(crate) in_part: Option<Box<Usage>>,
    /// How many of its requests went out that may be billed, and were not answered.
    pub(crate) unanswered: u32,
    /// How its answer comes.
    pub(crate) delivery: Delivery,
    /// The most tokens of an answer that were reserved.
    pub(crate) most: u64,
    /// The prompt, where its bytes say nothing of its tokens: what was reserved for it.
    pub(crate) prompt: Option<Prompt>,
    /// What is paid where nobody says what was used.
    pub(crate) flat: Option<PicoUsd>,
    /// What it cost, where that is known otherwise than by its usage.
    pub(crate) exact: Option<PicoUsd>,
    /// That is not all of it.
    pub(crate) incomplete: bool,
    /// What is sold is no text: where nobody says how much it was, its cost is not known.
    pub(crate) no_text: bool,
    /// Which pictures it makes, if any.
    pub(crate) picture: Option<Picture>,
}

/// A prompt that is more than its bytes: pictures, sound, documents, what is stored elsewhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prompt {
    /// The most tokens that it can have.
    pub(crate) tokens: u64,
    /// What was reserved for it, and for each token of an answer.
    pub(crate) bound: PriceBound,
}

/// How an answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// At once: it is written to its end, whoever waits.
    Whole,
    /// Bit by bit: it is written as long as somebody reads it.
    Stream,
    /// In the background: what it used is told to whoever asks for it, and not here.
    Later,
}

/// The most tokens that a provider writes in a second: what a stream that said nothing can have cost.
const PACE: u128 = 500;

/// How an attempt ended.
struct End<'a> {
    usage: Option<&'a Usage>,
    /// How the usage is known, where there is one.
    basis: Basis,
    /// How many tokens of an answer came, where nobody else says it.
    received: u64,
    error: Option<&'a ApiError>,
    /// The provider is known to bill nothing.
    unbilled: bool,
}

/// What a request of so many bytes is taken to use where nobody counts it.
pub(crate) fn estimate(body: usize) -> Usage {
    let input = u64::try_from(body / 4).unwrap_or(u64::MAX);
    Usage { input, estimated: true, ..Usage::default() }
}

/// How the usage of an answer that is complete is known.
fn basis(usage: Option<&Usage>) -> Basis {
    if usage.is_some_and(|usage| usage.estimated) { Basis::Estimated } else { Basis::Reported }
}

/// Whether somebody refused to answer. Whoever stands before a provider and lost patience with it did not: the provider
/// may write on, and bill it.
fn is_refused(error: &ApiError) -> bool {
    error.upstream_status.is_some_and(|status| !matches!(status.as_u16(), 408 | 504 | 524))
}

impl Attempt {
    /// Where nothing is metered.
    pub(crate) const fn free() -> Self {
        Self(None)
    }

    pub(crate) fn begin(open: Open) -> Self {
        Self(Some(Box::new(open)))
    }

    /// Whether nothing is metered.
    pub(crate) fn is_free(&self) -> bool {
        self.0.is_none()
    }

    /// Whether its answer is made in the background.
    pub(crate) fn is_later(&self) -> bool {
        self.0.as_ref().is_some_and(|open| open.delivery == Delivery::Later)
    }

    /// How its answer comes.
    pub(crate) fn delivered(mut self, by: Delivery) -> Self {
        if let Some(open) = &mut self.0 {
            open.delivery = by;
        }
        self
    }

    /// Its prompt, where that is more than its bytes.
    pub(crate) fn of_prompt(mut self, prompt: Option<Prompt>) -> Self {
        if let Some(open) = &mut self.0 {
            open.prompt = prompt;
        }
        self
    }

    /// Which pictures it makes.
    pub(crate) fn of_picture(mut self, picture: Option<&Picture>) -> Self {
        if let Some(open) = &mut self.0 {
            open.picture = picture.cloned();
        }
        self
    }

    /// The answer limit that has to be sent, because the whole was not affordable.
    pub(crate) fn output_limit(&self) -> Option<u64> {
        self.0.as_ref()?.reservation.as_ref()?.output_limit()
    }

    /// Where nobody says what was used, this is paid.
    pub(crate) fn pays_flat(&mut self, flat: PicoUsd) {
        if let Some(open) = &mut self.0 {
            open.flat = Some(flat);
        }
    }

    /// What it asks for is not sold by its text.
    pub(crate) fn is_no_text(&mut self) {
        if let Some(open) = &mut self.0 {
            open.no_text = true;
        }
    }

    /// It is answered here, with no way to go: from here on it may be billed.
    pub(crate) fn sent(&self) {
        if let Some(progress) = self.progress() {
            progress.set(true);
        }
    }

    /// Where a transport says whether something has gone out: from then on it may be billed.
    pub(crate) fn progress(&self) -> Option<&Progress> {
        self.0.as_ref().map(|open| &open.progress)
    }

    /// One of several requests goes out.
    pub(crate) fn asked_in_part(&mut self) {
        if let Some(open) = &mut self.0 {
            open.unanswered += 1;
        }
    }

    /// One of several requests was not answered; `unbilled`: it is known to cost nothing.
    pub(crate) fn failed_in_part(&mut self, unbilled: bool) {
        if let Some(open) = &mut self.0
            && unbilled
        {
            open.unanswered = open.unanswered.saturating_sub(1);
        }
    }

    /// All of several requests have ended, and it is known which of them may be billed.
    pub(crate) fn is_known_in_part(&self) {
        if let Some(open) = &self.0 {
            open.progress.set(open.unanswered > 0);
        }
    }

    /// One of several requests was answered: that has to be paid, whatever becomes of the others.
    pub(crate) fn answered_in_part(&mut self, usage: Option<&Usage>) {
        if let Some(open) = &mut self.0 {
            open.unanswered = open.unanswered.saturating_sub(1);
            let used = usage.cloned().unwrap_or_default();
            let before = open.in_part.take();
            open.in_part = Some(Box::new(before.map_or_else(|| used.clone(), |before| before.and(&used))));
        }
    }

    /// The first content came.
    pub(crate) fn begun(&mut self) {
        if let Some(open) = &mut self.0 {
            open.first = Some(Instant::now());
        }
    }

    /// The answer names this model.
    pub(crate) fn names(&mut self, model: Option<&str>) {
        if let (Some(open), Some(model)) = (&mut self.0, model)
            && model != open.target.model()
        {
            open.served = Some(model.into());
        }
    }

    /// The answer names another model than was asked for.
    pub(crate) fn served(&mut self, served: Option<Arc<str>>) {
        if let Some(open) = &mut self.0 {
            open.served = served;
        }
    }

    /// The answer is complete; without a usage it is taken to be so many tokens. What it cost, and when its row is
    /// safe.
    pub(crate) fn settle(mut self, usage: Option<&Usage>, received: u64) -> (Option<PicoUsd>, Kept) {
        let Some(open) = self.0.take() else { return (None, Kept::default()) };
        let basis = basis(usage);
        open.end(&End { usage, basis, received, error: None, unbilled: false })
    }

    /// It is over, used this in all, and cost so much, or more where a price or a usage is not known. When its row is
    /// safe.
    pub(crate) fn settle_at(mut self, usage: &Usage, cost: PicoUsd, incomplete: bool) -> Kept {
        let Some(mut open) = self.0.take() else { return Kept::default() };
        (open.exact, open.incomplete) = (Some(cost), incomplete);
        let basis = basis(Some(usage));
        open.end(&End { usage: Some(usage), basis, received: 0, error: None, unbilled: false }).1
    }

    /// Whether it is paid from a hard budget.
    pub(crate) fn is_hard(&self) -> bool {
        let reservation = self.0.as_ref().and_then(|open| open.reservation.as_ref());
        reservation.is_some_and(Reservation::is_hard)
    }

    /// Whether it went out, and no hard budget pays for it.
    pub(crate) fn pays_softly(&self) -> bool {
        !self.is_hard() && self.progress().is_some_and(Progress::is_sent)
    }

    /// All of it, for whoever keeps it elsewhere.
    #[cfg(feature = "sql")]
    pub(crate) fn into_open(mut self) -> Option<Box<Open>> {
        self.0.take()
    }

    /// Somebody else has booked it: no row, and nothing stays reserved.
    pub(crate) fn forget(mut self) {
        if let Some(reservation) = self.0.take().and_then(|open| open.reservation) {
            reservation.release();
        }
    }

    /// What it costs will be known when this gateway is gone. What was reserved in a hard budget is charged; otherwise
    /// whoever gets to know it books it.
    pub(crate) fn leave(self) {
        if !self.is_hard() {
            self.forget();
        }
    }

    /// No answer came of it.
    pub(crate) fn fail(mut self, error: &ApiError) {
        let Some(open) = self.0.take() else { return };
        // Whoever refuses does not bill; whoever was never reached neither.
        let unbilled = is_refused(error) || !was_sent(error) || !open.progress.is_sent();
        let _ = open.fail(error, unbilled);
    }

    /// The answer broke off after so many tokens.
    pub(crate) fn break_off(mut self, usage: Option<&Usage>, received: u64, error: &ApiError) -> Kept {
        let Some(open) = self.0.take() else { return Kept::default() };
        open.end(&End { usage, basis: Basis::Received, received, error: Some(error), unbilled: false }).1
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        // What was not sent is released by its reservation, and has no row.
        let Some(open) = self.0.take().filter(|open| open.progress.is_sent() || open.in_part.is_some())
        else {
            return;
        };
        let gone = ApiError::new(ErrorKind::ClientCancelled, "the attempt was given up");
        let unbilled = !open.progress.is_sent();
        let _ = open.fail(&gone, unbilled);
    }
}

impl Open {
    /// No answer came of it, or one in part, which is paid.
    fn fail(mut self: Box<Self>, error: &ApiError, unbilled: bool) -> (Option<PicoUsd>, Kept) {
        let in_part = self.in_part.take();
        let unbilled = unbilled && in_part.is_none() && self.unanswered == 0;
        // Where nobody can say what the others cost, a hard budget pays for all of them.
        let hard = self.reservation.as_ref().is_some_and(Reservation::is_hard);
        let told = in_part.as_deref().filter(|_| self.unanswered == 0 || !hard);
        let (usage, basis) = (told, Basis::Received);
        self.end(&End { usage, basis, received: 0, error: Some(error), unbilled })
    }

    fn end(self: Box<Self>, end: &End<'_>) -> (Option<PicoUsd>, Kept) {
        let (usage, basis) = self.usage(end);
        let asked = Asked {
            deployment: &self.deployment,
            provider: &self.provider,
            model: self.target.model(),
            served: self.served.as_deref(),
            picture: self.picture.as_ref(),
        };
        let price = self.account.prices.cost(&asked, &usage);
        // A usage that nobody has a price for says nothing of the cost.
        let says = end.usage.is_some() && price.total().is_some();
        let flat = self.exact.or(self.flat.filter(|_| !says));
        let flat = flat.or_else(|| Some(self.prompt_of(end)?.bound.with_output(usage.output)));
        // No fee either, of those that are due for each request.
        let flat = if end.unbilled { Some(PicoUsd::ZERO) } else { flat };
        let (known, total) = flat.map_or((price.known(), price.total()), |flat| (flat, Some(flat)));
        let mut row = self.row(usage, basis, &price, end);
        if let Some(flat) = flat {
            (row.cost, row.items, row.cost_incomplete) = (flat, smallvec::SmallVec::new(), self.incomplete);
        }
        let unknown = flat.is_none() && (self.is_unknown(end) || self.is_nobodys(&price, end));
        let Self { account, reservation, .. } = *self;
        let row = match reservation {
            Some(reservation) if unknown => {
                let row = row.settled(reservation.settle_whole());
                return (Some(row.cost), account.governance.book(row));
            }
            Some(reservation) if end.unbilled => {
                reservation.release();
                row
            }
            Some(reservation) => row.settled(reservation.settle(Charge { amount: known, basis })),
            None => row,
        };
        (total, account.governance.book(row))
    }

    /// Whether nobody says what it costs, and all that was reserved for it has to do.
    fn is_unknown(&self, end: &End<'_>) -> bool {
        let hard = || self.reservation.as_ref().is_some_and(Reservation::is_hard);
        let broke_off = end.error.is_some();
        let silent = !broke_off && end.usage.is_none();
        !end.unbilled
            && match self.delivery {
                Delivery::Whole => broke_off && end.usage.is_none() && hard(),
                // Of one that goes on in the background, what came is a beginning.
                Delivery::Later => (broke_off || end.usage.is_none()) && hard(),
                // Words are counted as they come, thoughts that are kept back are not.
                Delivery::Stream => silent && hard() && self.thinks(),
            }
    }

    /// Whether one of several models in one name answered, and it is not known which: all that was reserved for the
    /// dearest has to do.
    fn is_nobodys(&self, price: &Price, end: &End<'_>) -> bool {
        let (spec, model) = (self.target.spec(), self.target.model());
        let hard = || self.reservation.as_ref().is_some_and(Reservation::is_hard);
        !end.unbilled && first(spec, model) != model && price.total().is_none() && hard()
    }

    /// The prompt, where nobody says what it used, its bytes do not, and a hard budget pays it.
    fn prompt_of(&self, end: &End<'_>) -> Option<Prompt> {
        let hard = || self.reservation.as_ref().is_some_and(Reservation::is_hard);
        self.prompt.filter(|_| end.usage.is_none() && !end.unbilled && hard() && !self.is_unknown(end))
    }

    /// Whether the model may think before it answers: also where nothing is known of it.
    fn thinks(&self) -> bool {
        let model = self.target.model();
        let known = self.account.prices.entry_of(&self.deployment, &self.provider, model);
        let able = known.and_then(|entry| entry.capabilities);
        able.is_none_or(|able| able.has(Capabilities::REASONING))
    }

    /// How much of an answer a stream can have written that nobody saw, where that has to be paid: all of it if it said
    /// nothing, what it thought before if it did.
    fn unseen(&self, end: &End<'_>) -> u64 {
        let hard = self.reservation.as_ref().filter(|reservation| reservation.is_hard());
        let broke_off = end.error.is_some() && end.usage.is_none() && self.delivery == Delivery::Stream;
        let Some(reservation) = hard.filter(|_| broke_off) else {
            return 0;
        };
        let unseen = match self.first {
            _ if end.received == 0 => self.began.elapsed(),
            Some(first) if self.thinks() => first.saturating_duration_since(self.began),
            _ => return 0,
        };
        let written = unseen.as_millis().saturating_mul(PACE) / 1000;
        let most = reservation.output_limit().unwrap_or(self.most).saturating_sub(end.received);
        u64::try_from(written).unwrap_or(u64::MAX).min(most)
    }

    /// What was used, and how that is known.
    fn usage(&self, end: &End<'_>) -> (Usage, Basis) {
        if end.unbilled {
            return (Usage::default(), Basis::Reported);
        }
        match (end.usage, end.basis) {
            (Some(usage), basis @ (Basis::Reported | Basis::Estimated)) => (usage.clone(), basis),
            (Some(usage), basis) => {
                // What an answer begins with tells of the prompt, and hardly of the answer.
                let mut usage = usage.clone();
                let more = end.received.saturating_sub(usage.completion_tokens());
                usage.output = usage.output.saturating_add(more);
                usage.estimated |= more > 0;
                (usage, basis)
            }
            (None, basis) => {
                let basis = if basis == Basis::Reported { Basis::Estimated } else { basis };
                let output = end.received.saturating_add(self.unseen(end));
                let told = estimate(self.account.body);
                let input = self.prompt_of(end).map_or(told.input, |prompt| prompt.tokens);
                (Usage { output, input, ..told }, basis)
            }
        }
    }

    fn row(&self, usage: Usage, basis: Basis, price: &Price, end: &End<'_>) -> UsageRow {
        let Account { request_id, model, who, tags, cache, .. } = &*self.account;
        let item = |item: &llm_cost::Item| RowItem {
            class: item.class.name(),
            count: item.count,
            amount: item.amount,
        };
        UsageRow {
            request: Arc::clone(request_id),
            attempt: self.number,
            time: self.time,
            who: who.clone(),
            tags: tags.clone(),
            served: RowServed {
                model_asked: Arc::clone(model),
                model: Arc::clone(self.served.as_ref().unwrap_or_else(|| self.target.model_name())),
                provider: Arc::clone(&self.provider),
                deployment: Arc::clone(&self.deployment),
            },
            usage,
            items: price.cost.items().iter().map(item).collect(),
            cost: price.known(),
            basis,
            cost_incomplete: price.total().is_none()
                || (self.no_text && end.usage.is_none() && !end.unbilled),
            overrun: false,
            bookings: smallvec::SmallVec::new(),
            latency: self.began.elapsed(),
            first_token: self.first.map(|first| first.saturating_duration_since(self.began)),
            status: end.error.map_or(200, |error| error.status().as_u16()),
            error: end.error.map(|error| error.kind),
            cache: *cache,
            quality: None,
        }
    }
}
