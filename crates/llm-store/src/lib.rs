#![doc = include_str!("../README.md")]

#[cfg(feature = "redis")]
mod backlog;
#[cfg(feature = "redis")]
mod redis;
mod status;
#[cfg(feature = "redis")]
mod wire;

#[cfg(feature = "redis")]
pub use redis::{RedisCooldowns, RedisOptions, StoreError, Worker};
pub use status::Status;
