//! Batches in the store: what they hold and who pays outlives the gateway that made them.
//!
//! Where there is a store nothing of a batch stays in memory. Of all gateways that share it, whoever is first looks at a
//! batch that is due, and whoever sees its end first books it; one that starts looks at all others as well, a few at a time.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use llm_governance::{Basis, BudgetWindow, KeyId, Reservation, RowCache, RowOwner, RowServed, UsageRow};
use llm_providers::bulk::Batch;
use llm_providers::target::Target;
use llm_store::{DueBatches, OpenBatch};
use llm_types::{ApiError, ErrorKind, PicoUsd, Result, Secret};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::interval;

use super::account::{self, Account, Likely};
use super::held::Held;
use super::jobs::{FIRST, FOLLOWED, Job, LAST, is_booked, is_gone};
use super::place::Place;
use super::sum::Sum;
use crate::attempt::{Attempt, Open};
use crate::gateway::Gateway;

/// How often batches are looked for that are due, and how many at a time.
const EVERY: Duration = Duration::from_secs(10);
const MOST: i64 = 50;
/// How much longer than it is followed what is held for a batch stays held.
const MORE: Duration = Duration::from_secs(24 * 60 * 60);

/// What has to be known of a batch to book it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Parked {
    request: Arc<str>,
    id: String,
    endpoint: String,
    deployment: Arc<str>,
    provider: Arc<str>,
    /// What earlier versions did not write down.
    #[serde(default)]
    account: Option<Account>,
    model: Arc<str>,
    model_asked: Arc<str>,
    bound: Option<PicoUsd>,
    attempt: u32,
    time_us: i64,
    key: Option<KeyId>,
    user: Option<Arc<str>>,
    team: Option<Arc<str>>,
    organisation: Option<Arc<str>>,
    tags: Vec<Arc<str>>,
    /// What is held.
    amount: PicoUsd,
    /// By a budget that refuses, too.
    hard: bool,
    windows: Vec<BudgetWindow>,
}

/// How a batch stands.
enum Found {
    /// It is over, says whom it was asked of.
    Over(Box<Job>, Batch),
    /// It is not, or whoever knows does not answer.
    Open,
    /// Nobody who is configured knows of it.
    Nowhere,
}

/// Whether whoever says so does not know what was asked for, or not who asks.
fn is_strange(error: &ApiError) -> bool {
    is_gone(error) || error.upstream_status.is_some_and(|status| matches!(status.as_u16(), 400 | 401 | 403))
}

/// Writes a batch down, whoever waits for it. What is held comes back where there is no store, or it does not answer.
pub(super) async fn park(gateway: &Arc<Gateway>, job: &Job, held: Held) -> Option<Held> {
    if !gateway.governance().keeps_rows() {
        return Some(held);
    }
    let (done, told) = oneshot::channel();
    let (own, job) = (Arc::clone(gateway), job.clone());
    gateway.tasks().spawn(async move {
        // Whoever does not wait any more has made the batch nevertheless: it is followed here.
        if let Err(Some(held)) = done.send(write(&own, &job, held).await) {
            own.jobs().follow(&own, job, held);
        }
    });
    told.await.ok().flatten()
}

async fn write(gateway: &Gateway, job: &Job, held: Held) -> Option<Held> {
    let mut open = held.into_attempt()?.into_open()?;
    let reservation = open.reservation.take();
    let snapshot = gateway.snapshot();
    let parked = Parked::of(job, (&open, reservation.as_ref()), snapshot.master_key.as_ref());
    let governance = gateway.governance();
    let Ok(body) = serde_json::to_string(&parked) else {
        open.reservation = reservation;
        return Some(Held::new(Attempt::begin(*open), None));
    };
    let batch = OpenBatch {
        request: &parked.request,
        body: &body,
        amount: parked.amount,
        windows: &parked.windows,
        hold: FOLLOWED + MORE,
        first: FIRST,
    };
    let written = governance.open_batch(&batch);
    let done = match reservation {
        Some(reservation) => {
            let done = governance.gate().hand_over(reservation, written).await;
            done.map_err(|(reservation, error)| (Some(*reservation), error))
        }
        None => written.await.map_err(|error| (None, error)),
    };
    let (reservation, error) = done.err()?;
    tracing::warn!(%error, request_id = &*parked.request, "a batch is not in the store: this gateway follows it");
    open.reservation = reservation;
    Some(Held::new(Attempt::begin(*open), None))
}

/// Looks after batches until the gateway drains: at those that are due, and once at all that are open.
pub(crate) async fn follow(gateway: Arc<Gateway>) {
    let (mut every, mut all) = (interval(EVERY), Some(String::new()));
    loop {
        every.tick().await;
        see(&gateway, None).await;
        if let Some(after) = &all {
            all = see(&gateway, Some(after)).await.unwrap_or(all);
        }
    }
}

