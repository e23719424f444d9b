//! What an upstream has seen.
//!
//! A mutex and a condition variable, not async primitives: the upstream lives on another runtime than
//! the test, and a test may have none.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;

use crate::http1::Head;

/// One request that an upstream received.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its method.
    pub method: String,
    /// Path and query as they came.
    pub target: String,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Bytes,
    /// Which connection it came on, from 1.
    pub connection: usize,
    /// When it was complete.
    pub at: Instant,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is being answered.
    Open,
    /// The script ran to its end.
    Finished(Instant),
    /// The client went away before that.
    Cancelled(Instant),
}

impl Received {
    pub(super) fn new(head: Head, body: Bytes, connection: usize) -> Self {
        let (method, target) = head.method_and_target().unwrap_or_default();
        let (method, target) = (method.to_owned(), target.to_owned());
        let at = Instant::now();
        Self { method, target, headers: head.headers, body, connection, at, outcome: Outcome::Open }
    }

    /// The target without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// The query, without its question mark; empty where there is none.
    #[must_use]
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The first header of that name (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the client went away before the end.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        matches!(self.outcome, Outcome::Cancelled(_))
    }

    /// Whether the script ran to its end.
    #[must_use]
    pub fn finished(&self) -> bool {
        matches!(self.outcome, Outcome::Finished(_))
    }
}

#[derive(Debug, Default)]
pub(super) struct Log {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    requests: Vec<Received>,
    /// How many requests were forgotten, so that the index of an open one stays true.
    forgotten: usize,
    connections: usize,
    unscripted: usize,
}

impl Log {
    pub(super) fn connection(&self) -> usize {
        let mut state = self.state();
        state.connections += 1;
        self.changed.notify_all();
        state.connections
    }

    /// Records a request and returns its index.
    pub(super) fn request(&self, request: Received) -> usize {
        let mut state = self.state();
        state.requests.push(request);
        self.changed.notify_all();
        state.forgotten + state.requests.len() - 1
    }

    pub(super) fn outcome(&self, index: usize, outcome: Outcome) {
        let mut state = self.state();
        let at = index.checked_sub(state.forgotten);
        if let Some(request) = at.and_then(|at| state.requests.get_mut(at)) {
            request.outcome = outcome;
        }
        self.changed.notify_all();
    }

    pub(super) fn count_unscripted(&self) {
        self.state().unscripted += 1;
    }

    pub(super) fn requests(&self) -> Vec<Received> {
        self.state().requests.clone()
    }

    pub(super) fn unscripted(&self) -> usize {
        self.state().unscripted
    }

    pub(super) fn connections(&self) -> usize {
        self.state().connections
    }

    pub(super) fn clear(&self) {
        let mut state = self.state();
        state.forgotten += state.requests.len();
        state.requests.clear();
        state.unscripted = 0;
    }

    pub(super) fn wait(&self, timeout: Duration, wanted: impl Fn(&[Received]) -> bool) -> bool {
        let until = Instant::now() + timeout;
        let mut state = self.state();
        loop {
            if wanted(&state.requests) {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
