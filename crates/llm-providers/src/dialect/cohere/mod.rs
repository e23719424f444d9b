//! Cohere's second API (<https://docs.cohere.com/reference/chat>): conversations and vectors.
//!
//! Its messages look like OpenAI's, and differ in what surrounds them: what the model says before it calls a tool is a
//! plan of its own, documents are given beside the conversation and cited by place, options have names of their own,
//! and a stream has an event for the beginning and end of everything. The order of documents is a dialect of its own
//! (`rerank`), because others speak it.

mod client;
mod decode;
mod embed;
mod encode;
mod model;
#[cfg(test)]
mod tests;
mod wire;

pub use client::Client;
