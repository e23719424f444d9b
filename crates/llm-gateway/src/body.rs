//! What a client reads: a whole answer, a stream, or comments until a stream begins.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use llm_providers::codec::{ReplyCx, ReplyForm, ServerCodec};
use llm_types::ApiError;
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};

use crate::exchange::Exchange;
use crate::gateway::Running;
use crate::intake::BodyShare;
use crate::patience::Answering;
use crate::through::{self, Through};

/// How long a stream may be silent before its head and a comment go out, and then between comments.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);

/// A stream that is still being opened.
pub(crate) type Opening = Pin<Box<dyn Future<Output = Result<Box<Exchange>, ApiError>> + Send>>;

/// The body of an answer to a client.
pub struct ClientBody {
    inner: Inner,
    /// What the request holds until its answer is sent: its body's memory, its place among the running.
    _held: Option<Held>,
    /// The same of a call of a provider's own API.
    _running: Option<through::Held>,
    /// Tells the connection that it is waiting for us, not we for it.
    _answering: Option<Answering>,
    /// Where that is kept instead, because the connection goes on behind the answer.
    line: Option<Line>,
}

/// Keeps a connection that another protocol has taken over: busy, and counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line(Arc<Mutex<Option<Use>>>);

/// What a connection holds while it is used.
type Use = (Answering, Arc<OwnedSemaphorePermit>);

/// What a request holds until its answer is sent.
pub(crate) type Held = (Running, BodyShare);

/// An answer broke off whose form cannot say so: its connection ends in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenOff;

impl std::fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the answer broke off")
    }
}

impl std::error::Error for BrokenOff {}

enum Inner {
    Whole(Option<Bytes>),
    Stream(Box<Exchange>),
    Opening(Box<Waiting>),
    Through(Box<Through>),
    /// Broken off: the connection ends once what was said before has gone out.
    Broken,
}

struct Waiting {
    opening: Opening,
    silence: Pin<Box<Sleep>>,
    front: &'static dyn ServerCodec,
    form: ReplyForm,
    started: bool,
}

impl std::fmt::Debug for ClientBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match &self.inner {
            Inner::Whole(_) => "ClientBody(whole)",
            Inner::Stream(_) => "ClientBody(stream)",
            Inner::Opening(_) => "ClientBody(opening)",
            Inner::Through(_) => "ClientBody(through)",
            Inner::Broken => "ClientBody(broken)",
        })
    }
}

impl ClientBody {
    fn new(inner: Inner) -> Self {
        Self { inner, _held: None, _running: None, _answering: None, line: None }
    }

    /// Holds something until the answer is sent.
    pub(crate) fn holding(mut self, held: Held) -> Self {
        self._held = Some(held);
        self
    }

    /// Keeps the connection busy until the answer is sent.
    pub(crate) fn answering(mut self, answering: Answering, permit: &Arc<OwnedSemaphorePermit>) -> Self {
        match &self.line {
            Some(line) => *line.0.lock() = Some((answering, Arc::clone(permit))),
            None => self._answering = Some(answering),
        }
        self
    }

    /// Another protocol goes on behind this answer, for as long as its connection's line is held.
    pub(crate) fn on(mut self, line: Line) -> Self {
        self.line = Some(line);
        self
    }

    /// A whole body.
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::new(Inner::Whole((!bytes.is_empty()).then_some(bytes)))
    }

    /// A stream that has begun.
    pub(crate) fn stream(exchange: Box<Exchange>) -> Self {
        Self::new(Inner::Stream(exchange))
    }

    /// The answer of a provider's own API.
    pub(crate) fn through(answer: Box<Through>, running: through::Held) -> Self {
        Self { _running: Some(running), ..Self::new(Inner::Through(answer)) }
    }

    /// A stream that is still being opened: comments until it begins.
    pub(crate) fn opening(opening: Opening, front: &'static dyn ServerCodec, form: ReplyForm) -> Self {
        let silence = Box::pin(sleep(SILENCE));
        Self::new(Inner::Opening(Box::new(Waiting { opening, silence, front, form, started: false })))
    }
}

impl ClientBody {
    /// Ends in the middle, one turn later: an error ends the connection with what is still to be written, and that may
    /// be the head of the answer.
    fn break_off(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        self.inner = Inner::Broken;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Waiting {
    /// The next comment while the stream is being opened, then what it opened to.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if !self.started {
            self.started = true;
            return Poll::Ready(Step::Bytes(Bytes::from_static(self.front.keepalive(self.form))));
        }
        if let Poll::Ready(opened) = self.opening.as_mut().poll(cx) {
            return Poll::Ready(match opened {
                Ok(exchange) => Step::Opened(exchange),
                Err(error) => {
                    let mut encoder = self.front.encoder(ReplyCx { form: self.form, ..ReplyCx::default() });
                    encoder.fail(&error);
                    Step::Failed(encoder.take())
                }
            });
        }
        if self.silence.as_mut().poll(cx).is_ready() {
            self.silence.as_mut().reset(Instant::now() + SILENCE);
            // Registers the timer anew.
            let _ = self.silence.as_mut().poll(cx);
            return Poll::Ready(Step::Bytes(Bytes::from_static(self.front.keepalive(self.form))));
        }
        Poll::Pending
    }
}

enum Step {
    Bytes(Bytes),
    Opened(Box<Exchange>),
    Failed(Bytes),
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = self.get_mut();
        loop {
            return match &mut this.inner {
                Inner::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
                Inner::Stream(exchange) => match exchange.poll_bytes(cx) {
                    Poll::Ready(None) if exchange.is_broken() => this.break_off(cx),
                    polled => polled.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes)))),
                },
                Inner::Through(answer) => match answer.poll_bytes(cx) {
                    Poll::Ready(Some(Err(BrokenOff))) => this.break_off(cx),
                    polled => polled.map(|bytes| bytes.map(|bytes| bytes.map(Frame::data))),
                },
                Inner::Broken => {
                    this.inner = Inner::Whole(None);
                    Poll::Ready(Some(Err(BrokenOff)))
                }
                Inner::Opening(waiting) => match waiting.poll(cx) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(Step::Bytes(bytes)) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                    Poll::Ready(Step::Failed(bytes)) => {
                        this.inner = Inner::Whole(Some(bytes));
                        continue;
                    }
                    Poll::Ready(Step::Opened(exchange)) => {
                        this.inner = Inner::Stream(exchange);
                        continue;
                    }
                },
            };
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.inner, Inner::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Inner::Stream(_) | Inner::Opening(_) | Inner::Through(_) | Inner::Broken => SizeHint::default(),
        }
    }
}
