//! Who tells of a budget that reached a share of its limit: of several gateways, and lives of one, a single one.

use jiff::Timestamp;
use llm_types::PicoUsd;

use super::backend::within;
use super::error::SqlError;
use super::money::split;
use super::store::SqlStore;

/// How long what was told is known, in ms: longer than any window but the one that never ends.
const KEPT: i64 = 400 * 24 * 60 * 60 * 1000;
/// What is removed in one transaction.
const BATCH: i64 = 2_000;

impl SqlStore {
    /// Claims to tell that something (by this name, since then) has reached a share of this limit. False: it was told.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn claim_alert(
        &self,
        (name, start): (&str, Timestamp),
        percent: u8,
        limit: PicoUsd,
    ) -> Result<bool, SqlError> {
        let (limit_m, limit_p) = split(limit)?;
        within(async {
            let mut transaction = self.db.begin().await?;
            let now = self.db.now(&mut transaction).await?;
            let sql = "INSERT INTO alert_told (name, start_ms, percent, limit_m, limit_p, at_ms) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
            let done = sqlx::query(sql)
                .bind(name)
                .bind(start.as_millisecond())
                .bind(i64::from(percent))
                .bind(limit_m)
                .bind(limit_p)
                .bind(now)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(done.rows_affected() > 0)
        })
        .await
    }

    /// Forgets what was told long ago; says how much.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn trim_alerts(&self) -> Result<u64, SqlError> {
        let before = Timestamp::now().as_millisecond().saturating_sub(KEPT);
        let sql = "DELETE FROM alert_told WHERE (name, start_ms, percent, limit_m, limit_p) IN \
             (SELECT name, start_ms, percent, limit_m, limit_p FROM alert_told WHERE at_ms < $1 \
             ORDER BY at_ms LIMIT $2)";
        self.remove(sql, before, BATCH).await
    }
}
