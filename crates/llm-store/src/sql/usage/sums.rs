//! Sums over rows by hour and deployment, by day and deployment, by day and owner, by day and tag, with owners or not.
//!
//! Reports over millions of rows read thousands of sums instead. There are several tables and not one, so that none
//! grows with the product of all that rows differ in. A batch is summed up here first, so that the database gets one
//! line for each sum, in one order everywhere: two gateways never wait for each other's locks in a circle.

use std::collections::BTreeMap;
use std::sync::Arc;

use llm_governance::report::Sums;
use llm_types::PicoUsd;
use sqlx::AnyConnection;

use crate::sql::error::SqlError;
use crate::sql::money::split;
use crate::sql::statement::Statement;

/// Rows of a statement.
const CHUNK: usize = 64;
/// Microseconds in an hour.
pub(in super::super) const HOUR: i64 = 3_600_000_000;
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

/// The columns that a provider's figures decide: they go as far as a number of 64 bits does, and stay there.
pub(super) const COUNTED: [&str; 6] =
    ["input", "cache_read", "cache_write", "output", "reasoning", "other_tokens"];
/// Where that is.
const MOST: i64 = i64::MAX / 2;

/// Whether sums are added, or taken off again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Plus,
    Minus,
}

impl Sign {
    fn of(self, number: i64) -> i64 {
        match self {
            Self::Plus => number,
            Self::Minus => -number,
        }
    }
}

/// All but the cost, in the order of the columns.
fn numbers(sums: &Sums) -> [i64; 14] {
    let Sums {
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
    } = *sums;
    let numbers = [
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
    ];
    numbers.map(|number| i64::try_from(number).unwrap_or(i64::MAX).min(MOST))
}

/// From all but the cost, and the cost.
pub(super) fn sums_of(numbers: [i128; 14], cost: PicoUsd) -> Sums {
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
    ] = numbers.map(|number| u64::try_from(number.max(0)).unwrap_or(u64::MAX));
    Sums {
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

/// Whose row it is and what it is about.
#[derive(Debug, Clone)]
pub(in super::super) struct About<'a> {
    /// Since 1970.
    pub(in super::super) hour: i64,
    /// Key, team, user, organisation.
    pub(in super::super) owner: &'a [Arc<str>; 4],
    /// Model asked for, model served, provider.
    pub(in super::super) served: &'a [Arc<str>; 3],
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
    owner_tags: BTreeMap<Words<8>, Sums>,
    /// What rows with tags add to the sums of all: the lines of no tag, with a minus.
    tagged: BTreeMap<Words<4>, Sums>,
    owner_tagged: BTreeMap<Words<8>, Sums>,
}

fn add<const N: usize>(to: &mut BTreeMap<Words<N>, Sums>, (at, words): (i64, [&Arc<str>; N]), sums: &Sums) {
    let sum = to.entry((at, words.map(Arc::clone))).or_default();
    *sum = sum.and(sums);
}

impl Rollup {
    /// Adds rows.
    pub(in super::super) fn add(&mut self, about: &About<'_>, sums: &Sums) {
        let About { hour, owner: [key, team, user, organisation], served, deployment, tags } = about;
        let [asked, model, provider] = served;
        let day = hour.div_euclid(DAY / HOUR);
        add(&mut self.hours, (*hour, [asked, model, provider, deployment]), sums);
        add(&mut self.days, (day, [asked, model, provider, deployment]), sums);
        add(&mut self.owners, (day, [key, team, user, organisation, asked, model, provider]), sums);
        for (nth, tag) in tags.iter().enumerate() {
            // A tag that a request has twice counts once.
            if !tags.iter().take(nth).any(|before| before == tag) {
                let words = [tag, key, team, user, organisation, asked, model, provider];
                add(&mut self.tags, (day, [tag, asked, model, provider]), sums);
                add(&mut self.owner_tags, (day, words), sums);
            }
        }
        if !tags.is_empty() {
            let none = &Arc::default();
            let words = [none, key, team, user, organisation, asked, model, provider];
            add(&mut self.tagged, (day, [none, asked, model, provider]), sums);
            add(&mut self.owner_tagged, (day, words), sums);
        }
    }

    /// Adds it to what is stored.
    pub(in super::super) async fn write(&self, on: &mut AnyConnection) -> Result<(), SqlError> {
        let Self { hours, days, owners, tags, owner_tags, tagged, owner_tagged } = self;
        let places = ["hour", "model_asked", "model", "provider", "deployment"];
        write(on, ("usage_hour", &places), (hours, Sign::Plus)).await?;
        let places = ["day", "model_asked", "model", "provider", "deployment"];
        write(on, ("usage_day", &places), (days, Sign::Plus)).await?;
        let places = ["day", "key_id", "team", "user_id", "organisation", "model_asked", "model", "provider"];
        write(on, ("usage_owner", &places), (owners, Sign::Plus)).await?;
        if tagged.is_empty() {
            return Ok(());
        }
        // The lines of no tag stand before the others: one order everywhere.
        let places = ["day", "tag", "model_asked", "model", "provider"];
        write(on, ("usage_tag", &places), (tagged, Sign::Minus)).await?;
        write(on, ("usage_tag", &places), (tags, Sign::Plus)).await?;
        let places =
            ["day", "tag", "key_id", "team", "user_id", "organisation", "model_asked", "model", "provider"];
        write(on, ("usage_owner_tag", &places), (owner_tagged, Sign::Minus)).await?;
        write(on, ("usage_owner_tag", &places), (owner_tags, Sign::Plus)).await
    }
}

/// How a line is added to the one that is there; figures of providers end at the most that is counted.
fn added(table: &str, column: &str) -> String {
    let (there, more) = (format!("{table}.{column}"), format!("excluded.{column}"));
    if !COUNTED.contains(&column) {
        return format!("{column} = {there} + {more}");
    }
    format!(
        "{column} = CASE WHEN {more} > 0 AND {there} > {MOST} - {more} THEN {MOST} \
         WHEN {more} < 0 AND {there} < -{MOST} - {more} THEN -{MOST} ELSE {there} + {more} END"
    )
}

async fn write<const N: usize>(
    on: &mut AnyConnection,
    (table, key): (&'static str, &[&'static str]),
    (sums, sign): (&BTreeMap<Words<N>, Sums>, Sign),
) -> Result<(), SqlError> {
    let lines: Vec<_> = sums.iter().collect();
    let key = key.join(", ");
    let columns = COLUMNS.join(", ");
    let added = COLUMNS.map(|column| added(table, column)).join(", ");
    for chunk in lines.chunks(CHUNK) {
        let mut sql = Statement::new("INSERT INTO ");
        sql.push(table).push(" (").push(&key).push(", ").push(&columns).push(") VALUES ");
        sql.values(chunk, |row, ((at, words), sums)| {
            row.bind(*at)?;
            for word in words {
                row.bind(&**word)?;
            }
            let numbers = numbers(sums);
            let (before, after) = numbers.split_at(10);
            let (cost_m, cost_p) = split(sums.cost)?;
            for number in before.iter().chain(&[cost_m, cost_p]).chain(after) {
                row.bind(sign.of(*number))?;
            }
            Ok(())
        })?;
        sql.push(" ON CONFLICT (").push(&key).push(") DO UPDATE SET ").push(&added);
        sql.execute(on).await?;
    }
    Ok(())
}
