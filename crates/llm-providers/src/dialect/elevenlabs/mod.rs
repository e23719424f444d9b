//! ElevenLabs: speech to text (`POST /v1/speech-to-text`, a form with names of its own) and text to speech
//! (`POST /v1/text-to-speech/{voice}/stream`).

mod client;
mod listen;
mod speak;
#[cfg(test)]
mod tests;
mod wire;

pub use client::Client;
