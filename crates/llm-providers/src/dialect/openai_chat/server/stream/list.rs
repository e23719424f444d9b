//! Entries of lists that come one by one.
//!
//! OpenAI's SDKs put such lists together by the `index` of each entry, and give up on an entry that has
//! none as soon as the list has another.

use std::borrow::Cow;

use serde::Serialize;

use super::super::super::wire::{Open, Written};

/// What came of each list of one choice.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) images: u64,
    pub(super) blocks: u64,
    pub(super) annotations: u64,
    pub(super) opaque: u64,
    pub(super) citations: u64,
}

/// Counts one more entry; its number.
pub(super) fn next(count: &mut u64) -> u64 {
    let index = *count;
    *count = index.saturating_add(1);
    index
}

/// `entry` with its number, unless it has one of its own.
pub(super) fn numbered(index: u64, entry: &impl Serialize) -> Option<Written<'static>> {
    let plain = Written::json(entry)?;
    let index = Written::json(&index)?;
    let open: Open<'_> = serde_json::from_str(plain.get()).ok()?;
    if open.extra.get("index").is_some() {
        return Some(plain.clone());
    }
    let mut out = Open::default();
    out.extra.push(Cow::Borrowed("index"), &index.0);
    for (name, value) in open.extra.iter() {
        out.extra.push(Cow::Borrowed(name), value);
    }
    Written::json(&out)
}
