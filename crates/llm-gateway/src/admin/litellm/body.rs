//! From LiteLLM's bodies to the admin API's.

use std::time::Duration;

use jiff::Timestamp;
use llm_admin::form::{self, Form, wrong};
use llm_governance::{Budget, Mode, Period, Terms};
use llm_types::{ApiError, PicoUsd, Result};
use serde_json::{Map, Value, json};

/// What stands for all models.
const ALL: [&str; 3] = ["all-proxy-models", "all-team-models", "*"];
/// LiteLLM's member and the admin API's, where only the name differs.
const SAME: [(&str, &str); 9] = [
    ("key_alias", "name"),
    ("team_alias", "name"),
    ("user_id", "user_id"),
    ("team_id", "team_id"),
    ("organization_id", "organisation_id"),
    ("metadata", "metadata"),
    ("tags", "tags"),
    ("blocked", "blocked"),
    ("allowed_routes", "routes"),
];
/// Limits.
const LIMITS: [(&str, &str); 3] =
    [("rpm_limit", "rpm"), ("tpm_limit", "tpm"), ("max_parallel_requests", "parallel")];

/// A body of LiteLLM's that is read member by member.
#[derive(Debug)]
pub(super) struct Lite(Map<String, Value>);

impl Lite {
    pub(super) fn read(body: &[u8]) -> Result<Self> {
        let body = if body.is_empty() { b"{}" } else { body };
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(wrong("", "the body must be an object")),
            Err(error) => {
                let message = format!("the body is not JSON: {error}");
                Err(ApiError::bad_request(message).with_code("invalid_json"))
            }
        }
    }

    /// Takes a text out; `null` is as if it were not there.
    pub(super) fn text(&mut self, member: &str) -> Result<Option<String>> {
        match self.0.remove(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(member, "must be a string")),
        }
    }

    /// Takes a list of texts out.
    pub(super) fn texts(&mut self, member: &str) -> Result<Vec<String>> {
        match self.0.remove(member) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(value) => {
                serde_json::from_value(value).map_err(|_| wrong(member, "must be a list of strings"))
            }
        }
    }

    /// The same in the admin API's words, over the terms that there are. What is left is said to be unknown.
    pub(super) fn form<T: Form>(mut self, terms: &Terms, now: Timestamp) -> Result<T> {
        let mut body = Map::new();
        for (theirs, ours) in SAME {
            if let Some(value) = self.0.remove(theirs) {
                body.insert(ours.to_owned(), value);
            }
        }
        let mut limits = Map::new();
        for (theirs, ours) in LIMITS {
            if let Some(value) = self.0.remove(theirs) {
                limits.insert(ours.to_owned(), value);
            }
        }
        if !limits.is_empty() {
            body.insert("limits".to_owned(), Value::Object(limits));
        }
        if let Some(models) = self.0.remove("models") {
            let all = models.as_array().is_some_and(|models| {
                models.iter().filter_map(Value::as_str).any(|model| ALL.contains(&model))
            });
            body.insert("models".to_owned(), if all { json!(["*"]) } else { models });
        }
        if let Some(value) = self.0.remove("duration") {
            body.insert("expires_at".to_owned(), expiry(&value, now)?);
        }
        self.budgets(terms, &mut body)?;
        self.nothing_left()?;
        form::read(Value::Object(body).to_string().as_bytes()).map_err(theirs)
    }

    /// `max_budget`, `soft_budget` and `budget_duration` are at most one hard and one soft budget.
    fn budgets(&mut self, terms: &Terms, body: &mut Map<String, Value>) -> Result<()> {
        let members = ["max_budget", "soft_budget", "budget_duration"];
        if !members.iter().any(|member| self.0.contains_key(*member)) {
            return Ok(());
        }
        let before = |mode| terms.budgets.iter().find(|budget| budget.mode == mode);
        let window = match self.0.remove("budget_duration") {
            Some(value) => window(&value)?,
            None => before(Mode::Hard).map_or("total", |budget| budget.window.period.name()),
        };
        let mut budgets = Vec::new();
        for (member, mode) in [("max_budget", Mode::Hard), ("soft_budget", Mode::Soft)] {
            let limit = match self.0.remove(member) {
                None => before(mode).map(|budget| budget.limit),
                Some(Value::Null) => None,
                Some(value) => Some(dollars(member, &value)?),
            };
            if let Some(limit) = limit {
                budgets.push(json!({
                    "limit_usd": limit.to_string(), "window": window, "hard": mode == Mode::Hard,
                }));
            }
        }
        body.insert("budgets".to_owned(), budgets.into());
        Ok(())
    }

    /// What says nothing may be there: tools send every member they know.
    fn nothing_left(&self) -> Result<()> {
        let says_nothing = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        };
        match self.0.iter().find(|(_, value)| !says_nothing(value)) {
            None => Ok(()),
            Some((name, _)) => {
                let name: String = name.chars().take(64).filter(|c| !c.is_control()).collect();
                Err(wrong(&name, "is not available here: leave it out").with_code("unknown_member"))
            }
        }
    }
}

