//! Content parts to content blocks.

use llm_types::chat::{
    Audio, Citation, File, Image, Message, Opaque, Part, Reasoning, Refusal, Text, ToolCall, ToolResult,
};
use llm_types::{ApiError, Dialect, Result, Str};

use super::super::wire::{
    Block, Content, MediaBlock, Raw, RedactedBlock, TextBlock, ThinkingBlock, ToolResultBlock, ToolUseBlock,
};
use super::beta;
use super::encoder::{Encoder, NO_COUNTERPART, breakpoint};
use super::media::{Said, Shape};
use super::message::{Placed, Side};
use crate::dialect::at::At;
use crate::dialect::custom;
use crate::dialect::name::Answers;

/// Members of a document that any client may set.
const DOCUMENT: &[&str] = &["title", "context", "citations"];

impl<'r> Encoder<'r, '_> {
    /// The blocks of one message, in its order.
    pub(super) fn blocks(
        &mut self,
        index: usize,
        message: &'r Message,
        side: Side,
    ) -> Result<Vec<Placed<'r>>> {
        let mut out: Vec<Placed<'r>> = Vec::with_capacity(message.parts.len());
        for (part_index, part) in message.parts.iter().enumerate() {
            let at = At { message: index, part: part_index };
            if let Part::Citation(citation) = part {
                self.citation(citation, at, out.last_mut());
                continue;
            }
            if let Some(block) = self.part(part, at, side)? {
                out.push(Placed { block, at });
            }
        }
        Ok(out)
    }

    fn part(&mut self, part: &'r Part, at: At, side: Side) -> Result<Option<Block<'r>>> {
        match (part, side) {
            (Part::Text(text), _) => Ok(self.text(text, at)),
            (Part::Refusal(Refusal { text }), _) => {
                self.changes.altered(at.path(), "a refusal is sent as text");
                Ok(plain_text(text))
            }
            (Part::Opaque(opaque), _) => Ok(self.opaque(opaque, at)),
            (Part::Image(image), Side::User) => self.image(image, at).map(Some),
            (Part::File(file), Side::User) => self.file(file, at).map(Some),
            (Part::ToolResult(result), Side::User) => self.tool_result(result, at),
            (Part::Audio(audio), Side::Assistant) => Ok(self.spoken(audio, at)),
            (Part::Audio(_), Side::User | Side::System) => Err(ApiError::bad_request(
                "anthropic does not take audio: send a transcript as text, or choose another model",
            )
            .with_param(at.path())),
            (Part::ToolCall(call), Side::Assistant) => Ok(self.tool_call(call, at)),
            (Part::Reasoning(reasoning), Side::Assistant) => Ok(self.reasoning(reasoning, at)),
            (Part::Citation(_), _) => Ok(None),
            (Part::Image(_) | Part::File(_) | Part::ToolResult(_), Side::Assistant | Side::System)
            | (Part::ToolCall(_) | Part::Reasoning(_), Side::User | Side::System) => {
                self.changes.dropped(at.path(), "anthropic does not take such a part in this role");
                Ok(None)
            }
        }
    }

    fn text(&mut self, text: &'r Text, at: At) -> Option<Block<'r>> {
        let Text { text, cache, signature, extra } = text;
        if signature.is_some() {
            self.changes.dropped(at.member("signature"), "the signature is of another provider");
        }
        if text.trim().is_empty() {
            if !text.is_empty() || cache.is_some() || !extra.is_empty() {
                self.changes.dropped(at.path(), "anthropic does not take blank text");
            }
            return None;
        }
        let mut text = text.as_str();
        if self.prefill == Some(at) && text.trim_end() != text {
            self.changes.altered(at.path(), "white space at the end of the last message is refused");
            text = text.trim_end();
        }
        Some(Block::Text(TextBlock {
            cache_control: breakpoint(cache.as_ref()),
            extra: self.members(extra, &[], || at.path()),
            ..text_block(text)
        }))
    }

    fn citation(&mut self, citation: &'r Citation, at: At, before: Option<&mut Placed<'r>>) {
        let Citation { url: _, title: _, start: _, end: _, quote: _, native } = citation;
        match (native, before.map(|placed| &mut placed.block)) {
            (Some((Dialect::Anthropic, raw)), Some(Block::Text(text))) => {
                text.citations.get_or_insert_default().push(Raw::from(&**raw));
            }
            _ => self.changes.dropped(at.path(), "only anthropic's own citations can be sent back"),
        }
    }

    fn image(&mut self, image: &'r Image, at: At) -> Result<Block<'r>> {
        let Image { media, detail, media_type, cache, extra } = image;
        if detail.is_some() {
            self.changes.dropped(at.member("image_url.detail"), NO_COUNTERPART);
        }
        let said = Said { shape: Shape::Picture, media_type: media_type.as_deref(), filename: None };
        let (shape, source) = self.source(media, said).map_err(|error| error.with_param(at.path()))?;
        let block = MediaBlock {
            source: Some(Box::new(source)),
            cache_control: breakpoint(cache.as_ref()),
            extra: self.members(extra, if shape == Shape::Document { DOCUMENT } else { &[] }, || at.path()),
            ..MediaBlock::default()
        };
        Ok(self.media_block(shape, block))
    }

    fn file(&mut self, file: &'r File, at: At) -> Result<Block<'r>> {
        let File { media, filename, media_type, cache, extra } = file;
        let said =
            Said { shape: Shape::Document, media_type: media_type.as_deref(), filename: filename.as_deref() };
        let (shape, source) = self.source(media, said).map_err(|error| error.with_param(at.path()))?;
        let members =
            self.members(extra, if shape == Shape::Document { DOCUMENT } else { &[] }, || at.path());
        let titled = shape == Shape::Document && members.get("title").is_none();
        if filename.is_some() && !titled {
            self.changes.dropped(at.member("file.filename"), NO_COUNTERPART);
        }
        let block = MediaBlock {
            source: Some(Box::new(source)),
            title: filename.as_ref().filter(|_| titled).map(Into::into),
            cache_control: breakpoint(cache.as_ref()),
            extra: members,
            ..MediaBlock::default()
        };
        Ok(self.media_block(shape, block))
    }

    fn media_block(&mut self, shape: Shape, mut block: MediaBlock<'r>) -> Block<'r> {
        if block.source.as_ref().is_some_and(|source| source.file_id.is_some()) {
            self.betas.add(beta::FILES);
        }
        match shape {
            Shape::Picture => Block::Image(MediaBlock { kind: Some("image".into()), ..block }),
            Shape::Document => Block::Document(MediaBlock { kind: Some("document".into()), ..block }),
            Shape::Upload => {
                self.betas.add(beta::CODE_EXECUTION);
                let file_id = block.source.take().and_then(|source| source.file_id);
                Block::Document(MediaBlock { kind: Some("container_upload".into()), file_id, ..block })
            }
        }
    }

    /// The model's own earlier sound: what it said is all that can go back.
    fn spoken(&mut self, audio: &'r Audio, at: At) -> Option<Block<'r>> {
        let Audio { media: _, format: _, transcript, id: _, expires_at: _, cache: _, extra: _ } = audio;
        let block = transcript.as_ref().and_then(|text| plain_text(text));
        match block {
            Some(_) => self.changes.altered(at.path(), "the model's audio is sent as its transcript"),
            None => self.changes.dropped(at.path(), "anthropic does not take audio"),
        }
        block
    }

    fn opaque(&mut self, opaque: &'r Opaque, at: At) -> Option<Block<'r>> {
        let Opaque { dialect, kind, json } = opaque;
        if *dialect != Dialect::Anthropic {
            self.changes.dropped(at.path(), format!("only {dialect} understands this part"));
            return None;
        }
        Some(Block::Other(kind.into(), Raw::from(&**json)))
    }

    fn reasoning(&mut self, reasoning: &'r Reasoning, at: At) -> Option<Block<'r>> {
        if !reasoning.is_readable_by(Dialect::Anthropic) {
            self.changes.dropped(at.path(), "the thoughts are sealed by another provider");
            return None;
        }
        let Reasoning { text, signature, redacted, origin: _, extra } = reasoning;
        if let Some(signature) = signature.as_ref().filter(|signature| !signature.is_empty()) {
            if redacted.is_some() {
                self.changes.dropped(at.member("redacted"), "signed thoughts cannot be encrypted as well");
            }
            return Some(Block::Thinking(ThinkingBlock {
                kind: Some("thinking".into()),
                thinking: Some(super::super::wire::Text(text.as_str().into())),
                signature: Some(signature.into()),
                extra: self.members(extra, &[], || at.path()),
            }));
        }
        if let Some(data) = redacted {
            return Some(Block::Redacted(RedactedBlock {
                kind: Some("redacted_thinking".into()),
                data: Some(data.into()),
                extra: self.members(extra, &[], || at.path()),
            }));
        }
        self.changes.dropped(at.path(), "anthropic takes back signed thoughts only");
        None
    }

    fn tool_call(&mut self, call: &'r ToolCall, at: At) -> Option<Block<'r>> {
        let ToolCall { id, name, arguments, kind, signature, cache, extra } = call;
        if signature.is_some() {
            self.changes.dropped(at.member("signature"), "the signature is of another provider");
        }
        let input = custom::object(*kind, arguments, self.changes, || at.member("arguments"));
        let Some(id) = self.ids.call(id, name, arguments) else {
            self.changes.dropped(at.path(), "the same call stands in the conversation already");
            return None;
        };
        Some(Block::ToolUse(ToolUseBlock {
            kind: Some("tool_use".into()),
            id: Some(id.into()),
            name: Some(self.names.sent(name)),
            input,
            cache_control: breakpoint(cache.as_ref()),
            extra: self.members(extra, &["caller"], || at.path()),
        }))
    }

    fn tool_result(&mut self, result: &'r ToolResult, at: At) -> Result<Option<Block<'r>>> {
        let ToolResult { call_id, name, parts, is_error, cache, extra } = result;
        let name = name.as_deref();
        let (id, known) = match self.ids.result(call_id, name) {
            Answers::Call { id, name: called } => (id, name.is_none_or(|name| name == called)),
            Answers::Unknown(id) => (id, name.is_none()),
            Answers::Again => {
                self.changes.dropped(at.path(), "the call has a result already");
                return Ok(None);
            }
        };
        if !known {
            self.changes.dropped(format!("messages[{}].name", at.message), NO_COUNTERPART);
        }
        let (content, inner) = self.result_content(parts, at)?;
        let cache = cache.as_ref().or(inner);
        Ok(Some(Block::ToolResult(ToolResultBlock {
            kind: Some("tool_result".into()),
            tool_use_id: Some(id.into()),
            content,
            is_error: *is_error,
            cache_control: breakpoint(cache),
            extra: self.members(extra, &[], || at.path()),
        })))
    }

    /// A result's content: one text as a string. A breakpoint on one of its parts belongs to the result.
    fn result_content(
        &mut self,
        parts: &'r [Part],
        at: At,
    ) -> Result<(Option<Content<'r>>, Option<&'r llm_types::chat::CacheControl>)> {
        if let [Part::Text(Text { text, cache, signature: None, extra })] = parts
            && extra.is_empty()
        {
            let content = (!text.is_empty()).then(|| Content::Text(text.into()));
            return Ok((content, cache.as_ref()));
        }
        let mut cache = None;
        let mut blocks = Vec::with_capacity(parts.len());
        for part in parts {
            let block = match part {
                Part::ToolResult(_) | Part::ToolCall(_) | Part::Reasoning(_) | Part::Citation(_) => {
                    self.changes.dropped(at.path(), "anthropic does not take such a part in a tool result");
                    None
                }
                part => self.part(part, at, Side::User)?,
            };
            let Some(mut block) = block else {
                continue;
            };
            if let Some(slot) = block.cache_slot()
                && slot.take().is_some()
            {
                cache = match part {
                    Part::Text(text) => text.cache.as_ref(),
                    Part::Image(image) => image.cache.as_ref(),
                    Part::File(file) => file.cache.as_ref(),
                    _ => cache,
                };
            }
            blocks.push(block);
        }
        Ok(((!blocks.is_empty()).then_some(Content::Blocks(blocks)), cache))
    }
}

/// A text block of `text`.
pub(super) fn text_block(text: &str) -> TextBlock<'_> {
    TextBlock {
        kind: Some("text".into()),
        text: Some(super::super::wire::Text(text.into())),
        ..TextBlock::default()
    }
}

fn plain_text(text: &str) -> Option<Block<'_>> {
    (!text.trim().is_empty()).then(|| Block::Text(text_block(text)))
}

/// A role word.
pub(super) fn word(word: &'static str) -> Option<Str<'static>> {
    Some(word.into())
}
