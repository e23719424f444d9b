//! Messages for providers that want user and assistant to take turns.

use llm_types::{Changes, Str};

use super::super::wire::{Content, Message, Part, Written};

/// What stands between two texts that become one.
const BETWEEN: &str = "\n\n";

/// Joins neighbouring messages of the user, and of the assistant, that hold nothing but content.
pub(super) fn alternate<'a>(changes: &mut Changes, messages: Vec<Message<'a>>) -> Vec<Message<'a>> {
    let mut out: Vec<Message<'a>> = Vec::with_capacity(messages.len());
    for (index, mut message) in messages.into_iter().enumerate() {
        match out.last_mut() {
            Some(last) if is_turn(&message) && is_turn(last) && role(last) == role(&message) => {
                last.content = Some(joined(last.content.take(), message.content.take()));
                changes.altered(format!("messages[{index}]"), "joined with the message before it");
            }
            _ => out.push(message),
        }
    }
    out
}

fn role<'m>(message: &'m Message<'_>) -> &'m str {
    message.role.as_ref().map(Str::as_str).unwrap_or_default()
}

fn is_turn(message: &Message<'_>) -> bool {
    matches!(role(message), "user" | "assistant") && message.tool_calls.is_none() && message.audio.is_none()
}

fn joined<'a>(first: Option<Content<'a>>, second: Option<Content<'a>>) -> Content<'a> {
    match (first.unwrap_or(Content::Null), second.unwrap_or(Content::Null)) {
        (Content::Null, only) | (only, Content::Null) => only,
        (Content::Text(first), Content::Text(second)) => {
            Content::Text(Str::from([first.as_str(), second.as_str()].join(BETWEEN)))
        }
        (first, second) => {
            let mut parts = parts(first);
            parts.append(&mut self::parts(second));
            Content::Parts(parts)
        }
    }
}

fn parts(content: Content<'_>) -> Vec<Written<'_>> {
    match content {
        Content::Null => Vec::new(),
        Content::Parts(parts) => parts,
        Content::Text(text) => {
            let part = Part { kind: Some(Str::from("text")), text: Some(text), ..Part::default() };
            Written::json(&part).into_iter().collect()
        }
    }
}
