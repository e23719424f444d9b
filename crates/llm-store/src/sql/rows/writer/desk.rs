//! Where the journal is written: by whoever has a row, at once.
//!
//! To wake a thread for a row, and then whoever waits for it, costs more than to write the row. So a request writes it
//! by itself where it can: a write of a few hundred bytes that the kernel keeps. Where another is just writing, or the
//! disk is slow, full or gone, the row goes to the thread, and the request waits without holding up its runtime.

use std::time::Instant;

use llm_governance::UsageRow;

use super::care::Care;
use super::outbox::Outbox;
use crate::sql::rows::journal::Journal;
use crate::sql::rows::line::{self, Entry, Line};
use crate::sql::rows::subject::Subjects;
use crate::sql::text::clean;

/// The journal and the number of the latest row. Rows go to the outbox in the order of their numbers, so both are only
/// touched while it is locked.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) journal: Journal,
    last: u64,
    care: Care,
    subjects: Subjects,
    /// The text of the row that is being written.
    text: Vec<u8>,
}

impl Desk {
    pub(super) fn new(journal: Journal) -> Self {
        // Numbers go on from the clock: should a node ever have the name of an earlier life, its rows are still others.
        let last = u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or_default();
        Self { journal, last, care: Care::default(), subjects: Subjects::default(), text: Vec::new() }
    }

    /// Whether only the thread writes.
    pub(super) fn is_careful(&self) -> bool {
        self.care.is_on()
    }

    /// Gives rows their numbers.
    pub(super) fn number(&mut self, rows: Vec<Line>) -> impl Iterator<Item = (u64, Line)> {
        let first = self.last + 1;
        self.last += u64::try_from(rows.len()).unwrap_or_default();
        (first..).zip(rows)
    }

    /// Writes one row at once. False: the thread has to write it.
    pub(super) fn write_now(&mut self, row: &UsageRow, outbox: &Outbox) -> bool {
        if self.is_careful() {
            return false;
        }
        let (subject, request) = (self.subjects.find(row), clean(&row.request));
        self.text.clear();
        line::write(&mut self.text, row, &request, subject);
        let seq = self.last + 1;
        let began = Instant::now();
        let written = self.journal.append([(seq, &*self.text)]).is_ok();
        if written {
            self.last = seq;
            outbox.journaled(std::iter::once((seq, Entry::new(row, &request, subject, &self.text))));
        }
        self.note(began, written);
        written
    }

    /// How a write went that began then. After bad ones only the thread writes for a while.
    pub(super) fn note(&mut self, began: Instant, good: bool) {
        self.care.note(began, Instant::now(), good);
    }

    /// The thread has written everything: others may write again, once the disk has been good for long enough.
    pub(super) fn relax(&mut self) {
        self.care.relax(Instant::now());
    }
}
