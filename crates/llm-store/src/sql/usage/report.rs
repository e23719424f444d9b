//! Reports: which table of sums can answer, and the question to it.

use jiff::Timestamp;
use jiff::civil::Date;
use llm_governance::report::{GroupBy, Report, ReportAsk, ReportRow, Sums};
use llm_governance::{Scope, Zone};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::sums::{COLUMNS, COUNTED, DAY, HOUR, sums_of};
use super::zone::Way;
use crate::sql::error::SqlError;
use crate::sql::money::join;
use crate::sql::statement::Statement;
use crate::sql::store::SqlStore;

/// The most lines of a report.
const MOST: i64 = 100_000;
/// What was asked for and who answered, in the tables of days.
const SERVED: [&str; 3] = ["model_asked", "model", "provider"];
/// Whose it is.
const OWNER: [&str; 4] = ["key_id", "team", "user_id", "organisation"];

/// A table of sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// Days by deployment, with the hours before the first whole day and after the last.
    Day,
    Hour,
    Owner,
    Tag,
    OwnerTag,
}

impl Table {
    /// The smallest that knows all of this.
    pub(super) fn with(asked: &[GroupBy]) -> Option<Self> {
        let tables = [Self::Day, Self::Hour, Self::Owner, Self::Tag, Self::OwnerTag];
        tables.into_iter().find(|table| asked.iter().all(|by| table.column(*by).is_some()))
    }

    /// How many microseconds its bounds are whole numbers of.
    pub(super) fn unit(self) -> i64 {
        match self {
            Self::Day | Self::Hour => HOUR,
            Self::Owner | Self::Tag | Self::OwnerTag => DAY,
        }
    }

    /// `FROM …`, and the first condition: between these bounds.
    fn from(self, sql: &mut Statement, (first, end): (i64, i64), ask: &ReportAsk) -> Result<(), SqlError> {
        let one_tag = ask.only.iter().any(|(by, value)| *by == GroupBy::Tag && !value.is_empty());
        let (name, time) = match self {
            Self::Day => return days(sql, (first, end)),
            Self::Hour => ("usage_hour", "hour"),
            Self::Owner => ("usage_owner", "day"),
            Self::Tag if one_tag => ("usage_tag", "day"),
            Self::OwnerTag if one_tag => ("usage_owner_tag", "day"),
            Self::Tag => return with_untagged(sql, ("usage_tag", "usage_day", &SERVED), (first, end)),
            Self::OwnerTag => {
                let columns = [OWNER.as_slice(), &SERVED].concat();
                return with_untagged(sql, ("usage_owner_tag", "usage_owner", &columns), (first, end));
            }
        };
        sql.push(" FROM ").push(name).push(" WHERE ");
        between(sql, time, (first, end))
    }

    pub(super) fn column(self, by: GroupBy) -> Option<&'static str> {
        Some(match (self, by) {
            (Self::Hour, GroupBy::Day) => "hour / 24",
            (Self::Hour, GroupBy::Hour) => "hour",
            (Self::Day | Self::Hour, GroupBy::Deployment) => "deployment",
            (Self::Day | Self::Owner | Self::Tag | Self::OwnerTag, GroupBy::Day) => "day",
            (Self::Owner | Self::OwnerTag, GroupBy::Key) => "key_id",
            (Self::Owner | Self::OwnerTag, GroupBy::Team) => "team",
            (Self::Owner | Self::OwnerTag, GroupBy::User) => "user_id",
            (Self::Owner | Self::OwnerTag, GroupBy::Organisation) => "organisation",
            (Self::Tag | Self::OwnerTag, GroupBy::Tag) => "tag",
            (_, GroupBy::Model) => "model_asked",
            (_, GroupBy::Served) => "model",
            (_, GroupBy::Provider) => "provider",
            _ => return None,
        })
    }
}

