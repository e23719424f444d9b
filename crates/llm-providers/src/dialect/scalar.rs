//! Scalars that are read with more patience than serde has.
//!
//! A count that is a float, a code that is a number, half a surrogate pair in a text: none of these
//! may cost the client an answer that it has paid for.

use std::borrow::Cow;
use std::fmt;

use llm_types::Wtf8;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

/// Text of an answer; half a surrogate pair becomes U+FFFD instead of an error.
#[derive(Debug, Clone, Default)]
pub(in crate::dialect) struct Lossy<'a>(pub Cow<'a, str>);

impl Lossy<'_> {
    /// The text, `None` if there is none: providers send `""` where they mean nothing.
    pub(in crate::dialect) fn non_empty(&self) -> Option<&str> {
        Some(&*self.0).filter(|text| !text.is_empty())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Lossy<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Wtf8::deserialize(deserializer).map(|text| Self(text.into_lossy()))
    }
}

impl Serialize for Lossy<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A value, or an explicit `null`, which `wire_struct!` would leave out.
#[derive(Debug, Clone)]
pub(in crate::dialect) struct OrNull<T>(pub Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OrNull<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self)
    }
}

impl<T: Serialize> Serialize for OrNull<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// A count. What is not a number reads as 0, a fraction is cut off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::dialect) struct Count(pub u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountVisitor;
        impl<'de> Visitor<'de> for CountVisitor {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_u64<E: Error>(self, n: u64) -> Result<Count, E> {
                Ok(Count(n))
            }

            fn visit_i64<E: Error>(self, n: i64) -> Result<Count, E> {
                Ok(Count(u64::try_from(n).unwrap_or(0)))
            }

            #[expect(
                clippy::cast_possible_truncation,
                reason = "the cast saturates, and a fraction means nothing"
            )]
            fn visit_f64<E: Error>(self, n: f64) -> Result<Count, E> {
                Ok(Count(n as u64))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Count, E> {
                Ok(Count(0))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Count, E> {
                Ok(Count(text.parse().unwrap_or(0)))
            }

            fn visit_unit<E: Error>(self) -> Result<Count, E> {
                Ok(Count(0))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Count, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Count(0))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Count, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Count(0))
            }
        }
        deserializer.deserialize_any(CountVisitor)
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

/// A word that may be written as a number (`"code": 429`). What is neither reads as empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::dialect) struct Word<'a>(pub Cow<'a, str>);

impl<'a> Word<'a> {
    /// The word, `None` if there is none.
    pub(in crate::dialect) fn non_empty(self) -> Option<Cow<'a, str>> {
        Some(self.0).filter(|word| !word.is_empty())
    }
}

impl<'a> From<&'a str> for Word<'a> {
    fn from(word: &'a str) -> Self {
        Self(Cow::Borrowed(word))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Word<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordVisitor;
        impl<'de> Visitor<'de> for WordVisitor {
            type Value = Word<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word or a number")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Word(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Word(Cow::Owned(text.to_owned())))
            }

            fn visit_u64<E: Error>(self, n: u64) -> Result<Self::Value, E> {
                Ok(Word(Cow::Owned(n.to_string())))
            }

            fn visit_i64<E: Error>(self, n: i64) -> Result<Self::Value, E> {
                Ok(Word(Cow::Owned(n.to_string())))
            }

            fn visit_f64<E: Error>(self, n: f64) -> Result<Self::Value, E> {
                Ok(Word(Cow::Owned(n.to_string())))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Word::default())
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Word::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Word::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Word::default())
            }
        }
        deserializer.deserialize_any(WordVisitor)
    }
}

impl Serialize for Word<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
