//! Streamed predictions: an event for each piece of text, and one at the end
//! (<https://replicate.com/docs/topics/predictions/streaming>).

use llm_types::{
    ApiError, Delta, ErrorKind, Event, EventSink, FinishKind, Flow, PartStart, Result, Start, Usage,
};

use super::reply::{canceled, failed, usage};
use super::wire::{METRICS, Metrics, Said};
use crate::codec::{Seen, StreamDecoder, StreamTap};
use crate::frame::{SseEvent, SseFrames};

/// Reads a streamed answer.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    frames: SseFrames,
    state: State,
}

#[derive(Debug, Default)]
struct State {
    begun: bool,
    done: bool,
    usage: Option<Usage>,
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, chunk: &[u8], sink: &mut dyn EventSink) -> Result<Flow> {
        if self.state.done {
            return Ok(Flow::Continue(()));
        }
        let state = &mut self.state;
        self.frames.feed(chunk, |event| state.event(event, sink))
    }

    fn finish(&mut self, _sink: &mut dyn EventSink) -> Result<()> {
        if self.state.done {
            return Ok(());
        }
        let message = "the upstream's stream ended before it was complete";
        Err(ApiError::upstream(ErrorKind::Connection, message))
    }

    fn is_done(&self) -> bool {
        self.state.done
    }
}

impl State {
    fn event(&mut self, event: SseEvent<'_>, sink: &mut dyn EventSink) -> Result<Flow> {
        if self.done {
            return Ok(Flow::Continue(()));
        }
        match event.name {
            "output" => {
                let text = String::from_utf8_lossy(event.data);
                if self.begin(sink).is_break() {
                    return Ok(Flow::Break(()));
                }
                Ok(sink.event(Event::Delta { choice: 0, part: 0, delta: Delta::Text(text) }))
            }
            "error" => {
                self.done = true;
                Ok(sink.event(Event::Error(broke_off(event.data))))
            }
            "done" => {
                self.done = true;
                if let Some(error) = ended(event.data) {
                    return Ok(sink.event(Event::Error(error)));
                }
                if self.begin(sink).is_break() || sink.event(Event::PartEnd { choice: 0, part: 0 }).is_break()
                {
                    return Ok(Flow::Break(()));
                }
                if let Some(used) = self.usage.take()
                    && sink.event(Event::Usage(used)).is_break()
                {
                    return Ok(Flow::Break(()));
                }
                Ok(sink.event(Event::Finish { choice: 0, finish: FinishKind::Stop.into() }))
            }
            METRICS => {
                self.usage = counted(event.data);
                Ok(Flow::Continue(()))
            }
            // Logs, and whatever is new.
            _ => Ok(Flow::Continue(())),
        }
    }

    fn begin(&mut self, sink: &mut dyn EventSink) -> Flow {
        if std::mem::replace(&mut self.begun, true) {
            return Flow::Continue(());
        }
        if sink.event(Event::Start(Start::default())).is_break() {
            return Flow::Break(());
        }
        sink.event(Event::PartStart { choice: 0, part: 0, start: PartStart::Text })
    }
}

fn counted(data: &[u8]) -> Option<Usage> {
    serde_json::from_slice::<Metrics<'_>>(data).ok().as_ref().and_then(usage)
}

/// What an event of failure says: a text, or an object with a detail.
fn broke_off(data: &[u8]) -> ApiError {
    let text = String::from_utf8_lossy(data);
    let said: Said<'_> = serde_json::from_slice(data).unwrap_or_default();
    let words = said.detail.map_or(text, |detail| detail.0.into_lossy());
    let raw = serde_json::value::to_raw_value(&words).ok().map(llm_types::Raw::from);
    failed(raw.as_ref())
}

/// The failure that the last event speaks of.
fn ended(data: &[u8]) -> Option<ApiError> {
    let said: Said<'_> = serde_json::from_slice(data).unwrap_or_default();
    match &*said.reason?.0 {
        "canceled" => Some(canceled()),
        "error" => Some(failed(None)),
        _ => None,
    }
}

/// Watches a streamed answer. No client speaks this dialect to us, so that nothing is passed yet.
#[derive(Debug, Default)]
pub(super) struct Tap {
    done: bool,
    usage: Option<Usage>,
}

impl StreamTap for Tap {
    fn see(&mut self, event: &[u8]) -> Seen {
        let mut seen = Seen::Quiet;
        let known = &mut self.usage;
        let fed = SseFrames::default().feed(event, |event| {
            if event.name == METRICS {
                *known = counted(event.data);
            }
            seen = match (event.name, ended(event.data)) {
                ("output", _) => Seen::Content,
                ("error", _) => Seen::Failed(broke_off(event.data)),
                ("done", Some(error)) => Seen::Failed(error),
                ("done", None) => Seen::Done,
                _ => Seen::Quiet,
            };
            Ok(Flow::Continue(()))
        });
        self.done |= matches!(seen, Seen::Done);
        fed.err().map_or(seen, Seen::Error)
    }

    fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    fn is_done(&self) -> bool {
        self.done
    }
}