impl SqlStore {
    /// A report over a time.
    ///
    /// # Errors
    /// When the store cannot be read, or no sums are kept of this: of deployments with tags or owners, of hours but
    /// by model, provider and deployment; and when it would have too many lines.
    /// Days of another time zone are read from rows where no sums of hours have them: then there may be too many.
    pub async fn usage(&self, ask: &ReportAsk) -> Result<Report, SqlError> {
        match Way::of(ask) {
            Way::Sums => self.usage_of_sums(ask, None).await,
            Way::Hours(day) => self.usage_of_sums(ask, Some(&day)).await,
            Way::Rows => self.usage_of_rows(ask).await,
            Way::Edges(first, end) => match self.usage_with_edges(ask, (first, end)).await {
                // Then it is of UTC's whole days, and says so.
                Err(SqlError::TooManyRows) => self.usage_of_sums(ask, None).await,
                report => report,
            },
        }
    }

    /// A report from the tables of sums. `day` is what is the day of an hour, where that is another than UTC's.
    pub(super) async fn usage_of_sums(&self, ask: &ReportAsk, day: Option<&str>) -> Result<Report, SqlError> {
        match self.added_up(ask, day, Added::Whole).await {
            // Hardly ever because a sum is too large, and then that is why.
            Err(SqlError::Database(_)) => self.added_up(ask, day, Added::InHalves).await,
            report => report,
        }
    }

    async fn added_up(&self, ask: &ReportAsk, day: Option<&str>, added: Added) -> Result<Report, SqlError> {
        let ReportAsk { from, to, group_by, only, zone: _ } = ask;
        let asked: Vec<_> = group_by.iter().copied().chain(only.iter().map(|(by, _)| *by)).collect();
        let table = if day.is_some() { Some(Table::Hour) } else { Table::with(&asked) };
        let table = table.ok_or(SqlError::NoSums)?;
        let column = |by: GroupBy| match day.filter(|_| by == GroupBy::Day) {
            Some(day) => Some(day),
            None => table.column(by),
        };
        let unit = table.unit();
        let first = from.as_microsecond().div_euclid(unit);
        let end = to.as_microsecond().saturating_add(unit - 1).div_euclid(unit).max(first);
        let columns: Vec<_> = group_by.iter().filter_map(|by| column(*by)).collect();
        let mut sql = Statement::new("SELECT ");
        for (nth, column) in columns.iter().enumerate() {
            sql.push(column).push(&format!(" AS g{nth}, "));
        }
        sums(&mut sql, added);
        table.from(&mut sql, (first, end), ask)?;
        for (by, value) in only {
            let column = column(*by).ok_or(SqlError::NoSums)?;
            sql.push(" AND ").push(column).push(" = ");
            match by {
                GroupBy::Day | GroupBy::Hour => sql.bind(number(*by, value).ok_or(SqlError::NoSums)?)?,
                _ => sql.bind(&**value)?,
            };
        }
        if !columns.is_empty() {
            let names: Vec<_> = (0..columns.len()).map(|nth| format!("g{nth}")).collect();
            // Where all had tags, nothing is left under none.
            sql.push(" GROUP BY ").push(&names.join(", ")).push(" HAVING SUM(attempts) > 0");
            sql.push(" ORDER BY ").push(&names.join(", "));
        }
        sql.push(" LIMIT ").bind(MOST + 1)?;
        let rows = self.fetch(sql).await?;
        if i64::try_from(rows.len()).is_ok_and(|lines| lines > MOST) {
            return Err(SqlError::TooMany);
        }
        let read = |row: &AnyRow| {
            let value = |(nth, by): (usize, &GroupBy)| match by {
                GroupBy::Day | GroupBy::Hour => Ok(text(*by, row.try_get(nth)?)),
                _ => Ok(row.try_get(nth)?),
            };
            let group = group_by.iter().enumerate().map(value).collect::<Result<_, SqlError>>()?;
            Ok(ReportRow { group, sums: read(row, group_by.len(), added)? })
        };
        let mut rows = rows.iter().map(read).collect::<Result<Vec<_>, SqlError>>()?;
        rows.retain(|row| row.sums != Sums::default() || !row.group.is_empty());
        Ok(Report { from: moment(first, unit), to: moment(end, unit), rows })
    }

