//! `llmctl budgets forecast`: how fast budgets are used up, and on which day they will be.
//!
//! The rate is what was spent in the present window over the time since its start; of a budget that never starts
//! again, what its owner spent in the last seven days. Where the budget was made after that, the time since then counts:
//! the audit log knows when. It is an extrapolation and no more.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::{Admin, Query, text};
use crate::args::ListArgs;
use crate::exit::Failure;
use crate::output::Output;

const DAY: f64 = 86_400.0;
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
    usd_per_day: f64,
    /// When nothing will be left; `None`: not before the window ends, or never.
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
        let never = || if one.usd_per_day > 0.0 { "not in this window" } else { "never" }.to_owned();
        [
            one.id.clone(),
            one.limit_usd.clone(),
            one.spent_usd.clone(),
            format!("{:.4}", one.usd_per_day),
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
    usd: f64,
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
    Ok(Recent { usd: number(&usage, "/total/cost_usd"), since })
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
    let (spent, left) = (number(budget, "/spend/spent_usd"), number(budget, "/spend/left_usd"));
    let over = |since: Timestamp| {
        let since = made.map_or(since, |made| made.max(since));
        now.duration_since(since).as_secs_f64().max(1.0)
    };
    let rate = match (recent, moment("/spend/start")) {
        // Of what was spent before it was made, it knows nothing.
        (Some(recent), _) => recent.usd.min(spent) / over(recent.since),
        (None, Some(start)) => spent / over(start),
        (None, None) => 0.0,
    };
    let end = moment("/spend/end");
    let exhausted = (left <= 0.0).then_some(now).or_else(|| {
        let seconds = (rate > 0.0).then(|| left / rate)?;
        let wait = SignedDuration::try_from_secs_f64(seconds).ok()?;
        now.checked_add(wait).ok()
    });
    let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    Forecast {
        id: text(budget, "/id"),
        limit_usd: text(budget, "/limit_usd"),
        spent_usd: text(budget, "/spend/spent_usd"),
        usd_per_day: rate * DAY,
        exhausted_at: exhausted.filter(|at| end.is_none_or(|end| *at < end)).map(day),
        ends: end.map(|end| end.to_string()),
    }
}

fn number(value: &Value, pointer: &str) -> f64 {
    text(value, pointer).parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_day_is_extrapolated_from_the_window() {
        let now = "2026-11-11T00:00:00Z".parse().unwrap();
        let check = |spent: &str, left: &str, known: Known, window: bool, expect: (f64, Option<&str>)| {
            let (start, end) = ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
            let budget = json!({"id": "x", "limit_usd": "100", "spend": {"spent_usd": spent, "left_usd": left,
                "start": window.then_some(start), "end": window.then_some(end)}});
            let found = forecast(&budget, &known, now);
            assert!((found.usd_per_day - expect.0).abs() < 1e-9, "{found:?}");
            assert_eq!(found.exhausted_at.as_deref(), expect.1, "{found:?}");
        };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let week = |usd| Some(Recent { usd, since: at("2026-11-04T00:00:00Z") });
        let made = |text: &str| Some(at(text));
        check("50.00", "50.00", Known::default(), true, (5.0, Some("2026-11-21")));
        check("10.00", "90.00", Known::default(), true, (1.0, None));
        check("0.00", "100.00", Known::default(), true, (0.0, None));
        check("100.00", "0.00", Known::default(), true, (10.0, Some("2026-11-11")));
        check("90.00", "10.00", Known { recent: week(70.0), made: None }, false, (10.0, Some("2026-11-12")));
        check("30.00", "70.00", Known { recent: week(0.0), made: None }, false, (0.0, None));
        // Made an hour ago, in the middle of a window or without one.
        let young = || made("2026-11-10T23:00:00Z");
        check("1.00", "99.00", Known { recent: week(1.0), made: young() }, false, (24.0, Some("2026-11-15")));
        check("1.00", "99.00", Known { recent: None, made: young() }, true, (24.0, Some("2026-11-15")));
        check(
            "50.00",
            "50.00",
            Known { recent: None, made: made("2026-10-01T00:00:00Z") },
            true,
            (5.0, Some("2026-11-21")),
        );
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
