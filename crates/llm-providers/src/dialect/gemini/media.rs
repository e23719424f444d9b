//! Sound, transcripts and pictures: at Gemini these are conversation turns of certain models, and are written and
//! read as such. Imagen is asked by `predict`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use llm_types::chat::{Audio, AudioOutput, ChatRequest, Image, Media, Message, Part, Role, Text};
use llm_types::{
    ApiError, Extra, ImageRequest, Images, MadeImage, Output, Result, Segments, Speech, SpeechRequest, Str,
    TranscribeRequest, Transcript, Units, Upload, Usage, wire_struct,
};

use super::host::{self, Host, Verb};
use super::{client, decode};
use crate::codec::{DecodeCx, EncodeCx, MediaMemo, Memo, WireRequest};
use crate::dialect::media::{bytes, raw, with_base64, wrong};
use crate::dialect::openai_images::{held_back, size};
use crate::dialect::openai_speech::{kind_of, spoken};
use crate::dialect::openai_transcriptions::heard as listened;

/// The proportions of pictures (ai.google.dev/gemini-api/docs/image-generation).
const ASPECTS: [&str; 8] = ["1:1", "2:3", "3:2", "3:4", "4:3", "9:16", "16:9", "21:9"];
/// Those of Imagen (ai.google.dev/gemini-api/docs/imagen).
const IMAGEN_ASPECTS: [&str; 5] = ["1:1", "3:4", "4:3", "9:16", "16:9"];

wire_struct! {
    /// How pictures are made, beside what a conversation says of it.
    struct Config<'a> {
        aspect_ratio as "aspectRatio": Str<'a>,
    }
}

wire_struct! {
    /// The body of Imagen's `predict`.
    struct Predict<'a> {
        instances: Vec<Instance<'a>>,
        parameters: Parameters<'a>,
    }
}

wire_struct! {
    /// What is to be seen.
    struct Instance<'a> {
        prompt: Str<'a>,
    }
}

wire_struct! {
    /// How many, in which proportions.
    struct Parameters<'a> {
        sample_count as "sampleCount": u32,
        aspect_ratio as "aspectRatio": Str<'a>,
    }
}

wire_struct! {
    /// Imagen's pictures.
    struct Predicted<'a> {
        predictions: Vec<Prediction<'a>>,
    }
}

