//! From options to the body of a request.

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use crate::args::{KeyArgs, TermsArgs};
use crate::exit::Failure;

/// `25.00/day`, `100/month/soft`, `5/day/hard/Europe/Berlin`.
pub(super) fn budget(text: &str) -> Result<Map<String, Value>, Failure> {
    let read = || -> anyhow::Result<Map<String, Value>> {
        let mut parts = text.splitn(4, '/');
        let (limit, window) = (parts.next().unwrap_or_default(), parts.next());
        let window = window.with_context(|| format!("`{text}` needs a window, such as `{limit}/day`"))?;
        let hard = match parts.next() {
            None | Some("hard") => true,
            Some("soft") => false,
            Some(other) => bail!("`{other}` of `{text}` must be hard or soft"),
        };
        let mut budget = Map::new();
        budget.insert("limit_usd".to_owned(), limit.trim_start_matches('$').into());
        budget.insert("window".to_owned(), window.into());
        budget.insert("hard".to_owned(), hard.into());
        if let Some(zone) = parts.next() {
            budget.insert("time_zone".to_owned(), zone.into());
        }
        Ok(budget)
    };
    read().map_err(Failure::Usage)
}

/// `gpt-4o=rpm:60,tpm:100000,parallel:4`.
fn model_limits(text: &str) -> Result<Map<String, Value>, Failure> {
    let read = || -> anyhow::Result<Map<String, Value>> {
        let help = || format!("`{text}` needs a model and limits, such as gpt-4o=rpm:60,tpm:100000");
        let (model, limits) = text.rsplit_once('=').with_context(help)?;
        let mut body = Map::from_iter([("model".to_owned(), Value::from(model))]);
        for limit in limits.split(',') {
            let (name, count) = limit.split_once(':').with_context(help)?;
            if !["rpm", "tpm", "parallel"].contains(&name) {
                bail!("`{name}` of `{text}` must be rpm, tpm or parallel");
            }
            let count: u64 = count.parse().with_context(|| format!("`{count}` of `{text}` is no number"))?;
            if body.insert(name.to_owned(), count.into()).is_some() {
                bail!("`{name}` of `{text}` is there twice");
            }
        }
        Ok(body)
    };
    read().map_err(Failure::Usage)
}

/// The body for a team, user or organisation.
pub(super) fn terms(args: &TermsArgs) -> Result<Map<String, Value>, Failure> {
    let TermsArgs {
        name,
        models,
        routes,
        ip_ranges,
        budget: budgets,
        budget_fallbacks,
        rpm,
        tpm,
        parallel,
        model_limits: of_models,
        blocked,
        organisation,
        metadata,
        clear,
    } = args;
    let mut body = Map::new();
    for (member, value) in [("name", name), ("organisation_id", organisation)] {
        put(&mut body, member, value.as_deref().map(Value::from));
    }
    for (member, list) in [("models", models), ("routes", routes), ("ip_ranges", ip_ranges)] {
        put(&mut body, member, (!list.is_empty()).then(|| json!(list)));
    }
    if !budgets.is_empty() {
        let mut budgets = budgets.iter().map(|text| budget(text)).collect::<Result<Vec<_>, _>>()?;
        if !budget_fallbacks.is_empty() {
            budgets.iter_mut().for_each(|budget| put(budget, "fallbacks", Some(json!(budget_fallbacks))));
        }
        body.insert("budgets".to_owned(), json!(budgets));
    }
    let mut limits = Map::new();
    put(&mut limits, "rpm", rpm.map(Value::from));
    put(&mut limits, "tpm", tpm.map(Value::from));
    put(&mut limits, "parallel", parallel.map(Value::from));
    put(&mut body, "limits", (!limits.is_empty()).then_some(Value::Object(limits)));
    if !of_models.is_empty() {
        let all = of_models.iter().map(|text| model_limits(text)).collect::<Result<Vec<_>, _>>()?;
        body.insert("model_limits".to_owned(), json!(all));
    }
    put(&mut body, "blocked", blocked.map(Value::from));
    if let Some(text) = metadata {
        let object = serde_json::from_str(text).context("--metadata is not JSON").map_err(Failure::Usage)?;
        body.insert("metadata".to_owned(), object);
    }
    clear.iter().for_each(|member| {
        body.insert(member.clone(), Value::Null);
    });
    Ok(body)
}

