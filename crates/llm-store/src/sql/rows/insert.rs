//! Writing rows: a pack of them, the sums of reports, the counters of their budgets and the journal's mark in one
//! transaction, each row once.

use std::borrow::Cow;
use std::collections::BTreeSet;

use llm_governance::UsageRow;
use sqlx::AnyConnection;

use super::line::Line;
use super::pack::Pack;
use crate::sql::backend::within;
use crate::sql::error::SqlError;
use crate::sql::ledger::{Booking, book};
use crate::sql::statement::Statement;
use crate::sql::store::SqlStore;
use crate::sql::usage::Rollup;

/// Names of a statement.
const CHUNK: usize = 256;
impl SqlStore {
    /// Writes what is new of a pack of this life of a node; says how many rows that was.
    pub(super) async fn write_rows(&self, node: &str, pack: &Pack) -> Result<usize, SqlError> {
        within(async {
            let mut transaction = self.db.begin().await?;
            let now = self.db.now(&mut transaction).await?;
            let new = write(&mut transaction, node, pack, now).await?;
            transaction.commit().await?;
            Ok(new)
        })
        .await
    }

    /// Up to which row the journal of a node's life is stored.
    pub(super) async fn journal_mark(&self, node: &str) -> Result<u64, SqlError> {
        within(async { mark(&mut *self.db.reader().await?, node).await }).await
    }
}

async fn mark(on: &mut AnyConnection, node: &str) -> Result<u64, SqlError> {
    let mark: Option<i64> = sqlx::query_scalar("SELECT seq FROM journal_mark WHERE node = $1")
        .bind(node)
        .fetch_optional(on)
        .await?;
    Ok(mark.and_then(|mark| u64::try_from(mark).ok()).unwrap_or_default())
}

/// Writes a single row of a name that writes no other.
pub(in crate::sql) async fn write_one(
    on: &mut AnyConnection,
    node: &str,
    row: &UsageRow,
    now: i64,
) -> Result<(), SqlError> {
    let line = Line::of(row);
    write(on, node, &Pack::of([(1, line.entry())]), now).await?;
    Ok(())
}

async fn write(on: &mut AnyConnection, node: &str, pack: &Pack, now: i64) -> Result<usize, SqlError> {
    // A pack may come again whose end was not heard of. One process alone writes for a life.
    let stored = mark(on, node).await?;
    let pack = match pack.last() {
        None => return Ok(0),
        Some(last) if last <= stored => return Ok(0),
        Some(_) if pack.first().is_none_or(|first| first > stored) => Cow::Borrowed(pack),
        Some(_) => Cow::Owned(pack.after(stored)?),
    };
    let (Some(first), Some(last)) = (pack.first(), pack.last()) else { return Ok(0) };
    let (mut rollup, mut booking) = (Rollup::default(), Booking::default());
    for (subject, sums) in pack.sums() {
        rollup.add(&subject.about(), sums);
        subject.bookings.iter().for_each(|window| booking.add(window, sums.cost));
    }
    insert(on, (node, number(first)), &pack).await?;
    rollup.write(on).await?;
    // Last, for these locks are waited for by requests that need money.
    book(on, node, &booking, now).await?;
    sqlx::query(
        "INSERT INTO journal_mark (node, seq, at_ms) VALUES ($1, $2, $3) \
         ON CONFLICT (node) DO UPDATE SET seq = excluded.seq, at_ms = excluded.at_ms",
    )
    .bind(node)
    .bind(number(last))
    .bind(now)
    .execute(on)
    .await?;
    Ok(pack.len())
}

fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// Writes the rows, and the names by which they are found.
async fn insert(on: &mut AnyConnection, (node, seq): (&str, i64), pack: &Pack) -> Result<(), SqlError> {
    let (first_us, last_us) = pack.times();
    let (first_request, last_request) = pack.requests();
    let mut sql = Statement::new(
        "INSERT INTO usage_pack (node, seq, row_count, failed_count, first_us, last_us, first_request, \
         last_request, body) VALUES ",
    );
    sql.values(&[()], |to, ()| {
        to.bind(node)?.bind(seq)?.bind(count(pack.len()))?.bind(count(pack.failed()))?;
        to.bind(first_us)?.bind(last_us)?.bind(first_request)?.bind(last_request)?.bind(pack.body())?;
        Ok(())
    })?;
    sql.execute(on).await?;
    let names = pack.sums().flat_map(|(subject, _)| subject.names());
    let named: BTreeSet<_> = names.filter(|(_, name)| !name.is_empty()).collect();
    let named: Vec<String> = named.into_iter().map(|(kind, name)| format!("{kind}:{name}")).collect();
    for chunk in named.chunks(CHUNK) {
        let mut sql = Statement::new("INSERT INTO usage_name (name, last_us, node, seq) VALUES ");
        sql.values(chunk, |to, name| {
            to.bind(&**name)?.bind(last_us)?.bind(node)?.bind(seq)?;
            Ok(())
        })?;
        sql.execute(on).await?;
    }
    Ok(())
}

/// A count of rows as a column.
pub(super) fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
