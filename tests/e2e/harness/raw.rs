//! A connection on which the test writes each byte itself.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use llm_testkit::http1::{self, Head};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

/// An open connection.
#[derive(Debug)]
pub(crate) struct Raw {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Raw {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(addr).await.unwrap(), buffer: BytesMut::new() }
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// The head of the next answer.
    pub(crate) async fn head(&mut self) -> Head {
        let head = timeout(PATIENCE, http1::read_head(&mut self.stream, &mut self.buffer)).await;
        head.expect("a head in time").unwrap().expect("an answer before the end")
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self) -> (Head, Bytes) {
        let head = self.head().await;
        let framing = head.reply_framing().unwrap();
        let body = timeout(PATIENCE, http1::read_body(&mut self.stream, &mut self.buffer, framing)).await;
        (head, body.expect("a body in time").unwrap())
    }

    /// The status of the answer to a request that may not be read to its end; `None`: the connection was closed.
    pub(crate) async fn refusal(mut self, request: &[u8]) -> Option<u16> {
        let (mut read, mut write) = self.stream.split();
        let written = async {
            let _ = write.write_all(request).await;
            std::future::pending::<()>().await;
        };
        let answer = async {
            let mut start = [0; 12];
            read.read_exact(&mut start).await.ok()?;
            std::str::from_utf8(&start).ok()?.rsplit(' ').next()?.parse().ok()
        };
        let first = async {
            tokio::select! {
                status = answer => status,
                () = written => None,
            }
        };
        timeout(PATIENCE, first).await.expect("an answer or an end in time")
    }

    /// Waits until the other side closes.
    pub(crate) async fn closed(&mut self) {
        let mut rest = Vec::new();
        // A reset is an end as well.
        let _ = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("an end in time");
    }
}
