//! Who is told of what happens to budgets: the log, and a webhook where there is one.
//!
//! Budgets tell on the thread of a request, so telling is a place in a bounded queue. Every gateway that shares a store sees
//! a budget reach a share of its limit, and each of its lives may: the one that claims it there tells. A webhook that does
//! not answer is asked again a few times and then given up, which the log says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use llm_governance::{BudgetWindow, Event, Observer, THRESHOLDS};
use llm_providers::transport::{RequestBody, collect};
use llm_types::{ApiError, ErrorKind, PicoUsd, Result, Secret, Segments};
use serde::{Serialize, Serializer};
use tokio::sync::mpsc;

use crate::gateway::Gateway;

/// How many alerts wait for the webhook.
const WAITING: usize = 1024;
/// Of how many batches it is told that nobody can be asked for them.
#[cfg(feature = "sql")]
const UNREACHABLE: usize = 10_000;
/// How long the log is not told again.
#[cfg(feature = "sql")]
const AGAIN: Duration = Duration::from_secs(24 * 60 * 60);
/// How often it is asked, how long it may take, and the first pause, which doubles.
const TRIES: u32 = 4;
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the rest of its answer is read.
const REST: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(500);

/// What is told once, by whoever claims it: where, since when, at which share of which limit.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) name: String,
    pub(crate) start: jiff::Timestamp,
    pub(crate) percent: u8,
    pub(crate) limit: PicoUsd,
}

/// What the webhook gets.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Alert {
    /// A budget is used up to a share of its limit.
    BudgetThreshold {
        budget: String,
        #[serde(serialize_with = "begun")]
        window_start: jiff::Timestamp,
        percent: u8,
        spent_usd: PicoUsd,
        limit_usd: PicoUsd,
        time: jiff::Timestamp,
    },
    /// A provider billed more than was reserved.
    BudgetOverrun {
        budget: String,
        #[serde(serialize_with = "begun")]
        window_start: jiff::Timestamp,
        by_usd: PicoUsd,
        time: jiff::Timestamp,
    },
    /// Nobody can be asked what a batch used: its account is not configured any more.
    BatchUnreachable {
        request_id: String,
        batch: String,
        deployment: String,
        provider: String,
        time: jiff::Timestamp,
    },
}

/// When a window began; `null`: it has no beginning.
fn begun<S: Serializer>(start: &jiff::Timestamp, to: S) -> Result<S::Ok, S::Error> {
    Some(start).filter(|start| **start != jiff::Timestamp::MIN).serialize(to)
}

impl Alert {
    /// By what it is told once; `None`: nobody else knows of it.
    fn claim(&self) -> Option<Claim> {
        let limit = PicoUsd::ZERO;
        Some(match self {
            Self::BudgetThreshold { budget, window_start, percent, limit_usd, .. } => {
                Claim { name: budget.clone(), start: *window_start, percent: *percent, limit: *limit_usd }
            }
            Self::BatchUnreachable { request_id, .. } => {
                let (name, start) = (format!("batch:{request_id}"), jiff::Timestamp::UNIX_EPOCH);
                Claim { name, start, percent: 0, limit }
            }
            Self::BudgetOverrun { .. } => return None,
        })
    }
}

/// Tells the log and the webhook.
#[derive(Debug)]
pub(super) struct Watcher {
    alerts: mpsc::Sender<Alert>,
    counters: Arc<Counters>,
    /// The requests of batches that nobody can be asked for, and when the log was told last.
    #[cfg(feature = "sql")]
    unreachable: parking_lot::Mutex<std::collections::HashMap<String, std::time::Instant>>,
}

/// What waits for the webhook.
#[derive(Debug)]
pub(super) struct Waiting {
    alerts: mpsc::Receiver<Alert>,
    counters: Arc<Counters>,
}

/// What was told, counted since the start.
#[derive(Debug, Default)]
struct Counters {
    thresholds: [AtomicU64; THRESHOLDS.len()],
    overruns: AtomicU64,
    unreachable: AtomicU64,
    told: AtomicU64,
    failed: AtomicU64,
    lost: AtomicU64,
}

