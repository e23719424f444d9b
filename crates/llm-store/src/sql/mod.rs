//! Keys, budgets and usage in SQLite or PostgreSQL.
//!
//! One text of SQL for both: the few words that differ are in `backend`. A SQLite file has one writer, so that nobody
//! waits for a lock by polling; PostgreSQL's rows are locked in one order everywhere, so that no two transactions wait
//! for each other.

mod alert;
mod backend;
mod batch;
mod claim;
mod decision;
mod error;
mod key;
mod ledger;
mod money;
mod reports;
mod rows;
mod schema;
mod statement;
mod store;
mod text;
mod usage;

pub use batch::{DueBatches, OpenBatch};
pub use decision::KeptDecision;
pub use error::SqlError;
pub use key::{Changes, Filter, Kept};
pub use ledger::{LeaseView, WindowView};
pub use reports::SqlReports;
pub use rows::{Receipt, RowOptions, RowStatus, RowTask, RowWriter, Stored};
pub use store::SqlStore;
pub use usage::Retired;