wire_struct! {
    /// One of them, or why it is held back.
    struct Prediction<'a> {
        data as "bytesBase64Encoded": Str<'a>,
        prompt: Str<'a>,
    }
}

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
fn kind_by_name(file: &Upload) -> String {
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

/// Asks for pictures.
///
/// # Errors
/// When more than one is wanted of a model that makes one, or the turn cannot be written.
pub(super) fn draw(request: &ImageRequest, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
    let ImageRequest {
        model,
        prompt,
        n,
        size,
        quality,
        style,
        background,
        output_format,
        response_format,
        user,
        stream: _,
        images,
        mask,
        edit,
        origin: _,
        extra,
    } = request;
    let unknown = [
        ("quality", quality.is_some()),
        ("style", style.is_some()),
        ("background", background.is_some()),
        ("output_format", output_format.is_some()),
        ("mask", mask.is_some()),
        ("user", user.is_some()),
    ];
    for (name, _) in unknown.into_iter().filter(|(_, set)| *set) {
        cx.changes.dropped(name, "gemini has no counterpart");
    }
    for (name, _) in extra.iter() {
        cx.changes.dropped(name.to_owned(), "gemini has no counterpart");
    }
    if response_format.as_deref() == Some("url") {
        cx.changes.altered("response_format", "gemini sends pictures, not addresses: `b64_json`");
    }
    let imagen = cx.model.contains("imagen");
    let offered: &[&str] = if imagen { &IMAGEN_ASPECTS } else { &ASPECTS };
    let aspect = size.as_deref().and_then(|text| size::aspect(text, offered));
    match (size, aspect) {
        (Some(_), Some(aspect)) => cx.changes.altered("size", format!("gemini takes proportions: {aspect}")),
        (Some(_), None) => cx.changes.dropped("size", "gemini has no counterpart"),
        (None, _) => {}
    }
    let media = MediaMemo { used: made(n.unwrap_or(1).into()), ..MediaMemo::default() };
    if imagen {
        if *edit {
            return Err(ApiError::bad_request(
                "imagen changes no pictures here: choose a gemini image model",
            ));
        }
        return predict(prompt, n.unwrap_or(1), aspect, media, cx);
    }
    if n.is_some_and(|n| n > 1) {
        let message = "this model makes one picture at a time: ask once for each";
        return Err(ApiError::bad_request(message).with_param("n"));
    }
    if *edit && images.is_empty() {
        return Err(ApiError::bad_request("`image` is missing: send the picture itself").with_param("image"));
    }
    let mut parts = vec![Part::Text(Text::new(prompt.clone()))];
    parts.extend(images.iter().map(|image| {
        let kind = if image.kind.starts_with("image/") { &*image.kind } else { "image/png" };
        let data = STANDARD.encode(&image.data);
        Part::Image(Image::new(Media::Base64 { media_type: kind.to_owned(), data }))
    }));
    let mut chat = ChatRequest::new([Message::new(Role::User, parts)]);
    model.clone_into(&mut chat.model);
    chat.output.modalities = vec!["text".to_owned(), "image".to_owned()];
    let mut wire = client::chat(&chat, cx)?;
    if let Some(aspect) = aspect {
        wire.body = with_aspect(&wire.body, aspect)?;
    }
    wire.memo.media = Some(Arc::new(media));
    Ok(wire)
}

/// Asks Imagen.
fn predict(
    prompt: &str,
    count: u32,
    aspect: Option<&str>,
    media: MediaMemo,
    cx: &EncodeCx<'_>,
) -> Result<WireRequest> {
    let instance = Instance { prompt: Some(Str::from(prompt)), ..Instance::default() };
    let parameters = Parameters {
        sample_count: Some(count),
        aspect_ratio: aspect.map(Str::from),
        ..Parameters::default()
    };
    let body = bytes(&Predict {
        instances: Some(vec![instance]),
        parameters: Some(parameters),
        ..Predict::default()
    })?;
    let path = host::path(Host::of(cx.spec), cx.model, Verb::Predict)?;
    let memo = Memo { media: Some(Arc::new(media)), ..Memo::default() };
    Ok(client::wire(path, Segments::from(body), memo))
}

fn made(images: u64) -> Usage {
    Usage { units: Units { images, ..Units::default() }, estimated: true, ..Usage::default() }
}

/// The body with the proportions in `generationConfig.imageConfig`.
fn with_aspect(body: &Segments, aspect: &str) -> Result<Segments> {
    let head = llm_types::Head::scan(body.to_bytes())?;
    let config = head.nested("generationConfig")?.unwrap_or_else(llm_types::Head::empty);
    let image = bytes(&Config { aspect_ratio: Some(Str::from(aspect)), ..Config::default() })?;
    let mut inner = llm_types::Edits::default();
    inner.set(&config, "imageConfig", image);
    let mut edits = llm_types::Edits::default();
    edits.set(&head, "generationConfig", inner.apply(&config).to_bytes());
    Ok(edits.apply(&head))
}

/// Reads pictures.
///
/// # Errors
/// When there are none.
pub(super) fn drawn(body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
    let used = cx.memo.used().cloned();
    let (data, usage, model) = if cx.model.contains("imagen") {
        let predicted: Predicted<'_> =
            serde_json::from_slice(body).map_err(|error| wrong("pictures", error))?;
        let list = predicted.predictions.into_iter().flatten();
        let data: Vec<MadeImage> = list
            .filter_map(|one| {
                let revised_prompt = one.prompt.map(Str::into_string);
                let base64 = Some(one.data?.into_string());
                Some(MadeImage { base64, revised_prompt, ..MadeImage::default() })
            })
            .collect();
        // What is held back is left out.
        if data.is_empty() {
            return Err(held_back());
        }
        (data, used, String::new())
    } else {
        let reply = decode::reply(body, cx)?;
        let parts = reply.choices.iter().flat_map(|choice| &choice.parts);
        let pictures = parts.filter_map(|part| match part {
            Part::Image(Image { media: Media::Base64 { media_type: _, data }, .. }) => Some(data.clone()),
            _ => None,
        });
        let made = |base64| MadeImage { base64: Some(base64), ..MadeImage::default() };
        let data: Vec<MadeImage> = pictures.map(made).collect();
        if data.is_empty() {
            let said = reply.text();
            return Err(wrong("picture", if said.is_empty() { "the turn has none" } else { &said }));
        }
        (data, reply.usage.clone().or(used), reply.model)
    };
    let mut usage = usage.unwrap_or_default();
    usage.units.images = u64::try_from(data.len()).unwrap_or(u64::MAX);
    let images = Images { model, data, usage: Some(usage), extra: Extra::default(), ..Images::default() };
    Ok(Output::Images(Box::new(images)))
}
