//! What the steps of encoding one request share.
//!
//! Each step takes a group of the neutral request and returns its wire form; what it cannot express it
//! records here, under the path that the client knows.

use llm_types::chat::CacheControl;
use llm_types::{Changes, Dialect, Extra, Members};

use super::super::model::Facts;
use super::super::wire;
use super::beta::Betas;
use crate::dialect::at::At;
use crate::dialect::name::{Ids, Names};

/// Why most fields are dropped.
pub(super) const NO_COUNTERPART: &str = "anthropic has no counterpart";

/// Members that blocks and tools write themselves: an unknown member of that name would come twice.
const WRITTEN: &[&str] = &[
    "type",
    "text",
    "source",
    "id",
    "name",
    "input",
    "content",
    "role",
    "tool_use_id",
    "is_error",
    "cache_control",
    "thinking",
    "signature",
    "data",
    "description",
    "input_schema",
    "strict",
];

/// State of one encoding.
#[derive(Debug)]
pub(super) struct Encoder<'r, 'c> {
    /// What the model can do.
    pub(super) facts: &'static Facts,
    /// The model, for messages.
    pub(super) model: &'c str,
    /// Whether the host fetches pictures from addresses.
    pub(super) fetches: bool,
    /// Whose members those are that no field names.
    pub(super) origin: Option<Dialect>,
    /// Takes what is dropped or altered.
    pub(super) changes: &'c mut Changes,
    /// The tool names.
    pub(super) names: Names,
    /// The call ids.
    pub(super) ids: Ids<'r>,
    /// The text that the answer is to go on from.
    pub(super) prefill: Option<At>,
    /// The beta features in use.
    pub(super) betas: Betas,
}

impl<'r> Encoder<'r, '_> {
    /// Whether members that no field names are for Anthropic.
    pub(super) fn is_own(&self) -> bool {
        self.origin.is_none_or(|origin| origin == Dialect::Anthropic)
    }

    /// Records a field that is set but has no counterpart.
    pub(super) fn refuse<T>(&mut self, field: Option<&T>, path: &'static str) {
        if field.is_some() {
            self.changes.dropped(path, NO_COUNTERPART);
        }
    }

    /// Unknown members as they go into the object at `path`: those in `known` whoever set them, others
    /// only if they are Anthropic's own.
    pub(super) fn members(
        &mut self,
        extra: &'r Extra,
        known: &[&str],
        path: impl Fn() -> String,
    ) -> Members<'r> {
        let mut out = Members::default();
        for (name, value) in extra.iter() {
            if known.contains(&name) || (self.is_own() && !WRITTEN.contains(&name)) {
                out.push(name.into(), value);
            } else {
                let at = path();
                let path = if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
                self.changes.dropped(path, NO_COUNTERPART);
            }
        }
        out
    }
}

/// A cache breakpoint in its wire form.
pub(super) fn breakpoint(cache: Option<&CacheControl>) -> Option<wire::CacheControl<'_>> {
    let CacheControl { kind, ttl } = cache?;
    Some(wire::CacheControl {
        kind: Some(kind.into()),
        ttl: ttl.as_ref().map(Into::into),
        ..wire::CacheControl::default()
    })
}
