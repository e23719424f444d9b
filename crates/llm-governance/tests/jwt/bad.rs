//! Tokens that are not good, each in its own way.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use llm_governance::jwt::{Algorithm, Fault, KeyRing, LONGEST, Rule, is_token};
use llm_testkit::SigningKey;
use llm_testkit::issuer::unsigned;
use llm_types::ErrorKind;
use serde_json::{Value, json};

use crate::harness::{NOW, claims, ring, rule, verify};

struct Stand {
    rsa: SigningKey,
    ec: SigningKey,
    rule: Rule,
    ring: KeyRing,
}

impl Stand {
    fn new() -> Self {
        let (rsa, ec) = (SigningKey::rsa("r"), SigningKey::p256("a"));
        let ring = ring(&[&rsa, &ec]);
        Self { rsa, ec, rule: rule(), ring }
    }

    fn check(&self, what: &str, token: &str, expect: &Fault) {
        let got = verify(token, &self.rule, &self.ring);
        assert_eq!(got.as_ref().err(), Some(expect), "{what}: {got:?}");
    }

    fn header(&self, what: &str, header: &Value, expect: &Fault) {
        self.check(what, &self.rsa.with_header(header, &claims(&json!({}))), expect);
    }

    fn claims(&self, over: &Value, expect: &Fault) {
        self.check(&over.to_string(), &self.ec.token(&claims(over)), expect);
    }
}

#[test]
fn no_header_decides_how_a_token_is_checked() {
    let stand = Stand::new();
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let unsigned = unsigned(&json!({"alg": none, "kid": "r"}), &claims(&json!({})));
        stand.check(none, &format!("{unsigned}."), &Fault::Algorithm);
        stand.header(none, &json!({"alg": none, "kid": "r"}), &Fault::Algorithm);
    }
    // The public key as a secret, in every form that somebody might have taken for it.
    let jwk = stand.rsa.jwk();
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    for secret in [jwk.to_string().into_bytes(), jwk["n"].as_str().unwrap().into(), modulus, Vec::new()] {
        for (name, algorithm) in
            [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
        {
            let message = unsigned(&json!({"alg": name, "kid": "r"}), &claims(&json!({})));
            let tag = hmac::sign(&hmac::Key::new(algorithm, &secret), message.as_bytes());
            let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag));
            stand.check(name, &token, &Fault::Algorithm);
        }
    }
    stand.header("another kind of key", &json!({"alg": "ES256", "kid": "r"}), &Fault::UnknownKey);
    stand.header("another algorithm of the kind", &json!({"alg": "RS256", "kid": "a"}), &Fault::UnknownKey);
    stand.header("one that there is not", &json!({"alg": "RS1", "kid": "r"}), &Fault::Algorithm);
    let own = SigningKey::rsa("r");
    let header =
        json!({"alg": "RS256", "kid": "r", "jwk": own.jwk(), "jku": "http://127.0.0.1:9/keys", "x5u": "x"});
    let forged = own.with_header(&header, &claims(&json!({})));
    stand.check("a key in the header", &forged, &Fault::Signature);
    stand.header("crit", &json!({"alg": "RS256", "kid": "r", "crit": ["exp"]}), &Fault::Header);
    stand.header("a logout", &json!({"alg": "RS256", "kid": "r", "typ": "logout+jwt"}), &Fault::Header);
    let twice = br#"{"alg":"RS256","alg":"none","kid":"r"}"#;
    let token = stand.rsa.token(&claims(&json!({})));
    let rest = token.split_once('.').unwrap().1;
    stand.check("twice", &format!("{}.{rest}", URL_SAFE_NO_PAD.encode(twice)), &Fault::Malformed);
    let mut strict = Stand::new();
    strict.rule.algorithms = vec![Algorithm::Es256];
    strict.header("not among ours", &json!({"alg": "RS256", "kid": "r"}), &Fault::Algorithm);
}

#[test]
fn nothing_of_it_can_be_changed() {
    let stand = Stand::new();
    let good = stand.rsa.token(&claims(&json!({})));
    assert!(verify(&good, &stand.rule, &stand.ring).is_ok());
    let parts: Vec<&str> = good.split('.').collect();
    let [header, body, signature] = parts[..] else { panic!("{good}") };
    let other = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let admin = other(claims(&json!({"sub": "root"})));
    stand.check("other claims", &format!("{header}.{admin}.{signature}"), &Fault::Signature);
    let renamed = other(json!({"alg": "RS256", "kid": "r", "typ": "at+jwt"}));
    stand.check("another header", &format!("{renamed}.{body}.{signature}"), &Fault::Signature);
    let second = stand.rsa.token(&claims(&json!({"sub": "bob"})));
    let second = second.rsplit('.').next().unwrap();
    stand.check("another's signature", &format!("{header}.{body}.{second}"), &Fault::Signature);
    stand.check("no signature", &format!("{header}.{body}."), &Fault::Signature);
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    for at in [0, 100, 255] {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        let flipped = URL_SAFE_NO_PAD.encode(flipped);
        stand.check("a bit", &format!("{header}.{body}.{flipped}"), &Fault::Signature);
    }
    stand.check("padding", &format!("{header}.{body}.{}", URL_SAFE.encode(&bytes)), &Fault::Malformed);
    stand.check("a space", &format!("{header}.{body}.{signature} "), &Fault::Malformed);
    let stranger = SigningKey::rsa("r").token(&claims(&json!({})));
    stand.check("a stranger's key of that name", &stranger, &Fault::Signature);
    let unknown = SigningKey::rsa("s").token(&claims(&json!({})));
    stand.check("an unknown key", &unknown, &Fault::UnknownKey);
    let nameless = SigningKey::rsa("s").with_header(&json!({"alg": "RS256"}), &claims(&json!({})));
    stand.check("an unknown key without a name", &nameless, &Fault::UnknownKey);
    // A signature of zeros, which some checks of curves have taken.
    let message = unsigned(&json!({"alg": "ES256", "kid": "a"}), &claims(&json!({})));
    let zeros = URL_SAFE_NO_PAD.encode([0; 64]);
    stand.check("zeros", &format!("{message}.{zeros}"), &Fault::Signature);
}

