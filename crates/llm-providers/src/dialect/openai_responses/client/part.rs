//! The parts of messages.

use std::borrow::Cow;

use base64::Engine as _;
use llm_types::chat::{Audio, File, Image, Media, Opaque, Part, Refusal, Text};
use llm_types::{Result, Str};

use super::super::wire::{
    self, InputAudio, InputFile, InputImage, Lossy, OutputText, Raw, RefusalPart, Sound, TextPart,
};
use super::encode::Writer;
use super::item::is_own;
use crate::dialect::path::Path;

/// A plain text.
pub(super) fn text(text: &str) -> wire::Part<'_> {
    wire::Part::InputText(TextPart {
        kind: Some(Str::from("input_text")),
        text: Some(Lossy(Cow::Borrowed(text))),
        ..TextPart::default()
    })
}

/// A part that the model reads; `None`: it was left out, and that is recorded.
///
/// # Errors
/// When it must not be lost: a film or a sound that the API cannot take.
pub(super) fn input<'a>(
    writer: &mut Writer<'_, '_>,
    part: &'a Part,
    path: &Path<'_>,
) -> Result<Option<wire::Part<'a>>> {
    Ok(match part {
        Part::Text(Text { text, cache, signature, extra }) => {
            signed(writer, signature.as_ref(), path);
            writer.cache(cache.as_ref(), path);
            let mut out = TextPart { kind: Some(Str::from("input_text")), ..TextPart::default() };
            out.text = Some(Lossy(Cow::Borrowed(text)));
            out.extra = writer.extras(extra, path, &["phase"]);
            Some(wire::Part::InputText(out))
        }
        Part::Refusal(Refusal { text }) => Some(self::text(text)),
        Part::Image(image) => Some(wire::Part::InputImage(self::image(writer, image, path)?)),
        Part::File(file) => Some(wire::Part::InputFile(self::file(writer, file, path)?)),
        Part::Audio(audio) => Some(wire::Part::InputAudio(self::audio(writer, audio, path)?)),
        Part::Opaque(opaque) if is_own(opaque) => {
            let Opaque { dialect: _, kind, json } = opaque;
            Some(wire::Part::Other(Str::from(kind), Raw::from(&**json)))
        }
        Part::Opaque(Opaque { dialect, kind, json: _ }) => {
            writer.changes.dropped(path.to_string(), format!("`{kind}` is of the {dialect} dialect"));
            None
        }
        Part::ToolCall(_) | Part::ToolResult(_) | Part::Reasoning(_) | Part::Citation(_) => {
            writer.dropped(path, "such a part has no place in this message");
            None
        }
    })
}

fn signed(writer: &mut Writer<'_, '_>, signature: Option<&String>, path: &Path<'_>) {
    if signature.is_some() {
        writer.dropped(&path.key("signature"), "the signature is of another provider");
    }
}

fn image<'a>(writer: &mut Writer<'_, '_>, image: &'a Image, path: &Path<'_>) -> Result<InputImage<'a>> {
    let Image { media, detail, media_type, cache, extra } = image;
    writer.cache(cache.as_ref(), path);
    let mut out = InputImage {
        kind: Some(Str::from("input_image")),
        detail: detail.as_ref().map(Str::from),
        extra: writer.extras(extra, path, &[]),
        ..InputImage::default()
    };
    match media {
        Media::FileId(id) => out.file_id = Some(Str::from(id)),
        Media::Url(url) => {
            out.image_url = Some(Str::from(url));
            if media_type.is_some() {
                writer.dropped(&path.key("format"), "the address says what it is");
            }
        }
        Media::Base64 { media_type: inline, data } => {
            let kind = Some(inline.as_str()).filter(|kind| !kind.is_empty()).or(media_type.as_deref());
            out.image_url = Some(Str::from(format!("data:{};base64,{data}", kind.unwrap_or("image/png"))));
        }
        Media::Text(_) => return Err(path.error("is not a picture: send an address or base64")),
    }
    Ok(out)
}

