//! Keys, and the teams, organisations and users behind them.
//!
//! A key is small, for there may be a million: what most keys have none of is behind one pointer, terms are shared,
//! and counters are made when it is first used.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use crate::directory::Meters;
use crate::key::{Hint, KeyHash, KeyId};
use crate::terms::Terms;

/// What is known of a key; its secret is not.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Key {
    /// Its name for machines, for as long as it lives.
    pub id: KeyId,
    /// The hash of its secret.
    pub hash: KeyHash,
    /// The end of its secret, for people.
    pub hint: Hint,
    /// Whose it is.
    pub team: Option<Arc<str>>,
    /// Whose it is; where there is none, the team's.
    pub organisation: Option<Arc<str>>,
    /// Whose it is.
    pub user: Option<Arc<str>>,
    /// Whether it is turned away.
    pub blocked: bool,
    /// Whether it may use the admin API.
    pub admin: bool,
    /// From when it is turned away.
    pub expires_at: Option<Timestamp>,
    /// What it may do and spend.
    pub terms: Arc<Terms>,
    /// What few keys have.
    pub more: Option<Box<KeyMore>>,
}

/// What few keys have.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KeyMore {
    /// Its name for people.
    pub name: Option<Arc<str>>,
    /// Words that all of its requests are marked with.
    pub tags: Vec<Arc<str>>,
    /// Whatever its owner wants to note: a JSON object, as it came.
    pub metadata: Option<Box<str>>,
    /// The secret before the present one, and until when it is still good.
    pub previous: Option<(KeyHash, Timestamp)>,
}

impl Key {
    /// One that may do everything.
    #[must_use]
    pub fn new(id: KeyId, hash: KeyHash) -> Self {
        Self {
            id,
            hash,
            hint: Hint::default(),
            team: None,
            organisation: None,
            user: None,
            blocked: false,
            admin: false,
            expires_at: None,
            terms: Arc::default(),
            more: None,
        }
    }

    /// The key with another secret; the old one is good until then.
    #[must_use]
    pub fn rotated(&self, hash: KeyHash, hint: Hint, old_until: Timestamp) -> Self {
        let mut key = Self { hash, hint, ..self.clone() };
        key.more.get_or_insert_default().previous = Some((self.hash, old_until));
        key
    }

    /// Words that all of its requests are marked with.
    #[must_use]
    pub fn tags(&self) -> &[Arc<str>] {
        self.more.as_ref().map_or(&[], |more| &more.tags)
    }

    /// The secret before the present one, and until when it is still good.
    #[must_use]
    pub fn previous(&self) -> Option<(KeyHash, Timestamp)> {
        self.more.as_ref().and_then(|more| more.previous)
    }
}

/// A team, organisation or user, or a tag, model or provider with terms of its own.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Group {
    /// The organisation that a team belongs to.
    pub organisation: Option<Arc<str>>,
    /// Its name for people.
    pub name: Option<Arc<str>>,
    /// Whether it is turned away.
    pub blocked: bool,
    /// What it may do and spend.
    pub terms: Arc<Terms>,
    /// Whatever its owner wants to note: a JSON object, as it came.
    pub metadata: Option<Box<str>>,
}

impl Group {
    /// One with these terms and nothing else.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        let terms = Arc::new(terms);
        Self { organisation: None, name: None, blocked: false, terms, metadata: None }
    }
}

/// A key or a group in a directory, with what is counted for it.
#[derive(Debug)]
pub(crate) struct Entry<T> {
    pub(crate) of: T,
    /// Counts up with each change of the directory.
    pub(crate) revision: u64,
    /// Made at the first use.
    pub(crate) meters: OnceLock<Arc<Meters>>,
}

impl<T> Entry<T> {
    pub(crate) fn new(of: T, revision: u64) -> Arc<Self> {
        Arc::new(Self { of, revision, meters: OnceLock::new() })
    }
}
