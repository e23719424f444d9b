//! Us calling ElevenLabs.

use http::{HeaderMap, StatusCode};
use llm_types::{ApiError, Call, ErrorKind, Head, Op, Output, Result, Str};

use super::{listen, speak, wire};
use crate::classify::{self, Said};
use crate::codec::{
    ClientCodec, DecodeCx, EncodeCx, OwnCall, StreamDecoder, StreamTap, Tapped, WireRequest, cannot,
};
use crate::dialect::{openai_chat, openai_speech};

const DIALECT: &str = "elevenlabs";

/// The client half of the dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client;

impl ClientCodec for Client {
    fn encode(&self, call: &Call, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
        match call {
            Call::Transcribe(request) if !request.translate => listen::encode(request, cx),
            Call::Speak(request) => speak::encode(request, cx),
            other => Err(cannot(DIALECT, other.op())),
        }
    }

    /// No client speaks this dialect to us.
    fn splice(&self, _head: &Head, _cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>> {
        Ok(None)
    }

    fn decode(&self, op: Op, body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
        match op {
            Op::Transcribe => {
                listen::decode(body, cx).map(|transcript| Output::Transcript(Box::new(transcript)))
            }
            Op::Speech => openai_speech::plain(body, cx),
            other => Err(cannot(DIALECT, other)),
        }
    }

    fn decode_error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
        let failure: wire::Failure<'_> = serde_json::from_slice(body).unwrap_or_default();
        let raw = failure.detail.map(llm_types::RawValue::get).unwrap_or_default();
        let text: Option<String> = serde_json::from_str(raw).ok();
        let list: Vec<wire::Detail<'_>> = serde_json::from_str(raw).unwrap_or_default();
        let detail: wire::Detail<'_> =
            serde_json::from_str(raw).unwrap_or_else(|_| list.into_iter().next().unwrap_or_default());
        let said = |text: Option<Str<'_>>| text.map(Str::into_string).unwrap_or_default();
        let (kind, message) = (said(detail.status), text.unwrap_or_else(|| said(detail.message)));
        let said = Said { message: &message, kind: &kind, code: &kind, ..Said::default() };
        let mut error = classify::upstream_error(status, headers, &said, body);
        // It comes with 401; the key is fine.
        if kind == "quota_exceeded" {
            error.kind = ErrorKind::Payment;
        }
        error
    }

    /// Nothing of this dialect is read as a stream.
    fn decoder(&self, op: Op, cx: &DecodeCx<'_>) -> Box<dyn StreamDecoder> {
        openai_chat::Client.decoder(op, cx)
    }

    fn tap<'b>(&self, op: Op, body: &'b [u8]) -> Result<Tapped<'b>> {
        match op {
            Op::Transcribe => listen::tapped(body),
            _ => Ok(Tapped::default()),
        }
    }

    fn own(&self, path: &str, body: Option<&[u8]>) -> Option<OwnCall> {
        let mut segments =
            path.split('/').skip_while(|one| !matches!(*one, "text-to-speech" | "speech-to-text"));
        match (segments.next()?, segments.next()) {
            ("speech-to-text", None) => Some(OwnCall { op: Op::Transcribe, model: None, call: None }),
            ("text-to-speech", Some(voice)) => speak::asked(voice, body?),
            _ => None,
        }
    }

    /// Nothing of this dialect is read as a stream.
    fn stream_tap(&self, op: Op) -> Box<dyn StreamTap> {
        openai_chat::Client.stream_tap(op)
    }
}
