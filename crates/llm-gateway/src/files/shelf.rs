//! The folder of `[files]`: files of batches for providers that keep none, and what is remembered of such batches.
//!
//! It may be shared by several gateways, so nothing of it is held in memory, and everything is written under another
//! name first: what has its own name is whole. A file is there once its description is.
//!
//! ```text
//! file_<id>            what a client sent
//! file_<id>.json       its description (`Stored`)
//! batch_<id>.json      what is remembered of a batch (`Record`)
//! batch_<id>.recalls   what readers of its answers have to know, where there is anything
//! ```

#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::BytesMut;
use futures_util::stream;
use jiff::Timestamp;
use llm_config::Files;
use llm_providers::bulk::inline::{Recalls, Record};
use llm_providers::transport::ByteStream;
use llm_types::{ApiError, ErrorKind, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::spawn_blocking;

/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1024;
/// The longest description that is read, in bytes.
const DESCRIPTION: u64 = 1024 * 1024;
/// The most that has to be known of the requests of a batch, in bytes.
const RECALLS: u64 = 64 * 1024 * 1024;
/// How long a batch is remembered at least: so long it may be looked for, to be booked.
const BATCH_LEAST: Duration = Duration::from_secs(5 * 24 * 60 * 60);
/// How long something may be on its way: what is older was left by a gateway that is gone.
const LEFT: Duration = Duration::from_secs(24 * 60 * 60);
const FILE: &str = "file_";
const BATCH: &str = "batch_";

/// The folder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shelf {
    dir: PathBuf,
    keep: Duration,
    max: u64,
}

/// A file, as its client sees it but for its name, which holds a seal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Object {
    pub(super) id: String,
    pub(super) object: String,
    pub(super) bytes: u64,
    pub(super) created_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<i64>,
    pub(super) filename: String,
    pub(super) purpose: String,
    pub(super) status: String,
}

/// What is known of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stored {
    /// The word of the deployment that it was sent for.
    pub(super) owner: String,
    pub(super) file: Object,
}

/// What a client says of its file.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) owner: String,
    pub(super) filename: String,
    pub(super) purpose: String,
    /// How long it is wanted, in seconds.
    pub(super) wanted: Option<i64>,
}

/// A file on its way into the folder. Dropped, it leaves nothing.
#[derive(Debug)]
pub(super) struct Incoming {
    shelf: Arc<Shelf>,
    id: String,
    file: tokio::fs::File,
    part: PathBuf,
    size: u64,
    /// How much of it there is room for.
    room: u64,
}

