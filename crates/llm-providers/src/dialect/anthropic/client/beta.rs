//! The `anthropic-beta` header: features that the API hides behind a name.
//!
//! A name is sent only for a feature that the request uses; an unneeded one can change behaviour, and
//! other hosts of the API refuse names they do not know.

use http::{HeaderName, HeaderValue};
use llm_types::{ApiError, Dialect, Extra, RawValue, Result};

use super::super::wire::{Compaction, ContextEdit, ContextEdits, ContextObject, Trigger};
use crate::codec::Asked;

/// The header of the names.
pub(super) const HEADER: HeaderName = HeaderName::from_static("anthropic-beta");

/// Stored files.
pub(super) const FILES: &str = "files-api-2025-04-14";
/// Code execution, which uploads are for.
pub(super) const CODE_EXECUTION: &str = "code-execution-2025-05-22";
/// `output_config.effort` on models for which it is new.
pub(super) const EFFORT: &str = "effort-2025-11-24";
/// Tool servers.
pub(super) const MCP: &str = "mcp-client-2025-04-04";
/// The older field for structured answers.
pub(super) const STRUCTURED: &str = "structured-outputs-2025-11-13";
const FAST: &str = "fast-mode-2026-02-01";
const COMPACT: &str = "compact-2026-01-12";
const CONTEXT: &str = "context-management-2025-06-27";
const TOOL_USE: &str = "advanced-tool-use-2025-11-20";

/// Types of hosted tools, by how they begin.
const TOOLS: &[(&str, &str)] = &[
    ("computer_20241022", "computer-use-2024-10-22"),
    ("computer_20250124", "computer-use-2025-01-24"),
    ("computer_20251124", "computer-use-2025-11-24"),
    ("bash_20241022", "computer-use-2024-10-22"),
    ("text_editor_20241022", "computer-use-2024-10-22"),
    ("web_fetch_20250910", "web-fetch-2025-09-10"),
    ("memory_", CONTEXT),
    ("tool_search_tool_", TOOL_USE),
    ("advisor_", "advisor-tool-2026-03-01"),
    ("code_execution_20250522", CODE_EXECUTION),
    ("code_execution_20250825", "code-execution-2025-08-25"),
];

/// Members of a tool that are a feature of their own.
const TOOL_MEMBERS: &[(&str, &str)] = &[
    ("eager_input_streaming", "fine-grained-tool-streaming-2025-05-14"),
    ("input_examples", TOOL_USE),
    ("allowed_callers", TOOL_USE),
    ("defer_loading", TOOL_USE),
];

/// The names that one request needs, each once, in order.
#[derive(Debug, Default)]
pub(super) struct Betas {
    names: Vec<String>,
    /// How many of them, from the first, the client named in its header.
    asked: usize,
}

impl Betas {
    /// What the client named, if it speaks this dialect.
    pub(super) fn of(asked: &Asked) -> Self {
        let mut out = Self::default();
        if asked.dialect == Some(Dialect::Anthropic) {
            for value in asked.headers.get_all(HEADER).iter().filter_map(|value| value.to_str().ok()) {
                value.split(',').for_each(|name| out.add(name));
            }
        }
        out.asked = out.names.len();
        out
    }

    /// Adds a name, unless the client named another version of the same feature.
    pub(super) fn add(&mut self, name: &str) {
        let name = name.trim();
        let asked = self.names.get(..self.asked).unwrap_or_default();
        let there = self.names.iter().any(|other| other == name)
            || asked.iter().any(|other| feature(other) == feature(name));
        if !name.is_empty() && !there {
            self.names.push(name.to_owned());
        }
    }

    /// Adds what a hosted tool of this type needs.
    pub(super) fn add_tool(&mut self, kind: &str) {
        if let Some((_, name)) = TOOLS.iter().find(|(start, _)| kind.starts_with(start)) {
            self.add(name);
        }
    }

    /// Adds what the members of a tool need.
    pub(super) fn add_tool_members(&mut self, extra: &Extra) {
        for (member, name) in TOOL_MEMBERS {
            if extra.get(member).is_some() {
                self.add(name);
            }
        }
    }

    /// Adds the names in the `anthropic_beta` member: an array, or a text with commas.
    ///
    /// # Errors
    /// [`llm_types::ErrorKind::BadRequest`] when it is neither.
    pub(super) fn add_asked(&mut self, asked: &str) -> Result<()> {
        if let Ok(names) = serde_json::from_str::<Vec<String>>(asked) {
            names.iter().for_each(|name| self.add(name));
            return Ok(());
        }
        let names: String = serde_json::from_str(asked).map_err(|_| {
            ApiError::bad_request("`anthropic_beta` must be an array of names, or names with commas")
                .with_param("anthropic_beta")
        })?;
        names.split(',').for_each(|name| self.add(name));
        Ok(())
    }

    /// Adds what a top-level member of a request needs.
    pub(super) fn add_member(&mut self, name: &str, value: &str) {
        match name {
            "speed" if value == "\"fast\"" => self.add(FAST),
            "mcp_servers" => self.add(MCP),
            "output_format" => self.add(STRUCTURED),
            "context_management" => match serde_json::from_str(value) {
                Ok(ContextEdits::Native(edits)) => {
                    for edit in edits {
                        let kind = edit.kind.unwrap_or_default();
                        self.add(if kind.as_str().starts_with("compact_") { COMPACT } else { CONTEXT });
                    }
                }
                Ok(ContextEdits::List(_)) => self.add(COMPACT),
                Err(_) => {}
            },
            _ => {}
        }
    }

    /// The header; `None`: no feature needs one.
    ///
    /// # Errors
    /// [`llm_types::ErrorKind::BadRequest`] when a name cannot stand in a header.
    pub(super) fn header(&self) -> Result<Option<HeaderValue>> {
        if self.names.is_empty() {
            return Ok(None);
        }
        HeaderValue::from_str(&self.names.join(",")).map(Some).map_err(|_| {
            ApiError::bad_request("`anthropic_beta` holds characters that a header cannot carry")
                .with_param("anthropic_beta")
        })
    }
}

/// A name without its date: `mcp-client` of `mcp-client-2025-04-04`.
fn feature(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-')
}

/// `context_management` in Anthropic's form; `None`: it is in that form already.
pub(super) fn context_edits(value: &RawValue) -> Option<Box<RawValue>> {
    let Ok(ContextEdits::List(list)) = serde_json::from_str(value.get()) else {
        return None;
    };
    let edit = |compaction: &Compaction<'_>| ContextEdit {
        kind: Some("compact_20260112".into()),
        trigger: compaction.compact_threshold.map(|tokens| Trigger {
            kind: Some("input_tokens".into()),
            value: Some(tokens),
            ..Trigger::default()
        }),
        ..ContextEdit::default()
    };
    let object = ContextObject { edits: Some(list.iter().map(edit).collect()), ..ContextObject::default() };
    serde_json::value::to_raw_value(&object).ok()
}
