//! Ollama's own API (<https://docs.ollama.com/api>): conversations, texts and vectors of models on one's own machine.
//!
//! It can be asked in OpenAI's words too, but only here can the size of the context window be chosen
//! (`options.num_ctx`), and how long a model stays loaded. Messages are plain texts with pictures beside them, options
//! of the model stand in an object of their own, and a stream is one JSON object per line.

mod client;
mod decode;
mod embed;
mod encode;
#[cfg(test)]
mod tests;
mod wire;

pub use client::Client;
