//! The parts of a message's content.

use std::borrow::Cow;

use base64::Engine as _;
use llm_types::chat::{Audio, File, Image, Media, Opaque, Part, Text};
use llm_types::{Members, MessageQuirk, Str};

use super::super::path::Path;
use super::super::wire::{self, CacheControlJson, Content, FileBody, ImageUrl, InputAudio, Written};
use super::encode::Writer;
use super::message::is_own;

/// The content of one message while it is put together.
#[derive(Debug, Default)]
pub(super) struct Body<'a> {
    items: Vec<Item<'a>>,
}

#[derive(Debug)]
enum Item<'a> {
    /// Text with nothing else said of it: a message of one such part is a string.
    Text(&'a str),
    Json(Written<'a>),
}

impl<'a> Body<'a> {
    /// Adds plain text.
    pub(super) fn text(&mut self, text: &'a str) {
        self.items.push(Item::Text(text));
    }

    /// Adds a part in front.
    pub(super) fn first(&mut self, part: Option<Written<'a>>) {
        if let Some(part) = part {
            self.items.insert(0, Item::Json(part));
        }
    }

    fn json(&mut self, part: Option<Written<'a>>) {
        self.items.extend(part.map(Item::Json));
    }

    /// How many parts there are.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The content as it is written: a string where that says everything.
    pub(super) fn content(self, writer: &Writer<'_, '_>) -> Content<'a> {
        let flatten = writer.row.has(MessageQuirk::FlattenContent);
        match &*self.items {
            [] => return Content::Text(Str::default()),
            [Item::Text(text)] => return Content::Text(Str::from(*text)),
            items if flatten && items.iter().all(|item| matches!(item, Item::Text(_))) => {
                let texts = items.iter().map(|item| match item {
                    Item::Text(text) => text,
                    Item::Json(_) => "",
                });
                return Content::Text(Str(Cow::Owned(texts.collect())));
            }
            _ => {}
        }
        let parts = self.items.into_iter().filter_map(|item| match item {
            Item::Json(json) => Some(json),
            Item::Text(text) => Written::json(&wire::Part {
                kind: Some(Str::from("text")),
                text: Some(Str::from(text)),
                ..wire::Part::default()
            }),
        });
        Content::Parts(parts.collect())
    }
}

/// Adds one part of a message that is not the assistant's own doing.
pub(super) fn push<'a>(writer: &mut Writer<'_, '_>, part: &'a Part, path: &Path<'_>, body: &mut Body<'a>) {
    match part {
        Part::Text(text) => push_text(writer, text, path, body),
        Part::Refusal(refusal) => body.text(&refusal.text),
        Part::Image(image) => body.json(image_part(writer, image, path)),
        Part::Audio(audio) => body.json(audio_part(writer, audio, path)),
        Part::File(file) => body.json(file_part(writer, file, path)),
        Part::Opaque(Opaque { dialect, kind: _, json }) if is_own(*dialect) => {
            body.json(Some(Written::from(&**json)));
        }
        Part::Opaque(Opaque { dialect, kind, json: _ }) => {
            writer.changes.dropped(path.to_string(), format!("`{kind}` is of the {dialect} dialect"));
        }
        Part::ToolCall(_) | Part::ToolResult(_) | Part::Reasoning(_) | Part::Citation(_) => {
            writer.dropped_because(path, "such a part has no place in this message");
        }
    }
}

fn push_text<'a>(writer: &mut Writer<'_, '_>, text: &'a Text, path: &Path<'_>, body: &mut Body<'a>) {
    let Text { text, cache, signature, extra } = text;
    if signature.is_some() {
        writer.dropped(&path.key("signature"));
    }
    let cache_control = writer.cache(cache.as_ref(), path);
    let extra = writer.extras(extra, path, &[]);
    if cache_control.is_none() && extra.is_empty() {
        return body.text(text);
    }
    body.json(Written::json(&wire::Part {
        kind: Some(Str::from("text")),
        text: Some(Str::from(text)),
        cache_control,
        extra,
        ..wire::Part::default()
    }));
}

/// A part of `kind` whose body is already written.
fn media_part<'a>(
    kind: &'static str,
    cache_control: Option<CacheControlJson<'a>>,
    extra: Members<'a>,
) -> wire::Part<'a> {
    wire::Part { kind: Some(Str::from(kind)), cache_control, extra, ..wire::Part::default() }
}

