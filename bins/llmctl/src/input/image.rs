//! Pictures: files, told by their first bytes rather than their names, or addresses.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_types::chat::{Image, Media, Part};

/// A picture as part of a message.
pub(crate) fn part(source: &str) -> anyhow::Result<Part> {
    let media = if source.starts_with("http://") || source.starts_with("https://") {
        Media::Url(source.to_owned())
    } else {
        let bytes = super::file(Path::new(source))?;
        let Some(media_type) = media_type(&bytes) else {
            anyhow::bail!("{source} is not a picture that models take: use PNG, JPEG, GIF or WebP");
        };
        Media::Base64 { media_type: media_type.to_owned(), data: STANDARD.encode(&bytes) }
    };
    Ok(Part::Image(Image::new(media)))
}

fn media_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(source: &str) -> anyhow::Result<Media> {
        match part(source)? {
            Part::Image(image) => Ok(image.media),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn pictures_are_told_by_their_bytes() {
        let check = |bytes: &[u8], expect| assert_eq!(media_type(bytes), expect, "{bytes:?}");
        check(b"\x89PNG\r\n\x1a\n....", Some("image/png"));
        check(b"\xff\xd8\xff\xe0", Some("image/jpeg"));
        check(b"GIF89a", Some("image/gif"));
        check(b"RIFF\x10\0\0\0WEBPVP8 ", Some("image/webp"));
        check(b"RIFF\x10\0\0\0WAVEfmt ", None);
        check(b"%PDF-1.7", None);
        check(b"", None);
    }

    #[test]
    fn files_are_sent_as_base64_and_addresses_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.txt");
        std::fs::write(&path, b"GIF89a").unwrap();
        let got = media(path.to_str().unwrap()).unwrap();
        assert_eq!(got, Media::Base64 { media_type: "image/gif".to_owned(), data: "R0lGODlh".to_owned() });
        let url = "https://example.com/a.png";
        assert_eq!(media(url).unwrap(), Media::Url(url.to_owned()));
        std::fs::write(&path, b"hello").unwrap();
        assert!(media(path.to_str().unwrap()).unwrap_err().to_string().contains("PNG, JPEG, GIF or WebP"));
        assert!(media("no/such.png").unwrap_err().to_string().contains("cannot read no/such.png"));
    }
}
