//! Reading a client's body: bounded in size, in time, and over all requests together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, Request};
use http_body::Body;
use http_body_util::BodyExt;
use llm_types::{ApiError, ErrorKind, Result};
use tokio::time::timeout;

/// How long a client may pause in the middle of its body.
const PAUSE: Duration = Duration::from_secs(30);
/// From this size on, in bytes, a body whose length nobody says gets room for all of it.
const LARGE: usize = 1024 * 1024;
/// The most room that it gets at once, in bytes.
const ROOM: usize = 256 * 1024 * 1024;
/// What all bodies being worked on may hold together, in bytes.
pub(crate) const TOTAL_LIMIT: usize = 1024 * 1024 * 1024;
/// The same of what they have on the disk.
const STORED_LIMIT: usize = 16 * TOTAL_LIMIT;

/// What the bodies of all running requests hold together.
#[derive(Debug, Clone, Default)]
pub(crate) struct BodyMemory(Arc<Used>);

/// In bytes.
#[derive(Debug, Default)]
struct Used {
    memory: AtomicUsize,
    disk: AtomicUsize,
}

/// The share of one request, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct BodyShare {
    all: BodyMemory,
    own: Used,
}

impl BodyMemory {
    pub(crate) fn share(&self) -> BodyShare {
        BodyShare { all: self.clone(), own: Used::default() }
    }

    /// What is held in memory and on the disk, in bytes.
    #[cfg(test)]
    pub(crate) fn used(&self) -> (usize, usize) {
        let Used { memory, disk } = &*self.0;
        (memory.load(Ordering::Relaxed), disk.load(Ordering::Relaxed))
    }
}

impl BodyShare {
    pub(crate) fn grow(&self, more: usize) -> Result<()> {
        self.all.0.memory.fetch_add(more, Ordering::AcqRel);
        self.own.memory.fetch_add(more, Ordering::Relaxed);
        self.check()
    }

    /// So much is in memory no more.
    pub(crate) fn shrink(&self, less: usize) {
        self.all.0.memory.fetch_sub(less, Ordering::AcqRel);
        self.own.memory.fetch_sub(less, Ordering::Relaxed);
    }

    /// So much more is on the disk.
    pub(crate) fn store(&self, more: usize) -> Result<()> {
        let all = self.all.0.disk.fetch_add(more, Ordering::AcqRel).saturating_add(more);
        self.own.disk.fetch_add(more, Ordering::Relaxed);
        if all > STORED_LIMIT { Err(too_many()) } else { Ok(()) }
    }

    /// Another share of the same memory, which holds nothing yet.
    pub(crate) fn another(&self) -> Self {
        self.all.share()
    }

    /// Holds what another share held.
    pub(crate) fn join(&self, mut other: Self) {
        let Used { memory, disk } = &mut other.own;
        self.own.memory.fetch_add(std::mem::take(memory.get_mut()), Ordering::Relaxed);
        self.own.disk.fetch_add(std::mem::take(disk.get_mut()), Ordering::Relaxed);
    }

    /// Whether there is room for what all hold together.
    pub(crate) fn check(&self) -> Result<()> {
        if self.all.0.memory.load(Ordering::Acquire) > TOTAL_LIMIT { Err(too_many()) } else { Ok(()) }
    }
}

fn too_many() -> ApiError {
    let message = "the gateway holds as many request bodies as it may: try again in a moment";
    ApiError::new(ErrorKind::Unavailable, message)
}

impl Drop for BodyShare {
    fn drop(&mut self) {
        self.all.0.memory.fetch_sub(*self.own.memory.get_mut(), Ordering::AcqRel);
        self.all.0.disk.fetch_sub(*self.own.disk.get_mut(), Ordering::AcqRel);
    }
}

/// How much is read, and until when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// In bytes.
    pub(crate) size: usize,
    /// When the whole body must be there.
    pub(crate) deadline: Instant,
}

/// Reads a whole body within `bounds`.
///
/// # Errors
/// 413 when it is larger, 408 when the client pauses for 30 s or is late, 400 when it breaks off or is
/// compressed.
pub(crate) async fn read<B>(
    request: Box<Request<B>>,
    bounds: Bounds,
    memory: &BodyMemory,
) -> Result<(HeaderMap, Bytes, BodyShare)>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let mut coming = Coming::of(request, bounds)?;
    let share = memory.share();
    let body = coming.rest(coming.held(), &share).await?;
    Ok((coming.into_headers(), body, share))
}

/// A body as it comes.
pub(crate) struct Coming<B> {
    request: Box<Request<B>>,
    bounds: Bounds,
    /// How long it is to be, in bytes, where that is said.
    announced: Option<usize>,
    /// How much has come, in bytes.
    size: usize,
}

