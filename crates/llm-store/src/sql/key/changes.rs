//! Following changes: PostgreSQL tells of them, a SQLite file is looked at.
//!
//! What is told may be lost with a connection, so the revision is what counts: it is read after listening has begun,
//! and now and then all the same.

use std::time::Duration;

use llm_governance::Revision;
use sqlx::postgres::PgListener;
use tokio::time::{sleep, timeout};

use super::super::backend::Backend;
use super::super::store::SqlStore;

/// What PostgreSQL tells of changes on.
pub(super) const CHANNEL: &str = "llm_gateway_changes";
/// How often a file is looked at: one read of one row in the page cache.
const LOOK: Duration = Duration::from_millis(250);
/// How often a database is looked at that tells.
const LOOK_ANYWAY: Duration = Duration::from_secs(10);
/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// After a failure.
const PAUSE: Duration = Duration::from_millis(500);

/// Wakes whoever follows a store.
#[derive(Debug)]
pub struct Changes {
    store: SqlStore,
    seen: Revision,
    own: tokio::sync::watch::Receiver<Revision>,
    listener: Option<PgListener>,
}

impl SqlStore {
    /// Follows the changes after `seen`.
    #[must_use]
    pub fn changes(&self, seen: Revision) -> Changes {
        Changes { store: self.clone(), seen, own: self.newest.subscribe(), listener: None }
    }
}

impl Changes {
    /// Waits until the store has changed since this last returned, by anybody's hand; says how far it is. While the
    /// store is away it goes on waiting. Nothing is lost when it is dropped meanwhile.
    pub async fn changed(&mut self) -> Revision {
        loop {
            if !self.listen().await {
                sleep(PAUSE).await;
                continue;
            }
            match self.store.revision().await {
                // Also when it is less: somebody has put back a copy.
                Ok(newest) if newest != self.seen => {
                    self.seen = newest;
                    return newest;
                }
                Ok(_) => self.wait().await,
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    /// Listens, where the database tells. False: it cannot be reached.
    async fn listen(&mut self) -> bool {
        if self.store.db.backend != Backend::Postgres || self.listener.is_some() {
            return true;
        }
        let listen = async {
            let mut listener = PgListener::connect(&self.store.url.0).await?;
            listener.listen(CHANNEL).await?;
            Ok::<_, sqlx::Error>(listener)
        };
        self.listener = timeout(PATIENCE, listen).await.ok().and_then(Result::ok);
        self.listener.is_some()
    }

    async fn wait(&mut self) {
        let Self { own, listener, .. } = self;
        let told = async {
            match listener {
                Some(listener) => !matches!(listener.try_recv().await, Ok(Some(_))),
                None => std::future::pending().await,
            }
        };
        let look = if self.store.db.backend == Backend::Postgres { LOOK_ANYWAY } else { LOOK };
        let lost = tokio::select! {
            lost = told => lost,
            _ = own.changed() => false,
            () = sleep(look) => false,
        };
        if lost {
            self.listener = None;
        }
    }
}
