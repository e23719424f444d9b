//! The part of an answer that is being streamed: text, thoughts or a refusal, one at a time.

use std::borrow::Cow;

use llm_types::{Delta, Event, EventSink, Flow, PartStart, SurrogateCarry, Wtf8};

/// What an open part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Reasoning,
    Refusal,
}

/// The open part of one choice, and the numbering of its parts.
#[derive(Debug)]
pub(super) struct Parts {
    choice: u32,
    next: u32,
    open: Option<(Kind, u32)>,
    carry: SurrogateCarry,
    /// The last text part, open or not: annotations may come behind it.
    text: Option<u32>,
}

impl Parts {
    pub(super) fn new(choice: u32) -> Self {
        Self { choice, next: 0, open: None, carry: SurrogateCarry::default(), text: None }
    }

    pub(super) fn choice(&self) -> u32 {
        self.choice
    }

    /// The number of the next part.
    pub(super) fn number(&mut self) -> u32 {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        number
    }

    /// The last text part.
    pub(super) fn text_number(&self) -> Option<u32> {
        self.text
    }

    /// The open part, if it is of this kind.
    pub(super) fn is_open(&self, kind: Kind) -> bool {
        self.open.is_some_and(|(open, _)| open == kind)
    }

    /// Opens a part of this kind, unless one is open. Returns its number.
    pub(super) fn open(&mut self, kind: Kind, sink: &mut dyn EventSink) -> (u32, Flow) {
        if let Some((open, number)) = self.open {
            if open == kind {
                return (number, Flow::Continue(()));
            }
            if self.end(sink).is_break() {
                return (number, Flow::Break(()));
            }
        }
        let number = self.number();
        self.open = Some((kind, number));
        let start = match kind {
            Kind::Text => {
                self.text = Some(number);
                PartStart::Text
            }
            Kind::Reasoning => PartStart::Reasoning,
            Kind::Refusal => PartStart::Refusal,
        };
        (number, sink.event(Event::PartStart { choice: self.choice, part: number, start }))
    }

    /// Hands on more of a part, which is opened if it is not.
    pub(super) fn push(&mut self, kind: Kind, text: Wtf8<'_>, sink: &mut dyn EventSink) -> Flow {
        if text.is_empty() {
            return Flow::Continue(());
        }
        let (part, flow) = self.open(kind, sink);
        if flow.is_break() {
            return flow;
        }
        let text = self.carry.join(text);
        if text.is_empty() {
            return Flow::Continue(());
        }
        self.delta(part, kind, text, sink)
    }

    fn delta(&self, part: u32, kind: Kind, text: Cow<'_, str>, sink: &mut dyn EventSink) -> Flow {
        let delta = match kind {
            Kind::Text => Delta::Text(text),
            Kind::Reasoning => Delta::Reasoning(text),
            Kind::Refusal => Delta::Refusal(text),
        };
        sink.event(Event::Delta { choice: self.choice, part, delta })
    }

    /// Ends the open part.
    pub(super) fn end(&mut self, sink: &mut dyn EventSink) -> Flow {
        let Some((kind, part)) = self.open.take() else {
            return Flow::Continue(());
        };
        let left = self.carry.finish();
        if !left.is_empty() && self.delta(part, kind, Cow::Borrowed(left), sink).is_break() {
            return Flow::Break(());
        }
        sink.event(Event::PartEnd { choice: self.choice, part })
    }

    /// A part that is whole at once.
    pub(super) fn whole<'e>(
        &mut self,
        start: PartStart<'e>,
        deltas: impl IntoIterator<Item = Delta<'e>>,
        sink: &mut dyn EventSink,
    ) -> Flow {
        if self.end(sink).is_break() {
            return Flow::Break(());
        }
        let (choice, part) = (self.choice, self.number());
        let mut flow = sink.event(Event::PartStart { choice, part, start });
        for delta in deltas {
            if flow.is_break() {
                return flow;
            }
            flow = sink.event(Event::Delta { choice, part, delta });
        }
        if flow.is_break() {
            return flow;
        }
        sink.event(Event::PartEnd { choice, part })
    }
}
