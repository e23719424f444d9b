//! Pictures (`POST /images/generations`, `/images/edits`): made from words, or from other pictures.
//!
//! Requests to make pictures are JSON and go through as they came; edits are forms, which are written anew around
//! the client's own files. Where a provider says the size in other words its row says in which (`image_size`).

mod client;
mod edit;
mod server;
#[cfg(test)]
mod tests;
mod wire;

pub use client::Client;
pub use server::{Server, named, put};

pub(in crate::dialect) use client::held_back;

pub(in crate::dialect) mod size;
