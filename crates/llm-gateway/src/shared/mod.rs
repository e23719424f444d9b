//! What this gateway shares with others (`[redis]`): so far, cooldowns.
//!
//! The connection belongs to the snapshot, and the next snapshot takes it over when its settings are the same. So a
//! reload does not lose it. One that the next snapshot does not take over is closed: requests that still run by the
//! old snapshot, and records of them, would keep it for long.

#[cfg(feature = "redis")]
mod redis;
#[cfg(not(feature = "redis"))]
mod without;

use std::sync::Arc;

#[cfg(feature = "redis")]
pub(crate) use self::redis::Shared;
#[cfg(not(feature = "redis"))]
pub(crate) use self::without::Shared;

use crate::gateway::Gateway;

/// Begins to share, and goes on with whatever is shared after a reload.
pub(crate) fn start(gateway: &Arc<Gateway>) {
    gateway.background(keep(Arc::clone(gateway)));
}

async fn keep(gateway: Arc<Gateway>) {
    let mut replaced = gateway.replaced();
    let mut last: Option<Arc<Shared>> = None;
    loop {
        let now = gateway.snapshot().shared.clone();
        if let Some(last) = last.filter(|last| now.as_ref().is_none_or(|now| !Arc::ptr_eq(last, now))) {
            last.close();
        }
        if let Some(now) = &now {
            now.begin(&gateway);
        }
        last = now;
        if replaced.changed().await.is_err() {
            return;
        }
    }
}

/// Tells what waits to be told, and ends.
pub(crate) fn close(gateway: &Gateway) {
    if let Some(shared) = &gateway.snapshot().shared {
        shared.close();
    }
}
