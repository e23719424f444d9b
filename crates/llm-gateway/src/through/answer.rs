//! The answer of a provider's own API on its way to the client: as it comes, with a watch on it.
//!
//! Dropping it (the client went away) closes the upstream connection, and what was received until then is paid. An
//! answer that cannot be brought to its end breaks the client's connection: no byte of ours gets into it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::StreamExt;
use llm_providers::target::{Screen, Target};
use llm_providers::transport::ByteStream;
use llm_types::{ApiError, ErrorKind, Usage};
use tokio::time::{Instant, Sleep, sleep_until};

use super::watch::Watch;
use crate::attempt::Attempt;
use crate::body::BrokenOff;
use crate::governance::Kept;
use crate::place::Place;
use crate::stop::{Heard, Stop};
use crate::ticket::Ticket;

/// What an answer is made of, beside its bytes.
pub(super) struct Parts {
    pub(super) ticket: Ticket,
    pub(super) attempt: Attempt,
    pub(super) place: Place,
    pub(super) target: Arc<Target>,
    pub(super) deadline: Instant,
    pub(super) stop: Stop,
    pub(super) request_id: Arc<str>,
}

/// What an answer is made of that costs nothing.
pub(crate) struct Plain {
    pub(crate) place: Place,
    pub(crate) target: Arc<Target>,
    pub(crate) deadline: Instant,
    pub(crate) stop: Stop,
    pub(crate) request_id: Arc<str>,
}

/// An answer on its way.
pub(crate) struct Through {
    /// `None`: it is over.
    upstream: Option<ByteStream>,
    watch: Option<Watch>,
    /// How many bytes are still to come, where that was announced.
    left: Option<u64>,
    /// Looks for keys in it: a provider's own API may have routes that show what they are called with.
    screen: Screen,
    /// The last bytes, which wait until what they cost is written down.
    last: Option<Bytes>,
    ticket: Option<Ticket>,
    attempt: Option<Attempt>,
    kept: Kept,
    _place: Place,
    target: Arc<Target>,
    deadline: Pin<Box<Sleep>>,
    stop: Stop,
    heard: Heard,
    request_id: Arc<str>,
}

impl fmt::Debug for Through {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Through")
            .field("watch", &self.watch)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl Through {
    /// An answer of which `left` bytes are announced.
    pub(super) fn new(upstream: ByteStream, watch: Watch, left: Option<u64>, parts: Parts) -> Self {
        let Parts { ticket, mut attempt, place, target, deadline, stop, request_id } = parts;
        attempt.begun();
        Self {
            upstream: Some(upstream),
            watch: Some(watch),
            left,
            screen: Screen::default(),
            last: None,
            ticket: Some(ticket),
            attempt: Some(attempt),
            kept: Kept::default(),
            _place: place,
            target,
            deadline: Box::pin(sleep_until(deadline)),
            heard: stop.heard(),
            stop,
            request_id,
        }
    }

    /// An answer that costs nothing, of which `left` bytes are announced.
    pub(crate) fn plain(upstream: ByteStream, left: Option<u64>, plain: Plain) -> Self {
        let Plain { place, target, deadline, stop, request_id } = plain;
        let (ticket, attempt) = (Ticket::free(), Attempt::free());
        let parts = Parts { ticket, attempt, place, target, deadline, stop, request_id };
        Self::new(upstream, Watch::blind(), left, parts)
    }

    /// What the provider said against the call.
    pub(super) fn refused(parts: Parts, error: &ApiError, body: Bytes) -> Self {
        let Parts { ticket, attempt, place, target, deadline, stop, request_id } = parts;
        attempt.fail(error);
        ticket.finish(Some(&Usage::default()));
        Self {
            upstream: None,
            watch: None,
            left: None,
            screen: Screen::default(),
            last: Some(body).filter(|body| !body.is_empty()),
            ticket: None,
            attempt: None,
            kept: Kept::default(),
            _place: place,
            target,
            deadline: Box::pin(sleep_until(deadline)),
            heard: stop.heard(),
            stop,
            request_id,
        }
    }

    /// The next bytes for the client; `None`: the answer is over.
    pub(crate) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        loop {
            if !self.kept.is_nothing() && Pin::new(&mut self.kept).poll(cx).is_pending() {
                return Poll::Pending;
            }
            let Some(upstream) = &mut self.upstream else {
                return Poll::Ready(self.last.take().map(Ok));
            };
            match upstream.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(chunk))) => {
                    if let Some(watch) = &mut self.watch {
                        watch.see(&chunk);
                    }
                    self.left = self.left.map(|left| left.saturating_sub(chunk.len() as u64));
                    let Some(bytes) = self.screen.pass(&self.target, chunk) else {
                        let message = "the upstream repeated the key that it was called with";
                        return self.broken(&ApiError::upstream(ErrorKind::UpstreamFormat, message));
                    };
                    if self.left == Some(0) {
                        let rest = self.screen.rest();
                        self.last = Some(if rest.is_empty() { bytes } else { [bytes, rest].concat().into() });
                        self.complete();
                    } else if !bytes.is_empty() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Poll::Ready(Some(Err(error))) => return self.broken(&error),
                Poll::Ready(None) => {
                    self.complete();
                    self.last = Some(self.screen.rest()).filter(|rest| !rest.is_empty());
                }
                Poll::Pending => {
                    let late = self.deadline.as_mut().poll(cx).is_ready();
                    let _ = self.heard.as_mut().poll(cx);
                    if self.stop.is_told() {
                        return self.broken(&Stop::error());
                    }
                    if late {
                        let message = "the request took longer than request_timeout";
                        return self.broken(&ApiError::new(ErrorKind::Timeout, message));
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// The answer is there: what it cost is written down.
    fn complete(&mut self) {
        // Read once more where its end was announced: so the connection is used again.
        if let Some(mut upstream) = self.upstream.take()
            && self.last.is_some()
        {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let _ = upstream.poll_next_unpin(&mut cx);
        }
        let Some(mut watch) = self.watch.take() else { return };
        watch.finish();
        let usage = watch.usage();
        if let Some(mut attempt) = self.attempt.take() {
            attempt.names(watch.model());
            self.kept = attempt.settle(usage, watch.pieces).1;
        }
        if let Some(ticket) = self.ticket.take() {
            ticket.finish(usage);
        }
    }

    fn broken(&mut self, error: &ApiError) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        tracing::warn!(request_id = &*self.request_id, kind = ?error.kind, %error, "answer broke off");
        self.upstream = None;
        self.break_off(error);
        Poll::Ready(Some(Err(BrokenOff)))
    }

    fn break_off(&mut self, error: &ApiError) {
        let Some(mut watch) = self.watch.take() else { return };
        if !watch.reads_at_end() {
            watch.finish();
        }
        if let Some(mut attempt) = self.attempt.take() {
            attempt.names(watch.model());
            drop(attempt.break_off(watch.usage(), watch.pieces, error));
        }
        if let Some(ticket) = self.ticket.take() {
            ticket.finish(watch.usage());
        }
    }
}

impl Drop for Through {
    fn drop(&mut self) {
        self.break_off(&ApiError::new(ErrorKind::ClientCancelled, "the client went away"));
    }
}
