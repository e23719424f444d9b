//! What is removed in time: old rows, whose sums stay; leases and windows that are long over.
//!
//! In small batches, so that whoever writes rows waits a few milliseconds at most.

use std::time::Duration;

use jiff::Timestamp;

use crate::sql::backend::within;
use crate::sql::error::SqlError;
use crate::sql::store::SqlStore;

/// After each, for others.
const PAUSE: Duration = Duration::from_millis(20);
/// How long leases, windows and marks stay that nobody has touched, in ms.
const IDLE: i64 = 7 * 24 * 3_600_000;
/// How long windows stay that are over, in ms: longer than the longest request and every journal.
const OVER: i64 = 62 * 24 * 3_600_000;

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retired {
    /// Usage rows.
    pub rows: u64,
    /// Leases with nothing left.
    pub leases: u64,
    /// Windows.
    pub windows: u64,
}

impl SqlStore {
    /// Removes rows from before `before` (`None`: none), and what leases and windows have left behind. Takes as long as
    /// it takes, and may be dropped at any time.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn retire(&self, before: Option<Timestamp>) -> Result<Retired, SqlError> {
        let mut retired = Retired::default();
        if let Some(before) = before {
            retired.rows = self.retire_rows(before.as_microsecond()).await?;
        }
        let now = within(async { self.db.now(&mut *self.db.reader().await?).await }).await?;
        // One at a time: whoever books holds several. A lease that its node still knows comes back as a new one, and
        // then the budget refuses early.
        let sql = "DELETE FROM lease WHERE (budget, start_ms, node) IN \
             (SELECT budget, start_ms, node FROM lease WHERE touched_ms < $1 AND amount_m <= used_m \
             AND (amount_m < used_m OR amount_p <= used_p) LIMIT $2)";
        retired.leases = self.remove(sql, now - IDLE, 1).await?;
        let sql = "DELETE FROM budget_window WHERE (budget, start_ms) IN \
             (SELECT w.budget, w.start_ms FROM budget_window w WHERE w.end_ms < $1 AND NOT EXISTS \
             (SELECT 1 FROM lease l WHERE l.budget = w.budget AND l.start_ms = w.start_ms) LIMIT $2)";
        retired.windows = self.remove(sql, now - OVER, 1).await?;
        Ok(retired)
    }

    /// Removes batch after batch what a statement finds before a moment; says how much that was.
    pub(in super::super) async fn remove(
        &self,
        sql: &'static str,
        before: i64,
        batch: i64,
    ) -> Result<u64, SqlError> {
        let mut removed = 0;
        loop {
            let more = within(async {
                let mut transaction = self.db.begin().await?;
                let done = sqlx::query(sql).bind(before).bind(batch).execute(&mut *transaction).await?;
                transaction.commit().await?;
                Ok(done.rows_affected())
            })
            .await?;
            removed += more;
            if more < u64::try_from(batch).unwrap_or(1) {
                return Ok(removed);
            }
            if batch > 1 {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
