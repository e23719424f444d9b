//! The money of batches: reserved when one is made, booked once it is over, by what its answers used.
//!
//! Whoever made a batch follows it, asking its provider now and then, and books it: a client that looks at it only
//! makes that sooner. A gateway that stops, or is killed, cannot; then the next one that a client of the same tenant
//! asks for the batch does it, some time after its end, unless there is a row of it already. On a hard budget what was
//! reserved is charged instead when the gateway stops: it is never too little.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use http::{HeaderMap, Method};
use jiff::Timestamp;
use llm_cost::{Asked, PriceBook};
use llm_governance::report::{PageAsk, RowFilter};
use llm_governance::{Facts, PriceBound, RowCache, RowOwner};
use llm_providers::bulk::{self, Batch, Lines};
use llm_providers::codec::{Memo, WireRequest};
use llm_providers::dialect;
use llm_providers::target::Target;
use llm_providers::transport::{ByteStream, RequestBody, collect};
use llm_types::{ApiError, BatchForm, ErrorKind, PicoUsd, Result, Segments, ServiceTier, Usage};
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use super::place::{Desk, Place, Serving};
use crate::attempt::Attempt;
use crate::front;
use crate::gateway::Gateway;
use crate::ticket::{Account, Ticket};

/// How long until a batch is looked at for the first time, and at most between two looks.
const FIRST: Duration = Duration::from_secs(30);
const LAST: Duration = Duration::from_secs(300);
/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long after its end a batch is left to whoever follows it.
const GRACE: i64 = 900;
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
}

/// How far the money of a batch is.
#[derive(Debug)]
enum Standing {
    /// Reserved.
    Open(Attempt),
    /// Somebody reads what it cost.
    Busy,
    /// Booked, by this life of the gateway.
    Done,
}

/// Batches of this life of the gateway, by the requests that made them.
#[derive(Debug, Default)]
pub(crate) struct Jobs(Mutex<HashMap<Arc<str>, (Job, Standing)>>);

impl Jobs {
    /// Follows a batch until it is booked.
    pub(super) fn follow(&self, gateway: &Arc<Gateway>, job: Job, attempt: Attempt) {
        self.put(&job, Standing::Open(attempt));
        let held = Arc::clone(gateway);
        gateway.background(async move {
            let mut pause = FIRST;
            loop {
                sleep(pause).await;
                pause = (pause * 2).min(LAST);
                if held.jobs().is_done(&job) {
                    return;
                }
                // What cannot be asked now is asked later.
                if let Ok(known) = job.look(&held).await
                    && known.is_over()
                {
                    job.settle(&held, &known).await;
                }
            }
        });
    }

    fn put(&self, job: &Job, standing: Standing) {
        let mut all = self.0.lock();
        if all.len() >= REMEMBERED {
            all.retain(|_, (_, standing)| !matches!(standing, Standing::Done));
        }
        all.insert(Arc::clone(&job.request), (job.clone(), standing));
    }

    fn is_done(&self, job: &Job) -> bool {
        !matches!(self.0.lock().get(&job.request), Some((_, Standing::Open(_) | Standing::Busy)))
    }

    /// Takes what is reserved for a batch, to book it.
    fn take(&self, job: &Job) -> Option<Attempt> {
        let mut all = self.0.lock();
        let (_, standing) = all.get_mut(&job.request)?;
        match std::mem::replace(standing, Standing::Busy) {
            Standing::Open(attempt) => Some(attempt),
            other => {
                *standing = other;
                None
            }
        }
    }

    /// Whether this life of the gateway knows nothing of a batch; from now on it is busy with it.
    fn claim(&self, job: &Job) -> bool {
        if self.0.lock().contains_key(&job.request) {
            return false;
        }
        self.put(job, Standing::Busy);
        true
    }

    /// Somebody has seen a batch.
    pub(super) fn seen(&self, gateway: &Arc<Gateway>, (desk, place): (&Desk, &Place), known: &Batch) {
        let Some(tag) = known.tag.as_ref().filter(|_| known.is_over()) else { return };
        let job = self.0.lock().get(&*tag.request).map(|(job, _)| job.clone());
        let (held, known) = (Arc::clone(gateway), known.clone());
        if let Some(job) = job {
            gateway.tasks().spawn(async move { job.settle(&held, &known).await });
            return;
        }
        let late =
            known.ended.is_some_and(|ended| Timestamp::now().as_second() >= ended.saturating_add(GRACE));
        if !late || gateway.governance().is_idle() || !tag.is_of(place.seal.as_ref()) {
            return;
        }
        let Ok(serving) = desk.serving(&place.owner, &tag.model) else { return };
        let job = Job::of((place, &serving), &known, &Arc::from(&*tag.request));
        if !self.claim(&job) {
            return;
        }
        let desk = desk.clone();
        gateway.tasks().spawn(async move {
            match job.adopt(&held, (&desk, &serving), &known).await {
                Ok(()) => held.jobs().put(&job, Standing::Done),
                Err(error) => {
                    held.jobs().0.lock().remove(&job.request);
                    tracing::warn!(%error, request_id = &*job.request, "a batch is not booked");
                }
            }
        });
    }

