//! What this gateway shares with others (`[redis]`): cooldowns and limits.
//!
//! The connection belongs to the snapshot, and the next snapshot takes it over when its settings are the same. So a
//! reload does not lose it. One that the next snapshot does not take over is closed: requests that still run by the
//! old snapshot, and records of them, would keep it for long.

#[cfg(feature = "redis")]
mod redis;
#[cfg(not(feature = "redis"))]
mod without;

use std::sync::Arc;

use tokio::sync::watch;

#[cfg(feature = "redis")]
pub(crate) use self::redis::Shared;
#[cfg(not(feature = "redis"))]
pub(crate) use self::without::Shared;

use crate::gateway::Gateway;

/// Begins to share, and goes on with whatever is shared after a reload.
pub(crate) fn start(gateway: &Arc<Gateway>) {
    let replaced = gateway.replaced();
    // Before the first request.
    let first = begin(gateway);
    gateway.background(keep(Arc::clone(gateway), first, replaced));
}

/// Begins to share what the configuration of the moment says.
fn begin(gateway: &Arc<Gateway>) -> Option<Arc<Shared>> {
    let now = gateway.snapshot().shared.clone();
    if let Some(now) = &now {
        now.begin(gateway);
    }
    gateway.governance().gate().share_limits(now.as_ref().and_then(|now| now.limits()));
    now
}

async fn keep(gateway: Arc<Gateway>, mut last: Option<Arc<Shared>>, mut replaced: watch::Receiver<()>) {
    while replaced.changed().await.is_ok() {
        let now = begin(&gateway);
        if let Some(last) = last.filter(|last| now.as_ref().is_none_or(|now| !Arc::ptr_eq(last, now))) {
            last.close();
        }
        last = now;
    }
}

/// Tells what waits to be told, and ends.
pub(crate) fn close(gateway: &Gateway) {
    if let Some(shared) = &gateway.snapshot().shared {
        shared.close();
    }
}
