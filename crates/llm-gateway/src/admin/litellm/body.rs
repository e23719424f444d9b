//! From LiteLLM's bodies to the admin API's.

use std::time::Duration;

use jiff::Timestamp;
use llm_admin::form::{self, Form, wrong};
use llm_governance::{Limits, ModelLimits, Terms};
use llm_types::{ApiError, Result};
use serde_json::{Map, Value, json};

use super::budget;

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

/// One of the limits.
type Pick = fn(&mut Limits) -> &mut Option<u64>;
/// Limits of single models, by their names.
const MODEL_LIMITS: [(&str, Pick); 2] =
    [("model_rpm_limit", |limits| &mut limits.rpm), ("model_tpm_limit", |limits| &mut limits.tpm)];
/// What a key may call that is for administration: no model.
const MANAGEMENT: [&str; 4] = ["/key/*", "/team/*", "/spend/*", "/admin/v1/*"];
/// What does here what a member of LiteLLM's does there.
const INSTEAD: [(&str, &str); 8] = [
    (
        "model_max_budget",
        "give the model a budget of its own, POST /admin/v1/budgets with the scope `model:NAME`, or make a key for each model",
    ),
    ("aliases", "set `aliases` of the model in the configuration"),
    ("budget_id", "send `max_budget` and `budget_duration`"),
    ("admins", "send `members_with_roles`"),
    ("members", "send `members_with_roles`"),
    ("team_member_budget", "give users a budget, POST /admin/v1/budgets with the scope `user:NAME`"),
    ("auto_rotate", "rotate the key with POST /admin/v1/keys/{id}/rotate"),
    ("spend", "what was spent is what the rows of usage say"),
];

/// A body of LiteLLM's that is read member by member.
#[derive(Debug)]
pub(super) struct Lite(Map<String, Value>);

