//! Values that wire structs share: raw JSON, a model's text, and the `type` by which objects are told apart.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{Str, Wtf8};

/// Raw JSON of one value, borrowed where it stood in the input.
#[derive(Debug, Clone)]
pub struct Raw<'a>(pub Cow<'a, RawValue>);

impl Raw<'_> {
    /// The JSON text.
    #[must_use]
    pub fn get(&self) -> &str {
        self.0.get()
    }
}

impl<'a> From<&'a RawValue> for Raw<'a> {
    fn from(value: &'a RawValue) -> Self {
        Self(Cow::Borrowed(value))
    }
}

impl From<Box<RawValue>> for Raw<'_> {
    fn from(value: Box<RawValue>) -> Self {
        Self(Cow::Owned(value))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'de RawValue>::deserialize(deserializer).map(Self::from)
    }
}

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Text of a model, which may be cut inside a surrogate pair.
#[derive(Debug, Clone, Default)]
pub struct WireText<'a>(pub Wtf8<'a>);

impl<'a> From<&'a str> for WireText<'a> {
    fn from(text: &'a str) -> Self {
        Self(Wtf8::from(text))
    }
}

impl From<String> for WireText<'_> {
    fn from(text: String) -> Self {
        Self(Wtf8::from(text))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for WireText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Wtf8::deserialize(deserializer).map(Self)
    }
}

impl Serialize for WireText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.clone().into_lossy())
    }
}

/// The `type` of an object, wherever it stands among the members.
#[derive(Debug, Default)]
pub struct Kind<'a>(pub Str<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Kind<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KindVisitor;
        impl<'de> Visitor<'de> for KindVisitor {
            type Value = Kind<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut kind = None;
                while let Some(key) = map.next_key::<Str<'de>>()? {
                    if key.as_str() == "type" {
                        kind = map.next_value::<Option<Str<'de>>>()?;
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Kind(kind.unwrap_or_default()))
            }
        }
        deserializer.deserialize_map(KindVisitor)
    }
}

/// Reads an object by its `type`: `read` gets the type and the raw text.
///
/// # Errors
/// Whatever `read` says.
pub fn by_kind<'de, D, T>(
    deserializer: D,
    read: impl FnOnce(Str<'de>, &'de RawValue) -> serde_json::Result<T>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    let raw = <&'de RawValue>::deserialize(deserializer)?;
    let read = serde_json::from_str(raw.get()).and_then(|Kind(kind)| read(kind, raw));
    read.map_err(D::Error::custom)
}
