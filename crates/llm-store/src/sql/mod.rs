//! Keys, budgets and usage in SQLite or PostgreSQL.
//!
//! One text of SQL for both: the few words that differ are in `backend`. A SQLite file has one writer, so that nobody
//! waits for a lock by polling; PostgreSQL's rows are locked in one order everywhere, so that no two transactions wait
//! for each other.

mod backend;
mod cursor;
mod error;
mod key;
mod ledger;
mod money;
mod rows;
mod schema;
mod statement;
mod store;
mod text;
mod usage;

pub use cursor::{Page, PageAsk};
pub use error::SqlError;
pub use key::{AuditEntry, AuditFilter, Changes, Filter, Kept};
pub use ledger::{LeaseView, WindowView};
pub use rows::{Receipt, RowFilter, RowOptions, RowStatus, RowTask, RowView, RowWriter, Stored};
pub use store::SqlStore;
pub use usage::{GroupBy, Report, ReportAsk, ReportRow, Retired, Sums};
