//! The money of batches: reserved when one is made, booked once it is over, by what its answers used.
//!
//! Where there is a store, it keeps them (`parked`). Otherwise whoever made a batch follows it, asking its provider now
//! and then, and books it: a client that looks at it only makes that sooner. A gateway that stops, or is killed, cannot;
//! then the next one that a client of the same tenant asks for the batch does it, some time after its end, unless there
//! is a row of it already. On a hard budget what was reserved is charged instead when the gateway stops: it is never too
//! little.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use http::{HeaderMap, Method};
use jiff::Timestamp;
use llm_cost::{Asked, PriceBook};
use llm_governance::report::{PageAsk, RowFilter};
use llm_governance::{Facts, PriceBound, RowCache, RowOwner};
use llm_providers::bulk::inline::Inline;
use llm_providers::bulk::{self, Batch, Lines};
use llm_providers::codec::batch::BatchPath;
use llm_providers::codec::{Memo, Tapped, WireRequest};
use llm_providers::dialect;
use llm_providers::target::Target;
use llm_providers::transport::{ByteStream, RequestBody, collect};
use llm_types::{ApiError, BatchForm, ErrorKind, PicoUsd, Result, Segments, ServiceTier, Usage};
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use super::account;
use super::held::Held;
use super::place::{Desk, Place, Serving};
use super::sum::Sum;
use crate::belief::Belief;
use crate::front;
use crate::gateway::Gateway;
use crate::ticket::{Account, Ticket};

/// How long until a batch is looked at for the first time, and at most between two looks.
pub(super) const FIRST: Duration = Duration::from_secs(30);
pub(super) const LAST: Duration = Duration::from_secs(300);
/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long after its end a batch is left to whoever follows it.
const GRACE: i64 = 900;
/// How long one is followed: providers give up on a batch after a day.
pub(super) const FOLLOWED: Duration = Duration::from_secs(72 * 60 * 60);
/// How long after its end a batch of a gateway that is gone is booked, in seconds: its row has to be there to tell that
/// it was.
const ADOPTED: i64 = 3 * 24 * 60 * 60;
/// How many batches are remembered as booked.
const REMEMBERED: usize = 10_000;
/// The most that is read of a batch, in bytes.
const LIMIT: usize = 4 * 1024 * 1024;

/// A batch whose money is not booked yet.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) target: Arc<Target>,
    pub(super) form: BatchForm,
    /// At its provider.
    pub(super) id: String,
    pub(super) endpoint: String,
    /// The request that made it: its row goes by that.
    pub(super) request: Arc<str>,
    pub(super) deployment: Arc<str>,
    pub(super) provider: Arc<str>,
    pub(super) model: Arc<str>,
    /// The most that it can cost, where that is known.
    pub(super) bound: Option<PicoUsd>,
}

/// How far the money of a batch is.
#[derive(Debug)]
enum Standing {
    /// Reserved.
    Open(Held),
    /// Somebody reads what it cost.
    Busy,
    /// Booked, by this life of the gateway.
    Done,
}

/// Batches of this life of the gateway, by the requests that made them.
#[derive(Debug, Default)]
pub(crate) struct Jobs(Mutex<HashMap<Arc<str>, (Job, Standing)>>);

impl Jobs {
    /// Sees to it that a batch is booked: in the store, where there is one, or here.
    pub(super) async fn keep(&self, gateway: &Arc<Gateway>, job: Job, held: Held) {
        #[cfg(feature = "sql")]
        let Some(held) = super::parked::park(gateway, &job, held).await else { return };
        #[cfg(not(feature = "sql"))]
        std::future::ready(()).await;
        self.follow(gateway, job, held);
    }

