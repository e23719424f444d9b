//! How long sound is, told from its bytes without decoding it.
//!
//! Sound is sold by its length, and not every provider says how long it was. A WAV file says it in its head; of
//! other forms only bounds are known: speech is coded with 250 bytes a second at the very least.

use llm_types::Content;

/// The fewest bytes in which a second of speech is coded by anybody (Speex at 2.15 kbit/s takes 268).
const FEWEST: u64 = 250;
/// What a second of compressed speech usually takes: 32 kbit/s.
const USUAL: u64 = 4000;
/// How many chunks of a WAV file may stand before its samples: each may have to be read from the disk.
const CHUNKS: usize = 128;
/// What of a chunk is looked at: its name, its size, and the rate in a `fmt ` chunk.
const CHUNK: usize = 20;

/// How long it is, in milliseconds, and whether that is an estimate. Of sound in a file only the head is read.
#[must_use]
pub fn length_ms(data: &Content) -> (u64, bool) {
    match wav_ms(data) {
        Some(length) => (length, false),
        None => (millis(data.len(), USUAL), true),
    }
}

/// The longest that it can be, in milliseconds.
#[must_use]
pub fn longest_ms(data: &Content) -> u64 {
    // A head that lies makes a file no longer than its bytes allow.
    millis(data.len(), FEWEST)
}

fn millis(bytes: usize, per_second: u64) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(1000).div_ceil(per_second)
}

/// The length of a WAV file by its head and the bytes that are there.
fn wav_ms(data: &Content) -> Option<u64> {
    let head = data.part(0, 12).ok()?;
    if head.get(..4)? != b"RIFF" || head.get(8..12)? != b"WAVE" {
        return None;
    }
    let mut rate = None;
    let mut at: usize = 12;
    for _ in 0..CHUNKS {
        let chunk = data.part(at, CHUNK).ok()?;
        let word = |at: usize| Some(u32::from_le_bytes(chunk.get(at..at + 4)?.try_into().ok()?));
        let size = usize::try_from(word(4)?).ok()?;
        match chunk.get(..4)? {
            b"fmt " => rate = Some(u64::from(word(16)?)).filter(|rate| *rate > 0),
            // Recorders that stream do not know the length when they write it.
            b"data" => return Some(millis(size.min(data.len().saturating_sub(at + 8)), rate?)),
            _ => {}
        }
        at = at.checked_add(8)?.checked_add(size)?.checked_add(size % 2)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use bytes::Bytes;
    use llm_types::Stretch;

    use super::*;

    /// The same from memory and from a file.
    fn told(data: Vec<u8>) -> (u64, bool) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&data).unwrap();
        let filed = length_ms(&Content::from(Stretch::whole(file).unwrap()));
        assert_eq!(length_ms(&Content::from(Bytes::from(data))), filed);
        filed
    }

    fn wav(rate: u32, data: usize, said: u32) -> Vec<u8> {
        let mut out = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        out.extend_from_slice(&(rate / 2).to_le_bytes());
        out.extend_from_slice(&rate.to_le_bytes());
        out.extend_from_slice(b"\x02\0\x10\0data");
        out.extend_from_slice(&said.to_le_bytes());
        out.extend(std::iter::repeat_n(0, data));
        out
    }

    #[test]
    fn a_wav_file_says_its_length() {
        assert_eq!(told(wav(48_000, 96_000, 96_000)), (2000, false));
        assert_eq!(told(wav(48_000, 96_000, u32::MAX)), (2000, false));
        assert!(told(wav(0, 96_000, 96_000)).1);
        assert_eq!(told(vec![0; 40_000]), (10_000, true));
        assert_eq!(longest_ms(&Content::from(Bytes::from_static(&[0; 500]))), 2000);
        for end in 0..60 {
            let _ = told(wav(48_000, 20, 20).get(..end).unwrap_or_default().to_vec());
        }
    }

    #[test]
    fn nobody_looks_for_the_samples_for_ever() {
        let behind = |chunks: usize| {
            let mut out = b"RIFF\xff\xff\xff\xffWAVE".to_vec();
            (0..chunks).for_each(|_| out.extend_from_slice(b"junk\0\0\0\0"));
            out.extend_from_slice(wav(48_000, 96_000, 96_000).get(12..).unwrap());
            told(out)
        };
        assert_eq!(behind(CHUNKS - 2), (2000, false));
        assert!(behind(CHUNKS - 1).1);
    }
}
