//! What is kept of an answer.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

/// What an entry takes beside its texts: itself, its key, and the store's own books.
const OVERHEAD: usize = 512;

/// What is kept of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    body: Bytes,
    notes: Box<[(&'static str, Box<str>)]>,
    kept_at: SystemTime,
}

impl Entry {
    /// An answer that came at this moment. The body is copied: what was read with it must not stay in memory.
    #[must_use]
    pub fn new(body: &[u8], kept_at: SystemTime) -> Self {
        Self { body: Bytes::copy_from_slice(body), notes: Box::default(), kept_at }
    }

    /// Adds what is to be said with the answer: who gave it, what was lost on the way. Never a key.
    #[must_use]
    pub fn with_notes<'v>(mut self, notes: impl IntoIterator<Item = (&'static str, &'v str)>) -> Self {
        self.notes = notes.into_iter().map(|(name, value)| (name, value.into())).collect();
        self
    }

    /// The answer.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// What is to be said with it.
    pub fn notes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.notes.iter().map(|(name, value)| (*name, &**value))
    }

    /// When it came.
    #[must_use]
    pub fn kept_at(&self) -> SystemTime {
        self.kept_at
    }

    /// How old it is; zero where the clock was set back.
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.kept_at).unwrap_or_default()
    }

    /// What it takes in memory, in bytes: rather too much than too little.
    #[must_use]
    pub fn weight(&self) -> usize {
        let notes = self.notes.iter().map(|(_, value)| value.len() + 32);
        self.body.len() + notes.sum::<usize>() + OVERHEAD
    }
}
