//! Values that JSON writes in more than one way.

use std::borrow::Cow;
use std::fmt;

use llm_types::Str;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// The value of an enum: its name, or its number where the caller asked for numbers
/// (`$alt=json;enum-encoding=int`, recording `vertex/generatecontent-parallel-tool-calls…14d547`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Word<'a> {
    /// By name.
    Name(Str<'a>),
    /// By number.
    Number(i64),
}

impl<'a> Word<'a> {
    /// The name; `names` are those of the numbers from 0.
    pub(in super::super) fn name<'s>(&'s self, names: &[&'static str]) -> Cow<'s, str>
    where
        'a: 's,
    {
        match self {
            Self::Name(name) => Cow::Borrowed(name.as_str()),
            Self::Number(number) => usize::try_from(*number)
                .ok()
                .and_then(|index| names.get(index))
                .map_or_else(|| Cow::Owned(number.to_string()), |name| Cow::Borrowed(*name)),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Word<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordVisitor;
        impl<'de> Visitor<'de> for WordVisitor {
            type Value = Word<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name or a number")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Word::Name(Str(Cow::Borrowed(text))))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Word::Name(Str(Cow::Owned(text.to_owned()))))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Word::Number(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Word::Number(i64::try_from(number).unwrap_or(i64::MAX)))
            }
        }
        deserializer.deserialize_any(WordVisitor)
    }
}

impl Serialize for Word<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Name(name) => name.serialize(serializer),
            Self::Number(number) => serializer.serialize_i64(*number),
        }
    }
}
