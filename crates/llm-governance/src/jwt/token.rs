//! A token, taken apart and checked (RFC 7515, RFC 7519, RFC 8725).
//!
//! The order matters: nothing of the claims counts before the signature is good, but for the issuer, which says whose
//! keys to check with.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::fault::Fault;
use super::ring::KeyRing;
use super::rule::Rule;
use super::verified::Vouched;

/// The longest token that is looked at, in bytes.
pub const LONGEST: usize = 16 * 1024;

/// Whether a text has the shape of a token: a JSON object as base64, and three parts. Keys of this gateway have not.
#[must_use]
pub fn is_token(text: &str) -> bool {
    text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// A token, taken apart; not yet believed.
#[derive(Debug)]
pub struct Token<'t> {
    key: Option<String>,
    algorithm: Algorithm,
    claims: Map<String, Value>,
    /// What is signed.
    message: &'t [u8],
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<IgnoredAny>,
}

impl<'t> Token<'t> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// For what is no token, and for one that nobody here could check.
    pub fn parse(text: &'t str) -> Result<Self, Fault> {
        if text.len() > LONGEST {
            return Err(Fault::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Fault::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Fault::Malformed)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Fault::Malformed);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| Fault::Malformed)?;
        let algorithm = Algorithm::of(&header.alg).ok_or(Fault::Algorithm)?;
        if header.crit.is_some() || header.typ.is_some_and(|kind| is_foreign(&kind)) {
            return Err(Fault::Header);
        }
        let claims = serde_json::from_slice(&decode(claims)?).map_err(|_| Fault::Malformed)?;
        let signature = decode(signature)?;
        Ok(Self { key: header.kid, algorithm, claims, message: signed.as_bytes(), signature })
    }

    /// Who is said to have made it.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss")?.as_str()
    }

    /// Checks it, and finds out what it vouches for.
    ///
    /// # Errors
    /// Why it is not good under this rule, with these keys, now.
    pub fn verify(&self, rule: &Rule, keys: &KeyRing, now: Timestamp) -> Result<Vouched, Fault> {
        if self.issuer() != Some(&rule.issuer) {
            return Err(Fault::Issuer);
        }
        if !rule.algorithms.contains(&self.algorithm) {
            return Err(Fault::Algorithm);
        }
        let mut fitting = keys.fitting(self.key.as_deref(), self.algorithm).peekable();
        if fitting.peek().is_none() {
            return Err(Fault::UnknownKey);
        }
        if !fitting.any(|key| key.has_signed(self.message, &self.signature, self.algorithm)) {
            // Without a name it may be by a key that has come since.
            return Err(if self.key.is_some() { Fault::Signature } else { Fault::UnknownKey });
        }
        if !self.is_for(&rule.audiences) {
            return Err(Fault::Audience);
        }
        let leeway = jiff::SignedDuration::try_from(rule.leeway).unwrap_or_default();
        let later = |at: Timestamp| at.checked_add(leeway).unwrap_or(Timestamp::MAX);
        let until = later(moment(self.claims.get("exp").ok_or(Fault::Expiry)?).ok_or(Fault::Expiry)?);
        if until <= now {
            return Err(Fault::Expired);
        }
        if let Some(from) = self.claims.get("nbf") {
            let from = moment(from).ok_or(Fault::NotYet)?;
            if from > later(now) {
                return Err(Fault::NotYet);
            }
        }
        rule.vouched(&self.claims, until)
    }

    fn is_for(&self, audiences: &[String]) -> bool {
        let ours = |value: &Value| value.as_str().is_some_and(|one| audiences.iter().any(|ours| ours == one));
        match self.claims.get("aud") {
            _ if audiences.is_empty() => true,
            Some(Value::Array(all)) => all.iter().any(ours),
            Some(one) => ours(one),
            None => false,
        }
    }
}

/// Whether a token is of a kind that says nothing of who may call: for a logout, say. Those of identity and access are
/// `JWT`, `at+jwt`, or do not say.
fn is_foreign(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    let kind = kind.strip_prefix("application/").unwrap_or(&kind);
    kind.ends_with("+jwt") && kind != "at+jwt"
}

/// A moment as tokens have it: seconds, which may have a fraction.
fn moment(value: &Value) -> Option<Timestamp> {
    if let Some(seconds) = value.as_i64() {
        return Timestamp::from_second(seconds).ok();
    }
    let seconds = jiff::SignedDuration::try_from_secs_f64(value.as_f64()?).ok()?;
    Timestamp::from_duration(seconds).ok()
}