/// Looks at some batches. Tells behind which there are more; `None`: the store does not.
async fn see(gateway: &Arc<Gateway>, after: Option<&str>) -> Option<Option<String>> {
    match gateway.governance().due_batches(after, MOST, LAST).await {
        Ok(DueBatches { bodies, next }) => {
            for body in bodies {
                let own = Arc::clone(gateway);
                gateway.background(async move { look(&own, &body).await });
            }
            Some(next)
        }
        Err(error) => {
            tracing::debug!(%error, "batches were not looked for");
            None
        }
    }
}

async fn look(gateway: &Gateway, body: &str) {
    let parked = match read(body) {
        Ok(parked) => parked,
        Err(error) => {
            tracing::warn!(%error, "a batch of the store cannot be booked: this version cannot read it");
            return;
        }
    };
    let found = parked.known(gateway).await;
    match found {
        Found::Nowhere => parked.unreachable(gateway),
        Found::Open | Found::Over(..) => gateway.governance().batch_reached(&parked.request),
    }
    let (late, lost) = (parked.age() > FOLLOWED, matches!(found, Found::Nowhere));
    let closed = match found {
        Found::Over(job, known) => match parked.settle(gateway, &job, &known).await {
            // What could not be read in days will not be.
            Err(_) if late => parked.give_up(gateway, ErrorKind::Timeout).await,
            settled => settled,
        },
        Found::Open | Found::Nowhere if !late => return,
        Found::Nowhere | Found::Open => {
            let why = if lost { ErrorKind::NotFound } else { ErrorKind::Timeout };
            parked.give_up(gateway, why).await
        }
    };
    if let Err(error) = closed {
        tracing::warn!(%error, request_id = &*parked.request, "a batch cannot be booked yet");
    }
}

/// Somebody has seen the end of a batch. False: the store knows nothing of it.
///
/// # Errors
/// Why it could not be booked.
pub(super) async fn seen(gateway: &Gateway, place: &Place, request: &str, known: &Batch) -> Result<bool> {
    let Some(body) = gateway.governance().open_batch_of(request).await? else { return Ok(false) };
    let parked = read(&body)?;
    if parked.id != known.id {
        tracing::warn!(
            request_id = request,
            batch = known.id,
            "a batch says that it was made by another's request"
        );
        return Ok(true);
    }
    // Who showed it knows its answers too, whatever became of the deployment that made it.
    if let Some(job) = parked.job(Arc::clone(&place.target)) {
        parked.settle(gateway, &job, known).await?;
    }
    Ok(true)
}

fn read(body: &str) -> Result<Parked> {
    let unread = |error| ApiError::new(ErrorKind::Internal, "the batch cannot be read").with_source(error);
    serde_json::from_str(body).map_err(unread)
}

impl Parked {
    fn of(job: &Job, (open, reservation): (&Open, Option<&Reservation>), master: Option<&Secret>) -> Self {
        let account = &*open.account;
        let RowOwner { key, user, team, organisation } = account.who.clone();
        Self {
            request: Arc::clone(&job.request),
            id: job.id.clone(),
            endpoint: job.endpoint.clone(),
            deployment: Arc::clone(&job.deployment),
            provider: Arc::clone(&job.provider),
            account: Some(Account::of(&job.target).sealed(master)),
            model: Arc::clone(&job.model),
            model_asked: Arc::clone(&account.model),
            bound: job.bound,
            attempt: open.number,
            time_us: open.time.as_microsecond(),
            key,
            user,
            team,
            organisation,
            tags: account.tags.to_vec(),
            amount: reservation.map_or(PicoUsd::ZERO, Reservation::amount),
            hard: reservation.is_some_and(Reservation::is_hard),
            windows: reservation.map(Reservation::windows).unwrap_or_default(),
        }
    }

    /// Where its provider may be asked, as things are configured now.
    fn targets(&self, gateway: &Gateway) -> Vec<Likely> {
        let of = (&*self.deployment, &*self.provider);
        account::targets(&gateway.snapshot(), of, self.account.as_ref())
    }

    /// How it stands, as whoever made it says.
    async fn known(&self, gateway: &Gateway) -> Found {
        let mut silent = false;
        for likely in self.targets(gateway) {
            let Some(job) = self.job(Arc::clone(&likely.target)) else { continue };
            match job.look(gateway).await {
                Ok(known) if self.is_it(&likely, &known) => {
                    return if known.is_over() { Found::Over(Box::new(job), known) } else { Found::Open };
                }
                Ok(_) => {}
                // Another account than its own knows nothing of it.
                Err(error) => silent |= likely.is_same || !is_strange(&error),
            }
        }
        if silent { Found::Open } else { Found::Nowhere }
    }

