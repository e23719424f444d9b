//! Mistakes in a request, told in Anthropic's words: `messages.1.content.0.source: …`.
//!
//! Reading goes in one pass, whose errors know a line and a column but no name. Only when it fails the
//! request is looked at again, member by member, until the smallest piece that cannot be read is found.

use std::fmt;

use llm_types::{ApiError, RawValue, wire_struct};

use super::super::wire::{Block, Message, Request, Tool};

/// Where in a request something is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'p> {
    /// A member of the request.
    Member(&'static str),
    /// An element of a list.
    Index(&'p Place<'p>, usize),
    /// A member of what is there.
    Key(&'p Place<'p>, &'static str),
}

impl<'p> Place<'p> {
    /// An element of the list that is here.
    pub(super) fn index(&'p self, index: usize) -> Place<'p> {
        Place::Index(self, index)
    }

    /// A member of what is here.
    pub(super) fn key(&'p self, name: &'static str) -> Place<'p> {
        Place::Key(self, name)
    }

    /// The member is missing.
    pub(super) fn missing(&self) -> ApiError {
        self.wrong("Field required")
    }

    /// What is here is not what it should be.
    pub(super) fn wrong(&self, what: &str) -> ApiError {
        let path = self.to_string();
        ApiError::bad_request(format!("{path}: {what}")).with_param(path)
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(name) => f.write_str(name),
            Self::Index(parent, index) => write!(f, "{parent}.{index}"),
            Self::Key(parent, name) => write!(f, "{parent}.{name}"),
        }
    }
}

wire_struct! {
    /// Any object.
    struct Open<'a> {}
}

/// What cannot be read, and why.
struct Blame {
    path: String,
    why: String,
}

/// The error for a body that cannot be read.
pub(super) fn unreadable(body: &str, error: &serde_json::Error) -> ApiError {
    match request(body) {
        Some(Blame { path, why }) if !path.is_empty() => {
            ApiError::bad_request(format!("{path}: {why}")).with_param(path)
        }
        _ => ApiError::bad_request(reason(error)),
    }
}

/// serde's words without the place, which is that of a piece.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text.get(..at).unwrap_or_default().to_owned(),
        None => text,
    }
}

/// Reads a text and says why that fails.
type Try = fn(&str) -> Option<String>;

const REQUEST: Try = |json| serde_json::from_str::<Request<'_>>(json).err().map(|error| reason(&error));
const MESSAGE: Try = |json| serde_json::from_str::<Message<'_>>(json).err().map(|error| reason(&error));
const BLOCK: Try = |json| Block::read(json).err().map(|error| reason(&error));
const TOOL: Try = |json| serde_json::from_str::<Tool<'_>>(json).err().map(|error| reason(&error));

fn request(body: &str) -> Option<Blame> {
    member(body, REQUEST, &|name, value| match name {
        "messages" => each(name, value, &message),
        "system" => each(name, value, &block),
        "tools" => each(name, value, &|tool| member(tool, TOOL, &|_, _| None)),
        _ => None,
    })
}

fn message(json: &str) -> Option<Blame> {
    member(json, MESSAGE, &|name, value| match name {
        "content" => each(name, value, &block),
        _ => None,
    })
}

fn block(json: &str) -> Option<Blame> {
    member(json, BLOCK, &|name, value| match name {
        "content" => each(name, value, &block),
        _ => None,
    })
}

/// The member of an object for which it cannot be read; `inside` looks further into it.
fn member(json: &str, read: Try, inside: &dyn Fn(&str, &RawValue) -> Option<Blame>) -> Option<Blame> {
    let whole = read(json)?;
    let here = |why| Blame { path: String::new(), why };
    let Ok(open) = serde_json::from_str::<Open<'_>>(json) else {
        return Some(here(whole));
    };
    // The type says how the others are read, so it stands beside each of them.
    let kind = open.extra.get("type").map_or(String::new(), |kind| format!("\"type\":{kind},"));
    for (name, value) in open.extra.iter() {
        let quoted = serde_json::to_string(name).unwrap_or_default();
        let beside = if name == "type" { "" } else { &kind };
        if let Some(why) = read(&format!("{{{beside}{quoted}:{value}}}")) {
            return inside(name, value).or_else(|| Some(Blame { path: name.to_owned(), why }));
        }
    }
    Some(here(whole))
}

/// The first element of a list that cannot be read.
fn each(name: &str, list: &RawValue, read: &dyn Fn(&str) -> Option<Blame>) -> Option<Blame> {
    let list: Vec<&RawValue> = serde_json::from_str(list.get()).ok()?;
    list.iter().enumerate().find_map(|(index, item)| {
        let Blame { path, why } = read(item.get())?;
        let dot = if path.is_empty() { "" } else { "." };
        Some(Blame { path: format!("{name}.{index}{dot}{path}"), why })
    })
}
