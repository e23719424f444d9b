//! How long a connection may keep us waiting: between requests, and in the middle of a request's head.
//!
//! hyper has one timer for both, which would make an idle connection as suspicious as a head that trickles in.
//! So hyper's timer is the idle bound, and this wrapper sees the first byte of a head and starts the other.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Whether a connection's request is being answered; shared by the connection and its requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Busy(Arc<AtomicBool>);

/// Makes the connection busy until it is dropped: with the answer's last byte.
#[derive(Debug)]
pub(crate) struct Answering(Busy);

impl Busy {
    /// A head was read in full and is being answered.
    pub(crate) fn begin(&self) -> Answering {
        self.0.store(true, Ordering::Release);
        Answering(self.clone())
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Release);
    }
}

/// A connection whose heads must arrive in time.
pub(crate) struct Patience<S> {
    stream: S,
    busy: Busy,
    bound: Duration,
    /// Runs from the first byte of a head to its end.
    head: Option<Pin<Box<Sleep>>>,
}

impl<S> Patience<S> {
    pub(crate) fn new(stream: S, busy: Busy, bound: Duration) -> Self {
        Self { stream, busy, bound, head: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if this.busy.is_set() {
            this.head = None;
            return read;
        }
        if buf.filled().len() > before && this.head.is_none() {
            this.head = Some(Box::pin(sleep(this.bound)));
        }
        let late = match &mut this.head {
            Some(head) => read.is_pending() && head.as_mut().poll(cx).is_ready(),
            None => false,
        };
        if late {
            let error = io::Error::new(io::ErrorKind::TimedOut, "a request's head came too slowly");
            return Poll::Ready(Err(error));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test(start_paused = true)]
    async fn a_head_that_trickles_is_cut_and_an_idle_connection_is_not() {
        let (mut client, server) = duplex(64);
        let busy = Busy::default();
        let mut server = Patience::new(server, busy.clone(), Duration::from_secs(10));
        let mut buf = [0; 16];

        // Idle: nothing has come, nothing is held against it.
        let idle = tokio::time::timeout(Duration::from_secs(60), server.read(&mut buf)).await;
        assert!(idle.is_err());

        // A head in one piece, answered for a long time.
        client.write_all(b"GET /").await.unwrap();
        assert_eq!(server.read(&mut buf).await.unwrap(), 5);
        let answering = busy.begin();
        let during = tokio::time::timeout(Duration::from_secs(60), server.read(&mut buf)).await;
        assert!(during.is_err());
        drop(answering);

        // A head that never ends.
        client.write_all(b"G").await.unwrap();
        assert_eq!(server.read(&mut buf).await.unwrap(), 1);
        let error = server.read(&mut buf).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
