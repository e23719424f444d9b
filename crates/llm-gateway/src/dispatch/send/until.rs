//! The end of an attempt whose answer is a stream.

use std::future::Future;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use llm_providers::transport::ByteStream;
use llm_router::Limits;
use tokio::time::sleep_until;

use super::late;

/// When an attempt has to be over, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub(in crate::dispatch) struct Until {
    at: Instant,
    bound: Duration,
}

impl Until {
    /// Of an attempt that begins now; `None` where the request's own deadline comes first.
    pub(in crate::dispatch) fn of(limits: Limits, deadline: Instant) -> Option<Self> {
        let at = Instant::now().checked_add(limits.total)?;
        (at < deadline).then_some(Self { at, bound: limits.total })
    }

    /// The stream up to then: what has not come by then is a failure of its deployment, as it is of a whole answer.
    pub(in crate::dispatch) fn bound(until: Option<Self>, mut upstream: ByteStream) -> ByteStream {
        let Some(Self { at, bound }) = until else { return upstream };
        let mut timer = Box::pin(sleep_until(at.into()));
        Box::pin(stream::poll_fn(move |cx| match upstream.poll_next_unpin(cx) {
            Poll::Pending if timer.as_mut().poll(cx).is_ready() => Poll::Ready(Some(Err(late(bound)))),
            polled => polled,
        }))
    }
}