    /// Follows a batch until it is booked.
    pub(super) fn follow(&self, gateway: &Arc<Gateway>, job: Job, held: Held) {
        // It may be in the store though nobody heard of that, and somebody found it there.
        if let Some(held) = self.begin(&job, held) {
            return held.forget();
        }
        let gateway = Arc::clone(gateway);
        Arc::clone(&gateway).background(async move {
            let (began, mut pause) = (Instant::now(), FIRST);
            loop {
                sleep(pause).await;
                pause = (pause * 2).min(LAST);
                if gateway.jobs().is_done(&job) {
                    return;
                }
                // What cannot be asked now is asked later.
                let now = job.now(&gateway);
                match now.look(&gateway).await {
                    Ok(known) if known.is_over() => now.settle(&gateway, &known).await,
                    _ if began.elapsed() > FOLLOWED => {
                        tracing::warn!(
                            request_id = &*job.request,
                            "a batch does not end: it is not followed any more"
                        );
                        gateway.jobs().put(&job, Standing::Done);
                        return;
                    }
                    _ => {}
                }
            }
        });
    }

    /// It is booked, or nobody follows it any more.
    pub(super) fn done(&self, job: &Job) {
        self.put(job, Standing::Done);
    }

    /// It could not be booked.
    pub(super) fn unclaim(&self, job: &Job) {
        self.0.lock().remove(&job.request);
    }

    /// Holds this for a batch; gives it back where another books it, or has.
    fn begin(&self, job: &Job, held: Held) -> Option<Held> {
        let mut all = self.0.lock();
        if all.contains_key(&job.request) {
            return Some(held);
        }
        Self::put_into(&mut all, job, Standing::Open(held));
        None
    }

    fn put(&self, job: &Job, standing: Standing) {
        Self::put_into(&mut self.0.lock(), job, standing);
    }

    fn put_into(all: &mut HashMap<Arc<str>, (Job, Standing)>, job: &Job, standing: Standing) {
        if all.len() >= REMEMBERED {
            all.retain(|_, (_, standing)| !matches!(standing, Standing::Done));
        }
        all.insert(Arc::clone(&job.request), (job.clone(), standing));
    }

    fn is_done(&self, job: &Job) -> bool {
        !matches!(self.0.lock().get(&job.request), Some((_, Standing::Open(_) | Standing::Busy)))
    }

    /// Takes what is reserved for a batch, to book it.
    fn take(&self, job: &Job) -> Option<Held> {
        let mut all = self.0.lock();
        let (_, standing) = all.get_mut(&job.request)?;
        match std::mem::replace(standing, Standing::Busy) {
            Standing::Open(held) => Some(held),
            other => {
                *standing = other;
                None
            }
        }
    }

    /// Whether this life of the gateway knows nothing of a batch; from now on it is busy with it.
    pub(super) fn claim(&self, job: &Job) -> bool {
        let mut all = self.0.lock();
        let is_new = !all.contains_key(&job.request);
        if is_new {
            Self::put_into(&mut all, job, Standing::Busy);
        }
        is_new
    }

    /// Whether this life of the gateway has booked what this request made.
    pub(super) fn has_booked(&self, request: &str) -> bool {
        matches!(self.0.lock().get(request), Some((_, Standing::Done)))
    }

    /// Somebody has seen a batch.
    pub(super) fn seen(&self, gateway: &Arc<Gateway>, (desk, place): (&Desk, &Place), known: &Batch) {
        let Some(tag) = known.tag.as_ref().filter(|_| known.is_over()) else { return };
        // What a batch says of itself is no more than its word.
        let own = self.0.lock().get(&*tag.request).map(|(job, _)| job.clone());
        let job = own.filter(|job| job.id == known.id);
        let (held, known) = (Arc::clone(gateway), known.clone());
        if let Some(job) = job {
            gateway.tasks().spawn(async move { job.now(&held).settle(&held, &known).await });
            return;
        }
        let ago = known.ended.map(|ended| Timestamp::now().as_second().saturating_sub(ended));
        let governance = gateway.governance();
        let late = ago.is_some_and(|ago| (GRACE..ADOPTED).contains(&ago));
        let kept = governance.keeps_rows() && ago.is_none_or(|ago| ago < ADOPTED);
        if !(late || kept) || governance.is_idle() || !tag.is_of(place.seal.as_ref()) {
            return;
        }
        let (desk, place, request) = (desk.clone(), place.clone(), Arc::<str>::from(&*tag.request));
        let model = tag.model.clone();
        gateway.tasks().spawn(async move {
            #[cfg(feature = "sql")]
            match super::parked::seen(&held, &place, &request, &known).await {
                Ok(false) => {}
                Ok(true) => return,
                Err(error) => {
                    return tracing::warn!(%error, request_id = &*request, "a batch is not booked yet");
                }
            }
            if late {
                held.jobs().adopt(&held, (&desk, &place, &model), (&request, &known)).await;
            }
        });
    }

