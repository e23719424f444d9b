//! Words of `llm-types` enums (a dialect, a quirk, an operation).
//!
//! The words that the schema allows are asked of the enum's own `Deserialize`, so that a variant added
//! there is known here without a second list.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{Error, StrDeserializer};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, forward_to_deserialize_any};

/// One word, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word<T> {
    value: T,
    text: Cow<'static, str>,
}

impl<T: Copy> Word<T> {
    /// What the word means.
    #[must_use]
    pub fn get(&self) -> T {
        self.value
    }
}

impl<T> Word<T> {
    /// The word itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let value = T::deserialize(StrDeserializer::<Error>::new(&text)).map_err(D::Error::custom)?;
        Ok(Self { value, text: text.into() })
    }
}

impl<T> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<T: for<'de> Deserialize<'de>> JsonSchema for Word<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Word".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": words::<T>() })
    }
}

/// The words of an enum of unit variants.
fn words<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    let mut words: &'static [&'static str] = &[];
    // Always an error: `Ask` takes the list and gives no value.
    drop(T::deserialize(Ask(&mut words)));
    words
}

/// A deserializer that only listens for the names of the variants.
struct Ask<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Ask<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("only the names are asked for"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = variants;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use llm_types::{AuthStyle, Dialect};

    use super::*;

    #[test]
    fn words_come_from_the_enum() {
        assert!(words::<Dialect>().contains(&"openai_chat"));
        assert!(words::<AuthStyle>().contains(&"x-api-key"));
    }
}