    /// The gateway stops: what was reserved in hard budgets is charged, the rest is left to the next one.
    pub(crate) fn leave(&self) {
        for (_, standing) in std::mem::take(&mut *self.0.lock()).into_values() {
            if let Standing::Open(attempt) = standing {
                attempt.leave();
            }
        }
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
        }
    }

    /// How it stands.
    async fn look(&self, gateway: &Gateway) -> Result<Batch> {
        let path = format!("{}/{}", bulk::batch_path(self.form), self.id);
        let upstream = self.get(gateway, &path).await?;
        let body = timeout(PATIENCE, collect(upstream, LIMIT)).await.map_err(|_| super::late())??;
        Ok(bulk::batch(bulk::shown_batch(body, self.form)?, None)?.1)
    }

    async fn get(&self, gateway: &Gateway, path: &str) -> Result<ByteStream> {
        let wire = WireRequest {
            method: Method::GET,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Segments::default(),
            memo: Memo::default(),
        };
        let request = self.target.request(wire)?.map(RequestBody::from);
        let sent = timeout(PATIENCE, gateway.transport().send(request)).await;
        let (head, upstream) = sent.map_err(|_| super::late())??.into_parts();
        if !head.status.is_success() {
            let message = format!("the upstream answered {}", head.status);
            return Err(ApiError::upstream(ErrorKind::UpstreamFormat, message));
        }
        Ok(upstream)
    }

    /// Books it, where nobody else does.
    async fn settle(&self, gateway: &Gateway, known: &Batch) {
        let jobs = gateway.jobs();
        let Some(attempt) = jobs.take(self) else { return };
        match self.used(gateway, known).await {
            Ok((usage, cost)) => {
                if is_booked(gateway, &self.request).await {
                    attempt.forget();
                } else {
                    attempt.settle_at(&usage, cost).await;
                }
                jobs.put(self, Standing::Done);
            }
            Err(error) => {
                tracing::warn!(%error, request_id = &*self.request, "what a batch used cannot be read yet");
                // Tried again, unless the gateway has stopped meanwhile.
                match jobs.0.lock().get_mut(&self.request) {
                    Some((_, standing)) => *standing = Standing::Open(attempt),
                    None => attempt.leave(),
                }
            }
        }
    }

    /// Books it where nobody follows it any more, on whoever of its tenant asks for it.
    async fn adopt(
        &self,
        gateway: &Arc<Gateway>,
        (desk, serving): (&Desk, &Serving),
        known: &Batch,
    ) -> Result<()> {
        if is_booked(gateway, &self.request).await {
            return Ok(());
        }
        let (usage, cost) = self.used(gateway, known).await?;
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
        attempt.map_err(|refusal| refusal.error)?.settle_at(&usage, cost).await;
        ticket.finish(Some(&Usage::default()));
        Ok(())
    }

    /// What its answers used and cost: request by request, for prices depend on the length of each.
    async fn used(&self, gateway: &Gateway, known: &Batch) -> Result<(Usage, Option<PicoUsd>)> {
        let mut sum = Sum { usage: Usage::default(), cost: Some(PicoUsd::ZERO) };
        let prices = Arc::clone(&gateway.snapshot().prices);
        if let Some(file) = &known.output_file {
            let mut upstream = self.get(gateway, &format!("/files/{file}/content")).await?;
            let mut lines = Lines::default();
            while let Some(chunk) = timeout(PATIENCE, upstream.next()).await.map_err(|_| super::late())? {
                lines.feed(&chunk?);
                while let Some((_, line)) = lines.next_line()? {
                    self.add(&prices, &line, &mut sum);
                }
            }
            if let Some((_, line)) = lines.last_line() {
                self.add(&prices, &line, &mut sum);
            }
        }
        Ok((sum.usage, sum.cost))
    }

    fn add(&self, prices: &PriceBook, line: &bytes::Bytes, sum: &mut Sum) {
        let Some(body) = bulk::answer_body(line) else { return };
        let own = front::like(&self.endpoint)
            .and_then(|(front, _)| Some((dialect::client(front.dialect)?, front.op)));
        let tapped = own.and_then(|(codec, op)| codec.tap(op, &body).ok());
        let Some((usage, model)) = tapped.and_then(|tapped| Some((tapped.usage?, tapped.model))) else {
            sum.cost = None;
            return;
        };
        let usage = Usage { service: ServiceTier::Batch, ..usage };
        let asked = Asked {
            deployment: &self.deployment,
            provider: &self.provider,
            model: &self.model,
            served: model.as_deref(),
        };
        let cost = prices.cost(&asked, &usage).total();
        sum.cost = sum.cost.zip(cost).map(|(sum, cost)| sum.saturating_add(cost));
        let first = sum.usage == Usage::default();
        sum.usage = if first { usage } else { sum.usage.and(&usage) };
    }
}

struct Sum {
    usage: Usage,
    cost: Option<PicoUsd>,
}

/// Whether there is a row of it.
async fn is_booked(gateway: &Gateway, request: &str) -> bool {
    let filter = RowFilter { request: Some(request.to_owned()), ..RowFilter::default() };
    let rows = gateway.governance().reports().rows(&filter, &PageAsk::first(1)).await;
    rows.is_ok_and(|page| !page.items.is_empty())
}
