//! Pictures, sound and files.
//!
//! Bytes go inline. An address is left to the provider only where it reads it by itself; any other has
//! to be fetched by somebody, and a codec does no I/O, so that the caller is told to send the bytes.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_types::chat::{Audio, File, Image, Media};
use llm_types::{ApiError, Result, Str};

use super::wire;
use crate::dialect::gemini::host::{self, Fetched, Host};

/// The unnamed member in which the decoder leaves the media type of sound.
pub(super) const MADE_AS: &str = "mimeType";

/// What is known of some bytes beside themselves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hint<'a> {
    /// The media type, as the caller says it.
    media_type: Option<&'a str>,
    /// A name whose ending tells the media type.
    filename: Option<&'a str>,
    /// The encoding of sound: `wav`, `mp3`, …
    format: Option<&'a str>,
}

impl<'a> Hint<'a> {
    /// Of a picture.
    pub(super) fn image(image: &'a Image) -> Self {
        Self { media_type: image.media_type.as_deref(), filename: None, format: None }
    }

    /// Of a file.
    pub(super) fn file(file: &'a File) -> Self {
        Self { media_type: file.media_type.as_deref(), filename: file.filename.as_deref(), format: None }
    }

    /// Whether it says the media type.
    fn is_typed(&self) -> bool {
        self.media_type.is_some() || self.format.is_some() || self.filename.and_then(by_ending).is_some()
    }

    /// Of sound. Sound that a model made says its media type among the unnamed members.
    pub(super) fn audio(audio: &'a Audio) -> Self {
        let made = audio.extra.get(MADE_AS).and_then(|json| serde_json::from_str(json.get()).ok());
        Self { media_type: made, filename: None, format: audio.format.as_deref() }
    }
}

/// The part that holds some media. `path` names it in messages to the caller.
///
/// # Errors
/// When its media type is unknown, or its address is not one that the provider reads by itself.
pub(super) fn part<'a>(host: Host, media: &'a Media, hint: Hint<'a>, path: &str) -> Result<wire::Part<'a>> {
    let wrong = |message: String| ApiError::bad_request(message).with_param(path);
    match media {
        Media::Base64 { media_type, data } => {
            let declared = Some(media_type.as_str()).filter(|kind| !kind.is_empty()).or(hint.media_type);
            let kind = declared
                .map(media_type_name)
                .or_else(|| hint.format.map(sound_type))
                .or_else(|| hint.filename.and_then(by_ending).map(Cow::Borrowed))
                .or_else(|| by_first_bytes(data).map(Cow::Borrowed))
                .ok_or_else(|| wrong(format!("say the media type of `{path}` (data:image/png;base64,…)")))?;
            Ok(inline(kind, Str::from(data)))
        }
        Media::Text(text) => Ok(inline(Cow::Borrowed("text/plain"), Str::from(STANDARD.encode(text)))),
        Media::Url(url) => {
            let typed = hint.is_typed() || by_ending(url).is_some();
            let file =
                host::fetched(host, url, typed).ok_or_else(|| wrong(unfetched(host, path)).wants_bytes())?;
            Ok(fetched(file, hint, by_ending(url)))
        }
        Media::FileId(id) => {
            let typed = hint.is_typed() || by_ending(id).is_some();
            let file = host::file_by_id(host, id, typed).ok_or_else(|| {
                wrong(match host {
                    Host::Gemini => format!(
                        "the file id in `{path}` is not one of Gemini's Files API: send its URI (files/…) or base64"
                    ),
                    Host::Vertex => {
                        format!("Vertex AI keeps no files: send a gs:// address or base64 in `{path}`")
                    }
                })
            })?;
            Ok(fetched(file, hint, by_ending(id)))
        }
    }
}

/// What to do where the provider does not fetch an address.
fn unfetched(host: Host, path: &str) -> String {
    match host {
        Host::Gemini => {
            format!(
                "gemini does not fetch the address in `{path}`: send the bytes as base64 or a Files API URI"
            )
        }
        Host::Vertex => format!(
            "Vertex AI fetches gs:// and https addresses of a known media type: send the bytes in `{path}` as base64"
        ),
    }
}

/// Whether a result of a function may hold this part itself.
pub(super) fn goes_into_result(part: &wire::Part<'_>) -> bool {
    let kind = part.inline_data.as_ref().and_then(|blob| blob.mime_type.as_ref());
    kind.is_some_and(|kind| {
        let kind = kind.as_str();
        kind.starts_with("image/") || kind == "application/pdf" || kind == "text/plain"
    })
}

fn inline<'a>(kind: Cow<'a, str>, data: Str<'a>) -> wire::Part<'a> {
    let blob = wire::Blob { mime_type: Some(Str(kind)), data: Some(data), ..wire::Blob::default() };
    wire::Part { inline_data: Some(blob), ..wire::Part::default() }
}

