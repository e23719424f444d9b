//! Limits over Redis: what several gateways count together, in one round trip for each request.
//!
//! - [`call`]: the scripts, and the names in Redis; [`answer`]: what comes back, which is believed only as far as it
//!   makes sense;
//! - [`desk`]: what requests and the task share under one lock; [`port`]: the way of a request; [`worker`]: the task.
//!
//! **Buckets** are those of `llm_governance::limit`: a script lets time flow, by the server's clock, and adds; what that
//! means is decided here, by the code that decides for limits of one process.
//!
//! **Places** of requests under way are counted for each life of a gateway, which says every few seconds that it lives.
//! The places of one that does not are nobody's. A new connection is a new life, which begins with what is under way
//! at that moment: so nothing that was lost on the way is wrong for long.
//!
//! **Away or slow:** a request never waits twice. After the first failure asking fails at once, until the task behind
//! has found that the server answers as quickly as it must.

mod answer;
mod call;
mod desk;
mod port;
#[cfg(test)]
mod tests;
mod worker;

pub use port::RedisLimits;
pub use worker::LimitsWorker;

/// How shared limits are, at one moment. Counts are since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitsStatus {
    /// Whether limits are shared: Redis is there and quick enough.
    pub connected: bool,
    /// Connections that were lost or could not be had.
    pub failures: u64,
    /// Requests that waited as long as they may, and in vain.
    pub late: u64,
    /// What could not be given back: too much waited.
    pub dropped: u64,
    /// Requests under way that have places.
    pub seats: usize,
    /// Why the last connection was lost.
    pub error: Option<String>,
}
