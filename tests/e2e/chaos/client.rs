//! One request of one client, and what came of it.

use std::time::{Duration, Instant};

use llm_testkit::sse;
use serde_json::{Value, json};

use crate::harness::Gateway;

/// What became of one request.
#[derive(Debug)]
pub(crate) struct Answered {
    /// The model that it asked for.
    pub(crate) model: &'static str,
    /// Names the request, in its prompt and in every answer to it.
    pub(crate) marker: String,
    pub(crate) streamed: bool,
    pub(crate) began: Instant,
    pub(crate) took: Duration,
    /// What of that, up to the head of the answer, the gateway says was its own.
    pub(crate) overhead: Option<Duration>,
    /// When the first content was there.
    pub(crate) first: Option<Instant>,
    pub(crate) answer: Answer,
}

/// What a client got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The answer to its end.
    Whole(String),
    /// The status and the message of an error in place of an answer.
    Error(u16, String),
    /// A part of an answer, then an error event.
    Cut(String, String),
    /// Nothing that a client could make sense of.
    Improper(String),
}

impl Answer {
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self, Self::Whole(_))
    }
}

/// Asks once.
pub(crate) async fn ask(gateway: &Gateway, model: &'static str, marker: String, streamed: bool) -> Answered {
    let began = Instant::now();
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": marker}]});
    if streamed {
        body["stream"] = true.into();
    }
    let mut reply = gateway.stream(&body).await;
    let (status, kind) = (reply.status(), reply.header("content-type").to_owned());
    let overhead = reply.header("x-gateway-overhead-us").parse().ok().map(Duration::from_micros);
    let (mut text, mut first) = (Vec::new(), None);
    while let Some(chunk) = reply.chunk().await {
        text.extend_from_slice(&chunk);
        let content = |text: &[u8]| text.windows(marker.len()).any(|window| window == marker.as_bytes());
        if first.is_none() && content(&text) {
            first = Some(Instant::now());
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let answer = match (status, kind.starts_with("text/event-stream")) {
        (200, true) if streamed => of_stream(&text),
        (200, false) if !streamed => of_body(&text),
        (400.., false) => of_error(status, &text),
        _ => Answer::Improper(format!("{status} {kind}: {text}")),
    };
    Answered { model, marker, streamed, began, took: began.elapsed(), overhead, first, answer }
}

fn of_body(text: &str) -> Answer {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    match (&body["choices"][0]["message"]["content"], &body["choices"][0]["finish_reason"]) {
        (Value::String(content), Value::String(_)) => Answer::Whole(content.clone()),
        _ => Answer::Improper(text.to_owned()),
    }
}

fn of_error(status: u16, text: &str) -> Answer {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    match body["error"]["message"].as_str() {
        Some(message) if !message.is_empty() => Answer::Error(status, message.to_owned()),
        _ => Answer::Improper(format!("{status} {text}")),
    }
}

fn of_stream(text: &str) -> Answer {
    let events = sse::json_events(text);
    let content: String =
        events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    let errors: Vec<_> = events.iter().filter_map(|event| event["error"]["message"].as_str()).collect();
    let finished = events.iter().any(|event| event["choices"][0]["finish_reason"].is_string());
    let last_is_error = events.last().is_some_and(|event| event["error"].is_object());
    let done = text.trim_end().ends_with("data: [DONE]");
    match (done && finished, errors.as_slice()) {
        (true, []) => Answer::Whole(content),
        (false, [message]) if last_is_error && !done && !finished => {
            Answer::Cut(content, (*message).to_owned())
        }
        _ => Answer::Improper(text.to_owned()),
    }
}
