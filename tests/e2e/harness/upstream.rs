//! Upstreams that speak OpenAI's chat, in one line.

use std::collections::VecDeque;
use std::sync::Mutex;

use llm_testkit::{Received, Script, Upstream, canned};
use serde_json::json;

/// The whole or the streamed answer that a request asks for.
pub(crate) fn answer(request: &Received) -> Script {
    if request.json()["stream"] == true {
        Script::sse(canned::openai_stream(5, canned::IncludeUsage::Yes))
    } else {
        Script::json(&canned::openai_completion(50))
    }
}

/// An upstream that answers.
pub(crate) fn well() -> Upstream {
    well_after([])
}

/// An upstream that answers once it has done this.
pub(crate) fn well_after(first: impl IntoIterator<Item = Script>) -> Upstream {
    let upstream = Upstream::start().unwrap();
    let queue: Mutex<VecDeque<Script>> = Mutex::new(first.into_iter().collect());
    upstream.on("/v1/chat/completions", move |request| {
        let next = queue.lock().unwrap().pop_front();
        next.unwrap_or_else(|| answer(request))
    });
    upstream
}

/// An error with this status and code.
pub(crate) fn failing(status: u16, code: &str) -> Script {
    Script::status(status).json_body(&json!({"error": {"message": "no luck", "type": "x", "code": code}}))
}
