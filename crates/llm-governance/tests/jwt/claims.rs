//! What claims mean under a rule.

use std::sync::Arc;

use llm_governance::jwt::{Fault, Rule, Vouched};
use llm_testkit::SigningKey;
use serde_json::{Value, json};

use crate::harness::{claims, path, ring, rule, verify};

fn vouched(rule: &Rule, over: &Value) -> Result<Vouched, Fault> {
    let key = SigningKey::ed25519("e");
    verify(&key.token(&claims(over)), rule, &ring(&[&key]))
}

fn with(change: impl FnOnce(&mut Rule)) -> Rule {
    let mut rule = rule();
    change(&mut rule);
    rule
}

fn texts(texts: &[Arc<str>]) -> Vec<&str> {
    texts.iter().map(|text| &**text).collect()
}

#[test]
fn a_claim_is_found_by_its_path() {
    let check = |claim: &str, over: Value, expect: Option<&str>| {
        let rule = with(|rule| rule.claims.user = path(claim));
        match vouched(&rule, &over) {
            Ok(vouched) => assert_eq!(vouched.user.as_deref(), expect, "{claim} {over}"),
            Err(fault) => {
                assert_eq!((fault, expect), (Fault::Claim(claim.to_owned()), None), "{claim} {over}");
            }
        }
    };
    check("sub", json!({}), Some("ann"));
    check("email", json!({"email": "a@b.c"}), Some("a@b.c"));
    check("a.b.c", json!({"a": {"b": {"c": "deep"}}}), Some("deep"));
    check("a.b.c", json!({"a": {"b.c": "dotted"}}), Some("dotted"));
    check("a.b.c", json!({"a.b": {"c": "other"}}), Some("other"));
    check("https://x.example/user", json!({"https://x.example/user": "n"}), Some("n"));
    check("https://x.example/a.id", json!({"https://x.example/a": {"id": 17}}), Some("17"));
    check("a.b", json!({"a": "b"}), None);
    check("a.b", json!({"a": [{"b": "c"}]}), None);
    check("a.", json!({"a": {"b": "c"}}), None);
    check("missing", json!({}), None);
    check("a", json!({"a": null}), None);
}

#[test]
fn teams_are_of_a_list_in_its_order_and_by_their_names_here() {
    let rule = with(|rule| {
        rule.claims.team = path("groups");
        rule.teams.insert("8f3c".to_owned(), "search".into());
    });
    let teams = |over: Value| vouched(&rule, &over).map(|vouched| texts(&vouched.teams).join(","));
    assert_eq!(teams(json!({"groups": ["x", "8f3c"]})).as_deref(), Ok("x,search"));
    assert_eq!(teams(json!({"groups": "8f3c"})).as_deref(), Ok("search"));
    let missing = Err(Fault::Claim("groups".to_owned()));
    for over in [json!({}), json!({"groups": []}), json!({"groups": [["a"], {}]}), json!({"groups": " "})] {
        assert_eq!(teams(over.clone()), missing, "{over}");
    }
    let lenient = with(|rule| (rule.claims.team, rule.team_optional) = (path("groups"), true));
    assert_eq!(vouched(&lenient, &json!({})).unwrap().teams, [] as [Arc<str>; 0]);
}

#[test]
fn users_of_two_issuers_can_be_told_apart() {
    let rule = with(|rule| rule.user_prefix = "okta:".to_owned());
    assert_eq!(vouched(&rule, &json!({})).unwrap().user.as_deref(), Some("okta:ann"));
    let none = with(|rule| (rule.claims.user, rule.claims.organisation) = (None, path("org")));
    let found = vouched(&none, &json!({"sub": null, "org": "acme"})).unwrap();
    assert_eq!((found.user, found.organisation.as_deref()), (None, Some("acme")));
    assert_eq!(vouched(&none, &json!({})), Err(Fault::Claim("org".to_owned())));
}

#[test]
fn scopes_are_a_list_or_words() {
    let rule = with(|rule| {
        rule.scopes = vec!["llm:call".to_owned()];
        rule.admin_scope = path("llm:admin");
        rule.claims.scopes = vec!["scope".to_owned(), "scp".to_owned(), "realm.roles".to_owned()];
    });
    let admin = |over: Value| vouched(&rule, &over).map(|vouched| vouched.admin);
    assert_eq!(admin(json!({"scope": "openid llm:call"})), Ok(false));
    assert_eq!(admin(json!({"scp": ["llm:call", "llm:admin"]})), Ok(true));
    assert_eq!(admin(json!({"scope": "llm:call", "realm": {"roles": ["llm:admin"]}})), Ok(true));
    let missing = Err(Fault::Scope("llm:call".to_owned()));
    for over in [json!({}), json!({"scope": "llm:calls"}), json!({"scope": "llm"}), json!({"scope": {}})] {
        assert_eq!(admin(over.clone()), missing, "{over}");
    }
}

#[test]
fn what_is_required_must_be_said() {
    let rule = with(|rule| {
        rule.require.insert("client_id".to_owned(), vec!["app-1".to_owned(), "app-2".to_owned()]);
        rule.require.insert("groups".to_owned(), vec!["llm-*".to_owned()]);
        rule.require.insert("verified".to_owned(), vec!["true".to_owned()]);
    });
    let good = json!({"client_id": "app-2", "groups": ["x", "llm-users"], "verified": true});
    assert!(vouched(&rule, &good).is_ok());
    for (claim, value) in [
        ("client_id", json!("app-3")),
        ("client_id", Value::Null),
        ("groups", json!(["x"])),
        ("groups", json!([])),
        ("verified", json!(false)),
    ] {
        let mut over = good.clone();
        over[claim] = value;
        assert_eq!(vouched(&rule, &over), Err(Fault::Claim(claim.to_owned())), "{over}");
    }
}

#[test]
fn models_routes_tags_and_notes_are_taken_from_it() {
    let rule = with(|rule| {
        rule.claims.models = path("llm.models");
        rule.claims.tags = vec!["department".to_owned(), "groups".to_owned()];
        rule.claims.metadata = vec!["email".to_owned(), "absent".to_owned()];
        rule.claims.name = path("name");
    });
    let over = json!({
        "llm": {"models": ["gpt-*", "smart"]}, "department": "it", "groups": ["it", "x", "t".repeat(129), ""],
        "email": "ann@example.com", "name": "Ann",
    });
    let found = vouched(&rule, &over).unwrap();
    let bearer = found.bearer.unwrap();
    assert_eq!(texts(&bearer.access.models), ["gpt-*", "smart"]);
    assert_eq!(texts(&bearer.tags), ["it", "x"]);
    assert_eq!(found.metadata.as_deref(), Some(r#"{"email":"ann@example.com"}"#));
    assert_eq!(found.name.as_deref(), Some("Ann"));
    // No model is none, not all.
    for models in [json!([]), json!({}), Value::Null] {
        let mut over = over.clone();
        over["llm"]["models"] = models;
        assert_eq!(vouched(&rule, &over), Err(Fault::Claim("llm.models".to_owned())), "{over}");
    }
    assert_eq!(vouched(&self::rule(), &json!({})).unwrap().bearer, None);
}
