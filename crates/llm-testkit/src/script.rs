//! What a scripted upstream answers: one [`Script`] per request.
//!
//! A script is data, built by chaining, so that a test shows the whole conversation in one expression.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::watch;

/// One answer, faults included.
#[derive(Debug, Clone)]
pub struct Script {
    pub(crate) kind: Kind,
    pub(crate) before_head: Vec<Step>,
    pub(crate) head_gap: Option<Duration>,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) framing: BodyFraming,
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// A reply in HTTP.
    Http,
    /// These bytes in its place, then the connection closes.
    Garbage(Bytes),
    /// The connection closes as soon as it is accepted; no request is read.
    CloseOnAccept,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFraming {
    Length,
    Chunked,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Send(Bytes),
    Wait(Duration),
    Gate(Gate),
}

/// How the body of a reply ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As HTTP wants it; the connection stays open.
    Clean,
    /// The connection is reset (RST).
    Reset,
    /// The connection closes before the body is complete.
    Truncate,
    /// Nothing more is sent and the connection stays open until the client goes away.
    Stall,
}

/// Holds a script back until the test opens it, so that no test has to guess a delay.
#[derive(Debug, Clone)]
pub struct Gate {
    open: Arc<watch::Sender<bool>>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { open: Arc::new(watch::Sender::new(false)) }
    }
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets every script through that waits here, now and later.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits until the gate is open.
    pub async fn wait(&self) {
        let mut open = self.open.subscribe();
        // The sender lives as long as `self`, so this can't fail.
        let _ = open.wait_for(|open| *open).await;
    }
}

impl Script {
    /// A reply with that status and an empty body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            kind: Kind::Http,
            before_head: Vec::new(),
            head_gap: None,
            status,
            headers: Vec::new(),
            framing: BodyFraming::Length,
            steps: Vec::new(),
            end: End::Clean,
        }
    }

    /// 200 with a JSON body and its length.
    #[must_use]
    pub fn json(body: &Value) -> Self {
        Self::status(200).json_body(body)
    }

    /// 200 with an event stream: each item is the text of one event, and is one chunk.
    #[must_use]
    pub fn sse<I>(events: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Bytes>,
    {
        let script = Self::status(200).header("content-type", "text/event-stream").chunked();
        events.into_iter().fold(script, Self::chunk)
    }

    /// An OpenAI stream: each value becomes a `data:` event, and `[DONE]` follows.
    #[must_use]
    pub fn openai_sse(chunks: &[Value]) -> Self {
        let done = std::iter::once("data: [DONE]\n\n".to_owned());
        Self::sse(chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).chain(done))
    }

    /// An Anthropic stream: each value becomes an event that is named after its `type`.
    #[must_use]
    pub fn anthropic_sse(events: &[Value]) -> Self {
        Self::sse(events.iter().map(|event| {
            let name = event.get("type").and_then(Value::as_str).unwrap_or_default();
            format!("event: {name}\ndata: {event}\n\n")
        }))
    }

    /// Bytes that are not HTTP, then the connection closes.
    #[must_use]
    pub fn garbage(bytes: impl Into<Bytes>) -> Self {
        Self { kind: Kind::Garbage(bytes.into()), ..Self::status(0) }
    }

    /// The next connection is closed as soon as it is accepted, before a request is read. Works from
    /// the upstream's common queue only: a path is not known by then.
    #[must_use]
    pub fn close_on_accept() -> Self {
        Self { kind: Kind::CloseOnAccept, ..Self::status(0) }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a JSON body, and its content type.
    #[must_use]
    pub fn json_body(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// Adds bytes to the body. A body of one piece carries `content-length` unless it is chunked.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Bytes>) -> Self {
        self.steps.push(Step::Send(bytes.into()));
        self
    }

    /// Uses `transfer-encoding: chunked`.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.framing = BodyFraming::Chunked;
        self
    }

    /// Adds one chunk, written and flushed by itself. The body becomes chunked.
    #[must_use]
    pub fn chunk(self, bytes: impl Into<Bytes>) -> Self {
        self.chunked().body(bytes)
    }

    /// Waits before the next piece of the body.
    #[must_use]
    pub fn pause(mut self, time: Duration) -> Self {
        self.steps.push(Step::Wait(time));
        self
    }

    /// Puts a pause between all pieces of the body that are there by now.
    #[must_use]
    pub fn paced(mut self, gap: Duration) -> Self {
        let pieces = std::mem::take(&mut self.steps);
        for (index, piece) in pieces.into_iter().enumerate() {
            if index > 0 && matches!(piece, Step::Send(_)) {
                self.steps.push(Step::Wait(gap));
            }
            self.steps.push(piece);
        }
        self
    }

    /// Waits for the gate before the next piece of the body.
    #[must_use]
    pub fn gate(mut self, gate: &Gate) -> Self {
        self.steps.push(Step::Gate(gate.clone()));
        self
    }

    /// Waits before the head.
    #[must_use]
    pub fn delay_head(mut self, time: Duration) -> Self {
        self.before_head.push(Step::Wait(time));
        self
    }

    /// Waits for the gate before the head.
    #[must_use]
    pub fn gate_head(mut self, gate: &Gate) -> Self {
        self.before_head.push(Step::Gate(gate.clone()));
        self
    }

    /// Sends the head line by line, with a pause after each.
    #[must_use]
    pub fn slow_head(mut self, gap: Duration) -> Self {
        self.head_gap = Some(gap);
        self
    }

    /// Sets how the body ends.
    #[must_use]
    pub fn then(mut self, end: End) -> Self {
        self.end = end;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pacing_puts_a_pause_between_pieces_only() {
        let script = Script::sse(["a", "b", "c"]).paced(Duration::from_millis(7));
        let shape: String = script
            .steps
            .iter()
            .map(|step| match step {
                Step::Send(_) => 's',
                Step::Wait(_) => 'w',
                Step::Gate(_) => 'g',
            })
            .collect();
        assert_eq!(shape, "swsws");
        assert_eq!(script.framing, BodyFraming::Chunked);
    }

    #[tokio::test]
    async fn a_gate_stays_open() {
        let gate = Gate::new();
        gate.open();
        gate.wait().await;
        gate.wait().await;
    }
}
