//! Reads a streamed answer.
//!
//! Every event is self-contained: it names its item, and the `done` events repeat what the deltas said, which
//! serves providers that send no deltas. The terminal event holds the whole answer again; of that only its
//! end and its usage are read, unless nothing came before it.

mod call;
mod state;

use llm_types::{ApiError, ErrorKind, Event, EventSink, Flow, Result, Start};

use super::super::wire::{Head, Item, Raw, Response, StreamEvent, Watched, Word};
use super::content::Content;
use super::{error, reply, tap};
use crate::codec::StreamDecoder;
use crate::frame::{SseEvent, SseFrames};
use crate::replay::send_parts;
use state::{Items, Key, Said};

/// Reads a streamed answer.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    frames: SseFrames,
    state: State,
}

#[derive(Debug, Default)]
struct State {
    started: bool,
    done: bool,
    items: Items,
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, chunk: &[u8], sink: &mut dyn EventSink) -> Result<Flow> {
        let Self { frames, state } = self;
        if state.done {
            return Ok(Flow::Continue(()));
        }
        frames.feed(chunk, |event| state.event(event, sink))
    }

    fn finish(&mut self, sink: &mut dyn EventSink) -> Result<()> {
        let Self { frames, state } = self;
        if !state.done {
            match frames.finish(|event| state.event(event, sink)) {
                Ok(_) => {}
                // Half an event is no event: whether the answer was complete decides.
                Err(error) if error.kind == ErrorKind::UpstreamFormat => {}
                Err(error) => return Err(error),
            }
        }
        if state.done {
            return Ok(());
        }
        Err(ApiError::upstream(ErrorKind::Connection, "the upstream's stream ended before it was complete"))
    }

    fn is_done(&self) -> bool {
        self.state.done
    }
}

fn unread(cause: serde_json::Error) -> ApiError {
    error::format("an event of the upstream's stream is not of the Responses API").with_source(cause)
}

