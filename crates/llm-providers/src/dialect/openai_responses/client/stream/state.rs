//! The items of a stream, as parts that do not overlap.
//!
//! Items come one after the other, as a rule. OpenRouter begins one before it ends another, so a part ends when
//! the next one begins, whatever its item still has to say: that comes as a part of its own, or, for a call
//! whose arguments would be torn, as a failure.

use std::borrow::Cow;

use llm_types::chat::{LogProbs, Part, Reasoning};
use llm_types::{Delta, Event, EventSink, Extra, Flow, PartStart, Result, SurrogateCarry};

use super::super::super::wire::{self, Item, MessageItem, OutputText, Parts, Raw, Text, Token};
use super::super::content::{self, BETWEEN, Content};
use super::super::error;
use super::call::{CallHead, Calls, custom, function};
use super::unread;
use crate::replay::send_parts;

/// The most items of one answer.
pub(super) const LIMIT: usize = 4096;

/// Where in the output a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// The item.
    pub(super) item: u32,
    /// Its part: of the content, or of a summary.
    pub(super) part: u32,
}

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// The answer.
    Text,
    /// A refusal.
    Refusal,
    /// A summary of thoughts.
    Summary,
    /// Thoughts themselves.
    Thoughts,
}

impl Said {
    fn is_thought(self) -> bool {
        matches!(self, Self::Summary | Self::Thoughts)
    }
}

/// The items so far.
#[derive(Debug, Default)]
pub(super) struct Items {
    /// The number of the next part.
    next: u32,
    /// The part that is open, unless calls are.
    open: Option<Open>,
    calls: Calls,
    /// Texts of which something was said.
    said: Vec<(Said, Key)>,
    /// Items that have ended.
    ended: Vec<u32>,
    called: bool,
}

#[derive(Debug)]
struct Open {
    part: u32,
    key: Key,
    said: Said,
    carry: SurrogateCarry,
    /// How many sources were told.
    cited: usize,
}

/// The sink takes more.
pub(super) const GO_ON: Flow = Flow::Continue(());

impl Items {
    /// Whether nothing came so far.
    pub(super) fn is_empty(&self) -> bool {
        self.next == 0
    }

    /// The number of the next part.
    pub(super) fn next(&mut self) -> &mut u32 {
        &mut self.next
    }

    /// Whether tools of the caller are called.
    pub(super) fn called(&self) -> bool {
        self.called || !self.calls.is_empty()
    }

    /// Notes that an answer in one piece calls tools.
    pub(super) fn note_call(&mut self, called: bool) {
        self.called = called;
    }

    /// An item begins. Only a call is told at once: what it calls is known.
    pub(super) fn added(
        &mut self,
        index: u32,
        item: Option<&Raw<'_>>,
        sink: &mut dyn EventSink,
    ) -> Result<Flow> {
        let Some(item) = item else {
            return Ok(GO_ON);
        };
        match Item::read(item.get()).map_err(unread)? {
            Item::FunctionCall(call) => self.begin_call(index, function(call), sink),
            Item::CustomCall(call) => self.begin_call(index, custom(call), sink),
            _ => Ok(GO_ON),
        }
    }

    fn begin_call(&mut self, index: u32, head: CallHead<'_>, sink: &mut dyn EventSink) -> Result<Flow> {
        if self.calls.knows(index) {
            return Ok(GO_ON);
        }
        if self.end_open(sink).is_break() {
            return Ok(Flow::Break(()));
        }
        let part = self.number();
        self.calls.begin(index, part, head, sink)
    }

    fn number(&mut self) -> u32 {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        number
    }

    /// The calls.
    pub(super) fn calls(&mut self) -> &mut Calls {
        &mut self.calls
    }

    /// More of a text.
    pub(super) fn say(
        &mut self,
        said: Said,
        key: Key,
        more: Option<Text<'_>>,
        sink: &mut dyn EventSink,
    ) -> Result<Flow> {
        let Some(more) = more.filter(|more| !more.0.is_empty()) else {
            return Ok(GO_ON);
        };
        if self.is_copy(said, key) {
            return Ok(GO_ON);
        }
        if self.open_at(said, key, sink)?.is_break() {
            return Ok(Flow::Break(()));
        }
        let Some(open) = &mut self.open else {
            return Ok(GO_ON);
        };
        let text = open.carry.join(more.0);
        let part = open.part;
        if text.is_empty() {
            return Ok(GO_ON);
        }
        Ok(delta(
            part,
            match said {
                Said::Text => Delta::Text(text),
                Said::Refusal => Delta::Refusal(text),
                Said::Summary | Said::Thoughts => Delta::Reasoning(text),
            },
            sink,
        ))
    }

    /// Whether thoughts of this item are told in another form already: a summary and the thoughts themselves
    /// say the same.
    fn is_copy(&self, said: Said, key: Key) -> bool {
        let other = match said {
            Said::Summary => Said::Thoughts,
            Said::Thoughts => Said::Summary,
            Said::Text | Said::Refusal => return false,
        };
        self.said.iter().any(|(kind, at)| *kind == other && at.item == key.item)
    }

