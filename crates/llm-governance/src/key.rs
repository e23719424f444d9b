//! Virtual keys: what clients send instead of a provider's key.
//!
//! A key is 256 random bits, so its hash can be kept without salt and looked up directly: nobody guesses a text of
//! which a hash is known. The key itself is shown once and never kept. Hashes are compared in constant time, and
//! only after a table chose by the hash, which a caller cannot steer: it would have to invert SHA-256.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use llm_types::Secret;
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::error::Error;

/// What our own keys begin with.
pub const PREFIX: &str = "sk-";
/// The longest key that is looked at; a longer one is wrong without being hashed.
pub const LONGEST: usize = 1024;
/// Characters of a key that are kept to recognise it by.
const HINT: usize = 4;

/// A key just made: the only time that it can be seen.
#[derive(Debug)]
pub struct NewKey {
    /// The key, to be shown once.
    pub secret: Secret,
    /// What is kept of it.
    pub hash: KeyHash,
    /// What it is recognised by.
    pub hint: Hint,
}

impl NewKey {
    /// 256 bits from the system, as `sk-` and 43 letters of URL-safe base64.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate() -> Result<Self, Error> {
        let mut bytes = [0; 32];
        OsRng.try_fill_bytes(&mut bytes).map_err(|_| Error::NoRandomness)?;
        Ok(Self::from_secret(Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))))
    }

    /// A key of somebody's own choice, from a configuration.
    #[must_use]
    pub fn from_secret(secret: Secret) -> Self {
        let (hash, hint) = (KeyHash::of(secret.expose()), Hint::of(secret.expose()));
        Self { secret, hash, hint }
    }
}

/// The SHA-256 of a key.
#[derive(Clone, Copy, Eq)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of a key, `sk-` included.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// A hash that was kept.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash, to be kept.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Eight bytes of it, which are as random as all.
    pub(crate) fn short(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Hash for KeyHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.short());
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({:016x}…)", self.short())
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl FromStr for KeyHash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        unhex(text).map(Self).ok_or(Error::NotAHash)
    }
}

/// The name of a key, which stays the same when its secret is changed. Not a secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId([u8; 16]);

impl Hash for KeyId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Random already, one half of it is enough.
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

impl KeyId {
    /// A random one that begins with the moment it is made at, as a UUID of version 7 does.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate() -> Result<Self, Error> {
        let mut bytes = [0; 16];
        OsRng.try_fill_bytes(&mut bytes).map_err(|_| Error::NoRandomness)?;
        let now = jiff::Timestamp::now().as_millisecond().to_be_bytes();
        bytes.iter_mut().zip(now.into_iter().skip(2)).for_each(|(to, from)| *to = from);
        bytes[6] = 0x70 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Ok(Self(bytes))
    }

    /// When it was made, as it says itself: not of one that is made from a name.
    #[must_use]
    pub fn made_at(&self) -> Option<jiff::Timestamp> {
        let [a, b, c, d, e, f, version, _, variant, ..] = self.0;
        let told = version >> 4 == 7 && variant >> 6 == 2;
        let ms = i64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        told.then(|| jiff::Timestamp::from_millisecond(ms).ok()).flatten()
    }

    /// The one of a key that a configuration calls `name`: always the same.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(name.as_bytes()).into();
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(bytes)
    }

    /// One that was kept.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id, to be kept.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("key_")?;
        hex(&self.0, f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text.strip_prefix("key_").and_then(unhex);
        digits.map(Self).ok_or_else(|| Error::NotAKeyId(text.chars().take(64).collect()))
    }
}

/// Writes a type as its text form and reads it back.
macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
pub(crate) use as_text;

as_text!(KeyHash, KeyId, Hint, crate::Scope, crate::Cidr);

/// The last characters of a key, for people to recognise it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hint([u8; HINT]);

impl Hint {
    /// Of a key. A short key has none: too much of it would be told.
    #[must_use]
    pub fn of(key: &str) -> Self {
        let last = key.as_bytes().last_chunk::<HINT>().filter(|last| key.len() >= 20 && last.is_ascii());
        Self(last.copied().unwrap_or_default())
    }

    /// The characters; empty where there are none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default().trim_end_matches('\0')
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Hint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.as_bytes().try_into() {
            Ok(last) if text.is_ascii() => Ok(Self(last)),
            _ if text.is_empty() => Ok(Self::default()),
            _ => Err(Error::NotAHint),
        }
    }
}

/// Writes bytes as hexadecimal digits, in one piece: keys are named in every row.
fn hex<const N: usize>(bytes: &[u8; N], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [[b'0'; 2]; N];
    for (to, byte) in text.iter_mut().zip(bytes) {
        *to = [byte >> 4, byte & 15].map(|digit| DIGITS.get(usize::from(digit)).copied().unwrap_or(b'0'));
    }
    f.write_str(std::str::from_utf8(text.as_flattened()).map_err(|_| fmt::Error)?)
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (to, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *to = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_random_and_not_printed() {
        let (one, two) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
        let text = one.secret.expose();
        assert_eq!((text.len(), text.starts_with(PREFIX)), (46, true));
        assert_ne!(one.hash, two.hash);
        assert_eq!(one.hash, KeyHash::of(text));
        assert!(text.ends_with(one.hint.as_str()));
        assert_eq!(one.hint.as_str().len(), 4);
        let shown = format!("{one:?}");
        assert!(!shown.contains(text.trim_start_matches(PREFIX)), "{shown}");
        assert_eq!(Hint::of("short").as_str(), "");
        assert_eq!(Hint::of("a key of nobody's taste ü").as_str(), "");
    }

    #[test]
    fn ids_and_hashes_are_read_back() {
        let id = KeyId::generate().unwrap();
        assert_eq!(id.to_string().parse::<KeyId>().unwrap(), id);
        let hash = KeyHash::of("sk-1");
        assert_eq!(hash.to_string().parse::<KeyHash>().unwrap(), hash);
        assert_eq!(KeyId::of_name("ci"), KeyId::of_name("ci"));
        assert_ne!(KeyId::of_name("ci"), KeyId::of_name("cd"));
        for wrong in ["", "key_", "key_00", "KEY_00000000000000000000000000000000", "key_zz"] {
            assert!(wrong.parse::<KeyId>().is_err(), "{wrong}");
        }
        // The hash that everybody's tools compute.
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(KeyHash::of("abc").to_string(), known);
    }
}
