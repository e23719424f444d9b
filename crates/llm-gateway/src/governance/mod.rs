//! Who may call and what it may cost them: the parts of llm-governance, put together for this process.
//!
//! What is in force is in memory, in one [`Directory`]: no request waits for a store. A change is kept first, where
//! there is a store, and in force when [`Governance::change`] returns.

use std::net::IpAddr;
use std::sync::Arc;

use llm_governance::{Change, Directory, Error, Gate, KeyHash, KeyStore, Now, Principal as Who};
use llm_types::{ApiError, ErrorKind, Result};

/// Keys, budgets and limits.
#[derive(Debug)]
pub(crate) struct Governance {
    gate: Gate,
    /// Where keys and groups are kept; `None`: nowhere, they are gone with the process.
    store: Option<Arc<dyn KeyStore>>,
}

impl Default for Governance {
    fn default() -> Self {
        Self { gate: Gate::new(Arc::new(Directory::new())), store: None }
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

    /// Makes a change; `by` is for the audit log.
    ///
    /// # Errors
    /// 400 for what contradicts what is there, 503 where it cannot be kept.
    pub(crate) async fn change(&self, change: Change, by: &str) -> Result<()> {
        if let Some(store) = &self.store {
            store.keep(&change, by).await.map_err(refused)?;
        }
        self.directory().apply([change]).map_err(refused)
    }

    /// Whoever sends this key from there.
    ///
    /// # Errors
    /// 401 and 403 for a key that is unknown or not good.
    pub(crate) fn authenticate(&self, key: &str, address: Option<IpAddr>) -> Result<Who> {
        self.directory().authenticate(key, address, Now::read())
    }

    /// Whether there is such a key, good or not.
    pub(crate) fn knows(&self, key: &str) -> bool {
        self.directory().key_count() > 0 && self.directory().key_by_hash(&KeyHash::of(key)).is_some()
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
        Error::Store(_) => ErrorKind::Unavailable,
        _ => ErrorKind::BadRequest,
    };
    ApiError::new(kind, error.to_string()).with_source(error)
}
