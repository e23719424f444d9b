//! OpenAI Chat Completions, and every server that is compatible with it.
//!
//! This is the dialect of most clients and of most providers, so both halves carry more patience than
//! the others: the server half takes what clients of other gateways send (Anthropic's `thinking`,
//! `cache_control`, echoed `reasoning_content` and `thinking_blocks`), the client half takes what
//! compatible servers answer. How a provider differs is data in its row ([`llm_types::Quirks`]), applied
//! in one place to a body that is passed through and to one that is written anew.

mod client;
mod server;
mod wire;

use super::path;

pub use client::Client;
pub(super) use client::{ask_for_usage, failure, is_for_gateway, read_usage};
pub use server::Server;
pub(super) use server::usage_json;

#[cfg(test)]
mod tests;
