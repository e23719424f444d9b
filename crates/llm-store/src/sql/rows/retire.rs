//! Old rows: whole packs of them go at once, and of those in between the old part.

use sqlx::Row as _;

use super::insert::count;
use super::list::{Pack, rows};
use super::pack::body;
use super::record::Record;
use crate::sql::backend::within;
use crate::sql::error::SqlError;
use crate::sql::statement::Statement;
use crate::sql::store::SqlStore;

/// Packs of a transaction.
const PACKS: i64 = 32;
/// Names of a transaction.
const NAMES: i64 = 2_000;

impl SqlStore {
    /// Removes the rows from before a moment in µs since 1970, and says how many that were.
    pub(in super::super) async fn retire_rows(&self, before: i64) -> Result<u64, SqlError> {
        let mut removed = 0;
        loop {
            let mut sql = Statement::new("SELECT node, seq, row_count FROM usage_pack WHERE last_us < ");
            sql.bind(before)?.push(" ORDER BY last_us LIMIT ").bind(PACKS)?;
            let packs = self.fetch(sql).await?;
            if packs.is_empty() {
                break;
            }
            for pack in &packs {
                let of: i64 = pack.try_get("row_count")?;
                removed += u64::try_from(of).unwrap_or_default();
            }
            let mut sql = Statement::new("DELETE FROM usage_pack WHERE (node, seq) IN (VALUES ");
            sql.values(&packs, |to, pack| {
                to.bind(pack.try_get::<String, _>("node")?)?.bind(pack.try_get::<i64, _>("seq")?)?;
                Ok(())
            })?;
            sql.push(")");
            self.change(sql).await?;
        }
        removed += self.shorten(before).await?;
        let sql = "DELETE FROM usage_name WHERE (name, last_us, node, seq) IN \
             (SELECT name, last_us, node, seq FROM usage_name WHERE last_us < $1 LIMIT $2)";
        self.remove(sql, before, NAMES).await?;
        let sql = "DELETE FROM usage_quality WHERE request IN \
             (SELECT request FROM usage_quality WHERE last_us < $1 LIMIT $2)";
        self.remove(sql, before, NAMES).await?;
        Ok(removed)
    }

    /// Takes the old rows out of packs that have newer ones as well; says how many.
    async fn shorten(&self, before: i64) -> Result<u64, SqlError> {
        let mut removed = 0;
        loop {
            let mut sql = Statement::new("SELECT node, seq, last_us, body FROM usage_pack WHERE last_us >= ");
            sql.bind(before)?.push(" AND first_us < ").bind(before)?.push(" LIMIT ").bind(PACKS)?;
            let packs = self.fetch(sql).await?;
            if packs.is_empty() {
                return Ok(removed);
            }
            for pack in &packs {
                let Pack { node, seq, text, .. } = &Pack::read(pack)?;
                let rows = rows(text)?;
                let kept: Vec<_> = rows.iter().filter(|(_, row)| row.time_us >= before).collect();
                removed += u64::try_from(rows.len() - kept.len()).unwrap_or_default();
                let records = || kept.iter().map(|(_, row)| row);
                let requests = || records().map(|row| &*row.request);
                let mut sql = Statement::new("UPDATE usage_pack SET row_count = ");
                sql.bind(count(kept.len()))?.push(", failed_count = ");
                sql.bind(count(records().filter(|row: &&Record| row.error.is_some()).count()))?;
                sql.push(", first_us = ").bind(records().map(|row| row.time_us).min().unwrap_or(before))?;
                sql.push(", first_request = ").bind(requests().min().unwrap_or_default())?;
                sql.push(", last_request = ").bind(requests().max().unwrap_or_default())?;
                sql.push(", body = ").bind(body(kept.iter().map(|(text, _)| text.get().as_bytes())))?;
                sql.push(" WHERE node = ").bind(&**node)?.push(" AND seq = ").bind(*seq)?;
                self.change(sql).await?;
            }
        }
    }

    /// Changes something in a transaction of its own.
    async fn change(&self, sql: Statement) -> Result<(), SqlError> {
        within(async {
            let mut transaction = self.db.begin().await?;
            sql.execute(&mut transaction).await?;
            Ok(transaction.commit().await?)
        })
        .await
    }
}
