#![doc = include_str!("../README.md")]

pub mod audit;
pub mod budgets;
pub mod form;
pub mod groups;
pub mod keys;
pub mod limits;
pub mod page;
pub mod parameter;
pub mod query;
pub mod spend;
pub mod terms;
pub mod usage;

mod action;
mod configured;
mod deed;
mod file_first;
mod least;
mod registry;
mod visit;

pub use action::{Action, Row, Verb, find, plain, rows, with_id};
pub use configured::{Configured, terms as terms_of};
pub use deed::Deed;
pub use file_first::FileFirst;
pub use registry::{Registry, refused};
pub use visit::{Answer, Visit};
