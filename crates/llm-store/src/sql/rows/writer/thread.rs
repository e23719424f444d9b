//! The thread that writes the journal: whatever has come together in one write, then everybody is told.

use std::time::Duration;

use super::{Shared, Stored};
use crate::sql::rows::journal::Journal;
use crate::sql::rows::record::Record;
use crate::sql::rows::status::add;

/// The most rows of a write.
const MOST: usize = 4096;
/// How often a disk that was full is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// Runs until the inbox is stopped and empty.
pub(super) fn run(shared: &Shared, mut journal: Journal) {
    let Shared { inbox, outbox, counters, .. } = shared;
    // Numbers go on from the clock: should a node ever have the name of an earlier life, its rows are still others.
    let mut last = u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or_default();
    // Rows that neither the journal nor the outbox has room for.
    let mut held: Vec<(u64, Record)> = Vec::new();
    loop {
        let degraded = counters.degraded.lock().is_some();
        let (most, patience) = match held.is_empty() {
            true => (MOST, degraded.then_some(AGAIN)),
            false => (0, Some(AGAIN)),
        };
        let taken = inbox.take(most, patience);
        let numbers = last + 1..;
        held.extend(numbers.zip(taken.rows.into_iter().map(Record::from)));
        last = held.last().map_or(last, |(seq, _)| *seq);
        let mut stored = Stored::Journal;
        // No row comes that would find out.
        if degraded && held.is_empty() && journal.probe().is_ok() {
            *counters.degraded.lock() = None;
            inbox.degrade(false);
        }
        if !held.is_empty() {
            match journal.append(&held) {
                Ok(()) => {
                    outbox.journaled(std::mem::take(&mut held));
                    if counters.degraded.lock().take().is_some() {
                        inbox.degrade(false);
                    }
                }
                Err(error) => {
                    stored = Stored::Memory;
                    *counters.degraded.lock() = Some(format!("the journal cannot be written: {error}"));
                    inbox.degrade(true);
                    held = outbox.unjournaled(held).err().unwrap_or_default();
                }
            }
        }
        for teller in taken.tellers.into_iter().flatten() {
            let _ = teller.send(stored);
        }
        journal.forget(outbox.stored());
        counters.journal_bytes.store(journal.bytes(), std::sync::atomic::Ordering::Relaxed);
        if taken.stopped {
            add(&counters.lost, held.len());
            return journal.close(outbox.stored());
        }
    }
}
