//! LiteLLM's budgets: `max_budget`, `soft_budget`, `budget_duration` and `budget_limits`.
//!
//! The first three are at most one hard and one soft budget with one window; what somebody has beside these stays as it
//! is when they change.

use llm_admin::form::wrong;
use llm_governance::{Budget, Mode, Period, Terms};
use llm_types::{PicoUsd, Result};
use serde_json::{Map, Value, json};

/// The budgets that the members ask for, over the terms that there are; `None`: they say nothing of budgets.
pub(super) fn budgets(members: &mut Map<String, Value>, terms: &Terms) -> Result<Option<Value>> {
    let limits = members.remove("budget_limits").filter(|value| !value.is_null());
    let mut take = |member: &str| match members.remove(member) {
        // A form of LiteLLM's that was left empty.
        Some(Value::String(text)) if text.is_empty() => Some(Value::Null),
        value => value,
    };
    let (hard, soft, duration) = (take("max_budget"), take("soft_budget"), take("budget_duration"));
    if limits.is_none() && hard.is_none() && soft.is_none() && duration.is_none() {
        return Ok(None);
    }
    let before = |mode| terms.budgets.iter().find(|budget| budget.mode == mode);
    let lasts = duration.as_ref().map(|value| window("budget_duration", value)).transpose()?;
    let mut budgets = Vec::new();
    for (member, mode, value) in [("max_budget", Mode::Hard, hard), ("soft_budget", Mode::Soft, soft)] {
        let old = before(mode);
        let limit = match value {
            None => old.map(|budget| budget.limit),
            Some(Value::Null) => None,
            Some(value) => Some(dollars(member, &value)?),
        };
        let usual = old.or_else(|| before(Mode::Hard)).map_or(Period::Total, |budget| budget.window.period);
        budgets.extend(limit.map(|limit| form(limit, lasts.unwrap_or(usual), mode, old)));
    }
    if budgets.is_empty() && duration.is_some_and(|value| !value.is_null()) {
        return Err(wrong("budget_duration", "needs a `max_budget` or a `soft_budget` that it is for"));
    }
    let first = |budget: &Budget| before(budget.mode).is_some_and(|first| std::ptr::eq(first, budget));
    match limits {
        Some(limits) => budgets.extend(entries(&limits)?),
        None => {
            let others = terms.budgets.iter().filter(|budget| !first(budget));
            budgets.extend(others.map(|old| form(old.limit, old.window.period, old.mode, Some(old))));
        }
    }
    Ok(Some(budgets.into()))
}

/// `budget_limits`: one hard budget for each window.
fn entries(value: &Value) -> Result<Vec<Value>> {
    let must = || wrong("budget_limits", "must be a list of objects with `budget_duration` and `max_budget`");
    let read = |entry: &Value| {
        let entry = entry.as_object().ok_or_else(must)?;
        let get = |name: &str| entry.get(name).ok_or_else(must);
        let (lasts, limit) = (get("budget_duration")?, get("max_budget")?);
        Ok(form(dollars("budget_limits", limit)?, window("budget_limits", lasts)?, Mode::Hard, None))
    };
    value.as_array().ok_or_else(must)?.iter().map(read).collect()
}

/// A budget in the admin API's words; time zone and fallbacks are those of the one in whose place it comes.
fn form(limit: PicoUsd, period: Period, mode: Mode, old: Option<&Budget>) -> Value {
    json!({
        "limit_usd": limit.to_string(),
        "window": period.name(),
        "hard": mode == Mode::Hard,
        "time_zone": old.map(|old| old.window.zone.name()),
        "fallbacks": old.map(|old| old.fallbacks.iter().map(|name| &**name).collect::<Vec<_>>()),
    })
}

/// The calendar's window that is as long.
fn window(member: &str, value: &Value) -> Result<Period> {
    let text = match value {
        Value::Null => return Ok(Period::Total),
        Value::String(text) => text.as_str(),
        _ => return Err(wrong(member, "must be a string")),
    };
    match text {
        "1d" | "24h" | "daily" => Ok(Period::Day),
        "7d" | "1w" | "weekly" => Ok(Period::Week),
        "30d" | "31d" | "1mo" | "monthly" => Ok(Period::Month),
        _ => Err(wrong(
            member,
            "must be 1d (24h), 7d (1w) or 30d (1mo): budgets start again by the calendar, daily, weekly or monthly, and not after \
             some hours; `null` for never",
        )),
    }
}

