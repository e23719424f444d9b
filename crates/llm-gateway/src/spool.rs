//! Large forms: what their files hold goes to the disk as it comes, and stays there until nobody needs it.
//!
//! A file to be transcribed cannot go straight on. The model may stand behind it in the form, its cost is bounded by how long
//! the sound is, and whoever is asked after the first has failed needs it again, perhaps in another form. So it is put by
//! where it takes no memory: in a file without a name, which is gone when the last who reads it is.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request};
use http_body::Body;
use llm_providers::form::{FieldHead, Parts, Piece};
use llm_types::{ApiError, ErrorKind, Result, Stretch};
use tokio::task::spawn_blocking;
use tokio::time::timeout_at;

use crate::intake::{BodyMemory, BodyShare, Bounds, Coming};

/// Up to about this size a form stays in memory, in bytes.
const LARGE: usize = 1024 * 1024;
/// How much is written at once, in bytes.
const CHUNK: usize = 256 * 1024;

/// Where files are put by.
#[derive(Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
    /// What is larger is put by, in bytes.
    large: usize,
    /// It was said that there is no place.
    told: AtomicBool,
}

/// A form that has been read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) headers: HeaderMap,
    /// All of it; what its files hold is left out where that lies in `files`.
    pub(crate) body: Bytes,
    /// What its files hold, in their order.
    pub(crate) files: Vec<Stretch>,
    pub(crate) share: BodyShare,
}

impl From<(HeaderMap, Bytes, BodyShare)> for Read {
    fn from((headers, body, share): (HeaderMap, Bytes, BodyShare)) -> Self {
        Self { headers, body, files: Vec::new(), share }
    }
}

impl Spool {
    /// In this folder, or where the system has its temporary files.
    pub(crate) fn of(folder: Option<&Path>) -> Self {
        let folder = folder.map_or_else(std::env::temp_dir, Path::to_path_buf);
        Self { folder, large: LARGE, told: AtomicBool::new(false) }
    }

    /// The same one, where nothing has changed: what was said once is not said again.
    pub(crate) fn or_before(self, before: Option<&Arc<Self>>) -> Arc<Self> {
        match before.filter(|before| before.folder == self.folder) {
            Some(before) => Arc::clone(before),
            None => Arc::new(self),
        }
    }

    /// A file without a name; `None`: none can be made.
    async fn open(&self) -> Option<Arc<File>> {
        let folder = self.folder.clone();
        let made = spawn_blocking(move || tempfile::tempfile_in(folder)).await;
        match made.map_err(io::Error::other).flatten() {
            Ok(file) => Some(Arc::new(file)),
            Err(error) => {
                if !self.told.swap(true, Ordering::Relaxed) {
                    let folder = self.folder.display();
                    tracing::warn!(
                        %folder, %error,
                        "no file can be made for large uploads, so they are held in memory: set server.spool to a folder that can be written"
                    );
                }
                None
            }
        }
    }

    /// Reads a form within `bounds`.
    ///
    /// # Errors
    /// As [`crate::intake::read`]; of a large one also 400 for what is no form, and 503 when there is no room for it.
    pub(crate) async fn read<B>(
        &self,
        request: Box<Request<B>>,
        bounds: Bounds,
        memory: &BodyMemory,
    ) -> Result<Read>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let mut coming = Coming::of(request, bounds)?;
        let (share, mut held) = (memory.share(), coming.held());
        let is_announced = coming.announced().is_some_and(|size| size > self.large);
        while !is_announced && held.len() <= self.large {
            let Some(data) = coming.next().await? else {
                let (headers, body) = (coming.into_headers(), held.into_bytes());
                return Ok((headers, body, share).into());
            };
            held.take(data, &share)?;
        }
        let Some(file) = self.open().await else {
            let body = coming.rest(held, &share).await?;
            return Ok((coming.into_headers(), body, share).into());
        };
        let mut parts = Parts::of(coming.headers())?;
        let buffer = Vec::with_capacity(CHUNK);
        let mut form = Form::new(Writer { spool: self, file, buffer, at: 0, deadline: bounds.deadline });
        share.shrink(held.len());
        parts.feed(&held.into_bytes());
        loop {
            while let Some(piece) = parts.next_piece()? {
                form.take(piece, &parts, &share).await?;
            }
            // What stands behind the last boundary means nothing, and is read all the same.
            match coming.next().await? {
                Some(data) if !parts.is_over() => parts.feed(&data),
                Some(_) => {}
                None if parts.is_over() => break,
                None => {
                    return Err(ApiError::bad_request("the form breaks off: its last boundary is missing"));
                }
            }
        }
        let (body, files) = form.finish(&parts).await?;
        Ok(Read { headers: coming.into_headers(), body, files, share })
    }

    fn unwritten(&self, error: &io::Error) -> ApiError {
        let folder = self.folder.display();
        tracing::warn!(%folder, %error, "an upload cannot be written: make room in this folder, or set server.spool to another one");
        let message = "the gateway cannot store this upload now: try again later, or send a smaller file; its operator \
            makes room where uploads are kept (server.spool)";
        ApiError::new(ErrorKind::Unavailable, message).with_code("upload_not_stored")
    }
}

