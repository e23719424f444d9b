//! What a stream has said so far, and how another deployment's stream is joined to it.
//!
//! Only plain text can be gone on from: a call of a tool, JSON or thoughts cut in two cannot be mended by asking
//! for the rest. So the text is kept as long as there is nothing else.

use llm_types::{Delta, Event, PartStart, Usage};

/// The longest text that is gone on from, in bytes.
const MOST: usize = 1024 * 1024;

/// What was said, and how the numbers of a stream that goes on with it are to be read.
#[derive(Debug, Default)]
pub(super) struct Seam {
    /// The text so far; `None`: something else came.
    said: Said,
    /// The part that is open, or was last.
    part: u32,
    open: bool,
    /// There was a part at all.
    any: bool,
    /// From a stream that goes on: its own text belongs to the open part.
    joined: Option<Joined>,
    /// Used by the streams before this one.
    before: Option<Usage>,
    /// Used by this one.
    own: Option<Usage>,
}

#[derive(Debug)]
struct Said {
    text: String,
    only: bool,
}

impl Default for Said {
    fn default() -> Self {
        Self { text: String::new(), only: true }
    }
}

/// How the parts of a stream that goes on are numbered.
#[derive(Debug, Clone, Copy)]
struct Joined {
    /// Added to its numbers.
    offset: u32,
    /// Its first part is the one that is open, if it is text.
    first_is_open: bool,
}

impl Seam {
    /// The text so far; `None`: it cannot be gone on from.
    pub(super) fn said(&self) -> Option<&str> {
        let Said { text, only } = &self.said;
        (*only && !text.is_empty() && text.len() <= MOST).then_some(text)
    }

    /// From here on the events are those of a stream that goes on.
    pub(super) fn join(&mut self, used: Option<&Usage>) {
        let offset = if self.open || !self.any { self.part } else { self.part + 1 };
        self.joined = Some(Joined { offset, first_is_open: self.open });
        self.before = used.cloned();
        self.own = None;
    }

    /// Whether this is a stream that goes on.
    pub(super) fn is_joined(&self) -> bool {
        self.joined.is_some()
    }

    /// What the stream that goes on used itself.
    pub(super) fn own(&self) -> Option<&Usage> {
        self.own.as_ref()
    }

    /// The event as the client is to see it; `None`: it knows it already.
    pub(super) fn event<'e>(&mut self, event: Event<'e>) -> Option<Event<'e>> {
        if let Event::Usage(usage) = &event {
            self.own = Some(usage.clone());
        }
        let event = match self.joined {
            Some(joined) => self.renumbered(event, joined)?,
            None => event,
        };
        self.note(&event);
        Some(event)
    }

    fn renumbered<'e>(&self, event: Event<'e>, joined: Joined) -> Option<Event<'e>> {
        let Joined { offset, first_is_open } = joined;
        Some(match event {
            Event::Start(_) => return None,
            Event::PartStart { part: 0, start: PartStart::Text, .. } if first_is_open => return None,
            Event::PartStart { choice, part, start } => {
                Event::PartStart { choice, part: part + offset, start }
            }
            Event::Delta { choice, part, delta } => Event::Delta { choice, part: part + offset, delta },
            Event::PartEnd { choice, part } => Event::PartEnd { choice, part: part + offset },
            Event::Usage(usage) => Event::Usage(match &self.before {
                Some(before) => before.and(&usage),
                None => usage,
            }),
            other => other,
        })
    }

    fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::PartStart { choice: 0, part, start: PartStart::Text } => {
                (self.part, self.open, self.any) = (*part, true, true);
            }
            Event::Delta { choice: 0, part, delta: Delta::Text(text) } => {
                (self.part, self.open, self.any) = (*part, true, true);
                if self.said.text.len() <= MOST {
                    self.said.text.push_str(text.as_ref());
                }
            }
            Event::Delta { delta: Delta::LogProbs(_) | Delta::Extra(_) | Delta::Citation(_), .. }
            | Event::Start(_)
            | Event::Usage(_)
            | Event::Opaque { .. }
            | Event::Error(_) => {}
            Event::PartEnd { choice: 0, part } if *part == self.part => self.open = false,
            // A tool, a thought, a picture, another choice, or the end.
            Event::PartStart { .. } | Event::Delta { .. } | Event::PartEnd { .. } | Event::Finish { .. } => {
                self.said.only = false;
            }
        }
    }
}
