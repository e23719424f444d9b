//! The task that writes rows to the database: what earlier lives left, then what comes, batch by batch, until it works.

use std::collections::VecDeque;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Shared;
use super::outbox::Work;
use crate::sql::error::SqlError;
use crate::sql::rows::journal::{Part, Piece, Reader, parts};
use crate::sql::rows::line::Line;
use crate::sql::rows::pack::Pack;
use crate::sql::rows::status::add;
use crate::sql::store::SqlStore;

/// After a first failure; twice as long after each further one.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(5);

/// What the task needs to know.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) folder: PathBuf,
    pub(super) node: String,
    pub(super) collect: Duration,
    pub(super) batch: usize,
    pub(super) left: Vec<Part>,
}

/// Writes rows to the database until the writer is drained or dropped.
#[derive(Debug)]
#[must_use = "rows are only stored while this runs"]
pub struct RowTask {
    store: SqlStore,
    shared: Arc<Shared>,
    settings: Settings,
    /// Where reading back is.
    reading: Option<(PathBuf, Reader)>,
    read: VecDeque<(u64, Line)>,
}

/// The writer was stopped while the database was away.
struct Stopped;

impl RowTask {
    pub(super) fn new(store: SqlStore, shared: Arc<Shared>, settings: Settings) -> Self {
        Self { store, shared, settings, reading: None, read: VecDeque::new() }
    }

    /// Runs until the writer is drained or dropped. It can be dropped at any time: what is not stored is in the
    /// journal.
    pub async fn run(mut self) {
        let _ = self.work().await;
    }

    async fn work(&mut self) -> Result<(), Stopped> {
        for part in std::mem::take(&mut self.settings.left) {
            self.replay(&part).await?;
        }
        loop {
            match self.shared.outbox.next() {
                Work::Rows(pack) => {
                    self.store(&pack).await?;
                    self.shared.outbox.recycle(pack);
                }
                Work::Journal(first, last) => self.read_back(first, last).await?,
                Work::None => self.collect().await,
                Work::Over => return Ok(()),
            }
        }
    }

    /// Waits for rows, and for more to come with them.
    async fn collect(&self) {
        let outbox = &self.shared.outbox;
        outbox.wait().await;
        let enough = async {
            while !outbox.is_urgent() {
                outbox.wait().await;
            }
        };
        let _ = timeout(self.settings.collect, enough).await;
    }

    /// Stores what an earlier life has left, and removes the file.
    async fn replay(&mut self, part: &Part) -> Result<(), Stopped> {
        let Ok(mut reader) = Reader::open(&part.path) else { return Ok(()) };
        let mark = self.mark(&part.node).await?;
        let torn = loop {
            let (back, piece) = read(reader).await;
            match piece {
                Some(Piece::Rows(rows)) => {
                    let new: Vec<_> = rows.into_iter().filter(|(seq, _)| *seq > mark).collect();
                    let mut rest = new;
                    while !rest.is_empty() {
                        let later = rest.split_off(rest.len().min(self.settings.batch));
                        add(&self.shared.counters.replayed, rest.len());
                        self.write(&part.node, &pack(&rest)).await?;
                        rest = later;
                    }
                }
                Some(Piece::End(bytes)) => break bytes,
                // The file can't be read now; it stays for the next start.
                None => return Ok(()),
            }
            let Some(back) = back else { return Ok(()) };
            reader = back;
        };
        if torn == 0 {
            let _ = std::fs::remove_file(&part.path);
        } else {
            let path = part.path.display();
            tracing::warn!(%path, bytes = torn, "the journal's end is no row: it was cut off in the middle; the file is kept as .torn");
            let _ = std::fs::rename(&part.path, part.path.with_extension("torn"));
        }
        Ok(())
    }

    /// Stores a pack of this life.
    async fn store(&self, pack: &Pack) -> Result<(), Stopped> {
        let refused = self.write(&self.settings.node, pack).await?;
        let Shared { outbox, counters, inbox, progress, .. } = &*self.shared;
        outbox.store(pack.last().unwrap_or_default());
        add(&counters.stored, pack.len() - refused);
        inbox.poke();
        progress.notify_waiters();
        Ok(())
    }

    /// Reads rows back that memory was too small for.
    async fn read_back(&mut self, first: u64, last: u64) -> Result<(), Stopped> {
        if self.read.is_empty() {
            self.fill(first).await;
        }
        // What the thread has written since `last` was read waits for its turn.
        let known = self.read.iter().take_while(|(seq, _)| *seq <= last).count();
        let count = known.min(self.settings.batch);
        let rows: Vec<_> = self.read.drain(..count).collect();
        let Some(next) = rows.last().map(|(seq, _)| *seq + 1) else {
            // Not skipped: what is not stored must not be forgotten.
            self.reading = None;
            let lost = std::io::Error::other(format!("rows {first} to {last} cannot be read back"));
            let folder = self.settings.folder.display().to_string();
            let mut pause = LONGEST;
            return self.away(&SqlError::Journal { folder, source: lost }, &mut pause).await;
        };
        self.store(&pack(&rows)).await?;
        self.shared.outbox.read_back(next);
        Ok(())
    }

