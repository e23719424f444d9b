//! `llmctl budgets forecast`: how fast budgets are used up, and on which day they will be.
//!
//! The rate is what was spent in the present window over the time since its start; of a budget that never starts
//! again, what its owner spent in the last seven days. Where the budget was made after that, the time since then counts:
//! the audit log knows when. It is an extrapolation and no more, in whole pico-dollars and milliseconds, and names days as the
//! budget's own time zone has them.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use llm_types::PicoUsd;
use serde::Serialize;
use serde_json::Value;

use super::{Admin, Query, text};
use crate::args::ListArgs;
use crate::exit::Failure;
use crate::output::Output;

/// In milliseconds.
const DAY: i128 = 86_400_000;
/// What is shown of a rate: ten-thousandths of a dollar.
const SHOWN: i128 = 100_000_000;
/// How many entries of the audit log are read for a budget.
const ENTRIES: usize = 1000;
/// How far back is looked where there is no window.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What will become of a budget.
#[derive(Debug, PartialEq, Serialize)]
struct Forecast {
    id: String,
    limit_usd: String,
    spent_usd: String,
    /// What is spent in a day.
    usd_per_day: PicoUsd,
    /// On which day, where the budget is, nothing will be left; `None`: not before the window ends, or never.
    exhausted_at: Option<String>,
    /// When the window ends.
    ends: Option<String>,
}

