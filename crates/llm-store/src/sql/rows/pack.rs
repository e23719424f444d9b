//! A pack of rows that is being filled: their text, and what the transaction that stores them has to know.
//!
//! Rows are added to it while requests wait, so nothing of a row is kept but its text: what it adds to sums, and to
//! what its pack is found by, is taken out at once.

use std::collections::HashMap;
use std::sync::Arc;

use llm_governance::report::Sums;
use lz4_flex::block::{compress_prepend_size, decompress_size_prepended};

use super::line::{Entry, Line};
use super::subject::Subject;
use crate::sql::error::SqlError;

/// The longest text of a pack that is believed, in bytes.
const LONGEST: usize = 256 << 20;
/// The longest text whose room is kept for another pack, in bytes.
const WORTH: usize = 1 << 20;

/// Rows of one life of a node, in the order of its journal.
#[derive(Debug, Clone, Default)]
pub(super) struct Pack {
    /// Number, and where the text ends.
    rows: Vec<(u64, usize)>,
    /// A JSON array.
    text: Vec<u8>,
    /// Of the oldest and the newest row.
    times: Option<(i64, i64)>,
    /// The least and the greatest.
    requests: (String, String),
    sums: Vec<(Arc<Subject>, Sums)>,
    /// Where in `sums` a subject is; the latest is looked at first.
    places: HashMap<Arc<Subject>, usize>,
    latest: usize,
}

impl Pack {
    /// Adds a row, whose number is greater than those before.
    pub(super) fn add(&mut self, seq: u64, entry: &Entry<'_>) {
        let Entry { subject, request, time_us, sums, text } = entry;
        match self.text.last_mut() {
            Some(end) => *end = b',',
            None => self.text.push(b'['),
        }
        self.text.extend_from_slice(text);
        self.rows.push((seq, self.text.len()));
        self.text.push(b']');
        let (first, last) = self.times.unwrap_or((*time_us, *time_us));
        self.times = Some((first.min(*time_us), last.max(*time_us)));
        let (least, greatest) = &mut self.requests;
        let alone = self.rows.len() == 1;
        if alone || *request < least.as_str() {
            (*request).clone_into(least);
        }
        if alone || *request > greatest.as_str() {
            (*request).clone_into(greatest);
        }
        let place = self.place(subject);
        if let Some((_, sum)) = self.sums.get_mut(place) {
            *sum = sum.and(sums);
        }
    }

    fn place(&mut self, subject: &Arc<Subject>) -> usize {
        if self.sums.get(self.latest).is_some_and(|(latest, _)| Arc::ptr_eq(latest, subject)) {
            return self.latest;
        }
        self.latest = match self.places.get(subject) {
            Some(place) => *place,
            None => {
                let place = self.sums.len();
                self.sums.push((Arc::clone(subject), Sums::default()));
                self.places.insert(Arc::clone(subject), place);
                place
            }
        };
        self.latest
    }

    /// Of some rows.
    pub(super) fn of<'a>(rows: impl IntoIterator<Item = (u64, Entry<'a>)>) -> Self {
        let mut pack = Self::default();
        rows.into_iter().for_each(|(seq, entry)| pack.add(seq, &entry));
        pack
    }

    /// The rows behind this one.
    ///
    /// # Errors
    /// When a row cannot be read.
    pub(super) fn after(&self, seq: u64) -> Result<Self, SqlError> {
        let mut pack = Self::default();
        for (number, text) in self.texts().filter(|(number, _)| *number > seq) {
            let line = Line::read(text).map_err(|error| SqlError::unreadable("row")(error.into()))?;
            pack.add(number, &line.entry());
        }
        Ok(pack)
    }

    /// Each row's number and text.
    pub(super) fn texts(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let begins = std::iter::once(0).chain(self.rows.iter().map(|(_, end)| *end));
        self.rows.iter().zip(begins).map(|((seq, end), begin)| {
            // Behind a bracket or a comma.
            (*seq, self.text.get(begin + 1..*end).unwrap_or_default())
        })
    }

    /// How many rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The number of the first row.
    pub(super) fn first(&self) -> Option<u64> {
        self.rows.first().map(|(seq, _)| *seq)
    }

    /// The number of the last row.
    pub(super) fn last(&self) -> Option<u64> {
        self.rows.last().map(|(seq, _)| *seq)
    }

    /// When its oldest and its newest row are of, in µs since 1970.
    pub(super) fn times(&self) -> (i64, i64) {
        self.times.unwrap_or_default()
    }

    /// The least and the greatest id of a request.
    pub(super) fn requests(&self) -> (&str, &str) {
        (&self.requests.0, &self.requests.1)
    }

    /// What the rows come to, by what they have in common.
    pub(super) fn sums(&self) -> impl Iterator<Item = (&Subject, &Sums)> {
        self.sums.iter().map(|(subject, sums)| (&**subject, sums))
    }

    /// How many rows are of attempts that failed.
    pub(super) fn failed(&self) -> usize {
        let failed = self.sums.iter().fold(0, |sum, (_, sums)| sum + sums.errors);
        usize::try_from(failed).unwrap_or(usize::MAX)
    }

    /// As it is stored.
    pub(super) fn body(&self) -> Vec<u8> {
        compress_prepend_size(&self.text)
    }

    /// An empty pack in the same room; `None`: that is too large to be kept.
    pub(super) fn emptied(mut self) -> Option<Self> {
        let Self { rows, text, times, requests: _, sums, places, latest } = &mut self;
        if text.capacity() > WORTH {
            return None;
        }
        rows.clear();
        text.clear();
        sums.clear();
        places.clear();
        (*times, *latest) = (None, 0);
        Some(self)
    }
}

