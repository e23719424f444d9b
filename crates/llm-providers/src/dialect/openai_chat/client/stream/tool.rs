//! Tool calls of a stream.
//!
//! OpenAI names a call once, with an index, and sends fragments by that index. Others repeat the id, send
//! `""` for it, leave the index out, or give every complete call the index 0.

use std::borrow::Cow;

use llm_types::chat::ToolCallKind;
use llm_types::{Delta, Event, EventSink, Extra, Flow, PartStart, SurrogateCarry, Wtf8};

use super::super::super::wire::{Count, CustomDelta, FunctionDelta, ToolCallDelta, without_padding};
use super::super::content::{mint_id, specific_fields};
use super::part::{Kind, Parts};
use crate::dialect::complete::Shape;

/// The most calls that one answer may make.
const CALL_LIMIT: usize = 1024;

/// The most text that waits for the rest of a call's arguments, in bytes.
const HELD_LIMIT: usize = 64 * 1024;

/// The calls of one choice.
#[derive(Debug, Default)]
pub(super) struct Calls {
    list: Vec<Call>,
    /// Text that came amid the arguments of a call: parts must not overlap, so it waits.
    held: Vec<(Kind, String)>,
}

#[derive(Debug)]
struct Call {
    /// The provider's index.
    index: Option<u64>,
    id: String,
    name: String,
    kind: ToolCallKind,
    /// Its part, once it has a name.
    part: Option<u32>,
    /// Arguments that came before the name.
    early: String,
    carry: SurrogateCarry,
    shape: Shape,
    ended: bool,
}

/// One fragment, whatever form it came in.
struct Fragment<'a> {
    index: Option<u64>,
    id: &'a str,
    name: &'a str,
    kind: ToolCallKind,
    arguments: Wtf8<'a>,
}

impl Calls {
    /// How many tools were called.
    pub(super) fn count(&self) -> usize {
        self.list.len()
    }

    /// Takes one entry of `delta.tool_calls`.
    pub(super) fn take(
        &mut self,
        wire: ToolCallDelta<'_>,
        parts: &mut Parts,
        sink: &mut dyn EventSink,
    ) -> Flow {
        let ToolCallDelta { index, id, kind, function, custom, provider_specific_fields, mut extra } = wire;
        without_padding(&mut extra);
        let mut extra = extra.to_extra();
        let signature =
            provider_specific_fields.and_then(|json| specific_fields(&json, &mut Vec::new(), &mut extra));
        let id = id.unwrap_or_default();
        let custom_kind =
            kind.is_some_and(|kind| kind.as_str() == "custom") || function.is_none() && custom.is_some();
        let (name, arguments, kind) = match (custom_kind, function, custom) {
            (true, _, Some(CustomDelta { name, input, extra: _ })) => {
                (name, input.unwrap_or_default().0, ToolCallKind::Custom)
            }
            (_, Some(FunctionDelta { name, arguments, extra: _ }), _) => {
                (name, arguments.unwrap_or_default().0, ToolCallKind::Function)
            }
            (_, None, _) => (None, Wtf8::default(), ToolCallKind::Function),
        };
        let name = name.unwrap_or_default();
        let index = index.map(|Count(index)| index);
        let fragment = Fragment { index, id: id.as_str(), name: name.as_str(), kind, arguments };
        self.fragment(fragment, (signature, extra), parts, sink)
    }

    /// Takes `delta.function_call`.
    pub(super) fn take_legacy(
        &mut self,
        wire: FunctionDelta<'_>,
        parts: &mut Parts,
        sink: &mut dyn EventSink,
    ) -> Flow {
        let FunctionDelta { name, arguments, extra: _ } = wire;
        let name = name.unwrap_or_default();
        let fragment = Fragment {
            index: Some(0),
            id: "",
            name: name.as_str(),
            kind: ToolCallKind::LegacyFunction,
            arguments: arguments.unwrap_or_default().0,
        };
        self.fragment(fragment, (None, Extra::default()), parts, sink)
    }

    /// The call that a fragment belongs to; `None`: it begins one.
    fn find(&self, fragment: &Fragment<'_>) -> Option<usize> {
        let by_id = || self.list.iter().rposition(|call| call.id == fragment.id);
        match (fragment.index, fragment.id.is_empty()) {
            (Some(index), _) => {
                let at = self.list.iter().rposition(|call| call.index == Some(index))?;
                let call = self.list.get(at)?;
                // A complete call with another id under an index that is taken is one more call.
                let other = !fragment.id.is_empty() && fragment.id != call.id && !fragment.name.is_empty();
                if other { by_id() } else { Some(at) }
            }
            (None, false) => by_id(),
            (None, true) if fragment.name.is_empty() => self.list.len().checked_sub(1),
            (None, true) => None,
        }
    }

