//! Who there is, what they may spend, and where that is kept: what is administered.
//!
//! What is in force is in memory, in one [`Directory`]. A change is kept first, where there is a store, and in force
//! when [`Registry::change`] returns. What the configuration file defines goes before what the store has of the same
//! name; that is put aside, and back when it leaves the file.

use std::collections::HashMap;
use std::sync::Arc;

use llm_governance::{Change, Directory, Error, Gate, KeyStore, MemoryReports, Reports, Revision, Scope};
use llm_types::{ApiError, ErrorKind, Result};
use tokio::sync::{Mutex, MutexGuard};

use crate::configured::{Configured, removal};
use crate::deed::{Deed, scope_of};
use crate::file_first::{FileFirst, Present};

/// Who there is, what they may spend, and where that is kept.
#[derive(Debug)]
pub struct Registry {
    gate: Gate,
    /// Where keys and groups are kept; `None`: nowhere, they are gone with the process.
    store: Option<Arc<dyn KeyStore>>,
    /// Rows and the audit log.
    reports: Arc<dyn Reports>,
    /// What the configuration file defines: nobody else changes it.
    configured: Present,
    /// What is kept under names that the configuration file defines.
    hidden: parking_lot::Mutex<HashMap<Scope, Change>>,
    /// Held by whoever changes something that was read before.
    writing: Mutex<()>,
}

impl Registry {
    /// What is behind this gate, gone with the process.
    #[must_use]
    pub fn in_memory(gate: Gate) -> Self {
        Self::with(gate, None, Arc::new(MemoryReports::default()))
    }

    /// What is behind this gate and kept in a store.
    #[must_use]
    pub fn kept(gate: Gate, store: Arc<dyn KeyStore>, reports: Arc<dyn Reports>) -> Self {
        Self::with(gate, Some(store), reports)
    }

    /// What is defined in the configuration file holds for this ledger as well.
    #[must_use]
    pub fn over(mut self, ledger: &FileFirst) -> Self {
        self.configured = ledger.configured();
        self
    }

    fn with(gate: Gate, store: Option<Arc<dyn KeyStore>>, reports: Arc<dyn Reports>) -> Self {
        let (configured, hidden, writing) = Default::default();
        Self { gate, store, reports, configured, hidden, writing }
    }

    /// What lets requests in.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Whom it knows.
    pub fn directory(&self) -> &Directory {
        self.gate.directory()
    }

    /// Whether changes outlive the process.
    pub fn is_durable(&self) -> bool {
        self.store.is_some()
    }

    /// Rows and the audit log.
    pub fn reports(&self) -> &dyn Reports {
        &*self.reports
    }

    /// To be held from reading something to [`change`](Self::change): two who change the same at once would lose
    /// one of the changes.
    pub async fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().await
    }

    /// Makes a change, and writes it to the audit log.
    ///
    /// # Errors
    /// 400 for what contradicts what is there, 409 for what the configuration file defines, 503 where it cannot be
    /// kept.
    pub async fn change(&self, change: Change, deed: Deed<'_>) -> Result<()> {
        let scope = scope_of(&change);
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

    /// Takes over what others have changed in the store.
    ///
    /// # Errors
    /// When two keys would have one secret. Nothing is changed then.
    pub fn follow(&self, changes: Vec<Change>) -> std::result::Result<(), Error> {
        let configured = self.configured.load_full();
        let mut hidden = self.hidden.lock();
        let (theirs, ours): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|change| configured.defines(&scope_of(change)));
        self.directory().apply(ours)?;
        hide(&mut hidden, theirs);
        Ok(())
    }

    /// Reads all that a store has, in the place of what was there; what the configuration file defines goes before
    /// it. Gives how far it goes.
    ///
    /// # Errors
    /// When it cannot be read, or two keys would have one secret. Nothing is changed then.
    pub async fn load(&self, store: &dyn KeyStore) -> std::result::Result<Revision, Error> {
        let configured = self.configured.load_full();
        let (mut next, mut theirs, mut fault) = (self.directory().replacing(), Vec::new(), None);
        let mut each = |change: Change| match configured.defines(&scope_of(&change)) {
            true => theirs.push(change),
            false if fault.is_some() => {}
            false => fault = next.add(change).err(),
        };
        let seen = store.load(&mut each).await?;
        if let Some(error) = fault {
            return Err(error);
        }
        configured.changes().cloned().try_for_each(|change| next.add(change))?;
        next.finish();
        let mut hidden = self.hidden.lock();
        hidden.clear();
        hide(&mut hidden, theirs);
        Ok(seen)
    }

    /// Puts what a configuration file defines in the place of what another defined. Whatever has the same name and
    /// came from elsewhere is hidden by it, and comes back when the file has it no longer.
    ///
    /// # Errors
    /// When two keys would have one secret. Nothing is changed then.
    pub fn configure(&self, next: Configured) -> std::result::Result<(), Error> {
        let before = self.configured.load_full();
        let mut hidden = self.hidden.lock();
        let new = next.scopes().filter(|scope| !before.defines(scope));
        let put_aside: Vec<_> = new.filter_map(|scope| self.found(scope)).collect();
        let gone: Vec<_> = before.scopes().filter(|scope| !next.defines(scope)).cloned().collect();
        // Those that are taken away go first: the secret of one may be another's by now.
        let away = gone.iter().filter(|scope| !hidden.contains_key(scope)).map(removal);
        let back = gone.iter().filter_map(|scope| hidden.get(scope).cloned());
        let changes: Vec<_> = away.chain(back).chain(next.changes().cloned()).collect();
        // Money is asked for by the new limits from their first moment on.
        self.configured.store(Arc::new(next));
        self.directory().apply(changes).inspect_err(|_| self.configured.store(before))?;
        gone.iter().for_each(|scope| drop(hidden.remove(scope)));
        hide(&mut hidden, put_aside);
        Ok(())
    }

    /// The change that makes somebody as he is.
    fn found(&self, scope: &Scope) -> Option<Change> {
        Some(match scope {
            Scope::Key(id) => Change::PutKey(Box::new(self.directory().key(*id)?)),
            scope => Change::Put(scope.clone(), Box::new(self.directory().group(scope)?)),
        })
    }

    /// Whether the configuration file defines it.
    pub fn is_configured(&self, scope: &Scope) -> bool {
        self.configured.load().defines(scope)
    }
}

fn hide(hidden: &mut HashMap<Scope, Change>, changes: Vec<Change>) {
    for change in changes {
        let scope = scope_of(&change);
        match change {
            Change::PutKey(_) | Change::Put(..) => drop(hidden.insert(scope, change)),
            Change::RemoveKey(_) | Change::Remove(_) => drop(hidden.remove(&scope)),
        }
    }
}

/// A change that was not made, as the admin API says it.
pub fn refused(error: Error) -> ApiError {
    let kind = match &error {
        Error::NotFound(_) => ErrorKind::NotFound,
        Error::DuplicateKey(_) => ErrorKind::Conflict,
        Error::Store(_) => ErrorKind::Unavailable,
        _ => ErrorKind::BadRequest,
    };
    ApiError::new(kind, error.to_string()).with_source(error)
}
