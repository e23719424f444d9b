//! Following changes: PostgreSQL tells of them, a SQLite file is looked at.
//!
//! What is told may be lost with a connection, and a connection may be dead without a word. So the revision is what
//! counts: it is read as soon as listening has begun, twice a second while nobody listens, and every second all the same.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
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
/// How often a database is looked at that tells, and its connection asked whether it is there.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);
/// How often a database is looked at while nobody listens to it.
const LOOK_DEAF: Duration = Duration::from_millis(500);
/// How long a connection may take to say that it is there.
const ALIVE: Duration = Duration::from_millis(800);
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
    connecting: Option<Connecting>,
}

/// A connection that is being made; `None` comes of it where that failed.
struct Connecting(Pin<Box<dyn Future<Output = Option<PgListener>> + Send>>);

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connecting")
    }
}

impl SqlStore {
    /// Follows the changes after `seen`.
    #[must_use]
    pub fn changes(&self, seen: Revision) -> Changes {
        Changes { store: self.clone(), seen, own: self.newest.subscribe(), listener: None, connecting: None }
    }
}

impl Changes {
    /// Waits until the store has changed since this last returned, by anybody's hand; says how far it is. While the
    /// store is away it goes on waiting. Nothing is lost when it is dropped meanwhile.
    pub async fn changed(&mut self) -> Revision {
        loop {
            self.listen();
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

    /// Begins to listen, where the database tells and nobody does.
    fn listen(&mut self) {
        let is_on = self.listener.is_some() || self.connecting.is_some();
        if self.store.db.backend != Backend::Postgres || is_on {
            return;
        }
        let url = Arc::clone(&self.store.url);
        let listen = async move {
            let mut listener = PgListener::connect(&url.0).await?;
            listener.listen(CHANNEL).await?;
            Ok::<_, sqlx::Error>(listener)
        };
        let listen = async { timeout(PATIENCE, listen).await.ok().and_then(Result::ok) };
        self.connecting = Some(Connecting(Box::pin(listen)));
    }

    /// Until there may be something new.
    async fn wait(&mut self) {
        let Self { own, listener, connecting, store, .. } = self;
        let look = match (&store.db.backend, &listener) {
            (Backend::Postgres, Some(_)) => LOOK_ANYWAY,
            (Backend::Postgres, None) => LOOK_DEAF,
            (Backend::Sqlite(_), _) => LOOK,
        };
        let told = async {
            match listener {
                Some(listener) => matches!(listener.try_recv().await, Ok(Some(_))),
                None => std::future::pending().await,
            }
        };
        let connected = async {
            match connecting {
                Some(Connecting(connecting)) => connecting.await,
                None => std::future::pending().await,
            }
        };
        let quiet = tokio::select! {
            heard = told => {
                if !heard {
                    self.listener = None;
                }
                false
            }
            connected = connected => {
                let failed = connected.is_none();
                (self.listener, self.connecting) = (connected, None);
                // Another one is not tried at once.
                if failed {
                    sleep(LOOK_DEAF).await;
                }
                false
            }
            _ = own.changed() => false,
            () = sleep(look) => true,
        };
        if quiet && !self.is_alive().await {
            self.listener = None;
        }
    }

    /// Whether the connection that tells is there, where there is one.
    async fn is_alive(&mut self) -> bool {
        let Some(listener) = &mut self.listener else { return true };
        let asked = sqlx::query("SELECT 1").execute(listener);
        matches!(timeout(ALIVE, asked).await, Ok(Ok(_)))
    }
}
