//! Sound in events: each piece as it comes, then the end with what was used.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use llm_types::{ApiError, Delta, ErrorKind, Event, EventSink, Flow, RawValue, Result, Usage};
use serde::Serialize;

use crate::codec::{ReplyCx, ServerCodec as _, StreamDecoder, StreamEncoder};
use crate::dialect::{media, openai_chat};

/// Reads an answer that is the sound itself. What it used is known from the request, and told before the first piece.
#[derive(Debug, Default)]
pub struct Sound {
    used: Option<Usage>,
    heard: bool,
}

impl Sound {
    /// Of a call that uses so much.
    #[must_use]
    pub fn new(used: Option<Usage>) -> Self {
        Self { used, heard: false }
    }
}

impl StreamDecoder for Sound {
    fn feed(&mut self, chunk: &[u8], sink: &mut dyn EventSink) -> Result<Flow> {
        if chunk.is_empty() {
            return Ok(Flow::Continue(()));
        }
        self.heard = true;
        if let Some(used) = self.used.take()
            && sink.event(Event::Usage(used)).is_break()
        {
            return Ok(Flow::Break(()));
        }
        let delta = Delta::Data(STANDARD.encode(chunk).into());
        Ok(sink.event(Event::Delta { choice: 0, part: 0, delta }))
    }

    fn finish(&mut self, _sink: &mut dyn EventSink) -> Result<()> {
        if self.heard {
            return Ok(());
        }
        Err(ApiError::upstream(ErrorKind::UpstreamFormat, "the upstream's answer is empty"))
    }

    fn is_done(&self) -> bool {
        false
    }
}

#[derive(Serialize)]
struct Said<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<&'a RawValue>,
}

/// A piece of sound in base64.
pub(super) fn delta(out: &mut Vec<u8>, audio: &str) {
    write(out, &Said { kind: "speech.audio.delta", audio: Some(audio), usage: None });
}

/// The end.
pub(super) fn done(out: &mut Vec<u8>, usage: Option<&Usage>) {
    let usage = usage.and_then(media::counted);
    write(out, &Said { kind: "speech.audio.done", audio: None, usage: usage.as_deref() });
}

fn write(out: &mut Vec<u8>, event: &Said<'_>) {
    out.extend_from_slice(b"data: ");
    out.extend(serde_json::to_vec(event).unwrap_or_default());
    out.extend_from_slice(b"\n\n");
}

/// Writes the events of sound.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    out: Vec<u8>,
    usage: Option<Usage>,
}

impl EventSink for Encoder {
    fn event(&mut self, event: Event<'_>) -> Flow {
        match event {
            Event::Delta { delta: Delta::Data(audio), .. } => delta(&mut self.out, &audio),
            Event::Usage(usage) => self.usage = Some(usage),
            // Sound has nothing else.
            _ => {}
        }
        Flow::Continue(())
    }
}

impl StreamEncoder for Encoder {
    fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.out).into()
    }

    fn finish(&mut self) {
        done(&mut self.out, self.usage.as_ref());
    }

    fn fail(&mut self, error: &ApiError) {
        let mut words = openai_chat::Server.encoder(ReplyCx::default());
        words.fail(error);
        self.out.extend_from_slice(&words.take());
    }
}
