//! Who is asked first.
//!
//! A strategy is one file with one [`Picker`]. It sees candidates, not deployments: filters have run,
//! the target's type does not matter, and what a strategy may know is in [`Candidate`] and [`PickCx`].

mod weighted;

use std::fmt::Debug;
use std::time::Instant;

pub use weighted::Weighted;

use crate::stats::Stats;

/// A deployment that may be asked now.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Candidate<'a> {
    /// Its position in the group; the same in every request.
    pub index: usize,
    /// Its share of traffic.
    pub weight: u32,
    /// What has been seen of it.
    pub stats: &'a Stats,
}

impl<'a> Candidate<'a> {
    /// A candidate, for tests of a strategy.
    #[must_use]
    pub fn new(index: usize, weight: u32, stats: &'a Stats) -> Self {
        Self { index, weight, stats }
    }
}

/// What is known of the request.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PickCx {
    /// The time of the decision.
    pub now: Instant,
    /// How many attempts went before.
    pub attempt: usize,
}

impl PickCx {
    /// The first attempt of a request that nothing else is known of.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { now, attempt: 0 }
    }
}

/// A strategy, with what it remembers about one group.
pub trait Picker: Debug + Send + Sync {
    /// The position in `candidates` (not the index in the group) of the one to ask; `None` only when
    /// there is none. Must not block: at most a critical section of some hundred nanoseconds.
    fn pick(&self, candidates: &[Candidate<'_>], cx: &PickCx) -> Option<usize>;
}

/// The strategies by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Strategy {
    /// Smooth weighted round robin.
    #[default]
    Weighted,
}

impl Strategy {
    /// A picker for a group of this many deployments.
    #[must_use]
    pub fn picker(self, deployments: usize) -> Box<dyn Picker> {
        match self {
            Self::Weighted => Box::new(Weighted::new(deployments)),
        }
    }
}