    fn fragment(
        &mut self,
        fragment: Fragment<'_>,
        (signature, extra): (Option<String>, Extra),
        parts: &mut Parts,
        sink: &mut dyn EventSink,
    ) -> Flow {
        let nothing = fragment.id.is_empty() && fragment.name.is_empty() && fragment.arguments.is_empty();
        let at = match self.find(&fragment) {
            Some(at) => at,
            None if nothing || self.list.len() == CALL_LIMIT => return Flow::Continue(()),
            None => {
                if parts.end(sink).is_break() {
                    return Flow::Break(());
                }
                let id = if fragment.id.is_empty() { mint_id() } else { fragment.id.to_owned() };
                self.list.push(Call {
                    index: fragment.index,
                    id,
                    name: String::new(),
                    kind: fragment.kind,
                    part: None,
                    early: String::new(),
                    carry: SurrogateCarry::default(),
                    shape: Shape::default(),
                    ended: false,
                });
                self.list.len() - 1
            }
        };
        let Some(call) = self.list.get_mut(at) else {
            return Flow::Continue(());
        };
        if call.part.is_none() && !fragment.name.is_empty() {
            fragment.name.clone_into(&mut call.name);
            if call.open(parts, sink).is_break() {
                return Flow::Break(());
            }
        }
        let choice = parts.choice();
        // What is said of the call before its arguments: some clients get it with the call's id.
        if let Some(part) = call.part {
            let signature = signature.map(|signature| Delta::Signature(Cow::Owned(signature)));
            let extra = (!extra.is_empty()).then_some(Delta::Extra(Cow::Owned(extra)));
            for delta in signature.into_iter().chain(extra) {
                if sink.event(Event::Delta { choice, part, delta }).is_break() {
                    return Flow::Break(());
                }
            }
        }
        call.arguments(fragment.arguments, choice, sink)
    }

    /// Keeps text back while the arguments of a call go on. `false`: it may go out.
    pub(super) fn hold(&mut self, kind: Kind, text: &Wtf8<'_>) -> bool {
        if !self.list.iter().any(Call::is_open) {
            return false;
        }
        let text = text.clone().into_lossy();
        let held: usize = self.held.iter().map(|(_, text)| text.len()).sum();
        if held.saturating_add(text.len()) > HELD_LIMIT {
            return false;
        }
        match self.held.last_mut() {
            Some((last, all)) if *last == kind => all.push_str(&text),
            _ => self.held.push((kind, text.into_owned())),
        }
        true
    }

    /// Whether nothing waits, or what waits has to go on waiting.
    pub(super) fn is_held_up(&self) -> bool {
        self.held.is_empty() || self.list.iter().any(Call::is_open)
    }

    /// Ends all calls: text follows, or nothing. What waited for them goes out.
    pub(super) fn end(&mut self, parts: &mut Parts, sink: &mut dyn EventSink) -> Flow {
        for call in self.list.iter_mut().filter(|call| !call.ended) {
            call.ended = true;
            // A call that never got a name is still better seen than lost.
            if call.part.is_none() && call.open(parts, sink).is_break() {
                return Flow::Break(());
            }
            let choice = parts.choice();
            let left = call.carry.finish();
            if call.send(Cow::Borrowed(left), choice, sink).is_break() {
                return Flow::Break(());
            }
            if let Some(part) = call.part
                && sink.event(Event::PartEnd { choice, part }).is_break()
            {
                return Flow::Break(());
            }
        }
        for (kind, text) in std::mem::take(&mut self.held) {
            if parts.push(kind, Wtf8::from(text.as_str()), sink).is_break() {
                return Flow::Break(());
            }
        }
        Flow::Continue(())
    }
}

impl Call {
    /// Whether more of its arguments must come.
    fn is_open(&self) -> bool {
        !self.ended && self.kind != ToolCallKind::Custom && !self.shape.is_complete()
    }

    fn open(&mut self, parts: &mut Parts, sink: &mut dyn EventSink) -> Flow {
        let (choice, part) = (parts.choice(), parts.number());
        self.part = Some(part);
        let start = PartStart::ToolCall {
            id: Cow::Borrowed(&self.id),
            name: Cow::Borrowed(&self.name),
            kind: self.kind,
        };
        if sink.event(Event::PartStart { choice, part, start }).is_break() {
            return Flow::Break(());
        }
        let early = std::mem::take(&mut self.early);
        self.send(Cow::Owned(early), choice, sink)
    }

    fn arguments(&mut self, text: Wtf8<'_>, choice: u32, sink: &mut dyn EventSink) -> Flow {
        let text = self.carry.join(text);
        self.shape.see(&text);
        if self.part.is_none() {
            self.early.push_str(&text);
            return Flow::Continue(());
        }
        self.send(text, choice, sink)
    }

    fn send(&self, text: Cow<'_, str>, choice: u32, sink: &mut dyn EventSink) -> Flow {
        match self.part {
            Some(part) if !text.is_empty() => {
                sink.event(Event::Delta { choice, part, delta: Delta::ToolArgs(text) })
            }
            _ => Flow::Continue(()),
        }
    }
}
