//! One way to get an answer: a model at a provider with its own key and settings.
//!
//! Generic over `target`, what is called: the router never learns what a provider is.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::facts::Facts;
use crate::stats::{InFlight, Outcome, Stats};

/// A member of a group.
#[derive(Debug)]
pub struct Deployment<T> {
    /// Its name in headers, logs and records.
    pub id: Arc<str>,
    /// What is called, for people: `openai/gpt-4o`.
    pub label: Arc<str>,
    /// A hash of its settings, key included: equal means unchanged.
    pub fingerprint: u64,
    /// What is called.
    pub target: T,
    /// Its share of the group's traffic; 0: asked only when nobody else is left.
    pub weight: u32,
    /// Words that requests can ask for.
    pub tags: Vec<Arc<str>>,
    /// What is known of it.
    pub facts: Facts,
    /// The longest time of one attempt, where it is not the group's.
    pub timeout: Option<Duration>,
    /// What has been seen of it.
    pub stats: Arc<Stats>,
}

impl<T> Deployment<T> {
    /// A deployment of weight 1 without tags, labelled with its id.
    #[must_use]
    pub fn new(id: impl Into<Arc<str>>, fingerprint: u64, target: T) -> Self {
        let id = id.into();
        Self {
            label: Arc::clone(&id),
            id,
            fingerprint,
            target,
            weight: 1,
            tags: Vec::new(),
            facts: Facts::default(),
            timeout: None,
            stats: Arc::new(Stats::new(Instant::now())),
        }
    }

    /// Says what is called.
    #[must_use]
    pub fn labelled(mut self, label: impl Into<Arc<str>>) -> Self {
        self.label = label.into();
        self
    }

    /// Sets the share of traffic.
    #[must_use]
    pub fn weighing(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// Adds a word that requests can ask for.
    #[must_use]
    pub fn tagged(mut self, tag: impl Into<Arc<str>>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Says what is known of it.
    #[must_use]
    pub fn with_facts(mut self, facts: Facts) -> Self {
        self.facts = facts;
        self
    }

    /// Goes on with counters kept from before a reload; see [`crate::Router::stats_of`].
    #[must_use]
    pub fn with_stats(mut self, stats: Option<Arc<Stats>>) -> Self {
        self.stats = stats.unwrap_or(self.stats);
        self
    }

    /// Counts how an attempt ended that [`crate::Attempts`] knows nothing of.
    pub fn note(&self, outcome: Outcome, now: Instant) {
        self.stats.note(outcome, now);
    }

    /// Counts an attempt as in flight until the guard is dropped.
    pub fn begin(&self) -> InFlight {
        self.stats.begin()
    }
}

impl<T> fmt::Display for Deployment<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.label == self.id { f.write_str(&self.id) } else { write!(f, "{} ({})", self.label, self.id) }
    }
}
