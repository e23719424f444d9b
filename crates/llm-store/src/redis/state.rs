//! What can be seen of the store from outside.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

/// How the store is, at one moment. Counts are since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Whether Redis can be reached. Without it every gateway decides by what it sees itself.
    pub connected: bool,
    /// Changes that were told.
    pub sent: u64,
    /// Changes that were not told: nobody could be reached in time, or too many waited.
    pub dropped: u64,
    /// Changes that others told.
    pub heard: u64,
    /// Messages that no gateway of this version wrote.
    pub ignored: u64,
    /// Connections that were lost or given up, failed attempts included.
    pub failures: u64,
    /// Why the last of them was.
    pub error: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    connected: AtomicBool,
    pub(super) sent: Count,
    pub(super) dropped: Count,
    pub(super) heard: Count,
    pub(super) ignored: Count,
    failures: Count,
    error: Mutex<Option<String>>,
}

impl State {
    pub(super) fn status(&self) -> Status {
        Status {
            connected: self.connected.load(Ordering::Acquire),
            sent: self.sent.get(),
            dropped: self.dropped.get(),
            heard: self.heard.get(),
            ignored: self.ignored.get(),
            failures: self.failures.get(),
            error: self.error.lock().clone(),
        }
    }

    pub(super) fn connected(&self) {
        self.connected.store(true, Ordering::Release);
    }

    /// Notes that Redis is away. Returns whether it was there before.
    pub(super) fn away(&self, error: &str) -> bool {
        self.failures.add();
        *self.error.lock() = Some(error.to_owned());
        self.connected.swap(false, Ordering::AcqRel)
    }
}

#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
