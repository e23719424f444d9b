//! A client calls us.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use http::header::HeaderValue;
use llm_types::{ApiError, Call, Dialect, Extra, Head, Op, Output, Result, SpeechRequest, Str};

use super::{stream, wire};
use crate::codec::{Asked, Peek, ReplyCx, ServerCodec, StreamEncoder};
use crate::dialect::openai_chat;
use crate::dialect::openai_transcriptions::server::missing;

/// The half that a client calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Server;

impl ServerCodec for Server {
    fn peek(&self, head: &Head, asked: &Asked) -> Result<Peek> {
        let peek = openai_chat::Server.peek(head, asked)?;
        let events = head.read::<Str<'_>>("stream_format")?.is_some_and(|format| format.as_str() == "sse");
        // The sound goes on as it comes, whether or not it is framed in events.
        Ok(Peek { stream: true, binary: !events, include_usage: true, ..peek })
    }

    fn decode(&self, body: &[u8], asked: &Asked) -> Result<Call> {
        match asked.op {
            Op::Speech => request(body).map(|request| Call::Speak(Box::new(request))),
            other => Err(ApiError::bad_request(format!(
                "this route cannot carry {other}: use the route of that operation"
            ))),
        }
    }

    fn encode(&self, output: &Output, _cx: &ReplyCx) -> Vec<u8> {
        match output {
            Output::Speech(speech) => speech.audio.to_vec(),
            // No row asks this dialect for anything else.
            _ => b"{}".to_vec(),
        }
    }

    fn content_type(&self, output: &Output) -> Option<HeaderValue> {
        let Output::Speech(speech) = output else { return None };
        HeaderValue::from_str(&speech.kind).ok()
    }

    fn streamed(&self, output: &Output, _cx: &ReplyCx) -> Option<Bytes> {
        let Output::Speech(speech) = output else { return None };
        let mut out = Vec::new();
        stream::delta(&mut out, &STANDARD.encode(&speech.audio));
        stream::done(&mut out, speech.usage.as_ref());
        Some(Bytes::from(out))
    }

    fn encode_error(&self, error: &ApiError) -> (StatusCode, Vec<u8>) {
        openai_chat::Server.encode_error(error)
    }

    fn encoder(&self, _cx: ReplyCx) -> Box<dyn StreamEncoder> {
        Box::new(stream::Encoder::default())
    }
}

fn request(body: &[u8]) -> Result<SpeechRequest> {
    let wrong = |error| ApiError::bad_request(format!("the body is not what OpenAI takes: {error}"));
    let wire: wire::Request<'_> = serde_json::from_slice(body).map_err(wrong)?;
    let wire::Request { model, input, voice, instructions, response_format, speed, stream_format, extra } =
        wire;
    let mut extra: Extra = extra.to_extra();
    let mut named = None;
    if let Some(voice) = voice {
        match serde_json::from_str::<String>(voice.get()) {
            Ok(name) => named = Some(name),
            // A voice of one's own is an object, which OpenAI alone knows.
            Err(_) => extra.set("voice", voice.0.into_owned()),
        }
    }
    Ok(SpeechRequest {
        model: model.ok_or_else(|| missing("model", "name the model"))?.into_string(),
        input: input.ok_or_else(|| missing("input", "send what is to be said"))?.into_string(),
        voice: named,
        instructions: instructions.map(Str::into_string),
        format: response_format.map(Str::into_string),
        speed,
        events: stream_format.is_some_and(|format| format.as_str() == "sse"),
        origin: Some(Dialect::OpenaiSpeech),
        extra,
    })
}
