//! Transcripts as they are heard, and pictures while they are made: events in OpenAI's words, whoever answers.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use llm_types::{
    ApiError, Call, Changes, Dialect, ErrorKind, ImageRequest, Op, Output, RawValue, Result,
    TranscribeRequest, Usage,
};
use serde::Deserialize;

use super::client::{Client, REPLY_LIMIT, is_json, named};
use super::media::other;
use crate::batch::{Pictures, Split};
use crate::codec::{DecodeCx, ReplyCx, Seen, StreamTap};
use crate::frame::Framing;
use crate::target::Target;
use crate::transport::{ByteStream, collect};
use crate::{dialect, mock};

/// The longest event, in bytes: one holds a picture in base64.
const EVENT: usize = 64 * 1024 * 1024;

/// One event, such as `transcript.text.delta` or `image_generation.partial_image`.
#[derive(Debug, Clone)]
pub struct MediaEvent {
    /// Its type.
    pub kind: String,
    /// All of it, as a JSON object.
    pub data: Box<RawValue>,
}

/// What events say.
#[derive(Deserialize)]
struct Said {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    delta: Option<String>,
    #[serde(default)]
    b64_json: Option<String>,
}

impl MediaEvent {
    fn read(data: &[u8]) -> Option<Self> {
        let data: Box<RawValue> = serde_json::from_slice(data).ok()?;
        let kind = serde_json::from_str::<Said>(data.get()).ok()?.kind;
        Some(Self { kind, data })
    }

    fn said(&self) -> Option<Said> {
        serde_json::from_str(self.data.get()).ok()
    }

    /// The piece of text that it brings.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        self.said()?.delta
    }

    /// The picture that it brings, in base64: a first view of it, or the picture itself where it is complete.
    #[must_use]
    pub fn picture(&self) -> Option<String> {
        self.said()?.b64_json
    }

    /// Whether what it is about is complete; of several pictures each is.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.kind.ends_with(".done") || self.kind.ends_with(".completed")
    }
}

/// The events of an answer as they come. Dropping it cancels the call.
pub struct MediaStream {
    /// `None`: it is over.
    body: Option<ByteStream>,
    held: BytesMut,
    /// How much of it is known to hold no event's end.
    searched: usize,
    events: VecDeque<Result<MediaEvent>>,
    tap: Box<dyn StreamTap>,
    target: Target,
    changes: Changes,
}

impl std::fmt::Debug for MediaStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaStream").field("target", &self.target).finish_non_exhaustive()
    }
}

impl MediaStream {
    /// What was used, as far as it is told by now.
    #[must_use]
    pub fn usage(&self) -> Option<&Usage> {
        self.tap.usage()
    }

    /// What of the request did not reach the provider as it was asked.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// The next event; `None`: that was all.
    pub async fn next(&mut self) -> Option<Result<MediaEvent>> {
        StreamExt::next(self).await
    }

    /// Takes the events that are whole.
    fn take(&mut self) {
        let mut length = Framing::Events.first_end(&self.held, self.searched);
        while let Some(event) = length.map(|length| self.held.split_to(length)) {
            self.see(&event);
            length = Framing::Events.first_end(&self.held, 0);
        }
        self.searched = self.held.len();
        if self.held.len() > EVENT {
            self.fail(format!("an event is longer than {EVENT} bytes"));
        }
    }

    fn see(&mut self, event: &[u8]) {
        match self.tap.see(event) {
            Seen::Error(error) => {
                self.body = None;
                self.events.push_back(Err(named(error, &self.target)));
            }
            Seen::Done => {}
            _ => {
                let lines = event.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:"));
                let data = lines.map(<[u8]>::trim_ascii).collect::<Vec<_>>().join(&b'\n');
                self.events.extend(MediaEvent::read(&data).map(Ok));
            }
        }
    }

    fn fail(&mut self, message: String) {
        self.body = None;
        let error = ApiError::upstream(ErrorKind::UpstreamFormat, message);
        self.events.push_back(Err(named(error, &self.target)));
    }

    /// The body is over.
    fn end(&mut self) {
        self.body = None;
        let rest = std::mem::take(&mut self.held);
        if !rest.chunk().trim_ascii().is_empty() {
            self.see(&rest);
        }
        if !self.tap.is_done() && !self.events.iter().any(Result::is_err) {
            self.fail("the stream broke off before its last event".to_owned());
        }
    }
}

