//! Where a picture is to be changed, in the ways in which providers say it.
//!
//! OpenAI's masks are PNGs whose transparent places are to be changed (platform.openai.com/docs/api-reference/images);
//! others want black and white. A mask that is transparent nowhere is taken to be in the provider's own form.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use llm_types::{Changes, Upload};

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// The most bytes of a picture that is unpacked: 16 million pixels with four bytes each.
const MOST: usize = 64 * 1024 * 1024;

/// How a provider paints what is to be changed; the rest has the other shade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect) enum Shade {
    Black,
    White,
}

/// A mask as a provider takes it.
pub(in crate::dialect) fn painted(mask: &Upload, shade: Shade, changes: &mut Changes) -> Upload {
    let word = if shade == Shade::Black { "black" } else { "white" };
    match Alpha::read(&mask.data) {
        Some(alpha) => {
            changes.altered("mask", format!("what is transparent is {word} there"));
            let data = alpha.paint(shade);
            Upload { name: mask.name.clone(), kind: "image/png".to_owned(), data: Bytes::from(data) }
        }
        None => {
            changes
                .altered("mask", format!("it is no PNG with transparent places: what is {word} is changed"));
            mask.clone()
        }
    }
}

/// How a PNG lays out its pixels.
#[derive(Debug, Clone, Copy)]
struct Layout {
    width: usize,
    height: usize,
    depth: u8,
    color: u8,
}

impl Layout {
    /// `None`: it is none of those that can be transparent, or larger than what is unpacked.
    fn read(header: &[u8]) -> Option<Self> {
        let (width, rest) = number(header)?;
        let (height, rest) = number(rest)?;
        let [depth, color, 0, 0, 0] = *rest else { return None };
        let known = matches!((color, depth), (4 | 6, 8 | 16) | (3, 1 | 2 | 4 | 8));
        let layout = Self { width, height, depth, color };
        (known && width > 0 && height > 0 && layout.unpacked()? <= MOST).then_some(layout)
    }

    /// The bits of a pixel.
    fn bits(self) -> usize {
        let channels = match self.color {
            4 => 2,
            6 => 4,
            _ => 1,
        };
        channels * usize::from(self.depth)
    }

    /// The bytes of a row, without the one that names its filter.
    fn row(self) -> Option<usize> {
        Some(self.width.checked_mul(self.bits())?.div_ceil(8))
    }

    fn unpacked(self) -> Option<usize> {
        self.row()?.checked_add(1)?.checked_mul(self.height)
    }
}

/// What of a picture is transparent.
#[derive(Debug)]
struct Alpha {
    width: usize,
    height: usize,
    /// Whether each pixel is.
    clear: Vec<bool>,
}

impl Alpha {
    /// `None`: it is no such PNG, or transparent nowhere.
    fn read(png: &[u8]) -> Option<Self> {
        let mut rest = png.strip_prefix(SIGNATURE)?;
        let (mut layout, mut packed, mut palette) = (None, Vec::new(), &b""[..]);
        while let Some((length, after)) = number(rest) {
            let (name, after) = after.split_at_checked(4)?;
            let (data, after) = after.split_at_checked(length)?;
            match name {
                b"IHDR" => layout = Some(Layout::read(data)?),
                b"tRNS" => palette = data,
                b"IDAT" => packed.extend_from_slice(data),
                b"IEND" => break,
                _ => {}
            }
            rest = after.get(4..)?;
        }
        let layout = layout?;
        let mut rows = Vec::new();
        let bound = layout.unpacked()?;
        ZlibDecoder::new(&*packed).take(u64::try_from(bound).ok()?).read_to_end(&mut rows).ok()?;
        if rows.len() != bound {
            return None;
        }
        let (stride, step) = (layout.row()?, layout.bits().div_ceil(8));
        unfilter(&mut rows, stride, step)?;
        let clear: Vec<bool> = rows
            .chunks_exact(stride + 1)
            .flat_map(|row| clear(row.get(1..).unwrap_or_default(), layout, palette))
            .collect();
        let Layout { width, height, .. } = layout;
        clear.contains(&true).then_some(Self { width, height, clear })
    }

