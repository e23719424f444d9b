//! A load generator: closed loop, fixed rate, and streams.
//!
//! It writes prepared bytes and reads replies with the reader of this crate, because it shares a core
//! with the upstream: what it spends is missing there.

mod histogram;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::http1::{self, BodyReader};
pub use histogram::Histogram;

/// A reply that takes longer than this counts as an error.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// Where the load goes, and the request: whole, as bytes.
#[derive(Debug, Clone)]
pub struct Target {
    /// The server.
    pub addr: SocketAddr,
    /// The request with its head, sent again and again.
    pub request: Bytes,
}

impl Target {
    /// A `POST` of JSON.
    #[must_use]
    pub fn post(addr: SocketAddr, path: &str, body: &[u8]) -> Self {
        let headers = [("content-type", "application/json")];
        Self { addr, request: http1::request_bytes("POST", path, &headers, body) }
    }
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Replies with a 2xx status that were read to their end.
    pub requests: u64,
    /// Everything else.
    pub errors: u64,
    /// Why the first of these failed.
    pub first_error: Option<String>,
    /// SSE events in all replies.
    pub events: u64,
    /// From the first request to the last reply.
    pub elapsed: Duration,
    /// From a request to the last byte of its reply.
    pub latency: Histogram,
    /// Between two events of one reply, from its second on.
    pub gaps: Histogram,
}

impl Report {
    /// Good replies per second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.requests as f64 / seconds } else { 0.0 }
    }

    /// The figures of this run; gaps are measured against the gap that was expected.
    #[must_use]
    pub fn summary(&self, expected_gap: Duration) -> Summary {
        let deviation = self.gaps.deviation_from(expected_gap);
        Summary {
            requests: self.requests,
            errors: self.errors,
            first_error: self.first_error.clone(),
            events: self.events,
            per_second: self.per_second(),
            p50_us: micros(self.latency.percentile(50)),
            p99_us: micros(self.latency.percentile(99)),
            gap_deviation_p99_us: micros(deviation.percentile(99)),
            gap_deviation_max_us: micros(deviation.max()),
        }
    }

    fn add(&mut self, result: io::Result<Reply>, took: Duration) {
        match result {
            Ok(reply) if (200..300).contains(&reply.status) => {
                self.requests += 1;
                self.latency.record(took);
                self.events += reply.events;
                reply.gaps.into_iter().for_each(|gap| self.gaps.record(gap));
            }
            Ok(reply) => self.fail(format!("status {}: {}", reply.status, reply.excerpt)),
            Err(error) => self.fail(error.to_string()),
        }
    }

    fn fail(&mut self, why: String) {
        self.errors += 1;
        self.first_error.get_or_insert(why);
    }

    fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.events += other.events;
        self.first_error = self.first_error.take().or(other.first_error);
        self.latency.merge(&other.latency);
        self.gaps.merge(&other.gaps);
    }
}