    /// Whether what somebody shows is this batch. What we wrote into it tells; where nothing is shown of that its id does,
    /// at the host where it was made.
    fn is_it(&self, likely: &Likely, known: &Batch) -> bool {
        let told = known.tag.as_ref().map(|tag| *tag.request == *self.request);
        known.id == self.id && told.unwrap_or(likely.is_same || !likely.is_elsewhere)
    }

    /// Nobody can be asked for it: whoever runs the gateway has to know, for its cost will not be.
    fn unreachable(&self, gateway: &Gateway) {
        gateway.governance().batch_unreachable((&self.request, &self.id), (&self.deployment, &self.provider));
    }

    fn job(&self, target: Arc<Target>) -> Option<Job> {
        Some(Job {
            form: target.spec().batch_form()?,
            target,
            id: self.id.clone(),
            endpoint: self.endpoint.clone(),
            request: Arc::clone(&self.request),
            deployment: Arc::clone(&self.deployment),
            provider: Arc::clone(&self.provider),
            model: Arc::clone(&self.model),
            bound: self.bound,
        })
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_microsecond(self.time_us).unwrap_or_default()
    }

    fn age(&self) -> Duration {
        Duration::try_from(Timestamp::now().duration_since(self.time())).unwrap_or_default()
    }

    /// Books it, where nobody else does.
    async fn settle(&self, gateway: &Gateway, job: &Job, known: &Batch) -> Result<()> {
        if !gateway.jobs().claim(job) {
            // The store has kept what it did not answer to: there is nothing to do for it any more.
            if gateway.jobs().has_booked(&self.request) {
                return gateway
                    .governance()
                    .close_batch(&self.request, (&self.windows, self.amount), None)
                    .await;
            }
            return Ok(());
        }
        let closed = async {
            let sum = match job.used(gateway, known).await {
                // Its answers were deleted before they were read.
                Err(error) if is_gone(&error) => Ok(Sum::at_most(self.bound)),
                other => other,
            };
            self.close(gateway, self.row(&sum?)).await
        };
        match closed.await {
            Ok(()) => {
                gateway.jobs().done(job);
                Ok(())
            }
            Err(error) => {
                gateway.jobs().unclaim(job);
                Err(error)
            }
        }
    }

    /// It does not end, or nobody can ask how it did. What a hard budget holds for it is charged; others are told that there
    /// was one whose cost is not known.
    async fn give_up(&self, gateway: &Gateway, why: ErrorKind) -> Result<()> {
        tracing::warn!(request_id = &*self.request, "a batch does not end: it is not followed any more");
        let sum = if self.hard { Sum::at_most(self.bound) } else { Sum::unknown() };
        let status = why.status().as_u16();
        self.close(gateway, UsageRow { error: Some(why), status, ..self.row(&sum) }).await
    }

    async fn close(&self, gateway: &Gateway, row: UsageRow) -> Result<()> {
        // Who made it may have booked it, where it did not hear that it is in the store.
        let row = match is_booked(gateway, &self.request).await? {
            true => None,
            false => Some(row),
        };
        gateway.governance().close_batch(&self.request, (&self.windows, self.amount), row.as_ref()).await
    }

    fn row(&self, sum: &Sum) -> UsageRow {
        let whole = sum.incomplete && self.hard;
        let cost = if whole { self.amount } else { sum.cost };
        let basis = match sum.usage.estimated {
            _ if whole => Basis::Reserved,
            true => Basis::Estimated,
            false => Basis::Reported,
        };
        UsageRow {
            request: Arc::clone(&self.request),
            attempt: self.attempt,
            time: self.time(),
            who: RowOwner {
                key: self.key,
                user: self.user.clone(),
                team: self.team.clone(),
                organisation: self.organisation.clone(),
            },
            tags: self.tags.iter().cloned().collect(),
            served: RowServed {
                model_asked: Arc::clone(&self.model_asked),
                model: Arc::clone(&self.model),
                provider: Arc::clone(&self.provider),
                deployment: Arc::clone(&self.deployment),
            },
            usage: sum.usage.clone(),
            items: smallvec::SmallVec::new(),
            cost,
            basis,
            cost_incomplete: sum.incomplete && !whole,
            overrun: cost > self.amount && !self.windows.is_empty(),
            bookings: self.windows.iter().cloned().collect(),
            latency: self.age(),
            first_token: None,
            status: 200,
            error: None,
            cache: RowCache::Bypass,
            quality: None,
        }
    }
}
