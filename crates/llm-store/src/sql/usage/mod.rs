//! Sums of usage: kept with the rows, reported from there; and how long rows are kept.

mod report;
mod retention;
mod sums;

pub use report::{GroupBy, Report, ReportAsk, ReportRow};
pub use retention::Retired;
pub use sums::Sums;
pub(super) use sums::{About, Rollup};
