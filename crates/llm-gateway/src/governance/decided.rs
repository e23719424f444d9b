//! Decisions on their way into the store: in batches, beside the requests. What the store cannot take is dropped.

use std::sync::Arc;
use std::time::Duration;

use llm_store::{KeptDecision, SqlStore};
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

use crate::record::{Decided, Decision, Sink, Told};

/// How many decisions a store keeps.
pub(super) const MOST: u64 = 100_000;
/// After how many the oldest are looked at.
const SWEEP: u64 = 2_000;
/// The most decisions of a transaction.
const BATCH: usize = 256;
/// For how long decisions are collected.
const COLLECT: Duration = Duration::from_millis(200);
/// After a store that failed.
const REST: Duration = Duration::from_secs(1);
/// The longest text of a decision, in bytes.
const LONGEST: usize = 256 * 1024;

/// Takes decisions out of the queue and into the store, until the last one.
pub(super) async fn run(store: SqlStore, sink: Sink, mut waiting: Receiver<Decided>) {
    let mut kept = 0;
    loop {
        let mut batch = Vec::new();
        if waiting.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        let (texts, last) = texts(batch);
        let written = write(&store, &sink, &texts).await;
        kept += written.unwrap_or_default();
        if let Some(last) = last {
            // Nobody waits any more where this fails.
            let _ = last.send(());
            return;
        }
        if kept >= SWEEP {
            kept = 0;
            if let Err(error) = store.trim_decisions(None, MOST).await {
                tracing::warn!(%error, "old decision records could not be deleted");
            }
        }
        if written.is_none() {
            // What comes meanwhile waits, up to the queue's bound.
            tokio::time::sleep(REST).await;
        } else if waiting.is_empty() {
            tokio::time::sleep(COLLECT).await;
        }
    }
}

/// Says how many were written; `None`: the store fails.
async fn write(store: &SqlStore, sink: &Sink, texts: &[KeptDecision]) -> Option<u64> {
    let dropped = sink.take_dropped();
    if dropped > 0 {
        tracing::warn!(dropped, "decision records come faster than the store keeps them");
    }
    if texts.is_empty() {
        return Some(0);
    }
    if let Err(error) = store.keep_decisions(texts).await {
        tracing::warn!(%error, dropped = texts.len(), "decision records could not be kept");
        return None;
    }
    u64::try_from(texts.len()).ok()
}

fn texts(batch: Vec<Decided>) -> (Vec<KeptDecision>, Option<oneshot::Sender<()>>) {
    let (mut texts, mut last) = (Vec::new(), None);
    for decided in batch {
        match decided {
            Decided::One(decision) => texts.extend(text(&decision)),
            Decided::Last(tell) => last = Some(tell),
        }
    }
    (texts, last)
}

fn text(decision: &Arc<Decision>) -> Option<KeptDecision> {
    let mut told = Told::from(&**decision);
    let mut body = serde_json::to_string(&told).ok()?;
    if body.len() > LONGEST {
        told.shorten();
        body = serde_json::to_string(&told).ok()?;
    }
    if body.len() > LONGEST {
        tracing::warn!(request = %decision.request_id, bytes = body.len(), "a decision record is too long to be kept");
        return None;
    }
    let time = jiff::Timestamp::try_from(decision.at).unwrap_or_default();
    Some(KeptDecision { request: decision.request_id.to_string(), time, body })
}
