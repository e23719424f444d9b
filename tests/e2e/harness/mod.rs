//! What every test needs: a gateway of its own, a client, and configurations in one line.

mod binary;
mod client;
mod config;
mod gateway;
mod llmctl;
mod raw;
mod upstream;

use std::time::Duration;

pub(crate) use client::{Call, Reply, Streaming};
pub(crate) use config::{
    FAST, anthropic, deployment, gemini, model, model_with, openai, responses_only, with,
};
pub(crate) use gateway::{Gateway, Options, refused};
pub(crate) use llmctl::{Llmctl, Ran, llmctl};
pub(crate) use raw::Raw;
pub(crate) use upstream::{answer, failing, well, well_after};

/// The longest wait for anything that must happen; generous, as machines that build are slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// What providers are called with in tests.
pub(crate) const PROVIDER_KEY: &str = "sk-provider-key-of-the-tests";

/// A chat request with one message.
pub(crate) fn chat(model: &str) -> serde_json::Value {
    serde_json::json!({"model": model, "messages": [{"role": "user", "content": "Hello!"}]})
}

/// The same, streamed.
pub(crate) fn streamed(model: &str) -> serde_json::Value {
    let mut body = chat(model);
    body["stream"] = true.into();
    body
}

/// A chat request with a picture of so many bytes of base64.
pub(crate) fn picture(model: &str, bytes: usize) -> serde_json::Value {
    let url = format!("data:image/png;base64,{}", "A".repeat(bytes));
    let parts = serde_json::json!([{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]);
    serde_json::json!({"model": model, "messages": [{"role": "user", "content": parts}]})
}
