#![doc = include_str!("../README.md")]

mod answer;
pub mod assemble;
mod auth;
mod backend;
mod body;
mod cors;
mod dispatch;
mod exchange;
mod front;
mod gateway;
mod guard;
mod intake;
mod kept;
mod models;
mod owner;
mod patience;
mod pipeline;
mod principal;
mod record;
mod relay;
mod respond;
mod serve;
mod snapshot;
mod stop;
mod tasks;
mod ticket;
pub mod tls;

pub use body::ClientBody;
pub use gateway::Gateway;
pub use guard::Guard;
pub use principal::Principal;
pub use serve::{ServeOptions, serve};
pub use snapshot::Snapshot;
pub use tasks::Tasks;
pub use ticket::{FreeLedger, Ledger, Settlement, Ticket};
