//! How long sound is, told from its bytes without decoding it.
//!
//! Sound is sold by its length, and not every provider says how long it was. A WAV file says it in its head; of
//! other forms only bounds are known: speech is coded with 250 bytes a second at the very least.

/// The fewest bytes in which a second of speech is coded by anybody (Speex at 2.15 kbit/s takes 268).
const FEWEST: u64 = 250;
/// What a second of compressed speech usually takes: 32 kbit/s.
const USUAL: u64 = 4000;

/// How long it is, in milliseconds, and whether that is an estimate.
#[must_use]
pub fn length_ms(data: &[u8]) -> (u64, bool) {
    match wav_ms(data) {
        Some(length) => (length, false),
        None => (millis(data.len(), USUAL), true),
    }
}

/// The longest that it can be, in milliseconds.
#[must_use]
pub fn longest_ms(data: &[u8]) -> u64 {
    // A head that lies makes a file no longer than its bytes allow.
    millis(data.len(), FEWEST)
}

fn millis(bytes: usize, per_second: u64) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(1000).div_ceil(per_second)
}

/// The length of a WAV file by its head and the bytes that are there.
fn wav_ms(data: &[u8]) -> Option<u64> {
    if data.get(..4)? != b"RIFF" || data.get(8..12)? != b"WAVE" {
        return None;
    }
    let word = |at: usize| Some(u32::from_le_bytes(data.get(at..at + 4)?.try_into().ok()?));
    let mut rate = None;
    let mut at = 12;
    loop {
        let size = usize::try_from(word(at + 4)?).ok()?;
        match data.get(at..at + 4)? {
            b"fmt " => rate = Some(u64::from(word(at + 16)?)).filter(|rate| *rate > 0),
            // Recorders that stream do not know the length when they write it.
            b"data" => return Some(millis(size.min(data.len().saturating_sub(at + 8)), rate?)),
            _ => {}
        }
        at = at.checked_add(8)?.checked_add(size)?.checked_add(size % 2)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(length_ms(&wav(48_000, 96_000, 96_000)), (2000, false));
        assert_eq!(length_ms(&wav(48_000, 96_000, u32::MAX)), (2000, false));
        assert!(length_ms(&wav(0, 96_000, 96_000)).1);
        assert_eq!(length_ms(&[0; 40_000]), (10_000, true));
        assert_eq!(longest_ms(&[0; 500]), 2000);
        for end in 0..60 {
            let _ = length_ms(wav(48_000, 20, 20).get(..end).unwrap_or_default());
        }
    }
}
