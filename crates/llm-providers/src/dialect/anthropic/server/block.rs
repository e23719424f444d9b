//! Parts of an answer as content blocks.
//!
//! What models of other providers say and Anthropic has no block for takes the nearest form: a refusal
//! and the transcript of sound are text, a picture is an `image` block, as clients send them. Parts that
//! only another dialect understands travel as encrypted thoughts, which every client sends back unread.

use std::borrow::Cow;

use llm_types::chat::{Citation, File, Image, Media, Opaque, Reasoning, Sealed, ToolCall, ToolCallKind};
use llm_types::{Dialect, RawValue, Str};
use serde::Serialize;

use super::super::wire::{Block, MediaBlock, Raw, RedactedBlock, Source, Text, ThinkingBlock, ToolUseBlock};
use super::seal;

/// Thoughts: encrypted ones, and those in words, which have an empty signature where nobody signed them.
pub(super) fn thoughts(reasoning: &Reasoning, upstream: Option<Dialect>) -> Vec<Block<'_>> {
    let Reasoning { text, signature, redacted, origin, extra: _ } = reasoning;
    let upstream = origin.or(upstream);
    let mut out = Vec::with_capacity(1);
    if !text.is_empty() || signature.is_some() {
        let signature =
            seal::sealed(signature.as_deref().unwrap_or_default(), upstream.filter(|_| signature.is_some()));
        out.push(Block::Thinking(ThinkingBlock {
            kind: Some("thinking".into()),
            thinking: Some(Text(text.as_str().into())),
            signature: Some(Str(signature)),
            ..ThinkingBlock::default()
        }));
    }
    if let Some(data) = redacted {
        out.push(Block::Redacted(encrypted(seal::sealed(data, upstream))));
    }
    out
}

/// A block of encrypted thoughts.
pub(super) fn encrypted(data: Cow<'_, str>) -> RedactedBlock<'_> {
    RedactedBlock {
        kind: Some("redacted_thinking".into()),
        data: Some(Str(data)),
        ..RedactedBlock::default()
    }
}

/// A part that only its own dialect understands.
pub(super) fn opaque(opaque: &Opaque) -> Block<'_> {
    let Opaque { dialect, kind, json } = opaque;
    match dialect {
        Dialect::Anthropic => Block::Other(kind.into(), Raw::from(&**json)),
        _ => Block::Redacted(encrypted(Cow::Owned(Sealed::write_part(opaque)))),
    }
}

/// A picture that the model made.
pub(super) fn image(image: &Image) -> Block<'_> {
    let Image { media, detail: _, media_type, cache: _, extra: _ } = image;
    Block::Image(media_block("image", source(media, media_type.as_deref())))
}

/// A file that the model made.
pub(super) fn file(file: &File) -> Block<'_> {
    let File { media, filename, media_type, cache: _, extra: _ } = file;
    let block = media_block("document", source(media, media_type.as_deref()));
    Block::Document(MediaBlock { title: filename.as_ref().map(Into::into), ..block })
}

fn media_block<'a>(kind: &'static str, source: Source<'a>) -> MediaBlock<'a> {
    MediaBlock { kind: Some(kind.into()), source: Some(Box::new(source)), ..MediaBlock::default() }
}

fn source<'a>(media: &'a Media, said: Option<&'a str>) -> Source<'a> {
    let of = |kind: &'static str| Source { kind: Some(kind.into()), ..Source::default() };
    match media {
        Media::Url(url) => Source { url: Some(url.into()), ..of("url") },
        Media::FileId(id) => Source { file_id: Some(id.into()), ..of("file") },
        Media::Text(text) => {
            Source { media_type: Some("text/plain".into()), data: Some(text.into()), ..of("text") }
        }
        Media::Base64 { media_type, data } => {
            let named = Some(media_type.as_str()).filter(|named| !named.is_empty());
            let media_type = named.or(said).map(Into::into);
            Source { media_type, data: Some(data.into()), ..of("base64") }
        }
    }
}

/// The id under which the client answers a call.
pub(super) fn call_id<'a>(id: &'a str, signature: Option<&str>) -> Cow<'a, str> {
    let id = if id.is_empty() {
        Cow::Owned(format!("toolu_{}", uuid::Uuid::new_v4().simple()))
    } else {
        Cow::Borrowed(id)
    };
    match signature {
        Some(signature) => Cow::Owned(seal::signed_id(&id, signature)),
        None => id,
    }
}

/// A call of a tool.
pub(super) fn tool_use(call: &ToolCall) -> Block<'_> {
    let ToolCall { id, name, arguments, kind, signature, cache: _, extra } = call;
    Block::ToolUse(ToolUseBlock {
        kind: Some("tool_use".into()),
        id: Some(Str(call_id(id, signature.as_deref()))),
        name: Some(name.into()),
        input: input(arguments, *kind),
        cache_control: None,
        extra: caller(extra),
    })
}

/// The one member of a call that clients of this API know.
pub(super) fn caller(extra: &llm_types::Extra) -> llm_types::Members<'_> {
    let mut out = llm_types::Members::default();
    if let Some(caller) = extra.get("caller") {
        out.push("caller".into(), caller);
    }
    out
}

/// Arguments as the object that they must be here; free text, and what a model garbled, goes into one.
fn input(arguments: &str, kind: ToolCallKind) -> Option<Raw<'_>> {
    if kind == ToolCallKind::Custom {
        return wrapped("input", arguments);
    }
    if arguments.trim().is_empty() {
        return RawValue::from_string("{}".to_owned()).ok().map(Raw::from);
    }
    match serde_json::from_str::<&RawValue>(arguments) {
        Ok(raw) if raw.get().starts_with('{') => Some(Raw::from(raw)),
        _ => wrapped("arguments", arguments),
    }
}

/// A text as the only member of an object.
pub(super) fn wrapped(name: &str, text: &str) -> Option<Raw<'static>> {
    let object: std::collections::BTreeMap<&str, &str> = std::iter::once((name, text)).collect();
    serde_json::value::to_raw_value(&object).ok().map(Raw::from)
}

#[derive(Serialize)]
struct WebSource<'a> {
    r#type: &'static str,
    cited_text: &'a str,
    url: &'a str,
    title: Option<&'a str>,
    encrypted_index: &'static str,
}

/// A source of a text: as Anthropic gave it, else as a result of a web search without its encryption.
pub(super) fn citation(citation: &Citation) -> Option<Raw<'_>> {
    let Citation { url, title, start: _, end: _, quote, native } = citation;
    if let Some((Dialect::Anthropic, raw)) = native {
        return Some(Raw::from(&**raw));
    }
    let source = WebSource {
        r#type: "web_search_result_location",
        cited_text: quote.as_deref().unwrap_or_default(),
        url: url.as_deref()?,
        title: title.as_deref(),
        encrypted_index: "",
    };
    serde_json::value::to_raw_value(&source).ok().map(Raw::from)
}