    /// Reads on in the journal. The file grows meanwhile: rows beyond those that are looked for are kept, for the reader
    /// does not come by them again.
    async fn fill(&mut self, first: u64) {
        loop {
            if self.reading.is_none() {
                let Some(part) = self.part_with(first) else { return };
                self.reading = Reader::open(&part).ok().map(|reader| (part, reader));
            }
            let Some((path, reader)) = self.reading.take() else { return };
            let (reader, piece) = read(reader).await;
            match piece {
                Some(Piece::Rows(rows)) => {
                    self.reading = reader.map(|reader| (path, reader));
                    self.read.extend(rows.into_iter().filter(|(seq, _)| *seq >= first));
                    if !self.read.is_empty() {
                        return;
                    }
                }
                Some(Piece::End(_)) | None => {
                    // On to the file that begins with the row that is looked for, unless it is this one.
                    if self.part_with(first).is_none_or(|next| next == path) {
                        return;
                    }
                }
            }
        }
    }

    /// The file of this life with this row.
    fn part_with(&self, row: u64) -> Option<PathBuf> {
        let parts = parts(&self.settings.folder).ok()?;
        let mut own = parts.into_iter().filter(|part| part.node == self.settings.node && part.first <= row);
        own.next_back().map(|part| part.path)
    }

    async fn mark(&self, node: &str) -> Result<u64, Stopped> {
        let mut pause = PAUSE;
        loop {
            match self.store.journal_mark(node).await {
                Ok(mark) => return Ok(mark),
                Err(error) => self.away(&error, &mut pause).await?,
            }
        }
    }

    /// Writes a pack until it is stored; says how many rows the database refused.
    async fn write(&self, node: &str, pack: &Pack) -> Result<usize, Stopped> {
        let mut pause = PAUSE;
        loop {
            match self.store.write_rows(node, pack).await {
                Ok(new) => {
                    *self.shared.counters.store_away.lock() = None;
                    add(&self.shared.counters.duplicates, pack.len() - new);
                    return Ok(0);
                }
                Err(error) if error.is_refusal() => return self.one_by_one(node, pack).await,
                Err(error) => self.away(&error, &mut pause).await?,
            }
        }
    }

    /// Finds the rows that the database refuses, and puts them aside.
    async fn one_by_one(&self, node: &str, pack: &Pack) -> Result<usize, Stopped> {
        let (mut refused, mut pause) = (0, PAUSE);
        for (seq, text) in pack.texts() {
            // It was written by this very code.
            let Ok(line) = Line::read(text) else { continue };
            let one = Pack::of([(seq, line.entry())]);
            loop {
                match self.store.write_rows(node, &one).await {
                    Ok(new) => add(&self.shared.counters.duplicates, 1 - new.min(1)),
                    Err(error) if error.is_refusal() => {
                        let request = &*line.request;
                        tracing::error!(request, %error, "the store refuses a usage row: it is in refused.jsonl");
                        put_aside(&self.settings.folder, &line);
                        refused += 1;
                    }
                    Err(error) => {
                        self.away(&error, &mut pause).await?;
                        continue;
                    }
                }
                break;
            }
        }
        add(&self.shared.counters.refused, refused);
        Ok(refused)
    }

    /// The database is away: waits a little, unless the writer ends.
    async fn away(&self, error: &SqlError, pause: &mut Duration) -> Result<(), Stopped> {
        let Shared { counters, outbox, .. } = &*self.shared;
        let known = counters.store_away.lock().replace(error.to_string());
        if known.is_none() {
            tracing::warn!(%error, "usage rows cannot be stored: they wait in the journal");
        }
        if outbox.is_stopped() {
            return Err(Stopped);
        }
        let stopped = async {
            while !outbox.is_stopped() {
                outbox.wait().await;
            }
        };
        tokio::select! {
            () = sleep(*pause) => {}
            () = stopped => return Err(Stopped),
        }
        *pause = (*pause * 2).min(LONGEST);
        Ok(())
    }
}

fn pack(rows: &[(u64, Line)]) -> Pack {
    Pack::of(rows.iter().map(|(seq, line)| (*seq, line.entry())))
}

/// Reads on where waiting does no harm.
async fn read(mut reader: Reader) -> (Option<Reader>, Option<Piece>) {
    let read = tokio::task::spawn_blocking(move || {
        let piece = reader.next();
        (reader, piece)
    });
    match read.await {
        Ok((reader, Ok(piece))) => (Some(reader), Some(piece)),
        Ok((reader, Err(_))) => (Some(reader), None),
        Err(_) => (None, None),
    }
}

fn put_aside(folder: &Path, row: &Line) {
    let line = [&*row.text, b"\n"].concat();
    let file = std::fs::OpenOptions::new().append(true).create(true).open(folder.join("refused.jsonl"));
    if let Err(error) = file.and_then(|mut file| file.write_all(&line)) {
        tracing::error!(request = &*row.request, %error, "a refused usage row cannot be put aside");
    }
}
