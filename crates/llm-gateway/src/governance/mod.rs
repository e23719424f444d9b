//! Who may call and what it may cost them: the parts of llm-governance, put together for this process.
//!
//! What is in force is in memory, in one [`Directory`]: no request waits for a store. A change is kept first, where
//! there is a store, and in force when [`Registry::change`] returns.

#[cfg(feature = "sql")]
mod batches;
#[cfg(feature = "sql")]
mod decided;
mod kept;
#[cfg(feature = "sql")]
mod soft;
#[cfg(feature = "sql")]
mod store;
mod watch;

use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::Arc;

use llm_admin::Registry;
use llm_governance::{
    Directory, Facts, Gate, Grant, Identity, KeyHash, Now, Principal as Who, Refusal, Reports, Seating,
    UsageRow,
};
use llm_types::Result;

pub(crate) use kept::Kept;
pub(crate) use llm_admin::{Configured, refused};
pub(crate) use watch::AlertCounts;

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
    /// Who there is, and where that is kept.
    registry: Registry,
    /// What waits for the webhook; until it is started.
    alerts: parking_lot::Mutex<Option<watch::Waiting>>,
    /// What was told.
    watcher: Arc<watch::Watcher>,
    /// Who else is told of each attempt.
    books: Vec<Arc<dyn Books>>,
    #[cfg(feature = "sql")]
    kept: Option<store::Kept>,
}

impl Default for Governance {
    fn default() -> Self {
        let (watcher, waiting) = watch::Watcher::new();
        Self {
            registry: Registry::in_memory(Gate::with(Arc::new(Directory::new()), watcher.clone(), None)),
            watcher,
            alerts: parking_lot::Mutex::new(Some(waiting)),
            books: Vec::new(),
            #[cfg(feature = "sql")]
            kept: None,
        }
    }
}

impl Governance {
    /// Who there is, and where that is kept.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What lets requests in.
    pub(crate) fn gate(&self) -> &Gate {
        self.registry.gate()
    }

    /// What was told of budgets.
    pub(crate) fn alert_counts(&self) -> AlertCounts {
        self.watcher.counts()
    }

    /// How the way of the rows is, where they are kept.
    #[cfg(feature = "sql")]
    pub(crate) fn row_status(&self) -> Option<llm_store::RowStatus> {
        Some(self.kept.as_ref()?.rows.status())
    }

    /// Whom it knows.
    pub(crate) fn directory(&self) -> &Directory {
        self.registry.directory()
    }