impl<B> Coming<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    /// The body of a request, unless its headers say already that it is not taken.
    pub(crate) fn of(request: Box<Request<B>>, bounds: Bounds) -> Result<Self> {
        let headers = request.headers();
        refuse_encoded(headers)?;
        let announced =
            headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<usize>().ok());
        if announced.is_some_and(|announced| announced > bounds.size) {
            return Err(too_large(bounds.size));
        }
        Ok(Self { request, bounds, announced, size: 0 })
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    pub(crate) fn into_headers(mut self) -> HeaderMap {
        std::mem::take(self.request.headers_mut())
    }

    /// How long it is to be, in bytes, where that is said.
    pub(crate) const fn announced(&self) -> Option<usize> {
        self.announced
    }

    /// Nothing of it.
    pub(crate) fn held(&self) -> Held {
        let (first, rest) = (Bytes::new(), BytesMut::new());
        Held { first, rest, announced: self.announced, most: self.bounds.size }
    }

    /// The next bytes; `None`: that was all.
    ///
    /// # Errors
    /// As [`read`].
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let pause = PAUSE.min(self.bounds.deadline.saturating_duration_since(Instant::now()));
            let frame = timeout(pause, self.request.body_mut().frame()).await.map_err(|_| {
                ApiError::new(ErrorKind::Timeout, "the request's body did not arrive: send it without pauses")
            })?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame
                .map_err(|error| ApiError::bad_request("the request's body broke off").with_source(error))?;
            let Ok(data) = frame.into_data() else { continue };
            self.size = self.size.saturating_add(data.len());
            if self.size > self.bounds.size {
                return Err(too_large(self.bounds.size));
            }
            return Ok(Some(data));
        }
    }

    /// What is held of it, and all that is still to come.
    ///
    /// # Errors
    /// As [`read`].
    pub(crate) async fn rest(&mut self, mut held: Held, share: &BodyShare) -> Result<Bytes> {
        while let Some(data) = self.next().await? {
            held.take(data, share)?;
        }
        Ok(held.into_bytes())
    }
}

/// What has come of a body, in memory.
#[derive(Debug)]
pub(crate) struct Held {
    first: Bytes,
    rest: BytesMut,
    announced: Option<usize>,
    most: usize,
}

impl Held {
    pub(crate) fn len(&self) -> usize {
        self.first.len().max(self.rest.len())
    }

    pub(crate) fn take(&mut self, data: Bytes, share: &BodyShare) -> Result<()> {
        let Self { first, rest, announced, most } = self;
        share.grow(data.len())?;
        if first.is_empty() {
            *first = data;
            return Ok(());
        }
        if rest.is_empty() {
            rest.reserve(announced.unwrap_or_default().max(first.len() + data.len()));
            rest.extend_from_slice(first);
        }
        if announced.is_none() && rest.len() + data.len() > rest.capacity() && rest.len() >= LARGE {
            // Room for all that may come, once: to grow by and by would copy it, and hold it twice meanwhile. What
            // is not written to takes no memory.
            rest.reserve(most.saturating_sub(rest.len()).min(ROOM));
        }
        rest.extend_from_slice(&data);
        Ok(())
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        if self.rest.is_empty() { self.first } else { self.rest.freeze() }
    }
}

fn refuse_encoded(headers: &HeaderMap) -> Result<()> {
    match headers.get(CONTENT_ENCODING).map(http::HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => Ok(()),
        Some(_) => Err(ApiError::bad_request(
            "compressed request bodies are not accepted: send the JSON without content-encoding",
        )),
    }
}

fn too_large(limit: usize) -> ApiError {
    ApiError::new(
        ErrorKind::TooLarge,
        format!("the request's body is larger than {limit} bytes: send less, or raise server.max_body"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{Full, StreamBody};

    fn bounds(size: usize) -> Bounds {
        Bounds { size, deadline: Instant::now() + Duration::from_secs(600) }
    }

    #[tokio::test]
    async fn bodies_are_bounded_announced_or_not() {
        let memory = BodyMemory::default();
        let full = |size: usize| Box::new(Request::new(Full::new(Bytes::from(vec![b'x'; size]))));
        let (_, body, share) = read(full(10), bounds(10), &memory).await.unwrap();
        assert_eq!(body.len(), 10);
        assert_eq!(memory.used().0, 10);
        drop(share);
        assert_eq!(memory.used().0, 0);
        assert_eq!(read(full(11), bounds(10), &memory).await.unwrap_err().kind, ErrorKind::TooLarge);
        let mut announced = full(1);
        announced.headers_mut().insert(CONTENT_LENGTH, "11".parse().unwrap());
        assert_eq!(read(announced, bounds(10), &memory).await.unwrap_err().kind, ErrorKind::TooLarge);
        assert_eq!(memory.used().0, 0);
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_joined() {
        let pieces = [b"{\"a\"", &b":1"[..], b"}"]
            .map(|piece| Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from_static(piece))));
        let body = StreamBody::new(futures_util::stream::iter(pieces));
        let (_, body, _share) =
            read(Box::new(Request::new(body)), bounds(100), &BodyMemory::default()).await.unwrap();
        assert_eq!(&body[..], b"{\"a\":1}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_comes_times_out() {
        let body = StreamBody::new(futures_util::stream::pending::<Result<_, std::io::Error>>());
        let error =
            read(Box::new(Request::new(body)), bounds(100), &BodyMemory::default()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Timeout);
    }

    #[tokio::test]
    async fn a_body_that_trickles_must_be_there_in_time() {
        let drops = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from_static(b" "))), ()))
        });
        let body = StreamBody::new(Box::pin(drops));
        let bounds = Bounds { size: 1 << 20, deadline: Instant::now() + Duration::from_millis(200) };
        let memory = BodyMemory::default();
        let read = read(Box::new(Request::new(body)), bounds, &memory);
        let read = timeout(Duration::from_secs(20), read).await.expect("a bounded wait");
        assert_eq!(read.unwrap_err().kind, ErrorKind::Timeout);
    }
}
