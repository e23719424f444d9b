//! The parts of a message's content.

use llm_types::chat::{Audio, File, Image, Media, Opaque, Part, Refusal, Text};
use llm_types::{Dialect, Result, Str};

use super::super::path::Path;
use super::super::wire::{self, Written};
use super::decode::cache_control;
use super::tool::keep_inner;

/// One part. A part of a type that is not known is kept whole.
pub(super) fn part(json: &Written<'_>, path: &Path<'_>) -> Result<Part> {
    if json.get().starts_with('"') {
        return Ok(Part::Text(Text::new(path.read::<Str<'_>>(json.get())?.into_string())));
    }
    let open: wire::Open<'_> = path.read(json.get())?;
    let Some(kind) = open.extra.get("type") else {
        return Err(path.key("type").error("is missing: say what the part is"));
    };
    let kind: Str<'_> = path.key("type").read(kind.get())?;
    if !matches!(kind.as_str(), "text" | "refusal" | "image_url" | "video_url" | "input_audio" | "file") {
        return Ok(Part::Opaque(Opaque {
            dialect: Dialect::OpenaiChat,
            kind: kind.into_string(),
            json: json.0.clone().into_owned(),
        }));
    }
    known(path.read(json.get())?, path)
}

fn known(part: wire::Part<'_>, path: &Path<'_>) -> Result<Part> {
    let wire::Part {
        kind,
        text,
        refusal,
        image_url,
        video_url,
        input_audio,
        file,
        cache_control: cache,
        extra,
    } = part;
    let missing = |name: &str| path.key(name).error("is missing: the part's type promises it");
    let cache = cache.map(cache_control);
    let mut extra = extra.to_extra();
    match kind.as_ref().map(Str::as_str) {
        Some("text") => {
            let text = text.ok_or_else(|| missing("text"))?.into_string();
            Ok(Part::Text(Text { text, cache, signature: None, extra }))
        }
        Some("refusal") => {
            let text = refusal.ok_or_else(|| missing("refusal"))?.into_string();
            Ok(Part::Refusal(Refusal { text }))
        }
        Some("image_url") => {
            let json = image_url.ok_or_else(|| missing("image_url"))?;
            let wire::ImageUrl { url, detail, format, extra: more } = address(&json, &path.key("image_url"))?;
            keep_inner(&mut extra, "image_url", &more);
            let url = url.ok_or_else(|| missing("image_url.url"))?;
            Ok(Part::Image(Image {
                media: Media::from_url(url.as_str()),
                detail: detail.map(Str::into_string),
                media_type: format.map(Str::into_string),
                cache,
                extra,
            }))
        }
        Some("video_url") => {
            let json = video_url.ok_or_else(|| missing("video_url"))?;
            let wire::ImageUrl { url, detail, format, extra: more } = address(&json, &path.key("video_url"))?;
            keep_inner(&mut extra, "video_url", &more);
            let url = url.ok_or_else(|| missing("video_url.url"))?;
            if let Some(detail) = detail {
                let _ = extra.set_json("detail", &detail);
            }
            let media = Media::from_url(url.as_str());
            let media_type = match (&media, format) {
                (_, Some(format)) => Some(format.into_string()),
                (Media::Base64 { .. }, None) => None,
                _ => Some(video_type(url.as_str()).to_owned()),
            };
            Ok(Part::File(File { media, filename: None, media_type, cache, extra }))
        }
        Some("input_audio") => {
            let json = input_audio.ok_or_else(|| missing("input_audio"))?;
            let (media, format, more) = sound(&json, &path.key("input_audio"))?;
            if let Some(more) = more {
                extra.set("input_audio", more);
            }
            Ok(Part::Audio(Audio { media: Some(media), format, cache, extra, ..Audio::default() }))
        }
        _ => {
            let json = file.ok_or_else(|| missing("file"))?;
            let body: wire::FileBody<'_> = path.key("file").read(json.get())?;
            let wire::FileBody { file_id, filename, file_data, format, extra: more } = body;
            keep_inner(&mut extra, "file", &more);
            let media = match (file_data, file_id) {
                (Some(data), _) => inline_media(data.as_str()),
                (None, Some(id)) if is_address(id.as_str()) => Media::from_url(id.as_str()),
                (None, Some(id)) => Media::FileId(id.into_string()),
                (None, None) => return Err(missing("file.file_data")),
            };
            Ok(Part::File(File {
                media,
                filename: filename.map(Str::into_string),
                media_type: format.map(Str::into_string),
                cache,
                extra,
            }))
        }
    }
}

/// `{url, …}`, or the bare address that some clients send.
fn address<'a>(json: &'a Written<'_>, path: &Path<'_>) -> Result<wire::ImageUrl<'a>> {
    if json.get().starts_with('"') {
        return Ok(wire::ImageUrl { url: Some(path.read(json.get())?), ..wire::ImageUrl::default() });
    }
    path.read(json.get())
}

type Sound = (Media, Option<String>, Option<Box<llm_types::RawValue>>);

/// `{data, format}`, or Mistral's bare string: base64 or an address.
fn sound(json: &Written<'_>, path: &Path<'_>) -> Result<Sound> {
    if json.get().starts_with('"') {
        let text: Str<'_> = path.read(json.get())?;
        return Ok((inline_media(text.as_str()), None, None));
    }
    let wire::InputAudio { data, format, extra } = path.read(json.get())?;
    let data = data.ok_or_else(|| path.key("data").error("is missing: send the sound as base64"))?;
    let more = (!extra.is_empty()).then(|| Written::json(&extra)).flatten().map(|json| json.0.into_owned());
    Ok((inline_media(data.as_str()), format.map(Str::into_string), more))
}

/// A `data:` URL or an address; anything else is base64 without a media type.
fn inline_media(text: &str) -> Media {
    if is_address(text) || text.starts_with("data:") {
        return Media::from_url(text);
    }
    Media::Base64 { media_type: String::new(), data: text.to_owned() }
}

fn is_address(text: &str) -> bool {
    ["http://", "https://", "gs://", "s3://"].iter().any(|scheme| text.starts_with(scheme))
}

/// The media type that the address of a film suggests.
fn video_type(url: &str) -> &'static str {
    let path = url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    match path.rsplit('.').next() {
        Some("webm") => "video/webm",
        Some("mov") => "video/quicktime",
        Some("mpeg" | "mpg") => "video/mpeg",
        _ => "video/mp4",
    }
}
