//! Just enough HTTP/1.1 to play an upstream and to make load.
//!
//! Not hyper: an upstream that breaks the protocol needs its bytes in its own hand, and a load
//! generator that shares a core with the upstream must cost as little as it can.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The largest head that is read, in bytes.
const HEAD_LIMIT: usize = 256 * 1024;
/// The largest body that is read, in bytes.
const BODY_LIMIT: u64 = 512 * 1024 * 1024;

/// The first line and the headers of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The request line or status line, without its line end.
    pub line: String,
    /// Names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes.
    Length(u64),
    /// `transfer-encoding: chunked`.
    Chunked,
    /// The connection closes.
    UntilClose,
}

impl Head {
    /// The first header of that name (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The status code, where this is the head of a reply.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
    }

    /// Method and target, where this is the head of a request.
    #[must_use]
    pub fn method_and_target(&self) -> Option<(&str, &str)> {
        let mut words = self.line.split(' ');
        let pair = (words.next()?, words.next()?);
        words.next()?.starts_with("HTTP/1.").then_some(pair)
    }

    /// The framing of a request's body: none means empty.
    ///
    /// # Errors
    /// When `content-length` is not a number.
    pub fn request_framing(&self) -> io::Result<Framing> {
        Ok(self.declared_framing()?.unwrap_or(Framing::Length(0)))
    }

    /// The framing of a reply's body: none means until the connection closes.
    ///
    /// # Errors
    /// When `content-length` is not a number.
    pub fn reply_framing(&self) -> io::Result<Framing> {
        if matches!(self.status(), Some(100..=199 | 204 | 304)) {
            return Ok(Framing::Length(0));
        }
        Ok(self.declared_framing()?.unwrap_or(Framing::UntilClose))
    }

    fn declared_framing(&self) -> io::Result<Option<Framing>> {
        if self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return Ok(Some(Framing::Chunked));
        }
        let Some(length) = self.header("content-length") else { return Ok(None) };
        length
            .trim()
            .parse()
            .map(|length| Some(Framing::Length(length)))
            .map_err(|_| invalid("content-length is not a number"))
    }
}

