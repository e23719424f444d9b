#![doc = include_str!("../README.md")]

mod affinity;
mod attempts;
mod budget;
mod candidates;
mod choose;
mod cooldown;
mod deployment;
mod error;
mod facts;
mod fallback;
mod group;
mod lease;
mod mask;
mod needs;
mod picker;
mod policy;
mod pool;
mod record;
mod router;
#[cfg(test)]
mod simulation;
mod stats;

pub use affinity::{PrefixMap, Prefixes, hash};
pub use attempts::{Attempts, Limits, Step};
pub use budget::{RetryBudget, Spent};
pub use candidates::{Candidate, Candidates};
pub use cooldown::{Cooldown, CooldownPolicy, CooldownStore, Effect};
pub use deployment::Deployment;
pub use error::BuildError;
pub use facts::{Allowance, Capabilities, Facts, Price};
pub use fallback::{Fallback, Fallbacks, Plan, Skip, Skipped};
pub use group::Group;
pub use lease::Lease;
pub use mask::Mask;
pub use needs::Needs;
pub use picker::{
    Adaptive, Estimate, LeastBusy, LowestCost, LowestLatency, MostHeadroom, PickCx, Picker, RoundRobin,
    Strategy, UnknownStrategy, Weighing, Weighted,
};
pub use policy::{Backoff, KindRetries, RetryPolicy};
pub use pool::{Pool, Seat};
pub use record::{Attempt, Because, Decision, End, Reason, Record, Trace, Verdict, Waited, WaitedFor};
pub use router::{Found, Router, RouterBuilder};
pub use stats::{
    Counts, Further, InFlight, Latencies, Lesson, Load, Outcome, RateLimit, RateLimits, RateLimitsLeft,
    Shape, Standing, Stats, Used,
};