    /// Books a batch that nobody knows of any more.
    async fn adopt(
        &self,
        gateway: &Arc<Gateway>,
        (desk, place, model): (&Desk, &Place, &str),
        (request, known): (&Arc<str>, &Batch),
    ) {
        let Ok(serving) = desk.serving(&place.owner, model) else { return };
        let job = Job::of((place, &serving), known, request);
        if !self.claim(&job) {
            return;
        }
        match job.adopt(gateway, (desk, &serving), known).await {
            Ok(()) => self.done(&job),
            Err(error) => {
                self.unclaim(&job);
                tracing::warn!(%error, request_id = &**request, "a batch is not booked");
            }
        }
    }

    /// The gateway stops: what was reserved in hard budgets is charged, the rest is left to the next one.
    pub(crate) fn leave(&self) {
        // Dropped outside of the lock.
        let all = std::mem::take(&mut *self.0.lock());
        drop(all);
    }
}

impl Job {
    pub(super) fn of((place, serving): (&Place, &Serving), known: &Batch, request: &Arc<str>) -> Self {
        Self {
            target: Arc::clone(&place.target),
            form: place.form,
            id: known.id.clone(),
            endpoint: known.endpoint.clone(),
            request: Arc::clone(request),
            deployment: Arc::clone(&serving.deployment.id),
            provider: Arc::clone(&serving.deployment.target.provider),
            model: Arc::clone(serving.target.model_name()),
            bound: None,
        }
    }

    /// How it stands.
    pub(super) async fn look(&self, gateway: &Gateway) -> Result<Batch> {
        let inline = self.inline()?;
        let path = match &inline {
            Some(inline) => inline.path(BatchPath::One(&self.id)),
            None => format!("{}/{}", bulk::batch_path(self.form), self.id),
        };
        let upstream = self.get(gateway, &path).await?;
        let body = timeout(PATIENCE, collect(upstream, LIMIT)).await.map_err(|_| super::late())??;
        let shown = match &inline {
            Some(inline) => inline.shown(&body, None)?,
            None => bulk::shown_batch(body, self.form)?,
        };
        Ok(bulk::batch(shown, None)?.1)
    }

    /// How its requests were written, where its provider keeps no files.
    fn inline(&self) -> Result<Option<Inline>> {
        (!self.form.keeps_files()).then(|| super::inline::at(&self.target)).transpose()
    }

    async fn get(&self, gateway: &Gateway, path: &str) -> Result<ByteStream> {
        let wire = WireRequest {
            method: Method::GET,
            path: path.to_owned(),
            headers: self.inline()?.map_or_else(HeaderMap::new, |inline| inline.headers()),
            body: Segments::default(),
            memo: Memo::default(),
        };
        let request = self.target.request(wire)?.map(RequestBody::from);
        let sent = timeout(PATIENCE, gateway.transport().send(request)).await;
        let (head, upstream) = sent.map_err(|_| super::late())??.into_parts();
        if !head.status.is_success() {
            let message = format!("the upstream answered {}", head.status);
            let mut error = ApiError::upstream(ErrorKind::UpstreamFormat, message);
            error.upstream_status = Some(head.status);
            return Err(error);
        }
        Ok(upstream)
    }

