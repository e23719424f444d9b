//! Who may do what: authentication, groups, rotation, addresses.

use std::net::IpAddr;
use std::sync::Arc;

use llm_governance::{
    Access, Budget, Change, Error, Facts, Group, Hint, Identity, Key, KeyHash, Period, Scope, Terms,
};
use llm_types::ErrorKind;

use crate::harness::{at, costing, gate, key, put, put_key};

const NOON: &str = "2026-03-01T12:00:00Z";

fn only(models: &[&str], routes: &[&str], addresses: &[&str]) -> Terms {
    let globs = |list: &[&str]| list.iter().map(|glob| Arc::from(*glob)).collect();
    let addresses = addresses.iter().map(|range| range.parse().unwrap()).collect();
    Terms { access: Access { models: globs(models), routes: globs(routes), addresses }, ..Terms::default() }
}

#[test]
fn keys_are_known_by_their_hash_and_nothing_else() {
    let now = at(NOON);
    let (gate, _) = gate([put_key(key("sk-1", Terms::default()))]);
    let check = |secret: &str, expect: bool| {
        let found = gate.directory().authenticate(secret, None, now);
        assert_eq!(found.is_ok(), expect, "{secret:?}");
        if let Err(error) = found {
            assert_eq!((error.kind, error.status().as_u16()), (ErrorKind::Auth, 401));
            assert!(!error.message.contains(secret) || secret.is_empty(), "{error}");
        }
    };
    check("sk-1", true);
    let id = Scope::Key(key("sk-1", Terms::default()).id).to_string();
    let hash = KeyHash::of("sk-1").to_string();
    for wrong in ["", "sk-", "sk-2", "SK-1", " sk-1", "sk-1\0", "' OR 1=1 --", "../../sk-1", &id, &hash] {
        check(wrong, false);
    }
    check(&"x".repeat(10_000_000), false);
}

#[test]
fn keys_end_when_they_are_blocked_expired_or_replaced() {
    let now = at(NOON);
    let (gate, _) = gate([]);
    let check = |key: Key, secret: &str, expect: Result<(), (u16, &str)>| {
        gate.directory().replace([put_key(key)]).unwrap();
        let found = gate.directory().authenticate(secret, None, now);
        let found = found
            .map(|_| ())
            .map_err(|error| (error.status().as_u16(), error.public_code().unwrap_or_default().to_owned()));
        assert_eq!(found, expect.map_err(|(status, code)| (status, code.to_owned())));
    };
    let plain = || key("sk-1", Terms::default());
    let second = |text: &str| Some(text.parse().unwrap());
    check(plain(), "sk-1", Ok(()));
    check(Key { blocked: true, ..plain() }, "sk-1", Err((403, "key_blocked")));
    check(Key { expires_at: second("2026-03-01T12:00:01Z"), ..plain() }, "sk-1", Ok(()));
    check(Key { expires_at: second(NOON), ..plain() }, "sk-1", Err((401, "key_expired")));
    let next = |until: &str| plain().rotated(KeyHash::of("sk-2"), Hint::of("sk-2"), until.parse().unwrap());
    check(next("2026-03-01T12:00:01Z"), "sk-1", Ok(()));
    check(next("2026-03-01T12:00:01Z"), "sk-2", Ok(()));
    check(next(NOON), "sk-1", Err((401, "key_expired")));
    check(next(NOON), "sk-2", Ok(()));
    // After the next rotation the first secret is nobody's.
    let twice =
        next(NOON).rotated(KeyHash::of("sk-3"), Hint::default(), "2026-03-02T00:00:00Z".parse().unwrap());
    check(twice.clone(), "sk-1", Err((401, "invalid_api_key")));
    check(twice, "sk-2", Ok(()));
}

#[test]
fn every_owner_must_allow_the_model_the_route_and_the_address() {
    let now = at(NOON);
    let mut of_key = key("sk-1", only(&["gpt-*", "claude-*"], &[], &["10.0.0.0/8"]));
    (of_key.team, of_key.user) = (Some("t".into()), Some("nobody has heard of them".into()));
    // Its team has one.
    of_key.organisation = Some("elsewhere".into());
    let mut team = Group::new(only(&["gpt-4o", "gemini-*"], &["/v1/chat/*"], &[]));
    team.organisation = Some("o".into());
    let (gate, _) = gate([
        put("organisation:o", Terms::default()),
        Change::Put(Scope::Team("t".into()), Box::new(team)),
        put_key(of_key),
    ]);
    let from = |address: &str| gate.directory().authenticate("sk-1", address.parse::<IpAddr>().ok(), now);
    for wrong in ["11.0.0.1", "unknown"] {
        let error = from(wrong).unwrap_err();
        assert_eq!((error.status().as_u16(), error.public_code()), (403, Some("address_not_allowed")));
    }
    let who = from("10.0.0.1").unwrap();
    assert_eq!(who.organisation().map(|id| &**id), Some("o"));
    let check = |model, route, code: Option<&str>, words: &str| {
        let facts = Facts { model, route, ..costing(0) };
        let refused = gate.try_admit(&who, &facts, now).err();
        assert_eq!(refused.as_ref().and_then(|refused| refused.error.public_code()), code, "{model} {route}");
        assert!(refused.is_none_or(|refused| refused.error.message.contains(words)), "{model} {route}");
    };
    check("gpt-4o", "/v1/chat/completions", None, "");
    check("gpt-5", "/v1/chat/completions", Some("model_not_allowed"), "this team may not call `gpt-5`");
    check("gemini-2", "/v1/chat/completions", Some("model_not_allowed"), "this key may not call `gemini-2`");
    check("gpt-4o", "/v1/embeddings", Some("route_not_allowed"), "it may call /v1/chat/*");
    assert!(who.may_call("gpt-4o") && !who.may_call("gpt-5"));
}