/// The figures of a run, as they cross from the load generator's process to who started it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Good replies.
    pub requests: u64,
    /// Failures.
    pub errors: u64,
    /// Why the first of these failed.
    pub first_error: Option<String>,
    /// SSE events.
    pub events: u64,
    /// Good replies per second.
    pub per_second: f64,
    /// Median latency.
    pub p50_us: f64,
    /// 99th percentile of latency.
    pub p99_us: f64,
    /// 99th percentile of how far gaps between events are from the expected one.
    pub gap_deviation_p99_us: f64,
    /// The largest of these.
    pub gap_deviation_max_us: f64,
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Keeps `connections` busy for that time: each sends its next request when it has its reply.
pub async fn closed_loop(target: &Target, connections: usize, time: Duration) -> Report {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let target = target.clone();
        tasks.spawn(async move {
            let mut report = Report::default();
            let mut client = None;
            while start.elapsed() < time {
                let begun = Instant::now();
                let result = call(&mut client, &target).await;
                let failed = result.is_err();
                report.add(result, begun.elapsed());
                if failed {
                    client = None;
                    // A refusing server must not make a busy loop.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            report
        });
    }
    collect(tasks, start).await
}

/// Sends `per_second` requests each second, whether or not earlier ones are answered. A free
/// connection is used again; where there is none, one more is opened.
pub async fn fixed_rate(target: &Target, per_second: u32, time: Duration) -> Report {
    let start = Instant::now();
    let gap = Duration::from_secs(1) / per_second.max(1);
    let idle: Arc<Mutex<Vec<Client>>> = Arc::default();
    let mut tasks = JoinSet::new();
    let mut ticks = tokio::time::interval(gap);
    while start.elapsed() < time {
        ticks.tick().await;
        let (target, idle) = (target.clone(), Arc::clone(&idle));
        tasks.spawn(async move {
            let mut client = idle.lock().await.pop();
            let begun = Instant::now();
            let result = call(&mut client, &target).await;
            let mut report = Report::default();
            report.add(result, begun.elapsed());
            if let Some(client) = client {
                idle.lock().await.push(client);
            }
            report
        });
    }
    collect(tasks, start).await
}

async fn collect(mut tasks: JoinSet<Report>, start: Instant) -> Report {
    let mut total = Report::default();
    while let Some(report) = tasks.join_next().await {
        match report {
            Ok(report) => total.merge(report),
            Err(error) => total.fail(error.to_string()),
        }
    }
    total.elapsed = start.elapsed();
    total
}

/// Sends one request and returns the status and the body.
///
/// # Errors
/// When the server can't be reached or breaks off.
pub async fn once(target: &Target) -> io::Result<(u16, Bytes)> {
    let mut client = Client::connect(target.addr).await?;
    client.stream.write_all(&target.request).await?;
    let head = client.head().await?;
    let body = http1::read_body(&mut client.stream, &mut client.buffer, head.reply_framing()?).await?;
    Ok((head.status().unwrap_or(0), body))
}

/// Sends a request on the connection, opening one where there is none, and drops it when it can't be
/// used again.
async fn call(slot: &mut Option<Client>, target: &Target) -> io::Result<Reply> {
    let mut client = match slot.take() {
        Some(client) => client,
        None => Client::connect(target.addr).await?,
    };
    let reply = tokio::time::timeout(REPLY_TIMEOUT, client.call(&target.request))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no reply in 30 s"))??;
    if reply.keep_alive {
        *slot = Some(client);
    }
    Ok(reply)
}

#[derive(Debug)]
struct Client {
    stream: TcpStream,
    buffer: BytesMut,
}

#[derive(Debug, Default)]
struct Reply {
    status: u16,
    keep_alive: bool,
    events: u64,
    gaps: Vec<Duration>,
    /// The beginning of a body that is no success.
    excerpt: String,
}

impl Client {
    async fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: BytesMut::with_capacity(16 * 1024) })
    }

    async fn head(&mut self) -> io::Result<http1::Head> {
        let head = http1::read_head(&mut self.stream, &mut self.buffer).await?;
        head.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "closed without a reply"))
    }

    async fn call(&mut self, request: &[u8]) -> io::Result<Reply> {
        self.stream.write_all(request).await?;
        let head = self.head().await?;
        let is_stream = head.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
        let close = head.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let framing = head.reply_framing()?;
        let mut reply = Reply {
            status: head.status().unwrap_or(0),
            keep_alive: !close && framing != http1::Framing::UntilClose,
            ..Reply::default()
        };
        let mut body = BodyReader::new(framing);
        let mut events = EventCounter::default();
        while let Some(piece) = body.next(&mut self.stream, &mut self.buffer).await? {
            if is_stream {
                events.read(&piece);
            } else if reply.status >= 300 && reply.excerpt.len() < 400 {
                reply.excerpt.push_str(&String::from_utf8_lossy(&piece));
            }
        }
        reply.events = events.count;
        reply.gaps = events.gaps;
        Ok(reply)
    }
}

/// Counts events by their empty lines and notes when each was complete.
///
/// Gaps are counted from the second event on: a chat stream's first says only its role, and a gateway that
/// can still fail over sends it together with the first content.
#[derive(Debug, Default)]
struct EventCounter {
    count: u64,
    after_line_end: bool,
    last: Option<Instant>,
    gaps: Vec<Duration>,
}

impl EventCounter {
    fn read(&mut self, piece: &[u8]) {
        let mut ends = 0_u64;
        let mut rest = piece;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let line_is_empty = match at.checked_sub(1).and_then(|before| rest.get(before)) {
                None => self.after_line_end,
                Some(b'\r') if at == 1 => self.after_line_end,
                Some(_) => false,
            };
            ends += u64::from(line_is_empty);
            self.after_line_end = !line_is_empty;
            rest = rest.get(at + 1..).unwrap_or_default();
        }
        if !rest.is_empty() && rest != b"\r" {
            self.after_line_end = false;
        }
        if ends > 0 {
            self.count += ends;
            let now = Instant::now();
            if self.count < 2 {
                return;
            }
            if let Some(last) = self.last.replace(now) {
                self.gaps.push(now - last);
            }
        }
    }
}

#[cfg(test)]
mod tests;