/// When a key ends that is good for so long; LiteLLM writes `30s`, `30m`, `30h`, `30d`, `1w`, `1mo`.
fn expiry(value: &Value, now: Timestamp) -> Result<Value> {
    let Some(text) = value.as_str() else {
        return if value.is_null() { Ok(Value::Null) } else { Err(wrong("duration", "must be a string")) };
    };
    let ends = seconds(text).and_then(|seconds| now.checked_add(Duration::from_secs(seconds)).ok());
    let ends =
        ends.ok_or_else(|| wrong("duration", "must be a number and a unit: 30s, 30m, 30h, 30d, 2w, 1mo"))?;
    Ok(ends.to_string().into())
}

fn seconds(text: &str) -> Option<u64> {
    let units = [("mo", 30 * 86_400), ("w", 7 * 86_400), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let (number, unit) = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse::<u64>().ok()?.checked_mul(*unit)
}

/// The calendar's window that is as long.
fn window(value: &Value) -> Result<&'static str> {
    let text = match value {
        Value::Null => return Ok(Period::Total.name()),
        Value::String(text) => text.as_str(),
        _ => return Err(wrong("budget_duration", "must be a string")),
    };
    match text {
        "1d" | "24h" | "daily" => Ok(Period::Day.name()),
        "7d" | "1w" | "weekly" => Ok(Period::Week.name()),
        "30d" | "31d" | "1mo" | "monthly" => Ok(Period::Month.name()),
        _ => Err(wrong(
            "budget_duration",
            "must be 1d, 7d or 30d (1mo): budgets start again by the calendar, daily, weekly or monthly; `null` for never",
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
    Ok(amount)
}

/// A fault in the words of whoever asked.
fn theirs(mut error: ApiError) -> ApiError {
    let fixed = [("expires_at", "duration"), ("budgets[0].limit_usd", "max_budget"), ("id", "team_id")];
    let limits = LIMITS.map(|(theirs, ours)| (format!("limits.{ours}"), theirs));
    let names = limits.iter().map(|(ours, theirs)| (ours.as_str(), *theirs)).chain(fixed);
    let same =
        SAME.iter().filter(|(theirs, _)| *theirs != "team_alias").map(|(theirs, ours)| (*ours, *theirs));
    let param = error.param.clone().unwrap_or_default();
    if let Some((ours, theirs)) = names.chain(same).find(|(ours, _)| *ours == param) {
        error.message = error.message.replace(&format!("`{ours}`"), &format!("`{theirs}`"));
        error.param = Some(theirs.to_owned());
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_admin::keys::KeyForm;

    fn read(body: &Value) -> Result<KeyForm> {
        Lite::read(body.to_string().as_bytes())?.form(&Terms::default(), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn faults_are_told_in_their_words() {
        let check = |body: Value, param: &str| {
            let error = read(&body).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(param), "{body}: {error}");
        };
        check(json!({"rpm_limit": "x"}), "rpm_limit");
        check(json!({"key_alias": 7}), "key_alias");
        check(json!({"budget_duration": "10d"}), "budget_duration");
        check(json!({"max_budget": -1}), "max_budget");
        check(json!({"duration": "soon"}), "duration");
        check(json!({"duration": "99999999999999999999d"}), "duration");
        check(json!({"guardrails": ["a"]}), "guardrails");
        assert!(
            read(&json!({"guardrails": [], "aliases": {}, "config": null, "send_invite_email": false}))
                .is_ok()
        );
    }

    #[test]
    fn durations_are_seconds() {
        for (text, expect) in [
            ("30s", Some(30)),
            ("2h", Some(7200)),
            ("1mo", Some(2_592_000)),
            ("1", None),
            ("-1d", None),
            ("d", None),
        ] {
            assert_eq!(seconds(text), expect, "{text}");
        }
    }
}
