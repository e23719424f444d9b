//! Gemini `generateContent`, as the Gemini API speaks it.
//!
//! The model and whether the answer is streamed stand in the URL, not in the body, and every chunk of a
//! stream has the shape of a whole answer: that is why one state machine (`decode`) reads both. What
//! differs between generations of models is data in `model`; what differs between the hosts that speak
//! this format stands alone in `host`.

mod client;
mod decode;
mod encode;
mod host;
mod ids;
mod media;
mod model;
mod pictures;
mod predict;
mod schema;
mod server;
mod vectors;
mod wire;

#[cfg(test)]
mod tests;

pub use client::Client;
pub use server::Server;
