//! Deepgram: speech to text (`POST /listen`: the sound as it is, options in the query) and text to speech
//! (`POST /speak`, where the model is the voice).

mod client;
mod listen;
mod speak;
#[cfg(test)]
mod tests;
mod wire;

pub use client::Client;
