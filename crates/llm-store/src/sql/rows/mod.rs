//! Usage rows on their way: journal, memory, database.
//!
//! ```text
//! try_append ─▶ journal ─▶ outbox ─▶ database (task): a pack of rows, their sums, their budgets
//!     └─▶ inbox ─▶┘ │        ▲
//!        (thread)   └────────┘ too many wait: read back
//! ```
//!
//! A request writes its row to the journal itself, which is a copy to the kernel; where that would have to wait, a
//! thread does it, for a disk that hangs must not hold up a runtime. A task writes batches to the database and takes
//! them back from the journal when more wait than memory is for. A row that is journaled survives `kill -9`; rows are
//! written once however often they are replayed, for the database knows up to which row it has a journal.

mod counts;
mod insert;
mod journal;
mod line;
mod list;
mod pack;
mod record;
mod retire;
mod status;
mod subject;
mod tally;
mod writer;

pub(super) use insert::write_one;
pub use status::RowStatus;
pub(super) use tally::Tally;
pub use writer::{Receipt, RowOptions, RowTask, RowWriter, Stored};
