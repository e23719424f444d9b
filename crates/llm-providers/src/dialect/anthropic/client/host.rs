//! Where hosts that speak this format differ: addresses, and what stands in the body.
//!
//! Bodies are written and edited as Anthropic takes them, and made to fit another host at the end, so that it is done
//! once for both ways (docs.anthropic.com/en/api/claude-on-vertex-ai, docs.anthropic.com/en/docs/build-with-claude/claude-in-microsoft-foundry).

use http::{HeaderName, HeaderValue};
use llm_types::{Edits, Head, Op, ProviderSpec, Result, UrlForm, glob_matches};

use super::beta;
use crate::codec::{EncodeCx, WireRequest};
use crate::url::escape;

const VERSION: HeaderName = HeaderName::from_static("anthropic-version");
/// What stands in a body in place of the header.
const VERTEX_VERSION: &[u8] = b"\"vertex-2023-10-16\"";
/// Betas that Vertex AI knows; it refuses others.
const VERTEX_BETAS: &[&str] = &[
    "tool-search-tool-2025-10-19",
    "compact-2026-01-12",
    "computer-use-*",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "interleaved-thinking-2025-05-14",
    "web-search-2025-03-05",
];
/// Betas with another name there.
const VERTEX_NAMES: &[(&str, &str)] = &[("advanced-tool-use-2025-11-20", "tool-search-tool-2025-10-19")];
/// Betas that Azure AI Foundry refuses.
const FOUNDRY_LACKS: &[&str] =
    &["compact-*", "fast-mode-*", "advisor-tool-*", "fine-grained-tool-streaming-*"];

/// Whether the host behind a row fetches pictures from addresses.
pub(super) fn fetches(spec: &ProviderSpec) -> bool {
    !is_vertex(spec)
}

fn is_vertex(spec: &ProviderSpec) -> bool {
    spec.url == UrlForm::Vertex
}

/// Makes a call that is written for Anthropic fit the host behind the row.
///
/// # Errors
/// When its body is no object, or `stream` no boolean.
pub(super) fn fit(mut wire: WireRequest, op: Op, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
    if cx.spec.url == UrlForm::AzureAnthropic {
        let known = |name: &str| !FOUNDRY_LACKS.iter().any(|glob| glob_matches(glob, name));
        betas(&mut wire, cx, ("Azure AI Foundry", &known), &[]);
    }
    if !is_vertex(cx.spec) {
        return Ok(wire);
    }
    let head = Head::scan(wire.body.to_bytes())?;
    let mut edits = Edits::default();
    edits.set(&head, "anthropic_version", VERTEX_VERSION);
    let stream = head.read::<bool>("stream")?.unwrap_or(false);
    // Names have a date behind an `@`, which a path may hold as it is.
    let model = escape(cx.model).replace("%40", "@");
    let call = match op {
        Op::CountTokens => "count-tokens:rawPredict".to_owned(),
        _ if stream => format!("{model}:streamRawPredict"),
        _ => format!("{model}:rawPredict"),
    };
    // Counting is a model of its own there, and told in the body whose tokens are meant.
    if op != Op::CountTokens {
        edits.remove(&head, "model");
    }
    wire.path = format!("/publishers/anthropic/models/{call}");
    wire.body = edits.apply(&head);
    wire.headers.remove(VERSION);
    let known = |name: &str| VERTEX_BETAS.iter().any(|glob| glob_matches(glob, name));
    betas(&mut wire, cx, ("Vertex AI", &known), VERTEX_NAMES);
    Ok(wire)
}

/// Leaves out the betas that the host does not know; `names` are those with another name there.
fn betas(
    wire: &mut WireRequest,
    cx: &mut EncodeCx<'_>,
    (host, known): (&str, &dyn Fn(&str) -> bool),
    names: &[(&'static str, &'static str)],
) {
    let Some(asked) = wire.headers.remove(beta::HEADER) else {
        return;
    };
    let mut kept: Vec<&str> = Vec::new();
    for name in asked.to_str().unwrap_or_default().split(',').map(str::trim) {
        let name = names.iter().find(|(from, _)| *from == name).map_or(name, |(_, to)| to);
        if !known(name) {
            cx.changes.dropped("anthropic-beta", format!("{host} does not know {name}"));
        } else if !kept.contains(&name) {
            kept.push(name);
        }
    }
    if let (false, Ok(names)) = (kept.is_empty(), HeaderValue::try_from(kept.join(","))) {
        wire.headers.insert(beta::HEADER, names);
    }
}
