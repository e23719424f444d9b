//! From what is given on the command line to what a call needs.

pub(crate) mod database;
pub(crate) mod gateway;
pub(crate) mod image;
pub(crate) mod priced;
pub(crate) mod prompt;
pub(crate) mod tool;

use std::io::Read;
use std::path::Path;

use anyhow::Context as _;

/// The most that is read from a file or standard input: more than any model takes.
const LIMIT: u64 = 64 << 20;

/// Reads to the end, within bounds.
fn bounded(source: impl Read, what: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(LIMIT + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {what}"))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LIMIT) {
        anyhow::bail!("{what} is longer than 64 MiB");
    }
    Ok(bytes)
}

pub(crate) fn file(path: &Path) -> anyhow::Result<Vec<u8>> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {name}"))?;
    bounded(file, &name)
}
