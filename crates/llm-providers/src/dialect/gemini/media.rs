//! Sound and transcripts: at Gemini these are conversation turns of certain models, and are written and read as such.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use llm_types::chat::{Audio, AudioOutput, ChatRequest, Media, Message, Part, Role, Text};
use llm_types::{
    ApiError, Content, Output, Result, Speech, SpeechRequest, TranscribeRequest, Transcript, Upload,
};

use super::{client, decode};
use crate::codec::{DecodeCx, EncodeCx, MediaMemo, WireRequest};
use crate::dialect::media::{raw, with_base64, wrong};
use crate::dialect::openai_speech::{kind_of, spoken};
use crate::dialect::openai_transcriptions::heard as listened;

/// Asks for speech.
///
/// # Errors
/// For a form of sound that Gemini does not make.
pub(super) fn speak(request: &SpeechRequest, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
    let SpeechRequest { model, input, voice, instructions, format, speed, events: _, origin: _, extra } =
        request;
    let format = match format.as_deref() {
        Some(format @ ("wav" | "pcm")) => format,
        Some(other) => {
            let message = format!("gemini makes no `{other}`: ask for wav or pcm");
            return Err(ApiError::bad_request(message).with_param("response_format"));
        }
        None => {
            cx.changes.altered("response_format", "gemini makes no mp3: wav");
            "wav"
        }
    };
    if speed.is_some_and(|speed| (speed - 1.0).abs() > f64::EPSILON) {
        cx.changes.dropped("speed", "gemini has no counterpart");
    }
    for (name, _) in extra.iter() {
        cx.changes.dropped(name.to_owned(), "gemini has no counterpart");
    }
    let text = match instructions {
        Some(instructions) => {
            cx.changes.altered("instructions", "put before the text, where gemini reads them");
            format!("{instructions}: {input}")
        }
        None => input.clone(),
    };
    let mut chat = ChatRequest::new([Message::user(text)]);
    model.clone_into(&mut chat.model);
    chat.output.modalities = vec!["audio".to_owned()];
    let voice = voice.as_deref().map(raw).transpose()?;
    chat.output.audio = Some(AudioOutput { voice, format: Some("pcm16".to_owned()), language: None });
    let mut wire = client::chat(&chat, cx)?;
    wire.memo.media = spoken(input, kind_of(Some(format))).media;
    Ok(wire)
}

/// Reads speech.
///
/// # Errors
/// When the turn holds no sound.
pub(super) fn said(body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
    let reply = decode::reply(body, cx)?;
    let mut parts = reply.choices.iter().flat_map(|choice| &choice.parts);
    let sound = parts.find_map(|part| match part {
        Part::Audio(Audio { media: Some(Media::Base64 { media_type, data }), format, .. }) => {
            Some((media_type, format, data))
        }
        _ => None,
    });
    let (media_type, _, data) = sound.ok_or_else(|| wrong("sound", "the turn has none"))?;
    let pcm = STANDARD.decode(data).map_err(|error| wrong("sound", error))?;
    let media = cx.memo.media.as_deref().cloned().unwrap_or_default();
    let rate = media_type.split("rate=").nth(1).and_then(|rate| rate.split(';').next()?.parse().ok());
    let audio = if media.kind == "audio/pcm" || pcm.starts_with(b"RIFF") { pcm } else { wav(&pcm, rate) };
    let kind = if media.kind.is_empty() { "audio/wav" } else { media.kind };
    let mut usage = reply.usage.unwrap_or(media.used.clone());
    usage.units.characters = media.used.units.characters;
    let speech = Speech { audio: Bytes::from(audio), kind: kind.to_owned(), usage: Some(usage) };
    Ok(Output::Speech(Box::new(speech)))
}

/// Samples of 16 bits, one channel, behind a head that says so.
fn wav(pcm: &[u8], rate: Option<u32>) -> Vec<u8> {
    let rate = rate.unwrap_or(24_000);
    let length = u32::try_from(pcm.len()).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(pcm.len() + 44);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&length.saturating_add(36).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    out.extend_from_slice(&rate.to_le_bytes());
    out.extend_from_slice(&rate.saturating_mul(2).to_le_bytes());
    out.extend_from_slice(b"\x02\0\x10\0data");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(pcm);
    out
}

/// Asks for a transcript.
///
/// # Errors
/// When times are wanted, which Gemini does not tell, or the turn cannot be written.
pub(super) fn listen(request: &TranscribeRequest, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
    let TranscribeRequest {
        model,
        file,
        translate,
        language,
        prompt,
        format,
        temperature,
        granularities: _,
        stream: _,
        origin: _,
        fields,
    } = request;
    if format.is_timed() {
        let message = "gemini does not tell when something is said: ask for json or text";
        return Err(ApiError::bad_request(message).with_param("response_format"));
    }
    for (name, _) in fields {
        cx.changes.dropped(name.clone(), "gemini has no counterpart");
    }
    let mut asked = String::from(if *translate {
        "Translate what is said into English. Write the translation and nothing else."
    } else {
        "Write down word for word what is said, and nothing else."
    });
    if let Some(language) = language {
        asked.push_str(&format!(" The language is `{language}`."));
    }
    if let Some(prompt) = prompt {
        asked.push_str(&format!(" For context: {prompt}"));
    }
    let turn = |data: &str, cx: &mut EncodeCx<'_>| {
        let media = Media::Base64 { media_type: kind_by_name(file), data: data.to_owned() };
        let sound = Part::Audio(Audio { media: Some(media), ..Audio::default() });
        let mut chat = ChatRequest::new([Message::new(Role::User, [Part::Text(Text::new(&*asked)), sound])]);
        model.clone_into(&mut chat.model);
        chat.sampling.temperature = *temperature;
        client::chat(&chat, cx)
    };
    let mut head = None;
    let body = with_base64(&file.data, |data| {
        let WireRequest { body, .. } = &*head.insert(turn(data, cx)?);
        Ok(body.clone())
    })?;
    let mut wire = head.ok_or_else(|| wrong("sound", "the turn was not written"))?;
    wire.body = body;
    wire.memo.media = Some(Arc::new(listened(request)));
    Ok(wire)
}

/// The media type of a file, where the client says none by its name.
fn kind_by_name(file: &Upload<Content>) -> String {
    let said = file.kind.starts_with("audio/") || file.kind.starts_with("video/");
    if said {
        return file.kind.clone();
    }
    let end = file.name.rsplit_once('.').map_or("", |(_, end)| end).to_ascii_lowercase();
    let kind = match &*end {
        "mp3" | "mpga" | "mpeg" => "audio/mp3",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "flac" => "audio/flac",
        "aac" => "audio/aac",
        "m4a" | "mp4" => "audio/mp4",
        "webm" => "audio/webm",
        _ => "audio/wav",
    };
    kind.to_owned()
}

/// Reads a transcript.
///
/// # Errors
/// When it is no turn.
pub(super) fn heard(body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
    let reply = decode::reply(body, cx)?;
    let MediaMemo { used, format, translated, .. } = cx.memo.media.as_deref().cloned().unwrap_or_default();
    let usage = reply.usage.clone().unwrap_or(used);
    let (text, model) = (reply.text().trim().to_owned(), reply.model);
    let transcript =
        Transcript { model, text, usage: Some(usage), format, translated, ..Transcript::default() };
    Ok(Output::Transcript(Box::new(transcript)))
}