impl Shelf {
    /// The folder of a configuration, made if it is not there; `None`: there is to be none.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn of(config: &Files) -> Result<Option<Arc<Self>>> {
        let Files { dir, keep, max_bytes } = config;
        let Some(dir) = dir else { return Ok(None) };
        made(dir).map_err(|error| {
            let message = format!("files.dir: {} cannot be made: {error}", dir.display());
            ApiError::bad_request(message).with_source(error)
        })?;
        let max = u64::try_from(*max_bytes).unwrap_or(u64::MAX);
        Ok(Some(Arc::new(Self { dir: dir.clone(), keep: *keep, max })))
    }

    /// Begins a file.
    ///
    /// # Errors
    /// 413 where there is no room.
    pub(super) async fn begin(self: &Arc<Self>) -> Result<Incoming> {
        let own = Arc::clone(self);
        let used = blocking(move || own.used()).await?;
        let room = self.max.saturating_sub(used);
        let id = format!("{FILE}{}", uuid::Uuid::now_v7().simple());
        let part = self.part(&id);
        let path = part.clone();
        let file = tokio::fs::File::from_std(blocking(move || private().create_new(true).open(path)).await?);
        Ok(Incoming { shelf: Arc::clone(self), id, file, part, size: 0, room })
    }

    /// What is known of a file.
    ///
    /// # Errors
    /// 404 for one that is not there.
    pub(super) async fn file(self: &Arc<Self>, id: &str) -> Result<Stored> {
        check(id)?;
        let (own, name) = (Arc::clone(self), format!("{id}.json"));
        let stored = blocking(move || own.read::<Stored>(&name, DESCRIPTION)).await?;
        stored.filter(|stored| !stored.is_expired()).ok_or_else(|| gone(id))
    }

    /// What a file holds, and how long it is.
    ///
    /// # Errors
    /// 404 for one that is not there.
    pub(super) async fn content(self: &Arc<Self>, id: &str) -> Result<(ByteStream, u64)> {
        let length = self.file(id).await?.file.bytes;
        let file = match tokio::fs::File::open(self.dir.join(id)).await {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(gone(id)),
            Err(error) => return Err(fault(&error)),
        };
        let content = stream::unfold(Some(file), |file| async move {
            let mut file = file?;
            let mut chunk = BytesMut::with_capacity(CHUNK);
            match file.read_buf(&mut chunk).await {
                Ok(0) => None,
                Ok(_) => Some((Ok(chunk.freeze()), Some(file))),
                Err(error) => Some((Err(fault(&error)), None)),
            }
        });
        Ok((Box::pin(content), length))
    }

    /// Deletes a file.
    ///
    /// # Errors
    /// 404 for one that is not there.
    pub(super) async fn delete(self: &Arc<Self>, id: &str) -> Result<()> {
        self.file(id).await?;
        let (own, id) = (Arc::clone(self), id.to_owned());
        // Its description goes first: without it there is no file.
        blocking(move || {
            own.remove(&format!("{id}.json"))?;
            own.remove(&id)
        })
        .await
    }

    /// The next files behind this one, newest first, and whether there are more.
    pub(super) async fn page(
        self: &Arc<Self>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Stored>, bool)> {
        let (own, after) = (Arc::clone(self), after.map(str::to_owned));
        blocking(move || {
            let mut ids: Vec<String> = Vec::new();
            own.each(|name, _| {
                let id = name.strip_suffix(".json").filter(|id| is_file(id));
                // Ids begin with the time: the newest is the last by name.
                let behind = |id: &&str| after.as_deref().is_none_or(|after| **id < *after);
                ids.extend(id.filter(behind).map(str::to_owned));
            })?;
            ids.sort_unstable_by(|one, two| two.cmp(one));
            let more = ids.len() > limit;
            ids.truncate(limit);
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                found.extend(own.described(&id)?.filter(|stored| !stored.is_expired()));
            }
            Ok((found, more))
        })
        .await
    }

    /// Remembers a batch.
    pub(super) async fn remember(
        self: &Arc<Self>,
        batch: &str,
        record: Record,
        recalls: Recalls,
    ) -> Result<()> {
        let name = batch_name(batch).ok_or_else(|| gone(batch))?;
        let own = Arc::clone(self);
        blocking(move || {
            if !recalls.is_trivial() {
                own.put(&format!("{name}.recalls"), &recalls)?;
            }
            own.put(&format!("{name}.json"), &record)
        })
        .await
    }

    /// What is remembered of a batch; `None`: nothing.
    pub(super) async fn record(self: &Arc<Self>, batch: &str) -> Result<Option<Record>> {
        let Some(name) = batch_name(batch) else { return Ok(None) };
        let own = Arc::clone(self);
        blocking(move || own.read(&format!("{name}.json"), DESCRIPTION)).await
    }

    /// What readers of the answers of a batch have to know.
    pub(super) async fn recalls(self: &Arc<Self>, batch: &str) -> Result<Recalls> {
        let Some(name) = batch_name(batch) else { return Ok(Recalls::default()) };
        let own = Arc::clone(self);
        let found = blocking(move || own.read(&format!("{name}.recalls"), RECALLS)).await?;
        Ok(found.unwrap_or_default())
    }

    /// Removes what is too old, and what gateways left that are gone. Returns how many there were. Blocks.
    pub(crate) fn sweep(&self, now: SystemTime) -> io::Result<usize> {
        let (mut old, mut files) = (Vec::new(), Vec::new());
        self.each(|name, entry| {
            let changed = entry.metadata().and_then(|known| known.modified());
            let age = changed.ok().and_then(|changed| now.duration_since(changed).ok()).unwrap_or_default();
            let bound = match name {
                name if is_part(name) => LEFT.min(self.keep),
                name if name.starts_with(BATCH) => self.keep.max(BATCH_LEAST),
                _ => self.keep,
            };
            if age > bound {
                old.push(name.to_owned());
            } else if let Some(id) = name.strip_suffix(".json").filter(|id| is_file(id)) {
                files.push(id.to_owned());
            }
        })?;
        for id in files {
            if self.described(&id)?.is_some_and(|one| one.is_expired()) {
                old.extend([format!("{id}.json"), id]);
            }
        }
        for name in &old {
            self.remove(name)?;
        }
        Ok(old.len())
    }

    /// What all that lies in the folder takes.
    fn used(&self) -> io::Result<u64> {
        let mut used: u64 = 0;
        self.each(|_, entry| used = used.saturating_add(entry.metadata().map_or(0, |known| known.len())))?;
        Ok(used)
    }

    /// Shows everything that is ours in the folder: it may hold other things as well.
    fn each(&self, mut show: impl FnMut(&str, &fs::DirEntry)) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let bare = name.strip_suffix(".json").or_else(|| name.strip_suffix(".recalls")).unwrap_or(name);
            if is_file(bare) || (bare != name && bare.starts_with(BATCH)) || is_part(name) {
                show(name, &entry);
            }
        }
        Ok(())
    }

    fn part(&self, name: &str) -> PathBuf {
        self.dir.join(format!(".{name}.part"))
    }

    fn read<T: DeserializeOwned>(&self, name: &str, limit: u64) -> io::Result<Option<T>> {
        let file = match fs::File::open(self.dir.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        serde_json::from_slice(&bytes).map(Some).map_err(io::Error::from)
    }

    /// What is known of a file; nothing where its description is broken, so that it stands in nobody's way.
    fn described(&self, id: &str) -> io::Result<Option<Stored>> {
        use io::ErrorKind as K;
        match self.read::<Stored>(&format!("{id}.json"), DESCRIPTION) {
            Err(error) if matches!(error.kind(), K::InvalidData | K::UnexpectedEof) => {
                tracing::warn!(%error, file = id, "a description in the folder of [files] cannot be read");
                Ok(None)
            }
            other => other,
        }
    }

    fn put(&self, name: &str, what: &impl Serialize) -> io::Result<()> {
        let part = self.part(name);
        let mut file = private().create(true).truncate(true).open(&part)?;
        file.write_all(&serde_json::to_vec(what)?)?;
        file.sync_all()?;
        self.name(&part, name)
    }

    /// Gives something its own name, for good.
    fn name(&self, part: &Path, name: &str) -> io::Result<()> {
        fs::rename(part, self.dir.join(name))?;
        // The name is kept by the folder.
        fs::File::open(&self.dir)?.sync_all()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Stored {
    fn is_expired(&self) -> bool {
        self.file.expires_at.is_some_and(|until| until <= Timestamp::now().as_second())
    }
}

impl Incoming {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// 413 where there is no room.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.size = self.size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.size > self.room {
            return Err(no_room());
        }
        self.file.write_all(bytes).await.map_err(|error| fault(&error))
    }

    /// Keeps it, once it is on the disk.
    pub(super) async fn keep(mut self, told: Told) -> Result<Object> {
        self.file.flush().await.map_err(|error| fault(&error))?;
        self.file.sync_all().await.map_err(|error| fault(&error))?;
        // Others have come meanwhile.
        let shelf = Arc::clone(&self.shelf);
        if blocking(move || shelf.used()).await? > self.shelf.max {
            return Err(no_room());
        }
        let Told { owner, filename, purpose, wanted } = told;
        let created_at = Timestamp::now().as_second();
        let file = Object {
            id: self.id.clone(),
            object: "file".to_owned(),
            bytes: self.size,
            created_at,
            expires_at: wanted.map(|wanted| created_at.saturating_add(wanted)),
            filename,
            purpose,
            status: "processed".to_owned(),
        };
        let stored = Stored { owner, file: file.clone() };
        let (shelf, part, id) = (Arc::clone(&self.shelf), self.part.clone(), self.id.clone());
        blocking(move || {
            shelf.name(&part, &id)?;
            shelf.put(&format!("{id}.json"), &stored)
        })
        .await?;
        Ok(file)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // One that is kept has another name by now; what cannot be removed is swept later.
        let _ = fs::remove_file(&self.part);
    }
}

