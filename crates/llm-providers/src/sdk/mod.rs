//! The SDK: a client that calls any provider by name.
//!
//! It is a thin shell over the same targets, codecs and transports that the gateway uses; choosing among
//! deployments and retrying are `llm-router`'s.

mod batches;
mod client;
mod complete;
mod events;
mod files;
mod list;
mod media;
mod pictures;
mod rerank;
#[cfg(feature = "reqwest")]
mod session;
mod speech;
mod stream;
#[cfg(test)]
mod tests;
mod transcribe;

pub use batches::MadeBatch;
pub use client::{ChatReply, Client, ClientBuilder};
pub use events::{MediaEvent, MediaStream};
pub use files::{NewBatch, RequestCounts, StoredBatch, StoredFile};
pub use media::Answered;
pub use rerank::RerankReply;
pub use speech::SpeechStream;
pub use stream::ChatStream;
