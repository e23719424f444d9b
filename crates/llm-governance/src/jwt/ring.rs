//! The keys of an issuer: a JSON Web Key Set (RFC 7517), as far as it is for signatures that we check.
//!
//! What is for something else (encryption, curves we do not have, secrets) is left out. Secrets in a published set are
//! never used: whoever reads the set could sign with them.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::algorithm::Algorithm;

/// The most keys that are kept of a set.
const MOST_KEYS: usize = 100;
/// How many keys are tried for a token that does not name one.
const MOST_TRIED: usize = 16;
/// The shortest and the longest modulus, in bytes: 2048 and 8192 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

/// The keys of an issuer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRing {
    keys: Vec<PublicKey>,
}

/// A set without a key that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoKeys {
    /// It is no set.
    #[error("not a JSON Web Key Set: expected an object with `keys`")]
    NotASet,
    /// It has none that tokens are checked with.
    #[error("no key in it checks signatures of RSA (2048 bits or more), P-256, P-384 or Ed25519")]
    Unusable,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicKey {
    id: Option<Box<str>>,
    /// The only algorithm that it is for, where it says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    Rsa { modulus: Box<[u8]>, exponent: Box<[u8]> },
    P256(Box<[u8]>),
    P384(Box<[u8]>),
    Ed25519(Box<[u8]>),
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

/// A key as it is written. What is of another type than text belongs to a key that is not for us.
#[derive(Deserialize)]
struct Written {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeyRing {
    /// Reads a set.
    ///
    /// # Errors
    /// When it is none, or no key of it can be used.
    pub fn parse(text: &[u8]) -> Result<Self, NoKeys> {
        let Set { keys } = serde_json::from_slice(text).map_err(|_| NoKeys::NotASet)?;
        let keys = keys.into_iter().filter_map(|key| PublicKey::read(serde_json::from_value(key).ok()?));
        let keys: Vec<_> = keys.take(MOST_KEYS).collect();
        if keys.is_empty() { Err(NoKeys::Unusable) } else { Ok(Self { keys }) }
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that a token with this header may have been signed with.
    pub(super) fn fitting(&self, id: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &PublicKey> {
        let named = move |key: &&PublicKey| id.is_none() || key.id.as_deref() == id;
        self.keys.iter().filter(named).filter(move |key| key.is_for(algorithm)).take(MOST_TRIED)
    }
}

impl PublicKey {
    fn read(written: Written) -> Option<Self> {
        let Written { kty, kid, alg, purpose, key_ops, crv, n, e, x, y } = written;
        let checks = key_ops.is_none_or(|uses| uses.iter().any(|one| one == "verify"));
        if purpose.is_some_and(|purpose| purpose != "sig") || !checks {
            return None;
        }
        let algorithm = match alg {
            Some(name) => Some(Algorithm::of(&name)?),
            None => None,
        };
        let bytes = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?.trim_end_matches('=')).ok();
        let point = |size: usize| {
            let (x, y) = (bytes(x.clone())?, bytes(y.clone())?);
            (x.len() == size && y.len() == size).then(|| [&[4], &*x, &*y].concat().into_boxed_slice())
        };
        let material = match (kty.as_str(), crv.as_deref()) {
            ("RSA", _) => {
                let (modulus, exponent) = (bytes(n)?, bytes(e)?);
                // Some write a zero before it, as for a number with a sign.
                let start = modulus.iter().position(|byte| *byte != 0)?;
                let modulus = modulus.get(start..)?;
                let good = MODULUS.contains(&modulus.len()) && !exponent.is_empty();
                good.then(|| Material::Rsa { modulus: modulus.into(), exponent: exponent.into() })?
            }
            ("EC", Some("P-256")) => Material::P256(point(32)?),
            ("EC", Some("P-384")) => Material::P384(point(48)?),
            ("OKP", Some("Ed25519")) => {
                Material::Ed25519(bytes(x).filter(|key| key.len() == 32)?.into_boxed_slice())
            }
            _ => return None,
        };
        let key = Self { id: kid.map(String::into_boxed_str), algorithm, material };
        // One whose algorithm is not of its own kind is for nothing.
        key.algorithm.is_none_or(|algorithm| key.is_for(algorithm)).then_some(key)
    }

    fn is_for(&self, algorithm: Algorithm) -> bool {
        let kind = match self.material {
            Material::Rsa { .. } => algorithm.rsa().is_some(),
            Material::P256(_) => algorithm == Algorithm::Es256,
            Material::P384(_) => algorithm == Algorithm::Es384,
            Material::Ed25519(_) => algorithm == Algorithm::EdDsa,
        };
        kind && self.algorithm.is_none_or(|only| only == algorithm)
    }

    /// Whether this key has signed the message.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8], algorithm: Algorithm) -> bool {
        let checked = match (&self.material, algorithm.rsa()) {
            (Material::Rsa { modulus: n, exponent: e }, Some(parameters)) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (Material::P256(point), None) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (Material::P384(point), None) => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, signature)
            }
            (Material::Ed25519(key), None) => {
                UnparsedPublicKey::new(&ED25519, key).verify(message, signature)
            }
            _ => return false,
        };
        checked.is_ok()
    }
}
