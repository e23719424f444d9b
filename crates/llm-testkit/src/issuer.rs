//! An issuer of tokens: keys that are made for the test, tokens good and bad, and the addresses that an OpenID provider
//! has.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::script::Script;
use crate::upstream::Upstream;

/// A key that tokens are signed with, made for the test.
#[derive(Debug)]
pub struct SigningKey {
    id: String,
    pair: Pair,
}

#[derive(Debug)]
enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ec(&'static str, EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl SigningKey {
    /// RSA with 2048 bits.
    #[must_use]
    pub fn rsa(id: &str) -> Self {
        Self::new(id, Pair::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())))
    }

    /// P-256.
    #[must_use]
    pub fn p256(id: &str) -> Self {
        Self::new(id, Pair::Ec("P-256", ec(&ECDSA_P256_SHA256_FIXED_SIGNING)))
    }

    /// P-384.
    #[must_use]
    pub fn p384(id: &str) -> Self {
        Self::new(id, Pair::Ec("P-384", ec(&ECDSA_P384_SHA384_FIXED_SIGNING)))
    }

    /// Ed25519.
    #[must_use]
    pub fn ed25519(id: &str) -> Self {
        Self::new(id, Pair::Ed(Ed25519KeyPair::generate().unwrap()))
    }

    fn new(id: &str, pair: Pair) -> Self {
        Self { id: id.to_owned(), pair }
    }

    /// The private half, in PEM; of RSA alone, else empty.
    #[must_use]
    pub fn pem(&self) -> String {
        let Pair::Rsa(pair) = &self.pair else { return String::new() };
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
    }

    /// What is published of it.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.pair {
            Pair::Rsa(pair) => {
                let modulus = text(modulus(pair.public_key().as_ref()));
                json!({"kty": "RSA", "kid": self.id, "use": "sig", "n": modulus, "e": "AQAB"})
            }
            Pair::Ec(curve, pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
                json!({"kty": "EC", "kid": self.id, "crv": curve, "x": text(x), "y": text(y)})
            }
            Pair::Ed(pair) => {
                json!({"kty": "OKP", "kid": self.id, "crv": "Ed25519", "x": text(pair.public_key().as_ref())})
            }
        }
    }

    /// The algorithm that it is used with where nothing else is asked for.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match &self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec("P-256", _) => "ES256",
            Pair::Ec(..) => "ES384",
            Pair::Ed(_) => "EdDSA",
        }
    }

    /// A token with these claims.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        self.with_header(&json!({"alg": self.algorithm(), "kid": self.id, "typ": "JWT"}), claims)
    }

    /// A token with this header, signed as its `alg` says where this key can do that, else as it usually does.
    #[must_use]
    pub fn with_header(&self, header: &Value, claims: &Value) -> String {
        let signed = unsigned(header, claims);
        let signature = self.sign(signed.as_bytes(), header["alg"].as_str().unwrap_or_default());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn sign(&self, message: &[u8], algorithm: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).unwrap();
                signature
            }
            Pair::Ec(_, pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

/// Header and claims of a token, to be signed.
#[must_use]
pub fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// A set of keys as it is published.
#[must_use]
pub fn jwks(keys: &[&SigningKey]) -> Value {
    json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()})
}

/// Seconds since 1970, so many from now.
#[must_use]
pub fn seconds_from_now(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now).unwrap() + seconds
}

fn ec(algorithm: &'static EcdsaSigningAlgorithm) -> EcdsaKeyPair {
    EcdsaKeyPair::generate(algorithm).unwrap()
}

/// The modulus in a DER of `SEQUENCE { INTEGER n, INTEGER e }`, as long as that of 2048 bits is.
fn modulus(der: &[u8]) -> &[u8] {
    // 30 82 len len, 02 82 01 01 00
    assert_eq!((der[0], &der[4..9]), (0x30, &[0x02, 0x82, 0x01, 0x01, 0x00][..]));
    &der[9..9 + 256]
}

/// A running issuer: its description and its keys over HTTP.
#[derive(Debug)]
pub struct Issuer {
    upstream: Upstream,
    keys: Arc<Mutex<Value>>,
}

impl Issuer {
    /// One that publishes these keys.
    #[must_use]
    pub fn start(keys: &[&SigningKey]) -> Self {
        Self::over(Upstream::start().unwrap(), keys)
    }

    /// The same over an upstream of the test's own.
    #[must_use]
    pub fn over(upstream: Upstream, keys: &[&SigningKey]) -> Self {
        let set = Arc::new(Mutex::new(jwks(keys)));
        let url = upstream.url();
        let described = json!({"issuer": url, "jwks_uri": format!("{url}/keys")});
        upstream.on("/.well-known/openid-configuration", move |_| Script::json(&described));
        let published = Arc::clone(&set);
        upstream.on("/keys", move |_| Script::json(&lock(&published)));
        Self { upstream, keys: set }
    }

    /// Its name, and where its description is.
    #[must_use]
    pub fn url(&self) -> String {
        self.upstream.url()
    }

    /// Publishes other keys.
    pub fn publish(&self, keys: &[&SigningKey]) {
        *lock(&self.keys) = jwks(keys);
    }

    /// How often its keys were asked for.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.upstream.requests().iter().filter(|request| request.path() == "/keys").count()
    }

    /// The claims of a token for `audience` of this user, good for an hour.
    #[must_use]
    pub fn claims(&self, audience: &str, user: &str) -> Value {
        json!({"iss": self.url(), "aud": audience, "sub": user, "exp": seconds_from_now(3600)})
    }
}

fn lock(keys: &Mutex<Value>) -> MutexGuard<'_, Value> {
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}
