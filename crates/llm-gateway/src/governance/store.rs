//! The store behind keys, budgets and usage: opened at the start, followed while the gateway runs, and left in order.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use llm_admin::{FileFirst, Registry};
use llm_config::{Store, store_file};
use llm_governance::lease::Funding;
use llm_governance::{Directory, Gate, KeyStore, Revision};
use llm_store::{RowOptions, RowTask, RowWriter, SqlError, SqlReports, SqlStore};
use llm_types::{ApiError, ErrorKind, Result};
use parking_lot::Mutex;

use super::watch::Watcher;
use super::{Governance, decided};
use crate::gateway::Gateway;
use crate::record::{Decided, Sink};

/// Where the journal is of a store that is no file.
const JOURNAL: &str = "gateway-journal";
/// What clocks may differ by, and a request last beyond its time.
const SKEW: Duration = Duration::from_secs(10);
/// How long the last rows may take into the database, when the gateway stops.
const LAST_ROWS: Duration = Duration::from_secs(5);
/// How long handing back may take then.
const LAST_LEASES: Duration = Duration::from_secs(2);
/// How long the last decisions may take then.
const LAST_DECISIONS: Duration = Duration::from_secs(2);
/// After a store that could not be followed.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a gateway has to write the row of a batch that it claimed.
pub(super) const CLAIM: Duration = Duration::from_secs(3600);
/// How often old rows are looked for.
const RETIRE: Duration = Duration::from_secs(3600);

/// An open store.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) store: SqlStore,
    /// This life of the gateway.
    pub(super) node: String,
    pub(super) rows: RowWriter,
    /// Until it is started.
    task: Mutex<Option<RowTask>>,
    /// Where decisions go.
    pub(super) sink: Sink,
    /// Until they are taken out.
    decided: Mutex<Option<tokio::sync::mpsc::Receiver<Decided>>>,
    seen: Mutex<Revision>,
    settings: Store,
    /// How long a lease of a node that died stays with it.
    grace: Duration,
}

impl Kept {
    /// A decision, as JSON.
    ///
    /// # Errors
    /// 503 where the store cannot be read.
    pub(super) async fn decision(&self, request: &str) -> Result<Option<String>> {
        self.store.decision(request).await.map_err(|error| super::refused(error.into()))
    }

    /// Claims the batch that this request made, to book it. False: another gateway has it.
    ///
    /// # Errors
    /// 503 where the store cannot be written.
    pub(super) async fn claim_batch(&self, request: &str) -> Result<bool> {
        let claimed = self.store.claim_batch(request, &self.node, CLAIM).await;
        claimed.map_err(|error| super::refused(error.into()))
    }

    /// The batch that this request made has its row.
    pub(super) async fn note_batch(&self, request: &str) {
        if let Err(error) = self.store.note_batch(request, &self.node).await {
            tracing::warn!(%error, request_id = request, "that a batch is booked is told by its row alone");
        }
    }

    /// Whether the batch that this request made is booked, also where its row is gone.
    ///
    /// # Errors
    /// 503 where the store cannot be read.
    pub(super) async fn is_batch_noted(&self, request: &str) -> Result<bool> {
        self.store.is_batch_noted(request).await.map_err(|error| super::refused(error.into()))
    }
}

impl Kept {
    /// What is wrong with the store, if anything.
    pub(super) fn trouble(&self) -> Option<String> {
        let status = self.rows.status();
        let lost = (status.lost > 0).then(|| format!("{} rows are lost", status.lost));
        let memory = status.memory;
        let journal = status.degraded.map(|why| match memory {
            0 => why,
            memory => format!("{why} ({memory} rows are in memory only)"),
        });
        let away =
            status.store_away.map(|why| format!("the database is away, rows wait in the journal: {why}"));
        lost.into_iter().chain(journal).chain(away).reduce(|all, next| format!("{all}; {next}"))
    }
}

impl Governance {
    /// Opens the store that a configuration names, and reads who there is.
    ///
    /// # Errors
    /// When it cannot be opened, or its journal cannot.
    pub(crate) async fn open(settings: &Store, request_timeout: Duration) -> Result<Self> {
        let failed = |error: SqlError| {
            ApiError::new(ErrorKind::Unavailable, format!("[store]: {error}")).with_source(error)
        };
        let store = SqlStore::open(settings.url.expose()).await.map_err(failed)?;
        let node = uuid::Uuid::now_v7().simple().to_string();
        let options = RowOptions::new(journal(settings), node.clone());
        let (rows, task) = RowWriter::start(&store, options).map_err(failed)?;
        let directory = Arc::new(Directory::leasing());
        let ledger = Arc::new(FileFirst::new(Arc::new(store.clone())));
        let funding = Funding::new(ledger.clone(), node.clone(), settings.lease);
        let (watcher, waiting) = Watcher::new();
        let gate = Gate::with(directory, watcher.clone(), Some(funding));
        let grace = request_timeout + SKEW;
        let reports = Arc::new(SqlReports::new(store.clone(), rows.clone()).with_grace(grace));
        let registry = Registry::kept(gate, Arc::new(store.clone()), reports).over(&ledger);
        let seen = registry.load(&store).await.map_err(super::refused)?;
        let (sink, decided) = Sink::new();
        let kept = Kept {
            store: store.clone(),
            node,
            rows,
            sink,
            decided: Mutex::new(Some(decided)),
            task: Mutex::new(Some(task)),
            seen: Mutex::new(seen),
            settings: settings.clone(),
            grace,
        };
        let alerts = Mutex::new(Some(waiting));
        Ok(Self { registry, alerts, watcher, kept: Some(kept), ..Self::default() })
    }

