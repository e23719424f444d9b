//! Watches a stream that is passed through.
//!
//! Each event is one whole message: of a conversation, or of a model's own answer (`InvokeModelWithResponseStream`).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use llm_types::{Flow, Usage};

use super::super::usage::{service, usage};
use super::super::wire::{Chunk, Metered, Stopped};
use super::error::in_stream;
use crate::codec::{Seen, StreamTap};
use crate::frame::{EventMessage, EventStreamFrames, MessageKind};

/// Watches a streamed answer.
#[derive(Debug, Default)]
pub(in super::super) struct Tap {
    usage: Option<Usage>,
    done: bool,
}

impl StreamTap for Tap {
    fn see(&mut self, event: &[u8]) -> Seen {
        let mut seen = Seen::Quiet;
        let fed = EventStreamFrames::default().feed(event, |message| {
            seen = self.message(&message);
            Ok(Flow::Continue(()))
        });
        match fed {
            Ok(_) => seen,
            Err(error) => Seen::Error(error),
        }
    }

    fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    fn is_done(&self) -> bool {
        self.done
    }
}

impl Tap {
    fn message(&mut self, message: &EventMessage<'_>) -> Seen {
        match (message.kind, message.name) {
            (MessageKind::Event, "contentBlockStart" | "contentBlockDelta" | "messageStop") => Seen::Content,
            (MessageKind::Event, "chunk") => {
                // The last one tells, in whatever form the model writes.
                self.usage = metered(message.payload).or(self.usage.take());
                Seen::Content
            }
            (MessageKind::Event, "metadata") => {
                let read: Option<Stopped<'_>> = serde_json::from_slice(message.payload).ok();
                self.usage = read.and_then(|read| {
                    let service = service(read.extra.get("serviceTier"));
                    read.usage.map(|counts| Usage { service, ..usage(&counts, None) })
                });
                self.done = true;
                Seen::Done
            }
            (MessageKind::Event, _) => Seen::Quiet,
            (MessageKind::Exception | MessageKind::Error, _) => Seen::Failed(in_stream(message)),
        }
    }
}

/// What a piece of a model's own answer says that was used.
fn metered(payload: &[u8]) -> Option<Usage> {
    let chunk: Chunk<'_> = serde_json::from_slice(payload).ok()?;
    let bytes = BASE64_STANDARD.decode(chunk.bytes?.as_str()).ok()?;
    let counts = serde_json::from_slice::<Metered<'_>>(&bytes).ok()?.counts?;
    Some(Usage {
        input: counts.input.unwrap_or_default(),
        cache_read: counts.cache_read.unwrap_or_default(),
        cache_write_5m: counts.cache_write.unwrap_or_default(),
        output: counts.output.unwrap_or_default(),
        ..Usage::default()
    })
}
