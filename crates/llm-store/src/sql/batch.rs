//! Batches that are made and not booked yet: what outlives the gateway that made them.
//!
//! The money that a hard budget holds for a batch leaves the lease of its gateway and becomes one of the batch's own, in
//! the transaction that writes the batch down. So a gateway that dies ties up nothing of it, and whoever sees the batch
//! end first books it: the transaction that writes its row is the one that removes it here, and there is one such. It also
//! notes that it did, for longer than rows may be kept.

use std::time::Duration;

use llm_governance::{BudgetWindow, Mode, UsageRow};
use llm_types::PicoUsd;
use sqlx::{AnyConnection, AssertSqlSafe};

use super::backend::within;
use super::claim;
use super::error::SqlError;
use super::ledger;
use super::rows;
use super::store::SqlStore;

/// What the leases of batches are called, before their requests.
pub(super) const HOLDER: &str = "batch-";

/// A batch, and the money that is held for it.
#[derive(Debug, Clone, Copy)]
pub struct OpenBatch<'a> {
    /// The request that made it.
    pub request: &'a str,
    /// What whoever books it has to know, in whatever form.
    pub body: &'a str,
    /// What is held for it.
    pub amount: PicoUsd,
    /// In which windows.
    pub windows: &'a [BudgetWindow],
    /// How long that may last.
    pub hold: Duration,
    /// When it is looked at for the first time, from now.
    pub first: Duration,
}

impl OpenBatch<'_> {
    fn hard(&self) -> impl Iterator<Item = &BudgetWindow> {
        in_order(self.windows).into_iter()
    }
}

/// Batches that whoever asked is to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DueBatches {
    /// What was written down of each.
    pub bodies: Vec<String>,
    /// Behind which request there may be more.
    pub next: Option<String>,
}

/// Hard budgets' windows, in the order in which their locks are taken.
fn in_order(windows: &[BudgetWindow]) -> Vec<&BudgetWindow> {
    let mut hard: Vec<_> = windows.iter().filter(|window| window.budget.mode == Mode::Hard).collect();
    hard.sort_by_cached_key(|window| (window.budget.to_string(), window.start));
    hard
}

fn holder(request: &str) -> String {
    format!("{HOLDER}{request}")
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

impl SqlStore {
    /// Writes a batch down, and takes what is held for it out of the leases of `node`.
    ///
    /// # Errors
    /// When the store cannot be written, or has it already: nothing was changed then.
    pub async fn open_batch(&self, node: &str, batch: &OpenBatch<'_>) -> Result<(), SqlError> {
        self.db.soon(self.write_batch(node, batch)).await
    }

    async fn write_batch(&self, node: &str, batch: &OpenBatch<'_>) -> Result<(), SqlError> {
        let mut transaction = self.db.begin().await?;
        let on = &mut *transaction;
        let now = self.db.now(on).await?;
        let first = millis(batch.first);
        sqlx::query(
            "INSERT INTO batch_open (request, body, made_ms, due_ms, pause_ms) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(batch.request)
        .bind(batch.body)
        .bind(now)
        .bind(now.saturating_add(first))
        .bind(first)
        .execute(&mut *on)
        .await?;
        let (to, times) = (holder(batch.request), (now, now.saturating_add(millis(batch.hold))));
        for window in batch.hard() {
            ledger::hand_over(on, window, (node, &to, batch.amount), times).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// What was written down of a batch that is not booked.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn batch(&self, request: &str) -> Result<Option<String>, SqlError> {
        within(async {
            let sql = "SELECT body FROM batch_open WHERE request = $1";
            let mut on = self.db.reader().await?;
            Ok(sqlx::query_scalar(sql).bind(request).fetch_optional(&mut *on).await?)
        })
        .await
    }

    /// Batches that somebody should look at, at most so many, for whoever asks first; the next look is later, each time
    /// twice as long and at most `longest`. With `after`, those behind this request too whose time has not come.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn due_batches(
        &self,
        after: Option<&str>,
        most: i64,
        longest: Duration,
    ) -> Result<DueBatches, SqlError> {
        within(async {
            let mut on = self.db.reader().await?;
            let now = self.db.now(&mut on).await?;
            let columns = "SELECT request, body, due_ms, pause_ms FROM batch_open";
            let found = match after {
                Some(after) => {
                    let sql = format!("{columns} WHERE request > $1 ORDER BY request LIMIT $2");
                    sqlx::query_as(AssertSqlSafe(sql)).bind(after).bind(most).fetch_all(&mut *on).await?
                }
                None => {
                    let sql = format!("{columns} WHERE due_ms <= $1 ORDER BY due_ms LIMIT $2");
                    sqlx::query_as(AssertSqlSafe(sql)).bind(now).bind(most).fetch_all(&mut *on).await?
                }
            };
            let found: Vec<(String, String, i64, i64)> = found;
            drop(on);
            let is_full = i64::try_from(found.len()).is_ok_and(|count| count >= most);
            let next = found.last().filter(|_| is_full).map(|(request, ..)| request.clone());
            let mut ours = Vec::new();
            for (request, body, due, pause) in found {
                let mut transaction = self.db.begin().await?;
                let sql =
                    "UPDATE batch_open SET due_ms = $1, pause_ms = $2 WHERE request = $3 AND due_ms = $4";
                let taken = sqlx::query(sql)
                    .bind(now.saturating_add(pause))
                    .bind(pause.saturating_mul(2).min(millis(longest)))
                    .bind(request)
                    .bind(due)
                    .execute(&mut *transaction)
                    .await?;
                transaction.commit().await?;
                if taken.rows_affected() > 0 {
                    ours.push(body);
                }
            }
            Ok(DueBatches { bodies: ours, next })
        })
        .await
    }

    /// Books a batch and gives back what was held for it, once: false if somebody else has. Without a row it is over
    /// and nothing is booked.
    ///
    /// # Errors
    /// When the store cannot be written, or somebody else claimed the batch less than `hold` ago.
    pub async fn close_batch(
        &self,
        request: &str,
        windows: &[BudgetWindow],
        row: Option<&UsageRow>,
        hold: Duration,
    ) -> Result<bool, SqlError> {
        within(async {
            let mut transaction = self.db.begin().await?;
            let on = &mut *transaction;
            let sql = "DELETE FROM batch_open WHERE request = $1";
            if sqlx::query(sql).bind(request).execute(&mut *on).await?.rows_affected() == 0 {
                return Ok(false);
            }
            let (node, now) = (holder(request), self.db.now(on).await?);
            let ours = match row {
                Some(row) => {
                    let ours = claim::book(on, (request, &node), now, hold).await?;
                    if ours {
                        rows::write_one(on, &node, row, now).await?;
                    }
                    ours
                }
                None => {
                    claim::note(on, (request, &node), now).await?;
                    true
                }
            };
            for window in in_order(windows) {
                end_hold(on, window, &node, now).await?;
            }
            transaction.commit().await?;
            Ok(ours)
        })
        .await
    }
}

/// Gives back what a lease has left.
async fn end_hold(
    on: &mut AnyConnection,
    window: &BudgetWindow,
    node: &str,
    now: i64,
) -> Result<(), SqlError> {
    ledger::lock_known(on, window).await?;
    sqlx::query(
        "UPDATE lease SET amount_m = used_m, amount_p = used_p, until_ms = NULL, touched_ms = $1 \
         WHERE budget = $2 AND start_ms = $3 AND node = $4",
    )
    .bind(now)
    .bind(window.budget.to_string())
    .bind(window.start.as_millisecond())
    .bind(node)
    .execute(on)
    .await?;
    Ok(())
}
