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

#[cfg(test)]
mod tests {
    use llm_types::chat::ToolCallKind;
    use llm_types::{Finish, Start};

    use super::*;

    fn begins(choice: u32, part: u32, start: PartStart<'_>) -> Event<'_> {
        Event::PartStart { choice, part, start }
    }

    fn more(choice: u32, part: u32, delta: Delta<'_>) -> Event<'_> {
        Event::Delta { choice, part, delta }
    }

    fn text(part: u32, text: &str) -> Event<'_> {
        more(0, part, Delta::Text(text.into()))
    }

    fn call() -> PartStart<'static> {
        PartStart::ToolCall { id: "c".into(), name: "f".into(), kind: ToolCallKind::Function }
    }

    fn used(output: u64) -> Event<'static> {
        Event::Usage(Usage { output, ..Usage::default() })
    }

    /// The numbers of parts as the client is to see them; `None` for what it is not told.
    fn shown(seam: &mut Seam, events: Vec<Event<'_>>) -> Vec<Option<u32>> {
        let part = |event| match seam.event(event)? {
            Event::PartStart { part, .. } | Event::Delta { part, .. } | Event::PartEnd { part, .. } => {
                Some(part)
            }
            other => panic!("no part: {other:?}"),
        };
        events.into_iter().map(part).collect()
    }

    #[test]
    fn only_text_is_gone_on_from() {
        let check = |events: Vec<Event<'_>>, expect: Option<&str>| {
            let told = format!("{events:?}");
            let mut seam = Seam::default();
            for event in events {
                assert!(seam.event(event).is_some(), "the client sees all of it: {told}");
            }
            assert_eq!(seam.said(), expect, "{told}");
        };
        let after_text = |event| vec![begins(0, 0, PartStart::Text), text(0, "At six"), event];
        check(vec![], None);
        check(vec![Event::Start(Start::default()), begins(0, 0, PartStart::Text)], None);
        check(after_text(text(0, ", or")), Some("At six, or"));
        check(after_text(Event::PartEnd { choice: 0, part: 0 }), Some("At six"));
        check(after_text(used(3)), Some("At six"));
        // A call of a tool, before the text or behind it, and its arguments.
        check(after_text(begins(0, 1, call())), None);
        check(after_text(more(0, 1, Delta::ToolArgs("{\"a".into()))), None);
        check(vec![begins(0, 0, call()), Event::PartEnd { choice: 0, part: 0 }, text(1, "At six")], None);
        // Thoughts, in the open or not, whole or only their signature.
        check(vec![begins(0, 0, PartStart::Reasoning), text(1, "At six")], None);
        for delta in
            [Delta::Reasoning("hm".into()), Delta::Redacted("x".into()), Delta::Signature("x".into())]
        {
            check(vec![more(0, 0, delta.clone()), text(1, "At six")], None);
            check(after_text(more(0, 0, delta)), None);
        }
        check(after_text(begins(0, 1, PartStart::Refusal)), None);
        check(after_text(begins(0, 1, PartStart::Audio { id: "a".into() })), None);
        // Another answer beside it, and one that is complete.
        check(after_text(begins(1, 0, PartStart::Text)), None);
        check(after_text(more(1, 0, Delta::Text("At ten".into()))), None);
        check(after_text(Event::Finish { choice: 0, finish: Finish::default() }), None);
    }

    #[test]
    fn what_is_too_long_is_not_gone_on_from() {
        let mut seam = Seam::default();
        let half = "x".repeat(MOST / 2);
        for (piece, whole) in [(&*half, true), (&*half, true), ("x", false), ("x", false)] {
            seam.event(text(0, piece));
            assert_eq!(seam.said().is_some(), whole);
        }
    }

    #[test]
    fn the_rest_goes_into_the_part_that_is_open() {
        let rest =
            || vec![begins(0, 0, PartStart::Text), text(0, "opens"), Event::PartEnd { choice: 0, part: 0 }];
        let check = |begun: Vec<Event<'_>>, expect: [Option<u32>; 3]| {
            let mut seam = Seam::default();
            begun.into_iter().for_each(|event| assert!(seam.event(event).is_some()));
            seam.join(None);
            assert!(seam.event(Event::Start(Start::default())).is_none(), "it has begun long ago");
            assert_eq!(shown(&mut seam, rest()), expect);
        };
        check(vec![text(0, "The harbour ")], [None, Some(0), Some(0)]);
        check(vec![begins(0, 2, PartStart::Text), text(2, "The harbour ")], [None, Some(2), Some(2)]);
        let closed = vec![text(0, "The harbour "), Event::PartEnd { choice: 0, part: 0 }];
        check(closed, [Some(1), Some(1), Some(1)]);
        check(vec![], [Some(0), Some(0), Some(0)]);
    }

    #[test]
    fn several_streams_are_one_text_and_one_bill() {
        let mut seam = Seam::default();
        let mut sum = 0;
        for (words, output) in [("The ", 1), ("harbour ", 2), ("opens", 4)] {
            seam.event(text(0, words));
            let Some(Event::Usage(usage)) = seam.event(used(output)) else { panic!("no usage") };
            sum += output;
            assert_eq!((usage.output, seam.own().map(|own| own.output)), (sum, Some(output)));
            seam.join(Some(&usage));
            assert!(seam.is_joined() && seam.own().is_none());
        }
        assert_eq!(seam.said(), Some("The harbour opens"));
    }
}
