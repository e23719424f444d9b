//! Watches a stream that is passed through.
//!
//! Nearly all events are deltas: their kind is read off the `event:` line and a search for a non-empty
//! text decides the rest. Only the few that hold usage or an error are read as JSON.

use llm_types::{Flow, Usage};
use memchr::memmem;

use super::super::client::stream_error;
use super::super::usage::Counts;
use super::super::wire::{ErrorBody, Kind, Raw, StreamEvent, Watched};
use crate::codec::{Seen, StreamTap, named};
use crate::frame::SseFrames;

/// Watches a streamed answer.
#[derive(Debug, Default)]
pub(in super::super) struct Tap {
    counts: Counts,
    usage: Option<Usage>,
    model: Option<Box<str>>,
    done: bool,
}

impl StreamTap for Tap {
    fn see(&mut self, event: &[u8]) -> Seen {
        let mut seen = Seen::Quiet;
        let mut frames = SseFrames::default();
        // Each event is looked at alone, so there is nothing that could fail or be left over but its end.
        let mut each = |event: crate::frame::SseEvent<'_>| {
            seen = self.data(event.name, event.data);
            Ok(Flow::Continue(()))
        };
        let whole = frames.feed(event, &mut each).and_then(|_| frames.finish(&mut each));
        match whole {
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
    fn data(&mut self, name: &str, data: &[u8]) -> Seen {
        let read: Kind<'_>;
        let kind = if name.is_empty() {
            read = serde_json::from_slice(data).unwrap_or_default();
            read.0.as_str()
        } else {
            name
        };
        match kind {
            "content_block_delta" => delta(data),
            "content_block_start" => start(data),
            "message_start" => self.report(data, Seen::Quiet),
            "message_delta" => self.report(data, Seen::Content),
            "message_stop" => {
                self.done = true;
                Seen::Done
            }
            "error" => {
                let error = serde_json::from_slice::<Watched<'_>>(data).ok().and_then(|seen| seen.error);
                match error {
                    Some(error) => Seen::Failed(stream_error(&error, data)),
                    None => Seen::Error(stream_error(&ErrorBody::default(), data)),
                }
            }
            _ => Seen::Quiet,
        }
    }

    fn report(&mut self, data: &[u8], seen: Seen) -> Seen {
        let Ok(event) = serde_json::from_slice::<StreamEvent<'_>>(data) else {
            return seen;
        };
        let inner = event.message.as_ref().map(Raw::get);
        let inner = inner.and_then(|message| serde_json::from_str::<Watched<'_>>(message).ok());
        let name = inner.as_ref().and_then(|message| message.model.as_ref());
        named(&mut self.model, name.map(|name| name.as_str()));
        let usage = event.usage.as_ref().and_then(|raw| serde_json::from_str(raw.get()).ok());
        if let Some(usage) = usage.or_else(|| inner.and_then(|message| message.usage)) {
            self.counts.merge(&usage);
            self.usage = Some(self.counts.usage());
        }
        seen
    }
}

/// A piece is content unless its text is empty.
fn delta(data: &[u8]) -> Seen {
    const EMPTY: [&[u8]; 4] =
        [b"\"text\":\"\"", b"\"thinking\":\"\"", b"\"partial_json\":\"\"", b"\"signature\":\"\""];
    let empty = data.len() < 256 && EMPTY.iter().any(|text| memmem::find(data, text).is_some());
    if empty { Seen::Quiet } else { Seen::Content }
}

/// Text and thoughts begin empty; any other block is content at its start.
fn start(data: &[u8]) -> Seen {
    let block: Option<StreamEvent<'_>> = serde_json::from_slice(data).ok();
    let block = block.and_then(|event| event.content_block);
    let kind: Kind<'_> =
        block.as_ref().and_then(|block| serde_json::from_str(block.get()).ok()).unwrap_or_default();
    if matches!(kind.0.as_str(), "text" | "thinking") { Seen::Quiet } else { Seen::Content }
}
