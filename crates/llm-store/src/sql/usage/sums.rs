//! Sums over rows by hour and deployment, by day and deployment, by day and owner, by day and tag.
//!
//! Reports over millions of rows read thousands of sums instead. There are several tables and not one, so that none
//! grows with the product of all that rows differ in. A batch is summed up here first, so that the database gets one
//! line for each sum, in one order everywhere: two gateways never wait for each other's locks in a circle.

use std::collections::BTreeMap;
use std::sync::Arc;

use llm_types::PicoUsd;
use sqlx::AnyConnection;

use crate::sql::error::SqlError;
use crate::sql::money::split;
use crate::sql::statement::Statement;

/// Rows of a statement.
const CHUNK: usize = 64;
/// Microseconds in an hour.
pub(super) const HOUR: i64 = 3_600_000_000;
/// Microseconds in a day.
pub(super) const DAY: i64 = 24 * HOUR;

/// The columns, in order.
pub(super) const COLUMNS: [&str; 16] = [
    "attempts",
    "requests",
    "errors",
    "cache_hits",
    "input",
    "cache_read",
    "cache_write",
    "output",
    "reasoning",
    "other_tokens",
    "cost_m",
    "cost_p",
    "incomplete",
    "latency_us",
    "first_token_us",
    "first_tokens",
];

/// What is added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Attempts: rows.
    pub attempts: i64,
    /// Requests: of several attempts the first counts.
    pub requests: i64,
    /// Attempts that failed.
    pub errors: i64,
    /// Answers from the cache.
    pub cache_hits: i64,
    /// Prompt tokens that no other class holds.
    pub input: i64,
    /// Prompt tokens read from a provider's cache.
    pub cache_read: i64,
    /// Prompt tokens written to a provider's cache.
    pub cache_write: i64,
    /// Answer tokens that no other class holds.
    pub output: i64,
    /// Thinking.
    pub reasoning: i64,
    /// Sound and pictures, where they are counted in tokens.
    pub other_tokens: i64,
    /// What it cost.
    pub cost: PicoUsd,
    /// Attempts with a price missing: the true cost is higher.
    pub incomplete: i64,
    /// All latencies together, in microseconds.
    pub latency_us: i64,
    /// All times to the first content together, in microseconds.
    pub first_token_us: i64,
    /// How many attempts that is over.
    pub first_tokens: i64,
}

impl Sums {
    /// Both together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let (own, cost) = (self.numbers(), self.cost.saturating_add(other.cost));
        let mut sums = other.numbers();
        sums.iter_mut().zip(own).for_each(|(sum, own)| *sum = sum.saturating_add(own));
        Self::of(sums, cost)
    }

    /// All but the cost, in the order of the columns.
    fn numbers(&self) -> [i64; 14] {
        let Self {
            attempts,
            requests,
            errors,
            cache_hits,
            input,
            cache_read,
            cache_write,
            output,
            reasoning,
            other_tokens,
            cost: _,
            incomplete,
            latency_us,
            first_token_us,
            first_tokens,
        } = *self;
        [
            attempts,
            requests,
            errors,
            cache_hits,
            input,
            cache_read,
            cache_write,
            output,
            reasoning,
            other_tokens,
            incomplete,
            latency_us,
            first_token_us,
            first_tokens,
        ]
    }

    /// From all but the cost, and the cost.
    pub(super) fn of(numbers: [i64; 14], cost: PicoUsd) -> Self {
        let [
            attempts,
            requests,
            errors,
            cache_hits,
            input,
            cache_read,
            cache_write,
            output,
            reasoning,
            other_tokens,
            incomplete,
            latency_us,
            first_token_us,
            first_tokens,
        ] = numbers;
        Self {
            attempts,
            requests,
            errors,
            cache_hits,
            input,
            cache_read,
            cache_write,
            output,
            reasoning,
            other_tokens,
            cost,
            incomplete,
            latency_us,
            first_token_us,
            first_tokens,
        }
    }
}

