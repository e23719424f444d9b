#![doc = include_str!("../README.md")]

#[cfg(feature = "redis")]
mod backlog;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sql")]
mod sql;
mod status;
#[cfg(feature = "redis")]
mod wire;

#[cfg(feature = "redis")]
pub use redis::{LimitsStatus, LimitsWorker, RedisCooldowns, RedisLimits, RedisOptions, StoreError, Worker};
#[cfg(feature = "sql")]
pub use sql::{
    Changes, DueBatches, Filter, Kept, KeptDecision, LeaseView, OpenBatch, Receipt, Retired, RowOptions,
    RowStatus, RowTask, RowWriter, SqlError, SqlReports, SqlStore, Stored, WindowView,
};
pub use status::Status;
