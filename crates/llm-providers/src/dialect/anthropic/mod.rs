//! The `anthropic` dialect: Anthropic's Messages API.
//!
//! `model` holds what each generation of Claude can do and `schema` what JSON Schema the API takes; both
//! are data first, because that is where the API differs from model to model. `wire` serves both halves
//! of the dialect.

mod client;
pub(in crate::dialect) mod model;
pub(in crate::dialect) mod schema;
mod server;
mod stream;
mod usage;
mod wire;

pub use client::Client;
pub use server::Server;
pub(in crate::dialect) use stream::JsonAnswer;
pub(in crate::dialect) use stream::unwrapped;
