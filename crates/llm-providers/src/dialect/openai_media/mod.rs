//! OpenAI's operations beside conversations: so far vectors (`POST /embeddings`).
//!
//! Every compatible provider speaks them at its own address, also those that differ in conversations, so
//! that they are a dialect of their own. Errors are those of chat completions.

mod client;
mod server;
mod wire;

#[cfg(test)]
mod tests;

pub use client::Client;
pub use server::Server;
pub(crate) use wire::written;
pub(in crate::dialect) use wire::{Count, unpacked};
