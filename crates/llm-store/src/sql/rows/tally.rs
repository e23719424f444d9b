//! Sums of rows that no table of sums has, from the rows themselves: days of other time zones by owner, parts of days.
//!
//! That takes time for each row, so there is a most; whoever asks for more is told.

use std::collections::BTreeMap;

use jiff::Timestamp;
use llm_governance::report::{GroupBy, ReportAsk, RowFacts, RowFilter, Sums};

use super::list::{PACKS, Pack, Wanted, rows};
use super::record::Record;
use crate::sql::error::SqlError;
use crate::sql::store::SqlStore;

/// The most rows that are read for a report.
const MOST: usize = 200_000;
/// The most lines of one.
const LINES: usize = 100_000;

/// Sums by the values of what a report is divided by.
pub(in crate::sql) type Tally = BTreeMap<Vec<String>, Sums>;

impl SqlStore {
    /// Adds up rows.
    ///
    /// # Errors
    /// When the store cannot be read, or there are too many rows or lines.
    pub(in crate::sql) async fn tally(&self, ask: &ReportAsk, tally: &mut Tally) -> Result<(), SqlError> {
        let Some(filter) = filter(ask) else { return Ok(()) };
        let wanted = Wanted::new(&filter, None);
        let mut before: Option<Pack> = None;
        let mut seen = 0;
        loop {
            let packs = self.fetch(wanted.packs(before.as_ref())?).await?;
            let all = super::insert::count(packs.len()) < PACKS;
            for row in &packs {
                let pack = Pack::read(row)?;
                let rows = rows(&pack.text)?;
                seen += rows.len();
                for (_, row) in rows {
                    add(&row, ask, tally);
                }
                if tally.len() > LINES {
                    return Err(SqlError::TooMany);
                }
                before = Some(pack);
            }
            if all {
                return Ok(());
            }
            if seen > MOST {
                return Err(SqlError::TooManyRows);
            }
        }
    }

    /// From when on all rows are there whose sums are kept; `None`: from the first one.
    pub(in crate::sql) async fn rows_since(&self) -> Result<Option<Timestamp>, SqlError> {
        crate::sql::backend::within(async {
            let mut on = self.db.reader().await?;
            let sql = "SELECT MIN(first_us) FROM (SELECT first_us FROM usage_pack ORDER BY last_us LIMIT 16) AS oldest";
            let oldest: Option<i64> = sqlx::query_scalar(sql).fetch_one(&mut *on).await?;
            let summed: Option<i64> =
                sqlx::query_scalar("SELECT MIN(hour) FROM usage_hour").fetch_one(&mut *on).await?;
            let Some(summed) = summed else { return Ok(None) };
            let oldest = oldest.unwrap_or(i64::MAX);
            let is_whole = oldest.div_euclid(crate::sql::usage::HOUR) <= summed;
            Ok((!is_whole).then(|| Timestamp::from_microsecond(oldest).unwrap_or(Timestamp::MAX)))
        })
        .await
    }
}

fn add(row: &Record, ask: &ReportAsk, tally: &mut Tally) {
    let facts = RowFacts {
        time: Timestamp::from_microsecond(row.time_us).unwrap_or_default(),
        model_asked: &row.model_asked,
        model: &row.model,
        provider: &row.provider,
        deployment: &row.deployment,
        key: &row.key,
        team: &row.team,
        user: &row.user,
        organisation: &row.organisation,
        tags: row.detail.tags.iter().map(|tag| &**tag).collect(),
    };
    if !facts.fit(ask) {
        return;
    }
    let sums = row.sums();
    for line in facts.lines(ask) {
        let of = tally.entry(line).or_default();
        *of = of.and(&sums);
    }
}

/// By what the packs are found; `None`: there can be none.
fn filter(ask: &ReportAsk) -> Option<RowFilter> {
    let mut filter = RowFilter { from: Some(ask.from), to: Some(ask.to), ..RowFilter::default() };
    for (by, value) in ask.only.iter().filter(|(_, value)| !value.is_empty()) {
        let value = value.clone();
        match by {
            GroupBy::Key => filter.key = Some(value.parse().ok()?),
            GroupBy::Team => filter.team = Some(value),
            GroupBy::User => filter.user = Some(value),
            GroupBy::Organisation => filter.organisation = Some(value),
            GroupBy::Model => filter.model = Some(value),
            GroupBy::Provider => filter.provider = Some(value),
            GroupBy::Deployment => filter.deployment = Some(value),
            GroupBy::Day | GroupBy::Hour | GroupBy::Served | GroupBy::Tag => {}
        }
    }
    Some(filter)
}
