//! Rows before the database: what the thread has journaled, and how the task gets them.
//!
//! In memory up to a bound. When more wait, later rows are only in the journal, and the task reads them back from
//! there until it has caught up. Rows that the journal had no room for are remembered until they are in the journal
//! after all, or in the database: so long they would not survive the end of the process.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::sql::rows::line::{Entry, Line};
use crate::sql::rows::pack::Pack;

/// How many empty packs are kept for their room.
const SPARE: usize = 4;

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
    /// None is empty, and all but the last are full.
    packs: VecDeque<Pack>,
    /// How many rows that are.
    count: usize,
    /// Empty packs with room: some are being stored while others are filled.
    spare: Vec<Pack>,
    /// From this row on they are in the journal alone.
    spilled: Option<u64>,
    /// Rows that are in no journal and perhaps not in the database, by their numbers.
    loose: VecDeque<(u64, Line)>,
    /// How many of them the thread has in its hands: it tries to journal them.
    tried: usize,
    /// The last row that is in the journal.
    journaled: u64,
    hurry: bool,
    stopped: bool,
}

impl State {
    /// Adds a row to the last pack, or to another where that has so many.
    fn add(&mut self, seq: u64, entry: &Entry<'_>, most: usize) {
        self.count += 1;
        match self.packs.back_mut().filter(|pack| pack.len() < most) {
            Some(pack) => pack.add(seq, entry),
            None => {
                let mut pack = self.spare.pop().unwrap_or_default();
                pack.add(seq, entry);
                self.packs.push_back(pack);
            }
        }
    }
}

