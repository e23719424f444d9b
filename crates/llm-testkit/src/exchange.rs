//! Recorded exchanges as plain JSON, for the tests of a codec: they read what they need by themselves.

#![expect(clippy::panic, reason = "only tests call it, and they fail with its words")]

use std::path::PathBuf;

use serde_json::Value;

use crate::recording::{own_folder, shared_folder};

/// Whether the large set of recordings is there. A clone without it plays our own small set, which holds
/// too little for statements on how many there are, or on one of the large set by its name.
#[must_use]
pub fn is_complete() -> bool {
    shared_folder().is_some()
}

/// The exchanges of a wire API with some providers, or with any where none is named: `provider/file`, and
/// the whole recording. From the large set where it is there, else from our own.
///
/// # Panics
/// When a file can't be read, or when the large set holds nothing of the kind.
#[must_use]
pub fn exchanges(operation: &str, providers: &[&str]) -> Vec<(String, Value)> {
    let files = folders(providers).into_iter().flat_map(|folder| list(&folder));
    let mut out: Vec<(String, Value)> = files.filter_map(|file| read(&file, operation)).collect();
    assert!(!is_complete() || !out.is_empty(), "no recording of {operation} with any of {providers:?}");
    out.sort_by(|a, b| a.0.cmp(&b.0));
    out
}

fn folders(providers: &[&str]) -> Vec<PathBuf> {
    let root = shared_folder().unwrap_or_else(own_folder);
    let all = list(&root).into_iter().filter(|path| path.is_dir());
    let wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        providers.is_empty() || providers.iter().any(|provider| name == *provider)
    };
    all.filter(wanted).collect()
}

fn list(folder: &PathBuf) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .map(|entry| entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).path())
        .collect()
}

fn read(file: &PathBuf, operation: &str) -> Option<(String, Value)> {
    let text = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let all: Value =
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let name = format!("{}/{}", all["provider"].as_str()?, file.file_stem()?.to_string_lossy());
    (all["operation"] == operation).then_some((name, all))
}