/// A file that is written to: what clients ask is nobody else's business.
fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn no_room() -> ApiError {
    let message = "there is no room for the file: delete others, or raise files.max_bytes";
    ApiError::new(ErrorKind::TooLarge, message).with_param("file")
}

#[cfg(unix)]
fn made(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    // What clients ask is nobody else's business.
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(not(unix))]
fn made(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

fn is_file(name: &str) -> bool {
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    name.strip_prefix(FILE).is_some_and(|id| id.len() == 32 && id.bytes().all(hex))
}

fn is_part(name: &str) -> bool {
    let own = name.strip_prefix('.').and_then(|name| name.strip_suffix(".part"));
    own.is_some_and(|own| own.starts_with(FILE) || own.starts_with(BATCH))
}

/// Under which name a batch is remembered; `None`: its id is none that can be a name.
fn batch_name(id: &str) -> Option<String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (!id.is_empty() && id.len() <= 128 && id.bytes().all(good)).then(|| format!("{BATCH}{id}"))
}

fn check(id: &str) -> Result<()> {
    if is_file(id) { Ok(()) } else { Err(gone(id)) }
}

fn gone(id: &str) -> ApiError {
    let message = format!("there is no file `{id}`: it was deleted, or it is older than files.keep");
    ApiError::new(ErrorKind::NotFound, message).with_param("file_id").with_code("not_found")
}

/// What is wrong with the folder. Where it is, is told to the log alone.
fn fault(error: &io::Error) -> ApiError {
    tracing::error!(%error, "the folder of [files] cannot be used");
    ApiError::new(ErrorKind::Unavailable, "the gateway's folder of files cannot be used at the moment")
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    let done = spawn_blocking(work).await.map_err(io::Error::other);
    done.and_then(|done| done).map_err(|error| fault(&error))
}
