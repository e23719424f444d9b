//! What a client still sends of a body that nobody reads any more.
//!
//! A request may be answered before its body is there: it is too large, its key is wrong, its provider has refused.
//! A connection that is closed with unread bytes is reset, and the client loses the answer that says why. So the rest
//! is read and thrown away while the answer goes out, within bounds: the connection can then be used again.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Version, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How much is thrown away at most, in bytes.
const MOST: usize = 64 * 1024 * 1024;
/// How long it may take.
const LONGEST: Duration = Duration::from_secs(10);
/// How long a client may pause meanwhile.
const PAUSE: Duration = Duration::from_secs(2);

/// A client's body. Dropped before its end, the rest is read all the same.
pub(crate) struct Lingering<B: Body<Data = Bytes> + Send + Unpin + 'static> {
    /// Until its end was seen.
    body: Option<B>,
    rest: Rest,
}

/// What becomes of a body that is dropped.
#[derive(Debug, PartialEq, Eq)]
enum Rest {
    /// It comes whether it is read or not.
    Comes,
    /// The client waits to be asked for it (`Expect: 100-continue`), and to read it would ask.
    Waits,
    /// It is a stream of its own (HTTP/2), which ends without its connection.
    Apart,
}

/// `request` with a body that is read to its end by all means.
pub(crate) fn lingering<B>(request: Request<B>) -> Request<Lingering<B>>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    let rest = match request.version() {
        Version::HTTP_2 => Rest::Apart,
        _ if request.headers().contains_key(header::EXPECT) => Rest::Waits,
        _ => Rest::Comes,
    };
    request.map(|body| Lingering { body: Some(body), rest })
}

impl<B: Body<Data = Bytes> + Send + Unpin + 'static> Body for Lingering<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(context);
        match frame {
            Poll::Ready(None | Some(Err(_))) => self.body = None,
            Poll::Ready(Some(Ok(_))) if self.rest == Rest::Waits => self.rest = Rest::Comes,
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: Body<Data = Bytes> + Send + Unpin + 'static> Drop for Lingering<B> {
    fn drop(&mut self) {
        let unread = self.body.take().filter(|body| self.rest == Rest::Comes && !body.is_end_stream());
        if let (Some(body), Ok(runtime)) = (unread, Handle::try_current()) {
            runtime.spawn(timeout(LONGEST, throw_away(body)));
        }
    }
}

async fn throw_away<B: Body<Data = Bytes> + Unpin>(mut body: B) {
    let mut left = MOST;
    while let Ok(Some(Ok(frame))) = timeout(PAUSE, body.frame()).await {
        let size = frame.data_ref().map_or(0, Bytes::len);
        let Some(rest) = left.checked_sub(size) else { return };
        left = rest;
    }
}
