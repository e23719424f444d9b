//! The journal: a folder of files, each with rows of one life of a node.
//!
//! A file is named after the life and the number of its first row, and is removed once its rows are stored. What is
//! not stored when the process ends is found by the next one, which books it on the life that it is of. One process
//! has the folder for itself.

mod disk;
mod frame;
mod segment;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use disk::Disk;
use segment::Segment;

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
    /// Those before the present one, the oldest first: last row, length.
    done: VecDeque<(PathBuf, u64, u64)>,
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
                let disk = Disk::create(&path, more)?;
                none.insert((path, Segment::new(disk)))
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
            self.done.push_back((path, self.last, segment.length()));
        }
    }

    /// How long its files are together.
    pub(super) fn bytes(&self) -> u64 {
        let now = self.now.as_ref().map_or(0, |(_, segment)| segment.length());
        self.done.iter().fold(now, |sum, (_, _, length)| sum.saturating_add(*length))
    }

    /// Removes what is stored up to this row.
    pub(super) fn forget(&mut self, stored: u64) {
        let worth = self.now.as_ref().is_some_and(|(_, segment)| segment.length() >= WORTH);
        if (worth || self.full) && self.last <= stored {
            self.finish();
        }
        while let Some((path, ..)) = self.done.front().filter(|(_, last, _)| *last <= stored) {
            // One that stays is found at the next start, and its rows are known by then.
            let _ = fs::remove_file(path);
            self.done.pop_front();
        }
    }

    /// Ends this life; removes everything if all is stored.
    pub(super) fn close(mut self, stored: u64) {
        self.finish();
        self.forget(stored);
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
        Ok(Self { file: File::open(path)?, at: 0 })
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
