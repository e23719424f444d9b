//! Whether content is against a policy (`POST /moderations`): OpenAI and Mistral.

mod client;
mod server;
#[cfg(test)]
mod tests;
mod wire;

pub use client::Client;
pub use server::Server;