    /// The same, asked with the credentials of the moment.
    fn now(&self, gateway: &Gateway) -> Self {
        let (of, account) = ((&*self.deployment, self.target.provider()), account::Account::of(&self.target));
        let own = account::own(&gateway.snapshot(), of, &account);
        // Where it is gone there is only what made it.
        let target = own.unwrap_or_else(|| Arc::clone(&self.target));
        Self { target, ..self.clone() }
    }

    /// Books it, where nobody else does.
    async fn settle(&self, gateway: &Gateway, known: &Batch) {
        let jobs = gateway.jobs();
        let Some(held) = jobs.take(self) else { return };
        let sum = match self.used(gateway, known).await {
            // Its answers were deleted before they were read.
            Err(error) if is_gone(&error) => Ok(Sum::at_most(self.bound)),
            other => other,
        };
        let ours = match &sum {
            Ok(_) => is_ours(gateway, &self.request).await,
            Err(_) => Ok(true),
        };
        match (sum, ours) {
            (Ok(_), Ok(false)) => held.forget(),
            (Ok(sum), Ok(true)) => {
                held.settle(&sum).await;
                gateway.governance().note_batch(&self.request).await;
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!(%error, request_id = &*self.request, "a batch cannot be booked yet");
                // Tried again, unless the gateway has stopped meanwhile.
                if let Some((_, standing)) = jobs.0.lock().get_mut(&self.request) {
                    *standing = Standing::Open(held);
                }
                return;
            }
        }
        jobs.put(self, Standing::Done);
    }

    /// Books it where nobody follows it any more, on whoever of its tenant asks for it.
    async fn adopt(
        &self,
        gateway: &Arc<Gateway>,
        (desk, serving): (&Desk, &Serving),
        known: &Batch,
    ) -> Result<()> {
        // Asked before it is read, which takes a while, and again behind it.
        if is_booked(gateway, &self.request).await? {
            return Ok(());
        }
        let sum = self.used(gateway, known).await?;
        if !is_ours(gateway, &self.request).await? {
            return Ok(());
        }
        let (governance, who) = (gateway.governance(), &desk.principal.who);
        let facts = Facts {
            model: &serving.name,
            alias_of: None,
            route: "/v1/batches",
            tags: &[],
            tokens: 0,
            bound: None,
        };
        let grant = governance.enter(who, &facts).await.map_err(|refusal| refusal.error)?;
        let account = Account {
            governance: Arc::clone(governance),
            prices: Arc::clone(&desk.snapshot.prices),
            request_id: Arc::clone(&self.request),
            model: serving.name.as_str().into(),
            who: RowOwner::from(who),
            tags: who.tags().iter().cloned().collect(),
            body: 0,
            cache: RowCache::Bypass,
        };
        let mut ticket = Ticket::new(account, grant);
        // It is spent already: nothing is asked of the budget, which gets to know of it.
        let nothing = Some(PriceBound::fixed(PicoUsd::ZERO));
        let attempt = ticket.attempt(&serving.deployment, &serving.target, nothing).await;
        attempt.map_err(|refusal| refusal.error)?.settle_at(&sum.usage, sum.cost, sum.incomplete).await;
        governance.note_batch(&self.request).await;
        ticket.finish(Some(&Usage::default()));
        Ok(())
    }

