//! Vectors as HuggingFace's inference service has them: a pipeline of a model, at an address of its own
//! (<https://huggingface.co/docs/inference-providers/tasks/feature-extraction>). No client speaks it to us.

mod client;
#[cfg(test)]
mod tests;

pub use client::Client;
