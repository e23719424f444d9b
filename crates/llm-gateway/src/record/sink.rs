//! From a request to whoever keeps decisions for longer: a bounded queue that nobody waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};

use super::Decision;

/// How many decisions wait to be kept.
const WAITING: usize = 4096;

/// What comes out of the queue.
#[derive(Debug)]
pub(crate) enum Decided {
    /// A decision of which nothing more will come.
    One(Arc<Decision>),
    /// Nothing more will come: whoever asks is told when all before is kept.
    Last(oneshot::Sender<()>),
}

/// The queue's end at the requests.
#[derive(Debug, Clone)]
pub(crate) struct Sink {
    queue: mpsc::Sender<Decided>,
    dropped: Arc<AtomicU64>,
}

impl Sink {
    /// A queue.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Decided>) {
        let (queue, waiting) = mpsc::channel(WAITING);
        (Self { queue, dropped: Arc::default() }, waiting)
    }

    /// Puts a decision into the queue, unless that is full.
    pub(super) fn offer(&self, decision: &Arc<Decision>) {
        if self.queue.try_send(Decided::One(Arc::clone(decision))).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many were dropped since this was asked last.
    pub(crate) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }

    /// Waits until all that was offered before is kept, and ends whoever keeps it.
    pub(crate) async fn finish(&self) {
        let (tell, told) = oneshot::channel();
        if self.queue.send(Decided::Last(tell)).await.is_ok() {
            // An end without a word is an end as well.
            let _ = told.await;
        }
    }
}
