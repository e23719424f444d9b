//! Keys, groups, budgets, usage and the audit log, administered: the admin API without a server.
//!
//! A [`Registry`] is who there is and what may be spent, with what keeps it; an [`Action`] is asked or done there and
//! gives an [`Answer`] in JSON. The gateway serves it over HTTP, `llmctl` calls it on a database in its own process:
//! forms, checks, the audit log and answers are the same.

pub mod audit;
pub mod budgets;
pub mod form;
pub mod groups;
pub mod keys;
pub mod page;
pub mod query;
pub mod spend;
pub mod terms;
pub mod usage;

mod action;
mod configured;
mod deed;
mod least;
mod registry;
mod visit;

pub use action::{Action, Row, Verb, find, plain, rows, with_id};
pub use configured::Configured;
pub use deed::Deed;
pub use registry::{Registry, refused};
pub use visit::{Answer, Visit};
