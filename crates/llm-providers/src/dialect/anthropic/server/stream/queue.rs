//! Parts that began while another is live.
//!
//! Only calls of tools may be open together, and nobody can use half of one, so the later ones wait in
//! memory.

use std::collections::VecDeque;

use llm_types::{Delta, Event, PartStart};

/// The most that waits, in bytes: what comes beyond it is lost, and the call with it.
const LIMIT: usize = 32 * 1024 * 1024;

/// A part that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) part: u32,
    pub(super) start: PartStart<'static>,
    pub(super) deltas: Vec<Delta<'static>>,
    pub(super) ended: bool,
}

/// Parts that wait, in order.
#[derive(Debug, Default)]
pub(super) struct Queue {
    parts: VecDeque<Waiting>,
    /// Bytes of text in them.
    size: usize,
}

impl Queue {
    /// A part begins.
    pub(super) fn start(&mut self, part: u32, start: PartStart<'_>) {
        if let Event::PartStart { choice: _, part, start } =
            (Event::PartStart { choice: 0, part, start }).into_owned()
        {
            self.parts.push_back(Waiting { part, start, deltas: Vec::new(), ended: false });
        }
    }

    /// A piece of a part.
    pub(super) fn delta(&mut self, part: u32, delta: Delta<'_>) {
        let Some(waiting) = self.parts.iter_mut().find(|waiting| waiting.part == part && !waiting.ended)
        else {
            return;
        };
        match (waiting.deltas.last_mut(), delta) {
            (_, Delta::ToolArgs(more)) if self.size.saturating_add(more.len()) > LIMIT => {}
            (Some(Delta::ToolArgs(all)), Delta::ToolArgs(more)) => {
                self.size += more.len();
                all.to_mut().push_str(&more);
            }
            (_, delta) => {
                let event = Event::Delta { choice: 0, part, delta }.into_owned();
                if let Event::Delta { choice: _, part: _, delta } = event {
                    if let Delta::ToolArgs(text) = &delta {
                        self.size += text.len();
                    }
                    waiting.deltas.push(delta);
                }
            }
        }
    }

    /// A part is complete.
    pub(super) fn end(&mut self, part: u32) {
        if let Some(waiting) = self.parts.iter_mut().find(|waiting| waiting.part == part) {
            waiting.ended = true;
        }
    }

    /// The part that has waited longest.
    pub(super) fn next(&mut self) -> Option<Waiting> {
        let next = self.parts.pop_front();
        if self.parts.is_empty() {
            self.size = 0;
        }
        next
    }
}
