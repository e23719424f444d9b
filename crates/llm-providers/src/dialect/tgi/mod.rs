//! A prompt and its parameters, as HuggingFace's Text Generation Inference has them
//! (<https://huggingface.github.io/text-generation-inference/>), and the endpoints of SageMaker that run such servers.
//!
//! The server knows no conversation: it becomes one prompt, as for text models. Whoever knows the model's template writes
//! the prompt, as one message of the user, which goes as it is. No client speaks this dialect to us.

mod client;
mod encode;
mod reply;
mod stream;
#[cfg(test)]
mod tests;
mod wire;

pub use client::Client;