/// A form of which the files are put by, and the rest is written down.
struct Form<'s> {
    writer: Writer<'s>,
    body: BytesMut,
    /// Where each file begins, and how long it is.
    files: Vec<(u64, usize)>,
    in_file: bool,
}

impl<'s> Form<'s> {
    fn new(writer: Writer<'s>) -> Self {
        Self { writer, body: BytesMut::new(), files: Vec::new(), in_file: false }
    }

    async fn take(&mut self, piece: Piece, parts: &Parts, share: &BodyShare) -> Result<()> {
        let before = self.body.len();
        match piece {
            Piece::Begin(FieldHead { name: _, file, raw }) => {
                self.in_file = file.is_some();
                if self.in_file {
                    self.files.push((self.writer.end(), 0));
                }
                self.write(&[b"--", parts.boundary().as_bytes(), b"\r\n", &raw, b"\r\n\r\n"]);
            }
            Piece::Data(data) => match self.files.last_mut().filter(|_| self.in_file) {
                Some((_, length)) => {
                    *length += data.len();
                    share.store(data.len())?;
                    self.writer.add(&data).await?;
                }
                None => self.write(&[&data]),
            },
            Piece::End => self.write(&[b"\r\n"]),
        }
        match self.body.len() - before {
            // Whoever needs no more memory has no part in whether there is any.
            0 => Ok(()),
            more => share.grow(more),
        }
    }

    fn write(&mut self, texts: &[&[u8]]) {
        texts.iter().for_each(|text| self.body.extend_from_slice(text));
    }

    /// The form without what its files hold, and that.
    async fn finish(mut self, parts: &Parts) -> Result<(Bytes, Vec<Stretch>)> {
        self.write(&[b"--", parts.boundary().as_bytes(), b"--\r\n"]);
        self.writer.flush().await?;
        let Self { writer: Writer { file, .. }, body, files, in_file: _ } = self;
        let stretch = |(at, length)| Stretch::new(Arc::clone(&file), at, length);
        Ok((body.freeze(), files.into_iter().map(stretch).collect()))
    }
}

/// Writes to a file, by chunks, where waiting for a disk holds nobody up.
struct Writer<'s> {
    spool: &'s Spool,
    file: Arc<File>,
    buffer: Vec<u8>,
    /// How much is written.
    at: u64,
    /// When all of it must be.
    deadline: Instant,
}

impl Writer<'_> {
    /// Where the next byte goes.
    fn end(&self) -> u64 {
        self.at.saturating_add(u64::try_from(self.buffer.len()).unwrap_or(u64::MAX))
    }

    async fn add(&mut self, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            let (now, later) = data.split_at(data.len().min(CHUNK.saturating_sub(self.buffer.len())));
            self.buffer.extend_from_slice(now);
            data = later;
            if self.buffer.len() >= CHUNK {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        let at = self.end();
        let (file, mut buffer) = (Arc::clone(&self.file), std::mem::take(&mut self.buffer));
        let written = spawn_blocking(move || {
            (&*file).write_all(&buffer)?;
            buffer.clear();
            io::Result::Ok(buffer)
        });
        // A disk that hangs keeps its thread, and nobody else.
        let written = match timeout_at(self.deadline.into(), written).await {
            Ok(written) => written.map_err(io::Error::other).flatten(),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        self.buffer = written.map_err(|error| self.spool.unwritten(&error))?;
        self.at = at;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
