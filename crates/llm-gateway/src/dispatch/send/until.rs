//! The end of an attempt whose answer is a stream.

use std::future::Future;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use llm_providers::transport::ByteStream;
use llm_router::Limits;
use tokio::time::sleep_until;

use super::late;

/// How long before the end of the request's time the attempt ends that used it up.
const MOMENT: Duration = Duration::from_millis(20);

/// When an attempt has to be over, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub(in crate::dispatch) struct Until {
    at: Instant,
    bound: Duration,
}

impl Until {
    /// Of an attempt that begins now. Where the request's own time ends with it, the attempt is over a moment before, so
    /// that it counts; `None` where that leaves too little for it to count.
    pub(in crate::dispatch) fn of(limits: Limits, deadline: Instant) -> Option<Self> {
        let at = Instant::now().checked_add(limits.total)?.min(deadline.checked_sub(MOMENT)?);
        (!limits.hurried).then_some(Self { at, bound: limits.total })
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
