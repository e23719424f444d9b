//! The journal: a folder of files, each with rows of one life of a node.
//!
//! A file is named after the life and the number of its first row, and is removed once its rows are stored. What is
//! not stored when the process ends is found by the next one, which books it on the life that it is of. One process
//! has the folder for itself.

mod disk;
mod frame;
mod segment;
mod spare;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use disk::Disk;
use segment::Segment;
pub(super) use spare::Spare;
use spare::Spares;

use super::line::Line;
use crate::sql::error::SqlError;

/// How much room is looked for after a disk was full, in bytes: a few rows.
const PROBE: usize = 4096;
/// A file of this length gets no more rows.
const LARGE: u64 = 8 << 20;
/// A file whose rows are all stored is replaced when it is so long.
const WORTH: u64 = 1 << 20;
/// How much is read back at once.
const PIECE: usize = 1 << 20;
/// How long a process that dies may hold the folder.
const DYING: Duration = Duration::from_secs(5);
const ENDING: &str = "rows";

/// A file and its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) path: PathBuf,
    pub(super) node: String,
    pub(super) first: u64,
}

/// A file that gets no more rows.
#[derive(Debug)]
pub(super) struct Done {
    path: PathBuf,
    /// Its last row.
    last: u64,
    length: u64,
    /// Still open, to be used again.
    segment: Option<Segment<Disk>>,
}

/// Locks the folder. A process that was killed a moment ago may not be gone yet.
fn take(lock: &File) -> io::Result<()> {
    let began = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(fs::TryLockError::Error(error)) => return Err(error),
            Err(fs::TryLockError::WouldBlock) if began.elapsed() < DYING => std::thread::sleep(DYING / 100),
            Err(fs::TryLockError::WouldBlock) => {
                let message = "another process uses it: give each gateway a folder of its own";
                return Err(io::Error::other(message));
            }
        }
    }
}

/// The journal of this life.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    node: String,
    limit: u64,
    /// Those before the present one, the oldest first.
    done: VecDeque<Done>,
    spares: Spares,
    now: Option<(PathBuf, Segment<Disk>)>,
    /// The last row that was written.
    last: u64,
    /// The last rows did not fit.
    full: bool,
    buffer: Vec<u8>,
    _lock: File,
}

impl Journal {
    /// Opens the folder for this life; also says what earlier ones have left. `limit` is in bytes.
    pub(super) fn open(folder: &Path, node: &str, limit: u64) -> Result<(Self, Vec<Part>), SqlError> {
        let wrong = |source| SqlError::Journal { folder: folder.display().to_string(), source };
        fs::create_dir_all(folder).map_err(wrong)?;
        let lock = File::create(folder.join("lock")).map_err(wrong)?;
        take(&lock).map_err(wrong)?;
        let left = parts(folder).map_err(wrong)?;
        let journal = Self {
            folder: folder.to_owned(),
            node: node.to_owned(),
            limit,
            done: VecDeque::new(),
            spares: Spares::new(folder),
            now: None,
            last: 0,
            full: false,
            buffer: Vec::new(),
            _lock: lock,
        };
        Ok((journal, left))
    }

    /// Adds the texts of rows in one write, or none. Their numbers go up.
    pub(super) fn append<'a>(&mut self, rows: impl IntoIterator<Item = (u64, &'a [u8])>) -> io::Result<()> {
        let added = self.add(rows);
        self.full = added.is_err();
        added
    }

    fn add<'a>(&mut self, rows: impl IntoIterator<Item = (u64, &'a [u8])>) -> io::Result<()> {
        self.buffer.clear();
        let (mut first, mut last) = (None, 0);
        for (seq, text) in rows {
            frame::write(&mut self.buffer, seq, text);
            (first, last) = (first.or(Some(seq)), seq);
        }
        let Some(first) = first else { return Ok(()) };
        let more = u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
        if self.bytes().saturating_add(more) > self.limit {
            let limit = self.limit;
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                format!("the journal has reached its limit of {limit} bytes"),
            ));
        }
        let is_full =
            |segment: &Segment<Disk>| segment.length() >= LARGE || !segment.has_room(self.buffer.len());
        if self.now.as_ref().is_some_and(|(_, segment)| is_full(segment)) {
            self.finish();
        }
        let (_, segment) = match &mut self.now {
            Some(now) => now,
            none => {
                let path = self.folder.join(format!("{}.{first:020}.{ENDING}", self.node));
                let segment = match self.spares.take(&path, self.buffer.len()) {
                    Some(segment) => segment,
                    None => Segment::new(Disk::create(&path, more)?),
                };
                none.insert((path, segment))
            }
        };
        segment.append(&self.buffer)?;
        self.last = last;
        Ok(())
    }

    /// Whether there is room again for rows.
    pub(super) fn probe(&mut self) -> io::Result<()> {
        if self.bytes().saturating_add(PROBE as u64) > self.limit {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if let Some((_, segment)) = self.now.as_mut().filter(|(_, segment)| segment.has_room(PROBE)) {
            return segment.probe(PROBE);
        }
        let path = self.folder.join("probe");
        let written = fs::write(&path, [0xff; PROBE]);
        // Where it stays it is written over.
        let _ = fs::remove_file(&path);
        written
    }

    fn finish(&mut self) {
        if let Some((path, segment)) = self.now.take() {
            let (last, length) = (self.last, segment.length());
            let open = self.done.iter().filter(|done| done.segment.is_some()).count();
            let segment = (open < spare::MOST && segment.is_mapped()).then_some(segment);
            self.done.push_back(Done { path, last, length, segment });
        }
    }

    /// How long its files are together.
    pub(super) fn bytes(&self) -> u64 {
        let now = self.now.as_ref().map_or(0, |(_, segment)| segment.length());
        self.done.iter().fold(now, |sum, done| sum.saturating_add(done.length))
    }

    /// The files whose rows are stored, all of them up to this row: each is to become a [`Spare`].
    pub(super) fn forget(&mut self, stored: u64) -> Vec<Done> {
        let worth = self.now.as_ref().is_some_and(|(_, segment)| segment.length() >= WORTH);
        if (worth || self.full) && self.last <= stored {
            self.finish();
        }
        let count = self.done.iter().take_while(|done| done.last <= stored).count();
        self.done.drain(..count).collect()
    }

    /// Takes a file to use it again.
    pub(super) fn reuse(&mut self, spare: Spare) {
        self.spares.keep(spare);
    }

    /// Ends this life; removes everything if all is stored.
    pub(super) fn close(mut self, stored: u64) {
        self.finish();
        for done in self.forget(stored) {
            let _ = fs::remove_file(done.path);
        }
    }
}

