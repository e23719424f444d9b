//! How many tokens a prompt is taken to be, where its provider does not count them.
//!
//! There is no model here whose vocabulary could be asked, and counting must not need a network, so this
//! is a rule by which anyone gets the same number:
//!
//! | what | tokens |
//! |---|---|
//! | prose | 1 for 4 ASCII characters, 1 for 2 of another alphabet, 1 for each ideograph, syllable of Hangul or kana, 2 for an emoji |
//! | JSON (schemas, arguments) | the same, but 1 for 3 ASCII characters |
//! | a prompt | 3 for the answer's beginning |
//! | a message | 4 for its role and separators |
//! | a tool, a call, a result | 8, 8 and 4 beside their text |
//! | a picture | width × height / 750 after fitting it into 1568 × 1568, 1600 at most; 1000 if its size is not known |
//! | a document | its text; a PDF 2000 for each page, any other 2000 |
//! | sound | 1 for 500 bytes; 1000 if it is elsewhere |
//!
//! On recorded prompts it is mostly within a quarter of what providers report, and always within half to
//! double where they add nothing of their own (there is a test). Numbers made of it are marked as estimated.

mod exact;
mod picture;

use llm_types::chat::{Audio, ChatRequest, File, Media, Message, Part, Tool, ToolKind};
use llm_types::{ApiError, Call, Extra, RawValue, Result, TokenCount};

pub use exact::{first, prompt_tokens, reasoning_tokens, tokens, tokens_of};

const PROMPT: u64 = 3;
const MESSAGE: u64 = 4;
const TOOL: u64 = 8;
const CALL: u64 = 8;
const RESULT: u64 = 4;
/// A page of a PDF, and any document whose pages cannot be counted.
const PAGE: u64 = 2000;
/// Sound that is somewhere else.
const SOUND: u64 = 1000;
/// Bytes of sound for one token: 16 kB a second, 32 tokens a second.
const SOUND_BYTES: u64 = 500;
/// What a token is divided into, so that sums stay whole.
const SHARES: u64 = 12;

/// How many tokens the prompt of a call is, by the rule above.
///
/// # Errors
/// When the call has no conversation to count.
pub fn count(call: &Call) -> Result<TokenCount> {
    let request = call
        .conversation()
        .ok_or_else(|| ApiError::bad_request("only the tokens of a conversation can be counted"))?;
    Ok(TokenCount { input: prompt(request), estimated: true, ..TokenCount::default() })
}

/// How many tokens a text that somebody reads is, by the rule above.
#[must_use]
pub fn prose(written: &str) -> u64 {
    text(written, Text::Prose)
}

/// How dense a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    Prose,
    Json,
}

/// Tokens of a text, rounded up.
fn text(text: &str, kind: Text) -> u64 {
    let ascii = if kind == Text::Prose { 3 } else { 4 };
    let shares = text.chars().map(|c| match u32::from(c) {
        0..0x80 => ascii,
        0x1100..0x1200 | 0x2E80..0xA4D0 | 0xAC00..0xD7B0 | 0xF900..0xFB00 | 0xFF00..0xFFF0 => SHARES,
        0x2_0000..0x4_0000 => SHARES,
        0x1_F000..0x2_0000 => 2 * SHARES,
        _ => SHARES / 2,
    });
    shares.sum::<u64>().div_ceil(SHARES)
}

fn json(raw: Option<&RawValue>) -> u64 {
    raw.map_or(0, |raw| text(raw.get(), Text::Json))
}

/// The same of a conversation.
pub(crate) fn prompt(request: &ChatRequest) -> u64 {
    let messages: u64 = request.messages.iter().map(message).sum();
    let tools: u64 = request.tooling.tools.iter().map(tool).sum();
    let schema = match &request.output.format {
        Some(llm_types::chat::Format::JsonSchema(wanted)) => json(wanted.schema.as_deref()),
        _ => 0,
    };
    [PROMPT, messages, tools, schema].iter().fold(0, |sum, part| sum.saturating_add(*part))
}

fn message(message: &Message) -> u64 {
    MESSAGE.saturating_add(parts(&message.parts))
}

fn parts(parts: &[Part]) -> u64 {
    parts.iter().map(part).fold(0, u64::saturating_add)
}

fn part(part: &Part) -> u64 {
    match part {
        Part::Text(part) => text(&part.text, Text::Prose),
        Part::Refusal(refusal) => text(&refusal.text, Text::Prose),
        Part::Reasoning(reasoning) => text(&reasoning.text, Text::Prose),
        Part::ToolCall(call) => CALL + text(&call.name, Text::Json) + text(&call.arguments, Text::Json),
        Part::ToolResult(result) => RESULT.saturating_add(parts(&result.parts)),
        Part::Image(image) => picture::tokens(&image.media),
        Part::File(file) => document(file),
        Part::Audio(audio) => sound(audio),
        Part::Citation(_) => 0,
        Part::Opaque(opaque) => text(opaque.json.get(), Text::Json),
    }
}

fn tool(tool: &Tool) -> u64 {
    let (name, description, schema) = match &tool.kind {
        ToolKind::Function { name, description, parameters, strict: _ } => {
            (name, description.as_deref(), parameters.as_deref())
        }
        ToolKind::Custom { name, description, format } => (name, description.as_deref(), format.as_deref()),
        ToolKind::Hosted { dialect: _, kind, json } => (kind, None, Some(&**json)),
    };
    let about = text(description.unwrap_or_default(), Text::Prose);
    TOOL + text(name, Text::Json) + about + json(schema) + members(&tool.extra)
}

fn members(extra: &Extra) -> u64 {
    extra.iter().map(|(name, value)| text(name, Text::Json) + json(Some(value))).sum()
}

fn document(file: &File) -> u64 {
    let (kind, data) = match &file.media {
        Media::Text(words) => return text(words, Text::Prose),
        Media::Url(_) | Media::FileId(_) => return PAGE,
        Media::Base64 { media_type, data } => (media_type.as_str(), data),
    };
    let kind = if kind.is_empty() { file.media_type.as_deref().unwrap_or_default() } else { kind };
    if kind.starts_with("image/") {
        return picture::tokens(&file.media);
    }
    let Some(bytes) = decoded(data) else {
        return PAGE;
    };
    if kind.starts_with("text/") {
        return text(&String::from_utf8_lossy(&bytes), Text::Prose);
    }
    PAGE.saturating_mul(pages(&bytes))
}

fn decoded(data: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(data).ok()
}

/// The pages of a PDF that names them in the open; one where they are compressed, and for other files.
fn pages(pdf: &[u8]) -> u64 {
    let names = ["/Type /Page", "/Type/Page"].iter().map(|name| {
        let found = memchr::memmem::find_iter(pdf, name).filter(|at| pdf.get(at + name.len()) != Some(&b's'));
        u64::try_from(found.count()).unwrap_or(u64::MAX)
    });
    names.sum::<u64>().max(1)
}

fn sound(audio: &Audio) -> u64 {
    match (&audio.media, &audio.transcript) {
        (Some(Media::Base64 { data, .. }), _) => {
            let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX) / 4 * 3;
            bytes.div_ceil(SOUND_BYTES)
        }
        (None, Some(words)) => text(words, Text::Prose),
        _ => SOUND,
    }
}

#[cfg(test)]
mod tests;