#[test]
fn a_key_of_a_group_that_is_gone_or_blocked_is_refused() {
    let now = at(NOON);
    let mut of_key = key("sk-1", Terms::default());
    of_key.team = Some("t".into());
    let (gate, _) = gate([put_key(of_key)]);
    let code = || {
        let found = gate.directory().authenticate("sk-1", None, now);
        found.err().and_then(|error| error.public_code().map(str::to_owned))
    };
    assert_eq!(code().as_deref(), Some("unknown_owner"));
    gate.directory().apply([put("team:t", Terms::default())]).unwrap();
    assert_eq!(code(), None);
    let blocked = Group { blocked: true, ..Group::new(Terms::default()) };
    gate.directory().apply([Change::Put(Scope::Team("t".into()), Box::new(blocked))]).unwrap();
    assert_eq!(code().as_deref(), Some("owner_blocked"));
    let identity = Identity { team: Some("t".into()), ..Identity::default() };
    assert!(gate.directory().identify(identity, None).is_err());
    assert!(gate.directory().identify(Identity::default(), None).is_ok());
}

#[test]
fn changes_are_kept_as_text_and_read_back() {
    let mut of_key = key("sk-1", only(&["gpt-*"], &["/v1/*"], &["10.0.0.0/8"]));
    of_key.hint = Hint::of("sk-0123456789abcdefghij");
    of_key.expires_at = "2027-01-01T00:00:00Z".parse().ok();
    let mut terms = Terms::clone(&of_key.terms);
    terms.budgets.push(Budget::hard("1.5".parse().unwrap(), Period::Week));
    terms.budgets[0].window.zone = "Europe/Berlin".parse().unwrap();
    of_key.terms = Arc::new(terms);
    let of_key =
        of_key.rotated(KeyHash::of("sk-2"), Hint::default(), "2026-03-02T00:00:00Z".parse().unwrap());
    let id = of_key.id;
    let scope = Scope::Team("t".into());
    for change in
        [put_key(of_key), Change::RemoveKey(id), put("team:t", Terms::default()), Change::Remove(scope)]
    {
        let text = serde_json::to_string(&change).unwrap();
        assert_eq!(serde_json::from_str::<Change>(&text).unwrap(), change, "{text}");
    }
    let least: Budget =
        serde_json::from_str(r#"{"limit":"1","window":{"period":"day"},"mode":"hard"}"#).unwrap();
    assert_eq!(least, Budget::hard("1".parse().unwrap(), Period::Day));
}

#[test]
fn changes_are_made_together_or_not_at_all() {
    let (gate, _) = gate([put_key(key("sk-1", Terms::default()))]);
    let directory = gate.directory();
    let thief = Key { hash: KeyHash::of("sk-1"), ..key("sk-2", Terms::default()) };
    let error = directory.apply([put("team:t", Terms::default()), put_key(thief)]).unwrap_err();
    assert!(matches!(error, Error::DuplicateKey(_)), "{error}");
    assert!(directory.group(&Scope::Team("t".into())).is_none());
    directory.apply([put("team:t", Terms::default()), put("global", Terms::default())]).unwrap();
    let mut seen = Vec::new();
    directory.each_group(|scope, _| seen.push(scope.to_string()));
    seen.sort();
    assert_eq!((seen, directory.key_count()), (vec!["global".to_owned(), "team:t".to_owned()], 1));
    directory.apply([Change::Remove(Scope::Team("t".into())), Change::Remove(Scope::Global)]).unwrap();
    assert!(directory.group(&Scope::Global).is_none());
    // Equal terms are kept once.
    let many = (0..100).map(|nth| put_key(key(&format!("sk-{nth}"), only(&["gpt-*"], &[], &[]))));
    directory.apply(many).unwrap();
    let mut terms = Vec::new();
    directory.each_key(|key| terms.push(Arc::as_ptr(&key.terms)));
    terms.sort_unstable();
    terms.dedup();
    assert_eq!((directory.key_count(), terms.len()), (100, 1));
}

#[test]
fn whoever_asked_before_is_looked_up_again() {
    let now = at(NOON);
    let plain = || key("sk-1", Terms::default());
    let (gate, _) = gate([put_key(plain())]);
    let directory = gate.directory();
    let asks = directory.authenticate("sk-1", None, now).unwrap();
    let check = |change: Change, expect: Result<(), u16>| {
        directory.replace([change]).unwrap();
        let again = directory.again(&asks, None, now).map(|_| ());
        assert_eq!(again.map_err(|error| error.status().as_u16()), expect);
    };
    let second = |text: &str| Some(text.parse().unwrap());
    let next = |until: &str| plain().rotated(KeyHash::of("sk-2"), Hint::of("sk-2"), until.parse().unwrap());
    check(put_key(plain()), Ok(()));
    check(put_key(Key { blocked: true, ..plain() }), Err(403));
    check(put_key(Key { expires_at: second(NOON), ..plain() }), Err(401));
    check(put_key(next("2026-03-01T12:00:01Z")), Ok(()));
    check(put_key(next(NOON)), Err(401));
    check(put_key(key("sk-2", Terms::default())), Err(401));
    check(put_key(Key { terms: Arc::new(only(&[], &[], &["10.0.0.0/8"])), ..plain() }), Err(403));
    assert!(directory.again(&directory.anyone(), None, now).is_ok());
}
