//! Who is told of what happens to budgets: the log, and a webhook where there is one.
//!
//! Budgets tell on the thread of a request, so telling is a place in a bounded queue. A webhook that does not answer
//! is asked again a few times and then given up, which the log says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use llm_governance::{BudgetWindow, Event, Observer};
use llm_providers::transport::{RequestBody, collect};
use llm_types::{ApiError, ErrorKind, PicoUsd, Result, Secret, Segments};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::gateway::Gateway;

/// How many alerts wait for the webhook.
const WAITING: usize = 1024;
/// How often it is asked, how long it may take, and the first pause, which doubles.
const TRIES: u32 = 4;
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(500);

/// What the webhook gets.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Alert {
    /// A budget is used up to a share of its limit.
    BudgetThreshold {
        budget: String,
        window_start: jiff::Timestamp,
        percent: u8,
        spent_usd: PicoUsd,
        limit_usd: PicoUsd,
        time: jiff::Timestamp,
    },
    /// A provider billed more than was reserved.
    BudgetOverrun { budget: String, window_start: jiff::Timestamp, by_usd: PicoUsd, time: jiff::Timestamp },
}

/// Tells the log and the webhook.
#[derive(Debug)]
pub(super) struct Watcher {
    alerts: mpsc::Sender<Alert>,
    lost: AtomicU64,
}

/// What waits for the webhook.
#[derive(Debug)]
pub(super) struct Waiting(mpsc::Receiver<Alert>);

impl Watcher {
    pub(super) fn new() -> (Arc<Self>, Waiting) {
        let (alerts, waiting) = mpsc::channel(WAITING);
        (Arc::new(Self { alerts, lost: AtomicU64::new(0) }), Waiting(waiting))
    }

    fn alert(&self, alert: Alert) {
        if self.alerts.try_send(alert).is_err() {
            let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::warn!(lost, "the webhook of [alerts] is too slow: an alert is in the log alone");
        }
    }
}

impl Observer for Watcher {
    fn event(&self, event: &Event) {
        let name = |window: &BudgetWindow| (window.budget.to_string(), window.start);
        let time = jiff::Timestamp::now();
        match event {
            Event::Threshold { budget, percent, spent, limit } => {
                tracing::warn!(budget = %budget.budget, percent, %spent, %limit, "a budget reached a threshold");
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
    /// Tells the webhook of the configuration of the moment.
    pub(super) async fn run(mut self, gateway: Arc<Gateway>) {
        while let Some(alert) = self.0.recv().await {
            let Some(webhook) = gateway.snapshot().webhook.clone() else { continue };
            let Ok(body) = serde_json::to_vec(&alert).map(Bytes::from) else { continue };
            for nth in 0..TRIES {
                let told = tokio::time::timeout(PATIENCE, tell(&gateway, &webhook, body.clone())).await;
                let late = || Err(ApiError::upstream(ErrorKind::Timeout, "no answer in time"));
                match told.unwrap_or_else(|_| late()) {
                    Ok(()) => break,
                    Err(error) => {
                        tracing::warn!(%error, try_ = nth + 1, "the webhook of [alerts] was not told")
                    }
                }
                tokio::time::sleep(PAUSE * 2u32.pow(nth)).await;
            }
        }
    }
}

async fn tell(gateway: &Gateway, webhook: &Secret, body: Bytes) -> Result<()> {
    let request = Request::post(webhook.expose()).header(CONTENT_TYPE, "application/json");
    let request = request.body(RequestBody::from(Segments::from(body))).map_err(|_| {
        // The address may hold a token.
        ApiError::bad_request("alerts.webhook is no address")
    })?;
    let (head, body) = gateway.transport().send(request).await?.into_parts();
    // Read, so that the connection can be used again.
    let _ = collect(body, 64 * 1024).await?;
    if head.status.is_success() {
        return Ok(());
    }
    Err(ApiError::upstream(ErrorKind::Api, format!("it answered {}", head.status)))
}