/// The body of a pack: a JSON array of these texts, made small.
pub(super) fn body<'a>(rows: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut text = vec![b'['];
    for (nth, row) in rows.enumerate() {
        if nth > 0 {
            text.push(b',');
        }
        text.extend_from_slice(row);
    }
    text.push(b']');
    compress_prepend_size(&text)
}

/// The text of a body.
pub(super) fn text(body: &[u8]) -> Result<String, SqlError> {
    let wrong = || SqlError::unreadable("row");
    let (length, _) = lz4_flex::block::uncompressed_size(body).map_err(|error| wrong()(error.into()))?;
    if length > LONGEST {
        return Err(wrong()(std::io::Error::other("its text is too long").into()));
    }
    let text = decompress_size_prepended(body).map_err(|error| wrong()(error.into()))?;
    String::from_utf8(text).map_err(|error| wrong()(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::rows::line::tests::row;

    fn lines() -> Vec<(u64, Line)> {
        let mut rows: Vec<_> = ["b", "a", "c"].into_iter().map(|request| row(request, 1)).collect();
        rows[1].time += jiff::SignedDuration::from_micros(5);
        rows[2].served.model = "gpt-5".into();
        rows[2].error = Some(llm_types::ErrorKind::RateLimit);
        (7..).zip(rows.iter().map(Line::of)).collect()
    }

    fn pack(lines: &[(u64, Line)]) -> Pack {
        Pack::of(lines.iter().map(|(seq, line)| (*seq, line.entry())))
    }

    /// All that its record says of its rows.
    type Facts<'a> = (usize, [Option<u64>; 2], (i64, i64), (&'a str, &'a str), usize);

    fn facts(pack: &Pack) -> Facts<'_> {
        (pack.len(), [pack.first(), pack.last()], pack.times(), pack.requests(), pack.failed())
    }

    #[test]
    fn it_knows_what_its_rows_come_to() {
        let lines = lines();
        let pack = pack(&lines);
        let time = 1_800_000_000_000_000;
        assert_eq!(facts(&pack), (3, [Some(7), Some(9)], (time, time + 5), ("a", "c"), 1));
        let sums: Vec<_> = pack.sums().map(|(of, sums)| (&*of.served[1], sums.attempts, sums.cost)).collect();
        let pico = llm_types::PicoUsd::from_pico;
        assert_eq!(sums, [("gpt-4o", 2, pico(24_690)), ("gpt-5", 1, pico(12_345))]);
        let texts: Vec<_> = lines.iter().map(|(_, line)| &*line.text).collect();
        let json = format!(
            "[{}]",
            texts.iter().map(|text| String::from_utf8_lossy(text)).collect::<Vec<_>>().join(",")
        );
        assert_eq!(text(&pack.body()).unwrap(), json);
        assert_eq!(text(&body(texts.into_iter())).unwrap(), json);
    }

    #[test]
    fn a_part_of_it_is_a_pack_too() {
        let lines = lines();
        let whole = pack(&lines);
        for (seq, rest) in [(6, 0), (7, 1), (8, 2), (9, 3)] {
            let (part, expect) = (whole.after(seq).unwrap(), pack(&lines[rest..]));
            assert_eq!(facts(&part), facts(&expect), "after {seq}");
            assert!(part.sums().eq(expect.sums()) && part.texts().eq(expect.texts()));
        }
    }

    #[test]
    fn room_is_used_again_without_what_was_in_it() {
        let lines = lines();
        let mut again = pack(&lines).emptied().unwrap();
        let (seq, line) = &lines[1];
        again.add(*seq, &line.entry());
        let expect = pack(&lines[1..2]);
        assert_eq!(facts(&again), facts(&expect));
        assert!(again.sums().eq(expect.sums()) && again.texts().eq(expect.texts()));
    }
}
