//! Writing rows: the rows, the counters of their budgets, the sums of reports and the journal's mark in one
//! transaction, each row once.

use std::collections::HashSet;

use llm_governance::report::Sums;
use sqlx::{AnyConnection, Row as _};

use super::record::Record;
use crate::sql::backend::within;
use crate::sql::error::SqlError;
use crate::sql::ledger::{Booking, book};
use crate::sql::money::split;
use crate::sql::statement::Statement;
use crate::sql::store::SqlStore;
use crate::sql::usage::{About, Rollup};

/// Rows of a statement.
const CHUNK: usize = 64;

const INSERT: &str = "INSERT INTO usage_row (request, attempt, time_us, node, key_id, team, user_id, organisation, \
     model_asked, model, provider, deployment, input, cache_read, cache_write, output, reasoning, other_tokens, \
     cost_m, cost_p, basis, incomplete, overrun, latency_us, first_token_us, status, error, cache, quality, detail) \
     VALUES ";

/// The most of anything that a row is believed to have: nine million such rows can be added up.
const MOST: u64 = 1_000_000_000_000;

/// Rows of one life of a node, in the order of its journal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch<'a> {
    pub(super) node: &'a str,
    pub(super) rows: &'a [Record],
    /// The number of the last row in the journal.
    pub(super) last: u64,
}

impl SqlStore {
    /// Writes a batch; says how many rows were new.
    pub(super) async fn write_rows(&self, batch: Batch<'_>) -> Result<usize, SqlError> {
        within(async {
            // Nearly always all rows are new. Which of them are is only asked where not: that costs as much again.
            for which in [Which::All, Which::Ask] {
                let mut transaction = self.db.begin().await?;
                let now = self.db.now(&mut transaction).await?;
                if let Some(new) = write(&mut transaction, batch, (which, now)).await? {
                    transaction.commit().await?;
                    return Ok(new);
                }
                transaction.rollback().await?;
            }
            Ok(0)
        })
        .await
    }

    /// Up to which row the journal of a node's life is stored.
    pub(super) async fn journal_mark(&self, node: &str) -> Result<u64, SqlError> {
        within(async {
            let mark: Option<i64> = sqlx::query_scalar("SELECT seq FROM journal_mark WHERE node = $1")
                .bind(node)
                .fetch_optional(&mut *self.db.reader().await?)
                .await?;
            Ok(mark.and_then(|mark| u64::try_from(mark).ok()).unwrap_or_default())
        })
        .await
    }
}

/// Which rows of a batch are new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// All, presumably.
    All,
    /// The database says it.
    Ask,
}

/// Says how many rows are new; `None`: not all, against what was presumed.
async fn write(
    on: &mut AnyConnection,
    batch: Batch<'_>,
    (which, now): (Which, i64),
) -> Result<Option<usize>, SqlError> {
    let Batch { node, rows, last } = batch;
    let mut sorted: Vec<&Record> = rows.iter().collect();
    sorted.sort_by(|one, other| one.id().cmp(&other.id()));
    sorted.dedup_by(|one, other| one.id() == other.id());
    let mut new = 0;
    let (mut rollup, mut booking) = (Rollup::default(), Booking::default());
    for chunk in sorted.chunks(CHUNK) {
        let sql = insert(node, chunk)?;
        let known = match which {
            Which::All => presumed(sql, on, chunk.len()).await?,
            Which::Ask => Some(returned(sql, on).await?),
        };
        let Some(known) = known else { return Ok(None) };
        for row in chunk.iter().filter(|row| known.is_new(row)) {
            new += 1;
            rollup.add(&about(row), &sums(row));
            row.bookings.iter().for_each(|window| booking.add(window, row.cost));
        }
    }
    rollup.write(on).await?;
    // Last, for these locks are waited for by requests that need money.
    book(on, node, &booking, now).await?;
    sqlx::query(
        "INSERT INTO journal_mark (node, seq, at_ms) VALUES ($1, $2, $3) ON CONFLICT (node) DO UPDATE SET \
         seq = CASE WHEN journal_mark.seq > excluded.seq THEN journal_mark.seq ELSE excluded.seq END, \
         at_ms = excluded.at_ms",
    )
    .bind(node)
    .bind(i64::try_from(last).unwrap_or(i64::MAX))
    .bind(now)
    .execute(on)
    .await?;
    Ok(Some(new))
}

