//! How many tokens a picture is taken to be: by its size in pixels, which stands in its first bytes.
//!
//! The rule is Anthropic's (docs.anthropic.com/en/docs/build-with-claude/vision); others differ, but none
//! by so much that a better guess could be made without knowing the model.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use llm_types::chat::Media;

/// A picture whose size is not known.
const UNKNOWN: u64 = 1000;
const MOST: u64 = 1600;
/// The longer side after fitting, in pixels.
const SIDE: u64 = 1568;
const PIXELS_PER_TOKEN: u64 = 750;
/// How much base64 is looked at: a JPEG may have a preview before its size.
const LOOKED_AT: usize = 256 * 1024;

/// How many tokens a picture is.
pub(super) fn tokens(media: &Media) -> u64 {
    let Media::Base64 { media_type: _, data } = media else {
        return UNKNOWN;
    };
    size(&beginning(data)).map_or(UNKNOWN, of_size)
}

fn of_size((width, height): (u64, u64)) -> u64 {
    let long = width.max(height).max(1);
    let (width, height) = if long > SIDE {
        (width.saturating_mul(SIDE) / long, height.saturating_mul(SIDE) / long)
    } else {
        (width, height)
    };
    width.saturating_mul(height).div_ceil(PIXELS_PER_TOKEN).clamp(1, MOST)
}

fn beginning(data: &str) -> Vec<u8> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, config);
    let end = data.len().min(LOOKED_AT) / 4 * 4;
    data.get(..end).and_then(|head| engine.decode(head).ok()).unwrap_or_default()
}

/// Width and height in pixels.
fn size(bytes: &[u8]) -> Option<(u64, u64)> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some((big(bytes, 16, 4)?, big(bytes, 20, 4)?)),
        [b'G', b'I', b'F', ..] => Some((little(bytes, 6, 2)?, little(bytes, 8, 2)?)),
        [b'R', b'I', b'F', b'F', ..] => webp(bytes),
        [0xFF, 0xD8, ..] => jpeg(bytes),
        _ => None,
    }
}

fn big(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    let number = bytes.get(at..at.checked_add(len)?)?;
    Some(number.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
}

fn little(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    let number = bytes.get(at..at.checked_add(len)?)?;
    Some(number.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
}

fn webp(bytes: &[u8]) -> Option<(u64, u64)> {
    const LOW_14: u64 = 0x3FFF;
    match bytes.get(12..16)? {
        b"VP8X" => Some((little(bytes, 24, 3)? + 1, little(bytes, 27, 3)? + 1)),
        b"VP8L" => {
            let bits = little(bytes, 21, 4)?;
            Some(((bits & LOW_14) + 1, ((bits >> 14) & LOW_14) + 1))
        }
        b"VP8 " => Some((little(bytes, 26, 2)? & LOW_14, little(bytes, 28, 2)? & LOW_14)),
        _ => None,
    }
}

/// A JPEG is a chain of segments; the one that starts the frame holds the size.
fn jpeg(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut at = 2;
    loop {
        let marker = big(bytes, at, 2)?;
        if !(0xFF01..=0xFFFE).contains(&marker) {
            return None;
        }
        if matches!(marker, 0xFFC0..=0xFFC3 | 0xFFC5..=0xFFC7 | 0xFFC9..=0xFFCB | 0xFFCD..=0xFFCF) {
            return Some((big(bytes, at + 7, 2)?, big(bytes, at + 5, 2)?));
        }
        let length = usize::try_from(big(bytes, at + 2, 2)?).ok()?;
        at = at.checked_add(2)?.checked_add(length)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(bytes: &[u8]) -> Media {
        let data = base64::engine::general_purpose::STANDARD.encode(bytes);
        Media::Base64 { media_type: String::new(), data }
    }

    #[test]
    fn sizes_are_read_of_every_format() {
        let check = |bytes: &[u8], expect: Option<(u64, u64)>| {
            assert_eq!(size(bytes), expect, "{bytes:?}");
            for end in 0..bytes.len() {
                // Half a picture is no reason to fail.
                let _ = size(&bytes[..end]);
            }
        };
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        png.extend([0, 0, 3, 0, 0, 0, 2, 0]);
        check(&png, Some((768, 512)));
        check(b"GIF89a\x10\x01\x20\0", Some((272, 32)));
        let segment = [0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xC0, 0, 17, 8, 1, 0, 2, 0, 3];
        check(&segment, Some((512, 256)));
        let riff = |kind: &[u8], rest: &[u8]| [b"RIFF....WEBP", kind, b"....", rest].concat();
        check(&riff(b"VP8X", &[0, 0, 0, 0, 0xFF, 1, 0, 0xFF, 0, 0]), Some((512, 256)));
        check(&riff(b"VP8L", &[0x2F, 0xFF, 0xC1, 0x3F, 0]), Some((512, 256)));
        check(&riff(b"VP8 ", &[0, 0, 0, 0x9D, 1, 0x2A, 0, 2, 0, 1]), Some((512, 256)));
        check(b"RIFF....WEBPnone", None);
        check(b"BM", None);
    }

    #[test]
    fn large_pictures_are_fitted_and_unknown_ones_guessed() {
        let check = |size: (u64, u64), expect: u64| assert_eq!(of_size(size), expect, "{size:?}");
        check((200, 200), 54);
        check((1000, 1000), 1334);
        check((1568, 1568), MOST);
        check((3136, 100), 105);
        check((0, 0), 1);
        check((u64::MAX, u64::MAX), 1);
        assert_eq!(tokens(&Media::Url("https://a.example/b.png".to_owned())), UNKNOWN);
        assert_eq!(tokens(&encoded(b"no picture")), UNKNOWN);
    }
}
