//! How long a connection may keep us waiting: for its first byte, between requests, in the middle of a
//! request's head, and for room to write an answer.
//!
//! hyper has one timer for a head and the pause before it, none before the first byte (which decides between
//! HTTP/1 and 2), none for HTTP/2 and none for writing. So hyper's timer is the idle bound between HTTP/1
//! requests, and this wrapper sees the bytes and keeps the others.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How an HTTP/2 connection begins, as far as no HTTP/1 request does.
const HTTP2: &[u8] = b"PRI";

/// How many requests of a connection are being answered; shared by the connection and its requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Busy(Arc<AtomicUsize>);

/// Keeps the connection busy until it is dropped: with the answer's last byte.
#[derive(Debug)]
pub(crate) struct Answering(Busy);

impl Busy {
    /// A head was read in full and is being answered.
    pub(crate) fn begin(&self) -> Answering {
        self.0.fetch_add(1, Ordering::AcqRel);
        Answering(self.clone())
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire) > 0
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// For a head, from its first byte (HTTP/1).
    pub(crate) head: Duration,
    /// For the first byte, for the next request (HTTP/2), and for a client to take more of its answer.
    pub(crate) idle: Duration,
}

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    /// So many bytes came, and all were those of [`HTTP2`].
    Unknown(usize),
    Http1,
    Http2,
}

impl Speaks {
    /// Listens only until it knows: bodies go by unheard.
    fn hear(mut self, bytes: &[u8]) -> Self {
        for byte in bytes {
            self = match self {
                Self::Unknown(at) if HTTP2.get(at) != Some(byte) => Self::Http1,
                Self::Unknown(at) if at + 1 == HTTP2.len() => Self::Http2,
                Self::Unknown(at) => Self::Unknown(at + 1),
                Self::Http1 | Self::Http2 => return self,
            };
        }
        self
    }
}

/// A connection whose client must not keep us waiting.
pub(crate) struct Patience<S> {
    stream: S,
    busy: Busy,
    bounds: Bounds,
    speaks: Speaks,
    /// Runs while we wait for the client to say something.
    read: Option<Pin<Box<Sleep>>>,
    /// Runs while we wait for the client to take something.
    write: Option<Pin<Box<Sleep>>>,
}

impl<S> Patience<S> {
    pub(crate) fn new(stream: S, busy: Busy, bounds: Bounds) -> Self {
        Self { stream, busy, bounds, speaks: Speaks::Unknown(0), read: None, write: None }
    }

    /// Starts the timer that what came so far, and the bytes that came now, ask for.
    fn time(&mut self, bytes: &[u8]) {
        let silent = self.speaks == Speaks::Unknown(0);
        self.speaks = self.speaks.hear(bytes);
        let bound = match self.speaks {
            // The first byte ends the wait for it and begins a head.
            _ if silent && !bytes.is_empty() => {
                self.read = None;
                self.bounds.head
            }
            Speaks::Unknown(0) | Speaks::Http2 => self.bounds.idle,
            Speaks::Unknown(_) | Speaks::Http1 if !bytes.is_empty() => self.bounds.head,
            Speaks::Unknown(_) | Speaks::Http1 => return,
        };
        if self.read.is_none() {
            self.read = Some(Box::pin(sleep(bound)));
        }
    }

    /// What a write came to: one that waits is bounded.
    fn written<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.write = None;
            return poll;
        }
        let idle = self.bounds.idle;
        late(
            self.write.get_or_insert_with(|| Box::pin(sleep(idle))),
            cx,
            "a client takes nothing of its answer",
        )
    }
}

fn late<T>(timer: &mut Pin<Box<Sleep>>, cx: &mut Context<'_>, what: &'static str) -> Poll<io::Result<T>> {
    timer.as_mut().poll(cx).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, what)))
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        let bytes = buf.filled().get(before..).unwrap_or_default();
        if this.busy.is_set() {
            this.speaks = this.speaks.hear(bytes);
            this.read = None;
            return read;
        }
        this.time(bytes);
        match &mut this.read {
            Some(timer) if read.is_pending() => late(timer, cx, "a client says nothing, or too slowly"),
            _ => read,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.written(cx, poll)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_flush(cx);
        this.written(cx, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.written(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::{Instant, timeout};

    const BOUNDS: Bounds = Bounds { head: Duration::from_secs(10), idle: Duration::from_secs(60) };

    fn connection() -> (DuplexStream, Patience<DuplexStream>, Busy) {
        let (client, server) = duplex(64);
        let busy = Busy::default();
        (client, Patience::new(server, busy.clone(), BOUNDS), busy)
    }

    /// After how many seconds the wait for more is given up.
    async fn cut(server: &mut Patience<DuplexStream>) -> Option<u64> {
        let (mut buf, started) = ([0; 16], Instant::now());
        let read = timeout(Duration::from_secs(600), server.read(&mut buf)).await.ok()?;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
        Some(started.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_is_cut() {
        let (_client, mut server, _) = connection();
        assert_eq!(cut(&mut server).await, Some(60));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_trickles_is_cut_and_an_answer_in_the_making_is_not() {
        let (mut client, mut server, busy) = connection();
        let mut buf = [0; 16];

        // A head in one piece, answered for a long time.
        client.write_all(b"GET /").await.unwrap();
        assert_eq!(server.read(&mut buf).await.unwrap(), 5);
        let answering = busy.begin();
        assert_eq!(cut(&mut server).await, None);
        drop(answering);

        // The pause between requests is bounded elsewhere; a head that never ends is bounded here.
        assert_eq!(cut(&mut server).await, None);
        client.write_all(b"P").await.unwrap();
        assert_eq!(server.read(&mut buf).await.unwrap(), 1);
        assert_eq!(cut(&mut server).await, Some(10));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_head_is_bounded_from_its_first_byte() {
        let (mut client, mut server, _) = connection();
        client.write_all(b"PRI").await.unwrap();
        assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 1);
        assert_eq!(cut_after(&mut server, 2).await, Some(10));
    }

    /// [`cut`], with so many bytes still to come.
    async fn cut_after(server: &mut Patience<DuplexStream>, bytes: usize) -> Option<u64> {
        for _ in 0..bytes {
            assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 1);
        }
        cut(server).await
    }

    #[tokio::test(start_paused = true)]
    async fn http2_is_not_cut_while_one_of_its_requests_is_answered() {
        let (mut client, mut server, busy) = connection();
        let mut buf = [0; 16];
        client.write_all(b"PRI * HTTP/2.0").await.unwrap();
        assert_eq!(server.read(&mut buf).await.unwrap(), 14);
        let (long, short) = (busy.begin(), busy.begin());
        drop(short);
        client.write_all(b"window").await.unwrap();
        assert_eq!(server.read(&mut buf).await.unwrap(), 6);
        assert_eq!(cut(&mut server).await, None, "one request is still answered");
        drop(long);

        // A frame between requests is no head: the idle bound runs, and frames do not stretch it.
        client.write_all(b"ping").await.unwrap();
        assert_eq!(server.read(&mut buf).await.unwrap(), 4);
        assert_eq!(cut(&mut server).await, Some(60));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_cut() {
        let (mut client, mut server, _) = connection();
        server.write_all(&[0; 64]).await.unwrap();
        let started = Instant::now();
        let error = server.write_all(b"more").await.unwrap_err();
        assert_eq!((error.kind(), started.elapsed().as_secs()), (io::ErrorKind::TimedOut, 60));
        client.read_exact(&mut [0; 64]).await.unwrap();
        server.write_all(b"more").await.unwrap();
    }
}
