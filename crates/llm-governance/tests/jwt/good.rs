//! Tokens that are good, and sets of keys.

use llm_governance::jwt::{KeyRing, NoKeys, is_token};
use llm_testkit::SigningKey;
use llm_testkit::issuer::jwks;
use serde_json::{Value, json};

use crate::harness::{NOW, claims, ring, rule, verify};

#[test]
fn every_algorithm_is_checked_with_its_kind_of_key() {
    let (rsa, p256) = (SigningKey::rsa("r"), SigningKey::p256("a"));
    let (p384, ed) = (SigningKey::p384("b"), SigningKey::ed25519("e"));
    let ring = ring(&[&rsa, &p256, &p384, &ed]);
    assert_eq!(ring.len(), 4);
    let keys = [("RS256", &rsa), ("RS384", &rsa), ("RS512", &rsa), ("PS256", &rsa), ("PS384", &rsa)];
    let others = [("PS512", &rsa), ("ES256", &p256), ("ES384", &p384), ("EdDSA", &ed), ("Ed25519", &ed)];
    for (algorithm, key) in keys.into_iter().chain(others) {
        for kid in [key.jwk()["kid"].clone(), Value::Null] {
            let mut header = json!({"alg": algorithm});
            if !kid.is_null() {
                header["kid"] = kid;
            }
            let token = key.with_header(&header, &claims(&json!({})));
            assert!(is_token(&token));
            let vouched =
                verify(&token, &rule(), &ring).unwrap_or_else(|fault| panic!("{header}: {fault:?}"));
            assert_eq!(vouched.user.as_deref(), Some("ann"));
            assert_eq!(vouched.until.as_second(), NOW + 3630);
        }
    }
}

#[test]
fn a_token_that_names_no_key_is_held_against_as_many_as_a_set_usually_has() {
    let keys: Vec<_> = (0..17).map(|nth| SigningKey::ed25519(&format!("e{nth}"))).collect();
    let all: Vec<_> = keys.iter().collect();
    let ring = ring(&all);
    for (nth, good) in [(0, true), (9, true), (15, true), (16, false)] {
        let token = keys[nth].with_header(&json!({"alg": "EdDSA"}), &claims(&json!({})));
        assert_eq!(verify(&token, &rule(), &ring).is_ok(), good, "{nth}");
    }
}

#[test]
fn times_have_leeway_and_may_have_fractions() {
    let key = SigningKey::ed25519("e");
    let ring = ring(&[&key]);
    for over in [
        json!({"exp": NOW - 29}),
        json!({"exp": NOW as f64 + 0.5}),
        json!({"nbf": NOW + 30}),
        json!({"nbf": NOW - 3600, "iat": NOW + 3600}),
        json!({"aud": ["another", "gateway"]}),
    ] {
        let token = key.token(&claims(&over));
        assert!(verify(&token, &rule(), &ring).is_ok(), "{over}");
    }
    for kind in ["JWT", "at+jwt", "application/at+JWT", "anything"] {
        let token = key.with_header(&json!({"alg": "EdDSA", "typ": kind}), &claims(&json!({})));
        assert!(verify(&token, &rule(), &ring).is_ok(), "{kind}");
    }
}

#[test]
fn without_audiences_any_will_do() {
    let key = SigningKey::ed25519("e");
    let mut rule = rule();
    rule.audiences.clear();
    for aud in [json!("another"), Value::Null] {
        let token = key.token(&claims(&json!({"aud": aud})));
        assert!(verify(&token, &rule, &ring(&[&key])).is_ok());
    }
}

#[test]
fn of_a_set_only_keys_for_signatures_are_used() {
    let key = SigningKey::p256("a");
    let rsa = SigningKey::rsa("r");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut jwk = key.jwk();
        change(&mut jwk);
        KeyRing::parse(json!({"keys": [jwk]}).to_string().as_bytes())
    };
    for good in [
        with(&|_| {}),
        with(&|jwk| jwk["use"] = json!("sig")),
        with(&|jwk| jwk["alg"] = json!("ES256")),
        with(&|jwk| jwk["key_ops"] = json!(["verify"])),
        with(&|jwk| jwk["x5c"] = json!(["MII"])),
    ] {
        assert_eq!(good.map(|ring| ring.len()), Ok(1));
    }
    for bad in [
        with(&|jwk| jwk["use"] = json!("enc")),
        with(&|jwk| jwk["alg"] = json!("RS256")),
        with(&|jwk| jwk["alg"] = json!("ECDH-ES")),
        with(&|jwk| jwk["key_ops"] = json!(["sign"])),
        with(&|jwk| jwk["crv"] = json!("P-384")),
        with(&|jwk| jwk["crv"] = json!("secp256k1")),
        with(&|jwk| jwk["y"] = json!("AAAA")),
        with(&|jwk| jwk["x"] = json!(7)),
        with(&|jwk| {
            *jwk = json!({"kty": "oct", "kid": "a", "alg": "HS256", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ"})
        }),
        with(&|jwk| *jwk = json!({"kty": "RSA", "kid": "a", "n": "_____w", "e": "AQAB"})),
        with(&|jwk| *jwk = json!("key")),
    ] {
        assert_eq!(bad, Err(NoKeys::Unusable));
    }
    for text in ["", "[]", "{}", "{\"keys\": {}}", "not JSON"] {
        assert_eq!(KeyRing::parse(text.as_bytes()), Err(NoKeys::NotASet), "{text}");
    }
    // What is not for us does not stand in the way of what is.
    let mut set = jwks(&[&key, &rsa]);
    set["keys"].as_array_mut().unwrap().insert(0, json!({"kty": "oct", "k": "AAAA"}));
    assert_eq!(KeyRing::parse(set.to_string().as_bytes()).unwrap().len(), 2);
}

#[test]
fn a_key_of_one_algorithm_checks_no_other() {
    let rsa = SigningKey::rsa("r");
    let mut jwk = rsa.jwk();
    jwk["alg"] = json!("RS256");
    let ring = KeyRing::parse(json!({"keys": [jwk]}).to_string().as_bytes()).unwrap();
    let token = |algorithm| rsa.with_header(&json!({"alg": algorithm, "kid": "r"}), &claims(&json!({})));
    assert!(verify(&token("RS256"), &rule(), &ring).is_ok());
    assert!(verify(&token("PS256"), &rule(), &ring).is_err());
}
