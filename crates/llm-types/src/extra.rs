//! Members that a struct does not name.
//!
//! Providers add fields faster than anyone can follow. They are kept in order as raw JSON, forwarded
//! to the same dialect and reported as a change elsewhere, never lost.

use std::borrow::Cow;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use smallvec::SmallVec;

/// Unknown members, owned, in the order they came.
#[derive(Debug, Clone, Default)]
pub struct Extra(Vec<(String, Box<RawValue>)>);

impl Extra {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each member with its raw JSON.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), &**value))
    }

    /// The raw JSON of one member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| &**value)
    }

    /// Adds a member, or replaces it in place.
    pub fn set(&mut self, name: impl Into<String>, value: Box<RawValue>) {
        let name = name.into();
        match self.0.iter_mut().find(|(n, _)| *n == name) {
            Some(slot) => slot.1 = value,
            None => self.0.push((name, value)),
        }
    }

    /// Adds a member whose value is serialised from `value`.
    ///
    /// # Errors
    /// When `value` cannot be written as JSON.
    pub fn set_json(
        &mut self,
        name: impl Into<String>,
        value: &impl Serialize,
    ) -> Result<(), serde_json::Error> {
        self.set(name, serde_json::value::to_raw_value(value)?);
        Ok(())
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &str) -> Option<Box<RawValue>> {
        let index = self.0.iter().position(|(n, _)| n == name)?;
        Some(self.0.remove(index).1)
    }

    /// The same members, borrowed, for a wire struct.
    #[must_use]
    pub fn members(&self) -> Members<'_> {
        Members(self.0.iter().map(|(name, value)| (Cow::Borrowed(name.as_str()), &**value)).collect())
    }
}

impl Serialize for Extra {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.members().serialize(serializer)
    }
}

/// Unknown members, borrowed from the input.
#[derive(Debug, Clone, Default)]
pub struct Members<'a>(SmallVec<[(Cow<'a, str>, &'a RawValue); 2]>);

impl<'a> Members<'a> {
    /// Adds a member at the end.
    pub fn push(&mut self, name: Cow<'a, str>, value: &'a RawValue) {
        self.0.push((name, value));
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The raw JSON of one member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| *value)
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &str) -> Option<&'a RawValue> {
        let index = self.0.iter().position(|(n, _)| n == name)?;
        Some(self.0.remove(index).1)
    }

    /// Each member with its raw JSON.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (&**name, *value))
    }

    /// An owned copy.
    #[must_use]
    pub fn to_extra(&self) -> Extra {
        Extra(self.0.iter().map(|(name, value)| (name.to_string(), (*value).to_owned())).collect())
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(&**name, value)?;
        }
        map.end()
    }
}