#[test]
fn what_is_no_token_is_none() {
    let stand = Stand::new();
    let (good, text) = (stand.ec.token(&claims(&json!({}))), |value: &str| URL_SAFE_NO_PAD.encode(value));
    let deep = format!("{}{}", "[".repeat(4000), "]".repeat(4000));
    let nested = format!("{{\"iss\":{deep}}}");
    let header = text(r#"{"alg":"ES256"}"#);
    for token in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "eyJ".to_owned(),
        "eyJ..".to_owned(),
        good.replace('.', ""),
        format!("{good}.{good}"),
        format!("{header}.{}.AA", text("[]")),
        format!("{header}.{}.AA", text("null")),
        format!("{header}.{}.AA", text(&nested)),
        format!("{}.{}.AA", text(&format!("{{\"alg\":\"ES256\",\"kid\":{deep}}}")), text("{}")),
        format!("{}.{}.AA", text(r#"{"alg":7}"#), text("{}")),
        format!("{}.{}.AA", text(r#"{"kid":"a"}"#), text("{}")),
        format!("{header}.{}.AA", URL_SAFE_NO_PAD.encode([0xff, 0xfe])),
        "eyJ\u{e4}.\u{e4}.\u{e4}".to_owned(),
    ] {
        stand.check(&token.chars().take(80).collect::<String>(), &token, &Fault::Malformed);
    }
    let huge = stand.ec.token(&claims(&json!({"sub": "a".repeat(LONGEST)})));
    stand.check("huge", &huge, &Fault::TooLong);
    for text in ["sk-abc", "sk-a.b.c", "eyJ", "eyJh.e", "eyJh.e.f.g.h", "Bearer", ""] {
        assert!(!is_token(text), "{text}");
    }
}

#[test]
fn it_must_be_of_the_issuer_for_us_and_in_time() {
    let stand = Stand::new();
    let all: &[(Value, Fault)] = &[
        (json!({"iss": "https://issuer.example/"}), Fault::Issuer),
        (json!({"iss": "https://evil.example"}), Fault::Issuer),
        (json!({"iss": ["https://issuer.example"]}), Fault::Issuer),
        (json!({"iss": null}), Fault::Issuer),
        (json!({"aud": "another"}), Fault::Audience),
        (json!({"aud": ["another", 7]}), Fault::Audience),
        (json!({"aud": []}), Fault::Audience),
        (json!({"aud": {"gateway": true}}), Fault::Audience),
        (json!({"aud": "Gateway"}), Fault::Audience),
        (json!({"aud": null}), Fault::Audience),
        (json!({"exp": NOW - 30}), Fault::Expired),
        (json!({"exp": 0}), Fault::Expired),
        (json!({"exp": -1}), Fault::Expired),
        (json!({"exp": null}), Fault::Expiry),
        (json!({"exp": (NOW + 3600).to_string()}), Fault::Expiry),
        (json!({"exp": 1e300}), Fault::Expiry),
        (json!({"exp": u64::MAX}), Fault::Expiry),
        (json!({"exp": true}), Fault::Expiry),
        (json!({"nbf": NOW + 31}), Fault::NotYet),
        (json!({"nbf": "now"}), Fault::NotYet),
        (json!({"sub": null}), Fault::Claim("sub".to_owned())),
        (json!({"sub": ""}), Fault::Claim("sub".to_owned())),
        (json!({"sub": " ann"}), Fault::Claim("sub".to_owned())),
        (json!({"sub": "a\nb"}), Fault::Claim("sub".to_owned())),
        (json!({"sub": ["ann"]}), Fault::Claim("sub".to_owned())),
        (json!({"sub": "a".repeat(257)}), Fault::Claim("sub".to_owned())),
    ];
    for (over, expect) in all {
        stand.claims(over, expect);
    }
}

#[test]
fn whoever_has_no_good_signature_learns_nothing() {
    let silent = [
        Fault::TooLong,
        Fault::Malformed,
        Fault::Algorithm,
        Fault::Header,
        Fault::Issuer,
        Fault::UnknownKey,
        Fault::Signature,
        Fault::Audience,
        Fault::Expiry,
        Fault::NotYet,
    ];
    let told = silent.map(|fault| {
        let error = fault.error();
        (error.kind, error.message.clone(), error.public_code().map(str::to_owned))
    });
    assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
    assert_eq!((told[0].0, told[0].2.as_deref()), (ErrorKind::Auth, Some("invalid_token")));
    let code = |fault: Fault| fault.error().public_code().map(str::to_owned);
    assert_eq!(code(Fault::Expired).as_deref(), Some("token_expired"));
    assert_eq!(Fault::Scope("a".to_owned()).error().kind, ErrorKind::Permission);
    assert_eq!(Fault::Claim("a".to_owned()).error().kind, ErrorKind::Permission);
}
