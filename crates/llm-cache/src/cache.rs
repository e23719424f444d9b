//! What may be kept, and what may be answered with: the policy in front of a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::directive::Directives;
use crate::entry::Entry;
use crate::error::Error;
use crate::key::Key;
use crate::store::CacheStore;
use crate::tenant::Scope;

/// What is kept, for whom and how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// How long an answer is good.
    pub ttl: Duration,
    /// The largest answer that is kept, in bytes.
    pub max_answer: usize,
    /// Who shares answers.
    pub scope: Scope,
    /// Only conversations that state a temperature of at most this; `None`: whatever they state.
    pub max_temperature: Option<f64>,
}

impl Default for Policy {
    /// Ten minutes, a mebibyte, each key for itself.
    fn default() -> Self {
        Self { ttl: Duration::from_secs(600), max_answer: 1 << 20, scope: Scope::Key, max_temperature: None }
    }
}

/// An answer that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The answer.
    pub entry: Arc<Entry>,
    /// How old it is.
    pub age: Duration,
}

/// What a cache has done since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that were answered.
    pub hits: u64,
    /// Requests that were looked up and not answered.
    pub misses: u64,
    /// Answers that were kept.
    pub kept: u64,
    /// Answers that were too large to keep.
    pub too_large: u64,
}

#[derive(Debug, Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    kept: AtomicU64,
    too_large: AtomicU64,
}

/// Kept answers, behind a policy.
#[derive(Debug)]
pub struct Cache {
    store: Arc<dyn CacheStore>,
    policy: Policy,
    counters: Arc<Counters>,
}

impl Cache {
    /// A cache over a store.
    #[must_use]
    pub fn new(store: Arc<dyn CacheStore>, policy: Policy) -> Self {
        Self { store, policy, counters: Arc::default() }
    }

    /// The same answers and counts under another policy. What is older than its time is not answered with, also
    /// where it was kept for longer.
    #[must_use]
    pub fn with_policy(&self, policy: Policy) -> Self {
        Self { store: Arc::clone(&self.store), policy, counters: Arc::clone(&self.counters) }
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &dyn CacheStore {
        &*self.store
    }

    /// Whether a conversation with this temperature is looked up and kept.
    #[must_use]
    pub fn takes_temperature(&self, stated: Option<f64>) -> bool {
        self.policy.max_temperature.is_none_or(|most| stated.is_some_and(|stated| stated <= most))
    }

    /// The answer that is kept under a key, if it is young enough and may be read.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn get(&self, key: &Key, asked: &Directives, now: SystemTime) -> Result<Option<Found>, Error> {
        if !asked.may_read() {
            return Ok(None);
        }
        let entry = self.store.get(key).await?;
        let found = entry.map(|entry| Found { age: entry.age(now), entry });
        let found = found.filter(|found| found.age < self.policy.ttl && asked.takes(found.age));
        let counter = if found.is_some() { &self.counters.hits } else { &self.counters.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(found)
    }

    /// Whether an answer of this size may be kept; counts one that is too large. Saves a caller the work of looking
    /// at it.
    #[must_use]
    pub fn keeps(&self, asked: &Directives, size: usize) -> bool {
        if !asked.may_keep() {
            return false;
        }
        let fits = size <= self.policy.max_answer;
        if !fits {
            self.counters.too_large.fetch_add(1, Ordering::Relaxed);
        }
        fits
    }

    /// Keeps an answer, if it may be kept and is not too large. Whether it is good enough to be given to others is
    /// for the caller to know. Returns whether it was kept.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn put(&self, key: Key, asked: &Directives, entry: Entry) -> Result<bool, Error> {
        if !self.keeps(asked, entry.body().len()) {
            return Ok(false);
        }
        self.store.put(key, Arc::new(entry), self.policy.ttl).await?;
        self.counters.kept.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }

    /// What it has done.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let Counters { hits, misses, kept, too_large } = &*self.counters;
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts { hits: of(hits), misses: of(misses), kept: of(kept), too_large: of(too_large) }
    }
}
