//! A fast upstream with canned answers, for `cargo xtask bench`.
//!
//! `POST` to a path that ends in `/chat/completions` answers as OpenAI, `/messages` as Anthropic; with
//! `"stream":true` each event is a write of its own, as fast as it goes, or with a gap where the path
//! begins with `/paced`. The answers are rendered once and the requests barely read: this shares a core
//! with the load generator.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use clap::Parser;
use llm_testkit::canned::{self, IncludeUsage};
use llm_testkit::http1;
use memchr::memmem;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};

#[derive(Parser)]
struct Args {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
    /// Content chunks in a stream.
    #[arg(long, default_value_t = 200)]
    chunks: usize,
    /// Content chunks in a paced stream.
    #[arg(long, default_value_t = 100)]
    paced_chunks: usize,
    /// Milliseconds between two events of a paced stream.
    #[arg(long, default_value_t = 20)]
    gap_ms: u64,
    /// Bytes of text in an answer that is no stream.
    #[arg(long, default_value_t = 500)]
    text_bytes: usize,
}

struct Answers {
    gap: Duration,
    openai: Bytes,
    anthropic: Bytes,
    openai_stream: Vec<Bytes>,
    openai_stream_usage: Vec<Bytes>,
    anthropic_stream: Vec<Bytes>,
    paced: Vec<Bytes>,
    /// How many paced streams have begun.
    begun: AtomicU32,
}

/// Paced streams take turns within a gap, so many of them: models do not answer in step, and a burst of
/// events would measure how long the load generator's own core takes for it.
const PHASES: u32 = 8;

impl Answers {
    fn new(args: &Args) -> Self {
        Self {
            gap: Duration::from_millis(args.gap_ms),
            openai: whole("200 OK", &canned::openai_completion(args.text_bytes).to_string()),
            anthropic: whole("200 OK", &canned::anthropic_message(args.text_bytes).to_string()),
            openai_stream: stream(canned::openai_stream(args.chunks, IncludeUsage::No)),
            openai_stream_usage: stream(canned::openai_stream(args.chunks, IncludeUsage::Yes)),
            anthropic_stream: stream(canned::anthropic_stream(args.chunks)),
            paced: stream(canned::openai_stream(args.paced_chunks, IncludeUsage::No)),
            begun: AtomicU32::new(0),
        }
    }

    /// How long a stream waits before its first event.
    fn phase(&self, target: &str) -> Duration {
        if !paced(target) {
            return Duration::ZERO;
        }
        self.gap * (self.begun.fetch_add(1, Ordering::Relaxed) % PHASES) / PHASES
    }

    /// The writes that answer a request.
    fn pick(&self, target: &str, body: &[u8]) -> Option<&[Bytes]> {
        if paced(target) {
            return Some(&self.paced);
        }
        let streamed = has(body, b"\"stream\":true") || has(body, b"\"stream\": true");
        let usage = has(body, b"\"include_usage\":true") || has(body, b"\"include_usage\": true");
        match (target.rsplit('/').next()?, streamed, usage) {
            ("completions", false, _) => Some(std::slice::from_ref(&self.openai)),
            ("completions", true, false) => Some(&self.openai_stream),
            ("completions", true, true) => Some(&self.openai_stream_usage),
            ("messages", false, _) => Some(std::slice::from_ref(&self.anthropic)),
            ("messages", true, _) => Some(&self.anthropic_stream),
            _ => None,
        }
    }
}

fn paced(target: &str) -> bool {
    target.starts_with("/paced/")
}

fn has(body: &[u8], what: &[u8]) -> bool {
    memmem::find(body, what).is_some()
}

fn whole(status: &str, body: &str) -> Bytes {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-request-id: req_1\r\n");
    format!("{head}content-length: {length}\r\n\r\n{body}").into()
}

/// One write per event; the head leaves with the first and the end of the body with the last.
fn stream(events: Vec<String>) -> Vec<Bytes> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: req_1\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let last = events.len().saturating_sub(1);
    let chunk = |(index, event): (usize, String)| {
        let before = if index == 0 { head } else { "" };
        let after = if index == last { "0\r\n\r\n" } else { "" };
        Bytes::from(format!("{before}{:x}\r\n{event}\r\n{after}", event.len()))
    };
    events.into_iter().enumerate().map(chunk).collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let listener = TcpListener::bind(args.listen).await?;
    let answers = Arc::new(Answers::new(&args));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answers = Arc::clone(&answers);
        tokio::spawn(async move {
            // A client that breaks off is no event here.
            let _ = serve(stream, &answers).await;
        });
    }
}

async fn serve(mut stream: TcpStream, answers: &Answers) -> io::Result<()> {
    let mut buffer = BytesMut::with_capacity(16 * 1024);
    while let Some(head) = http1::read_head(&mut stream, &mut buffer).await? {
        let body = http1::read_body(&mut stream, &mut buffer, head.request_framing()?).await?;
        let target = head.method_and_target().map_or("", |(_, target)| target);
        let Some(writes) = answers.pick(target, &body) else {
            stream.write_all(&whole("404 Not Found", "{}")).await?;
            continue;
        };
        let start = Instant::now() + answers.phase(target);
        for (index, write) in (0_u32..).zip(writes) {
            if paced(target) {
                // Against the start and not the last write, so that lateness does not add up.
                sleep_until(start + answers.gap * index).await;
            } else if index > 0 {
                // So that streams take turns, as they would from a model.
                tokio::task::yield_now().await;
            }
            stream.write_all(write).await?;
        }
    }
    Ok(())
}