/// Shows what will become of budgets.
pub(super) async fn run(
    admin: &Admin,
    list: &ListArgs,
    query: &Query,
    out: &mut Output,
) -> Result<(), Failure> {
    let now = Timestamp::now();
    let mut forecasts = Vec::new();
    for budget in admin.list("/budgets", query, list.limit).await? {
        let made = made(admin, &budget).await?;
        let recent = match budget.pointer("/spend/start") {
            Some(Value::String(_)) => None,
            _ => Some(recent(admin, &text(&budget, "/scope"), now).await?),
        };
        forecasts.push(forecast(&budget, &Known { recent, made }, now));
    }
    if out.json {
        return out.json(&forecasts);
    }
    let header = ["ID", "LIMIT USD", "SPENT USD", "USD A DAY", "EXHAUSTED", "WINDOW ENDS"];
    let row = |one: &Forecast| {
        let never =
            || if one.usd_per_day > PicoUsd::ZERO { "not in this window" } else { "never" }.to_owned();
        [
            one.id.clone(),
            one.limit_usd.clone(),
            one.spent_usd.clone(),
            shown(one.usd_per_day),
            one.exhausted_at.clone().unwrap_or_else(never),
            one.ends.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = forecasts.iter().map(row).collect();
    match list.csv {
        true => out.csv(&header, &rows),
        false => out.table(header, rows),
    }
}

/// What is known of a budget beside itself.
#[derive(Debug, Default)]
struct Known {
    /// What its owner has spent of late, and since when that is.
    recent: Option<Recent>,
    /// When it was made; `None`: nobody wrote it down.
    made: Option<Timestamp>,
}

#[derive(Debug)]
struct Recent {
    usd: PicoUsd,
    since: Timestamp,
}

/// What an owner has spent in the last week. Sums are of whole days, or begin with the first that has any.
async fn recent(admin: &Admin, scope: &str, now: Timestamp) -> Result<Recent, Failure> {
    let from = now.saturating_sub(WEEK).unwrap_or(now).to_string();
    let mut query = Query::default().and("from", Some(&from)).and("group_by", Some("day"));
    if let Some((kind, id)) = scope.split_once(':') {
        query = query.and(kind, Some(id));
    }
    let usage = admin.get(&format!("/usage{query}")).await?;
    let moment = |text: String| text.parse::<Timestamp>().ok();
    let first = moment(format!("{}T00:00:00Z", text(&usage, "/data/0/group/day")));
    let since = [moment(text(&usage, "/from")), first].into_iter().flatten().max().unwrap_or(now);
    Ok(Recent { usd: usd(&usage, "/total/cost_usd"), since })
}

/// When a budget was made, as the audit log has it: the first of the entries without a gap in which its owner has it.
async fn made(admin: &Admin, budget: &Value) -> Result<Option<Timestamp>, Failure> {
    let query = Query::default().and("object", Some(&text(budget, "/scope")));
    let entries = admin.list("/audit", &query, ENTRIES).await?;
    Ok(since(budget, &entries))
}

/// Of entries with the newest first.
fn since(budget: &Value, entries: &[Value]) -> Option<Timestamp> {
    let mode = if budget.get("hard") == Some(&Value::Bool(true)) { "hard" } else { "soft" };
    let has = |entry: &&Value| {
        let budgets = entry.pointer("/after/terms/budgets").and_then(Value::as_array);
        budgets.is_some_and(|budgets| {
            let is = |one: &Value| {
                text(one, "/window/period") == text(budget, "/window") && text(one, "/mode") == mode
            };
            budgets.iter().any(is)
        })
    };
    let done = entries.iter().filter(|entry| text(entry, "/refused").is_empty());
    done.take_while(has).last().and_then(|entry| text(entry, "/at").parse().ok())
}

fn forecast(budget: &Value, known: &Known, now: Timestamp) -> Forecast {
    let Known { recent, made } = known;
    let moment = |pointer: &str| text(budget, pointer).parse::<Timestamp>().ok();
    let (spent, left) = (usd(budget, "/spend/spent_usd"), usd(budget, "/spend/left_usd"));
    // In milliseconds.
    let over = |since: Timestamp| {
        let since = made.map_or(since, |made| made.max(since));
        now.duration_since(since).as_millis().max(1)
    };
    let (used, time) = match (recent, moment("/spend/start")) {
        // Of what was spent before it was made, it knows nothing.
        (Some(recent), _) => (recent.usd.min(spent), over(recent.since)),
        (None, Some(start)) => (spent, over(start)),
        (None, None) => (PicoUsd::ZERO, 1),
    };
    let end = moment("/spend/end");
    let exhausted = (left <= PicoUsd::ZERO).then_some(now).or_else(|| {
        let wait = left.pico().checked_mul(time)?.checked_div(used.pico())?;
        now.checked_add(SignedDuration::from_millis(i64::try_from(wait).ok()?)).ok()
    });
    let zone = TimeZone::get(&text(budget, "/time_zone")).unwrap_or(TimeZone::UTC);
    let day = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%Y-%m-%d").to_string();
    Forecast {
        id: text(budget, "/id"),
        limit_usd: text(budget, "/limit_usd"),
        spent_usd: text(budget, "/spend/spent_usd"),
        usd_per_day: PicoUsd::from_pico(used.pico().saturating_mul(DAY).checked_div(time).unwrap_or(0)),
        exhausted_at: exhausted.filter(|at| end.is_none_or(|end| *at < end)).map(day),
        ends: end.map(|end| end.to_string()),
    }
}

/// A rate, to four places.
fn shown(rate: PicoUsd) -> String {
    let rest = rate.pico().rem_euclid(SHOWN);
    let up = if rest * 2 >= SHOWN { SHOWN } else { 0 };
    PicoUsd::from_pico(rate.pico().saturating_sub(rest).saturating_add(up)).to_string()
}

fn usd(value: &Value, pointer: &str) -> PicoUsd {
    text(value, pointer).parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_day_is_extrapolated_from_the_window() {
        let now = "2026-11-11T00:00:00Z".parse().unwrap();
        let usd = |text: &str| text.parse::<PicoUsd>().unwrap();
        let check = |spent: &str, left: &str, known: Known, window: bool, expect: (&str, Option<&str>)| {
            let (start, end) = ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
            let budget = json!({"id": "x", "limit_usd": "100", "spend": {"spent_usd": spent, "left_usd": left,
                "start": window.then_some(start), "end": window.then_some(end)}});
            let found = forecast(&budget, &known, now);
            assert_eq!(found.usd_per_day, usd(expect.0), "{found:?}");
            assert_eq!(found.exhausted_at.as_deref(), expect.1, "{found:?}");
        };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let week = |text: &str| Some(Recent { usd: usd(text), since: at("2026-11-04T00:00:00Z") });
        let made = |text: &str| Some(at(text));
        check("50.00", "50.00", Known::default(), true, ("5", Some("2026-11-21")));
        check("10.00", "90.00", Known::default(), true, ("1", None));
        check("0.00", "100.00", Known::default(), true, ("0", None));
        check("100.00", "0.00", Known::default(), true, ("10", Some("2026-11-11")));
        let of = |usd: &str| Known { recent: week(usd), made: None };
        check("90.00", "10.00", of("70"), false, ("10", Some("2026-11-12")));
        check("30.00", "70.00", of("0"), false, ("0", None));
        // To the last pico-dollar: nothing is rounded on the way.
        check(
            "123456789.00",
            "0.000000000001",
            of("0.000000000007"),
            false,
            ("0.000000000001", Some("2026-11-12")),
        );
        // Made an hour ago, in the middle of a window or without one.
        let young = |recent| Known { recent, made: made("2026-11-10T23:00:00Z") };
        check("1.00", "99.00", young(week("1")), false, ("24", Some("2026-11-15")));
        check("1.00", "99.00", young(None), true, ("24", Some("2026-11-15")));
        let long_ago = Known { recent: None, made: made("2026-10-01T00:00:00Z") };
        check("50.00", "50.00", long_ago, true, ("5", Some("2026-11-21")));
    }

    #[test]
    fn a_day_is_the_budgets_own() {
        // Used up at 03:00 in UTC: the day before on Hawaii.
        let (start, now) = ("2026-11-10T11:00:00Z", "2026-11-10T22:00:00Z".parse().unwrap());
        let check = |zone: &str, expect: &str| {
            let budget =
                json!({"time_zone": zone, "spend": {"spent_usd": "11", "left_usd": "5", "start": start}});
            assert_eq!(
                forecast(&budget, &Known::default(), now).exhausted_at.as_deref(),
                Some(expect),
                "{zone}"
            );
        };
        check("UTC", "2026-11-11");
        check("Pacific/Honolulu", "2026-11-10");
        check("", "2026-11-11");
        assert_eq!(shown("1.23456789".parse().unwrap()), "1.2346");
        assert_eq!(shown("0.00004".parse().unwrap()), "0");
    }

    #[test]
    fn the_log_knows_when_a_budget_was_made() {
        let entry = |at: &str, period: &str, refused: Option<&str>| {
            let budgets = json!([{"window": {"period": period}, "mode": "hard", "limit": "1"}]);
            json!({"at": at, "refused": refused, "after": {"terms": {"budgets": budgets}}})
        };
        let budget = json!({"window": "total", "hard": true});
        let log = [
            entry("2026-11-09T00:00:00Z", "day", Some("no")),
            entry("2026-11-08T00:00:00Z", "total", None),
            entry("2026-11-07T00:00:00Z", "total", None),
            entry("2026-11-06T00:00:00Z", "day", None),
            entry("2026-11-05T00:00:00Z", "total", None),
        ];
        assert_eq!(since(&budget, &log), "2026-11-07T00:00:00Z".parse().ok());
        assert_eq!(since(&json!({"window": "total", "hard": false}), &log), None);
        assert_eq!(since(&budget, &[]), None);
    }
}
