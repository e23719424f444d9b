//! The other side of a connection, by hand.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// How long something may take that comes about by itself.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A place that takes connections.
pub(super) struct Place(TcpListener);

impl Place {
    pub(super) async fn open() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/v1/x?y=1", self.0.local_addr().unwrap())
    }

    pub(super) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// The next connection.
    pub(super) async fn next(&self) -> Peer {
        Peer(timeout(PATIENCE, self.0.accept()).await.unwrap().unwrap().0)
    }
}

/// A connection.
pub(super) struct Peer<Io = TcpStream>(pub(super) Io);

impl<Io: AsyncRead + AsyncWrite + Unpin> Peer<Io> {
    /// The next request, up to what it ends with.
    pub(super) async fn hears(&mut self, end: &str) -> String {
        let mut heard = Vec::new();
        while !heard.ends_with(end.as_bytes()) {
            heard.push(timeout(PATIENCE, self.0.read_u8()).await.unwrap().unwrap());
        }
        String::from_utf8(heard).unwrap()
    }

    pub(super) async fn says(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Hears a request with the body of [`super::request`], and answers.
    pub(super) async fn answers(&mut self, text: &str) {
        self.hears("\r\n\r\n{}").await;
        self.says(text).await;
    }

    /// What else comes until the other side is gone, which it is soon.
    pub(super) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        // One that is cut off is gone as well.
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut rest)).await.expect("the connection was kept");
        String::from_utf8(rest).unwrap()
    }
}
