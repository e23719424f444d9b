//! Checks by the clock (`router.health_check`).
//!
//! A check costs a call, so whoever has answered a request since the last round is left out: that told more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use llm_router::{Deployment, Standing};
use tokio::time::{Instant, sleep_until};

use super::{AT_ONCE, check, members, timeout};
use crate::backend::Backend;
use crate::gateway::Gateway;
use crate::snapshot::Snapshot;

/// Begins to check, as often as the configuration of the moment says.
pub(crate) fn start(gateway: &Arc<Gateway>) {
    gateway.background(rounds(Arc::clone(gateway)));
}

async fn rounds(gateway: Arc<Gateway>) {
    let mut replaced = gateway.replaced();
    let mut answered = Answered::default();
    let mut due = Instant::now();
    loop {
        let snapshot = gateway.snapshot();
        let Some(rule) = snapshot.health_check else {
            drop(snapshot);
            if replaced.changed().await.is_err() {
                return;
            }
            continue;
        };
        due = due.min(Instant::now() + rule.interval);
        tokio::select! {
            () = sleep_until(due) => {}
            _ = replaced.changed() => continue,
        }
        round(&gateway, &snapshot, &mut answered).await;
        gateway.checks().keep_only(&gateway.snapshot());
        due = Instant::now() + jittered(rule.interval);
    }
}

/// How many requests each deployment had answered in the last round.
#[derive(Debug, Default)]
struct Answered(HashMap<Arc<str>, u64>);

impl Answered {
    /// Whether a deployment has answered since, and nothing stands against it.
    fn since(&mut self, deployment: &Deployment<Backend>) -> bool {
        let now = deployment.stats.counts().successes;
        let before = self.0.insert(Arc::clone(&deployment.id), now);
        before.is_some_and(|before| before < now)
            && deployment.stats.standing(Instant::now().into_std()) == Standing::Ready
    }
}

async fn round(gateway: &Gateway, snapshot: &Snapshot, answered: &mut Answered) {
    let bound = timeout(snapshot);
    let all = snapshot.router.groups().flat_map(|group| members(snapshot, group));
    let due: Vec<_> = all
        .filter(|(group, index)| {
            group.get(*index).is_some_and(|deployment| {
                let drained = deployment.stats.standing(Instant::now().into_std()) == Standing::Drained;
                !answered.since(deployment) && !drained
            })
        })
        .collect();
    answered.0.retain(|id, _| snapshot.router.deployment(id).is_some());
    futures_util::stream::iter(due)
        .for_each_concurrent(AT_ONCE, async |(group, index)| {
            // What cannot be checked has nothing to tell.
            let _ = check(gateway, group, index, None, bound).await;
        })
        .await;
}

/// Up to a tenth longer, so that gateways that were started together do not ask together.
fn jittered(interval: Duration) -> Duration {
    let [byte, ..] = *uuid::Uuid::new_v4().as_bytes();
    interval + interval.mul_f64(f64::from(byte) / 2560.0)
}
