//! Us calling a provider.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use llm_types::{
    ApiError, Call, Dialect, Edits, Head, Op, Output, Raw, Result, Speech, SpeechRequest, Str, Units, Usage,
};

use super::wire;
use crate::codec::{
    ClientCodec, DecodeCx, EncodeCx, MediaMemo, Memo, StreamDecoder, StreamTap, Tapped, WireRequest, cannot,
};
use crate::dialect::media::{self, Made, Tap};
use crate::dialect::openai_chat;
use crate::quirk::{Row, demanded_in};

const DIALECT: &str = "openai_speech";
const PATH: &str = "/audio/speech";

/// The client half of the dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client;

impl ClientCodec for Client {
    fn encode(&self, call: &Call, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
        let Call::Speak(request) = call else { return Err(cannot(DIALECT, call.op())) };
        let row = Row::of(Dialect::OpenaiSpeech, cx.spec, cx.model, None);
        let path = row.path(false).unwrap_or_else(|| PATH.to_owned());
        let memo = spoken(&request.input, kind_of(request.format.as_deref()));
        let body = body(request, &row, cx)?;
        demanded_in(Dialect::OpenaiSpeech, media::json(path, body, memo), cx)
    }

    fn splice(&self, head: &Head, cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>> {
        let row = Row::of(Dialect::OpenaiSpeech, cx.spec, cx.model, None);
        let Some(input) = head.read::<Str<'_>>("input")? else { return Ok(None) };
        let format = head.read::<Str<'_>>("response_format")?;
        let memo = spoken(input.as_str(), kind_of(format.as_ref().map(Str::as_str)));
        let mut edits = Edits::default();
        let model = row.model();
        if model != cx.model || !row.drops("model") {
            edits.set(head, "model", serde_json::to_vec(&*model).unwrap_or_default());
        }
        row.apply(head, &mut edits, cx.changes);
        let path = row.path(false).unwrap_or_else(|| PATH.to_owned());
        Ok(Some(media::json(path, edits.apply(head), memo)))
    }

    fn decode(&self, op: Op, body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
        if op != Op::Speech {
            return Err(cannot(DIALECT, op));
        }
        if !body.trim_ascii_start().starts_with(b"{") {
            return plain(body, cx);
        }
        let reply: wire::Reply<'_> =
            serde_json::from_slice(body).map_err(|error| media::wrong("sound", error))?;
        if reply.error.is_some_and(|error| error.get() != "null") {
            return Err(media::contained(body));
        }
        let audio = reply.audio_data.ok_or_else(|| media::wrong("sound", "`audio_data` is missing"))?;
        let audio = STANDARD.decode(audio.as_str()).map_err(|error| media::wrong("sound", error))?;
        said(Bytes::from(audio), cx)
    }

    fn decode_error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
        openai_chat::Client.decode_error(status, headers, body)
    }

    /// Sound is passed through and never read.
    fn decoder(&self, op: Op, cx: &DecodeCx<'_>) -> Box<dyn StreamDecoder> {
        openai_chat::Client.decoder(op, cx)
    }

    fn tap<'b>(&self, _op: Op, _body: &'b [u8]) -> Result<Tapped<'b>> {
        Ok(Tapped::default())
    }

    fn stream_tap(&self, _op: Op) -> Box<dyn StreamTap> {
        Box::new(Tap::new(Made::Sound))
    }
}

/// What a request tells of its answer: characters are what most sell it by. Tokens of the text are estimated for
/// models that are sold by them, as are those of the sound: a second of speech is some 15 characters, and 20 tokens.
pub(in crate::dialect) fn spoken(input: &str, kind: &'static str) -> Memo {
    let characters = u64::try_from(input.chars().count()).unwrap_or(u64::MAX);
    let output_audio_ms = characters.saturating_mul(1000) / 15;
    let used = Usage {
        input: crate::estimate::tokens(input),
        output_audio: output_audio_ms.saturating_mul(20).div_ceil(1000),
        units: Units { characters, ..Units::default() },
        estimated: true,
        ..Usage::default()
    };
    Memo { media: Some(Arc::new(MediaMemo { used, kind, ..MediaMemo::default() })), ..Memo::default() }
}

/// The same at providers that sell speech by the character and count nothing else: what is sent is what is billed.
pub(in crate::dialect) fn spoken_by_character(input: &str, kind: &'static str) -> Memo {
    let characters = u64::try_from(input.chars().count()).unwrap_or(u64::MAX);
    let used = Usage { units: Units { characters, ..Units::default() }, ..Usage::default() };
    Memo { media: Some(Arc::new(MediaMemo { used, kind, ..MediaMemo::default() })), ..Memo::default() }
}

/// The content type of sound in this form.
pub(in crate::dialect) fn kind_of(format: Option<&str>) -> &'static str {
    match format {
        None | Some("mp3") => "audio/mpeg",
        Some("opus") => "audio/ogg",
        Some("aac") => "audio/aac",
        Some("flac") => "audio/flac",
        Some("wav") => "audio/wav",
        Some("pcm") => "audio/pcm",
        Some(_) => "application/octet-stream",
    }
}

/// An answer that is the sound.
///
/// # Errors
/// When it is empty.
pub(in crate::dialect) fn plain(body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
    said(Bytes::copy_from_slice(body), cx)
}

fn said(audio: Bytes, cx: &DecodeCx<'_>) -> Result<Output> {
    if audio.is_empty() {
        return Err(media::wrong("sound", "it is empty"));
    }
    let kind = cx.memo.media.as_ref().map(|media| media.kind).filter(|kind| !kind.is_empty());
    let kind = kind.unwrap_or(kind_of(None)).to_owned();
    Ok(Output::Speech(Box::new(Speech { audio, kind, usage: cx.memo.used().cloned() })))
}

fn body(request: &SpeechRequest, row: &Row<'_>, cx: &mut EncodeCx<'_>) -> Result<Vec<u8>> {
    let SpeechRequest { model: _, input, voice, instructions, format, speed, events, origin, extra } =
        request;
    let model = row.model();
    let voice = voice.as_deref().map(media::raw).transpose()?;
    let mut out = wire::Request {
        // A service of one model is not told which.
        model: (!row.drops("model")).then(|| Str::from(&*model)),
        input: Some(Str::from(input)),
        voice: voice.map(Raw::from),
        instructions: instructions.as_ref().map(Str::from),
        response_format: format.as_ref().map(Str::from),
        speed: *speed,
        stream_format: events.then(|| Str::from("sse")),
        ..wire::Request::default()
    };
    if origin.is_none_or(|origin| origin == Dialect::OpenaiSpeech) {
        out.extra = extra.members();
    } else {
        for (name, _) in extra.iter() {
            cx.changes.dropped(name.to_owned(), row.why());
        }
    }
    media::bytes(&out)
}