    /// All that an owner has ever used, as far as sums are kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn spend(&self, scope: &Scope) -> Result<Sums, SqlError> {
        let only = match scope {
            Scope::Global => None,
            Scope::Key(id) => Some((GroupBy::Key, id.to_string())),
            Scope::Team(id) => Some((GroupBy::Team, id.to_string())),
            Scope::User(id) => Some((GroupBy::User, id.to_string())),
            Scope::Organisation(id) => Some((GroupBy::Organisation, id.to_string())),
            Scope::Tag(id) => Some((GroupBy::Tag, id.to_string())),
            Scope::Model(id) => Some((GroupBy::Model, id.to_string())),
            Scope::Provider(id) => Some((GroupBy::Provider, id.to_string())),
        };
        let (from, to) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
        let only = only.into_iter().collect();
        let ask = ReportAsk { from, to, group_by: Vec::new(), only, zone: Zone::UTC };
        let report = self.usage(&ask).await?;
        Ok(report.rows.first().map(|row| row.sums).unwrap_or_default())
    }
}

/// `column >= … AND column < …`.
fn between(sql: &mut Statement, column: &str, (first, end): (i64, i64)) -> Result<(), SqlError> {
    sql.push(column).push(" >= ").bind(first)?;
    sql.push(" AND ").push(column).push(" < ").bind(end)?;
    Ok(())
}

/// Whole days from the sums of days, the hours around them from those of hours.
fn days(sql: &mut Statement, (first, end): (i64, i64)) -> Result<(), SqlError> {
    let columns = format!("model_asked, model, provider, deployment, {}", COLUMNS.join(", "));
    // In hours: up to the first whole day, and from the end of the last. Without one, all of it.
    let (from, to) = (first.saturating_add(23).div_euclid(24) * 24, end.div_euclid(24) * 24);
    let (from, to) = if from < to { (from, to) } else { (end, end) };
    sql.push(" FROM (SELECT hour / 24 AS day, ").push(&columns).push(" FROM usage_hour WHERE ");
    between(sql, "hour", (first, from))?;
    sql.push(" UNION ALL SELECT hour / 24 AS day, ").push(&columns).push(" FROM usage_hour WHERE ");
    between(sql, "hour", (to, end))?;
    sql.push(" UNION ALL SELECT day, ").push(&columns).push(" FROM usage_day WHERE ");
    between(sql, "day", (from.div_euclid(24), to.div_euclid(24)))?;
    sql.push(") AS days WHERE 1 = 1");
    Ok(())
}

/// The sums of tags, and those of all rows as if they had none: what rows with tags add to them is taken off again by
/// the lines of no tag.
fn with_untagged(
    sql: &mut Statement,
    (tags, all, words): (&str, &str, &[&str]),
    bounds: (i64, i64),
) -> Result<(), SqlError> {
    let columns = format!("{}, {}", words.join(", "), COLUMNS.join(", "));
    sql.push(" FROM (SELECT day, tag, ").push(&columns).push(" FROM ").push(tags).push(" WHERE ");
    between(sql, "day", bounds)?;
    sql.push(" UNION ALL SELECT day, '' AS tag, ").push(&columns).push(" FROM ").push(all).push(" WHERE ");
    between(sql, "day", bounds)?;
    sql.push(") AS tagged WHERE 1 = 1");
    Ok(())
}

/// How columns are added up that a provider's figures decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Added {
    /// As they are: a database fails where one number does not hold the sum.
    Whole,
    /// In two halves, which it always does, and takes twice the time.
    InHalves,
}

impl Added {
    fn halves(self, column: &str) -> bool {
        self == Self::InHalves && COUNTED.contains(&column)
    }
}

