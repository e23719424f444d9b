//! Rows before the database: what the thread has journaled, and how the task gets them.
//!
//! In memory up to a bound. When more wait, later rows are only in the journal, and the task reads them back from
//! there until it has caught up.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::sql::rows::record::Line;

#[derive(Debug)]
pub(super) struct Outbox {
    state: Mutex<State>,
    wake: Notify,
    /// Up to which row everything is stored.
    stored: AtomicU64,
    most: usize,
    /// How many rows are worth a transaction.
    batch: usize,
}

#[derive(Debug, Default)]
struct State {
    rows: VecDeque<(u64, Line)>,
    /// From this row on they are in the journal alone.
    spilled: Option<u64>,
    /// The last row that is in the journal.
    journaled: u64,
    hurry: bool,
    stopped: bool,
}

/// What the task has to do.
#[derive(Debug, PartialEq)]
pub(super) enum Work {
    /// Rows from memory.
    Rows(Vec<(u64, Line)>),
    /// The rows from the first number to the last are in the journal.
    Journal(u64, u64),
    /// Nothing for now.
    None,
    /// Nothing any more.
    Over,
}

impl Outbox {
    pub(super) fn new(most: usize, batch: usize) -> Self {
        Self { state: Mutex::default(), wake: Notify::new(), stored: AtomicU64::new(0), most, batch }
    }

    /// Takes rows that are in the journal. The task is only woken for the first ones and for a whole batch: to wake it
    /// for each would cost more than the row.
    pub(super) fn journaled(&self, rows: impl ExactSizeIterator<Item = (u64, Line)>) {
        let mut rows = rows.peekable();
        let Some(first) = rows.peek().map(|(seq, _)| *seq) else { return };
        let mut state = self.state.lock();
        let before = state.rows.len();
        let wake = if state.spilled.is_none() && before + rows.len() <= self.most {
            state.rows.extend(rows);
            state.journaled = state.rows.back().map_or(state.journaled, |(seq, _)| *seq);
            before == 0 || (before < self.batch && state.rows.len() >= self.batch)
        } else {
            state.journaled = rows.last().map_or(state.journaled, |(seq, _)| seq);
            let spills = state.spilled.is_none();
            state.spilled.get_or_insert(first);
            spills
        };
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }

    /// Takes rows that are in no journal; gives them back where there is no room.
    pub(super) fn unjournaled(&self, rows: Vec<(u64, Line)>) -> Result<(), Vec<(u64, Line)>> {
        let mut state = self.state.lock();
        if state.spilled.is_some() || state.rows.len() + rows.len() > self.most {
            return Err(rows);
        }
        state.rows.extend(rows);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// What is to be done next, at most one batch.
    pub(super) fn next(&self) -> Work {
        let mut state = self.state.lock();
        state.hurry = false;
        if !state.rows.is_empty() {
            let count = state.rows.len().min(self.batch);
            return Work::Rows(state.rows.drain(..count).collect());
        }
        match state.spilled {
            Some(first) if first <= state.journaled => Work::Journal(first, state.journaled),
            Some(_) => {
                state.spilled = None;
                Work::None
            }
            None if state.stopped => Work::Over,
            None => Work::None,
        }
    }

    /// Everything before this row was read back.
    pub(super) fn read_back(&self, next: u64) {
        let mut state = self.state.lock();
        if let Some(first) = &mut state.spilled {
            *first = next;
        }
        if state.spilled.is_some_and(|first| first > state.journaled) {
            state.spilled = None;
        }
    }

    /// Whether so many rows wait that there is no use in waiting for more, or somebody waits.
    pub(super) fn is_urgent(&self) -> bool {
        let state = self.state.lock();
        state.hurry || state.stopped || state.spilled.is_some() || state.rows.len() >= self.batch
    }

    /// Somebody waits for what there is.
    pub(super) fn hurry(&self) {
        self.state.lock().hurry = true;
        self.wake.notify_one();
    }

    /// Waits for something to happen.
    pub(super) async fn wait(&self) {
        self.wake.notified().await;
    }

    pub(super) fn stored(&self) -> u64 {
        self.stored.load(Ordering::Acquire)
    }

    pub(super) fn store(&self, last: u64) {
        self.stored.fetch_max(last, Ordering::AcqRel);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.state.lock().stopped
    }

    pub(super) fn stop(&self) {
        self.state.lock().stopped = true;
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::rows::record::tests::line;

    fn rows(numbers: std::ops::RangeInclusive<u64>) -> Vec<(u64, Line)> {
        numbers.map(|seq| (seq, line("r", 1))).collect()
    }

    #[test]
    fn what_memory_is_too_small_for_is_read_back_in_order() {
        let outbox = Outbox::new(4, 2);
        outbox.journaled(rows(1..=3).into_iter());
        outbox.journaled(rows(4..=6).into_iter());
        assert_eq!(outbox.unjournaled(rows(7..=7)).unwrap_err().len(), 1, "nothing overtakes");
        outbox.journaled(rows(8..=8).into_iter());
        assert_eq!(outbox.next(), Work::Rows(rows(1..=2)));
        assert_eq!(outbox.next(), Work::Rows(rows(3..=3)));
        assert_eq!(outbox.next(), Work::Journal(4, 8));
        outbox.read_back(6);
        assert_eq!(outbox.next(), Work::Journal(6, 8));
        outbox.journaled(rows(9..=9).into_iter());
        outbox.read_back(9);
        assert_eq!(outbox.next(), Work::Journal(9, 9));
        outbox.read_back(10);
        outbox.journaled(rows(10..=10).into_iter());
        assert_eq!(outbox.next(), Work::Rows(rows(10..=10)));
        assert_eq!(outbox.next(), Work::None);
        outbox.stop();
        assert_eq!(outbox.next(), Work::Over);
    }
}