    /// Rows and the audit log.
    pub(crate) fn reports(&self) -> &dyn Reports {
        self.registry.reports()
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

    /// Whoever asked before, as of now.
    ///
    /// # Errors
    /// 401 and 403 for who may not ask any more.
    pub(crate) fn again(&self, who: &Who, address: Option<IpAddr>) -> Result<Who> {
        self.directory().again(who, address, Now::read())
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
        if self.keeps_rows() {
            self.start(gateway);
            gateway.background(crate::files::follow(Arc::clone(gateway)));
        }
    }

    /// Has somebody told of each attempt.
    pub(crate) fn tell(&mut self, books: Arc<dyn Books>) {
        self.books.push(books);
    }

    /// Whether nothing has to be counted, and nobody wants to know.
    pub(crate) fn is_idle(&self) -> bool {
        self.books.is_empty() && !self.keeps_rows() && self.directory().is_empty()
    }

    /// Whether nothing has to be counted for them, nobody wants to know, and they may call whatever there is.
    pub(crate) fn is_idle_for(&self, who: &Who) -> bool {
        self.is_idle() && !who.is_restricted()
    }

    /// Whether nobody is known here, and whoever vouches for them says nothing of what they may call.
    fn knows_nothing_of(&self, who: &Who) -> bool {
        self.directory().is_empty() && !who.is_restricted()
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

    /// Claims the batch that this request made, to book it. False: another gateway has it.
    ///
    /// # Errors
    /// 503 where the store cannot be written.
    pub(crate) async fn claim_batch(&self, request: &str) -> Result<bool> {
        #[cfg(feature = "sql")]
        if let Some(kept) = &self.kept {
            return kept.claim_batch(request).await;
        }
        let _ = request;
        Ok(true)
    }

    /// The batch that this request made has its row.
    pub(crate) async fn note_batch(&self, request: &str) {
        #[cfg(feature = "sql")]
        if let Some(kept) = &self.kept {
            kept.note_batch(request).await;
        }
        let _ = request;
    }

    /// Whether the batch that this request made is booked, also where its row is gone.
    ///
    /// # Errors
    /// 503 where the store cannot be read.
    pub(crate) async fn is_batch_noted(&self, request: &str) -> Result<bool> {
        #[cfg(feature = "sql")]
        if let Some(kept) = &self.kept {
            return kept.is_batch_noted(request).await;
        }
        let _ = request;
        Ok(false)
    }

    /// Whether this gateway is to tell something that others may know of as well. Better twice than not at all, where the
    /// store does not say.
    async fn claim_alert(&self, claim: &watch::Claim) -> bool {
        #[cfg(feature = "sql")]
        if let Some(kept) = &self.kept {
            let watch::Claim { name, start, percent, limit } = claim;
            let claimed = kept.store.claim_alert((name, *start), *percent, *limit).await;
            return claimed.unwrap_or_else(|error| {
                tracing::debug!(%error, name, percent, "told without asking whether others do");
                true
            });
        }
        let _ = claim;
        true
    }

    /// What this gateway was to tell is told, or could not be.
    async fn end_alert(&self, claim: &watch::Claim, told: bool) {
        #[cfg(feature = "sql")]
        if let Some(kept) = &self.kept {
            let watch::Claim { name, start, percent, limit } = claim;
            if let Err(error) = kept.store.end_alert((name, *start), *percent, *limit, told).await {
                tracing::debug!(%error, name, percent, told, "what became of an alert is not written down");
            }
        }
        let _ = (claim, told);
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
        if self.knows_nothing_of(who) {
            return Ok(None);
        }
        self.gate().enter(who, facts).await.map(Some)
    }

    /// As [`enter`](Self::enter), where nothing has to be waited for; `None`: limits are shared.
    ///
    /// # Errors
    /// As that.
    pub(crate) fn enter_here(&self, who: &Who, facts: &Facts<'_>) -> Option<Result<Option<Grant>, Refusal>> {
        if self.knows_nothing_of(who) {
            return Some(Ok(None));
        }
        Some(self.gate().enter_here(who, facts)?.map(Some))
    }

    /// As [`enter`](Self::enter), for what may be no request of its own.
    ///
    /// # Errors
    /// As [`enter`](Self::enter).
    pub(crate) async fn enter_as(
        &self,
        who: &Who,
        facts: &Facts<'_>,
        seating: Seating,
    ) -> Result<Option<Grant>, Refusal> {
        if self.knows_nothing_of(who) {
            return Ok(None);
        }
        self.gate().enter_as(who, facts, seating).await.map(Some)
    }

    /// Lets the gateway's own call in.
    ///
    /// # Errors
    /// As [`Gate::enter_unasked`].
    pub(crate) fn enter_unasked(&self, facts: &Facts<'_>) -> Result<Option<Grant>, Refusal> {
        if self.directory().is_empty() {
            return Ok(None);
        }
        self.gate().enter_unasked(facts).map(Some)
    }

    /// Writes down what became of an attempt.
    pub(crate) fn book(&self, row: UsageRow) -> Kept {
        self.books.iter().for_each(|books| books.book(&row));
        #[cfg(feature = "sql")]
        if let Some(kept) = &self.kept {
            return kept.rows.try_append(&row).into();
        }
        self.reports().append(row);
        Kept::default()
    }

    /// Whoever needs no key of a directory.
    pub(crate) fn anyone(&self) -> Who {
        self.directory().anyone()
    }
}
