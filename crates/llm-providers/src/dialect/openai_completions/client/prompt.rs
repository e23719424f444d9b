//! A conversation as the prompt of a text model.
//!
//! One user message alone is the prompt, to the byte. Everything else is written as paragraphs with an
//! empty line between them. While only instructions and one request are there, they stand as they are. A
//! conversation of several turns becomes a transcript: `User: …`, `Assistant: …`, instructions without a
//! name, and at the end `Assistant:` for the model to go on. Where the assistant spoke last, its text stays
//! open and is what the model goes on with.

use std::fmt::Display;

use llm_types::chat::{Message, Part, Refusal, Role, Text};
use llm_types::{ApiError, Changes, Result};

/// The prompt.
pub(in crate::dialect) fn text(messages: &[Message], changes: &mut Changes) -> Result<String> {
    let mut said = Vec::with_capacity(messages.len());
    for (index, message) in messages.iter().enumerate() {
        said.push((message.role, spoken(message, index, changes)?));
    }
    match said.as_slice() {
        [] => Err(ApiError::bad_request("`messages` is empty: send at least one").with_param("messages")),
        [(Role::User, _)] => Ok(said.pop().map(|(_, text)| text).unwrap_or_default()),
        said => {
            changes.altered("messages", "a text model knows no turns: sent as one text");
            Ok(joined(said))
        }
    }
}

fn joined(said: &[(Role, String)]) -> String {
    let turns = said.iter().filter(|(role, _)| matches!(role, Role::User | Role::Assistant)).count();
    let mut out = String::new();
    for (role, text) in said {
        if !out.is_empty() {
            out.push_str("\n\n");
        }
        let name = match role {
            Role::User if turns > 1 => "User: ",
            Role::Assistant if turns > 1 => "Assistant: ",
            Role::User | Role::Assistant | Role::System | Role::Developer | Role::Tool => "",
        };
        out.push_str(name);
        out.push_str(text);
    }
    let open = matches!(said.last(), Some((Role::Assistant, _)));
    if turns > 1 && !open {
        out.push_str("\n\nAssistant:");
    }
    out
}

/// What one message says.
fn spoken(message: &Message, index: usize, changes: &mut Changes) -> Result<String> {
    let Message { role, parts, name, extra } = message;
    let path = format!("messages[{index}]");
    if *role == Role::Tool {
        return Err(refused(&path, "is a tool's result: a text model calls no tools, ask a chat model"));
    }
    if name.is_some() {
        changes.dropped(format!("{path}.name"), WHY);
    }
    for (name, _) in extra.iter() {
        changes.dropped(format!("{path}.{name}"), WHY);
    }
    let mut out = String::new();
    for (at, part) in parts.iter().enumerate() {
        part_text(part, &format!("{path}.content[{at}]"), &mut out, changes)?;
    }
    Ok(out)
}

const WHY: &str = "a text model reads text only";

fn part_text(part: &Part, path: &str, out: &mut String, changes: &mut Changes) -> Result<()> {
    match part {
        Part::Text(Text { text, cache, signature, extra }) => {
            out.push_str(text);
            if cache.is_some() {
                changes.dropped(format!("{path}.cache_control"), WHY);
            }
            if signature.is_some() {
                changes.dropped(format!("{path}.signature"), WHY);
            }
            for (name, _) in extra.iter() {
                changes.dropped(format!("{path}.{name}"), WHY);
            }
        }
        Part::Refusal(Refusal { text }) => out.push_str(text),
        Part::Reasoning(_) => changes.dropped(format!("{path} (reasoning)"), WHY),
        Part::Citation(_) => changes.dropped(format!("{path} (citation)"), WHY),
        Part::ToolCall(_) | Part::ToolResult(_) => {
            return Err(refused(path, "is about a tool: a text model calls none, ask a chat model"));
        }
        Part::Image(_) | Part::Audio(_) | Part::File(_) | Part::Opaque(_) => {
            return Err(refused(path, "is not text: a text model reads nothing else, ask a chat model"));
        }
    }
    Ok(())
}

fn refused(path: &str, what: impl Display) -> ApiError {
    ApiError::bad_request(format!("`{path}` {what}")).with_param(path)
}
