//! Writing rows: a pack of them, the sums of reports, the counters of their budgets and the journal's mark in one
//! transaction, each row once.

use std::collections::BTreeSet;

use llm_governance::report::Sums;
use lz4_flex::block::{compress_prepend_size, decompress_size_prepended};
use sqlx::AnyConnection;

use super::record::{Cache, Line, Record};
use crate::sql::backend::within;
use crate::sql::error::SqlError;
use crate::sql::ledger::{Booking, book};
use crate::sql::statement::Statement;
use crate::sql::store::SqlStore;
use crate::sql::usage::{About, Rollup};

/// Names of a statement.
const CHUNK: usize = 256;
/// The longest text of a pack that is believed, in bytes.
const LONGEST: usize = 256 << 20;
/// The most of anything that a row is believed to have: nine million such rows can be added up.
const MOST: u64 = 1_000_000_000_000;

/// Rows of one life of a node, in the order of its journal, with their numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch<'a> {
    pub(super) node: &'a str,
    pub(super) rows: &'a [(u64, Line)],
}

impl SqlStore {
    /// Writes what is new of a batch; says how many rows that was.
    pub(super) async fn write_rows(&self, batch: Batch<'_>) -> Result<usize, SqlError> {
        within(async {
            let mut transaction = self.db.begin().await?;
            let now = self.db.now(&mut transaction).await?;
            let new = write(&mut transaction, batch, now).await?;
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

async fn write(on: &mut AnyConnection, batch: Batch<'_>, now: i64) -> Result<usize, SqlError> {
    let Batch { node, rows } = batch;
    // A batch may come again whose end was not heard of. One process alone writes for a life.
    let stored = mark(on, node).await?;
    let rows = rows.get(rows.partition_point(|(seq, _)| *seq <= stored)..).unwrap_or_default();
    let (Some((first, _)), Some((last, _))) = (rows.first(), rows.last()) else { return Ok(0) };
    let (mut rollup, mut booking) = (Rollup::default(), Booking::default());
    for (_, Line { record, .. }) in rows {
        rollup.add(&about(record), &sums(record));
        record.bookings.iter().for_each(|window| booking.add(window, record.cost));
    }
    pack(on, (node, number(*first)), rows).await?;
    rollup.write(on).await?;
    // Last, for these locks are waited for by requests that need money.
    book(on, node, &booking, now).await?;
    sqlx::query(
        "INSERT INTO journal_mark (node, seq, at_ms) VALUES ($1, $2, $3) \
         ON CONFLICT (node) DO UPDATE SET seq = excluded.seq, at_ms = excluded.at_ms",
    )
    .bind(node)
    .bind(number(*last))
    .bind(now)
    .execute(on)
    .await?;
    Ok(rows.len())
}

fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// Writes the rows, and the names by which they are found.
async fn pack(
    on: &mut AnyConnection,
    (node, seq): (&str, i64),
    rows: &[(u64, Line)],
) -> Result<(), SqlError> {
    let records = || rows.iter().map(|(_, line)| &*line.record);
    let last_us = records().map(|row| row.time_us).max().unwrap_or_default();
    let mut sql = Statement::new(
        "INSERT INTO usage_pack (node, seq, row_count, failed_count, first_us, last_us, first_request, \
         last_request, body) VALUES ",
    );
    sql.values(&[()], |to, ()| {
        to.bind(node)?.bind(seq)?.bind(count(rows.len()))?;
        to.bind(count(records().filter(|row| row.error.is_some()).count()))?;
        to.bind(records().map(|row| row.time_us).min().unwrap_or_default())?.bind(last_us)?;
        let requests = || records().map(|row| &*row.request);
        to.bind(requests().min().unwrap_or_default())?.bind(requests().max().unwrap_or_default())?;
        to.bind(body(rows.iter().map(|(_, line)| &*line.text)))?;
        Ok(())
    })?;
    sql.execute(on).await?;
    let named: BTreeSet<_> = records().flat_map(names).filter(|(_, name)| !name.is_empty()).collect();
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

pub(super) fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// The body of a pack: a JSON array of these texts, made small.
pub(super) fn body<'a>(rows: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut text = vec![b'['];
    for (nth, row) in rows.enumerate() {
        if nth > 0 {
            text.push(b',');
        }
        text.extend_from_slice(row);
    }
    text.push(b']');
    compress_prepend_size(&text)
}

/// The text of a body.
pub(super) fn text(body: &[u8]) -> Result<String, SqlError> {
    let wrong = || SqlError::unreadable("row");
    let (length, _) = lz4_flex::block::uncompressed_size(body).map_err(|error| wrong()(error.into()))?;
    if length > LONGEST {
        return Err(wrong()(std::io::Error::other("its text is too long").into()));
    }
    let text = decompress_size_prepended(body).map_err(|error| wrong()(error.into()))?;
    String::from_utf8(text).map_err(|error| wrong()(error.into()))
}

/// By what a row is found, beside its request and its time; nobody has an empty name.
pub(super) fn names(row: &Record) -> [(&'static str, &str); 7] {
    let Record { key, user, team, organisation, model_asked, provider, deployment, .. } = row;
    [
        ("key", key),
        ("user", user),
        ("team", team),
        ("organisation", organisation),
        ("model", model_asked),
        ("provider", provider),
        ("deployment", deployment),
    ]
}

fn about(row: &Record) -> About<'_> {
    About {
        time_us: row.time_us,
        owner: [&row.key, &row.team, &row.user, &row.organisation],
        served: [&row.model_asked, &row.model, &row.provider],
        deployment: &row.deployment,
        tags: &row.detail.tags,
    }
}

fn sums(row: &Record) -> Sums {
    let usage = &row.detail.usage.0;
    let count = |count: u64| count.min(MOST);
    let micros = |micros: i64| u64::try_from(micros).unwrap_or_default().min(MOST);
    let others = [usage.input_audio, usage.input_image, usage.output_audio, usage.output_image];
    Sums {
        attempts: 1,
        requests: u64::from(row.attempt <= 1),
        errors: u64::from(row.error.is_some()),
        cache_hits: u64::from(row.cache == Cache::Hit),
        input: count(usage.input),
        cache_read: count(usage.cache_read),
        cache_write: count(usage.cache_write()),
        output: count(usage.output),
        reasoning: count(usage.reasoning),
        other_tokens: count(others.iter().fold(0, |sum, other| sum.saturating_add(*other))),
        cost: row.cost,
        incomplete: u64::from(row.incomplete),
        latency_us: micros(row.latency_us),
        first_token_us: row.first_token_us.map(micros).unwrap_or_default(),
        first_tokens: u64::from(row.first_token_us.is_some()),
    }
}
