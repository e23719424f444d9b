//! Sound, as it comes.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::header::CONTENT_TYPE;
use llm_types::{Call, Changes, Op, Output, Result, Speech, SpeechRequest, Usage};

use super::client::{Client, REPLY_LIMIT, Sent, is_json, named};
use super::media::other;
use crate::codec::DecodeCx;
use crate::target::Target;
use crate::transport::{ByteStream, collect};
use crate::{dialect, mock};

/// The sound of an answer as it comes. Dropping it cancels the call.
pub struct SpeechStream {
    body: ByteStream,
    kind: String,
    usage: Option<Usage>,
    changes: Changes,
}

impl std::fmt::Debug for SpeechStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpeechStream").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl SpeechStream {
    /// Of sound that is whole already.
    fn whole(speech: Speech, changes: Changes) -> Self {
        let Speech { audio, kind, usage } = speech;
        Self { body: Box::pin(stream::once(std::future::ready(Ok(audio)))), kind, usage, changes }
    }

    /// The content type of the sound.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What it uses, as far as that is known before its end: most sell speech by the characters of the text.
    #[must_use]
    pub fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    /// What of the request did not reach the provider as it was asked.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// The next bytes; `None`: that was all.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        StreamExt::next(self).await
    }
}

impl Stream for SpeechStream {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().body.poll_next_unpin(cx)
    }
}

impl Client {
    /// Says something, e.g. with `openai/tts-1`, and gives the sound as it comes. Where a provider sends it in one
    /// piece (Gemini, Mistral), so does this.
    ///
    /// ```no_run
    /// # async fn run(client: llm_providers::Client) -> llm_types::Result<()> {
    /// use llm_types::SpeechRequest;
    /// let mut sound = client.speak_stream("openai/tts-1", SpeechRequest::new("Hello!", "alloy")).await?;
    /// while let Some(bytes) = sound.next().await {
    ///     println!("{} bytes of {}", bytes?.len(), sound.kind());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Client::transcribe`]; what fails later comes out of the stream.
    pub async fn speak_stream(&self, model: &str, request: SpeechRequest) -> Result<SpeechStream> {
        let target = self.offering(model, Op::Speech)?;
        let mut call = Call::Speak(Box::new(SpeechRequest { events: false, ..request }));
        call.set_model(target.model());
        let Some(codec) = dialect::client(target.dialect_for(Op::Speech, None)) else {
            return said(mock::output(&call)?, Changes::default());
        };
        let sent = self.send(codec, &target, &call).await?;
        if !is_json(&sent.headers) {
            return Ok(sound(sent, target));
        }
        let body = collect(sent.body, REPLY_LIMIT).await?;
        let cx = DecodeCx { spec: target.spec(), model: target.model(), memo: &sent.memo };
        let output = codec.decode(Op::Speech, &body, &cx).map_err(|error| named(error, &target))?;
        said(output, sent.changes)
    }
}

/// An answer that is the sound.
fn sound(sent: Sent, target: Target) -> SpeechStream {
    let Sent { headers, body, memo, changes } = sent;
    let told = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    let asked = memo.media.as_ref().map(|media| media.kind.to_owned());
    let kind = told.or(asked).unwrap_or_default();
    let body = body.map(move |chunk| chunk.map_err(|error| named(error, &target)));
    SpeechStream { body: Box::pin(body), kind, usage: memo.used().cloned(), changes }
}

fn said(output: Output, changes: Changes) -> Result<SpeechStream> {
    match output {
        Output::Speech(speech) => Ok(SpeechStream::whole(*speech, changes)),
        _ => Err(other()),
    }
}