    /// Begins to write rows, to follow changes, and to look after leases.
    pub(super) fn start(self: &Arc<Self>, gateway: &Gateway) {
        let Some(kept) = &self.kept else { return };
        if let Some(task) = kept.task.lock().take() {
            // Ends when the rows are drained.
            gateway.tasks().spawn(task.run());
        }
        if let Some(waiting) = kept.decided.lock().take() {
            // Ends with the last one.
            gateway.tasks().spawn(decided::run(kept.store.clone(), kept.sink.clone(), waiting));
        }
        let own = Arc::clone(self);
        gateway.background(async move { own.follow().await });
        let own = Arc::clone(self);
        gateway.background(async move { own.tend().await });
        let own = Arc::clone(self);
        gateway.background(async move { own.retire().await });
    }

    /// Takes over what others change.
    async fn follow(&self) {
        let Some(kept) = &self.kept else { return };
        let mut changes = kept.store.changes(*kept.seen.lock());
        loop {
            changes.changed().await;
            while let Err(error) = self.catch_up(kept).await {
                tracing::warn!(%error, "the store's changes could not be read");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn catch_up(&self, kept: &Kept) -> Result<()> {
        let seen = *kept.seen.lock();
        let refused = super::refused;
        let newest = match kept.store.since(seen).await.map_err(refused)? {
            Some((changes, newest)) => {
                self.registry.follow(changes).map_err(refused)?;
                newest
            }
            None => self.registry.load(&kept.store).await.map_err(refused)?,
        };
        *kept.seen.lock() = newest;
        Ok(())
    }

    /// Keeps leases alive, hands back what is not needed, and takes those of nodes that died for spent.
    async fn tend(&self) {
        let Some(kept) = &self.kept else { return };
        let mut every = tokio::time::interval(kept.settings.lease / 4);
        loop {
            every.tick().await;
            if let Err(error) = self.gate().tend().await {
                tracing::warn!(%error, "leases of budgets could not be renewed: hard budgets spend what is leased");
            }
            if let Err(error) = self.note_soft().await {
                tracing::debug!(%error, "what soft budgets have spent was not looked at");
            }
            match kept.store.expire(kept.grace).await {
                Ok(0) => {}
                Ok(leases) => {
                    tracing::warn!(leases, "gateways died with slices of budgets, which count as spent")
                }
                Err(error) => tracing::debug!(%error, "leases were not looked at"),
            }
        }
    }

    /// Deletes rows and decisions that are older than they are to be kept, and what leases have left behind.
    async fn retire(&self) {
        let Some(kept) = &self.kept else { return };
        let mut every = tokio::time::interval(RETIRE);
        loop {
            every.tick().await;
            let before = kept.settings.retention.and_then(|age| {
                let age = jiff::SignedDuration::try_from(age).ok()?;
                jiff::Timestamp::now().checked_sub(age).ok()
            });
            if let Err(error) = kept.store.trim_decisions(before, decided::MOST).await {
                tracing::warn!(%error, "old decision records could not be deleted");
            }
            if let Err(error) = kept.store.trim_claims().await {
                tracing::warn!(%error, "old claims of batches could not be deleted");
            }
            if let Err(error) = kept.store.trim_alerts().await {
                tracing::warn!(%error, "old notes of alerts could not be deleted");
            }
            match kept.store.retire(before).await {
                Ok(retired) => tracing::debug!(?retired, "old rows are gone"),
                Err(error) => tracing::warn!(%error, "old rows could not be deleted"),
            }
        }
    }

    /// Writes what is left to write, and hands back what is left of leases.
    pub(crate) async fn close(&self) {
        let Some(kept) = &self.kept else { return };
        if !kept.rows.drain(LAST_ROWS).await {
            let lost = kept.rows.status().lost;
            if lost == 0 {
                tracing::warn!(
                    "not all rows are in the database: the journal has the rest for the next start"
                );
            } else {
                tracing::error!(
                    lost,
                    "usage rows are lost: neither the database nor the journal had room for them; the journal has the others for the next start"
                );
            }
        }
        if tokio::time::timeout(LAST_DECISIONS, kept.sink.finish()).await.is_err() {
            tracing::warn!("the last decision records are not in the database");
        }
        if !matches!(tokio::time::timeout(LAST_LEASES, self.gate().hand_back()).await, Ok(Ok(()))) {
            tracing::warn!("leases of budgets could not be handed back: they count as spent until they end");
        }
        kept.store.close().await;
    }
}

/// The folder of the journal.
fn journal(settings: &Store) -> PathBuf {
    let beside = |file: &str| {
        let mut name = Path::new(file).as_os_str().to_owned();
        name.push("-journal.d");
        PathBuf::from(name)
    };
    let default = || store_file(settings.url.expose()).map_or_else(|| JOURNAL.into(), beside);
    settings.journal.clone().unwrap_or_else(default)
}