/// Reads a head. `None` when the peer closed before its first byte.
///
/// # Errors
/// When the peer goes away inside the head, or what it sent is not HTTP/1.
pub async fn read_head<R: AsyncRead + Unpin>(io: &mut R, buffer: &mut BytesMut) -> io::Result<Option<Head>> {
    let mut searched = 0_usize;
    loop {
        let from = searched.saturating_sub(3);
        let found = memchr::memmem::find(buffer.get(from..).unwrap_or_default(), b"\r\n\r\n");
        if let Some(at) = found {
            let head = buffer.split_to(from + at + 4);
            return parse_head(&head).map(Some);
        }
        searched = buffer.len();
        if searched > HEAD_LIMIT {
            return Err(invalid("the head is larger than 256 KiB"));
        }
        if io.read_buf(buffer).await? == 0 {
            return if buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    }
}

fn parse_head(bytes: &[u8]) -> io::Result<Head> {
    let text = std::str::from_utf8(bytes).map_err(|_| invalid("the head is not UTF-8"))?;
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default().to_owned();
    if !line.contains("HTTP/1.") {
        return Err(invalid("the first line is not HTTP/1"));
    }
    let mut headers = Vec::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(|| invalid("a header line has no colon"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(Head { line, headers })
}

/// Reads a body piece by piece, as it comes off the wire.
#[derive(Debug)]
pub struct BodyReader {
    framing: Framing,
    left: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size,
    Data,
    DataEnd,
    Trailer,
    Done,
}

impl BodyReader {
    /// A reader for a body that follows its head.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        let (left, state) = match framing {
            Framing::Length(0) => (0, State::Done),
            Framing::Length(length) => (length, State::Data),
            Framing::Chunked => (0, State::Size),
            Framing::UntilClose => (u64::MAX, State::Data),
        };
        Self { framing, left, state }
    }

    /// The next piece; `None` at the end of the body.
    ///
    /// # Errors
    /// When the peer goes away inside the body or breaks the framing.
    pub async fn next<R: AsyncRead + Unpin>(
        &mut self,
        io: &mut R,
        buffer: &mut BytesMut,
    ) -> io::Result<Option<Bytes>> {
        loop {
            match self.take(buffer)? {
                Taken::Piece(piece) => return Ok(Some(piece)),
                Taken::End => return Ok(None),
                Taken::More => {}
            }
            if io.read_buf(buffer).await? == 0 {
                if self.framing == Framing::UntilClose {
                    self.state = State::Done;
                    return Ok(None);
                }
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn take(&mut self, buffer: &mut BytesMut) -> io::Result<Taken> {
        loop {
            match self.state {
                State::Done => return Ok(Taken::End),
                State::Data if buffer.is_empty() => return Ok(Taken::More),
                State::Data => {
                    let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
                    self.left = self.left.saturating_sub(count as u64);
                    if self.left == 0 {
                        self.state =
                            if self.framing == Framing::Chunked { State::DataEnd } else { State::Done };
                    }
                    return Ok(Taken::Piece(buffer.split_to(count).freeze()));
                }
                State::Size | State::DataEnd | State::Trailer => {
                    let Some(end) = memchr::memmem::find(buffer, b"\r\n") else { return Ok(Taken::More) };
                    let line = buffer.split_to(end);
                    buffer.advance(2);
                    self.state = self.after_line(&line)?;
                }
            }
        }
    }

    fn after_line(&mut self, line: &[u8]) -> io::Result<State> {
        match self.state {
            State::DataEnd if line.is_empty() => Ok(State::Size),
            State::DataEnd => Err(invalid("a chunk is longer than it says")),
            State::Trailer if line.is_empty() => Ok(State::Done),
            State::Size => {
                let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
                let digits = std::str::from_utf8(digits).unwrap_or_default().trim();
                self.left =
                    u64::from_str_radix(digits, 16).map_err(|_| invalid("a chunk size is not hex"))?;
                Ok(if self.left == 0 { State::Trailer } else { State::Data })
            }
            state => Ok(state),
        }
    }
}

enum Taken {
    Piece(Bytes),
    End,
    More,
}

/// Reads a whole body.
///
/// # Errors
/// As [`BodyReader::next`], and when the body is larger than 512 MiB.
pub async fn read_body<R: AsyncRead + Unpin>(
    io: &mut R,
    buffer: &mut BytesMut,
    framing: Framing,
) -> io::Result<Bytes> {
    let mut reader = BodyReader::new(framing);
    let mut body = BytesMut::new();
    while let Some(piece) = reader.next(io, buffer).await? {
        body.extend_from_slice(&piece);
        if body.len() as u64 > BODY_LIMIT {
            return Err(invalid("the body is larger than 512 MiB"));
        }
    }
    Ok(body.freeze())
}

/// A request with its `host` and `content-length`, as bytes ready to be written again and again.
#[must_use]
pub fn request_bytes(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Bytes {
    let mut out = format!("{method} {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
    for (name, value) in headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    out.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut out = out.into_bytes();
    out.extend_from_slice(body);
    out.into()
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `wire` as a reply, `step` bytes at a time.
    async fn reply(wire: &[u8], step: usize) -> io::Result<(Head, Bytes)> {
        let (mut client, server) = tokio::io::duplex(step);
        let wire = wire.to_vec();
        let writer = tokio::spawn(async move {
            let mut server = server;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut server, &wire).await;
        });
        let mut buffer = BytesMut::new();
        let head = read_head(&mut client, &mut buffer).await?.ok_or(io::ErrorKind::NotFound)?;
        let framing = head.reply_framing()?;
        let body = read_body(&mut client, &mut buffer, framing).await?;
        writer.await.unwrap();
        Ok((head, body))
    }

    #[tokio::test]
    async fn bodies_are_read_whatever_the_framing_and_the_cuts() {
        let cases: [(&str, &str); 5] = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ""),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
                "hello",
            ),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-sum: 1\r\n\r\n", ""),
            ("HTTP/1.1 200 OK\r\n\r\nuntil close", "until close"),
        ];
        for (wire, expect) in cases {
            for step in 1..=wire.len() {
                let (head, body) = reply(wire.as_bytes(), step).await.unwrap();
                assert_eq!((head.status(), &body[..]), (Some(200), expect.as_bytes()), "{wire:?} by {step}");
            }
        }
    }

    #[tokio::test]
    async fn broken_messages_are_errors() {
        let cases: [(&str, io::ErrorKind); 5] = [
            ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", io::ErrorKind::UnexpectedEof),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
                io::ErrorKind::UnexpectedEof,
            ),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", io::ErrorKind::InvalidData),
            ("garbage\r\n\r\n", io::ErrorKind::InvalidData),
            ("HTTP/1.1 200 OK\r\nhalf", io::ErrorKind::UnexpectedEof),
        ];
        for (wire, expect) in cases {
            assert_eq!(reply(wire.as_bytes(), 1024).await.unwrap_err().kind(), expect, "{wire:?}");
        }
    }

    #[test]
    fn a_request_line_is_split() {
        let head = Head { line: "POST /v1/x?a=b HTTP/1.1".into(), headers: Vec::new() };
        assert_eq!(head.method_and_target(), Some(("POST", "/v1/x?a=b")));
        assert_eq!(head.request_framing().unwrap(), Framing::Length(0));
    }
}