    /// A PNG in black and white.
    fn paint(&self, shade: Shade) -> Vec<u8> {
        let (inside, outside) = if shade == Shade::Black { (0, 255) } else { (255, 0) };
        let mut rows = Vec::with_capacity(self.clear.len() + self.height);
        for row in self.clear.chunks_exact(self.width) {
            rows.push(0);
            rows.extend(row.iter().map(|clear| if *clear { inside } else { outside }));
        }
        let mut header = Vec::with_capacity(13);
        for side in [self.width, self.height] {
            header.extend_from_slice(&u32::try_from(side).unwrap_or(u32::MAX).to_be_bytes());
        }
        header.extend_from_slice(&[8, 0, 0, 0, 0]);
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        // Writing into memory does not fail.
        let _ = encoder.write_all(&rows);
        let packed = encoder.finish().unwrap_or_default();
        let mut png = SIGNATURE.to_vec();
        chunk(&mut png, b"IHDR", &header);
        chunk(&mut png, b"IDAT", &packed);
        chunk(&mut png, b"IEND", &[]);
        png
    }
}

/// A number of four bytes, and what follows.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_be_bytes(*number)).ok()?, rest))
}

fn chunk(png: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    png.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
    png.extend_from_slice(name);
    png.extend_from_slice(data);
    let mut sum = Crc::new();
    sum.update(name);
    sum.update(data);
    png.extend_from_slice(&sum.sum().to_be_bytes());
}

/// Takes the filters off: each byte is told by how it differs from those before and above
/// (www.w3.org/TR/png-3, section 9).
fn unfilter(rows: &mut [u8], stride: usize, step: usize) -> Option<()> {
    let mut above = vec![0; stride];
    for row in rows.chunks_exact_mut(stride + 1) {
        let (filter, row) = row.split_first_mut()?;
        let mut before = vec![0; step];
        let mut before_above = vec![0; step];
        for (at, byte) in row.iter_mut().enumerate() {
            let slot = at % step;
            let (left, up, corner) = (before.get(slot)?, above.get(at)?, before_above.get(slot)?);
            let guess = match *filter {
                0 => 0,
                1 => *left,
                2 => *up,
                3 => u8::midpoint(*left, *up),
                4 => paeth(*left, *up, *corner),
                _ => return None,
            };
            *byte = byte.wrapping_add(guess);
            *before_above.get_mut(slot)? = *up;
            *before.get_mut(slot)? = *byte;
        }
        above.copy_from_slice(row);
    }
    Some(())
}

fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let guess = i16::from(left) + i16::from(up) - i16::from(corner);
    let distance = |side: u8| (guess - i16::from(side)).abs();
    if distance(left) <= distance(up) && distance(left) <= distance(corner) {
        left
    } else if distance(up) <= distance(corner) {
        up
    } else {
        corner
    }
}

