//! What is read of an answer that passes through: its usage, and whether it ended well.
//!
//! Nearly all events of a stream are deltas: their kind is read off the `event:` line where there is one,
//! and a search for an empty text decides the rest. Only the last event is read as JSON.

use llm_types::{ApiError, Flow, Kind, Result, Usage, wire_struct};
use memchr::memmem;

use super::super::super::scalar::Word;
use super::super::wire::{Raw, Watched};
use super::content::is_search;
use super::{error, reply, usage};
use crate::codec::{Seen, StreamTap, Tapped, named};
use crate::frame::{SseEvent, SseFrames};

wire_struct! {
    /// An event that holds the whole answer.
    struct Last<'a> {
        response: Raw<'a>,
    }
}

wire_struct! {
    /// An event that begins an item.
    struct Added<'a> {
        item: Raw<'a>,
    }
}

/// The facts of a whole answer. One that works in the background has not begun to count.
pub(super) fn whole(body: &[u8]) -> Result<Tapped<'_>> {
    let facts: Watched<'_> = serde_json::from_slice(body)
        .map_err(|cause| error::format("the upstream's answer is not a response").with_source(cause))?;
    let status = facts.status.as_ref().map(|status| &*status.0).unwrap_or_default();
    if !matches!(status, "queued" | "in_progress" | "cancelled") {
        reply::failure(status, facts.error.as_ref())?;
    }
    if facts.output.is_none() {
        return Err(error::format("the upstream's answer has no `output`: it is not a response"));
    }
    Ok(Tapped { usage: used(&facts), model: facts.model.and_then(Word::non_empty) })
}

wire_struct! {
    /// What says whether an answer is complete.
    struct Made<'a> {
        id: Word<'a>,
        status: Word<'a>,
    }
}

/// Where an answer that is still made is asked for (openai-responses.md, `background`).
pub(super) fn unfinished(body: &[u8]) -> Option<String> {
    let Made { id, status, .. } = serde_json::from_slice(body).ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let (id, status) = (id?.0, status?.0);
    let asks = matches!(&*status, "queued" | "in_progress") && !id.is_empty() && id.bytes().all(plain);
    asks.then(|| format!("/responses/{id}"))
}

/// What an answer used.
pub(super) fn used(facts: &Watched<'_>) -> Option<Usage> {
    let output = facts.output.as_ref().map(Raw::get);
    let items: Vec<Kind<'_>> = output.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let searches = items.iter().filter(|item| is_search(item.0.as_str())).count();
    let told = usage::queries(facts.tool_usage.as_ref().map(Raw::get));
    let queries = told.max(u64::try_from(searches).unwrap_or(u64::MAX));
    facts.usage.as_ref().map(|wire| usage::usage(wire, queries, facts.service_tier.as_ref()))
}

/// Watches a stream.
#[derive(Debug, Default)]
pub(super) struct Tap {
    usage: Option<Usage>,
    model: Option<Box<str>>,
    done: bool,
}

impl StreamTap for Tap {
    fn see(&mut self, event: &[u8]) -> Seen {
        let mut seen = Seen::Quiet;
        let mut frames = SseFrames::default();
        // Each event is looked at alone, so there is nothing that could fail or be left over but its end.
        let mut each = |event: SseEvent<'_>| {
            seen = self.event(event.name, event.data);
            Ok(Flow::Continue(()))
        };
        match frames.feed(event, &mut each).and_then(|_| frames.finish(&mut each)) {
            Ok(_) => seen,
            Err(error) => Seen::Error(error),
        }
    }

    fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    fn is_done(&self) -> bool {
        self.done
    }
}

impl Tap {
    fn event(&mut self, name: &str, data: &[u8]) -> Seen {
        if data.is_empty() || data == b"[DONE]" {
            return Seen::Quiet;
        }
        let read: Kind<'_>;
        let kind = if name.is_empty() {
            match serde_json::from_slice(data) {
                Ok(kind) => read = kind,
                Err(_) => return Seen::Error(error::inside(&String::from_utf8_lossy(data))),
            }
            read.0.as_str()
        } else {
            name
        };
        match kind {
            "response.created" => {
                let first: Last<'_> = serde_json::from_slice(data).unwrap_or_default();
                let facts = first.response.as_ref().and_then(|raw| serde_json::from_str(raw.get()).ok());
                self.note(&facts.unwrap_or_default());
                Seen::Quiet
            }
            "response.in_progress" => Seen::Quiet,
            // It works in the background: what more comes may take an hour, and must not be begun twice.
            "response.queued" => Seen::Content,
            "response.output_item.added" => added(data),
            "response.content_part.added" | "response.reasoning_summary_part.added" => Seen::Quiet,
            "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled" => {
                self.last(kind, data)
            }
            "error" if data.starts_with(b"{") => Seen::Failed(error::inside(&String::from_utf8_lossy(data))),
            "error" => Seen::Error(error::inside(&String::from_utf8_lossy(data))),
            "" => match untyped(data) {
                Some(error) => Seen::Error(error),
                None => Seen::Quiet,
            },
            kind if kind.ends_with(".delta") => delta(data),
            kind if kind.starts_with("response.") => Seen::Content,
            _ => Seen::Quiet,
        }
    }

    fn note(&mut self, facts: &Watched<'_>) {
        named(&mut self.model, facts.model.as_ref().map(|model| &*model.0));
    }

    fn last(&mut self, kind: &str, data: &[u8]) -> Seen {
        let last: Last<'_> = serde_json::from_slice(data).unwrap_or_default();
        let facts: Option<Watched<'_>> =
            last.response.as_ref().and_then(|response| serde_json::from_str(response.get()).ok());
        let facts = facts.unwrap_or_default();
        self.note(&facts);
        self.usage = used(&facts).or(self.usage.take());
        let status = kind.strip_prefix("response.").unwrap_or_default();
        match reply::failure(status, facts.error.as_ref()) {
            Err(error) => Seen::Failed(error),
            Ok(()) => {
                self.done = true;
                Seen::Done
            }
        }
    }
}

/// The error in an event that has no type: a proxy wrote it.
pub(super) fn untyped(data: &[u8]) -> Option<ApiError> {
    let facts: Watched<'_> = serde_json::from_slice(data).ok()?;
    facts.error.map(|_| error::inside(&String::from_utf8_lossy(data)))
}

/// A piece is content unless its text is empty.
fn delta(data: &[u8]) -> Seen {
    let empty = memmem::find(data, br#""delta":"""#).is_some() && data.len() < 512;
    if empty { Seen::Quiet } else { Seen::Content }
}

/// Messages and thoughts begin empty; a call is content at its start, and so is the provider's own work.
fn added(data: &[u8]) -> Seen {
    let added: Added<'_> = serde_json::from_slice(data).unwrap_or_default();
    let item = added.item.as_ref().and_then(|item| serde_json::from_str::<Kind<'_>>(item.get()).ok());
    match item.as_ref().map(|kind| kind.0.as_str()) {
        None | Some("message" | "reasoning") => Seen::Quiet,
        Some(_) => Seen::Content,
    }
}
