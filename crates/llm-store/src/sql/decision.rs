//! Why requests went where they went, as text that only its writer reads.
//!
//! Kept for people who look, so losing some is no harm: nothing is journaled, and the oldest go when there are many.

use jiff::Timestamp;

use super::backend::within;
use super::error::SqlError;
use super::statement::Statement;
use super::store::SqlStore;

/// Decisions of a statement.
const CHUNK: usize = 64;
/// Decisions that are removed in one transaction.
const BATCH: i64 = 2_000;

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDecision {
    /// The request's id.
    pub request: String,
    /// When it was decided.
    pub time: Timestamp,
    /// A JSON object.
    pub body: String,
}

impl SqlStore {
    /// Keeps decisions; of two on one request the later one.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn keep_decisions(&self, decisions: &[KeptDecision]) -> Result<(), SqlError> {
        within(async {
            let mut transaction = self.db.begin().await?;
            for chunk in decisions.chunks(CHUNK) {
                // One statement cannot write a row twice.
                let mut latest: Vec<&KeptDecision> = Vec::new();
                for decision in chunk {
                    latest.retain(|other| other.request != decision.request);
                    latest.push(decision);
                }
                latest.sort_by(|one, other| one.request.cmp(&other.request));
                let mut sql = Statement::new("INSERT INTO decision (request, time_us, body) VALUES ");
                sql.values(&latest, |row, decision| {
                    let KeptDecision { request, time, body } = decision;
                    row.bind(&**request)?.bind(time.as_microsecond())?.bind(&**body)?;
                    Ok(())
                })?;
                sql.push(
                    " ON CONFLICT (request) DO UPDATE SET time_us = excluded.time_us, body = excluded.body",
                );
                sql.execute(&mut transaction).await?;
            }
            Ok(transaction.commit().await?)
        })
        .await
    }

    /// The decision on a request, as it was kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn decision(&self, request: &str) -> Result<Option<String>, SqlError> {
        within(async {
            let sql = "SELECT body FROM decision WHERE request = $1";
            let mut on = self.db.reader().await?;
            Ok(sqlx::query_scalar(sql).bind(request).fetch_optional(&mut *on).await?)
        })
        .await
    }

    /// Removes decisions from before `before` (`None`: none), and all but the newest `most`; says how many.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn trim_decisions(&self, before: Option<Timestamp>, most: u64) -> Result<u64, SqlError> {
        let nth = i64::try_from(most).unwrap_or(i64::MAX);
        let oldest: Option<i64> = within(async {
            let sql = "SELECT time_us FROM decision ORDER BY time_us DESC LIMIT 1 OFFSET $1";
            let mut on = self.db.reader().await?;
            Ok(sqlx::query_scalar(sql).bind(nth).fetch_optional(&mut *on).await?)
        })
        .await?;
        // The one at that place is one too many.
        let over = oldest.map(|time| time.saturating_add(1));
        let Some(before) = over.max(before.map(|before| before.as_microsecond())) else { return Ok(0) };
        let sql = "DELETE FROM decision WHERE request IN \
             (SELECT request FROM decision WHERE time_us < $1 ORDER BY time_us LIMIT $2)";
        self.remove(sql, before, BATCH).await
    }
}
