//! The `bedrock` dialect: Amazon Bedrock's Converse and ConverseStream.
//!
//! One format for many families of models, which differ in what of it they take: `model` holds that as data.
//! Where Claude answers, its own generations count as well, and those facts are the `anthropic` dialect's.
//! Streams are binary messages (`frame::EventStreamFrames`); requests are signed by the target, not here.
//! Pictures and vectors are made by `InvokeModel`, whose bodies are the models' own.
//! Sources: the service model 2023-09-30 (docs.aws.amazon.com/bedrock/latest/APIReference) and the recordings.

mod client;
mod decode;
mod encode;
mod image;
mod model;
mod usage;
mod vectors;
mod wire;

#[cfg(test)]
mod tests;

pub use client::Client;
