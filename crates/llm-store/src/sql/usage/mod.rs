//! Sums of usage: kept with the rows, reported from there; and how long rows are kept.

mod report;
mod retention;
mod sums;
mod zone;

pub use retention::Retired;
pub(super) use sums::{About, HOUR, Rollup};
