//! Us calling a provider.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode};
use llm_types::{
    ApiError, Call, Dialect, Head, MessageQuirk, Op, Output, Result, Str, TranscribeRequest, Transcript,
    TranscriptFormat, Units, Usage,
};

use super::{wire, within};
use crate::codec::{
    ClientCodec, DecodeCx, EncodeCx, MediaMemo, Memo, StreamDecoder, StreamTap, Tapped, WireRequest, cannot,
};
use crate::dialect::media::{self, Made, Tap};
use crate::dialect::openai_chat;
use crate::form::Form;
use crate::quirk::Row;
use crate::sound;

const DIALECT: &str = "openai_transcriptions";

/// The client half of the dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client;

impl ClientCodec for Client {
    fn encode(&self, call: &Call, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
        let Call::Transcribe(request) = call else { return Err(cannot(DIALECT, call.op())) };
        let row = Row::of(Dialect::OpenaiTranscriptions, cx.spec, cx.model, None);
        let usual = if request.translate { "/audio/translations" } else { "/audio/transcriptions" };
        let path = row.path(false).unwrap_or_else(|| usual.to_owned());
        let (fields, memo) = fields(request, &row, cx)?;
        let memo = Memo { media: Some(Arc::new(memo)), ..Memo::default() };
        if row.has(MessageQuirk::SoundInJson) {
            return Ok(media::json(path, within::body(&fields, &request.file)?, memo));
        }
        let mut form = Form::default();
        fields.iter().for_each(|(name, text)| form.text(name, text));
        if !request.file.data.is_empty() {
            form.file("file", &request.file);
        }
        let (kind, body) = form.finish()?;
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
        Ok(WireRequest { method: Method::POST, path, headers, body, memo })
    }

    /// A form is written anew in any case: its file is not copied for it.
    fn splice(&self, _head: &Head, _cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>> {
        Ok(None)
    }

    fn decode(&self, op: Op, body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
        if !matches!(op, Op::Transcribe | Op::Translate) {
            return Err(cannot(DIALECT, op));
        }
        let memo = cx.memo.media.as_deref().cloned().unwrap_or_default();
        reply(body, memo).map(|transcript| Output::Transcript(Box::new(transcript)))
    }

    fn decode_error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
        openai_chat::Client.decode_error(status, headers, body)
    }

    /// Streams of this dialect are passed through and never read.
    fn decoder(&self, op: Op, cx: &DecodeCx<'_>) -> Box<dyn StreamDecoder> {
        openai_chat::Client.decoder(op, cx)
    }

    fn tap<'b>(&self, _op: Op, body: &'b [u8]) -> Result<Tapped<'b>> {
        if !is_json(body) {
            let text = String::from_utf8_lossy(body);
            let input_audio_ms = super::write::last_time_ms(&text);
            let units = Units { input_audio_ms: input_audio_ms.unwrap_or_default(), ..Units::default() };
            let usage = input_audio_ms.map(|_| Usage { units, estimated: true, ..Usage::default() });
            return Ok(Tapped { usage, model: None });
        }
        let read = read(body)?;
        Ok(Tapped { usage: usage(&read), model: read.model.map(|model| model.0) })
    }

    fn stream_tap(&self, _op: Op) -> Box<dyn StreamTap> {
        Box::new(Tap::new(Made::Text))
    }
}