    /// A text is complete: all of it, in case no deltas came.
    pub(super) fn said(
        &mut self,
        said: Said,
        key: Key,
        all: Option<Text<'_>>,
        sink: &mut dyn EventSink,
    ) -> Result<Flow> {
        if self.said.contains(&(said, key)) {
            return Ok(GO_ON);
        }
        self.say(said, key, all, sink)
    }

    /// Makes sure that the part of this text is open.
    fn open_at(&mut self, said: Said, key: Key, sink: &mut dyn EventSink) -> Result<Flow> {
        let known = self.said.contains(&(said, key));
        let mut joint = None;
        if let Some(open) = &mut self.open {
            if open.said == said && open.key == key {
                self.note(said, key, known)?;
                return Ok(GO_ON);
            }
            // The parts of a summary are one text.
            if open.said == said && said.is_thought() && open.key.item == key.item {
                open.key = key;
                joint = Some(open.part);
            }
        }
        self.note(said, key, known)?;
        if let Some(part) = joint {
            return Ok(delta(part, Delta::Reasoning(Cow::Borrowed(BETWEEN)), sink));
        }
        if self.close(sink).is_break() {
            return Ok(Flow::Break(()));
        }
        let part = self.number();
        self.open = Some(Open { part, key, said, carry: SurrogateCarry::default(), cited: 0 });
        let start = match said {
            Said::Text => PartStart::Text,
            Said::Refusal => PartStart::Refusal,
            Said::Summary | Said::Thoughts => PartStart::Reasoning,
        };
        Ok(sink.event(Event::PartStart { choice: 0, part, start }))
    }

    fn note(&mut self, said: Said, key: Key, known: bool) -> Result<()> {
        if !known {
            if self.said.len() >= LIMIT {
                return Err(error::format("the upstream's stream has more than 4096 texts"));
            }
            self.said.push((said, key));
        }
        Ok(())
    }

    /// Log probabilities of the text that is open.
    pub(super) fn log_probs(&mut self, list: Option<&Raw<'_>>, sink: &mut dyn EventSink) -> Result<Flow> {
        let Some(raw) = list.filter(|raw| raw.get() != "[]") else {
            return Ok(GO_ON);
        };
        let Some(open) = &self.open else {
            return Ok(GO_ON);
        };
        let tokens: Vec<Token<'_>> = serde_json::from_str(raw.get()).map_err(unread)?;
        let list = LogProbs { content: content::tokens(tokens).collect(), refusal: Vec::new() };
        Ok(delta(open.part, Delta::LogProbs(Cow::Owned(list)), sink))
    }

    /// A source of a text.
    pub(super) fn cite(
        &mut self,
        key: Key,
        annotation: Option<&Raw<'_>>,
        sink: &mut dyn EventSink,
    ) -> Result<Flow> {
        let Some(annotation) = annotation else {
            return Ok(GO_ON);
        };
        if self.open_at(Said::Text, key, sink)?.is_break() {
            return Ok(Flow::Break(()));
        }
        let Some(open) = &mut self.open else {
            return Ok(GO_ON);
        };
        open.cited += 1;
        Ok(delta(open.part, Delta::Citation(Cow::Owned(content::citation(annotation))), sink))
    }

    /// An item is complete: what of it was not told yet.
    pub(super) fn item(
        &mut self,
        index: u32,
        item: Option<&Raw<'_>>,
        sink: &mut dyn EventSink,
    ) -> Result<Flow> {
        let Some(raw) = item else {
            return Ok(GO_ON);
        };
        if self.ended.contains(&index) {
            return Ok(GO_ON);
        }
        if self.ended.len() >= LIMIT {
            return Err(error::format("the upstream's stream has more than 4096 items"));
        }
        self.ended.push(index);
        match Item::read(raw.get()).map_err(unread)? {
            Item::Message(message) => self.message(index, message, sink),
            Item::Reasoning(item) => self.thoughts(index, content::reasoning(item), sink),
            Item::FunctionCall(call) => self.call(index, function(call), sink),
            Item::CustomCall(call) => self.call(index, custom(call), sink),
            item => self.other(item, sink),
        }
    }

