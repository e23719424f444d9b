//! A file that a client sends.

use bytes::Bytes;

/// A file, whole. Its bytes are a slice of what the client sent, never a copy.
#[derive(Debug, Clone, Default)]
pub struct Upload {
    /// Its name, by which providers tell its format; may be empty.
    pub name: String,
    /// Its content type; may be empty.
    pub kind: String,
    /// What it holds.
    pub data: Bytes,
}

impl Upload {
    /// A file of this name.
    #[must_use]
    pub fn new(name: impl Into<String>, data: impl Into<Bytes>) -> Self {
        Self { name: name.into(), kind: String::new(), data: data.into() }
    }
}
