//! Speech to text.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use llm_types::{Extra, Result, Spoken, Str, TranscribeRequest, Transcript, Units, Usage};

use super::wire;
use crate::codec::{DecodeCx, EncodeCx, Memo, Tapped, WireRequest};
use crate::dialect::media;
use crate::dialect::openai_transcriptions::{OPENAI_FIELDS, heard};
use crate::form::Form;
use crate::quirk::Row;

/// Writes a request: what is no option of OpenAI's goes along as it is.
///
/// # Errors
/// When the form cannot be written.
pub(super) fn encode(request: &TranscribeRequest, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
    let TranscribeRequest {
        model: _,
        file,
        translate: _,
        language,
        prompt,
        format: _,
        temperature,
        // Words have their times in any case.
        granularities: _,
        stream: _,
        origin: _,
        fields,
    } = request;
    media::answered_here(fields)?;
    let row = Row::new(cx.spec, cx.model, None);
    let mut form = Form::default();
    form.text("model_id", &row.model());
    if let Some(language) = language {
        form.text("language_code", language);
    }
    if let Some(temperature) = temperature {
        form.text("temperature", &temperature.to_string());
    }
    if prompt.is_some() {
        cx.changes.dropped("prompt", row.why());
    }
    for (name, text) in fields {
        if OPENAI_FIELDS.contains(&name.as_str()) {
            cx.changes.dropped(name.clone(), row.why());
        } else {
            let sent = if name == "url" { "cloud_storage_url" } else { name };
            if !form.extra(sent, text) {
                cx.changes.dropped(name.clone(), "another field of the request says it already");
            }
        }
    }
    if !file.data.is_empty() {
        form.file("file", file);
    }
    let (kind, body) = form.finish()?;
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
    let memo = Memo { media: Some(Arc::new(heard(request))), ..Memo::default() };
    Ok(WireRequest { method: Method::POST, path: "/v1/speech-to-text".to_owned(), headers, body, memo })
}

/// Reads what was heard.
///
/// # Errors
/// When it is no answer of `ElevenLabs`.
pub(super) fn decode(body: &[u8], cx: &DecodeCx<'_>) -> Result<Transcript> {
    let heard: wire::Heard<'_> =
        serde_json::from_slice(body).map_err(|error| media::wrong("transcript", error))?;
    let wire::Heard { language_code, text, words, audio_duration_secs, extra: _ } = heard;
    let text = text.ok_or_else(|| media::wrong("transcript", "`text` is missing"))?.into_string();
    let is_word = |word: &wire::Word<'_>| word.kind.as_ref().is_none_or(|kind| kind.as_str() == "word");
    let words: Vec<Spoken> = words.into_iter().flatten().filter(is_word).map(word).collect();
    let duration = audio_duration_secs.or_else(|| words.last().map(|word| word.end));
    let memo = cx.memo.media.as_deref().cloned().unwrap_or_default();
    let usage = match audio_duration_secs {
        Some(duration) => used(duration),
        // Behind the last word there may be silence, which is paid too.
        None => memo.used,
    };
    Ok(Transcript {
        text,
        language: language_code.map(Str::into_string),
        duration,
        words,
        usage: Some(usage),
        format: memo.format,
        ..Transcript::default()
    })
}

fn used(duration: f64) -> Usage {
    let units = Units { input_audio_ms: media::millis(duration), ..Units::default() };
    Usage { units, ..Usage::default() }
}

/// Reads what was used. Where it is not said the last word's end stands for the end of the sound.
///
/// # Errors
/// When it is no answer of `ElevenLabs`.
pub(super) fn tapped(body: &[u8]) -> Result<Tapped<'_>> {
    let heard: wire::Heard<'_> =
        serde_json::from_slice(body).map_err(|error| media::wrong("transcript", error))?;
    let last = || heard.words.as_ref()?.iter().rev().find_map(|word| word.end);
    let usage = match heard.audio_duration_secs {
        Some(duration) => Some(used(duration)),
        None => last().map(|end| Usage { estimated: true, ..used(end) }),
    };
    Ok(Tapped { usage, model: None })
}

fn word(word: wire::Word<'_>) -> Spoken {
    let wire::Word { text, kind: _, start, end, speaker_id, extra: _ } = word;
    Spoken {
        text: text.map(Str::into_string).unwrap_or_default(),
        start: start.unwrap_or_default(),
        end: end.unwrap_or_default(),
        speaker: speaker_id.map(Str::into_string),
        extra: Extra::default(),
    }
}
