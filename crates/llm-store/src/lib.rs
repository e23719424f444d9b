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
pub use redis::{RedisCooldowns, RedisOptions, StoreError, Worker};
#[cfg(feature = "sql")]
pub use sql::{
    AuditEntry, AuditFilter, Changes, Filter, GroupBy, Kept, LeaseView, Page, PageAsk, Receipt, Report,
    ReportAsk, ReportRow, Retired, RowFilter, RowOptions, RowStatus, RowTask, RowView, RowWriter, SqlError,
    SqlStore, Stored, Sums, WindowView,
};
pub use status::Status;
