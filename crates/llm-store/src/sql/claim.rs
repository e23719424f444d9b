//! Who books a batch: of several gateways that see its end, one.
//!
//! That it is booked is told by its row, which takes a moment on its way here and may be deleted before the batch is
//! forgotten. Until then, and from then on, the claim tells. One that a gateway left without a row, because it died between
//! the two, is anybody's after a while.

use std::time::Duration;

use sqlx::AnyConnection;

use super::backend::within;
use super::error::SqlError;
use super::store::SqlStore;

/// How long claims are kept, in ms: nobody asks for a batch that ended so long ago.
const KEPT: i64 = 30 * 24 * 60 * 60 * 1000;
/// Claims that are removed in one transaction.
const BATCH: i64 = 2_000;

/// Writes down that a batch is booked, in the transaction that writes its row. False: it is booked, and no row is to be
/// written.
///
/// # Errors
/// [`SqlError::Claimed`] where somebody else claimed it, less than `hold` ago.
pub(super) async fn book(
    on: &mut AnyConnection,
    (request, node): (&str, &str),
    now: i64,
    hold: Duration,
) -> Result<bool, SqlError> {
    let sql = "INSERT INTO batch_booked (request, node, claimed_ms, booked_ms) VALUES ($1, $2, $3, $3) \
         ON CONFLICT (request) DO UPDATE SET node = excluded.node, claimed_ms = excluded.claimed_ms, \
         booked_ms = excluded.booked_ms WHERE batch_booked.booked_ms IS NULL AND batch_booked.claimed_ms <= $4";
    let hold = i64::try_from(hold.as_millis()).unwrap_or(i64::MAX);
    let done = sqlx::query(sql)
        .bind(request)
        .bind(node)
        .bind(now)
        .bind(now.saturating_sub(hold))
        .execute(&mut *on)
        .await?;
    if done.rows_affected() > 0 {
        return Ok(true);
    }
    let sql = "SELECT COUNT(*) FROM batch_booked WHERE request = $1 AND booked_ms IS NOT NULL";
    let booked: i64 = sqlx::query_scalar(sql).bind(request).fetch_one(on).await?;
    if booked > 0 { Ok(false) } else { Err(SqlError::Claimed) }
}

/// Writes down that a batch is booked.
pub(super) async fn note(
    on: &mut AnyConnection,
    (request, node): (&str, &str),
    now: i64,
) -> Result<(), SqlError> {
    let sql = "INSERT INTO batch_booked (request, node, claimed_ms, booked_ms) VALUES ($1, $2, $3, $3) \
         ON CONFLICT (request) DO UPDATE SET claimed_ms = excluded.claimed_ms, booked_ms = excluded.booked_ms";
    sqlx::query(sql).bind(request).bind(node).bind(now).execute(on).await?;
    Ok(())
}

impl SqlStore {
    /// Claims the batch that this request made for `node`, for as long as `hold`. False: another node has it, or it is booked.
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
                 WHERE batch_booked.booked_ms IS NULL \
                 AND (batch_booked.node = excluded.node OR batch_booked.claimed_ms <= $4)";
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

    /// The batch that this request made is booked, by `node`.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn note_batch(&self, request: &str, node: &str) -> Result<(), SqlError> {
        within(async {
            let mut transaction = self.db.begin().await?;
            let now = self.db.now(&mut transaction).await?;
            note(&mut transaction, (request, node), now).await?;
            Ok(transaction.commit().await?)
        })
        .await
    }

    /// Whether the batch that this request made is noted as booked.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn is_batch_noted(&self, request: &str) -> Result<bool, SqlError> {
        within(async {
            let sql = "SELECT COUNT(*) FROM batch_booked WHERE request = $1 AND booked_ms IS NOT NULL";
            let mut on = self.db.reader().await?;
            let noted: i64 = sqlx::query_scalar(sql).bind(request).fetch_one(&mut *on).await?;
            Ok(noted > 0)
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
