//! OpenAI's legacy text completions (`POST /v1/completions`), and every server that speaks them.
//!
//! There is no neutral form of its own for them: a prompt is a conversation of one user message, and its
//! continuation is the answer. So text models are reachable from every front, and text clients reach every
//! model that can chat. What only a text model can do (several prompts, tokens in place of text, `suffix`,
//! `echo`) is kept for providers of this dialect and refused in clear words elsewhere.
//!
//! An answer of this dialect has text and nothing else: of a chat model's answer, thoughts and sources
//! have no place in it.

mod client;
mod logprob;
mod server;
mod wire;

pub use client::Client;
pub(in crate::dialect) use client::prompt;
pub use server::Server;

#[cfg(test)]
mod tests;
