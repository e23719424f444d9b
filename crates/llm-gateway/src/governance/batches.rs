//! Batches whose money is not booked yet, in the store.

use std::time::Duration;

use llm_governance::{BudgetWindow, Event, Observer as _, UsageRow};
use llm_store::{DueBatches, OpenBatch};
use llm_types::{PicoUsd, Result};

use super::store::{CLAIM, Kept};
use super::{Governance, refused};

impl Governance {
    /// Writes a batch down; what its hard budgets hold for it is no longer this gateway's.
    ///
    /// # Errors
    /// 503 where the store cannot be written.
    pub(crate) async fn open_batch(&self, batch: &OpenBatch<'_>) -> Result<()> {
        let Some(Kept { store, node, .. }) = &self.kept else { return Ok(()) };
        store.open_batch(node, batch).await.map_err(|error| refused(error.into()))
    }

    /// What was written down of a batch that is not booked.
    ///
    /// # Errors
    /// 503 where the store cannot be read.
    pub(crate) async fn open_batch_of(&self, request: &str) -> Result<Option<String>> {
        let Some(kept) = &self.kept else { return Ok(None) };
        kept.store.batch(request).await.map_err(|error| refused(error.into()))
    }

    /// Nobody can be asked for a batch: see [`Watcher::batch_unreachable`](super::watch::Watcher::batch_unreachable).
    pub(crate) fn batch_unreachable(&self, batch: (&str, &str), of: (&str, &str)) {
        self.watcher.batch_unreachable(batch, of);
    }

    /// Somebody can be asked for the batch that this request made.
    pub(crate) fn batch_reached(&self, request: &str) {
        self.watcher.batch_reached(request);
    }

    /// Batches that this gateway is to look at.
    ///
    /// # Errors
    /// 503 where the store cannot be asked.
    pub(crate) async fn due_batches(
        &self,
        after: Option<&str>,
        most: i64,
        longest: Duration,
    ) -> Result<DueBatches> {
        let Some(kept) = &self.kept else { return Ok(DueBatches::default()) };
        kept.store.due_batches(after, most, longest).await.map_err(|error| refused(error.into()))
    }

    /// Books a batch that so much was held for, unless somebody has.
    ///
    /// # Errors
    /// 503 where the store cannot be written.
    pub(crate) async fn close_batch(
        &self,
        request: &str,
        (windows, held): (&[BudgetWindow], PicoUsd),
        row: Option<&UsageRow>,
    ) -> Result<()> {
        let Some(kept) = &self.kept else { return Ok(()) };
        let closed = kept.store.close_batch(request, windows, row, CLAIM).await;
        if let Some(row) = row.filter(|_| matches!(closed, Ok(true))) {
            self.books.iter().for_each(|books| books.book(row));
            if row.overrun {
                let by = row.cost.saturating_sub(held);
                let told = row.bookings.iter().map(|window| Event::Overrun { budget: window.clone(), by });
                told.for_each(|event| self.watcher.event(&event));
            }
        }
        closed.map(drop).map_err(|error| refused(error.into()))
    }
}
