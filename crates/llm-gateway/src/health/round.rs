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
        due = Instant::now() + jittered(rule.interval);
    }
}

/// How many requests each deployment had answered in the last round.
#[derive(Debug, Default)]
struct Answered(HashMap<Arc<str>, u64>);

impl Answered {
    /// Whether a deployment has answered since, and nothing stands against it.
    fn since<T>(&mut self, deployment: &Deployment<T>) -> bool {
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
                // Looked at in any case: it takes note.
                let answered = answered.since(deployment);
                !answered && may_be_asked(deployment)
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

/// Whether a check is welcome: not where somebody took the deployment out of service, its provider wants to be left
/// alone, or its limits are used up.
fn may_be_asked<T>(deployment: &Deployment<T>) -> bool {
    let now = Instant::now().into_std();
    let stats = &deployment.stats;
    !matches!(stats.standing(now), Standing::Drained | Standing::Resting(_))
        && !stats.is_left_alone(now)
        && stats.headroom(&deployment.facts.allowance, now) > 0.0
}

/// Up to a tenth longer, so that gateways that were started together do not ask together.
fn jittered(interval: Duration) -> Duration {
    let [byte, ..] = *uuid::Uuid::new_v4().as_bytes();
    interval + interval.mul_f64(f64::from(byte) / 2560.0)
}

#[cfg(test)]
mod tests {
    use llm_router::{Allowance, Facts, Outcome};

    use super::*;

    #[test]
    fn who_has_answered_since_the_last_round_is_left_out() {
        let deployment = Deployment::new("a", 0, ());
        let mut answered = Answered::default();
        let now = std::time::Instant::now();
        deployment.note(Outcome::Success, now);
        assert!(!answered.since(&deployment), "nobody has looked before");
        assert!(!answered.since(&deployment), "nothing new");
        deployment.note(Outcome::Success, now);
        assert!(answered.since(&deployment));
        assert!(!answered.since(&deployment));
        deployment.note(Outcome::Success, now);
        deployment.stats.learn_cooldown(Duration::from_secs(60), 1, now);
        assert!(!answered.since(&deployment), "it has failed since");
    }

    #[test]
    fn who_has_no_room_is_left_alone() {
        let allowance = Allowance { max_parallel: Some(1), ..Allowance::default() };
        let facts = Facts { allowance, ..Facts::default() };
        let deployment = Deployment::new("a", 0, ()).with_facts(facts);
        assert!(may_be_asked(&deployment));
        let busy = deployment.begin();
        assert!(!may_be_asked(&deployment));
        drop(busy);
        deployment.stats.drain(true);
        assert!(!may_be_asked(&deployment));
        deployment.stats.drain(false);
        deployment.stats.learn_cooldown(Duration::from_secs(60), 0, Instant::now().into_std());
        assert!(!may_be_asked(&deployment), "another gateway was told that nothing is left");
    }

    #[test]
    fn rounds_are_spread() {
        let second = Duration::from_secs(1);
        for _ in 0..100 {
            assert!((second..second * 11 / 10).contains(&jittered(second)));
        }
    }
}
