//! Stability (`POST /v2beta/stable-image/{generate|edit|control|upscale}/…`): a form in, a picture in JSON out.

mod client;
mod service;
#[cfg(test)]
mod tests;
mod wire;

pub use client::Client;

pub(in crate::dialect) use client::{ASPECTS, foreign};
pub(in crate::dialect) use service::STRENGTH;
