//! Who may call and what it may cost them: the parts of llm-governance, put together for this process.
//!
//! What is in force is in memory, in one [`Directory`]: no request waits for a store. A change is kept first, where
//! there is a store, and in force when [`Governance::change`] returns.

mod audit;
mod configured;
#[cfg(feature = "sql")]
mod decided;
mod kept;
#[cfg(feature = "sql")]
mod store;
mod watch;

use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use llm_governance::{
    Change, Directory, Error, Facts, Gate, Grant, Identity, KeyHash, KeyStore, MemoryReports, Now,
    Principal as Who, Refusal, Reports, Scope, UsageRow,
};
use llm_types::{ApiError, ErrorKind, Result};
use tokio::sync::{Mutex, MutexGuard};

pub(crate) use audit::Deed;
pub(crate) use configured::{Configured, terms};
pub(crate) use kept::Kept;

use crate::gateway::Gateway;
use crate::record::Sink;

/// Is told of each attempt once it has ended. Must neither block nor fail.
pub trait Books: Debug + Send + Sync {
    /// An attempt has ended.
    fn book(&self, row: &UsageRow);
}

/// Keys, budgets and limits.
#[derive(Debug)]
pub(crate) struct Governance {
    gate: Gate,
    /// What waits for the webhook; until it is started.
    alerts: parking_lot::Mutex<Option<watch::Waiting>>,
    /// Where keys and groups are kept; `None`: nowhere, they are gone with the process.
    store: Option<Arc<dyn KeyStore>>,
    /// Who else is told of each attempt.
    books: Vec<Arc<dyn Books>>,
    #[cfg(feature = "sql")]
    kept: Option<store::Kept>,
    /// Rows and the audit log.
    reports: Arc<dyn Reports>,
    /// What the configuration file defines: nobody else changes it.
    configured: ArcSwap<Configured>,
    /// Held by whoever changes something that was read before.
    writing: Mutex<()>,
}

impl Default for Governance {
    fn default() -> Self {
        let (watcher, waiting) = watch::Watcher::new();
        Self {
            gate: Gate::with(Arc::new(Directory::new()), watcher, None),
            alerts: parking_lot::Mutex::new(Some(waiting)),
            store: None,
            books: Vec::new(),
            #[cfg(feature = "sql")]
            kept: None,
            reports: Arc::new(MemoryReports::default()),
            configured: ArcSwap::default(),
            writing: Mutex::default(),
        }
    }
}

impl Governance {
    /// What lets requests in.
    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Whom it knows.
    pub(crate) fn directory(&self) -> &Directory {
        self.gate.directory()
    }

    /// Whether changes outlive the process.
    pub(crate) fn is_durable(&self) -> bool {
        self.store.is_some()
    }

    /// Rows and the audit log.
    pub(crate) fn reports(&self) -> &dyn Reports {
        &*self.reports
    }

