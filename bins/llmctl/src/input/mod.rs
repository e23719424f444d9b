//! From what is given on the command line to what a call needs.

pub(crate) mod database;
pub(crate) mod gateway;
pub(crate) mod image;
pub(crate) mod priced;
pub(crate) mod prompt;
pub(crate) mod tool;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context as _;
use bytes::BytesMut;
use futures_util::stream;
use llm_providers::form::FileStream;
use llm_types::{ApiError, Content, Stretch, Upload};
use tokio::io::AsyncReadExt as _;

/// The most that is read of a text from a file or standard input: more than any model takes.
const TEXT_LIMIT: u64 = 64 << 20;
/// The most that is read of a picture: as much as a gateway takes of all of them.
const MEDIA_LIMIT: u64 = 512 << 20;
/// How much of a file that is sent as it is read is read at once.
const CHUNK: usize = 64 << 10;

/// Reads to the end, within bounds.
fn bounded(source: impl Read, what: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(TEXT_LIMIT + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {what}"))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > TEXT_LIMIT) {
        anyhow::bail!("{what} is longer than {} MiB", TEXT_LIMIT >> 20);
    }
    Ok(bytes)
}

/// A picture in a file.
pub(crate) fn media(path: &Path) -> anyhow::Result<Vec<u8>> {
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
    // Room for all of it at once: it would be copied as it grows.
    let length = file.metadata().map(|data| data.len()).unwrap_or_default();
    if length > MEDIA_LIMIT {
        anyhow::bail!("{name} is longer than {} MiB", MEDIA_LIMIT >> 20);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(MEDIA_LIMIT).read_to_end(&mut bytes).with_context(|| format!("cannot read {name}"))?;
    Ok(bytes)
}

/// A file of any size, to be read while it is sent.
pub(crate) async fn stream(path: &Path) -> anyhow::Result<FileStream> {
    let shown = path.display().to_string();
    let unread = || format!("cannot read {shown}");
    let file = tokio::fs::File::open(path).await.with_context(unread)?;
    let data = file.metadata().await.with_context(unread)?;
    anyhow::ensure!(data.is_file(), "{shown} is no file");
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // As much as was announced, should it grow meanwhile.
    let rest = Box::pin(file.take(data.len()));
    let chunks = stream::try_unfold(rest, |mut rest| async move {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        let read = rest.read_buf(&mut chunk).await.map_err(|error| {
            ApiError::bad_request("the file cannot be read to its end").with_source(error)
        })?;
        Ok((read > 0).then(|| (chunk.freeze(), rest)))
    });
    Ok(FileStream { name, length: data.len(), data: Box::pin(chunks) })
}

/// Sound in a file of any size, which is read while it is sent.
pub(crate) fn sound(path: &Path) -> anyhow::Result<Upload<Content>> {
    let unread = || format!("cannot read {}", path.display());
    let sound = Stretch::whole(File::open(path).with_context(unread)?).with_context(unread)?;
    Ok(Upload::of(path.file_name().unwrap_or_default().to_string_lossy(), Content::from(sound)))
}

pub(crate) fn file(path: &Path) -> anyhow::Result<Vec<u8>> {
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
    bounded(file, &name)
}