fn file<'a>(writer: &mut Writer<'_, '_>, file: &'a File, path: &Path<'_>) -> Result<InputFile<'a>> {
    let File { media, filename, media_type, cache, extra } = file;
    writer.cache(cache.as_ref(), path);
    let inline = match media {
        Media::Base64 { media_type, .. } => Some(media_type.as_str()).filter(|kind| !kind.is_empty()),
        Media::Url(_) | Media::FileId(_) | Media::Text(_) => None,
    };
    let kind = inline.or(media_type.as_deref());
    if kind.is_some_and(|kind| kind.starts_with("video/")) {
        return Err(path.error("is a film, which the Responses API does not take: choose another model"));
    }
    let mut out = InputFile {
        kind: Some(Str::from("input_file")),
        filename: filename.as_ref().map(Str::from),
        extra: writer.extras(extra, path, &[]),
        ..InputFile::default()
    };
    let data = |kind: &str, data: &str| Some(Str::from(format!("data:{kind};base64,{data}")));
    match media {
        Media::FileId(id) => out.file_id = Some(Str::from(id)),
        Media::Url(url) => out.file_url = Some(Str::from(url)),
        Media::Base64 { data: base64, .. } => {
            out.file_data = data(kind.unwrap_or("application/pdf"), base64);
        }
        Media::Text(text) => {
            let base64 = base64::engine::general_purpose::STANDARD.encode(text);
            out.file_data = data(kind.unwrap_or("text/plain"), &base64);
        }
    }
    if out.file_data.is_none() {
        // An address or an id goes alone: a name beside it is refused.
        if out.filename.take().is_some() {
            writer.dropped(&path.key("filename"), "a name goes with inline data only");
        }
        if media_type.is_some() {
            writer.dropped(&path.key("format"), "a media type goes with inline data only");
        }
    } else if out.filename.is_none() {
        // Data without a name is refused.
        let text = matches!(media, Media::Text(_));
        out.filename = Some(Str::from(default_name(kind.or(text.then_some("text/plain")))));
    }
    Ok(out)
}

fn default_name(kind: Option<&str>) -> &'static str {
    match kind {
        Some("text/plain") => "file.txt",
        Some("text/csv") => "file.csv",
        Some("text/markdown") => "file.md",
        Some("application/json") => "file.json",
        _ => "file.pdf",
    }
}

fn audio<'a>(writer: &mut Writer<'_, '_>, audio: &'a Audio, path: &Path<'_>) -> Result<InputAudio<'a>> {
    let Audio { media, format, transcript: _, id: _, expires_at: _, cache, extra } = audio;
    writer.cache(cache.as_ref(), path);
    let Some(Media::Base64 { media_type, data }) = media else {
        return Err(path.error("is sound that is not here: send it as base64"));
    };
    let format = format.as_deref().or_else(|| match media_type.strip_prefix("audio/")? {
        "wav" | "x-wav" | "wave" | "vnd.wave" => Some("wav"),
        "mpeg" | "mp3" => Some("mp3"),
        other => Some(other),
    });
    Ok(InputAudio {
        kind: Some(Str::from("input_audio")),
        input_audio: Some(Sound {
            data: Some(Str::from(data)),
            format: format.map(Str::from),
            ..Sound::default()
        }),
        extra: writer.extras(extra, path, &["input_audio"]),
    })
}

/// What the model said.
pub(super) struct Said<'a> {
    /// The part.
    pub(super) part: wire::Part<'a>,
    /// The phase of the message that it belongs to.
    pub(super) phase: Option<Str<'a>>,
}

/// A text or a refusal of the model; `None`: it is something else.
pub(super) fn said<'a>(writer: &mut Writer<'_, '_>, part: &'a Part, path: &Path<'_>) -> Option<Said<'a>> {
    match part {
        Part::Text(Text { text, cache, signature, extra }) => {
            signed(writer, signature.as_ref(), path);
            writer.cache(cache.as_ref(), path);
            let out = OutputText {
                kind: Some(Str::from("output_text")),
                text: Some(Lossy(Cow::Borrowed(text))),
                extra: writer.extras(extra, path, &["phase"]),
                ..OutputText::default()
            };
            let phase = extra.get("phase").and_then(|raw| serde_json::from_str(raw.get()).ok());
            Some(Said { part: wire::Part::OutputText(out), phase })
        }
        Part::Refusal(Refusal { text }) => {
            let out = RefusalPart {
                kind: Some(Str::from("refusal")),
                refusal: Some(Lossy(Cow::Borrowed(text))),
                ..RefusalPart::default()
            };
            Some(Said { part: wire::Part::Refusal(out), phase: None })
        }
        _ => None,
    }
}
