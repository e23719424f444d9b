//! Usage rows on their way: memory, journal, database.
//!
//! ```text
//! try_append ─▶ inbox ─▶ journal (thread) ─▶ outbox ─▶ database (task)
//!                           │                  ▲
//!                           └── too many wait ─┘  read back
//! ```
//!
//! Nobody who answers a request waits for a disk or a database: a row is put into the inbox. A thread writes what has
//! come together to the journal in one piece and tells whoever waits for it; a thread, for a disk that hangs must not
//! hold up a runtime. A task writes batches to the database and takes them back from the journal when more wait than
//! memory is for. A row that is journaled survives `kill -9`; rows are written once however often they are replayed.

mod counts;
mod insert;
mod journal;
mod list;
mod record;
mod status;
mod writer;

pub use status::RowStatus;
pub use writer::{Receipt, RowOptions, RowTask, RowWriter, Stored};
