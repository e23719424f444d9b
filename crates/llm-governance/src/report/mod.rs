//! What was used, and who administered what: the port for reports, and books in memory where there is no store.
//!
//! Reports are for people who look, never for decisions: what may be spent is counted in accounts. So a report may
//! be a moment behind, and books in memory are bounded.

mod ask;
mod audit;
mod booked;
mod group;
mod memory;
mod page;
mod sums;
mod view;

use std::fmt::Debug;

use async_trait::async_trait;
use jiff::Timestamp;
use llm_types::PicoUsd;

pub use ask::{GroupBy, Report, ReportAsk, ReportRow, RowFilter};
pub use audit::{AuditEntry, AuditFilter};
pub use booked::{Booked, Released};
pub use group::RowFacts;
pub use memory::MemoryReports;
pub use page::{Page, PageAsk, Place};
pub use sums::Sums;
pub use view::RowView;

use crate::budget::BudgetId;
use crate::error::Error;
use crate::row::UsageRow;
use crate::scope::Scope;

/// Keeps rows and the audit log, and answers about them.
#[async_trait]
pub trait Reports: Debug + Send + Sync {
    /// Takes a row. Called when an attempt is settled: it neither waits nor fails; what cannot be kept at once is
    /// kept later.
    fn append(&self, row: UsageRow);

    /// Takes note of an administrator's action that changed no key or group, or was refused. What is changed is
    /// written to the log by whoever keeps it, with the change.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn note(&self, entry: AuditEntry) -> Result<(), Error>;

    /// Whether rows outlive the process.
    fn is_durable(&self) -> bool;

    /// Sums over rows.
    ///
    /// # Errors
    /// When the store cannot be read, or keeps no sums of what is asked.
    async fn usage(&self, ask: &ReportAsk) -> Result<Report, Error>;

    /// A page of rows, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read or the cursor is not of this list.
    async fn rows(&self, filter: &RowFilter, ask: &PageAsk) -> Result<Page<RowView>, Error>;

    /// What an owner has spent in all.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn spent(&self, scope: &Scope) -> Result<PicoUsd, Error>;

    /// What is booked on the budgets of these owners in the windows which a moment is in; windows that nothing was
    /// spent in may be missing. `None`: the counters of this process know all there is.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn booked(&self, scopes: &[Scope], at: Timestamp) -> Result<Option<Vec<Booked>>, Error>;

    /// Gives what is unknown in the window of a budget which a moment is in back to it, as an administrator may who knows
    /// that it was not spent; says how much, and writes it to the audit log. What may yet be heard of stays.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn release_unknown(&self, budget: &BudgetId, at: Timestamp, by: &str) -> Result<Released, Error>;

    /// Notes what feedback says of a request's answer, from 0 to 1. False: no row of such a request is kept.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn rate(&self, request: &str, quality: f64) -> Result<bool, Error>;

    /// A page of the audit log, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read or the cursor is not of this list.
    async fn audit(&self, filter: &AuditFilter, ask: &PageAsk) -> Result<Page<AuditEntry>, Error>;
}
