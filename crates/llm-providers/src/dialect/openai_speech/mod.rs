//! Text to speech (`POST /audio/speech`): JSON in, sound out.
//!
//! Most answer with the sound itself, which goes through as it comes. Some answer with JSON that holds it in base64
//! (Mistral's `audio_data`); with `stream_format = "sse"` it comes in events: those of the
//! provider, or [`Sound`] written as such while it comes.

mod client;
mod server;
mod stream;
#[cfg(test)]
mod tests;
mod wire;

pub use client::Client;
pub use server::Server;
pub use stream::Sound;

pub(in crate::dialect) use client::{kind_of, plain, spoken, spoken_by_character};