/// Whose row it is and what it is about.
#[derive(Debug, Clone)]
pub(in super::super) struct About<'a> {
    pub(in super::super) time_us: i64,
    /// Key, team, user, organisation.
    pub(in super::super) owner: [&'a Arc<str>; 4],
    /// Model asked for, model served, provider.
    pub(in super::super) served: [&'a Arc<str>; 3],
    pub(in super::super) deployment: &'a Arc<str>,
    pub(in super::super) tags: &'a [Arc<str>],
}

/// Text columns of a sum's key.
type Words<const N: usize> = (i64, [Arc<str>; N]);

/// The sums of a batch.
#[derive(Debug, Default)]
pub(in super::super) struct Rollup {
    hours: BTreeMap<Words<4>, Sums>,
    days: BTreeMap<Words<4>, Sums>,
    owners: BTreeMap<Words<7>, Sums>,
    tags: BTreeMap<Words<4>, Sums>,
}

fn add<const N: usize>(to: &mut BTreeMap<Words<N>, Sums>, (at, words): (i64, [&Arc<str>; N]), sums: &Sums) {
    let sum = to.entry((at, words.map(Arc::clone))).or_default();
    *sum = sum.and(sums);
}

impl Rollup {
    /// Adds a row.
    pub(in super::super) fn add(&mut self, about: &About<'_>, sums: &Sums) {
        let About { time_us, owner: [key, team, user, organisation], served, deployment, tags } = about;
        let [asked, model, provider] = *served;
        let (hour, day) = (time_us.div_euclid(HOUR), time_us.div_euclid(DAY));
        add(&mut self.hours, (hour, [asked, model, provider, deployment]), sums);
        add(&mut self.days, (day, [asked, model, provider, deployment]), sums);
        add(&mut self.owners, (day, [key, team, user, organisation, asked, model, provider]), sums);
        for (nth, tag) in tags.iter().enumerate() {
            // A tag that a request has twice counts once.
            if !tags.iter().take(nth).any(|before| before == tag) {
                add(&mut self.tags, (day, [tag, asked, model, provider]), sums);
            }
        }
    }

    /// Adds it to what is stored.
    pub(in super::super) async fn write(&self, on: &mut AnyConnection) -> Result<(), SqlError> {
        let Self { hours, days, owners, tags } = self;
        write(on, "usage_hour", &["hour", "model_asked", "model", "provider", "deployment"], hours).await?;
        write(on, "usage_day", &["day", "model_asked", "model", "provider", "deployment"], days).await?;
        let columns =
            ["day", "key_id", "team", "user_id", "organisation", "model_asked", "model", "provider"];
        write(on, "usage_owner", &columns, owners).await?;
        write(on, "usage_tag", &["day", "tag", "model_asked", "model", "provider"], tags).await
    }
}

async fn write<const N: usize>(
    on: &mut AnyConnection,
    table: &'static str,
    key: &[&'static str],
    sums: &BTreeMap<Words<N>, Sums>,
) -> Result<(), SqlError> {
    let lines: Vec<_> = sums.iter().collect();
    let key = key.join(", ");
    let columns = COLUMNS.join(", ");
    let added = COLUMNS.map(|column| format!("{column} = {table}.{column} + excluded.{column}")).join(", ");
    for chunk in lines.chunks(CHUNK) {
        let mut sql = Statement::new("INSERT INTO ");
        sql.push(table).push(" (").push(&key).push(", ").push(&columns).push(") VALUES ");
        sql.values(chunk, |row, ((at, words), sums)| {
            row.bind(*at)?;
            for word in words {
                row.bind(&**word)?;
            }
            let numbers = sums.numbers();
            let (before, after) = numbers.split_at(10);
            let (cost_m, cost_p) = split(sums.cost)?;
            for number in before.iter().chain(&[cost_m, cost_p]).chain(after) {
                row.bind(*number)?;
            }
            Ok(())
        })?;
        sql.push(" ON CONFLICT (").push(&key).push(") DO UPDATE SET ").push(&added);
        sql.execute(on).await?;
    }
    Ok(())
}
