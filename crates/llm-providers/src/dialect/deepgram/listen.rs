//! Speech to text.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method};
use llm_types::{Extra, Result, Segments, Spoken, Str, TranscribeRequest, Transcript, Units, Usage};

use super::wire;
use crate::codec::{DecodeCx, EncodeCx, Memo, Tapped, WireRequest};
use crate::dialect::media;
use crate::dialect::openai_transcriptions::{OPENAI_FIELDS, heard};
use crate::quirk::Row;
use crate::url::escape;

/// Writes a request: what is no option of OpenAI's goes into the query as it is.
///
/// # Errors
/// When an address cannot be written.
pub(super) fn encode(request: &TranscribeRequest, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
    let TranscribeRequest {
        model: _,
        file,
        translate: _,
        language,
        prompt,
        format,
        temperature,
        granularities: _,
        stream: _,
        origin: _,
        fields,
    } = request;
    media::answered_here(fields)?;
    let row = Row::new(cx.spec, cx.model, None);
    for (name, set) in [("prompt", prompt.is_some()), ("temperature", temperature.is_some())] {
        if set {
            cx.changes.dropped(name, row.why());
        }
    }
    let mut query = format!("/listen?model={}", escape(&row.model()));
    let mut add = |name: &str, text: &str| {
        query.push('&');
        query.push_str(&escape(name));
        query.push('=');
        query.push_str(&escape(text));
    };
    if let Some(language) = language {
        add("language", language);
    }
    let mut url = None;
    let own = |wanted: &str| fields.iter().any(|(name, _)| name == wanted);
    // Sentences end with a full stop, and speech is cut where lines of subtitles are.
    if !own("smart_format") && !own("punctuate") {
        add("punctuate", "true");
    }
    if format.is_timed() && !own("utterances") {
        add("utterances", "true");
    }
    for (name, text) in fields {
        if name == "url" {
            url = Some(text);
        } else if OPENAI_FIELDS.contains(&name.as_str()) {
            cx.changes.dropped(name.clone(), row.why());
        } else {
            add(name, text);
        }
    }
    if url.is_some() && !file.data.is_empty() {
        cx.changes.dropped("url", "the file that is sent is written down");
    }
    let memo = Memo { media: Some(Arc::new(heard(request))), ..Memo::default() };
    if let Some(url) = url.filter(|_| file.data.is_empty()) {
        let body = media::bytes(&wire::Address { url: Some(Str::from(url)), ..wire::Address::default() })?;
        return Ok(media::json(query, body, memo));
    }
    let kind = HeaderValue::from_str(&file.kind).ok().filter(|kind| !kind.is_empty());
    // Deepgram finds out for itself what it is.
    let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
    Ok(WireRequest {
        method: Method::POST,
        path: query,
        headers,
        body: Segments::from(file.data.clone()),
        memo,
    })
}

/// Reads what was heard. Of sound whose channels are written down each for itself (`multichannel`) all are told.
///
/// # Errors
/// When it is no answer of Deepgram's.
pub(super) fn decode(body: &[u8], cx: &DecodeCx<'_>) -> Result<Transcript> {
    let heard: wire::Heard<'_> =
        serde_json::from_slice(body).map_err(|error| media::wrong("transcript", error))?;
    let results = heard.results.ok_or_else(|| media::wrong("transcript", "`results` is missing"))?;
    let channels = results.channels.unwrap_or_default();
    if channels.is_empty() {
        return Err(media::wrong("transcript", "there is no channel"));
    }
    let apart = channels.len() > 1;
    let memo = cx.memo.media.as_deref().cloned().unwrap_or_default();
    let (mut language, mut words, mut lines) = (None, Vec::new(), Vec::new());
    let mut diarized = false;
    let paid = u64::try_from(channels.len()).unwrap_or(u64::MAX);
    for (number, channel) in channels.into_iter().enumerate() {
        let wire::Channel { alternatives, detected_language, extra: _ } = channel;
        let best = alternatives.into_iter().flatten().next().unwrap_or_default();
        let named = best.languages.into_iter().flatten().next();
        language = language.or_else(|| detected_language.or(named).map(Str::into_string));
        let mine: Vec<wire::Word<'_>> = best.words.unwrap_or_default();
        diarized |= mine.iter().any(|word| word.speaker.is_some());
        words.extend(mine.into_iter().map(|one| word(one, apart.then_some(number))));
        let text = best.transcript.map(Str::into_string).unwrap_or_default();
        match apart {
            true if text.is_empty() => {}
            true => lines.push(format!("Channel {number}: {text}")),
            false => lines.push(text),
        }
    }
    if apart {
        words.sort_by(|one, next| one.start.total_cmp(&next.start));
    }
    let segments = results.utterances.into_iter().flatten().map(|one| utterance(one, apart)).collect();
    let duration = heard.metadata.and_then(|metadata| metadata.duration);
    let usage = duration.map_or(memo.used, |duration| used(duration, paid));
    Ok(Transcript {
        text: if diarized && !apart { by_speaker(&words) } else { lines.join("\n") },
        language: language.or_else(|| asked(memo.language)),
        duration,
        words,
        segments,
        usage: Some(usage),
        format: memo.format,
        ..Transcript::default()
    })
}

