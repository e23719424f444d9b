#![doc = include_str!("../README.md")]

#[cfg(feature = "redis")]
mod backlog;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod wire;

#[cfg(feature = "redis")]
pub use redis::{RedisCooldowns, RedisOptions, Status, StoreError, Worker};