/// The files in a folder, in the order of their rows.
pub(super) fn parts(folder: &Path) -> io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let read = || {
            let name = path.file_name()?.to_str()?.strip_suffix(ENDING)?.strip_suffix('.')?;
            let (node, first) = name.rsplit_once('.')?;
            Some((node.to_owned(), first.parse().ok()?))
        };
        if let Some((node, first)) = read() {
            parts.push(Part { path, node, first });
        }
    }
    parts.sort_by(|one, other| (&one.node, one.first).cmp(&(&other.node, other.first)));
    Ok(parts)
}

/// Reads a file from some place on.
#[derive(Debug)]
pub(super) struct Reader {
    path: PathBuf,
    file: File,
    at: u64,
}

/// What was read of a file.
#[derive(Debug)]
pub(super) enum Piece {
    /// Rows, at least one.
    Rows(Vec<(u64, Line)>),
    /// There are no more for now; so many bytes at the end are no row.
    End(u64),
}

impl Reader {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: File::open(path)?, at: 0 })
    }

    /// The next rows. A row that is being written is not there yet.
    pub(super) fn next(&mut self) -> io::Result<Piece> {
        let mut bytes = Vec::new();
        let length = self.file.metadata()?.len();
        let mut piece = PIECE;
        loop {
            self.file.seek(SeekFrom::Start(self.at))?;
            bytes.clear();
            (&mut self.file).take(u64::try_from(piece).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
            // Its rows are stored, and what it holds now are others'.
            if !self.path.exists() {
                return Ok(Piece::End(0));
            }
            let (rows, read) = frame::rows(&bytes);
            if !rows.is_empty() {
                self.at += u64::try_from(read).unwrap_or_default();
                return Ok(Piece::Rows(rows));
            }
            // Room that was taken for rows that never came.
            if bytes.iter().all(|byte| *byte == 0) {
                return Ok(Piece::End(0));
            }
            if bytes.len() < piece || piece > 4 * PIECE {
                return Ok(Piece::End(length.saturating_sub(self.at)));
            }
            piece *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::rows::line::tests::row;

    #[test]
    fn whoever_reads_a_file_does_not_read_on_in_the_next_use_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, left) = Journal::open(folder.path(), "n", u64::MAX).unwrap();
        assert!(left.is_empty());
        let text = Line::of(&row("r", 1)).text;
        let mut seq = 0;
        let mut fill = |journal: &mut Journal, files: usize| {
            while parts(folder.path()).unwrap().len() < files {
                for _ in 0..100 {
                    seq += 1;
                    journal.append([(seq, &*text)]).unwrap();
                }
            }
            seq
        };
        fill(&mut journal, 1);
        let path = parts(folder.path()).unwrap().remove(0).path;
        let mut reader = Reader::open(&path).unwrap();
        let Piece::Rows(rows) = reader.next().unwrap() else { panic!("no rows") };
        assert_eq!(rows.first().map(|(seq, _)| *seq), Some(1));
        fill(&mut journal, 2);
        let stored = journal.done.front().unwrap().last;
        for spare in journal.forget(stored).into_iter().filter_map(|done| Spare::of(done, true)) {
            journal.reuse(spare);
        }
        let last = fill(&mut journal, 2);
        let now = parts(folder.path()).unwrap().pop().unwrap();
        assert!(now.path != path, "the file is used again");
        assert!(matches!(reader.next().unwrap(), Piece::End(0)));
        // Who reads it by its present name finds the present rows, and those alone.
        let mut all = Vec::new();
        let mut reader = Reader::open(&now.path).unwrap();
        while let Piece::Rows(rows) = reader.next().unwrap() {
            all.extend(rows.into_iter().map(|(seq, _)| seq));
        }
        assert_eq!(all, (now.first..=last).collect::<Vec<_>>());
        journal.close(last);
        assert!(parts(folder.path()).unwrap().is_empty());
    }
}
