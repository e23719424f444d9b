//! `llmctl budgets forecast`: how fast budgets are used up, and on which day they will be.
//!
//! The rate is what was spent in the present window over the time since its start; of a budget that never starts
//! again, what its owner spent in the last seven days. It is an extrapolation and no more.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::{Admin, Query, text};
use crate::args::ListArgs;
use crate::exit::Failure;
use crate::output::Output;

const DAY: f64 = 86_400.0;
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
        let recent = match budget.pointer("/spend/start") {
            Some(Value::String(_)) => None,
            _ => Some(recent(admin, &text(&budget, "/scope"), now).await?),
        };
        forecasts.push(forecast(&budget, recent, now));
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
        true => out.csv(header, &rows),
        false => out.table(header, rows),
    }
}

/// What an owner has spent in the last week.
async fn recent(admin: &Admin, scope: &str, now: Timestamp) -> Result<f64, Failure> {
    let from = now.saturating_sub(WEEK).unwrap_or(now).to_string();
    let mut query = Query::default().and("from", Some(&from));
    if let Some((kind, id)) = scope.split_once(':') {
        query = query.and(kind, Some(id));
    }
    let usage = admin.get(&format!("/usage{query}")).await?;
    Ok(number(&usage, "/total/cost_usd"))
}

fn forecast(budget: &Value, recent: Option<f64>, now: Timestamp) -> Forecast {
    let moment = |pointer: &str| text(budget, pointer).parse::<Timestamp>().ok();
    let (spent, left) = (number(budget, "/spend/spent_usd"), number(budget, "/spend/left_usd"));
    let rate = match (recent, moment("/spend/start")) {
        (Some(week), _) => week / WEEK.as_secs_f64(),
        (None, Some(start)) => spent / now.duration_since(start).as_secs_f64().max(1.0),
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
        let check = |spent: &str, left: &str, recent, window: bool, expect: (f64, Option<&str>)| {
            let (start, end) = ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
            let budget = json!({"id": "x", "limit_usd": "100", "spend": {"spent_usd": spent, "left_usd": left,
                "start": window.then_some(start), "end": window.then_some(end)}});
            let found = forecast(&budget, recent, now);
            assert!((found.usd_per_day - expect.0).abs() < 1e-9, "{found:?}");
            assert_eq!(found.exhausted_at.as_deref(), expect.1, "{found:?}");
        };
        check("50.00", "50.00", None, true, (5.0, Some("2026-11-21")));
        check("10.00", "90.00", None, true, (1.0, None));
        check("0.00", "100.00", None, true, (0.0, None));
        check("100.00", "0.00", None, true, (10.0, Some("2026-11-11")));
        check("30.00", "70.00", Some(70.0), false, (10.0, Some("2026-11-18")));
        check("30.00", "70.00", Some(0.0), false, (0.0, None));
    }
}
