//! Content blocks to parts.
//!
//! A block that has no neutral form, or a document of a kind that only Anthropic reads, stays as it is.

use llm_types::chat::{File, Image, Media, Opaque, Part, Reasoning, Sealed, Text, ToolCall, ToolResult};
use llm_types::{Dialect, Extra, Result, Str};

use super::super::client::{citation, opaque};
use super::super::wire::{
    Block, MediaBlock, Raw, RedactedBlock, Source, TextBlock, ThinkingBlock, ToolResultBlock, ToolUseBlock,
};
use super::decode::{breakpoint, keep_inner};
use super::fault::Place;
use super::message::parts;
use super::seal;

/// What a document is where nothing else is said of it.
const PDF: &str = "application/pdf";

/// Reads one block.
///
/// # Errors
/// When it lacks what its type promises.
pub(super) fn read(block: Block<'_>, place: &Place<'_>, out: &mut Vec<Part>) -> Result<()> {
    let part = match block {
        Block::Text(block) => return text(block, place, out),
        Block::Image(block) => image(block, place)?,
        Block::Document(block) => document(block, place)?,
        Block::ToolUse(block) => Part::ToolCall(tool_use(block, place)?),
        Block::ToolResult(block) => Part::ToolResult(tool_result(block, place)?),
        Block::Thinking(block) => Part::Reasoning(thinking(block, place)?),
        Block::Redacted(block) if signs_text(&block, out) => return Ok(()),
        Block::Redacted(block) => redacted(block, place)?,
        Block::Other(kind, raw) => {
            if kind.as_str().is_empty() {
                return Err(place.key("type").missing());
            }
            let json = raw.0.into_owned();
            Part::Opaque(Opaque { dialect: Dialect::Anthropic, kind: kind.into_string(), json })
        }
    };
    out.push(part);
    Ok(())
}

fn text(block: TextBlock<'_>, place: &Place<'_>, out: &mut Vec<Part>) -> Result<()> {
    let TextBlock { kind: _, text, citations, cache_control, extra } = block;
    let text = text.ok_or_else(|| place.key("text").missing())?;
    let mut extra = extra.to_extra();
    out.push(Part::Text(Text {
        text: text.0.into_lossy().into_owned(),
        cache: cache_control.map(breakpoint),
        signature: text_signature(&mut extra),
        extra,
    }));
    for raw in citations.unwrap_or_default() {
        let mut read = citation(&raw);
        if is_made_here(&raw) {
            read.native = None;
        }
        out.push(Part::Citation(read));
    }
    Ok(())
}

/// A signature over a text of another provider, which this front put beside it.
fn text_signature(extra: &mut Extra) -> Option<String> {
    let read = serde_json::from_str::<String>(extra.get("signature")?.get()).ok()?;
    let (dialect, signature) = seal::opened(&read);
    if dialect == Dialect::Anthropic {
        return None;
    }
    extra.remove("signature");
    Some(signature.to_owned())
}

/// Whether a block is only the signature over the last text, which it then gets.
fn signs_text(block: &RedactedBlock<'_>, out: &mut [Part]) -> bool {
    let signature = block.data.as_ref().and_then(|data| seal::text_signature(data.as_str()));
    let text = out.iter_mut().rev().find_map(|part| match part {
        Part::Text(text) => Some(text),
        _ => None,
    });
    if let (Some(signature), Some(text)) = (signature, text) {
        text.signature = Some(signature.to_owned());
    }
    signature.is_some()
}

/// Whether a citation was written by this front: Anthropic's own are always encrypted.
fn is_made_here(raw: &Raw<'_>) -> bool {
    raw.get().contains("\"encrypted_index\":\"\"") || raw.get().contains("\"encrypted_index\": \"\"")
}

fn image(block: MediaBlock<'_>, place: &Place<'_>) -> Result<Part> {
    let source = block.source.as_deref().ok_or_else(|| place.key("source").missing())?;
    let Some(media) = media(source, place)? else {
        return opaque(&Block::Image(block)).map(Part::Opaque);
    };
    let MediaBlock { kind: _, source, file_id: _, title, cache_control, extra } = block;
    let mut extra = extra.to_extra();
    super::decode::keep(&mut extra, "title", title.as_ref());
    keep_source(source, &mut extra);
    Ok(Part::Image(Image { cache: cache_control.map(breakpoint), extra, ..Image::new(media) }))
}