/// How LiteLLM writes a window.
pub(super) fn duration(budget: &Budget) -> Option<&'static str> {
    match budget.window.period {
        Period::Day => Some("1d"),
        Period::Week => Some("7d"),
        Period::Month => Some("30d"),
        Period::Total => None,
    }
}

/// An amount of LiteLLM's: a float, whose noise beyond a pico-dollar is rounded off.
fn dollars(member: &str, value: &Value) -> Result<PicoUsd> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return Err(wrong(member, "must be a number of dollars")),
    };
    let amount = PicoUsd::rounded(&text, 0).map_err(|error| wrong(member, format!("is {error}")))?;
    if amount < PicoUsd::ZERO {
        return Err(wrong(member, "must be 0 or more"));
    }
    let digits = text.split(['e', 'E']).next().unwrap_or_default();
    if amount == PicoUsd::ZERO && digits.bytes().any(|byte| matches!(byte, b'1'..=b'9')) {
        return Err(wrong(member, "is less than can be counted: the least is 0.000000000001 dollars"));
    }
    Ok(amount)
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_governance::{Window, Zone};

    fn read(body: Value, terms: &Terms) -> Result<Option<Value>> {
        let Value::Object(mut members) = body else { return Ok(None) };
        budgets(&mut members, terms)
    }

    fn kept(limit: i128, period: Period, mode: Mode) -> Budget {
        let window = Window { period, zone: "Europe/Berlin".parse::<Zone>().unwrap() };
        Budget { limit: PicoUsd::from_pico(limit), window, mode, fallbacks: vec!["cheap".into()] }
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        for (body, param) in [
            (json!({"max_budget": 1e-14}), "max_budget"),
            (json!({"max_budget": "0.0000000000004"}), "max_budget"),
            (json!({"soft_budget": -1}), "soft_budget"),
            (json!({"budget_duration": "1d"}), "budget_duration"),
            (json!({"budget_duration": "1d", "max_budget": null}), "budget_duration"),
            (json!({"budget_limits": [{"max_budget": 1}]}), "budget_limits"),
            (json!({"budget_limits": [{"max_budget": 1, "budget_duration": "3d"}]}), "budget_limits"),
        ] {
            let error = read(body.clone(), &Terms::default()).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(param), "{body}: {error}");
        }
        for lasts in ["1h", "12h", "90m", "30s"] {
            let error =
                read(json!({"budget_duration": lasts, "max_budget": 1}), &Terms::default()).unwrap_err();
            assert!(error.message.contains("must be 1d (24h), 7d (1w) or 30d (1mo)"), "{lasts}: {error}");
        }
        for (body, limit) in [
            (json!({"max_budget": 0}), "0"),
            (json!({"max_budget": 0.0}), "0"),
            (json!({"max_budget": 1e-12}), "0.000000000001"),
            (json!({"max_budget": 0.1 + 0.2}), "0.3"),
        ] {
            let found = read(body.clone(), &Terms::default()).unwrap().unwrap();
            assert_eq!(found[0]["limit_usd"], limit, "{body}");
        }
        assert_eq!(read(json!({"max_budget": ""}), &Terms::default()).unwrap(), Some(json!([])));
        assert_eq!(read(json!({"models": []}), &Terms::default()).unwrap(), None);
    }

    #[test]
    fn what_is_there_beside_it_stays() {
        let (day, week) = (kept(5, Period::Day, Mode::Hard), kept(7, Period::Week, Mode::Hard));
        let terms = Terms { budgets: vec![day, week], ..Terms::default() };
        let found = read(json!({"max_budget": 2}), &terms).unwrap().unwrap();
        let told = |nth: usize, name: &str| found[nth][name].clone();
        assert_eq!((told(0, "limit_usd"), told(0, "window")), (json!("2"), json!("day")));
        assert_eq!((told(0, "time_zone"), told(0, "fallbacks")), (json!("Europe/Berlin"), json!(["cheap"])));
        assert_eq!((told(1, "limit_usd"), told(1, "window")), (json!("0.000000000007"), json!("week")));
        assert_eq!(found.as_array().unwrap().len(), 2);
        let found = read(json!({"budget_duration": "1mo"}), &terms).unwrap().unwrap();
        assert_eq!((&found[0]["window"], &found[1]["window"]), (&json!("month"), &json!("week")));
        let limits =
            json!([{"budget_duration": "1d", "max_budget": 1}, {"budget_duration": "7d", "max_budget": 3}]);
        let found = read(json!({"budget_limits": limits}), &Terms::default()).unwrap().unwrap();
        assert_eq!((&found[0]["window"], &found[1]["limit_usd"]), (&json!("day"), &json!("3")));
    }
}