/// What was told, since the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AlertCounts {
    /// By the share of the limit, in per cent.
    pub(crate) thresholds: [(u8, u64); THRESHOLDS.len()],
    pub(crate) overruns: u64,
    /// Batches that nobody can be asked for.
    pub(crate) unreachable: u64,
    /// Alerts that the webhook took.
    pub(crate) told: u64,
    /// Alerts that it did not take, however often it was asked.
    pub(crate) failed: u64,
    /// Alerts that were too many to wait for it.
    pub(crate) lost: u64,
}

fn count(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::Relaxed) + 1
}

impl Watcher {
    pub(super) fn new() -> (Arc<Self>, Waiting) {
        let (alerts, waiting) = mpsc::channel(WAITING);
        let counters = Arc::<Counters>::default();
        let waiting = Waiting { alerts: waiting, counters: Arc::clone(&counters) };
        (Arc::new(Self::of(alerts, counters)), waiting)
    }

    fn of(alerts: mpsc::Sender<Alert>, counters: Arc<Counters>) -> Self {
        Self {
            alerts,
            counters,
            #[cfg(feature = "sql")]
            unreachable: parking_lot::Mutex::default(),
        }
    }

    pub(super) fn counts(&self) -> AlertCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { thresholds, overruns, unreachable, told, failed, lost } = &*self.counters;
        let mut shares = THRESHOLDS.map(|percent| (percent, 0));
        shares.iter_mut().zip(thresholds).for_each(|((_, count), counter)| *count = read(counter));
        AlertCounts {
            thresholds: shares,
            overruns: read(overruns),
            unreachable: read(unreachable),
            told: read(told),
            failed: read(failed),
            lost: read(lost),
        }
    }

    /// Somebody can be asked for the batch that this request made.
    #[cfg(feature = "sql")]
    pub(super) fn batch_reached(&self, request: &str) {
        self.unreachable.lock().remove(request);
    }

    /// Nobody can be asked for a batch (its request, its id there) of this deployment and provider: told when that begins,
    /// and in the log once a day as long as it lasts.
    #[cfg(feature = "sql")]
    pub(super) fn batch_unreachable(
        &self,
        (request, batch): (&str, &str),
        (deployment, provider): (&str, &str),
    ) {
        let now = std::time::Instant::now();
        let before = {
            let mut told = self.unreachable.lock();
            let before = told.get(request).copied();
            let is_told = before.is_some_and(|at| now.saturating_duration_since(at) < AGAIN);
            if is_told || (before.is_none() && told.len() >= UNREACHABLE) {
                return;
            }
            told.insert(request.to_owned(), now);
            before
        };
        tracing::warn!(
            request_id = request,
            batch,
            deployment,
            provider,
            "a batch cannot be booked: nobody who is configured knows of the account that it was made with"
        );
        if before.is_some() {
            return;
        }
        self.alert(Alert::BatchUnreachable {
            request_id: request.to_owned(),
            batch: batch.to_owned(),
            deployment: deployment.to_owned(),
            provider: provider.to_owned(),
            time: jiff::Timestamp::now(),
        });
    }

    fn note(&self, alert: &Alert) {
        match alert {
            Alert::BudgetThreshold { budget, percent, spent_usd, limit_usd, .. } => {
                let nth = THRESHOLDS.iter().position(|known| known == percent);
                nth.and_then(|nth| self.counters.thresholds.get(nth)).map(count);
                tracing::warn!(budget, percent, spent = %spent_usd, limit = %limit_usd, "a budget reached a threshold");
            }
            Alert::BatchUnreachable { .. } => {
                count(&self.counters.unreachable);
            }
            Alert::BudgetOverrun { .. } => {}
        }
    }

    fn alert(&self, alert: Alert) {
        if let Err(full) = self.alerts.try_send(alert) {
            let (lost, alert) = (count(&self.counters.lost), full.into_inner());
            tracing::warn!(
                lost,
                ?alert,
                "the webhook of [alerts], or the store, is too slow: an alert is not sent"
            );
        }
    }
}

