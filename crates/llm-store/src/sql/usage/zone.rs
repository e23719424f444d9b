//! Days of time zones: from the sums of hours where a zone's days begin with one of UTC's, else from the rows.

use jiff::Timestamp;
use llm_governance::Zone;
use llm_governance::report::{GroupBy, Report, ReportAsk, ReportRow};

use super::report::Table;
use super::sums::{DAY, HOUR};
use crate::sql::error::SqlError;
use crate::sql::rows::Tally;
use crate::sql::store::SqlStore;

/// Nothing was written down before: what a zone's clocks showed then (in 1890 Berlin was 53 minutes and 28 seconds ahead) is
/// of no report.
const OLDEST: Timestamp = Timestamp::constant(1_577_836_800, 0);

/// How a report about a zone's time is made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From sums, as one about UTC's.
    Sums,
    /// From the sums of hours: this is the day of one.
    Hours(String),
    /// From the rows.
    Rows,
    /// Whole days of UTC from sums, what is before and behind them from the rows: where those days begin and end.
    Edges(Timestamp, Timestamp),
}

impl Way {
    pub(super) fn of(ask: &ReportAsk) -> Self {
        let ReportAsk { from, to, group_by, only, zone } = ask;
        if *zone == Zone::UTC {
            return Self::Sums;
        }
        let asked = || group_by.iter().copied().chain(only.iter().map(|(by, _)| *by));
        if asked().any(|by| by == GroupBy::Day) {
            let by_hours = asked().all(|by| Table::Hour.column(by).is_some());
            let day = by_hours.then(|| day(zone, *from, *to)).flatten();
            return day.map_or(Self::Rows, Self::Hours);
        }
        let asked: Vec<_> = asked().collect();
        let Some(table) = Table::with(&asked) else { return Self::Sums };
        let [from, to] = [from, to].map(|at| at.as_microsecond());
        if [from, to].iter().all(|at| at.rem_euclid(table.unit()) == 0) {
            return Self::Sums;
        }
        let (first, end) = (from.saturating_add(DAY - 1).div_euclid(DAY), to.div_euclid(DAY));
        if first >= end {
            return Self::Rows;
        }
        let at = |day: i64| Timestamp::from_microsecond(day.saturating_mul(DAY)).ok();
        match (at(first), at(end)) {
            (Some(first), Some(end)) => Self::Edges(first, end),
            _ => Self::Sums,
        }
    }
}

/// The day of an hour in a zone, in SQL; `None`: not all of its days begin with an hour of UTC.
fn day(zone: &Zone, from: Timestamp, to: Timestamp) -> Option<String> {
    const SECONDS: i64 = 3600;
    let offsets = zone.offsets(from.max(OLDEST), to.max(OLDEST));
    let mut whole = Vec::with_capacity(offsets.len());
    for (since, offset) in offsets {
        let (since, offset) = (since.as_microsecond(), i64::from(offset));
        let is_first = whole.is_empty();
        if offset % SECONDS != 0 || (!is_first && since % HOUR != 0) {
            return None;
        }
        whole.push((since.div_euclid(HOUR), offset / SECONDS));
    }
    let (_, last) = whole.last()?;
    let before = whole.iter().zip(whole.iter().skip(1));
    let cases: String = before
        .map(|((_, offset), (until, _))| format!("WHEN hour < {until} THEN (hour + {offset}) / 24 "))
        .collect();
    Some(match cases.is_empty() {
        true => format!("(hour + {last}) / 24"),
        false => format!("CASE {cases}ELSE (hour + {last}) / 24 END"),
    })
}

impl SqlStore {
    /// A report from rows alone.
    pub(super) async fn usage_of_rows(&self, ask: &ReportAsk) -> Result<Report, SqlError> {
        let mut tally = Tally::new();
        self.tally(ask, &mut tally).await?;
        let since = self.rows_since().await?;
        let from = since.map_or(ask.from, |since| since.clamp(ask.from, ask.to));
        Ok(Report { from, to: ask.to, rows: lines(tally) })
    }

    /// A report from sums between two moments, and from rows around them.
    pub(super) async fn usage_with_edges(
        &self,
        ask: &ReportAsk,
        (first, end): (Timestamp, Timestamp),
    ) -> Result<Report, SqlError> {
        // Rows of before are gone, their sums are not: then it is of whole days, and says so.
        if self.rows_since().await?.is_some_and(|since| since > ask.from) {
            return self.usage_of_sums(ask, None).await;
        }
        let part = |from, to| ReportAsk { from, to, zone: Zone::UTC, ..ask.clone() };
        let inner = Box::pin(self.usage(&part(first, end))).await?;
        let mut tally: Tally = inner.rows.into_iter().map(|row| (row.group, row.sums)).collect();
        for (from, to) in [(ask.from, first), (end, ask.to)] {
            if from < to {
                self.tally(&part(from, to), &mut tally).await?;
            }
        }
        Ok(Report { from: ask.from, to: ask.to, rows: lines(tally) })
    }
}

fn lines(tally: Tally) -> Vec<ReportRow> {
    tally.into_iter().map(|(group, sums)| ReportRow { group, sums }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(zone: &str, group_by: &[GroupBy], (from, to): (&str, &str)) -> ReportAsk {
        let at = |text: &str| text.parse().unwrap();
        let zone = zone.parse().unwrap();
        ReportAsk { from: at(from), to: at(to), group_by: group_by.to_vec(), only: Vec::new(), zone }
    }

    #[test]
    fn the_way_depends_on_zone_and_time() {
        use GroupBy as By;
        let check = |zone: &str, group_by: &[By], time, expect: Way| {
            assert_eq!(Way::of(&ask(zone, group_by, time)), expect, "{zone} {group_by:?}");
        };
        let autumn = ("2026-10-24T22:00:00Z", "2026-10-26T23:00:00Z");
        let hours = |text: &str| Way::Hours(text.to_owned());
        check("UTC", &[By::Day, By::Team], autumn, Way::Sums);
        // The clocks are changed at one o'clock UTC.
        let hour = autumn.0.parse::<Timestamp>().unwrap().as_second() / 3600 + 3;
        let case = format!("CASE WHEN hour < {hour} THEN (hour + 2) / 24 ELSE (hour + 1) / 24 END");
        check("Europe/Berlin", &[By::Day, By::Model], autumn, hours(&case));
        check("America/Phoenix", &[By::Day], autumn, hours("(hour + -7) / 24"));
        check("America/Phoenix", &[By::Day], ("1850-01-01T00:00:00Z", autumn.1), hours("(hour + -7) / 24"));
        let winter = ("2026-06-01T00:00:00Z", "2026-06-10T00:00:00Z");
        check("Australia/Lord_Howe", &[By::Day], winter, Way::Rows);
        check("Asia/Kolkata", &[By::Day], autumn, Way::Rows);
        check("Europe/Berlin", &[By::Day, By::Team], autumn, Way::Rows);
        check("Europe/Berlin", &[By::Model], autumn, Way::Sums);
        let [first, end] = ["2026-10-25T00:00:00Z", "2026-10-26T00:00:00Z"].map(|at| at.parse().unwrap());
        check("Europe/Berlin", &[By::Team], autumn, Way::Edges(first, end));
        let short = ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        check("Europe/Berlin", &[By::Team], short, Way::Rows);
    }
}
