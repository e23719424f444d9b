//! The last call: told once, when a shutdown has waited long enough, and heard by every answer on its way.
//!
//! An answer that is cut must say so; a connection that just closes looks like a fault of the network.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use llm_types::{ApiError, ErrorKind};
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// Whether running requests are to end now. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    told: Arc<AtomicBool>,
    notify: Arc<Notify>,
}

/// Wakes whoever polls it when the last call comes.
pub(crate) type Heard = Pin<Box<OwnedNotified>>;

impl Stop {
    /// Ends what runs.
    pub(crate) fn tell(&self) {
        self.told.store(true, Ordering::Release);
        self.notify.notify_waiters();
    }

    pub(crate) fn is_told(&self) -> bool {
        self.told.load(Ordering::Acquire)
    }

    /// To be polled by who waits for something else, so that it is woken.
    pub(crate) fn heard(&self) -> Heard {
        Box::pin(Arc::clone(&self.notify).notified_owned())
    }

    /// What clients are told.
    pub(crate) fn error() -> ApiError {
        let message =
            "the gateway is stopping and the answer took longer than server.drain_timeout: ask again";
        ApiError::new(ErrorKind::Unavailable, message)
    }

    /// Runs `work` unless the last call comes first.
    ///
    /// Takes a pinned future: one that is moved in would be held twice.
    pub(crate) async fn unless_told<T>(&self, mut work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        let mut heard = std::pin::pin!(self.notify.notified());
        std::future::poll_fn(|cx: &mut Context<'_>| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            // First register, then look: in the other order the call could come between.
            let called = heard.as_mut().poll(cx).is_ready() || self.is_told();
            if called { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn the_last_call_ends_what_runs_and_not_what_is_done() {
        let stop = Stop::default();
        assert_eq!(stop.unless_told(pin!(async { 1 })).await, Some(1));
        let waiting = tokio::spawn({
            let stop = stop.clone();
            async move { stop.unless_told(pin!(std::future::pending::<()>())).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        stop.tell();
        assert_eq!(waiting.await.unwrap(), None);
        assert_eq!(stop.unless_told(pin!(std::future::pending::<()>())).await, None, "also when told before");
        assert_eq!(stop.unless_told(pin!(async { 2 })).await, Some(2));
    }
}