    /// What its answers used and cost: request by request, for prices depend on the length of each.
    pub(super) async fn used(&self, gateway: &Gateway, known: &Batch) -> Result<Sum> {
        if known.has_lost_answers() {
            return Ok(Sum::at_most(self.bound));
        }
        let mut sum = Sum::default();
        let prices = Arc::clone(&gateway.snapshot().prices);
        let inline = self.inline()?;
        if let Some(file) = &known.output_file {
            let path = match &inline {
                Some(inline) => inline.path(BatchPath::Answers(&self.id)),
                None => format!("/files/{file}/content"),
            };
            let mut upstream = self.get(gateway, &path).await?;
            let mut lines = Lines::default();
            while let Some(chunk) = timeout(PATIENCE, upstream.next()).await.map_err(|_| super::late())? {
                lines.feed(&chunk?);
                while let Some((_, line)) = lines.next_line()? {
                    self.add(&prices, inline.as_ref(), &line, &mut sum);
                }
            }
            if let Some((_, line)) = lines.last_line() {
                self.add(&prices, inline.as_ref(), &line, &mut sum);
            }
        }
        Ok(sum)
    }

    /// What a line of answers says of its usage; `None`: nothing was answered, which costs nothing.
    fn tapped(&self, inline: Option<&Inline>, line: &bytes::Bytes) -> Option<Tapped<'static>> {
        if line.trim_ascii().is_empty() {
            return None;
        }
        if let Some(inline) = inline {
            return inline.used(line).unwrap_or_else(|_| Some(Tapped::default()));
        }
        let body = bulk::answer_body(line)?;
        let own = front::like(&self.endpoint)
            .and_then(|(front, _)| Some((dialect::client(front.dialect)?, front.op)));
        let tapped = own.and_then(|(codec, op)| codec.tap(op, &body).ok()).unwrap_or_default();
        let Tapped { usage, model } = tapped;
        Some(Tapped { usage, model: model.map(|model| model.into_owned().into()) })
    }

    fn add(&self, prices: &PriceBook, inline: Option<&Inline>, line: &bytes::Bytes, sum: &mut Sum) {
        let Some(Tapped { usage, model }) = self.tapped(inline, line) else { return };
        let belief = Belief::within(&self.deployment, None);
        let Some(usage) = usage.filter(|usage| belief.holds(usage)) else {
            sum.incomplete = true;
            return;
        };
        let usage = Usage { service: ServiceTier::Batch, ..usage };
        let asked = Asked {
            deployment: &self.deployment,
            provider: &self.provider,
            model: &self.model,
            served: model.as_deref(),
            picture: None,
        };
        let cost = prices.cost(&asked, &usage).total();
        sum.incomplete |= cost.is_none();
        sum.cost = sum.cost.saturating_add(cost.unwrap_or(PicoUsd::ZERO));
        let first = sum.usage == Usage::default();
        sum.usage = if first { usage } else { sum.usage.and(&usage) };
    }
}

/// Whether what was asked for is not there any more.
pub(super) fn is_gone(error: &ApiError) -> bool {
    error.upstream_status.is_some_and(|status| matches!(status.as_u16(), 404 | 410))
}

/// Whether this gateway is to book it. False: it is booked.
///
/// # Errors
/// Where another gateway is about to, or nobody knows.
async fn is_ours(gateway: &Gateway, request: &str) -> Result<bool> {
    if is_booked(gateway, request).await? {
        return Ok(false);
    }
    if !gateway.governance().claim_batch(request).await? {
        return Err(ApiError::new(ErrorKind::Conflict, "another gateway is about to book it"));
    }
    // Whoever had it before may have written its row meanwhile.
    Ok(!is_booked(gateway, request).await?)
}

/// Whether there is a row of it, or was.
///
/// # Errors
/// Where the rows cannot be read: then nobody knows.
pub(super) async fn is_booked(gateway: &Gateway, request: &str) -> Result<bool> {
    let filter = RowFilter { request: Some(request.to_owned()), ..RowFilter::default() };
    let rows = gateway.governance().reports().rows(&filter, &PageAsk::first(1)).await;
    let unknown = |error| ApiError::new(ErrorKind::Unavailable, "the rows cannot be read").with_source(error);
    // It may have been deleted since.
    Ok(!rows.map_err(unknown)?.items.is_empty() || gateway.governance().is_batch_noted(request).await?)
}
