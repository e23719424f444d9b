//! Where the bytes of a picture or document are, as the API takes it.
//!
//! The API wants to know what a file is before it looks at it: a picture, a PDF, plain text, or an
//! upload. Clients often do not say, so the name and the first bytes are asked as well.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_types::chat::Media;
use llm_types::{ApiError, Result, Str};

use super::super::wire::Source;
use super::encoder::Encoder;

/// What a piece of media becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// An `image` block.
    Picture,
    /// A `document` block.
    Document,
    /// A `container_upload` block: a stored file of an unknown type.
    Upload,
}

/// What the client says of a piece of media.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'r> {
    /// What part of the message it is in.
    pub(super) shape: Shape,
    /// Its media type.
    pub(super) media_type: Option<&'r str>,
    /// Its name.
    pub(super) filename: Option<&'r str>,
}

/// The source of a block, and which block it is.
///
/// # Errors
/// When the API cannot take it: an `http:` address, or a format it does not read.
pub(super) fn source<'r>(media: &'r Media, said: Said<'r>) -> Result<(Shape, Source<'r>)> {
    match media {
        Media::Url(url) => address(url, said),
        Media::FileId(id) if id.starts_with("https://") => address(id, said),
        Media::FileId(id) => {
            let shape = match media_type(said).map(shape_of) {
                Some(Some(shape)) => shape,
                _ if said.shape == Shape::Picture => Shape::Picture,
                _ => Shape::Upload,
            };
            Ok((shape, Source { kind: word("file"), file_id: Some(id.into()), ..Source::default() }))
        }
        Media::Base64 { media_type, data } => inline(media_type, data, said),
        Media::Text(text) => Ok((Shape::Document, plain(text.into()))),
    }
}

impl Encoder<'_, '_> {
    /// The source of a block, where the host takes it.
    ///
    /// # Errors
    /// As [`source`], and for an address that nobody fetches.
    pub(super) fn source<'r>(&self, media: &'r Media, said: Said<'r>) -> Result<(Shape, Source<'r>)> {
        let (shape, source) = source(media, said)?;
        if source.url.is_some() && !self.fetches {
            let message = "this host of Claude fetches no addresses: send the content as base64";
            return Err(ApiError::bad_request(message).wants_bytes());
        }
        Ok((shape, source))
    }
}

fn address<'r>(url: &'r str, said: Said<'r>) -> Result<(Shape, Source<'r>)> {
    if !url.starts_with("https://") {
        let message =
            "anthropic fetches https addresses only: send an https address, or the content as base64";
        return Err(ApiError::bad_request(message).wants_bytes());
    }
    let shape = said.media_type.and_then(shape_of).unwrap_or(said.shape);
    Ok((shape, Source { kind: word("url"), url: Some(url.into()), ..Source::default() }))
}

fn inline<'r>(media_type: &'r str, data: &'r str, said: Said<'r>) -> Result<(Shape, Source<'r>)> {
    let named = (!media_type.is_empty()).then_some(media_type);
    let kind = named.or_else(|| self::media_type(said)).or_else(|| sniff(data)).map(canonical);
    match kind.and_then(|kind| Some((kind, shape_of(kind)?))) {
        Some((kind, shape)) if kind.starts_with("text/") => {
            let text = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let text = text.ok_or_else(|| {
                ApiError::bad_request("the text file is not valid base64 of UTF-8: send it encoded so")
            })?;
            Ok((shape, plain(text.into())))
        }
        Some((kind, shape)) => Ok((
            shape,
            Source {
                kind: word("base64"),
                media_type: Some(kind.into()),
                data: Some(data.into()),
                ..Source::default()
            },
        )),
        None => Err(ApiError::bad_request(format!(
            "anthropic does not read `{}`: send jpeg, png, gif, webp, pdf or plain text",
            kind.unwrap_or("a file of an unknown type")
        ))),
    }
}

fn plain(text: Str<'_>) -> Source<'_> {
    Source { kind: word("text"), media_type: word("text/plain"), data: Some(text), ..Source::default() }
}

fn word(word: &'static str) -> Option<Str<'static>> {
    Some(word.into())
}

fn media_type(said: Said<'_>) -> Option<&str> {
    said.media_type.map(canonical).or_else(|| said.filename.and_then(by_name))
}

fn canonical(media_type: &str) -> &str {
    match media_type.split(';').next().unwrap_or_default().trim() {
        "image/jpg" => "image/jpeg",
        other => other,
    }
}

/// The block for a media type; `None`: the API does not read it.
fn shape_of(media_type: &str) -> Option<Shape> {
    match canonical(media_type) {
        "image/jpeg" | "image/png" | "image/gif" | "image/webp" => Some(Shape::Picture),
        "application/pdf" => Some(Shape::Document),
        text if text.starts_with("text/") => Some(Shape::Document),
        _ => None,
    }
}

fn by_name(filename: &str) -> Option<&'static str> {
    let (_, extension) = filename.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "pdf" => "application/pdf",
        "txt" | "md" | "csv" | "html" | "xml" | "json" => "text/plain",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        _ => return None,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn base64(media_type: &str, data: &str) -> Media {
        Media::Base64 { media_type: media_type.to_owned(), data: data.to_owned() }
    }

    fn said(shape: Shape, media_type: Option<&'static str>, filename: Option<&'static str>) -> Said<'static> {
        Said { shape, media_type, filename }
    }

    #[test]
    fn sources() {
        let check = |media: Media, said: Said<'_>, expect: &str| {
            let got = match source(&media, said) {
                Ok((shape, source)) => format!("{shape:?} {}", serde_json::to_string(&source).unwrap()),
                Err(error) => error.to_string(),
            };
            assert!(got.contains(expect), "{media:?}: {got}");
        };
        let picture = said(Shape::Picture, None, None);
        let file = said(Shape::Document, None, None);
        check(Media::Url("https://a/b".to_owned()), picture, r#"Picture {"type":"url","url":"https://a/b"}"#);
        check(Media::Url("http://a/b".to_owned()), picture, "send an https address");
        check(Media::Url("gs://a/b".to_owned()), file, "send an https address");
        check(
            base64("image/jpg", "AA"),
            picture,
            r#"Picture {"type":"base64","media_type":"image/jpeg","data":"AA"}"#,
        );
        check(base64("", "iVBORw0KGgo="), picture, r#""media_type":"image/png""#);
        check(base64("application/pdf", "AA"), picture, "Document {");
        check(base64("image/png", "AA"), file, "Picture {");
        check(base64("image/bmp", "AA"), picture, "does not read `image/bmp`");
        check(base64("", "AA"), said(Shape::Document, None, Some("A.PDF")), r#""application/pdf""#);
        check(base64("", "AA"), file, "does not read");
        check(
            base64("text/plain", "aGk="),
            file,
            r#"Document {"type":"text","media_type":"text/plain","data":"hi"}"#,
        );
        check(base64("text/plain", "%%"), file, "not valid base64");
        check(Media::Text("hi".to_owned()), file, r#"{"type":"text","media_type":"text/plain","data":"hi"}"#);
        check(Media::FileId("f".to_owned()), file, r#"Upload {"type":"file","file_id":"f"}"#);
        check(Media::FileId("f".to_owned()), picture, "Picture {");
        check(
            Media::FileId("f".to_owned()),
            said(Shape::Document, Some("application/pdf"), None),
            "Document {",
        );
        check(Media::FileId("https://a".to_owned()), file, r#"Document {"type":"url","url":"https://a"}"#);
    }
}