fn is_json(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{")
}

/// The fields but the file, and what is to be done with the answer.
fn fields(
    request: &TranscribeRequest,
    row: &Row<'_>,
    cx: &mut EncodeCx<'_>,
) -> Result<(Vec<(String, String)>, MediaMemo)> {
    let TranscribeRequest {
        model: _,
        file: _,
        translate,
        language,
        prompt,
        format,
        temperature,
        granularities,
        stream,
        origin,
        fields,
    } = request;
    let (sent, anew) = asked_as(format, row, cx.model)?;
    let temperature = temperature.map(|temperature| temperature.to_string());
    let model = row.model();
    let texts = [
        ("model", Some(&*model)),
        ("language", language.as_deref()),
        ("prompt", prompt.as_deref()),
        ("response_format", sent),
        ("temperature", temperature.as_deref()),
        ("stream", stream.then_some("true")),
    ];
    let mut list: Vec<(&str, &str)> =
        texts.into_iter().filter_map(|(name, text)| Some((name, text?))).collect();
    list.extend(granularities.iter().map(|one| ("timestamp_granularities[]", one.as_str())));
    if anew && format.is_timed() && granularities.is_empty() {
        list.push(("timestamp_granularities[]", "segment"));
    }
    if origin.is_none_or(|origin| origin == Dialect::OpenaiTranscriptions) {
        list.extend(fields.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    } else {
        for (name, _) in fields {
            cx.changes.dropped(name.clone(), row.why());
        }
    }
    let mut fields = Vec::new();
    let mut set = |name: &str, text: &str| fields.push((name.to_owned(), text.to_owned()));
    for (name, text) in list {
        if name == "model" && row.drops(name) {
            // A service of one model is not told which.
            continue;
        }
        if let Some((name, text)) = row.field(name, text, cx.changes) {
            set(name, text);
        }
    }
    row.fields().for_each(|(name, text)| set(name, text));
    let memo = MediaMemo { anew, translated: *translate, ..heard(request) };
    Ok((fields, memo))
}

/// What a request for a transcript tells of its answer.
pub(in crate::dialect) fn heard(request: &TranscribeRequest) -> MediaMemo {
    let (input_audio_ms, _) = sound::length_ms(&request.file.data);
    let units = Units { input_audio_ms, ..Units::default() };
    let used = Usage { units, estimated: true, ..Usage::default() };
    MediaMemo {
        used,
        format: request.format.clone(),
        translated: request.translate,
        language: request.language.clone(),
        ..MediaMemo::default()
    }
}

/// The form that a provider is asked for, and whether another one is then written from it.
fn asked_as<'f>(format: &'f TranscriptFormat, row: &Row<'_>, model: &str) -> Result<(Option<&'f str>, bool)> {
    let named = (*format != TranscriptFormat::Json).then(|| format.name());
    let Some(known) = row.transcripts() else { return Ok((named, false)) };
    if known.contains(format) {
        return Ok((named, false));
    }
    if let TranscriptFormat::Other(name) = format {
        let message = format!("`{model}` writes no transcript as `{name}`: choose another response_format");
        return Err(ApiError::bad_request(message).with_param("response_format"));
    }
    if known.contains(&TranscriptFormat::VerboseJson) {
        return Ok((Some("verbose_json"), true));
    }
    if !known.is_empty() && format.is_timed() {
        let message = format!("`{model}` does not tell when something is said: ask for json or text");
        return Err(ApiError::bad_request(message).with_param("response_format"));
    }
    // Whatever it has for an object.
    Ok((None, true))
}

fn read(body: &[u8]) -> Result<wire::Reply<'_>> {
    let read: wire::Reply<'_> =
        serde_json::from_slice(body).map_err(|error| media::wrong("transcript", error))?;
    match read.error {
        Some(error) if error.get() != "null" => Err(media::contained(body)),
        _ => Ok(read),
    }
}

fn usage(read: &wire::Reply<'_>) -> Option<Usage> {
    let counts = read.usage.as_ref();
    let counted = counts.and_then(|counts| counts.usage(Made::Text));
    let duration = read.duration;
    counted.or_else(|| {
        let units = Units { input_audio_ms: media::millis(duration?), ..Units::default() };
        Some(Usage { units, ..Usage::default() })
    })
}

fn reply(body: &[u8], memo: MediaMemo) -> Result<Transcript> {
    let MediaMemo { used, format, translated, anew: _, language: _, kind: _, bytes: _ } = memo;
    if !is_json(body) {
        let text = String::from_utf8_lossy(body).into_owned();
        return Ok(Transcript {
            text,
            usage: Some(used),
            format,
            translated,
            written: true,
            ..Transcript::default()
        });
    }
    let read = read(body)?;
    let usage = usage(&read).or(Some(used));
    let wire::Reply { model, task: _, language, duration, text, words, segments, usage: _, error: _, extra } =
        read;
    let spoken = |list: Option<Vec<wire::Said<'_>>>| {
        list.unwrap_or_default().into_iter().map(wire::Said::spoken).collect()
    };
    Ok(Transcript {
        model: model.map(Str::into_string).unwrap_or_default(),
        text: text.ok_or_else(|| media::wrong("transcript", "`text` is missing"))?.into_string(),
        language: language.map(Str::into_string).filter(|language| !language.is_empty()),
        duration,
        words: spoken(words),
        segments: spoken(segments),
        usage,
        translated,
        format,
        written: false,
        origin: Some(Dialect::OpenaiTranscriptions),
        extra: extra.to_extra(),
    })
}
