//! A frame of the journal: length, checksum, number, payload. A reader stops at the first that is not whole.

use crate::sql::rows::line::Line;

/// Length and checksum of what follows them, and the row's number.
const HEAD: usize = 16;
/// The largest payload that is believed.
const LARGEST: usize = 1 << 20;

/// Adds a frame.
pub(super) fn write(to: &mut Vec<u8>, seq: u64, payload: &[u8]) {
    let start = to.len();
    to.extend_from_slice(&[0; HEAD]);
    to.extend_from_slice(payload);
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let head = to.get_mut(start..).unwrap_or_default();
    put(head, 8, &seq.to_le_bytes());
    let sum = crc32fast::hash(head.get(8..).unwrap_or_default());
    put(head, 0, &length.to_le_bytes());
    put(head, 4, &sum.to_le_bytes());
}

fn put(to: &mut [u8], at: usize, bytes: &[u8]) {
    to.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
}

/// One frame at the beginning of the bytes, and how long it is; `None`: there is no whole one.
pub(super) fn read(bytes: &[u8]) -> Option<(u64, &[u8], usize)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok().filter(|length| *length <= LARGEST)?;
    let body = rest.get(..length + 8)?;
    if crc32fast::hash(body) != u32::from_le_bytes(*sum) {
        return None;
    }
    let (seq, payload) = body.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*seq), payload, HEAD + length))
}

/// The rows in these bytes, up to the first that is not whole, with how many bytes they are.
pub(super) fn rows(bytes: &[u8]) -> (Vec<(u64, Line)>, usize) {
    let (mut rows, mut at) = (Vec::new(), 0);
    while let Some((seq, payload, length)) = read(bytes.get(at..).unwrap_or_default()) {
        let Ok(line) = Line::read(payload) else { break };
        rows.push((seq, line));
        at += length;
    }
    (rows, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::rows::line::tests::row;

    #[test]
    fn a_journal_torn_at_any_byte_gives_the_rows_before() {
        let mut bytes = Vec::new();
        let mut ends = vec![0];
        let written: Vec<_> = (1..=3).map(|nth| Line::of(&row("r", nth)).text).collect();
        for (seq, text) in (7..).zip(&written) {
            write(&mut bytes, seq, text);
            ends.push(bytes.len());
        }
        for cut in 0..=bytes.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            let (rows, length) = rows(&bytes[..cut]);
            assert_eq!(
                rows.iter().map(|(_, row)| &row.text).collect::<Vec<_>>(),
                written.iter().take(whole).collect::<Vec<_>>()
            );
            assert_eq!(
                (length, rows.last().map(|(seq, _)| *seq)),
                (ends[whole], whole.checked_sub(1).map(|nth| 7 + nth as u64))
            );
        }
    }

    #[test]
    fn a_changed_byte_ends_it_before_its_row() {
        let mut bytes = Vec::new();
        write(&mut bytes, 1, &Line::of(&row("r", 1)).text);
        let first = bytes.len();
        write(&mut bytes, 2, &Line::of(&row("r", 2)).text);
        for nth in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[nth] ^= 0x10;
            let (rows, _) = rows(&changed);
            assert_eq!(rows.len(), usize::from(nth >= first), "byte {nth}");
        }
    }
}
