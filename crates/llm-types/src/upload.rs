//! A file that a client sends.

use bytes::Bytes;

/// A file, whole. Its bytes are a slice of what the client sent, never a copy.
#[derive(Debug, Clone, Default)]
pub struct Upload {
    /// Its name, by which providers tell its format; may be empty.
    pub name: String,
    /// Its content type; may be empty.
    pub kind: String,
    /// What it holds.
    pub data: Bytes,
}

impl Upload {
    /// A file of this name.
    #[must_use]
    pub fn new(name: impl Into<String>, data: impl Into<Bytes>) -> Self {
        Self { name: name.into(), kind: String::new(), data: data.into() }
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
