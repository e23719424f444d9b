//! Streamed answers: an event, or a line of JSON, for each token; the last one repeats the whole text.

use llm_types::{ApiError, Delta, ErrorKind, Event, EventSink, Flow, PartStart, Result, Start, Usage};

use super::reply::{finish, usage};
use super::wire::{Generated, Token};
use crate::codec::{Seen, StreamDecoder, StreamTap};
use crate::dialect::openai_error;
use crate::frame::JsonLines;

/// Reads a streamed answer.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    lines: JsonLines,
    state: State,
}

#[derive(Debug, Default)]
struct State {
    begun: bool,
    done: bool,
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, chunk: &[u8], sink: &mut dyn EventSink) -> Result<Flow> {
        if self.state.done {
            return Ok(Flow::Continue(()));
        }
        let state = &mut self.state;
        self.lines.feed(chunk, |line| state.line(line, sink))
    }

    fn finish(&mut self, sink: &mut dyn EventSink) -> Result<()> {
        let state = &mut self.state;
        // Half a line is a stream cut short; the last one of lines may have no end.
        let last = self.lines.finish(|line| state.line(line, sink));
        if self.state.done {
            return Ok(());
        }
        match last {
            Err(error) if error.kind != ErrorKind::UpstreamFormat => Err(error),
            _ => {
                let message = "the upstream's stream ended before it was complete";
                Err(ApiError::upstream(ErrorKind::Connection, message))
            }
        }
    }

    fn is_done(&self) -> bool {
        self.state.done
    }
}

/// The JSON of a line; `None`: it is no data.
fn data(line: &[u8]) -> Option<&[u8]> {
    let data = line.strip_prefix(b"data:").unwrap_or(line).trim_ascii();
    data.starts_with(b"{").then_some(data)
}

fn read(data: &[u8]) -> Result<Generated<'_>> {
    serde_json::from_slice(data).map_err(|error| {
        let message = "an event of the upstream's stream cannot be read";
        ApiError::upstream(ErrorKind::UpstreamFormat, message).with_source(error)
    })
}

fn broke_off(data: &[u8]) -> ApiError {
    openai_error::inside(&String::from_utf8_lossy(data))
}

impl State {
    fn line(&mut self, line: &[u8], sink: &mut dyn EventSink) -> Result<Flow> {
        let Some(json) = data(line).filter(|_| !self.done) else { return Ok(Flow::Continue(())) };
        let Generated { token, generated_text, details, error, extra: _ } = read(json)?;
        if error.is_some() {
            self.done = true;
            return Ok(sink.event(Event::Error(broke_off(json))));
        }
        let Token { text, special, extra: _ } = token.unwrap_or_default();
        if self.begin(sink).is_break() {
            return Ok(Flow::Break(()));
        }
        // What ends a turn is no word of it.
        let text = text.filter(|text| special != Some(true) && !text.0.is_empty());
        if let Some(text) = text {
            let delta = Delta::Text(text.0);
            if sink.event(Event::Delta { choice: 0, part: 0, delta }).is_break() {
                return Ok(Flow::Break(()));
            }
        }
        if generated_text.is_none() {
            return Ok(Flow::Continue(()));
        }
        self.done = true;
        if sink.event(Event::PartEnd { choice: 0, part: 0 }).is_break() {
            return Ok(Flow::Break(()));
        }
        if let Some(used) = details.as_ref().and_then(usage)
            && sink.event(Event::Usage(used)).is_break()
        {
            return Ok(Flow::Break(()));
        }
        Ok(sink.event(Event::Finish { choice: 0, finish: finish(details.as_ref()) }))
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

/// Watches a streamed answer. No client speaks this dialect to us, so that nothing is passed yet.
#[derive(Debug, Default)]
pub(super) struct Tap {
    usage: Option<Usage>,
    done: bool,
}

impl StreamTap for Tap {
    fn see(&mut self, event: &[u8]) -> Seen {
        let Some(json) = data(event) else { return Seen::Quiet };
        match read(json) {
            Err(error) => Seen::Error(error),
            Ok(read) if read.error.is_some() => Seen::Failed(broke_off(json)),
            Ok(read) if read.generated_text.is_some() => {
                self.usage = read.details.as_ref().and_then(usage);
                self.done = true;
                Seen::Done
            }
            Ok(_) => Seen::Content,
        }
    }

    fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    fn is_done(&self) -> bool {
        self.done
    }
}
