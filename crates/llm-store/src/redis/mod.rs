//! Cooldowns over Redis: a port that is told, a task that does the work, one connection.

mod link;
mod options;
mod pause;
mod port;
mod state;
mod worker;

pub use options::{RedisOptions, StoreError};
pub use port::RedisCooldowns;
pub use worker::Worker;