    fn message(&mut self, index: u32, message: MessageItem<'_>, sink: &mut dyn EventSink) -> Result<Flow> {
        let MessageItem { kind: _, id: _, status: _, role: _, content, phase, extra: _ } = message;
        let parts = match content {
            Some(Parts::List(parts)) => parts,
            Some(Parts::Text(text)) => {
                vec![wire::Part::OutputText(OutputText { text: Some(text), ..OutputText::default() })]
            }
            None => Vec::new(),
        };
        for (number, part) in parts.into_iter().enumerate() {
            let key = Key { item: index, part: u32::try_from(number).unwrap_or(u32::MAX) };
            let flow = match part {
                wire::Part::OutputText(part) => self.whole_text(key, part, sink)?,
                wire::Part::Refusal(part) => {
                    let text = part.refusal.unwrap_or_default();
                    self.said(Said::Refusal, key, Some(Text::from(&*text.0)), sink)?
                }
                // Parts of other kinds have no deltas.
                part => {
                    let item =
                        MessageItem { content: Some(Parts::List(vec![part])), ..MessageItem::default() };
                    self.other(Item::Message(item), sink)?
                }
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        let mut extra = Extra::default();
        content::set_phase(&mut extra, phase.as_ref().map(llm_types::Str::as_str));
        match &self.open {
            Some(open) if open.key.item == index && !open.said.is_thought() => {
                let (part, text) = (open.part, open.said == Said::Text);
                if text && !extra.is_empty() && delta(part, Delta::Extra(Cow::Owned(extra)), sink).is_break()
                {
                    return Ok(Flow::Break(()));
                }
                Ok(self.end_open(sink))
            }
            _ => Ok(GO_ON),
        }
    }

    /// A text with everything that is known of it: what of that was not told yet.
    fn whole_text(&mut self, key: Key, part: OutputText<'_>, sink: &mut dyn EventSink) -> Result<Flow> {
        let OutputText { kind: _, text, annotations, logprobs: _, extra: _ } = part;
        let text = text.unwrap_or_default();
        if self.said(Said::Text, key, Some(Text::from(&*text.0)), sink)?.is_break() {
            return Ok(Flow::Break(()));
        }
        let told = match &self.open {
            Some(open) if open.said == Said::Text && open.key == key => open.cited,
            _ => return Ok(GO_ON),
        };
        for annotation in annotations.unwrap_or_default().iter().skip(told) {
            if self.cite(key, Some(annotation), sink)?.is_break() {
                return Ok(Flow::Break(()));
            }
        }
        Ok(GO_ON)
    }

    fn thoughts(&mut self, index: u32, whole: Reasoning, sink: &mut dyn EventSink) -> Result<Flow> {
        let Reasoning { text, signature, redacted: _, origin, extra } = whole;
        let told = self.said.iter().any(|(said, key)| said.is_thought() && key.item == index);
        let open = self.open.as_ref().filter(|open| open.said.is_thought() && open.key.item == index);
        let Some(part) = open.map(|open| open.part) else {
            // Nothing of it was told, or it had to end before its own end came.
            let text = if told { String::new() } else { text };
            if text.is_empty() && signature.is_none() {
                return Ok(GO_ON);
            }
            if self.close(sink).is_break() {
                return Ok(Flow::Break(()));
            }
            let part = Part::Reasoning(Reasoning { text, signature, redacted: None, origin, extra });
            return Ok(send_parts(&[part], 0, &mut self.next, sink));
        };
        if let Some(seal) = signature
            && delta(part, Delta::Signature(Cow::Owned(seal)), sink).is_break()
        {
            return Ok(Flow::Break(()));
        }
        if !extra.is_empty() && delta(part, Delta::Extra(Cow::Owned(extra)), sink).is_break() {
            return Ok(Flow::Break(()));
        }
        Ok(self.end_open(sink))
    }

    fn call(&mut self, index: u32, head: CallHead<'_>, sink: &mut dyn EventSink) -> Result<Flow> {
        let all = head.arguments.clone();
        let begun = self.begin_call(index, head, sink)?.is_break();
        if begun || self.calls.all_arguments(index, all, sink)?.is_break() {
            return Ok(Flow::Break(()));
        }
        Ok(self.calls.end(index, sink))
    }

    /// An item that comes whole.
    fn other(&mut self, item: Item<'_>, sink: &mut dyn EventSink) -> Result<Flow> {
        if self.close(sink).is_break() {
            return Ok(Flow::Break(()));
        }
        let mut content = Content::default();
        content.push(item).map_err(unread)?;
        Ok(send_parts(&content.parts, 0, &mut self.next, sink))
    }

    fn end_open(&mut self, sink: &mut dyn EventSink) -> Flow {
        let Some(mut open) = self.open.take() else {
            return GO_ON;
        };
        let left = open.carry.finish();
        if !left.is_empty() {
            delta(
                open.part,
                match open.said {
                    Said::Text => Delta::Text(left.into()),
                    Said::Refusal => Delta::Refusal(left.into()),
                    Said::Summary | Said::Thoughts => Delta::Reasoning(left.into()),
                },
                sink,
            )?;
        }
        sink.event(Event::PartEnd { choice: 0, part: open.part })
    }

    /// Ends every part that is open.
    pub(super) fn close(&mut self, sink: &mut dyn EventSink) -> Flow {
        self.end_open(sink)?;
        self.calls.close(sink)
    }
}

/// A piece of a part.
pub(super) fn delta(part: u32, delta: Delta<'_>, sink: &mut dyn EventSink) -> Flow {
    sink.event(Event::Delta { choice: 0, part, delta })
}