fn document(block: MediaBlock<'_>, place: &Place<'_>) -> Result<Part> {
    let upload = block.kind.as_ref().is_some_and(|kind| kind.as_str() == "container_upload");
    let media = if upload {
        let id = block.file_id.as_ref().ok_or_else(|| place.key("file_id").missing())?;
        Some(Media::FileId(id.as_str().to_owned()))
    } else {
        media(block.source.as_deref().ok_or_else(|| place.key("source").missing())?, place)?
    };
    let Some(media) = media else {
        return opaque(&Block::Document(block)).map(Part::Opaque);
    };
    let MediaBlock { kind: _, source, file_id: _, title, cache_control, extra } = block;
    let mut extra = extra.to_extra();
    keep_source(source, &mut extra);
    let unsaid = !upload && matches!(media, Media::Url(_) | Media::FileId(_));
    Ok(Part::File(File {
        media,
        filename: title.map(Str::into_string),
        media_type: unsaid.then(|| PDF.to_owned()),
        cache: cache_control.map(breakpoint),
        extra,
    }))
}

fn keep_source(source: Option<Box<Source<'_>>>, extra: &mut Extra) {
    if let Some(source) = source {
        keep_inner(extra, "source", &source.extra);
    }
}

/// Where the bytes are; `None`: a kind of source that only Anthropic reads.
fn media(source: &Source<'_>, place: &Place<'_>) -> Result<Option<Media>> {
    let Source { kind, media_type, data, url, file_id, extra: _ } = source;
    let inside = place.key("source");
    let given = |value: &Option<Str<'_>>, name: &'static str| match value {
        Some(text) => Ok(text.as_str().to_owned()),
        None => Err(inside.key(name).missing()),
    };
    Ok(Some(match kind.as_ref().map(Str::as_str) {
        Some("base64") => {
            Media::Base64 { media_type: given(media_type, "media_type")?, data: given(data, "data")? }
        }
        Some("text") => Media::Text(given(data, "data")?),
        Some("url") => Media::Url(given(url, "url")?),
        Some("file") => Media::FileId(given(file_id, "file_id")?),
        Some(_) => return Ok(None),
        None => return Err(inside.key("type").missing()),
    }))
}

fn tool_use(block: ToolUseBlock<'_>, place: &Place<'_>) -> Result<ToolCall> {
    let ToolUseBlock { kind: _, id, name, input, cache_control, extra } = block;
    let id = id.ok_or_else(|| place.key("id").missing())?;
    let (id, signature) = seal::split_id(id.as_str());
    Ok(ToolCall {
        id: id.to_owned(),
        name: name.ok_or_else(|| place.key("name").missing())?.into_string(),
        arguments: input.as_ref().map_or("{}", Raw::get).to_owned(),
        signature,
        cache: cache_control.map(breakpoint),
        extra: extra.to_extra(),
        ..ToolCall::default()
    })
}

fn tool_result(block: ToolResultBlock<'_>, place: &Place<'_>) -> Result<ToolResult> {
    let ToolResultBlock { kind: _, tool_use_id, content, is_error, cache_control, extra } = block;
    let id = tool_use_id.ok_or_else(|| place.key("tool_use_id").missing())?;
    Ok(ToolResult {
        call_id: seal::split_id(id.as_str()).0.to_owned(),
        name: None,
        parts: match content {
            Some(content) => parts(content, &place.key("content"))?,
            None => Vec::new(),
        },
        is_error,
        cache: cache_control.map(breakpoint),
        extra: extra.to_extra(),
    })
}

/// Thoughts. Without a signature they are anybody's: an upstream that signs nothing made them.
fn thinking(block: ThinkingBlock<'_>, place: &Place<'_>) -> Result<Reasoning> {
    let ThinkingBlock { kind: _, thinking, signature, extra } = block;
    let text = thinking.ok_or_else(|| place.key("thinking").missing())?;
    let signature = signature.filter(|signature| !signature.as_str().is_empty());
    let signed = signature.as_ref().map(|signature| seal::opened(signature.as_str()));
    Ok(Reasoning {
        text: text.0.into_lossy().into_owned(),
        signature: signed.map(|(_, signature)| signature.to_owned()),
        redacted: None,
        origin: signed.map(|(dialect, _)| dialect),
        extra: extra.to_extra(),
    })
}

fn redacted(block: RedactedBlock<'_>, place: &Place<'_>) -> Result<Part> {
    let RedactedBlock { kind: _, data, extra } = block;
    let data = data.ok_or_else(|| place.key("data").missing())?;
    if let Some(part) = Sealed::read_part(data.as_str()) {
        return Ok(Part::Opaque(part));
    }
    let (dialect, data) = seal::opened(data.as_str());
    Ok(Part::Reasoning(Reasoning {
        redacted: Some(data.to_owned()),
        origin: Some(dialect),
        extra: extra.to_extra(),
        ..Reasoning::default()
    }))
}