/// What is paid: every channel that is written down for itself.
fn used(duration: f64, channels: u64) -> Usage {
    let units =
        Units { input_audio_ms: media::millis(duration).saturating_mul(channels), ..Units::default() };
    Usage { units, ..Usage::default() }
}

/// Reads what was used.
///
/// # Errors
/// When it is no answer of Deepgram's.
pub(super) fn tapped(body: &[u8]) -> Result<Tapped<'_>> {
    let heard: wire::Heard<'_> =
        serde_json::from_slice(body).map_err(|error| media::wrong("transcript", error))?;
    let channels = heard.results.and_then(|results| results.channels).map_or(1, |list| list.len().max(1));
    let duration = heard.metadata.and_then(|metadata| metadata.duration);
    let channels = u64::try_from(channels).unwrap_or(u64::MAX);
    Ok(Tapped { usage: duration.map(|duration| used(duration, channels)), model: None })
}

/// What is spoken where the answer does not say: what was asked for, else English, as Deepgram takes it.
fn asked(language: Option<String>) -> Option<String> {
    match language {
        None => Some("en".to_owned()),
        // Any of several.
        Some(language) => Some(language).filter(|language| language != "multi"),
    }
}

/// Who said it: the channel, where several are apart, and the speaker.
fn who(channel: Option<usize>, speaker: Option<u64>) -> Option<String> {
    match (channel, speaker) {
        (None, speaker) => speaker.map(|speaker| speaker.to_string()),
        (Some(channel), None) => Some(format!("channel {channel}")),
        (Some(channel), Some(speaker)) => Some(format!("channel {channel}, speaker {speaker}")),
    }
}

fn word(word: wire::Word<'_>, channel: Option<usize>) -> Spoken {
    let wire::Word { word, punctuated_word, start, end, speaker, extra: _ } = word;
    Spoken {
        text: punctuated_word.or(word).map(Str::into_string).unwrap_or_default(),
        start: start.unwrap_or_default(),
        end: end.unwrap_or_default(),
        speaker: who(channel, speaker),
        extra: Extra::default(),
    }
}

fn utterance(utterance: wire::Utterance<'_>, apart: bool) -> Spoken {
    let wire::Utterance { transcript, start, end, speaker, channel, extra: _ } = utterance;
    let channel = channel.and_then(|channel| usize::try_from(channel).ok()).filter(|_| apart);
    Spoken {
        text: transcript.map(Str::into_string).unwrap_or_default(),
        start: start.unwrap_or_default(),
        end: end.unwrap_or_default(),
        speaker: who(channel, speaker),
        extra: Extra::default(),
    }
}

/// The text with a line for each turn of a speaker.
fn by_speaker(words: &[Spoken]) -> String {
    let mut out = String::new();
    let mut last = None;
    for word in words {
        if last != Some(&word.speaker) {
            let who = word.speaker.as_deref().unwrap_or("?");
            let line = if out.is_empty() { "" } else { "\n" };
            out.push_str(&format!("{line}Speaker {who}:"));
            last = Some(&word.speaker);
        }
        out.push(' ');
        out.push_str(&word.text);
    }
    out
}
