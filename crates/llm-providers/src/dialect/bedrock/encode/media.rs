//! Pictures, documents, videos and sounds.
//!
//! The service fetches nothing but objects in S3, and wants the format by a word of its own. Clients often do not
//! say it, so the name and the first bytes are asked as well.

use llm_types::chat::Media as Bytes;
use llm_types::{ApiError, Result, Str};

use super::super::model::Model;
use super::super::wire::{Document, Media, S3Location, Source};

/// What a piece of media becomes.
#[derive(Debug)]
pub(super) enum Shape<'r> {
    /// An `image`.
    Image(Media<'r>),
    /// A `video`.
    Video(Media<'r>),
    /// An `audio`.
    Audio(Media<'r>),
    /// A `document`, as yet without a name.
    Document(Document<'r>),
}

/// Media types and extensions, and the service's words: what it is, its media type, its format.
const FORMATS: &[(Class, &str, &str)] = &[
    (Class::Image, "image/png", "png"),
    (Class::Image, "image/jpeg", "jpeg"),
    (Class::Image, "image/jpg", "jpeg"),
    (Class::Image, "jpg", "jpeg"),
    (Class::Image, "image/gif", "gif"),
    (Class::Image, "image/webp", "webp"),
    (Class::Document, "application/pdf", "pdf"),
    (Class::Document, "text/csv", "csv"),
    (Class::Document, "application/msword", "doc"),
    (Class::Document, "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    (Class::Document, "application/vnd.ms-excel", "xls"),
    (Class::Document, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    (Class::Document, "text/html", "html"),
    (Class::Document, "htm", "html"),
    (Class::Document, "text/markdown", "md"),
    (Class::Document, "text/plain", "txt"),
    (Class::Video, "video/x-matroska", "mkv"),
    (Class::Video, "video/quicktime", "mov"),
    (Class::Video, "video/mp4", "mp4"),
    (Class::Video, "video/webm", "webm"),
    (Class::Video, "video/x-flv", "flv"),
    (Class::Video, "video/mpeg", "mpeg"),
    (Class::Video, "mpg", "mpg"),
    (Class::Video, "video/x-ms-wmv", "wmv"),
    (Class::Video, "video/3gpp", "three_gp"),
    (Class::Video, "3gp", "three_gp"),
    (Class::Audio, "audio/mpeg", "mp3"),
    (Class::Audio, "audio/wav", "wav"),
    (Class::Audio, "audio/x-wav", "wav"),
    (Class::Audio, "audio/flac", "flac"),
    (Class::Audio, "audio/ogg", "ogg"),
    (Class::Audio, "audio/opus", "opus"),
    (Class::Audio, "audio/aac", "aac"),
    (Class::Audio, "audio/mp4", "m4a"),
    (Class::Audio, "audio/webm", "webm"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Image,
    Document,
    Video,
    Audio,
}

/// What is known of a piece of media beside its bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Said<'r> {
    /// Its media type, or the word for its format.
    pub(super) media_type: Option<&'r str>,
    /// Its name.
    pub(super) filename: Option<&'r str>,
}

/// The wire form of a piece of media.
///
/// # Errors
/// When the service cannot take it: an address, an id of another provider, an unknown format.
pub(super) fn shape<'r>(media: &'r Bytes, said: Said<'r>, model: Model) -> Result<Shape<'r>> {
    let (data, said) = match media {
        Bytes::Url(url) if url.starts_with("s3://") && model.s3 => {
            let name = said.filename.or(Some(url));
            let (class, format) = format(Said { filename: name, ..said }, "")?;
            let location = S3Location { uri: Some(url.into()), ..S3Location::default() };
            return Ok(shaped(class, format, Source { s3_location: Some(location), ..Source::default() }));
        }
        Bytes::Url(url) if url.starts_with("s3://") => {
            return Err(ApiError::bad_request(
                "this model takes no s3: addresses: send the content as base64",
            ));
        }
        Bytes::Url(_) => {
            let message = "bedrock fetches no addresses: send the content as base64, or choose another model";
            return Err(ApiError::bad_request(message).wants_bytes());
        }
        Bytes::FileId(_) => {
            return Err(ApiError::bad_request("bedrock stores no files: send the content as base64"));
        }
        Bytes::Text(text) => {
            let source = Source { text: Some(text.into()), ..Source::default() };
            return Ok(shaped(Class::Document, "txt", source));
        }
        Bytes::Base64 { media_type, data } if media_type.is_empty() => (data, said),
        Bytes::Base64 { media_type, data } => (data, Said { media_type: Some(media_type), ..said }),
    };
    let (class, format) = format(said, data)?;
    Ok(shaped(class, format, Source { bytes: Some(data.into()), ..Source::default() }))
}

fn shaped<'r>(class: Class, format: &'static str, source: Source<'r>) -> Shape<'r> {
    let format: Option<Str<'r>> = Some(format.into());
    match class {
        Class::Document => Shape::Document(Document { format, source: Some(source), ..Document::default() }),
        Class::Image => Shape::Image(Media { format, source: Some(source), ..Media::default() }),
        Class::Video => Shape::Video(Media { format, source: Some(source), ..Media::default() }),
        Class::Audio => Shape::Audio(Media { format, source: Some(source), ..Media::default() }),
    }
}

fn format(said: Said<'_>, data: &str) -> Result<(Class, &'static str)> {
    let named = said.media_type.map(|kind| kind.split(';').next().unwrap_or_default().trim());
    let extension = said.filename.and_then(|name| name.rsplit_once('.')).map(|(_, extension)| extension);
    let words = [named, extension, sniff(data)];
    if let Some(found) = words.into_iter().flatten().find_map(known) {
        return Ok(found);
    }
    // Any other kind of text can be read as one.
    if named.is_some_and(|kind| kind.starts_with("text/")) {
        return Ok((Class::Document, "txt"));
    }
    Err(ApiError::bad_request(format!(
        "bedrock does not read `{}`: send a picture, a document, a video or a sound of a usual format",
        named.or(extension).unwrap_or("a file of an unknown type")
    )))
}

fn known(word: &str) -> Option<(Class, &'static str)> {
    let word = word.to_ascii_lowercase();
    let row = FORMATS.iter().find(|(_, kind, format)| *kind == word || *format == word)?;
    Some((row.0, row.2))
}

/// The media type by the first bytes, in base64.
fn sniff(data: &str) -> Option<&'static str> {
    const STARTS: &[(&str, &str)] = &[
        ("iVBORw0KGgo", "image/png"),
        ("/9j/", "image/jpeg"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
        ("JVBERi", "application/pdf"),
    ];
    STARTS.iter().find(|(start, _)| data.starts_with(start)).map(|(_, kind)| *kind)
}

/// The name of a document, of characters that the service takes: letters, digits, single spaces, hyphens and
/// brackets.
pub(super) fn name(filename: Option<&str>) -> String {
    const LIMIT: usize = 190;
    let stem = filename.map(|name| name.rsplit_once('.').map_or(name, |(stem, _)| stem)).unwrap_or_default();
    let mut out = String::new();
    for c in stem.chars().take(LIMIT) {
        let fits = c.is_ascii_alphanumeric() || "-()[]".contains(c);
        match c {
            c if fits => out.push(c),
            c if c.is_whitespace() && !out.is_empty() && !out.ends_with(' ') => out.push(' '),
            c if c.is_whitespace() => {}
            _ => out.push('-'),
        }
    }
    let out = out.trim_end();
    if out.is_empty() { "document".to_owned() } else { out.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_found_by_type_name_and_bytes() {
        let check =
            |media_type: Option<&'static str>, filename: Option<&'static str>, data: &str, expect: &str| {
                let got = match format(Said { media_type, filename }, data) {
                    Ok((class, format)) => format!("{class:?} {format}"),
                    Err(error) => error.to_string(),
                };
                assert!(got.contains(expect), "{media_type:?} {filename:?}: {got}");
            };
        check(Some("image/jpg"), None, "", "Image jpeg");
        check(Some("text/plain; charset=utf-8"), None, "", "Document txt");
        check(Some("text/x-python"), None, "", "Document txt");
        check(None, Some("a.DOCX"), "", "Document docx");
        check(None, Some("clip.3gp"), "", "Video three_gp");
        check(None, None, "JVBERi0=", "Document pdf");
        check(Some("wav"), None, "", "Audio wav");
        check(Some("image/bmp"), None, "", "does not read `image/bmp`");
        check(None, None, "AAAA", "a file of an unknown type");
    }

    #[test]
    fn names_of_documents_hold_what_is_allowed() {
        let check = |filename: Option<&str>, expect: &str| assert_eq!(name(filename), expect, "{filename:?}");
        check(Some("a.pdf"), "a");
        check(Some("year  report_(2).v1.pdf"), "year report-(2)-v1");
        check(Some("größe.txt"), "gr--e");
        check(Some(" .pdf"), "document");
        check(None, "document");
        check(Some(&"x".repeat(400)), &"x".repeat(190));
    }
}