fn fetched<'a>(file: Fetched, hint: Hint<'a>, ending: Option<&'static str>) -> wire::Part<'a> {
    let kind = hint.media_type.map(media_type_name).or_else(|| hint.format.map(sound_type)).or_else(|| {
        file.media_type.or(ending).or_else(|| hint.filename.and_then(by_ending)).map(Cow::Borrowed)
    });
    let data = wire::FileData {
        mime_type: kind.map(Str),
        file_uri: Some(Str::from(file.uri)),
        ..wire::FileData::default()
    };
    wire::Part { file_data: Some(data), ..wire::Part::default() }
}

/// The name by which the provider knows a media type. Parameters go, save those of raw sound, which
/// nobody could play without its rate.
fn media_type_name(kind: &str) -> Cow<'_, str> {
    let base = kind.split(';').next().unwrap_or_default().trim();
    let lower = base.to_ascii_lowercase();
    match lower.as_str() {
        "image/jpg" => Cow::Borrowed("image/jpeg"),
        "audio/x-wav" | "audio/wave" => Cow::Borrowed("audio/wav"),
        "audio/x-m4a" => Cow::Borrowed("audio/m4a"),
        "application/x-pdf" => Cow::Borrowed("application/pdf"),
        "audio/l16" | "audio/pcm" => Cow::Borrowed(kind),
        _ if lower == base => Cow::Borrowed(base),
        _ => Cow::Owned(lower),
    }
}

fn sound_type(format: &str) -> Cow<'static, str> {
    match format {
        "pcm16" => Cow::Borrowed("audio/pcm"),
        format => Cow::Owned(format!("audio/{}", format.to_ascii_lowercase())),
    }
}

/// The media type that the ending of a name tells.
fn by_ending(name: &str) -> Option<&'static str> {
    let name = name.split(['?', '#']).next().unwrap_or_default();
    let (_, ending) = name.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        "txt" | "text" | "log" => "text/plain",
        "md" | "markdown" => "text/markdown",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "xml" => "text/xml",
        "json" => "application/json",
        "mp3" => "audio/mp3",
        "wav" => "audio/wav",
        "aac" => "audio/aac",
        "ogg" | "oga" => "audio/ogg",
        "flac" => "audio/flac",
        "aiff" | "aif" => "audio/aiff",
        "m4a" => "audio/m4a",
        "mp4" => "video/mp4",
        "mpeg" | "mpg" => "video/mpeg",
        "mov" => "video/mov",
        "avi" => "video/avi",
        "webm" => "video/webm",
        "wmv" => "video/wmv",
        "flv" => "video/x-flv",
        "3gp" | "3gpp" => "video/3gpp",
        _ => return None,
    })
}

/// The media type that the first bytes tell, in base64.
fn by_first_bytes(data: &str) -> Option<&'static str> {
    const MAGIC: &[(&str, &str)] = &[
        ("iVBORw0KGgo", "image/png"),
        ("/9j/", "image/jpeg"),
        ("R0lGOD", "image/gif"),
        ("JVBERi0", "application/pdf"),
    ];
    MAGIC.iter().find(|(start, _)| data.starts_with(start)).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Hint<'static> = Hint { media_type: None, filename: None, format: None };

    fn base64(kind: &str) -> Media {
        Media::Base64 { media_type: kind.to_owned(), data: "iVBORw0KGgo=".to_owned() }
    }

    #[test]
    fn bytes_go_inline_under_a_known_media_type() {
        let check = |media: &Media, hint: Hint<'_>, expect: &str| {
            let part = part(Host::Gemini, media, hint, "p").unwrap();
            let blob = part.inline_data.unwrap();
            assert_eq!(blob.mime_type.unwrap().as_str(), expect, "{media:?}");
        };
        check(&base64("image/jpg"), NONE, "image/jpeg");
        check(&base64("IMAGE/PNG; charset=x"), NONE, "image/png");
        check(&base64("audio/L16;rate=24000"), NONE, "audio/L16;rate=24000");
        check(&base64(""), NONE, "image/png");
        check(&base64(""), Hint { format: Some("MP3"), ..NONE }, "audio/mp3");
        check(&base64(""), Hint { filename: Some("a.b.PDF"), ..NONE }, "application/pdf");
        check(&base64(""), Hint { media_type: Some("video/mp4"), ..NONE }, "video/mp4");
        check(&Media::Text("hé".to_owned()), NONE, "text/plain");
        let text = Media::Text("hé".to_owned());
        let text = part(Host::Gemini, &text, NONE, "p").unwrap();
        assert_eq!(text.inline_data.unwrap().data.unwrap().as_str(), "aMOp");
    }

    #[test]
    fn addresses_that_nobody_fetches_are_refused_with_advice() {
        let check = |media: Media| {
            let error = part(Host::Gemini, &media, NONE, "messages[0].content[0]").unwrap_err();
            assert_eq!(error.param.as_deref(), Some("messages[0].content[0]"));
            assert!(error.message.contains("base64"), "{error}");
        };
        check(Media::Url("https://example.com/a.png".to_owned()));
        check(Media::Url("http://169.254.169.254/latest".to_owned()));
        check(Media::FileId("file-123".to_owned()));
        check(Media::Base64 { media_type: String::new(), data: "AAAA".to_owned() });
    }
}