impl Stream for MediaStream {
    type Item = Result<MediaEvent>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(event) = this.events.pop_front() {
                return Poll::Ready(Some(event));
            }
            let Some(body) = &mut this.body else { return Poll::Ready(None) };
            match body.poll_next_unpin(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(chunk))) => {
                    this.held.extend_from_slice(&chunk);
                    this.take();
                }
                Poll::Ready(Some(Err(error))) => {
                    this.body = None;
                    this.events.push_back(Err(named(error, &this.target)));
                }
                Poll::Ready(None) => this.end(),
            }
        }
    }
}

impl Client {
    /// As [`Client::transcribe`], with the text as it is heard: `transcript.text.delta`, at the end `transcript.text.done`.
    /// Where a provider answers whole, so does this, in the same events.
    ///
    /// ```no_run
    /// # async fn run(client: llm_providers::Client, file: llm_types::Upload) -> llm_types::Result<()> {
    /// use llm_types::TranscribeRequest;
    /// let mut heard = client.transcribe_events("openai/gpt-4o-transcribe", TranscribeRequest::new(file)).await?;
    /// while let Some(event) = heard.next().await {
    ///     print!("{}", event?.text().unwrap_or_default());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Client::transcribe`]; what fails later comes out of the stream.
    pub async fn transcribe_events(&self, model: &str, request: TranscribeRequest) -> Result<MediaStream> {
        let request = TranscribeRequest { stream: true, ..request };
        self.events(model, Call::Transcribe(Box::new(request)), Dialect::OpenaiTranscriptions).await
    }

    /// As [`Client::image`], with pictures while they are made (`image_generation.partial_image`, as many as the member
    /// `partial_images` says), at the end `image_generation.completed`; of edits `image_edit.…`. Where a provider answers
    /// whole, so does this, in the same events.
    ///
    /// # Errors
    /// As [`Client::transcribe_events`].
    pub async fn image_events(&self, model: &str, request: ImageRequest) -> Result<MediaStream> {
        let request = ImageRequest { stream: true, ..request };
        let (target, op) = (self.offering(model, request.task.op())?, request.task.op());
        if let Some(mut pictures) = Pictures::of(&request, target.spec(), target.model())? {
            let mut changes = Changes::default();
            pictures.tell(&mut changes);
            let (output, changes) = self.in_parts(model, Split::Pictures(pictures), changes).await?;
            return shown(&output, (Dialect::OpenaiImages, op), target, changes);
        }
        self.events(model, Call::Image(Box::new(request)), Dialect::OpenaiImages).await
    }

    /// `words`: the dialect that the events are in.
    async fn events(&self, model: &str, mut call: Call, words: Dialect) -> Result<MediaStream> {
        let op: Op = call.op();
        let target = self.offering(model, op)?;
        call.set_model(target.model());
        let dialect = target.dialect_for(op, None);
        let Some(codec) = dialect::client(dialect) else {
            return shown(&mock::output(&call)?, (words, op), target, Changes::default());
        };
        let sent = self.send(codec, &target, &call).await?;
        if dialect == words && !is_json(&sent.headers) {
            let tap = codec.stream_tap(op);
            return Ok(MediaStream::of(sent.body, tap, target, sent.changes));
        }
        let body = collect(sent.body, REPLY_LIMIT).await?;
        let cx = DecodeCx { spec: target.spec(), model: target.model(), memo: &sent.memo };
        let mut output = codec.decode(op, &body, &cx).map_err(|error| named(error, &target))?;
        let mut changes = sent.changes;
        self.bytes_of(&mut output, &sent.memo, (&target, &mut changes)).await;
        shown(&output, (words, op), target, changes)
    }
}

impl MediaStream {
    fn of(body: ByteStream, tap: Box<dyn StreamTap>, target: Target, changes: Changes) -> Self {
        let (held, events) = (BytesMut::new(), VecDeque::new());
        Self { body: Some(body), held, searched: 0, events, tap, target, changes }
    }
}

/// An answer that came whole.
fn shown(
    output: &Output,
    (words, op): (Dialect, Op),
    target: Target,
    changes: Changes,
) -> Result<MediaStream> {
    let front = dialect::server(words).zip(dialect::client(words));
    let cx = ReplyCx { op: Some(op), model: target.model().to_owned(), ..ReplyCx::default() };
    let written =
        front.and_then(|(server, client)| Some((server.streamed(output, &cx)?, client.stream_tap(op))));
    let Some((events, tap)) = written else { return Err(other()) };
    let body: ByteStream = Box::pin(stream::iter([Ok(events)]));
    Ok(MediaStream::of(body, tap, target, changes))
}

#[cfg(test)]
mod tests;
