//! Ordering documents (`POST /rerank`): one wire format with a handful of spellings.
//!
//! Cohere's shape is what Jina, Voyage, Together, OpenRouter, vLLM, llama.cpp, Infinity and others follow. What they
//! call differently is data of their rows (rules for `dialect = "rerank"`) where it is about requests; answers are
//! read in all spellings alike. Two things are done here for every provider, because not every provider does them:
//! the answer is cut to `top_n`, and it repeats the documents where the client wants that. Who has another form
//! altogether (`form`) says so in its row.

mod client;
mod document;
mod form;
mod reply;
mod server;
mod shape;
#[cfg(test)]
mod tests;
mod wire;

pub use client::Client;
pub use server::Server;
