//! The thread beside the requests: it writes the rows that they could not write at once, whatever has come together in
//! one write, tells everybody, and removes what is stored from the journal.

use std::io;
use std::time::{Duration, Instant};

use super::desk::Desk;
use super::outbox::Outbox;
use super::{Shared, Stored};
use crate::sql::rows::journal::Spare;
use crate::sql::rows::line::Line;
use crate::sql::rows::status::add;

/// The most rows of a write.
const MOST: usize = 4096;
/// How many rows are journaled at once that had no room before: where a few fit they shall not wait for the others.
const FEW: usize = 256;
/// How often a disk that was full or slow is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// Runs until the inbox is stopped and empty.
pub(super) fn run(shared: &Shared) {
    let Shared { inbox, outbox, counters, .. } = shared;
    // Rows that neither the journal nor the outbox has room for.
    let mut held: Vec<(u64, Line)> = Vec::new();
    let mut careful = false;
    loop {
        let most = if held.is_empty() { MOST } else { 0 };
        let taken = inbox.take(most, careful.then_some(AGAIN));
        let mut place = shared.desk.lock();
        let Some(desk) = &mut *place else { return };
        held.extend(desk.number(taken.rows));
        let mut stored = Stored::Journal;
        if !held.is_empty() {
            let began = Instant::now();
            // In the order of their numbers.
            let written = catch_up(desk, outbox)
                .and_then(|()| desk.journal.append(held.iter().map(|(seq, line)| (*seq, &*line.text))));
            desk.note(began, written.is_ok());
            match written {
                Ok(()) => {
                    outbox.journaled(held.iter().map(|(seq, line)| (*seq, line.entry())));
                    held.clear();
                    inbox.hold(0);
                    if counters.degraded.lock().take().is_some() {
                        inbox.degrade(false);
                    }
                }
                Err(error) => {
                    stored = Stored::Memory;
                    *counters.degraded.lock() = Some(format!("the journal cannot be written: {error}"));
                    inbox.degrade(true);
                    held = outbox.unjournaled(held).err().unwrap_or_default();
                    inbox.hold(held.len());
                }
            }
        }
        // No row may come that would find out whether there is room again.
        let degraded = counters.degraded.lock().is_some();
        let quiet = degraded && held.is_empty() && stored == Stored::Journal;
        if quiet && catch_up(desk, outbox).is_ok() && desk.journal.probe().is_ok() {
            *counters.degraded.lock() = None;
            inbox.degrade(false);
        }
        if held.is_empty() && stored == Stored::Journal && counters.degraded.lock().is_none() {
            desk.relax();
        }
        careful = desk.is_careful();
        let forgotten = desk.journal.forget(outbox.stored());
        counters.journal_bytes.store(desk.journal.bytes(), std::sync::atomic::Ordering::Relaxed);
        if taken.stopped {
            add(&counters.lost, held.len());
            if let Some(desk) = place.take() {
                desk.journal.close(outbox.stored());
            }
        }
        drop(place);
        for teller in taken.tellers.into_iter().flatten() {
            let _ = teller.send(stored);
        }
        // Beside the requests that write: it takes a while. A database that has no room gets this.
        let well = counters.store_away.lock().is_none() && !taken.stopped;
        for spare in forgotten.into_iter().filter_map(|done| Spare::of(done, well)) {
            if let Some(desk) = &mut *shared.desk.lock() {
                desk.journal.reuse(spare);
            }
        }
        if taken.stopped {
            return;
        }
    }
}

/// Journals the rows that the journal had no room for when they came.
fn catch_up(desk: &mut Desk, outbox: &Outbox) -> io::Result<()> {
    loop {
        let rows = outbox.take_loose(FEW);
        if rows.is_empty() {
            return Ok(());
        }
        if let Err(error) = desk.journal.append(rows.iter().map(|(seq, line)| (*seq, &*line.text))) {
            outbox.give_back(rows);
            return Err(error);
        }
        outbox.kept();
    }
}