/// `CAST(SUM(…) AS BIGINT)` for each column; in two halves the upper one first.
fn sums(sql: &mut Statement, added: Added) {
    for (nth, column) in COLUMNS.iter().enumerate() {
        sql.push(if nth == 0 { "" } else { ", " });
        if added.halves(column) {
            sql.push(&format!("CAST(COALESCE(SUM({column} >> 32), 0) AS BIGINT), "));
            sql.push(&format!("CAST(COALESCE(SUM({column} & 4294967295), 0) AS BIGINT)"));
        } else {
            sql.push(&format!("CAST(COALESCE(SUM({column}), 0) AS BIGINT)"));
        }
    }
}

/// The sums of a line, which follow so many columns.
fn read(row: &AnyRow, mut at: usize, added: Added) -> Result<Sums, SqlError> {
    let mut next = || {
        at += 1;
        row.try_get::<i64, _>(at - 1)
    };
    let mut cost = [0; 2];
    let mut numbers = [0; COLUMNS.len() - 2];
    let mut places = numbers.iter_mut();
    for column in COLUMNS {
        let high = if added.halves(column) { i128::from(next()?) << 32 } else { 0 };
        let number = i128::from(next()?) + high;
        match column {
            "cost_m" => cost[0] = i64::try_from(number).unwrap_or(i64::MAX),
            "cost_p" => cost[1] = i64::try_from(number).unwrap_or(i64::MAX),
            _ => places.by_ref().take(1).for_each(|place| *place = number),
        }
    }
    let [millions, rest] = cost;
    Ok(sums_of(numbers, join(millions, rest)))
}

fn moment(count: i64, unit: i64) -> Timestamp {
    Timestamp::from_microsecond(count.saturating_mul(unit)).unwrap_or(Timestamp::MAX)
}

/// A day or an hour as people write it.
fn text(by: GroupBy, count: i64) -> String {
    let unit = if by == GroupBy::Day { DAY } else { HOUR };
    let text = moment(count, unit).to_string();
    match (by, text.split_once('T')) {
        (GroupBy::Day, Some((day, _))) => day.to_owned(),
        _ => text,
    }
}

fn number(by: GroupBy, text: &str) -> Option<i64> {
    if by == GroupBy::Day {
        let midnight = text.parse::<Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        return Some(midnight.timestamp().as_microsecond().div_euclid(DAY));
    }
    Some(text.parse::<Timestamp>().ok()?.as_microsecond().div_euclid(HOUR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_table_answers() {
        use GroupBy as By;
        let check = |asked: &[By], expect| assert_eq!(Table::with(asked), expect, "{asked:?}");
        check(&[], Some(Table::Day));
        check(&[By::Day, By::Model], Some(Table::Day));
        check(&[By::Hour, By::Deployment], Some(Table::Hour));
        check(&[By::Hour, By::Day], Some(Table::Hour));
        check(&[By::Team, By::Day, By::Model], Some(Table::Owner));
        check(&[By::Tag, By::Served], Some(Table::Tag));
        check(&[By::Tag, By::Key], Some(Table::OwnerTag));
        let all = [By::Model, By::Key, By::Team, By::Provider, By::Tag, By::Day];
        check(&all, Some(Table::OwnerTag));
        check(&[By::Tag, By::Deployment], None);
        check(&[By::Hour, By::Key], None);
        for by in By::ALL {
            assert!(Table::with(&[by]).is_some());
            assert_eq!(By::of(by.name()), Some(by));
        }
    }

    #[test]
    fn days_and_hours_are_written_and_read() {
        assert_eq!(text(GroupBy::Day, 20_778), "2026-11-21");
        assert_eq!(number(GroupBy::Day, "2026-11-21"), Some(20_778));
        assert_eq!(text(GroupBy::Hour, 20_778 * 24 + 15), "2026-11-21T15:00:00Z");
        assert_eq!(number(GroupBy::Hour, "2026-11-21T15:00:00Z"), Some(20_778 * 24 + 15));
        assert_eq!(number(GroupBy::Day, "yesterday"), None);
    }
}
