//! A body that is in this dialect already, forwarded with as few edits as its provider needs.
//!
//! Whether something inside the messages would have to change is told by the keys that the scan found in
//! them; their bytes are searched only when such a key is there. A false alarm only costs the full way.

use llm_types::{Edits, Head, MessageQuirk as Q, Result, Segments, Str};
use memchr::memmem;

use super::foreign::{Foreign, foreign};
use super::tool::ID_LIMIT;
use crate::codec::EncodeCx;
use crate::quirk::Row;

/// The edited body; `None` if it has to be written anew.
pub(super) fn body(head: &Head, cx: &mut EncodeCx<'_>) -> Result<Option<Segments>> {
    let effort = match head.get("reasoning_effort") {
        Some([b'{', ..]) => return Ok(None),
        _ => head.read::<Str<'_>>("reasoning_effort")?.map(Str::into_string),
    };
    let row = Row::new(cx.spec, cx.model, effort.as_deref());
    let thinking = head.get("thinking").is_some_and(|json| json != b"null");
    if (thinking && !row.takes("thinking")) || must_rewrite(&row, head) || tools_rewrite(&row, head) {
        return Ok(None);
    }
    // A row without `reasoning_effort` may have `thinking` instead: a choice for the full way.
    if effort.is_some() && row.drops("reasoning_effort") && row.takes("thinking") {
        return Ok(None);
    }
    let mut edits = Edits::default();
    edits.set(head, "model", serde_json::to_vec(&*row.model()).unwrap_or_default());
    for member in head.members() {
        let name = member.name();
        if row.takes(name) || (name == "cache_control" && row.has(Q::CacheControl)) {
            continue;
        }
        match foreign(name) {
            None => continue,
            Some(Foreign::Gateway) => {}
            Some(Foreign::Other) if head.get(name) == Some(b"null") => {}
            Some(Foreign::Other) => cx.changes.dropped(name.to_owned(), row.why()),
        }
        edits.remove(head, name);
    }
    row.apply(head, &mut edits, cx.changes);
    if head.read::<bool>("stream")?.unwrap_or(false) && !row.drops("stream_options") {
        ask_for_usage(head, &mut edits)?;
    }
    Ok(Some(edits.apply(head)))
}

/// Makes sure that the stream ends with its usage; the gateway withholds it from a client that did not
/// ask.
pub(super) fn ask_for_usage(head: &Head, edits: &mut Edits) -> Result<()> {
    let json = match head.nested("stream_options")? {
        None => b"{\"include_usage\":true}".to_vec(),
        Some(options) => {
            if options.read::<bool>("include_usage")? == Some(true) {
                return Ok(());
            }
            let mut inner = Edits::default();
            inner.set(&options, "include_usage", "true");
            inner.apply(&options).to_bytes().to_vec()
        }
    };
    edits.set(head, "stream_options", json);
    Ok(())
}

/// Whether the messages hold something that this provider does not take as it is.
fn must_rewrite(row: &Row<'_>, head: &Head) -> bool {
    let has = |key: &str| head.mentions("messages", key);
    let messages = || head.get("messages").unwrap_or_default();
    let calls = has("tool_calls") || has("tool_call_id");
    (!row.has(Q::CacheControl) && has("cache_control"))
        || has("thinking_blocks")
        || has("provider_specific_fields")
        || has("format")
        // Of a tool call: it belongs to streams only.
        || has("index")
        || (calls && memmem::find(messages(), b"__thought__").is_some())
        || (has("image_url") && followed_by(messages(), "\"image_url\"", "\""))
        || (!row.has(Q::ReplayReasoning) && has("reasoning_content"))
        || (!row.has(Q::ReplayReasoningField) && has("reasoning"))
        || (!row.has(Q::ReplayReasoningDetails) && has("reasoning_details"))
        || (row.has(Q::DeveloperToSystem) && memmem::find(messages(), b"\"developer\"").is_some())
        || (row.has(Q::SystemToUser)
            && [&b"\"system\""[..], b"\"developer\""].iter().any(|role| memmem::find(messages(), role).is_some()))
        || (row.has(Q::FlattenContent) && followed_by(messages(), "\"content\"", "["))
        || (row.has(Q::EmptyArguments) && calls && followed_by(messages(), "\"arguments\"", "\"\""))
        || (row.has(Q::ShortToolIds) && calls)
        || (row.has(Q::BoundedToolIds) && calls && has_long_id(messages()))
        || (row.has(Q::NameOnToolsOnly) && has("name"))
        || (row.has(Q::FillReasoning) && has("tool_calls"))
        || (row.has(Q::Alternate) && has_neighbours(messages()))
        || (row.has(Q::NoEchoes)
            && ["annotations", "images", "refusal", "audio", "function_call"].iter().any(|echo| has(echo)))
        || (row.has(Q::ThinkingParts) && has("thinking"))
}

/// Whether the tools, the choice among them or the form of the answer do.
fn tools_rewrite(row: &Row<'_>, head: &Head) -> bool {
    let has = |key: &str| head.mentions("tools", key);
    let is_object = |name| head.get(name).is_some_and(|json| json.starts_with(b"{"));
    (!row.has(Q::CacheControl) && has("cache_control"))
        || (row.has(Q::ToolsWithoutStrict) && has("strict"))
        || (row.has(Q::ToolsWithoutAdditionalProperties) && has("additionalProperties"))
        || (row.has(Q::ChoiceWithoutNames) && is_object("tool_choice"))
        || (row.has(Q::JsonObjectOnly) && is_object("response_format"))
}

/// Whether the id of a call, or what may be one, is longer than OpenAI takes.
fn has_long_id(messages: &[u8]) -> bool {
    let long = |key: &str| {
        memmem::find_iter(messages, key.as_bytes()).any(|at| {
            let rest = messages.get(at + key.len()..).unwrap_or_default().trim_ascii_start();
            let value = rest.strip_prefix(b":").unwrap_or_default().trim_ascii_start();
            let text = value.strip_prefix(b"\"").unwrap_or_default();
            text.get(..=ID_LIMIT).is_some_and(|start| !start.contains(&b'"'))
        })
    };
    long("\"tool_call_id\"") || long("\"id\"")
}

/// Whether two messages of one role stand side by side.
fn has_neighbours(messages: &[u8]) -> bool {
    const KEY: &[u8] = b"\"role\"";
    let roles = memmem::find_iter(messages, KEY).map(|at| {
        let rest = messages.get(at + KEY.len()..).unwrap_or_default().trim_ascii_start();
        let word = rest.strip_prefix(b":").unwrap_or_default().trim_ascii_start();
        word.split(|byte| *byte == b'"').nth(1).unwrap_or_default()
    });
    let roles: Vec<&[u8]> = roles.collect();
    roles
        .iter()
        .zip(roles.iter().skip(1))
        .any(|(one, next)| one == next && matches!(*one, b"user" | b"assistant"))
}

/// Whether a member `key` has a value that begins with `start`, white space aside.
fn followed_by(json: &[u8], key: &str, start: &str) -> bool {
    memmem::find_iter(json, key.as_bytes()).any(|at| {
        let rest = json.get(at + key.len()..).unwrap_or_default().trim_ascii_start();
        match rest.strip_prefix(b":") {
            Some(value) => value.trim_ascii_start().starts_with(start.as_bytes()),
            None => false,
        }
    })
}
