//! Turns of the conversation.
//!
//! One turn of the user may hold results of calls and words; the neutral form keeps the two apart. Clients
//! that had a stream send its chunks back as turns of their own: neighbours of one speaker are one message,
//! and the pieces of thoughts that another provider signed are one thought again.

use llm_types::chat::{Message, Part, Role, ToolResult};
use llm_types::{ApiError, Dialect, RawValue, Result, Str, wire_struct};

use super::super::ids::Calls;
use super::super::wire;
use super::part;

wire_struct! {
    /// An answer of a function that says that it failed.
    struct Failure<'a> {
        error: Str<'a>,
    }
}

/// Adds a turn.
///
/// # Errors
/// When a part of it is not what it should be.
pub(super) fn turn(content: wire::Content<'_>, calls: &mut Calls, out: &mut Vec<Message>) -> Result<()> {
    let wire::Content { role, parts, extra } = content;
    let role = match role.as_ref().map_or("", Str::as_str) {
        "model" | "assistant" => Role::Assistant,
        "user" | "function" | "tool" | "" => Role::User,
        other => {
            let message = format!("`{other}` is no role: say `user` or `model`");
            return Err(ApiError::bad_request(message));
        }
    };
    let mut any = false;
    for part in parts.unwrap_or_default() {
        let (role, part) = if part.function_response.is_some() {
            (Role::Tool, result(part, calls)?)
        } else if part.function_call.is_some() {
            (role, part::call(part, calls)?)
        } else if role == Role::Assistant {
            (role, part::of_model(part)?)
        } else {
            (role, spoken(part)?)
        };
        any = true;
        match out.last_mut() {
            Some(message) if message.role == role => push(&mut message.parts, part),
            _ => out.push(Message::new(role, [part])),
        }
    }
    if !any {
        out.push(Message::new(role, []));
    }
    if let Some(message) = out.last_mut() {
        for (name, value) in extra.iter() {
            message.extra.set(name, value.to_owned());
        }
    }
    Ok(())
}

/// Adds a part. Thoughts come in pieces and their signature behind them: where it is another provider's, it
/// covers them all.
fn push(parts: &mut Vec<Part>, mut part: Part) {
    if let Part::Reasoning(signed) = &mut part
        && signed.signature.is_some()
        && !signed.is_readable_by(Dialect::Gemini)
    {
        while let Some(Part::Reasoning(piece)) = parts.last()
            && piece.signature.is_none()
            && piece.redacted.is_none()
        {
            signed.text.insert_str(0, &piece.text);
            parts.pop();
        }
    }
    parts.push(part);
}

/// A part that somebody says: nobody but the model thinks.
///
/// # Errors
/// When it is not what it should be.
pub(super) fn spoken(mut part: wire::Part<'_>) -> Result<Part> {
    if part.text.is_some() {
        part.thought = None;
    }
    part::of_model(part)
}

fn result(part: wire::Part<'_>, calls: &mut Calls) -> Result<Part> {
    let response = part.function_response.unwrap_or_default();
    let wire::FunctionResponse { id, name, response, parts, extra } = response;
    let name = name.map(Str::into_string).unwrap_or_default();
    if name.is_empty() {
        return Err(ApiError::bad_request("a `functionResponse` has no name: name its function"));
    }
    let call = calls.result(id.as_ref().map(Str::as_str), &name);
    // A result whose call is not there is told by its name.
    let name = call.is_none().then_some(name);
    let call_id = call.or_else(|| id.map(Str::into_string)).unwrap_or_default();
    let (text, is_error) = answer(response.as_ref().map(|json| &*json.0));
    let mut content = vec![Part::text(text)];
    for part in parts.unwrap_or_default() {
        content.push(part::of_model(part)?);
    }
    Ok(Part::ToolResult(ToolResult {
        call_id,
        name,
        parts: content,
        is_error,
        cache: None,
        extra: extra.to_extra(),
    }))
}

/// What a function answered, as text, and whether it failed: `{"error": …}` by convention.
fn answer(response: Option<&RawValue>) -> (String, Option<bool>) {
    let Some(json) = response.map(RawValue::get) else {
        return ("{}".to_owned(), None);
    };
    match serde_json::from_str::<Failure<'_>>(json) {
        Ok(Failure { error: Some(text), extra }) if extra.is_empty() => (text.into_string(), Some(true)),
        _ => (json.to_owned(), None),
    }
}
