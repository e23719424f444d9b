//! The upstream's connections: read a request, play its script.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::Shared;
use super::log::{Outcome, Received};
use crate::http1;
use crate::script::{BodyFraming, End, Kind, Script, Step};

pub(super) async fn accept_all(listener: std::net::TcpListener, shared: Arc<Shared>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let number = shared.log.connection();
        if shared.close_on_accept() {
            continue;
        }
        stream.set_nodelay(true)?;
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // A connection that fails ends; what the client did is in the log.
            let _ = Connection { stream, buffer: BytesMut::new(), number, shared }.run().await;
        });
    }
}

struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
    number: usize,
    shared: Arc<Shared>,
}

/// What becomes of the connection after a response.
#[derive(PartialEq, Eq)]
enum After {
    KeepOpen,
    Close,
    Reset,
}

impl Connection {
    async fn run(mut self) -> io::Result<()> {
        while let Some(head) = http1::read_head(&mut self.stream, &mut self.buffer).await? {
            if head.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
                self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            }
            let framing = head.request_framing()?;
            let close = head.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
            let body = http1::read_body(&mut self.stream, &mut self.buffer, framing).await?;
            let request = Received::new(head, body, self.number);
            let script = self.shared.script_for(&request);
            if script.is_none() {
                self.shared.log.count_unscripted();
            }
            let script = script.unwrap_or_else(|| unscripted(&request));
            let index = self.shared.log.request(request);
            let played = self.play(&script).await;
            let now = Instant::now();
            let outcome = if played.is_ok() { Outcome::Finished(now) } else { Outcome::Cancelled(now) };
            self.shared.log.outcome(index, outcome);
            match played? {
                After::KeepOpen if !close => {}
                After::KeepOpen | After::Close => break,
                After::Reset => {
                    // Closing with a linger of zero sends RST in place of FIN.
                    socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Sends the response. An error means that the client went away.
    async fn play(&mut self, script: &Script) -> io::Result<After> {
        for step in &script.before_head {
            self.step(step, BodyFraming::Length).await?;
        }
        if let Kind::Garbage(bytes) = &script.kind {
            self.stream.write_all(bytes).await?;
            return Ok(After::Close);
        }
        let head = head(script);
        let Some(gap) = script.head_gap else {
            return self.play_body(script, head).await;
        };
        for line in head.split_inclusive(|byte| *byte == b'\n') {
            self.stream.write_all(line).await?;
            self.wait(gap).await?;
        }
        self.play_body(script, Vec::new()).await
    }

    /// `head` goes out together with the first piece of the body, as servers do.
    async fn play_body(&mut self, script: &Script, head: Vec<u8>) -> io::Result<After> {
        let mut head = Some(head);
        for step in &script.steps {
            match (step, head.take()) {
                (Step::Send(bytes), Some(mut first)) => {
                    put(&mut first, bytes, script.framing);
                    self.stream.write_all(&first).await?;
                }
                (step, first) => {
                    self.stream.write_all(&first.unwrap_or_default()).await?;
                    self.step(step, script.framing).await?;
                }
            }
        }
        let mut last = head.unwrap_or_default();
        if script.end == End::Clean && script.framing == BodyFraming::Chunked {
            last.extend_from_slice(b"0\r\n\r\n");
        }
        self.stream.write_all(&last).await?;
        match script.end {
            End::Clean => Ok(After::KeepOpen),
            End::Truncate => Ok(After::Close),
            End::Reset => Ok(After::Reset),
            End::Stall => Err(self.gone().await),
        }
    }

    async fn step(&mut self, step: &Step, framing: BodyFraming) -> io::Result<()> {
        match step {
            Step::Send(bytes) => {
                let mut out = Vec::with_capacity(bytes.len() + 16);
                put(&mut out, bytes, framing);
                self.stream.write_all(&out).await
            }
            Step::Wait(time) => self.wait(*time).await,
            Step::Gate(gate) => tokio::select! {
                () = gate.wait() => Ok(()),
                gone = self.gone() => Err(gone),
            },
        }
    }

    async fn wait(&self, time: Duration) -> io::Result<()> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            gone = self.gone() => Err(gone),
        }
    }

    /// Ends when the client closes the connection.
    async fn gone(&self) -> io::Error {
        match self.stream.peek(&mut [0]).await {
            Ok(0) => io::ErrorKind::ConnectionAborted.into(),
            // The client has sent its next request already, so its end can't be seen from here.
            Ok(_) => std::future::pending().await,
            Err(error) => error,
        }
    }
}

fn unscripted(request: &Received) -> Script {
    let text = format!("testkit: no script for {} {}", request.method, request.target);
    Script::status(500).header("content-type", "text/plain").body(text)
}

fn head(script: &Script) -> Vec<u8> {
    let reason = http::StatusCode::from_u16(script.status).ok().and_then(|status| status.canonical_reason());
    let mut head = format!("HTTP/1.1 {} {}\r\n", script.status, reason.unwrap_or("Unknown"));
    for (name, value) in &script.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match script.framing {
        BodyFraming::Chunked => head.push_str("transfer-encoding: chunked\r\n"),
        BodyFraming::Length => head.push_str(&format!("content-length: {}\r\n", declared_length(script))),
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// The length that the head promises: one byte too many where the end is not clean, else the client
/// would take the body for complete.
fn declared_length(script: &Script) -> usize {
    let sent: usize =
        script.steps.iter().map(|step| if let Step::Send(bytes) = step { bytes.len() } else { 0 }).sum();
    if script.end == End::Clean { sent } else { sent + 1 }
}

fn put(out: &mut Vec<u8>, bytes: &Bytes, framing: BodyFraming) {
    match framing {
        BodyFraming::Length => out.extend_from_slice(bytes),
        // An empty chunk would end the body.
        BodyFraming::Chunked if bytes.is_empty() => {}
        BodyFraming::Chunked => {
            out.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
            out.extend_from_slice(bytes);
            out.extend_from_slice(b"\r\n");
        }
    }
}
