//! OpenAI's Responses API (`POST /v1/responses`), and every provider that speaks it.
//!
//! A conversation is a flat list of items here (messages, calls, outputs, reasoning), not turns with
//! content. `wire` serves both halves of the dialect.

mod client;
mod seal;
mod server;
mod wire;

pub use client::Client;
pub use server::Server;

#[cfg(test)]
mod tests;
