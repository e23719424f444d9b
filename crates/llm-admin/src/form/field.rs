//! A member that may be left out, cleared or given.
//!
//! A change leaves what is not named as it is, and `null` clears; for something new both mean the default.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};

/// A member that may be left out, cleared or given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Field<T> {
    /// It is not there.
    #[default]
    Absent,
    /// It is `null`.
    Null,
    /// It is there.
    Given(T),
}

impl<T> Field<T> {
    /// Writes it over an optional value.
    pub fn set(self, to: &mut Option<T>) {
        match self {
            Self::Absent => {}
            Self::Null => *to = None,
            Self::Given(value) => *to = Some(value),
        }
    }

    /// Writes it over a value, whose default is what `null` means.
    pub fn put(self, to: &mut T)
    where
        T: Default,
    {
        match self {
            Self::Absent => {}
            Self::Null => *to = T::default(),
            Self::Given(value) => *to = value,
        }
    }

    /// The same of something made of it.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Field<U> {
        match self {
            Self::Absent => Field::Absent,
            Self::Null => Field::Null,
            Self::Given(value) => Field::Given(make(value)),
        }
    }

    /// What is given, where something is.
    pub fn given(self) -> Option<T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Given))
    }
}

impl<T: JsonSchema> JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Option::<T>::json_schema(generator)
    }
}
