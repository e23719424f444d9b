//! Reports from the database, behind the port of llm-governance.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use llm_governance::report::{
    AuditEntry, AuditFilter, Booked, Page, PageAsk, Released, Report, ReportAsk, RowFilter, RowView,
};
use llm_governance::{BudgetId, Error, Reports, Scope, UsageRow};
use llm_types::PicoUsd;

use super::ledger::WindowView;
use super::rows::RowWriter;
use super::store::SqlStore;

/// How long a reader waits for rows that are on their way.
const SOON: Duration = Duration::from_millis(500);

/// What was used and who administered what, from a store and the writer of its rows. Whoever asks sees the rows that
/// were appended before, unless the database is behind.
#[derive(Debug, Clone)]
pub struct SqlReports {
    store: SqlStore,
    /// `None`: somebody else writes rows.
    rows: Option<RowWriter>,
    /// How long after the end of its lease a node may be heard of; `None`: nobody said so.
    grace: Option<Duration>,
}

impl SqlReports {
    /// Reports of this store.
    #[must_use]
    pub fn new(store: SqlStore, rows: RowWriter) -> Self {
        Self { store, rows: Some(rows), grace: None }
    }

    /// Reports of a store whose rows others write: those on their way are not waited for, and none is taken.
    #[must_use]
    pub fn reading(store: SqlStore) -> Self {
        Self { store, rows: None, grace: None }
    }

    /// The same, where nodes may be heard of for so long after the end of a lease.
    #[must_use]
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace: Some(grace), ..self }
    }

    /// Waits for rows on their way, but not for a database that is away.
    async fn settle(&self) {
        if let Some(rows) = &self.rows
            && rows.status().store_away.is_none()
        {
            rows.flush(SOON).await;
        }
    }
}

#[async_trait]
impl Reports for SqlReports {
    fn append(&self, row: UsageRow) {
        if let Some(rows) = &self.rows {
            drop(rows.try_append(&row));
        }
    }

    async fn note(&self, entry: AuditEntry) -> Result<(), Error> {
        Ok(self.store.note(entry).await?)
    }

    fn is_durable(&self) -> bool {
        true
    }

    async fn usage(&self, ask: &ReportAsk) -> Result<Report, Error> {
        self.settle().await;
        Ok(self.store.usage(ask).await?)
    }

    async fn rows(&self, filter: &RowFilter, ask: &PageAsk) -> Result<Page<RowView>, Error> {
        self.settle().await;
        Ok(self.store.rows(filter, ask).await?)
    }

    async fn spent(&self, scope: &Scope) -> Result<PicoUsd, Error> {
        self.settle().await;
        Ok(self.store.spend(scope).await?.cost)
    }

    async fn booked(&self, scopes: &[Scope], at: Timestamp) -> Result<Option<Vec<Booked>>, Error> {
        self.settle().await;
        let windows = self.store.windows_of(scopes, at).await?;
        let booked = |WindowView { window, end: _, view, ending, ended: _, held }: WindowView| Booked {
            held,
            window,
            spent: view.spent,
            unknown: view.unknown.saturating_add(ending),
        };
        Ok(Some(windows.into_iter().map(booked).collect()))
    }

    async fn release_unknown(&self, budget: &BudgetId, at: Timestamp, by: &str) -> Result<Released, Error> {
        self.settle().await;
        let windows = self.store.windows(&budget.scope, at).await?;
        let Some(found) = windows.iter().find(|found| *found.window.budget == *budget) else {
            return Ok(Released::default());
        };
        let amount = self.store.release_unknown(&found.window, by).await?;
        let until = found.ended.zip(self.grace).and_then(|(ended, grace)| ended.checked_add(grace).ok());
        Ok(Released { amount, waiting: found.ending, until })
    }

    async fn rate(&self, request: &str, quality: f64) -> Result<bool, Error> {
        self.settle().await;
        Ok(self.store.rate(request, quality).await?)
    }

    async fn audit(&self, filter: &AuditFilter, ask: &PageAsk) -> Result<Page<AuditEntry>, Error> {
        Ok(self.store.audit(filter, ask).await?)
    }
}