impl Lite {
    pub(super) fn read(body: &[u8]) -> Result<Self> {
        match form::json(body)? {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(wrong("", "the body must be an object")),
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

    /// Takes a member out as it is; what says nothing is as if it were not there.
    pub(super) fn take(&mut self, member: &str) -> Option<Value> {
        self.0.remove(member).filter(|value| !value.is_null() && *value != json!([]))
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
        if let Some(budgets) = budget::budgets(&mut self.0, terms)? {
            body.insert("budgets".to_owned(), budgets);
        }
        if let Some(limits) = self.model_limits(terms)? {
            body.insert("model_limits".to_owned(), limits);
        }
        self.key_type(&mut body)?;
        tags(&mut body);
        self.nothing_left()?;
        form::read(Value::Object(body).to_string().as_bytes()).map_err(theirs)
    }

    /// `model_rpm_limit` and `model_tpm_limit`, each the whole of its kind; the other kind stays as it is.
    fn model_limits(&mut self, terms: &Terms) -> Result<Option<Value>> {
        let mut limits = terms.model_limits.clone();
        let mut named = false;
        for (member, pick) in MODEL_LIMITS {
            let Some(value) = self.0.remove(member) else { continue };
            named = true;
            limits.iter_mut().for_each(|one| *pick(&mut one.limits) = None);
            let must = || wrong(member, "must be an object of whole numbers, by the models' names");
            let by_model = match value {
                Value::Null => continue,
                Value::Object(by_model) => by_model,
                _ => return Err(must()),
            };
            for (model, count) in by_model {
                let count = if count.is_null() { None } else { Some(count.as_u64().ok_or_else(must)?) };
                let at = limits.iter().position(|one| *one.model == *model).unwrap_or_else(|| {
                    limits.push(ModelLimits { model: model.as_str().into(), limits: Limits::default() });
                    limits.len() - 1
                });
                if let Some(one) = limits.get_mut(at) {
                    *pick(&mut one.limits) = count;
                }
            }
        }
        let form = |one: &ModelLimits| {
            let Limits { rpm, tpm, parallel } = one.limits;
            json!({ "model": &*one.model, "rpm": rpm, "tpm": tpm, "parallel": parallel })
        };
        let left = limits.iter().filter(|one| one.limits != Limits::default());
        Ok(named.then(|| left.map(form).collect()))
    }

    /// What a key is for: without a word more it calls models, as one of type `llm_api` does.
    fn key_type(&mut self, body: &mut Map<String, Value>) -> Result<()> {
        match self.text("key_type")?.as_deref() {
            None | Some("" | "default" | "llm_api") => {}
            Some("management") => {
                body.insert("admin".to_owned(), true.into());
                body.insert("routes".to_owned(), json!(MANAGEMENT));
            }
            Some(_) => {
                let message =
                    "must be default, llm_api or management: keys that only read are not available here";
                return Err(wrong("key_type", message));
            }
        }
        Ok(())
    }

    /// What says nothing may be there: tools send every member they know.
    fn nothing_left(&self) -> Result<()> {
        let says_nothing = |name: &str, value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            // A new key has spent nothing.
            Value::Number(number) => {
                name == "spend" && number.as_f64().is_some_and(|spend| spend.abs() < 1e-12)
            }
            Value::String(text) if name.ends_with("_limit_type") => text == "best_effort_throughput",
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        };
        match self.0.iter().find(|(name, value)| !says_nothing(name, value)) {
            None => Ok(()),
            Some((name, _)) => {
                let name: String = name.chars().take(64).filter(|c| !c.is_control()).collect();
                let instead = INSTEAD.iter().find(|(member, _)| *member == name);
                let help = instead.map_or("leave it out", |(_, instead)| instead);
                Err(wrong(&name, format!("is not available here: {help}")).with_code("unknown_member"))
            }
        }
    }
}

/// Tags of a key may stand in its metadata, as LiteLLM keeps them.
fn tags(body: &mut Map<String, Value>) {
    let noted = body.get("metadata").and_then(|metadata| metadata.get("tags")).cloned();
    if let Some(noted) = noted.filter(|tags| tags.is_array() && !body.contains_key("tags")) {
        body.insert("tags".to_owned(), noted);
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
        check(json!({"model_max_budget": {"gpt-4o": 5.0}}), "model_max_budget");
        check(json!({"key_type": "read_only"}), "key_type");
        check(json!({"model_rpm_limit": {"a": "x"}}), "model_rpm_limit");
        check(json!({"spend": 3}), "spend");
        let twice = Lite::read(br#"{"max_budget": 1, "max_budget": 2}"#).unwrap_err();
        assert_eq!(twice.code.as_deref(), Some("duplicate_member"));
        assert!(
            read(&json!({"guardrails": [], "aliases": {}, "config": null, "send_invite_email": false,
                "model_max_budget": {}, "spend": 0, "key_type": "llm_api", "rpm_limit_type": "best_effort_throughput"}))
                .is_ok()
        );
    }

    #[test]
    fn limits_of_models_are_put_over_those_that_there_are() {
        let limits = |rpm, tpm, parallel| Limits { rpm, tpm, parallel };
        let one = |model: &str, limits| ModelLimits { model: model.into(), limits };
        let before = vec![one("a", limits(Some(1), Some(2), None)), one("b", limits(Some(3), None, Some(4)))];
        let terms = Terms { model_limits: before, ..Terms::default() };
        let body = json!({"model_rpm_limit": {"a": 9, "c": 5}});
        let form: KeyForm =
            Lite::read(body.to_string().as_bytes()).unwrap().form(&terms, Timestamp::UNIX_EPOCH).unwrap();
        let found: Vec<_> = form.model_limits.given().unwrap().into_iter().map(ModelLimits::from).collect();
        let expect = [
            one("a", limits(Some(9), Some(2), None)),
            one("b", limits(None, None, Some(4))),
            one("c", limits(Some(5), None, None)),
        ];
        assert_eq!(found, expect);
        let form = read(&json!({"metadata": {"tags": ["x"]}, "key_type": "management"})).unwrap();
        assert_eq!(form.admin, llm_admin::form::Field::Given(true));
        assert!(matches!(&form.tags, llm_admin::form::Field::Given(tags) if tags.len() == 1));
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
