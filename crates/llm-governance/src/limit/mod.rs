//! Limits: how many requests and tokens a minute, and how many requests at once.
//!
//! A limit of *n* a minute is a bucket (GCRA): it holds *n* and empties evenly in a minute. So *n* come in at once
//! after a pause, then *n* a minute evenly, and the moment at which the next one fits is known exactly, which is what
//! `Retry-After` says. Over any stretch of time at most *n* × (1 + minutes) come in. A sliding window would need a
//! log of every request to say as much; a bucket is two numbers, here and in a shared store.

use std::sync::Arc;

mod bucket;
mod limiter;
mod local;
mod store;

pub use bucket::{Bucket, MOST};
pub(crate) use limiter::{Limiter, Limiters, Place, Which, once, take, tighter};
pub use local::LocalLimits;
pub use store::{LimitAsk, LimitCount, LimitDecision, LimitKind, LimitStore};

/// How often something may be done. `None`: as often as one likes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Requests a minute.
    pub rpm: Option<u64>,
    /// Tokens a minute, prompt and answer.
    pub tpm: Option<u64>,
    /// Requests at once.
    pub parallel: Option<u32>,
}

/// As what a place in limits is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Seating {
    /// A request of its own.
    #[default]
    Request,
    /// One more within a request that has its place among those under way, as a session's responses are.
    Within,
    /// The first of these: it was counted when that request was let in.
    First,
}

impl Limits {
    /// Those that hold for what is seated so.
    pub(crate) fn of_seating(self, seating: Seating) -> Self {
        match seating {
            Seating::Request => self,
            Seating::Within => Self { parallel: None, ..self },
            Seating::First => Self { rpm: None, parallel: None, ..self },
        }
    }
}

/// Limits of one model, or of several whose names match, together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ModelLimits {
    /// The model, as clients ask for it; `*` stands for anything.
    pub model: Arc<str>,
    /// How often it may be asked for.
    pub limits: Limits,
}
