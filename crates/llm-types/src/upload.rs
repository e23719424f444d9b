//! A file that a client sends.

use bytes::Bytes;

use crate::Content;

/// A file, whole. Its bytes are a slice of what the client sent, never a copy; of sound ([`Content`]) they may lie in a
/// file, too.
#[derive(Debug, Clone, Default)]
pub struct Upload<D = Bytes> {
    /// Its name, by which providers tell its format; may be empty.
    pub name: String,
    /// Its content type; may be empty.
    pub kind: String,
    /// What it holds.
    pub data: D,
}

impl Upload {
    /// A file of this name.
    #[must_use]
    pub fn new(name: impl Into<String>, data: impl Into<Bytes>) -> Self {
        Self::of(name, data.into())
    }
}

impl<D> Upload<D> {
    /// A file of this name, wherever its bytes are.
    #[must_use]
    pub fn of(name: impl Into<String>, data: D) -> Self {
        Self { name: name.into(), kind: String::new(), data }
    }
}

impl From<Upload> for Upload<Content> {
    fn from(file: Upload) -> Self {
        let Upload { name, kind, data } = file;
        Self { name, kind, data: data.into() }
    }
}

/// What a picture or a PDF is, by its first bytes; `None`: it is none that is known.
#[must_use]
pub fn media_type(bytes: &[u8]) -> Option<&'static str> {
    let riff = |bytes: &[u8]| bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    Some(match bytes {
        _ if bytes.starts_with(b"\x89PNG\r\n\x1a\n") => "image/png",
        _ if bytes.starts_with(b"\xff\xd8\xff") => "image/jpeg",
        _ if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") => "image/gif",
        _ if riff(bytes) => "image/webp",
        _ if bytes.starts_with(b"%PDF-") => "application/pdf",
        _ => return None,
    })
}
