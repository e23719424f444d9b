//! Rows that could not be journaled at once: what requests put in, the thread takes out.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::Stored;
use crate::sql::rows::line::Line;

/// Tells of a row.
type Teller = oneshot::Sender<Stored>;

#[derive(Debug, Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rows: VecDeque<(Line, Option<Teller>)>,
    /// How many rows the thread has in its hands.
    held: usize,
    /// The journal can't be written: nobody is kept waiting.
    degraded: bool,
    stopped: bool,
    poked: bool,
}

/// What became of a row.
pub(super) enum Put {
    Waiting(oneshot::Receiver<Stored>),
    Memory,
    Full,
}

/// Rows that were taken out.
pub(super) struct Taken {
    pub(super) rows: Vec<Line>,
    pub(super) tellers: Vec<Option<Teller>>,
    pub(super) stopped: bool,
}

impl Inbox {
    /// Puts a row in, unless so many wait.
    pub(super) fn put(&self, row: Line, most: usize) -> Put {
        let mut state = self.state.lock();
        if state.stopped || state.rows.len() >= most {
            return Put::Full;
        }
        let put = if state.degraded {
            state.rows.push_back((row, None));
            Put::Memory
        } else {
            let (teller, told) = oneshot::channel();
            state.rows.push_back((row, Some(teller)));
            Put::Waiting(told)
        };
        drop(state);
        self.wake.notify_one();
        put
    }

    /// Waits for rows, for so long at most, and takes up to `most`; all, where none will come any more.
    pub(super) fn take(&self, most: usize, patience: Option<Duration>) -> Taken {
        let mut state = self.state.lock();
        while !state.stopped && !state.poked && (state.rows.is_empty() || most == 0) {
            match patience {
                None => self.wake.wait(&mut state),
                Some(patience) => {
                    if self.wake.wait_for(&mut state, patience).timed_out() {
                        break;
                    }
                }
            }
        }
        state.poked = false;
        let most = if state.stopped { usize::MAX } else { most };
        let count = state.rows.len().min(most);
        state.held += count;
        let (rows, tellers) = state.rows.drain(..count).unzip();
        Taken { rows, tellers, stopped: state.stopped }
    }

    /// Of the rows that were taken out, so many are neither in the journal nor with the outbox.
    pub(super) fn hold(&self, held: usize) {
        self.state.lock().held = held;
    }

    /// How many rows are here or in the thread's hands.
    pub(super) fn waiting(&self) -> usize {
        let state = self.state.lock();
        state.rows.len() + state.held
    }

    /// The journal can't be written, or can again. Those who wait are told.
    pub(super) fn degrade(&self, degraded: bool) {
        let mut state = self.state.lock();
        state.degraded = degraded;
        if degraded {
            for teller in state.rows.iter_mut().filter_map(|(_, teller)| teller.take()) {
                let _ = teller.send(Stored::Memory);
            }
        }
    }

    /// Wakes the thread without a row.
    pub(super) fn poke(&self) {
        self.state.lock().poked = true;
        self.wake.notify_one();
    }

    /// No more rows; the thread writes what there is and ends.
    pub(super) fn stop(&self) {
        self.state.lock().stopped = true;
        self.wake.notify_one();
    }
}
