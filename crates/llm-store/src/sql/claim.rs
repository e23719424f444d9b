//! Who books a batch: of several gateways that see its end, one.
//!
//! That it is booked is told by its row, which takes a moment on its way here. Until then the claim tells. One that a
//! gateway left without a row, because it died between the two, is anybody's after a while.

use std::time::Duration;

use super::backend::within;
use super::error::SqlError;
use super::store::SqlStore;

/// How long claims are kept, in ms: nobody asks for a batch that ended so long ago.
const KEPT: i64 = 30 * 24 * 60 * 60 * 1000;
/// Claims that are removed in one transaction.
const BATCH: i64 = 2_000;

impl SqlStore {
    /// Claims the batch that this request made for `node`, for as long as `hold`. False: another node has it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn claim_batch(&self, request: &str, node: &str, hold: Duration) -> Result<bool, SqlError> {
        within(async {
            let mut transaction = self.db.begin().await?;
            let now = self.db.now(&mut transaction).await?;
            let hold = i64::try_from(hold.as_millis()).unwrap_or(i64::MAX);
            let sql = "INSERT INTO batch_booked (request, node, claimed_ms) VALUES ($1, $2, $3) \
                 ON CONFLICT (request) DO UPDATE SET node = excluded.node, claimed_ms = excluded.claimed_ms \
                 WHERE batch_booked.node = excluded.node OR batch_booked.claimed_ms <= $4";
            let done = sqlx::query(sql)
                .bind(request)
                .bind(node)
                .bind(now)
                .bind(now.saturating_sub(hold))
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(done.rows_affected() > 0)
        })
        .await
    }

    /// Removes claims that nobody asks for any more; says how many.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn trim_claims(&self) -> Result<u64, SqlError> {
        let before = jiff::Timestamp::now().as_millisecond().saturating_sub(KEPT);
        let sql = "DELETE FROM batch_booked WHERE request IN \
             (SELECT request FROM batch_booked WHERE claimed_ms < $1 ORDER BY claimed_ms LIMIT $2)";
        self.remove(sql, before, BATCH).await
    }
}
