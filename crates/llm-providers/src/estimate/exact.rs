//! Tokens as the built-in provider has them: defined, so that its answers can be cut and asserted exactly.
//!
//! A token is a word with the white space before it, and one more for each further eight characters of it.
//! That is near what real vocabularies make of English, and a text can be cut by it exactly.

use llm_types::chat::{ChatRequest, Message, Part, Tool, ToolKind};

/// Characters of one token at most.
const TOKEN_CHARS: usize = 8;
/// What a message costs beside its content: role and separators.
const MESSAGE_TOKENS: u64 = 4;
/// What a picture, sound or file is taken to be.
const MEDIA_TOKENS: u64 = 85;

/// How many tokens a text is.
pub fn tokens(text: &str) -> u64 {
    u64::try_from(ends(text).count()).unwrap_or(u64::MAX)
}

/// The beginning of a text that is so many tokens long.
pub fn first(text: &str, tokens: u64) -> &str {
    let wanted = usize::try_from(tokens).unwrap_or(usize::MAX);
    let end = match wanted.checked_sub(1) {
        None => 0,
        Some(last) => ends(text).nth(last).unwrap_or(text.len()),
    };
    text.get(..end).unwrap_or(text)
}

/// Where the tokens of a text end, in bytes.
fn ends(text: &str) -> impl Iterator<Item = usize> {
    let mut chars = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let (_, mut before) = chars.next()?;
        let mut length = 1;
        while let Some((_, next)) = chars.peek() {
            let word_begins = next.is_whitespace() && !before.is_whitespace();
            if word_begins || length == TOKEN_CHARS {
                break;
            }
            before = *next;
            length += 1;
            chars.next();
        }
        Some(chars.peek().map_or(text.len(), |(at, _)| *at))
    })
}

/// How many tokens an answer is.
pub fn tokens_of(parts: &[Part]) -> u64 {
    parts.iter().map(part).sum()
}

/// How many of them are thoughts.
pub fn reasoning_tokens(parts: &[Part]) -> u64 {
    parts.iter().filter(|part| matches!(part, Part::Reasoning(_))).map(part).sum()
}

/// How many tokens a prompt is: messages and tools.
pub fn prompt_tokens(request: &ChatRequest) -> u64 {
    let messages: u64 = request.messages.iter().map(message).sum();
    messages.saturating_add(request.tooling.tools.iter().map(tool).sum())
}

fn message(message: &Message) -> u64 {
    MESSAGE_TOKENS.saturating_add(tokens_of(&message.parts))
}

fn part(part: &Part) -> u64 {
    match part {
        Part::Text(text) => tokens(&text.text),
        Part::Refusal(refusal) => tokens(&refusal.text),
        Part::Reasoning(reasoning) => tokens(&reasoning.text),
        Part::ToolCall(call) => tokens(&call.name).saturating_add(tokens(&call.arguments)),
        Part::ToolResult(result) => tokens_of(&result.parts),
        Part::Image(_) | Part::Audio(_) | Part::File(_) => MEDIA_TOKENS,
        Part::Citation(_) => 0,
        Part::Opaque(opaque) => tokens(opaque.json.get()),
    }
}

fn tool(tool: &Tool) -> u64 {
    let (name, description, json) = match &tool.kind {
        ToolKind::Function { name, description, parameters, strict: _ } => {
            (name, description.as_deref(), parameters.as_deref())
        }
        ToolKind::Custom { name, description, format } => (name, description.as_deref(), format.as_deref()),
        ToolKind::Hosted { dialect: _, kind, json } => (kind, None, Some(&**json)),
    };
    let json = json.map(llm_types::RawValue::get).unwrap_or_default();
    [name, description.unwrap_or_default(), json].iter().map(|text| tokens(text)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_long_words_are_counted() {
        let check = |text: &str, expect: u64| assert_eq!(tokens(text), expect, "{text:?}");
        check("", 0);
        check("hello", 1);
        check("hello world", 2);
        check("  hello\n\nworld ", 3);
        check("extraordinarily", 2);
        check("世界 und 😀", 3);
    }

    #[test]
    fn a_text_is_cut_where_it_is_counted() {
        let text = "one two  three extraordinarily 世界";
        for limit in 0..10 {
            let kept = first(text, limit);
            assert!(text.starts_with(kept));
            assert_eq!(tokens(kept), limit.min(tokens(text)), "{kept:?}");
        }
        assert_eq!(first(text, 2), "one two");
    }
}