impl State {
    fn event(&mut self, event: SseEvent<'_>, sink: &mut dyn EventSink) -> Result<Flow> {
        let data = event.data.trim_ascii();
        if self.done || data.is_empty() || data == b"[DONE]" {
            return Ok(Flow::Continue(()));
        }
        let lossy;
        let text = match std::str::from_utf8(data) {
            Ok(text) => text,
            Err(_) => {
                lossy = String::from_utf8_lossy(data);
                &lossy
            }
        };
        match serde_json::from_str::<StreamEvent<'_>>(text) {
            Ok(read) => self.read(read, text, sink),
            Err(cause) => match serde_json::from_str::<Head<'_>>(text) {
                // An event of a kind that is not read here may give a name another type.
                Ok(Head { kind: Some(kind), extra: _ }) if !is_read(kind.as_str()) => Ok(Flow::Continue(())),
                Ok(Head { kind: None, extra: _ }) => self.untyped(text),
                _ => Err(unread(cause)),
            },
        }
    }

    fn untyped(&self, text: &str) -> Result<Flow> {
        tap::untyped(text.as_bytes()).map_or(Ok(Flow::Continue(())), Err)
    }

    fn read(&mut self, event: StreamEvent<'_>, text: &str, sink: &mut dyn EventSink) -> Result<Flow> {
        let Some(kind) = event.kind.as_ref() else {
            return self.untyped(text);
        };
        let output = event.output_index.unwrap_or(0);
        let key = |part: Option<u32>| Key { item: output, part: part.unwrap_or(0) };
        let items = &mut self.items;
        match kind.as_str() {
            "response.created" | "response.in_progress" | "response.queued" => {
                self.start(event.response.as_ref(), sink)
            }
            "response.output_item.added" => items.added(output, event.item.as_ref(), sink),
            "response.output_item.done" => items.item(output, event.item.as_ref(), sink),
            "response.output_text.delta" => {
                let at = key(event.content_index);
                if items.say(Said::Text, at, event.delta, sink)?.is_break() {
                    return Ok(Flow::Break(()));
                }
                items.log_probs(event.logprobs.as_ref(), sink)
            }
            "response.output_text.done" => items.said(Said::Text, key(event.content_index), event.text, sink),
            "response.output_text.annotation.added" => {
                items.cite(key(event.content_index), event.annotation.as_ref(), sink)
            }
            "response.refusal.delta" => items.say(Said::Refusal, key(event.content_index), event.delta, sink),
            "response.refusal.done" => {
                items.said(Said::Refusal, key(event.content_index), event.refusal, sink)
            }
            "response.reasoning_summary_text.delta" => {
                items.say(Said::Summary, key(event.summary_index), event.delta, sink)
            }
            "response.reasoning_summary_text.done" => {
                items.said(Said::Summary, key(event.summary_index), event.text, sink)
            }
            "response.reasoning_text.delta" => {
                items.say(Said::Thoughts, key(event.content_index), event.delta, sink)
            }
            "response.reasoning_text.done" => {
                items.said(Said::Thoughts, key(event.content_index), event.text, sink)
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                items.calls().arguments(output, event.delta, sink)
            }
            "response.function_call_arguments.done" => {
                items.calls().all_arguments(output, event.arguments, sink)
            }
            "response.custom_tool_call_input.done" => items.calls().all_arguments(output, event.input, sink),
            kind @ ("response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.cancelled") => {
                let status = kind.strip_prefix("response.").unwrap_or_default();
                self.last(status, event.response.as_ref(), sink)
            }
            "error" => Err(error::inside(text)),
            // The progress of the provider's own tools: their items come whole. And whatever is new.
            _ => Ok(Flow::Continue(())),
        }
    }

    fn start(&mut self, response: Option<&Raw<'_>>, sink: &mut dyn EventSink) -> Result<Flow> {
        if self.started {
            return Ok(Flow::Continue(()));
        }
        self.started = true;
        let response: Response<'_> = match response {
            Some(raw) => serde_json::from_str(raw.get()).map_err(unread)?,
            None => Response::default(),
        };
        Ok(sink.event(Event::Start(Start {
            id: response.id.unwrap_or_default().0,
            model: response.model.unwrap_or_default().0,
            created: response.created_at.map(|at| at.0).filter(|at| *at > 0),
            // `auto` is what was asked for; which tier is used is told at the end.
            service_tier: response.service_tier.and_then(Word::non_empty).filter(|tier| tier != "auto"),
            system_fingerprint: None,
        })))
    }

    fn last(&mut self, status: &str, response: Option<&Raw<'_>>, sink: &mut dyn EventSink) -> Result<Flow> {
        let facts: Watched<'_> = match response {
            Some(raw) => serde_json::from_str(raw.get()).map_err(unread)?,
            None => Watched::default(),
        };
        reply::failure(status, facts.error.as_ref())?;
        if self.start(response, sink)?.is_break() {
            return Ok(Flow::Break(()));
        }
        if self.items.is_empty()
            && let Some(output) = &facts.output
            && self.whole(output, sink)?.is_break()
        {
            return Ok(Flow::Break(()));
        }
        if self.items.close(sink).is_break() {
            return Ok(Flow::Break(()));
        }
        let used = tap::used(&facts);
        if let Some(used) = used
            && sink.event(Event::Usage(used)).is_break()
        {
            return Ok(Flow::Break(()));
        }
        self.done = true;
        let finish = reply::finish(status, facts.incomplete_details.as_ref(), self.items.called());
        Ok(sink.event(Event::Finish { choice: 0, finish }))
    }

    /// An answer that came in one piece after all.
    fn whole(&mut self, output: &Raw<'_>, sink: &mut dyn EventSink) -> Result<Flow> {
        let items: Vec<Item<'_>> = serde_json::from_str(output.get()).map_err(unread)?;
        let mut content = Content::default();
        for item in items {
            content.push(item).map_err(unread)?;
        }
        self.items.note_call(content.calls);
        Ok(send_parts(&content.parts, 0, self.items.next(), sink))
    }
}

/// Whether events of this kind are read, so that one of another shape is a failure.
fn is_read(kind: &str) -> bool {
    const READ: [&str; 8] = [
        "response.output_item.added",
        "response.output_item.done",
        "response.created",
        "response.completed",
        "response.incomplete",
        "response.failed",
        "response.cancelled",
        "error",
    ];
    const TEXTS: [&str; 6] = [
        "response.output_text.",
        "response.refusal.",
        "response.reasoning_summary_text.",
        "response.reasoning_text.",
        "response.function_call_arguments.",
        "response.custom_tool_call_input.",
    ];
    READ.contains(&kind) || TEXTS.iter().any(|start| kind.starts_with(start))
}
