//! Calls of a stream: their heads, and their arguments as they come.

use std::borrow::Cow;

use llm_types::chat::ToolCallKind;
use llm_types::{Delta, Event, EventSink, Extra, Flow, PartStart, Result, SurrogateCarry};

use super::super::super::wire::{CustomToolCall, FunctionCall, Lossy, Text};
use super::super::error;
use super::state::{GO_ON, LIMIT, delta};

/// The calls so far. Several may be open together.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Call>);

#[derive(Debug)]
struct Call {
    item: u32,
    part: u32,
    carry: SurrogateCarry,
    begun: bool,
    open: bool,
}

/// What is known of a call at its start.
pub(super) struct CallHead<'a> {
    id: Cow<'a, str>,
    name: Cow<'a, str>,
    kind: ToolCallKind,
    extra: Extra,
    /// Those that are there already.
    pub(super) arguments: Option<Text<'a>>,
}

impl Calls {
    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the call of this item has begun.
    pub(super) fn knows(&self, item: u32) -> bool {
        self.0.iter().any(|call| call.item == item)
    }

    /// A call begins, as the part of this number.
    pub(super) fn begin(
        &mut self,
        item: u32,
        part: u32,
        head: CallHead<'_>,
        sink: &mut dyn EventSink,
    ) -> Result<Flow> {
        if self.0.len() >= LIMIT {
            return Err(error::format("the upstream's stream has more than 4096 calls"));
        }
        self.0.push(Call { item, part, carry: SurrogateCarry::default(), begun: false, open: true });
        let CallHead { id, name, kind, extra, arguments } = head;
        let start = PartStart::ToolCall { id, name, kind };
        if sink.event(Event::PartStart { choice: 0, part, start }).is_break() {
            return Ok(Flow::Break(()));
        }
        if !extra.is_empty() && delta(part, Delta::Extra(Cow::Owned(extra)), sink).is_break() {
            return Ok(Flow::Break(()));
        }
        // Arguments that are there already are not repeated by deltas.
        self.arguments(item, arguments, sink)
    }

    /// More arguments of a call.
    pub(super) fn arguments(
        &mut self,
        item: u32,
        more: Option<Text<'_>>,
        sink: &mut dyn EventSink,
    ) -> Result<Flow> {
        let Some(more) = more.filter(|more| !more.0.is_empty()) else {
            return Ok(GO_ON);
        };
        let Some(call) = self.0.iter_mut().find(|call| call.item == item) else {
            return Err(error::format("the upstream's stream holds arguments of a call that has not begun"));
        };
        if !call.open {
            return Err(error::format("the upstream's stream goes on with a call that has ended"));
        }
        call.begun = true;
        let text = call.carry.join(more.0);
        let part = call.part;
        Ok(if text.is_empty() { GO_ON } else { delta(part, Delta::ToolArgs(text), sink) })
    }

    /// All arguments of a call, in case no deltas came.
    pub(super) fn all_arguments(
        &mut self,
        item: u32,
        all: Option<Text<'_>>,
        sink: &mut dyn EventSink,
    ) -> Result<Flow> {
        match self.0.iter().find(|call| call.item == item) {
            Some(call) if !call.begun && call.open => self.arguments(item, all, sink),
            _ => Ok(GO_ON),
        }
    }

    /// The call of this item is complete.
    pub(super) fn end(&mut self, item: u32, sink: &mut dyn EventSink) -> Flow {
        self.0.iter_mut().find(|call| call.item == item).map_or(GO_ON, |call| call.end(sink))
    }

    /// Ends every call that is open.
    pub(super) fn close(&mut self, sink: &mut dyn EventSink) -> Flow {
        for call in &mut self.0 {
            call.end(sink)?;
        }
        GO_ON
    }
}

impl Call {
    fn end(&mut self, sink: &mut dyn EventSink) -> Flow {
        if !self.open {
            return GO_ON;
        }
        self.open = false;
        let left = self.carry.finish();
        if !left.is_empty() {
            delta(self.part, Delta::ToolArgs(left.into()), sink)?;
        }
        sink.event(Event::PartEnd { choice: 0, part: self.part })
    }
}

/// The head of a call of a function.
pub(super) fn function(call: FunctionCall<'_>) -> CallHead<'_> {
    let FunctionCall { kind: _, id: _, call_id, name, arguments, status: _, extra } = call;
    CallHead {
        id: call_id.unwrap_or_default().0,
        name: name.unwrap_or_default().0,
        kind: ToolCallKind::Function,
        extra: extra.to_extra(),
        arguments: arguments.map(whole),
    }
}

/// The head of a call of a custom tool.
pub(super) fn custom(call: CustomToolCall<'_>) -> CallHead<'_> {
    let CustomToolCall { kind: _, id: _, call_id, name, input, status: _, extra } = call;
    CallHead {
        id: call_id.unwrap_or_default().0,
        name: name.unwrap_or_default().0,
        kind: ToolCallKind::Custom,
        extra: extra.to_extra(),
        arguments: input.map(whole),
    }
}

fn whole(text: Lossy<'_>) -> Text<'static> {
    Text::from(text.0.into_owned())
}
