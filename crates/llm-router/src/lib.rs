#![doc = include_str!("../README.md")]

mod attempts;
mod budget;
mod deployment;
mod error;
mod group;
mod picker;
mod policy;
mod record;
mod router;
mod stats;

pub use attempts::{Attempts, Limits, Step};
pub use budget::RetryBudget;
pub use deployment::Deployment;
pub use error::BuildError;
pub use group::Group;
pub use picker::{Candidate, PickCx, Picker, Strategy, Weighted};
pub use policy::{Backoff, RetryPolicy};
pub use record::{Attempt, End, Record, Verdict};
pub use router::{Found, Router, RouterBuilder};
pub use stats::{Counts, InFlight, Outcome, Stats};
