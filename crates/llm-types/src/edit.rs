//! Edits to the top-level members of a body, over its original bytes.
//!
//! `model` is replaced in place, a member renamed or left out, and every other byte goes through untouched.

use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::{Head, Segments};

/// What is to become of one member.
#[derive(Debug, Clone)]
enum Edit {
    Value(Bytes),
    Name(String),
    Remove,
}

/// A list of edits to the top-level members of a body.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    edits: SmallVec<[(usize, Edit); 4]>,
    added: SmallVec<[(String, Bytes); 2]>,
}

impl Edits {
    /// Replaces the value of a member with raw JSON, or adds the member.
    pub fn set(&mut self, head: &Head, name: &str, json: impl Into<Bytes>) {
        let json = json.into();
        match position(head, name) {
            Some(index) => self.edits.push((index, Edit::Value(json))),
            None => match self.added.iter_mut().find(|(added, _)| added == name) {
                Some((_, value)) => *value = json,
                None => self.added.push((name.to_owned(), json)),
            },
        }
    }

    /// Gives a member another name, keeping its value.
    pub fn rename(&mut self, head: &Head, from: &str, to: &str) {
        if let Some(index) = position(head, from) {
            self.edits.push((index, Edit::Name(to.to_owned())));
        }
    }

    /// Leaves a member out.
    pub fn remove(&mut self, head: &Head, name: &str) {
        if let Some(index) = position(head, name) {
            self.edits.push((index, Edit::Remove));
        }
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty() && self.added.is_empty()
    }

    /// The edited body. Untouched stretches are slices of the original, not copies.
    #[must_use]
    pub fn apply(&self, head: &Head) -> Segments {
        if self.is_empty() {
            return Segments::from(head.body().clone());
        }
        let mut out = Splicer { body: head.body(), run: 0..0, list: SmallVec::new() };
        let first = head.members().first().map_or_else(|| brace(head.body()), |member| member.start);
        out.copy(0..first);
        let mut last: Option<usize> = None;
        for (index, member) in head.members().iter().enumerate() {
            let edits = || self.edits.iter().filter(|(at, _)| *at == index).map(|(_, edit)| edit);
            if edits().any(|edit| matches!(edit, Edit::Remove)) {
                continue;
            }
            match last {
                Some(before) if before + 1 == index => {
                    let end = head.members().get(before).map_or(member.start, |before| before.value.end);
                    out.copy(end..member.start);
                }
                Some(_) => out.push(Bytes::from_static(b",")),
                None => {}
            }
            last = Some(index);
            let name = edits().find_map(|edit| match edit {
                Edit::Name(name) => Some(name),
                Edit::Value(_) | Edit::Remove => None,
            });
            match name {
                Some(name) => out.push(quoted(name)),
                None => out.copy(member.start..member.value.start),
            }
            let value = edits().filter_map(|edit| match edit {
                Edit::Value(value) => Some(value),
                Edit::Name(_) | Edit::Remove => None,
            });
            match value.last() {
                Some(value) => out.push(value.clone()),
                None => out.copy(member.value.clone()),
            }
        }
        for (index, (name, value)) in self.added.iter().enumerate() {
            if last.is_some() || index > 0 {
                out.push(Bytes::from_static(b","));
            }
            out.push(quoted(name));
            out.push(value.clone());
        }
        let tail = head.members().last().map_or_else(|| brace(head.body()), |member| member.value.end);
        out.copy(tail..head.body().len());
        out.finish()
    }
}

fn position(head: &Head, name: &str) -> Option<usize> {
    head.members().iter().position(|member| member.name == name)
}

/// The place just behind the opening brace.
fn brace(body: &[u8]) -> usize {
    body.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1)
}

/// `"name":`
fn quoted(name: &str) -> Bytes {
    let mut out = serde_json::to_vec(name).unwrap_or_default();
    out.push(b':');
    Bytes::from(out)
}

/// Joins neighbouring stretches of the original into one slice.
struct Splicer<'b> {
    body: &'b Bytes,
    run: Range<usize>,
    list: SmallVec<[Bytes; 4]>,
}

impl Splicer<'_> {
    fn copy(&mut self, range: Range<usize>) {
        if range.start == self.run.end && !self.run.is_empty() {
            self.run.end = range.end;
            return;
        }
        self.flush();
        self.run = range;
    }

    fn push(&mut self, bytes: Bytes) {
        self.flush();
        self.list.push(bytes);
    }

    fn flush(&mut self) {
        if !self.run.is_empty() {
            self.list.push(self.body.slice(self.run.clone()));
        }
        self.run = 0..0;
    }

    fn finish(mut self) -> Segments {
        self.flush();
        self.list.into_iter().collect()
    }
}