/// Which pixels of a row are more transparent than not.
fn clear(row: &[u8], layout: Layout, palette: &[u8]) -> Vec<bool> {
    let Layout { width, depth, color, .. } = layout;
    if color == 3 {
        let depth = usize::from(depth);
        let index = |at: usize| {
            let bit = at * depth;
            let byte = row.get(bit / 8).copied().unwrap_or_default();
            (byte >> (8 - depth - bit % 8))
                & u8::MAX.checked_shr(u32::try_from(8 - depth).unwrap_or(0)).unwrap_or(0)
        };
        let alpha = |at: usize| palette.get(usize::from(index(at))).copied().unwrap_or(255);
        return (0..width).map(|at| alpha(at) < 128).collect();
    }
    // Of sixteen bits the first eight say enough.
    let step = layout.bits() / 8;
    let at = step - usize::from(depth / 8);
    row.chunks_exact(step).map(|pixel| pixel.get(at).is_some_and(|alpha| *alpha < 128)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(header: &[u8], transparent: &[u8], rows: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(rows).unwrap();
        let mut png = SIGNATURE.to_vec();
        chunk(&mut png, b"IHDR", header);
        if !transparent.is_empty() {
            chunk(&mut png, b"tRNS", transparent);
        }
        chunk(&mut png, b"IDAT", &encoder.finish().unwrap());
        chunk(&mut png, b"IEND", &[]);
        png
    }

    fn header(width: u8, height: u8, depth: u8, color: u8) -> [u8; 13] {
        [0, 0, 0, width, 0, 0, 0, height, depth, color, 0, 0, 0]
    }

    /// The rows of a picture that was painted.
    fn rows(png: &[u8]) -> Vec<u8> {
        let start = png.windows(4).position(|window| window == b"IDAT").unwrap();
        let mut rows = Vec::new();
        ZlibDecoder::new(&png[start + 4..]).read_to_end(&mut rows).unwrap();
        rows
    }

    #[test]
    fn what_is_transparent_is_painted() {
        let (red, none): ([u8; 4], [u8; 4]) = ([255, 0, 0, 255], [9, 9, 9, 0]);
        // Every filter, over the same two pixels: the second is transparent.
        let plain = [red, none].concat();
        let left: Vec<u8> = plain
            .iter()
            .enumerate()
            .map(|(at, byte)| byte.wrapping_sub(if at < 4 { 0 } else { plain[at - 4] }))
            .collect();
        let average: Vec<u8> = plain
            .iter()
            .enumerate()
            .map(|(at, byte)| {
                byte.wrapping_sub(u8::midpoint(if at < 4 { 0 } else { plain[at - 4] }, plain[at]))
            })
            .collect();
        let nothing = vec![0; 8];
        let body = [&[0][..], &plain, &[1], &left, &[2], &nothing, &[3], &average, &[4], &nothing].concat();
        let mask = Upload::new("mask.png", png(&header(2, 5, 8, 6), &[], &body));
        for (shade, inside, outside) in [(Shade::White, 255, 0), (Shade::Black, 0, 255)] {
            let mut changes = Changes::default();
            let painted = painted(&mask, shade, &mut changes);
            assert_eq!(rows(&painted.data), [0, outside, inside].repeat(5), "{shade:?}");
            assert!(changes.header().contains("what is transparent"), "{}", changes.header());
            assert!(!changes.any_dropped());
        }
    }

    #[test]
    fn palettes_and_grey_can_be_transparent_too() {
        let check = |header: [u8; 13], transparent: &[u8], body: &[u8], expect: &[u8]| {
            let mask = Upload::new("m", png(&header, transparent, body));
            let painted = painted(&mask, Shade::White, &mut Changes::default());
            assert_eq!(rows(&painted.data), expect);
        };
        // Two bits each: 0, 1, 2, 1; the second colour is transparent.
        check(header(4, 1, 2, 3), &[255, 0], &[0, 0b0001_1001], &[0, 0, 255, 0, 255]);
        check(header(2, 1, 8, 4), &[], &[0, 7, 0, 7, 255], &[0, 255, 0]);
        check(header(1, 1, 16, 4), &[], &[0, 7, 7, 0, 1], &[0, 255]);
    }

    #[test]
    fn anything_else_goes_as_it_came() {
        let check = |data: &[u8]| {
            let mask = Upload::new("m", data.to_vec());
            let mut changes = Changes::default();
            assert_eq!(painted(&mask, Shade::Black, &mut changes).data, data);
            assert!(changes.header().contains("what is black is changed"), "{}", changes.header());
        };
        check(b"");
        check(b"JPEG");
        check(&png(&header(1, 1, 8, 0), &[], &[0, 7]));
        // Transparent nowhere; broken; too large to be unpacked.
        check(&png(&header(1, 1, 8, 6), &[], &[0, 1, 2, 3, 255]));
        check(&png(&header(2, 2, 8, 6), &[], &[0, 1, 2]));
        check(&png(&header(1, 1, 8, 6), &[], &[9, 1, 2, 3, 0]));
        check(&png(&[0x7f, 0, 0, 0, 0x7f, 0, 0, 0, 8, 6, 0, 0, 0], &[], &[0]));
        let whole = png(&header(1, 1, 8, 6), &[], &[0, 1, 2, 3, 0]);
        for end in 0..whole.len() - 12 {
            check(&whole[..end]);
        }
    }
}