    /// To be held from reading something to [`change`](Self::change): two who change the same at once would lose
    /// one of the changes.
    pub(crate) async fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().await
    }

    /// Makes a change, and writes it to the audit log.
    ///
    /// # Errors
    /// 400 for what contradicts what is there, 409 for what the configuration file defines, 503 where it cannot be
    /// kept.
    pub(crate) async fn change(&self, change: Change, deed: Deed<'_>) -> Result<()> {
        let scope = audit::scope_of(&change);
        if self.is_configured(&scope) {
            let message = format!("`{scope}` is defined in the configuration file: change it there");
            return Err(ApiError::new(ErrorKind::Conflict, message).with_code("defined_in_config"));
        }
        if let Change::PutKey(key) = &change {
            key.terms.check().map_err(refused)?;
        }
        if let Change::Put(_, group) = &change {
            group.terms.check().map_err(refused)?;
        }
        let entry = deed.entry(self.directory(), &change);
        match &self.store {
            // It writes the log with the change.
            Some(store) => {
                store.keep_as(&change, deed.by, deed.action).await.map_err(refused)?;
                self.directory().apply([change]).map_err(refused)
            }
            None => {
                self.directory().apply([change]).map_err(refused)?;
                self.reports.note(entry).await.map_err(refused)
            }
        }
    }

    /// Puts what a configuration file defines in the place of what another defined. Whatever has the same name and
    /// came from elsewhere is hidden by it.
    ///
    /// # Errors
    /// When two keys would have one secret. Nothing is changed then.
    pub(crate) fn configure(&self, next: Configured) -> Result<(), Error> {
        let before = self.configured.load_full();
        let gone = before.scopes().filter(|scope| !next.defines(scope)).map(configured::removal);
        self.directory().apply(gone.chain(next.changes().cloned()))?;
        self.configured.store(Arc::new(next));
        Ok(())
    }

    /// Whether the configuration file defines it.
    pub(crate) fn is_configured(&self, scope: &Scope) -> bool {
        self.configured.load().defines(scope)
    }

    /// Whoever sends this key from there.
    ///
    /// # Errors
    /// 401 and 403 for a key that is unknown or not good.
    pub(crate) fn authenticate(&self, key: &str, address: Option<IpAddr>) -> Result<Who> {
        self.directory().authenticate(key, address, Now::read())
    }

    /// Whoever somebody else vouches for.
    ///
    /// # Errors
    /// 403 for a team or organisation that does not exist, for whoever is blocked, or not to come from there.
    pub(crate) fn identify(&self, identity: Identity, address: Option<IpAddr>) -> Result<Who> {
        self.directory().identify(identity, address)
    }

    /// Whether there is such a key, good or not.
    pub(crate) fn knows(&self, key: &str) -> bool {
        self.directory().key_count() > 0 && self.directory().key_by_hash(&KeyHash::of(key)).is_some()
    }

    /// Begins what goes on beside requests.
    pub(crate) fn begin(self: &Arc<Self>, gateway: &Arc<Gateway>) {
        if let Some(alerts) = self.alerts.lock().take() {
            gateway.background(alerts.run(Arc::clone(gateway)));
        }
        #[cfg(feature = "sql")]
        self.start(gateway);
    }

    /// Has somebody told of each attempt.
    pub(crate) fn tell(&mut self, books: Arc<dyn Books>) {
        self.books.push(books);
    }

    /// Whether nothing has to be counted, and nobody wants to know.
    pub(crate) fn is_idle(&self) -> bool {
        self.books.is_empty() && !self.keeps_rows() && self.directory().is_empty()
    }

    /// Whether rows are kept in a store.
    pub(crate) fn keeps_rows(&self) -> bool {
        #[cfg(feature = "sql")]
        return self.kept.is_some();
        #[cfg(not(feature = "sql"))]
        false
    }

    /// Who keeps decisions for longer than memory does.
    pub(crate) fn sink(&self) -> Option<&Sink> {
        #[cfg(feature = "sql")]
        return self.kept.as_ref().map(|kept| &kept.sink);
        #[cfg(not(feature = "sql"))]
        None
    }

    /// A decision that memory has no longer, as JSON.
    ///
    /// # Errors
    /// 503 where the store cannot be read.
    pub(crate) async fn decision(&self, request: &str) -> Result<Option<String>> {
        #[cfg(feature = "sql")]
        if let Some(kept) = &self.kept {
            return kept.decision(request).await;
        }
        let _ = request;
        Ok(None)
    }

    /// What is wrong with the store, if anything.
    pub(crate) fn trouble(&self) -> Option<String> {
        #[cfg(feature = "sql")]
        return self.kept.as_ref()?.trouble();
        #[cfg(not(feature = "sql"))]
        None
    }

    /// Lets a request in.
    ///
    /// # Errors
    /// 403 for what is not allowed, 429 for limits.
    pub(crate) async fn enter(&self, who: &Who, facts: &Facts<'_>) -> Result<Option<Grant>, Refusal> {
        if self.directory().is_empty() {
            return Ok(None);
        }
        self.gate.enter(who, facts).await.map(Some)
    }

    /// Writes down what became of an attempt.
    pub(crate) fn book(&self, row: UsageRow) -> Kept {
        self.books.iter().for_each(|books| books.book(&row));
        #[cfg(feature = "sql")]
        if let Some(kept) = &self.kept {
            return kept.rows.try_append(row).into();
        }
        self.reports.append(row);
        Kept::default()
    }

    /// Whoever needs no key of a directory.
    pub(crate) fn anyone(&self) -> Who {
        self.directory().anyone()
    }
}

/// A change that was not made, as the admin API says it.
pub(crate) fn refused(error: Error) -> ApiError {
    let kind = match &error {
        Error::NotFound(_) => ErrorKind::NotFound,
        Error::DuplicateKey(_) => ErrorKind::Conflict,
        Error::Store(_) => ErrorKind::Unavailable,
        _ => ErrorKind::BadRequest,
    };
    ApiError::new(kind, error.to_string()).with_source(error)
}