/// The body for a key.
pub(super) fn key(args: &KeyArgs) -> Result<Value, Failure> {
    let KeyArgs { terms: own, team, user, tags, expires_at, admin } = args;
    let mut body = terms(own)?;
    for (member, value) in [("team_id", team), ("user_id", user), ("expires_at", expires_at)] {
        put(&mut body, member, value.as_deref().map(Value::from));
    }
    put(&mut body, "tags", (!tags.is_empty()).then(|| json!(tags)));
    put(&mut body, "admin", admin.map(Value::from));
    Ok(Value::Object(body))
}

fn put(body: &mut Map<String, Value>, member: &str, value: Option<Value>) {
    if let Some(value) = value {
        body.insert(member.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read() {
        let check = |text: &str, expect: Value| assert_eq!(Value::Object(budget(text).unwrap()), expect);
        check("25.00/day", json!({"limit_usd": "25.00", "window": "day", "hard": true}));
        check("$1/month/soft", json!({"limit_usd": "1", "window": "month", "hard": false}));
        let berlin = json!({"limit_usd": "5", "window": "day", "hard": true, "time_zone": "Europe/Berlin"});
        check("5/day/hard/Europe/Berlin", berlin);
        for wrong in ["5", "5/day/firm"] {
            assert!(matches!(budget(wrong), Err(Failure::Usage(_))), "{wrong}");
        }
    }

    #[test]
    fn every_member_that_the_api_takes_has_an_option() {
        use llm_admin::form::Form;
        let some = |text: &str| Some(text.to_owned());
        let list = |text: &str| vec![text.to_owned()];
        let terms = TermsArgs {
            name: some("n"),
            models: list("a"),
            routes: list("/v1/*"),
            ip_ranges: list("10.0.0.0/8"),
            budget: list("5/day/hard/Europe/Berlin"),
            budget_fallbacks: list("cheap"),
            rpm: Some(1),
            tpm: Some(2),
            parallel: Some(3),
            model_limits: list("a=b=rpm:1,tpm:2,parallel:3"),
            blocked: Some(false),
            organisation: some("o"),
            metadata: some("{}"),
            clear: Vec::new(),
        };
        let (team, user, expires_at) = (some("t"), some("u"), some("2027-01-01T00:00:00Z"));
        let args = KeyArgs { terms, team, user, tags: list("x"), expires_at, admin: Some(true) };
        let body = key(&args).unwrap();
        let mut pairs = vec![(llm_admin::keys::KeyForm::schema(), &body)];
        // The lists and objects in it as well.
        let schema = llm_admin::keys::KeyForm::schema();
        for (member, of) in [("budgets", "/0"), ("limits", ""), ("model_limits", "/0")] {
            let items = if of.is_empty() { "" } else { "/items" };
            let place = |alternative: &str| format!("/properties/{member}{alternative}{items}");
            let found = ["", "/anyOf/0"].iter().find_map(|alternative| {
                schema.pointer(&place(alternative)).filter(|schema| schema.get("properties").is_some())
            });
            let inner = body.pointer(&format!("/{member}{of}")).unwrap();
            pairs.push((found.unwrap_or_else(|| panic!("{member}: {schema}")), inner));
        }
        for (schema, body) in pairs {
            for (member, _) in schema["properties"].as_object().unwrap() {
                assert!(body.get(member).is_some(), "`{member}` has no option");
            }
        }
        let group = llm_admin::groups::GroupForm::schema()["properties"].as_object().unwrap();
        // Its id stands for itself on the command line.
        assert!(group.keys().all(|member| member == "id" || body.get(member).is_some()), "{group:?}");
        for wrong in ["a", "a=rpm", "a=rpx:1", "a=rpm:x", "a=rpm:1,rpm:2"] {
            assert!(matches!(model_limits(wrong), Err(Failure::Usage(_))), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_named_is_not_sent() {
        assert_eq!(key(&KeyArgs::default()).unwrap(), json!({}));
        let terms = TermsArgs { rpm: Some(5), clear: vec!["budgets".to_owned()], ..TermsArgs::default() };
        let args = KeyArgs { terms, tags: vec!["a".to_owned()], admin: Some(false), ..KeyArgs::default() };
        let expect = json!({"limits": {"rpm": 5}, "budgets": null, "tags": ["a"], "admin": false});
        assert_eq!(key(&args).unwrap(), expect);
    }
}
