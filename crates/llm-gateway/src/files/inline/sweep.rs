//! What is too old is taken out of the folder, now and then.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::gateway::Gateway;

/// How long until the first look, and between two.
const FIRST: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(60 * 60);

/// Begins to look after the folder of the configuration of the moment.
pub(crate) fn start(gateway: &Arc<Gateway>) {
    let own = Arc::clone(gateway);
    gateway.background(async move {
        let mut pause = FIRST;
        loop {
            sleep(pause).await;
            pause = EVERY;
            let Some(shelf) = own.snapshot().shelf.clone() else { continue };
            match spawn_blocking(move || shelf.sweep(SystemTime::now())).await {
                Ok(Ok(0)) | Err(_) => {}
                Ok(Ok(removed)) => {
                    tracing::info!(removed, "old files were removed from the folder of [files]")
                }
                Ok(Err(error)) => tracing::warn!(%error, "the folder of [files] cannot be looked through"),
            }
        }
    });
}