/// What the database says of the rows of a statement.
enum Known {
    /// Nothing: all are new.
    None,
    /// These are new.
    New(HashSet<(String, i64)>),
}

impl Known {
    fn is_new(&self, row: &Record) -> bool {
        match self {
            Self::None => true,
            Self::New(new) => new.contains(&(row.request.to_string(), i64::from(row.attempt))),
        }
    }
}

/// Inserts; `None`: not all were new.
async fn presumed(sql: Statement, on: &mut AnyConnection, rows: usize) -> Result<Option<Known>, SqlError> {
    let new = sql.execute(on).await?.rows_affected();
    Ok((usize::try_from(new).is_ok_and(|new| new == rows)).then_some(Known::None))
}

/// Inserts and asks which rows were not there yet.
async fn returned(mut sql: Statement, on: &mut AnyConnection) -> Result<Known, SqlError> {
    sql.push(" RETURNING request, attempt");
    let rows = sql.fetch_all(on).await?;
    let new = rows.iter().map(|row| Ok::<_, SqlError>((row.try_get("request")?, row.try_get("attempt")?)));
    Ok(Known::New(new.collect::<Result<_, _>>()?))
}

/// Inserts those that are not there yet.
fn insert(node: &str, rows: &[&Record]) -> Result<Statement, SqlError> {
    let mut sql = Statement::new(INSERT);
    sql.values(rows, |to, row| {
        let Record { request, attempt, time_us, key, user, team, organisation, .. } = row;
        to.bind(&**request)?.bind(i64::from(*attempt))?.bind(*time_us)?.bind(node)?;
        to.bind(&**key)?.bind(&**team)?.bind(&**user)?.bind(&**organisation)?;
        let Record { model_asked, model, provider, deployment, .. } = row;
        to.bind(&**model_asked)?.bind(&**model)?.bind(&**provider)?.bind(&**deployment)?;
        let Sums { input, cache_read, cache_write, output, reasoning, other_tokens, .. } = sums(row);
        for count in [input, cache_read, cache_write, output, reasoning, other_tokens] {
            to.bind(i64::try_from(count).unwrap_or(i64::MAX))?;
        }
        let (cost_m, cost_p) = split(row.cost)?;
        to.bind(cost_m)?.bind(cost_p)?.bind(row.basis_name())?;
        let Record { incomplete, overrun, latency_us, first_token_us, status, .. } = row;
        to.bind(i64::from(*incomplete))?.bind(i64::from(*overrun))?.bind(*latency_us)?;
        let error = row.error.as_ref().map(name).transpose()?;
        to.bind(*first_token_us)?.bind(i64::from(*status))?.bind(error)?;
        to.bind(row.cache.name())?.bind(row.quality)?.bind(detail(row)?)?;
        Ok(())
    })?;
    sql.push(" ON CONFLICT (request, attempt) DO NOTHING");
    Ok(sql)
}

/// [`Detail`](super::record::Detail) with the windows by name.
fn detail(row: &Record) -> Result<String, SqlError> {
    #[derive(serde::Serialize)]
    struct Line<'a> {
        usage: &'a super::counts::Counts,
        items: &'a [(std::borrow::Cow<'static, str>, u64, Option<llm_types::PicoUsd>)],
        tags: &'a [std::sync::Arc<str>],
        booked: Vec<String>,
    }
    let super::record::Detail { usage, items, tags, booked: _ } = &row.detail;
    let booked = row.bookings.iter().map(|window| format!("{}@{}", window.budget, window.start)).collect();
    let line = Line { usage, items, tags, booked };
    serde_json::to_string(&line).map_err(|error| SqlError::unreadable("row")(error.into()))
}

/// The serialised name of something.
fn name(of: &impl serde::Serialize) -> Result<String, SqlError> {
    match serde_json::to_value(of) {
        Ok(serde_json::Value::String(name)) => Ok(name),
        Ok(other) => Ok(other.to_string()),
        Err(error) => Err(SqlError::unreadable("name")(error.into())),
    }
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
        cache_hits: u64::from(row.cache == super::record::Cache::Hit),
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
