//! So many decisions, the latest ones, in memory that is written over in turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use llm_router::Trace;
use parking_lot::Mutex;

use super::Decision;

/// The latest decisions.
#[derive(Debug)]
pub(crate) struct Ring {
    slots: Box<[Mutex<Option<Arc<Decision>>>]>,
    next: AtomicUsize,
    /// The candidates of a decision that is gone: a place for the next ones.
    spare: Mutex<Option<Box<Trace>>>,
}

impl Ring {
    /// Room for so many.
    pub(super) fn new(keep: usize) -> Self {
        let slots = (0..keep).map(|_| Mutex::new(None)).collect();
        Self { slots, next: AtomicUsize::new(0), spare: Mutex::new(None) }
    }

    /// For how many there is room.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// A place for the candidates of a request.
    pub(super) fn spare(&self) -> Box<Trace> {
        self.spare.lock().take().unwrap_or_default()
    }

    /// The latest, newest first.
    pub(super) fn latest(&self) -> impl Iterator<Item = Arc<Decision>> {
        let next = self.next.load(Ordering::Relaxed);
        (1..=self.slots.len()).filter_map(move |back| {
            let at = next.checked_sub(back)?.checked_rem(self.slots.len())?;
            self.slots.get(at)?.lock().clone()
        })
    }

    /// Keeps a decision that somebody has already.
    pub(super) fn keep(&self, decision: Arc<Decision>) {
        if let Some(slot) = self.turn() {
            let before = slot.lock().replace(decision);
            // Dropped outside of the lock.
            drop(before);
        }
    }

    /// Keeps a decision in place of the oldest one, in its memory unless somebody has that one still: to free what is
    /// cold, and to get what is colder, takes longer than all the rest.
    pub(super) fn keep_new(&self, decision: Decision) -> Arc<Decision> {
        let Some(slot) = self.turn() else {
            return Arc::new(decision);
        };
        let oldest = slot.lock().take();
        let kept = match oldest {
            Some(mut oldest) => match Arc::get_mut(&mut oldest) {
                Some(place) => {
                    let first = place.groups.first_mut();
                    if let Some(trace) = first.and_then(|(_, record)| record.trace.take()) {
                        *self.spare.lock() = Some(trace);
                    }
                    *place = decision;
                    oldest
                }
                None => Arc::new(decision),
            },
            None => Arc::new(decision),
        };
        let before = slot.lock().replace(Arc::clone(&kept));
        drop(before);
        kept
    }

    /// Whose turn it is to go.
    fn turn(&self) -> Option<&Mutex<Option<Arc<Decision>>>> {
        let at = self.next.fetch_add(1, Ordering::Relaxed).checked_rem(self.slots.len())?;
        self.slots.get(at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::decision;
    use super::*;

    #[test]
    fn what_somebody_reads_is_not_written_over() {
        let ring = Ring::new(1);
        let read = ring.keep_new(decision("a"));
        let kept = ring.keep_new(decision("b"));
        assert_eq!((&*read.request_id, &*kept.request_id), ("a", "b"));
        let place = Arc::as_ptr(&kept);
        drop(kept);
        let next = ring.keep_new(decision("c"));
        assert!(std::ptr::eq(Arc::as_ptr(&next), place), "in the same place");
        let ids: Vec<_> = ring.latest().map(|kept| kept.request_id.to_string()).collect();
        assert_eq!(ids, ["c"]);
    }
}