impl Observer for Watcher {
    fn event(&self, event: &Event) {
        let name = |window: &BudgetWindow| (window.budget.to_string(), window.start);
        let time = jiff::Timestamp::now();
        match event {
            Event::Threshold { budget, percent, spent, limit } => {
                let (budget, window_start) = name(budget);
                let (percent, spent_usd, limit_usd) = (*percent, *spent, *limit);
                self.alert(Alert::BudgetThreshold {
                    budget,
                    window_start,
                    percent,
                    spent_usd,
                    limit_usd,
                    time,
                });
            }
            Event::Overrun { budget, by } => {
                count(&self.counters.overruns);
                tracing::warn!(budget = %budget.budget, %by, "a provider billed more than was reserved");
                let (budget, window_start) = name(budget);
                self.alert(Alert::BudgetOverrun { budget, window_start, by_usd: *by, time });
            }
            Event::Abandoned(settled) => tracing::debug!(?settled, "an attempt was given up"),
            Event::Closed { budget, settled, overrun } => {
                tracing::debug!(budget = %budget.budget, %settled, %overrun, "a budget's window is over");
            }
            _ => {}
        }
    }
}

impl Waiting {
    /// Tells whatever nobody else does.
    pub(super) async fn run(self, gateway: Arc<Gateway>) {
        let Self { alerts, counters } = self;
        let (ours, waiting) = mpsc::channel(WAITING);
        let waiting = Self { alerts: waiting, counters: Arc::clone(&counters) };
        tokio::join!(claim(&gateway, alerts, Watcher::of(ours, counters)), waiting.tell(&gateway));
    }

    /// Tells the webhook of the configuration of the moment.
    async fn tell(mut self, gateway: &Gateway) {
        while let Some(alert) = self.alerts.recv().await {
            let Some(webhook) = gateway.snapshot().webhook.clone() else { continue };
            let Ok(body) = serde_json::to_vec(&alert).map(Bytes::from) else { continue };
            let mut taken = false;
            for nth in 0..TRIES {
                let told = tokio::time::timeout(PATIENCE, tell(gateway, &webhook, body.clone())).await;
                let late = || Err(ApiError::upstream(ErrorKind::Timeout, "no answer in time"));
                match told.unwrap_or_else(|_| late()) {
                    Ok(()) => {
                        taken = true;
                        break;
                    }
                    Err(error) => {
                        tracing::warn!(%error, try_ = nth + 1, "the webhook of [alerts] was not told")
                    }
                }
                if nth + 1 < TRIES {
                    tokio::time::sleep(PAUSE * 2u32.pow(nth)).await;
                }
            }
            if let Some(claim) = alert.claim() {
                gateway.governance().end_alert(&claim, taken).await;
            }
            count(if taken { &self.counters.told } else { &self.counters.failed });
        }
    }
}

/// Passes on what this gateway is to tell, and counts it. Where it has nobody to tell, others may have.
async fn claim(gateway: &Gateway, mut alerts: mpsc::Receiver<Alert>, to: Watcher) {
    while let Some(alert) = alerts.recv().await {
        if gateway.snapshot().webhook.is_some()
            && let Some(claim) = alert.claim()
            && !gateway.governance().claim_alert(&claim).await
        {
            continue;
        }
        to.note(&alert);
        to.alert(alert);
    }
}

async fn tell(gateway: &Gateway, webhook: &Secret, body: Bytes) -> Result<()> {
    let request = Request::post(webhook.expose()).header(CONTENT_TYPE, "application/json");
    let request = request.body(RequestBody::from(Segments::from(body))).map_err(|_| {
        // The address may hold a token.
        ApiError::bad_request("alerts.webhook is no address")
    })?;
    let (head, body) = gateway.transport().send(request).await?.into_parts();
    if !head.status.is_success() {
        return Err(ApiError::upstream(ErrorKind::Api, format!("it answered {}", head.status)));
    }
    // It is told, whatever follows; read, so that the connection can be used again, but neither for long nor much.
    let _ = tokio::time::timeout(REST, collect(body, 64 * 1024)).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_without_a_beginning_has_none() {
        let told = |window_start| {
            let (budget, by_usd, time) = ("global".to_owned(), PicoUsd::ZERO, jiff::Timestamp::UNIX_EPOCH);
            let alert = Alert::BudgetOverrun { budget, window_start, by_usd, time };
            serde_json::to_value(alert).unwrap()["window_start"].clone()
        };
        assert_eq!(told(jiff::Timestamp::MIN), serde_json::Value::Null);
        assert_eq!(told(jiff::Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00Z");
    }
}
