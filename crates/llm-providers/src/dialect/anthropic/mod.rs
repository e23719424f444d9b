//! The `anthropic` dialect: Anthropic's Messages API.
//!
//! `model` holds what each generation of Claude can do and `schema` what JSON Schema the API takes; both
//! are data first, because that is where the API differs from model to model. `wire` serves both halves
//! of the dialect.

mod client;
mod model;
mod schema;
mod server;
mod stream;
mod usage;
mod wire;

pub use client::Client;
pub use server::Server;
