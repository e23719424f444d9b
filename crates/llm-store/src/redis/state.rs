//! What is counted, by whoever it happens to.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::status::Status;

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
