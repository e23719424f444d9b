//! A rule, keys and tokens in few words.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use llm_governance::jwt::{Algorithm, Claims, Fault, KeyRing, Rule, Token, Vouched};
use llm_testkit::SigningKey;
use llm_testkit::issuer::jwks;
use serde_json::{Value, json};

/// The moment of the tests.
pub(crate) const NOW: i64 = 1_800_000_000;

pub(crate) const ALL: [Algorithm; 9] = [
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::EdDsa,
];

/// Takes what `https://issuer.example` makes for `gateway`, half a minute early or late.
pub(crate) fn rule() -> Rule {
    Rule {
        issuer: "https://issuer.example".to_owned(),
        audiences: vec!["gateway".to_owned()],
        algorithms: ALL.to_vec(),
        leeway: Duration::from_secs(30),
        scopes: Vec::new(),
        admin_scope: None,
        require: BTreeMap::new(),
        claims: Claims { user: path("sub"), scopes: vec!["scope".to_owned()], ..Claims::default() },
        user_prefix: String::new(),
        teams: BTreeMap::new(),
        team_optional: false,
    }
}

pub(crate) fn path(path: &str) -> Option<String> {
    Some(path.to_owned())
}

/// Claims that are good under [`rule`], with these over them; `null` takes one away.
pub(crate) fn claims(over: &Value) -> Value {
    let mut claims =
        json!({"iss": "https://issuer.example", "aud": "gateway", "sub": "ann", "exp": NOW + 3600});
    for (name, value) in over.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

pub(crate) fn ring(keys: &[&SigningKey]) -> KeyRing {
    KeyRing::parse(jwks(keys).to_string().as_bytes()).unwrap()
}

/// What becomes of a token at [`NOW`].
pub(crate) fn verify(token: &str, rule: &Rule, ring: &KeyRing) -> Result<Vouched, Fault> {
    Token::parse(token)?.verify(rule, ring, Timestamp::from_second(NOW).unwrap())
}
