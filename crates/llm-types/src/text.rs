//! Strings as they stand on the wire: borrowed where the JSON text allows it.
//!
//! serde's own `Cow<str>` always allocates, and a strict string refuses half a surrogate pair. Some
//! providers cut a stream between the two `\uXXXX` halves of one character; [`Wtf8`] takes the half
//! and [`SurrogateCarry`] joins it with the next delta of the same part.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// A string that borrows from the input unless it holds escapes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Str<'a>(pub Cow<'a, str>);

impl Str<'_> {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text on its own.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0.into_owned()
    }
}

impl<'a> From<&'a str> for Str<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Str<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl<'a> From<&'a String> for Str<'a> {
    fn from(text: &'a String) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl AsRef<str> for Str<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StrVisitor;
        impl<'de> Visitor<'de> for StrVisitor {
            type Value = Str<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
                Ok(Str(Cow::Owned(text)))
            }
        }
        deserializer.deserialize_str(StrVisitor)
    }
}

impl Serialize for Str<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Text that may begin or end with half a surrogate pair (WTF-8 bytes).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wtf8<'a>(Cow<'a, [u8]>);

impl<'a> Wtf8<'a> {
    /// Whether there is no text at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text if it is whole; halves become U+FFFD otherwise.
    #[must_use]
    pub fn into_lossy(self) -> Cow<'a, str> {
        let mut carry = SurrogateCarry::default();
        match carry.join(self) {
            Cow::Borrowed(text) if carry.is_empty() => Cow::Borrowed(text),
            text => {
                let mut text = text.into_owned();
                text.push_str(carry.finish());
                Cow::Owned(text)
            }
        }
    }
}

impl<'a> From<&'a str> for Wtf8<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text.as_bytes()))
    }
}

impl From<String> for Wtf8<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text.into_bytes()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Wtf8<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Wtf8Visitor;
        impl<'de> Visitor<'de> for Wtf8Visitor {
            type Value = Wtf8<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
                Ok(Wtf8(Cow::Borrowed(bytes)))
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Wtf8(Cow::Owned(bytes.to_vec())))
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Wtf8(Cow::Borrowed(text.as_bytes())))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Wtf8(Cow::Owned(text.as_bytes().to_vec())))
            }
        }
        // serde_json gives strings with lone surrogates only to visitors that ask for bytes.
        deserializer.deserialize_bytes(Wtf8Visitor)
    }
}

/// The high half of a surrogate pair, waiting for the delta that holds the low half.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SurrogateCarry(Option<u16>);

impl SurrogateCarry {
    /// Whether nothing is waiting.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_none()
    }

    /// The whole text of the next delta: the waiting half joined in front, a trailing half kept back.
    /// A half that has no partner becomes U+FFFD.
    pub fn join<'a>(&mut self, text: Wtf8<'a>) -> Cow<'a, str> {
        if self.0.is_none() {
            match text.0 {
                Cow::Borrowed(bytes) => {
                    if let Ok(text) = std::str::from_utf8(bytes) {
                        return Cow::Borrowed(text);
                    }
                    return Cow::Owned(self.repair(bytes));
                }
                Cow::Owned(bytes) => match String::from_utf8(bytes) {
                    Ok(text) => return Cow::Owned(text),
                    Err(error) => return Cow::Owned(self.repair(error.as_bytes())),
                },
            }
        }
        if text.is_empty() {
            return Cow::Borrowed("");
        }
        Cow::Owned(self.repair(&text.0))
    }

    /// What is left at the end of the part: nothing, or U+FFFD for a half that never got its partner.
    #[must_use]
    pub fn finish(&mut self) -> &'static str {
        if self.0.take().is_some() { "\u{FFFD}" } else { "" }
    }

    fn repair(&mut self, bytes: &[u8]) -> String {
        let mut out = String::with_capacity(bytes.len() + 3);
        let mut rest = bytes;
        while !rest.is_empty() {
            if let Some(unit) = surrogate(rest) {
                self.unit(unit, &mut out);
                rest = rest.get(3..).unwrap_or_default();
                continue;
            }
            self.flush(&mut out);
            let (whole, step) = match std::str::from_utf8(rest) {
                Ok(text) => (text, rest.len()),
                Err(error) if error.valid_up_to() > 0 => {
                    let valid = rest.get(..error.valid_up_to()).unwrap_or_default();
                    (std::str::from_utf8(valid).unwrap_or_default(), error.valid_up_to())
                }
                Err(_) => ("\u{FFFD}", 1),
            };
            out.push_str(whole);
            rest = rest.get(step..).unwrap_or_default();
        }
        out
    }

    fn unit(&mut self, unit: u16, out: &mut String) {
        match self.0.take() {
            Some(high) if (0xDC00..=0xDFFF).contains(&unit) => {
                let code = 0x1_0000 + ((u32::from(high) - 0xD800) << 10) + (u32::from(unit) - 0xDC00);
                out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            before => {
                if before.is_some() {
                    out.push(char::REPLACEMENT_CHARACTER);
                }
                if (0xD800..=0xDBFF).contains(&unit) {
                    self.0 = Some(unit);
                } else {
                    out.push(char::REPLACEMENT_CHARACTER);
                }
            }
        }
    }

    fn flush(&mut self, out: &mut String) {
        out.push_str(self.finish());
    }
}

/// The surrogate code unit that the first three bytes encode, if they do (WTF-8: `ED A0..BF xx`).
fn surrogate(bytes: &[u8]) -> Option<u16> {
    match bytes {
        [0xED, second @ 0xA0..=0xBF, third @ 0x80..=0xBF, ..] => {
            Some(0xD000 | (u16::from(second & 0x3F) << 6) | u16::from(third & 0x3F))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(deltas: &[&str]) -> String {
        let mut carry = SurrogateCarry::default();
        let mut out = String::new();
        for delta in deltas {
            let text: Wtf8<'_> = serde_json::from_str(delta).unwrap();
            out.push_str(&carry.join(text));
        }
        out.push_str(carry.finish());
        out
    }

    #[test]
    fn halves_in_two_deltas_become_one_character() {
        assert_eq!(join(&[r#""a\ud83d""#, r#""\ude00b""#]), "a😀b");
        assert_eq!(join(&[r#""a\ud83d""#, r#""""#, r#""\ude00b""#]), "a😀b");
        assert_eq!(join(&[r#""\ud83d\ude00""#]), "😀");
    }

    #[test]
    fn a_half_without_partner_is_replaced_and_nothing_else_is_lost() {
        assert_eq!(join(&[r#""a\ud83d""#, r#""b""#]), "a\u{FFFD}b");
        assert_eq!(join(&[r#""a\ude00b""#]), "a\u{FFFD}b");
        assert_eq!(join(&[r#""é\ud83dü""#]), "é\u{FFFD}ü");
        assert_eq!(join(&[r#""a\ud83d""#]), "a\u{FFFD}");
    }

    #[test]
    fn text_without_escapes_is_borrowed() {
        let text: Str<'_> = serde_json::from_str(r#""plain""#).unwrap();
        assert!(matches!(text.0, Cow::Borrowed("plain")));
    }
}
