//! A transcript of a file that is read while it is sent.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::CONTENT_LENGTH;
use llm_types::{
    ApiError, Call, Content, Output, Piece, Result, Segments, TranscribeRequest, Transcript, Upload, Usage,
};

use super::client::{Client, REPLY_LIMIT, named};
use super::media::{Answered, other};
use crate::codec::{DecodeCx, MediaMemo, Memo};
use crate::dialect;
use crate::form::FileStream;
use crate::transport::{ByteStream, RequestBody, collect};

/// The most of a file that is held where it has to be.
const HELD_LIMIT: u64 = 512 * 1024 * 1024;
/// Stands for the file while the request is written; it is known again by where it lies.
static MARK: &[u8] = b"here the file goes";

/// A request that is written but for the file in it.
struct Around {
    before: Vec<Bytes>,
    behind: Vec<Bytes>,
}

impl Client {
    /// As [`Client::transcribe`], with sound that comes from somewhere, in place of the request's own: an open file is better
    /// given to that ([`llm_types::Stretch`]). It is never held whole where the provider takes it as it is; some want it within JSON, or signed (then it may have 512 MiB). What was
    /// used is known where the provider says it: nobody measures the sound here.
    ///
    /// # Errors
    /// As [`Client::transcribe`]; what reading the file fails with.
    pub async fn transcribe_stream(
        &self,
        model: &str,
        request: TranscribeRequest,
        file: FileStream,
    ) -> Result<Answered<Transcript>> {
        let FileStream { name, length, data } = file;
        let upload = Upload::of(name, Content::from(Bytes::from_static(MARK)));
        let mut call =
            Call::Transcribe(Box::new(TranscribeRequest { stream: false, file: upload, ..request }));
        let op = call.op();
        let target = self.offering(model, op)?;
        call.set_model(target.model());
        let codec = dialect::client(target.dialect_for(op, None)).filter(|_| !target.signs());
        let Some(codec) = codec else { return self.held(model, call, (length, data)).await };
        let (mut wire, changes) = self.written(codec, &target, &call)?;
        let Some(Around { before, behind }) = around(&wire.body) else {
            return self.held(model, call, (length, data)).await;
        };
        let own: usize = before.iter().chain(&behind).map(Bytes::len).sum();
        let length = length.saturating_add(u64::try_from(own).unwrap_or_default());
        wire.headers.insert(CONTENT_LENGTH, length.into());
        wire.body = Segments::default();
        let memo = unmeasured(&wire.memo);
        let pieces = |pieces: Vec<Bytes>| stream::iter(pieces.into_iter().map(Ok));
        let body: ByteStream = Box::pin(pieces(before).chain(data).chain(pieces(behind)));
        let request = target.request(wire)?.map(|_| RequestBody::Stream(body));
        let sent = self.exchange(codec, &target, request, (memo, changes)).await?;
        let body = collect(sent.body, REPLY_LIMIT).await?;
        let cx = DecodeCx { spec: target.spec(), model: target.model(), memo: &sent.memo };
        let output = codec.decode(op, &body, &cx).map_err(|error| named(error, &target))?;
        let Output::Transcript(mut transcript) = output else { return Err(other()) };
        transcript.usage = transcript.usage.filter(|used| *used != Usage::default());
        Ok(Answered { output: *transcript, changes: sent.changes })
    }

    /// The same with the file held whole.
    async fn held(
        &self,
        model: &str,
        call: Call,
        (length, data): (u64, ByteStream),
    ) -> Result<Answered<Transcript>> {
        let Call::Transcribe(mut request) = call else { return Err(other()) };
        if length > HELD_LIMIT {
            let message =
                format!("the file is longer than {} MiB, and has to be held whole here", HELD_LIMIT >> 20);
            return Err(ApiError::bad_request(message).with_param("file"));
        }
        request.file.data = collect(data, usize::MAX).await?.into();
        self.transcribe(model, *request).await
    }
}

/// What stands before the file and behind it; `None`: the dialect does not send it as it is.
fn around(body: &Segments) -> Option<Around> {
    let plain = |piece: &Piece| matches!(piece, Piece::Plain(_)).then(|| piece.held().cloned()).flatten();
    let mut before: Vec<Bytes> = body.pieces().map(plain).collect::<Option<_>>()?;
    let at = before.iter().position(|piece| std::ptr::eq(piece.as_ptr(), MARK.as_ptr()))?;
    let behind = before.split_off(at + 1);
    before.pop();
    Some(Around { before, behind })
}

/// Without what was worked out from what stood in the file's place.
fn unmeasured(memo: &Memo) -> Memo {
    let media =
        memo.media.as_deref().cloned().map(|media| Arc::new(MediaMemo { used: Usage::default(), ..media }));
    Memo { media, ..memo.clone() }
}

#[cfg(test)]
#[cfg(feature = "reqwest")]
mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use http::HeaderMap;
    use http::header::{CONTENT_TYPE, HeaderValue};
    use llm_testkit::{Script, Upstream};
    use llm_types::{ErrorKind, Stretch};
    use serde_json::json;

    use super::*;
    use crate::form;

    fn client(upstream: &Upstream) -> Client {
        let base = format!("{}/v1", upstream.url());
        let env = move |name: &str| match name {
            "OPENAI_BASE_URL" => Some(base.clone()),
            name => name.ends_with("_API_KEY").then(|| "sk-test".to_owned()),
        };
        Client::builder().env(env).build().unwrap()
    }

    /// A second of sound, and more than is read at once.
    fn sound() -> (Vec<u8>, File) {
        let mut sound = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        sound.extend([400_000_u32.to_le_bytes(), 400_000_u32.to_le_bytes()].concat());
        sound.extend_from_slice(b"\x02\0\x10\0data\x80\x1a\x06\0");
        sound.extend((0..400_000).map(|at| u8::try_from(at % 251).unwrap()));
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&sound).unwrap();
        (sound, file)
    }

    fn request(file: File) -> TranscribeRequest {
        TranscribeRequest::new(Upload::of("talk.wav", Content::from(Stretch::whole(file).unwrap())))
    }

    #[tokio::test]
    async fn an_open_file_is_sent_as_it_is_read_and_measured() {
        let upstream = Upstream::start().unwrap();
        upstream.always(Script::json(&json!({"text": "Hi."})));
        let (sound, file) = sound();
        let heard = client(&upstream).transcribe("openai/whisper-1", request(file)).await.unwrap().output;
        assert_eq!(heard.usage.unwrap().units.input_audio_ms, 1000);
        let sent = upstream.last_request().unwrap();
        assert_eq!(sent.header("content-length"), Some(&*sent.body.len().to_string()));
        let kind = HeaderValue::from_str(sent.header("content-type").unwrap()).unwrap();
        let fields = form::read(&HeaderMap::from_iter([(CONTENT_TYPE, kind)]), &sent.body).unwrap();
        assert!(fields.last().unwrap().file.data == sound, "another file was sent");
    }

    #[tokio::test]
    async fn one_that_cannot_be_read_any_more_is_told() {
        let upstream = Upstream::start().unwrap();
        upstream.always(Script::json(&json!({"text": "Hi."})));
        let (_, file) = sound();
        let request = request(file.try_clone().unwrap());
        file.set_len(300_000).unwrap();
        let error = client(&upstream).transcribe("openai/whisper-1", request).await.map(drop).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Internal, "{error}");
        assert!(error.message.contains("cannot be read any more"), "{error}");
        assert_eq!(upstream.requests().len(), 0, "nobody gets half of it");
    }
}
