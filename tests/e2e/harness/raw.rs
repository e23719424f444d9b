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

    /// Waits until the other side closes.
    pub(crate) async fn closed(&mut self) {
        let mut rest = Vec::new();
        // A reset is an end as well.
        let _ = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("an end in time");
    }
}
