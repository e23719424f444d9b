//! Over Redis: cooldowns, with a port that is told, a task that does the work and one connection; limits, see [`limits`].

mod limits;
mod link;
mod options;
mod pause;
mod port;
mod state;
mod worker;

pub use limits::{LimitsStatus, LimitsWorker, RedisLimits};
pub use options::{RedisOptions, StoreError};
pub use port::RedisCooldowns;
pub use worker::Worker;
