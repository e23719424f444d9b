//! How the way of the rows is, for readiness and metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// How it is at one moment. Counts are since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowStatus {
    /// Rows that were handed over.
    pub appended: u64,
    /// Rows that are in the database, or were there already.
    pub stored: u64,
    /// Rows that wait for the database, in memory or in the journal.
    pub waiting: u64,
    /// Of these, those that are in memory alone: they are lost should the process end now.
    pub memory: u64,
    /// Rows of earlier lives that were found in the journal and stored.
    pub replayed: u64,
    /// Rows that the database had already.
    pub duplicates: u64,
    /// Rows that are in no database and no journal: the disk was full, the database away and memory used up.
    pub lost: u64,
    /// Rows that the database refused; they are in `refused.jsonl` beside the journal.
    pub refused: u64,
    /// How long the journal's files are, in bytes.
    pub journal_bytes: u64,
    /// Why rows can't be journaled at present: those that come are in memory only.
    pub degraded: Option<String>,
    /// Why rows can't be stored at present: they wait in the journal.
    pub store_away: Option<String>,
}

/// What is counted on the way.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) appended: AtomicU64,
    pub(super) stored: AtomicU64,
    pub(super) replayed: AtomicU64,
    pub(super) duplicates: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) journal_bytes: AtomicU64,
    pub(super) degraded: Mutex<Option<String>>,
    pub(super) store_away: Mutex<Option<String>>,
}

/// Adds to a count.
pub(super) fn add(count: &AtomicU64, more: usize) {
    count.fetch_add(u64::try_from(more).unwrap_or(u64::MAX), Ordering::Relaxed);
}

impl Counters {
    pub(super) fn read(&self) -> RowStatus {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (appended, stored, lost) = (read(&self.appended), read(&self.stored), read(&self.lost));
        let refused = read(&self.refused);
        RowStatus {
            appended,
            stored,
            waiting: appended.saturating_sub(stored).saturating_sub(lost).saturating_sub(refused),
            memory: 0,
            replayed: read(&self.replayed),
            duplicates: read(&self.duplicates),
            lost,
            refused,
            journal_bytes: read(&self.journal_bytes),
            degraded: self.degraded.lock().clone(),
            store_away: self.store_away.lock().clone(),
        }
    }
}
