//! Who tells of a budget that reached a share of its limit: of several gateways, and lives of one, a single one.

use jiff::Timestamp;
use llm_types::PicoUsd;

use super::error::SqlError;
use super::money::split;
use super::store::SqlStore;

/// How long what was told is known, in ms: longer than any window but the one that never ends.
const KEPT: i64 = 400 * 24 * 60 * 60 * 1000;
/// How long whoever claimed to tell may take, in ms; then another may.
const HOLD: i64 = 5 * 60 * 1000;
/// What is removed in one transaction.
const BATCH: i64 = 2_000;

impl SqlStore {
    /// Claims to tell that something (by this name, since then) has reached a share of this limit. False: it was told, or
    /// somebody else is about to.
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
        let claim = async {
            let mut transaction = self.db.begin().await?;
            let now = self.db.now(&mut transaction).await?;
            let sql = "INSERT INTO alert_told (name, start_ms, percent, limit_m, limit_p, at_ms) \
                 VALUES ($1, $2, $3, $4, $5, $6) \
                 ON CONFLICT (name, start_ms, percent, limit_m, limit_p) DO UPDATE SET at_ms = excluded.at_ms \
                 WHERE alert_told.told_ms IS NULL AND alert_told.at_ms < $7";
            let done = sqlx::query(sql)
                .bind(name)
                .bind(start.as_millisecond())
                .bind(i64::from(percent))
                .bind(limit_m)
                .bind(limit_p)
                .bind(now)
                .bind(now.saturating_sub(HOLD))
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(done.rows_affected() > 0)
        };
        // Whatever is to be told waits for it.
        self.db.briefly(claim).await
    }

    /// What was claimed is told, or could not be: then whoever sees it next may tell.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn end_alert(
        &self,
        (name, start): (&str, Timestamp),
        percent: u8,
        limit: PicoUsd,
        told: bool,
    ) -> Result<(), SqlError> {
        let (limit_m, limit_p) = split(limit)?;
        let sql = match told {
            // Also what nobody could claim, because the store was away.
            true => {
                "INSERT INTO alert_told (name, start_ms, percent, limit_m, limit_p, at_ms, told_ms) \
                 VALUES ($1, $2, $3, $4, $5, $6, $6) \
                 ON CONFLICT (name, start_ms, percent, limit_m, limit_p) DO UPDATE SET told_ms = excluded.told_ms"
            }
            false => {
                "DELETE FROM alert_told WHERE name = $1 AND start_ms = $2 AND percent = $3 AND limit_m = $4 \
                 AND limit_p = $5 AND told_ms IS NULL AND at_ms <= $6"
            }
        };
        let end = async {
            let mut transaction = self.db.begin().await?;
            let now = self.db.now(&mut transaction).await?;
            sqlx::query(sql)
                .bind(name)
                .bind(start.as_millisecond())
                .bind(i64::from(percent))
                .bind(limit_m)
                .bind(limit_p)
                .bind(now)
                .execute(&mut *transaction)
                .await?;
            Ok(transaction.commit().await?)
        };
        self.db.briefly(end).await
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