fn image_part<'a>(writer: &mut Writer<'_, '_>, image: &'a Image, path: &Path<'_>) -> Option<Written<'a>> {
    let Image { media, detail, media_type, cache, extra } = image;
    let Some(url) = media.to_url() else {
        writer.dropped_because(path, "a picture must be an address or base64 here");
        return None;
    };
    if media_type.is_some() {
        writer.dropped(&path.key("image_url").key("format"));
    }
    let cache = writer.cache(cache.as_ref(), path);
    let mut part = media_part("image_url", cache, writer.extras(extra, path, &["image_url"]));
    part.image_url = Written::json(&ImageUrl {
        url: Some(Str::from(url)),
        detail: detail.as_ref().map(Str::from),
        format: None,
        extra: writer.inner(extra, "image_url", path),
    });
    Written::json(&part)
}

fn audio_part<'a>(writer: &mut Writer<'_, '_>, audio: &'a Audio, path: &Path<'_>) -> Option<Written<'a>> {
    let Audio { media, format, transcript: _, id: _, expires_at: _, cache, extra } = audio;
    let cache = writer.cache(cache.as_ref(), path);
    let mut part = media_part("input_audio", cache, writer.extras(extra, path, &["input_audio"]));
    let (data, format) = match media {
        Some(Media::Base64 { media_type, data }) => {
            let format = format.as_deref().or_else(|| sound_format(media_type));
            (Cow::Borrowed(data.as_str()), format)
        }
        // Mistral takes an address in place of the data.
        Some(Media::Url(url)) => (Cow::Borrowed(url.as_str()), format.as_deref()),
        Some(Media::FileId(_) | Media::Text(_)) | None => {
            writer.dropped_because(path, "sound must be base64 here");
            return None;
        }
    };
    part.input_audio = match format {
        None => Written::json(&data),
        Some(format) => Written::json(&InputAudio {
            data: Some(Str(data)),
            format: Some(Str::from(format)),
            extra: writer.inner(extra, "input_audio", path),
        }),
    };
    Written::json(&part)
}

/// OpenAI's word for the encoding that a media type names.
fn sound_format(media_type: &str) -> Option<&str> {
    match media_type.strip_prefix("audio/")? {
        "wav" | "x-wav" | "wave" | "vnd.wave" => Some("wav"),
        "mpeg" | "mp3" => Some("mp3"),
        other => Some(other),
    }
}

fn file_part<'a>(writer: &mut Writer<'_, '_>, file: &'a File, path: &Path<'_>) -> Option<Written<'a>> {
    let File { media, filename, media_type, cache, extra } = file;
    let inline = match media {
        Media::Base64 { media_type, .. } => Some(media_type.as_str()).filter(|kind| !kind.is_empty()),
        _ => None,
    };
    let kind = media_type.as_deref().or(inline);
    let cache = writer.cache(cache.as_ref(), path);
    if kind.is_some_and(|kind| kind.starts_with("video/")) {
        return video_part(writer, file, cache, path);
    }
    if media_type.is_some() && inline.is_none() && !matches!(media, Media::Base64 { .. } | Media::Text(_)) {
        writer.dropped(&path.key("file").key("format"));
    }
    let (file_id, file_data) = match media {
        Media::FileId(id) => (Some(Str::from(id)), None),
        Media::Url(url) => (None, Some(Str::from(url))),
        Media::Base64 { data, .. } => {
            let kind = kind.unwrap_or("application/pdf");
            (None, Some(Str::from(format!("data:{kind};base64,{data}"))))
        }
        Media::Text(text) => {
            let data = base64::engine::general_purpose::STANDARD.encode(text);
            (None, Some(Str::from(format!("data:text/plain;base64,{data}"))))
        }
    };
    // File data without a name is refused.
    let named = filename.as_ref().map(Str::from);
    let filename = if file_data.is_some() { named.or_else(|| Some(default_name(kind))) } else { named };
    let mut part = media_part("file", cache, writer.extras(extra, path, &["file"]));
    let extra = writer.inner(extra, "file", path);
    part.file = Written::json(&FileBody { file_id, filename, file_data, format: None, extra });
    Written::json(&part)
}

fn default_name(kind: Option<&str>) -> Str<'static> {
    Str::from(match kind {
        Some("text/plain") => "file.txt",
        Some("text/csv") => "file.csv",
        Some("text/markdown") => "file.md",
        _ => "file.pdf",
    })
}

fn video_part<'a>(
    writer: &mut Writer<'_, '_>,
    file: &'a File,
    cache: Option<CacheControlJson<'a>>,
    path: &Path<'_>,
) -> Option<Written<'a>> {
    let Some(url) = file.media.to_url() else {
        writer.dropped_because(path, "a film must be an address or base64 here");
        return None;
    };
    if file.filename.is_some() {
        writer.dropped(&path.key("file").key("filename"));
    }
    let mut part = media_part("video_url", cache, writer.extras(&file.extra, path, &["video_url"]));
    let extra = writer.inner(&file.extra, "video_url", path);
    part.video_url = Written::json(&ImageUrl { url: Some(Str::from(url)), extra, ..ImageUrl::default() });
    Written::json(&part)
}
