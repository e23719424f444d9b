//! What a reader of answers has to know of their requests, kept small.
//!
//! An encoder leaves a word for the decoder of the same call ([`Memo`]), but here days lie between the two. Most
//! requests leave none, and most files leave the same for all of their lines: only what differs is kept by line.

use std::collections::{BTreeMap, HashMap};

use llm_types::{ApiError, Result};
use serde::{Deserialize, Serialize};

use crate::codec::Memo;

/// How much of it there may be, in bytes.
const LIMIT: usize = 32 * 1024 * 1024;

/// What has to be known of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Recall {
    /// It used the deprecated form of tools.
    pub(super) legacy: bool,
    /// A structured answer comes through a tool.
    pub(super) structured: bool,
    /// Tools that had to be renamed: as sent, as the client knows them.
    pub(super) names: Vec<(String, String)>,
    /// Tools whose calls hold free text.
    pub(super) custom: Vec<String>,
}

impl Recall {
    pub(super) fn of(memo: &Memo, legacy: bool) -> Self {
        let Memo {
            tool_names,
            json_tool,
            custom_tools,
            ordering: _,
            media: _,
            prompt: _,
            anew: _,
            vectors: _,
            follow: _,
        } = memo;
        Self {
            legacy,
            structured: json_tool.is_some(),
            names: tool_names.clone(),
            custom: custom_tools.clone(),
        }
    }

    pub(super) fn memo(&self, json_tool: &'static str) -> Memo {
        let Self { legacy: _, structured, names, custom } = self;
        Memo {
            tool_names: names.clone(),
            json_tool: structured.then_some(json_tool),
            custom_tools: custom.clone(),
            ..Memo::default()
        }
    }

    fn size(&self) -> usize {
        let names: usize = self.names.iter().map(|(one, two)| one.len() + two.len()).sum();
        names + self.custom.iter().map(String::len).sum::<usize>() + size_of::<Self>()
    }
}

/// What has to be known of the requests of a batch.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Recalls {
    /// What there is; the first is of every request that is not named.
    all: Vec<Recall>,
    /// The others, by the ids of their requests.
    others: BTreeMap<String, usize>,
    #[serde(skip)]
    places: HashMap<Recall, usize>,
    #[serde(skip)]
    size: usize,
}

impl Recalls {
    /// Whether there is nothing to know.
    #[must_use]
    pub fn is_trivial(&self) -> bool {
        self.others.is_empty() && self.all.iter().all(|one| *one == Recall::default())
    }

    /// Adds what has to be known of a request.
    pub(super) fn add(&mut self, id: &str, recall: Recall) -> Result<()> {
        let next = self.all.len();
        let at = match self.places.get(&recall) {
            Some(at) => *at,
            None => {
                self.size += 2 * recall.size();
                self.all.push(recall.clone());
                self.places.insert(recall, next);
                next
            }
        };
        if at > 0 {
            self.size += id.len() + 64;
            self.others.insert(id.to_owned(), at);
        }
        if self.size > LIMIT {
            return Err(ApiError::bad_request(
                "the tools of the requests differ too much to be remembered: make several files of them",
            ));
        }
        Ok(())
    }

    pub(super) fn get(&self, id: &str) -> Option<&Recall> {
        self.all.get(self.others.get(id).copied().unwrap_or_default())
    }
}
