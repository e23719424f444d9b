//! From a path such as `models[1].name` to its place in the text.
//!
//! Checks run on the plain [`crate::Config`] and name what they dislike by its path; spans stay out of the
//! structs that everybody else uses.

use std::fmt;
use std::ops::Range;

use serde::de::Error as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One step from a value to a value inside.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// Where a value is in the document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Path(Vec<Step>);

impl Path {
    pub(crate) fn key(&self, key: impl Into<String>) -> Self {
        self.with(Step::Key(key.into()))
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

/// `models[1].name`, for messages about a configuration that came from no file.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// The document that a configuration was read from, if it was.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places<'i>(Option<Spanned<DeTable<'i>>>);

impl<'i> Places<'i> {
    pub(crate) fn new(document: Spanned<DeTable<'i>>) -> Self {
        Self(Some(document))
    }

    /// Where the value at `path` is; the innermost table around it where it is left out.
    pub(crate) fn span(&self, path: &Path) -> Option<Range<usize>> {
        let root = self.0.as_ref()?.get_ref();
        let mut steps = path.0.iter();
        let Some(Step::Key(first)) = steps.next() else {
            return None;
        };
        let mut value = root.get(first.as_str())?;
        for step in steps {
            let next = match (step, value.get_ref()) {
                (Step::Key(key), DeValue::Table(table)) => table.get(key.as_str()),
                (Step::Index(index), DeValue::Array(array)) => array.get(*index),
                _ => None,
            };
            let Some(next) = next else { break };
            value = next;
        }
        Some(value.span())
    }

    /// Whether the value at `path` stands in the file.
    pub(crate) fn is_written(&self, path: &Path) -> bool {
        let mut table = self.0.as_ref().map(Spanned::get_ref);
        let mut steps = path.0.iter().peekable();
        while let (Some(Step::Key(key)), Some(here)) = (steps.next(), table) {
            let value = here.get(key.as_str()).map(Spanned::get_ref);
            if steps.peek().is_none() {
                return value.is_some();
            }
            table = value.and_then(DeValue::as_table);
        }
        false
    }

    /// The document as a value of its type.
    pub(crate) fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, toml::de::Error> {
        let document = self.0.clone().ok_or_else(|| toml::de::Error::custom("there is no document"))?;
        T::deserialize(toml::Deserializer::from(document))
    }
}
