//! Stability (`POST /v2beta/stable-image/generate/{core|ultra|sd3}`): a form in, a picture in JSON out.

mod client;
#[cfg(test)]
mod tests;
mod wire;

pub use client::Client;
