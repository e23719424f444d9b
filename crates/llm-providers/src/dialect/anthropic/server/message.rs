//! The conversation.
//!
//! Results of tools stand in the user's turn here; in the neutral form they are messages of their own,
//! before what the user says beside them.

use llm_types::chat::{Message, Part, Role, Text};
use llm_types::{Extra, Result, Str};

use super::super::wire::{self, Content};
use super::fault::Place;
use super::part;

/// The instructions and all turns.
///
/// # Errors
/// When a turn or a block lacks what its role or type promises.
pub(super) fn messages(system: Option<Content<'_>>, turns: Vec<wire::Message<'_>>) -> Result<Vec<Message>> {
    let mut out = Vec::with_capacity(turns.len() + 1);
    if let Some(system) = system {
        let parts = parts(system, &Place::Member("system"))?;
        if !parts.is_empty() {
            out.push(Message::new(Role::System, parts));
        }
    }
    let list = Place::Member("messages");
    for (index, turn) in turns.into_iter().enumerate() {
        message(turn, &list.index(index), &mut out)?;
    }
    Ok(out)
}

fn message(turn: wire::Message<'_>, place: &Place<'_>, out: &mut Vec<Message>) -> Result<()> {
    let wire::Message { role, content, extra } = turn;
    let role = match role.as_ref().map(Str::as_str) {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => Role::System,
        Some(_) => return Err(place.key("role").wrong("Input should be 'user' or 'assistant'")),
        None => return Err(place.key("role").missing()),
    };
    let content = content.ok_or_else(|| place.key("content").missing())?;
    let mut parts = parts(content, &place.key("content"))?;
    let mut extra = extra.to_extra();
    if role == Role::User && parts.iter().any(is_result) {
        let (results, rest): (Vec<Part>, Vec<Part>) = parts.into_iter().partition(is_result);
        parts = rest;
        let own = if parts.is_empty() { std::mem::take(&mut extra) } else { Extra::default() };
        out.push(Message { extra: own, ..Message::new(Role::Tool, results) });
        if parts.is_empty() {
            return Ok(());
        }
    }
    out.push(Message { extra, ..Message::new(role, parts) });
    Ok(())
}

fn is_result(part: &Part) -> bool {
    matches!(part, Part::ToolResult(_))
}

/// Content: a text, or blocks.
///
/// # Errors
/// When a block lacks what its type promises.
pub(super) fn parts(content: Content<'_>, place: &Place<'_>) -> Result<Vec<Part>> {
    match content {
        Content::Text(text) if text.as_str().is_empty() => Ok(Vec::new()),
        Content::Text(text) => Ok(vec![Part::Text(Text::new(text.into_string()))]),
        Content::Blocks(blocks) => {
            let mut out = Vec::with_capacity(blocks.len());
            for (index, block) in blocks.into_iter().enumerate() {
                part::read(block, &place.index(index), &mut out)?;
            }
            Ok(out)
        }
    }
}
