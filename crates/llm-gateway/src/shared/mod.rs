//! What this gateway shares with others (`[redis]`): so far, cooldowns.
//!
//! The connection belongs to the snapshot, and the next snapshot takes it over when its settings are the same. So a
//! reload neither loses it nor keeps one that nobody wants any more: a store ends with the last snapshot that has it.

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
    loop {
        if let Some(shared) = &gateway.snapshot().shared {
            shared.begin(&gateway);
        }
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
