//! Replicate's predictions (<https://replicate.com/docs/reference/http>): language models as functions of a prompt.
//!
//! A call makes a prediction, and what it brings is asked for later: [`follow`] says from each answer where the rest
//! is, the transport goes there. A conversation becomes one prompt, as for text models, with the instructions apart.

mod client;
mod encode;
mod follow;
mod reply;
mod stream;
#[cfg(test)]
mod tests;
mod wire;

pub use client::Client;