/// What the task has to do.
#[derive(Debug)]
pub(super) enum Work {
    /// Rows from memory.
    Rows(Pack),
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
    pub(super) fn journaled<'a>(&self, rows: impl ExactSizeIterator<Item = (u64, Entry<'a>)>) {
        let more = rows.len();
        let mut rows = rows.peekable();
        let Some(first) = rows.peek().map(|(seq, _)| *seq) else { return };
        let mut state = self.state.lock();
        let before = state.count;
        let wake = if state.spilled.is_none() && before + more <= self.most {
            for (seq, entry) in rows {
                state.add(seq, &entry, self.batch);
                state.journaled = seq;
            }
            before == 0 || (before < self.batch && state.count >= self.batch)
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
        if state.spilled.is_some() || state.count.max(state.loose.len()) + rows.len() > self.most {
            return Err(rows);
        }
        rows.iter().for_each(|(seq, line)| state.add(*seq, &line.entry(), self.batch));
        state.loose.extend(rows);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// The oldest rows that are in no journal, at most so many; whoever cannot keep them gives them back, and whoever
    /// could says so.
    pub(super) fn take_loose(&self, most: usize) -> Vec<(u64, Line)> {
        let mut state = self.state.lock();
        let count = state.loose.len().min(most);
        state.tried = count;
        state.loose.drain(..count).collect()
    }

    /// The rows that were taken are in the journal.
    pub(super) fn kept(&self) {
        self.state.lock().tried = 0;
    }

    /// Takes rows back that are still in no journal.
    pub(super) fn give_back(&self, rows: Vec<(u64, Line)>) {
        let mut state = self.state.lock();
        state.tried = 0;
        // Some may have been stored meanwhile.
        let stored = self.stored();
        let rows = rows.into_iter().filter(|(seq, _)| *seq > stored);
        rows.rev().for_each(|row| state.loose.push_front(row));
    }

    /// How many rows are in memory alone.
    pub(super) fn loose(&self) -> usize {
        let state = self.state.lock();
        state.loose.len() + state.tried
    }

    /// What is to be done next, at most one batch.
    pub(super) fn next(&self) -> Work {
        let mut state = self.state.lock();
        state.hurry = false;
        if let Some(pack) = state.packs.pop_front() {
            state.count -= pack.len();
            return Work::Rows(pack);
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

    /// Takes a pack whose rows are stored, for its room.
    pub(super) fn recycle(&self, pack: Pack) {
        let Some(emptied) = pack.emptied() else { return };
        let mut state = self.state.lock();
        if state.spare.len() < SPARE {
            state.spare.push(emptied);
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
        state.hurry || state.stopped || state.spilled.is_some() || state.count >= self.batch
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
        let mut state = self.state.lock();
        self.stored.fetch_max(last, Ordering::AcqRel);
        let known = state.loose.iter().take_while(|(seq, _)| *seq <= last).count();
        state.loose.drain(..known);
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
    use crate::sql::rows::line::tests::row;

    fn rows(numbers: std::ops::RangeInclusive<u64>) -> Vec<(u64, Line)> {
        numbers.map(|seq| (seq, Line::of(&row("r", 1)))).collect()
    }

    fn journaled(outbox: &Outbox, numbers: std::ops::RangeInclusive<u64>) {
        let rows = rows(numbers);
        outbox.journaled(rows.iter().map(|(seq, line)| (*seq, line.entry())));
    }

    /// First and last row of what is to be done, and whether it is in memory.
    fn next(outbox: &Outbox) -> Option<(u64, u64, bool)> {
        match outbox.next() {
            Work::Rows(pack) => Some((pack.first()?, pack.last()?, true)),
            Work::Journal(first, last) => Some((first, last, false)),
            Work::None | Work::Over => None,
        }
    }

    #[test]
    fn what_memory_is_too_small_for_is_read_back_in_order() {
        let outbox = Outbox::new(4, 2);
        journaled(&outbox, 1..=3);
        journaled(&outbox, 4..=6);
        assert_eq!(outbox.unjournaled(rows(7..=7)).unwrap_err().len(), 1, "nothing overtakes");
        journaled(&outbox, 8..=8);
        assert_eq!(next(&outbox), Some((1, 2, true)));
        assert_eq!(next(&outbox), Some((3, 3, true)));
        assert_eq!(next(&outbox), Some((4, 8, false)));
        outbox.read_back(6);
        assert_eq!(next(&outbox), Some((6, 8, false)));
        journaled(&outbox, 9..=9);
        outbox.read_back(9);
        assert_eq!(next(&outbox), Some((9, 9, false)));
        outbox.read_back(10);
        journaled(&outbox, 10..=10);
        assert_eq!(next(&outbox), Some((10, 10, true)));
        assert!(matches!(outbox.next(), Work::None));
        outbox.stop();
        assert!(matches!(outbox.next(), Work::Over));
    }

    #[test]
    fn rows_in_memory_alone_are_known_until_they_are_kept() {
        let outbox = Outbox::new(10, 2);
        outbox.unjournaled(rows(1..=5)).unwrap();
        assert!(outbox.unjournaled(rows(6..=11)).is_err(), "no more than fit");
        let numbers = |rows: &[(u64, Line)]| rows.iter().map(|(seq, _)| *seq).collect::<Vec<_>>();
        // The task has them in its hands: they are no safer for it.
        assert_eq!((next(&outbox), outbox.loose()), (Some((1, 2, true)), 5));
        let taken = outbox.take_loose(3);
        assert_eq!(outbox.loose(), 5, "nor for being tried");
        outbox.store(2);
        outbox.give_back(taken);
        assert_eq!(numbers(&outbox.take_loose(2)), [3, 4]);
        assert_eq!(outbox.loose(), 3);
        outbox.kept();
        assert_eq!(outbox.loose(), 1);
        outbox.store(5);
        assert_eq!(outbox.loose(), 0);
    }

    #[test]
    fn the_room_of_a_pack_is_used_again() {
        let outbox = Outbox::new(10, 2);
        for first in [1, 3] {
            journaled(&outbox, first..=first + 1);
            let Work::Rows(pack) = outbox.next() else { panic!("no rows") };
            let numbers: Vec<_> = pack.texts().map(|(seq, _)| seq).collect();
            assert_eq!((numbers, pack.len()), (vec![first, first + 1], 2));
            outbox.recycle(pack);
        }
    }
}
