//! Content parts to content blocks.

use llm_types::chat::{
    Audio, CacheControl, Citation, File, Image, Message, Opaque, Part, Reasoning, Refusal, Text, ToolCall,
    ToolResult,
};
use llm_types::{ApiError, Dialect, Extra, RawValue, Result, Str, wire_struct};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::super::model::Thoughts;
use super::super::wire::{
    self, Block, CitationsContent, Document, DocumentCitations, GuardContent, GuardText, Raw,
};
use super::cache::of_result;
use super::media::{self, Said, Shape};
use super::message::{Side, text};
use super::{Encoder, NO_COUNTERPART};
use crate::dialect::at::At;
use crate::dialect::custom;
use crate::dialect::name::Answers;

/// The longest id of a call.
const ID_LIMIT: usize = 64;

wire_struct! {
    /// A part of a message in LiteLLM's words: what a guardrail is to look at.
    struct Guarded<'a> {
        kind as "type": Str<'a>,
        text: Str<'a>,
        qualifiers: Vec<Str<'a>>,
    }
}

/// A result that is no object.
#[derive(Serialize)]
struct ReturnValue<'a> {
    return_value: &'a str,
}

impl<'r> Encoder<'r, '_> {
    /// The blocks of one message, in its order.
    ///
    /// # Errors
    /// When a part cannot be expressed.
    pub(super) fn blocks(
        &mut self,
        index: usize,
        message: &'r Message,
        side: Side,
    ) -> Result<Vec<Block<'r>>> {
        let mut out: Vec<Block<'r>> = Vec::with_capacity(message.parts.len());
        for (part_index, part) in message.parts.iter().enumerate() {
            let at = At { message: index, part: part_index };
            if let Part::Citation(citation) = part {
                self.citation(citation, at, out.last_mut());
                continue;
            }
            let before = out.len();
            self.part(part, at, side, &mut out)?;
            if out.len() == before {
                continue;
            }
            if let Some(point) = self.point(cache_of(part), || at.path()) {
                out.push(Block { cache_point: Some(point), ..Block::default() });
            }
        }
        Ok(out)
    }

    fn part(&mut self, part: &'r Part, at: At, side: Side, out: &mut Vec<Block<'r>>) -> Result<()> {
        match (part, side) {
            (Part::Text(text), _) => out.extend(self.text(text, at)),
            (Part::Refusal(Refusal { text: words }), _) => {
                self.changes.altered(at.path(), "a refusal is sent as text");
                out.push(text(words));
            }
            (Part::Opaque(opaque), _) => out.extend(self.opaque(opaque, at)?),
            (Part::Image(image), Side::User) => out.push(self.image(image, at)?),
            (Part::File(file), Side::User) => out.push(self.file(file, at)?),
            (Part::Audio(audio), Side::User) => out.extend(self.audio(audio, at)?),
            (Part::Audio(audio), Side::Assistant) => out.extend(self.spoken(audio, at)),
            (Part::ToolResult(result), Side::User) => self.tool_result(result, at, out)?,
            (Part::ToolCall(call), Side::Assistant) => out.extend(self.tool_call(call, at)),
            (Part::Reasoning(reasoning), Side::Assistant) => out.extend(self.reasoning(reasoning, at)),
            (Part::Citation(_), _) => {}
            (Part::Image(_) | Part::File(_) | Part::ToolResult(_), Side::Assistant | Side::System)
            | (Part::ToolCall(_) | Part::Reasoning(_), Side::User | Side::System)
            | (Part::Audio(_), Side::System) => {
                self.changes.dropped(at.path(), "bedrock does not take such a part in this role");
            }
        }
        Ok(())
    }

    fn text(&mut self, part: &'r Text, at: At) -> Option<Block<'r>> {
        let Text { text: words, cache, signature, extra } = part;
        if signature.is_some() {
            self.changes.dropped(at.member("signature"), "the signature is of another provider");
        }
        if words.trim().is_empty() {
            if !words.is_empty() || cache.is_some() || !extra.is_empty() {
                self.changes.dropped(at.path(), "bedrock does not take blank text");
            }
            return None;
        }
        self.members(extra, at);
        Some(text(words))
    }

    /// Members of a part that no field names have no place in its block.
    fn members(&mut self, extra: &Extra, at: At) {
        for (name, _) in extra.iter() {
            self.changes.dropped(at.member(name), NO_COUNTERPART);
        }
    }

    fn citation(&mut self, citation: &'r Citation, at: At, before: Option<&mut Block<'r>>) {
        let Citation { url: _, title: _, start: _, end: _, quote: _, native } = citation;
        let own = native.as_ref().filter(|(dialect, _)| *dialect == Dialect::Bedrock).map(|(_, raw)| raw);
        let (Some(raw), Some(block)) = (own, before) else {
            self.changes.dropped(at.path(), "only bedrock's own citations can be sent back");
            return;
        };
        if let Some(words) = block.text.take() {
            let content = vec![Block { text: Some(words), ..Block::default() }];
            block.citations =
                Some(CitationsContent { content: Some(content), ..CitationsContent::default() });
        }
        match &mut block.citations {
            Some(cited) => cited.citations.get_or_insert_default().push(Raw::from(&**raw)),
            None => self.changes.dropped(at.path(), "it belongs to no text"),
        }
    }

    fn image(&mut self, image: &'r Image, at: At) -> Result<Block<'r>> {
        let Image { media, detail, media_type, cache: _, extra } = image;
        if detail.is_some() {
            self.changes.dropped(at.member("image_url.detail"), NO_COUNTERPART);
        }
        let said = Said { media_type: media_type.as_deref(), filename: None };
        let shape = media::shape(media, said, self.model).map_err(|error| error.with_param(at.path()))?;
        self.members(extra, at);
        Ok(self.media(shape, None, at))
    }

    fn file(&mut self, file: &'r File, at: At) -> Result<Block<'r>> {
        let File { media, filename, media_type, cache: _, extra } = file;
        let said = Said { media_type: media_type.as_deref(), filename: filename.as_deref() };
        let shape = media::shape(media, said, self.model).map_err(|error| error.with_param(at.path()))?;
        let mut block = self.media(shape, filename.as_deref(), at);
        for (name, value) in extra.iter() {
            match (name, &mut block.document) {
                ("context", Some(document)) => document.context = serde_json::from_str(value.get()).ok(),
                ("title", Some(document)) if filename.is_none() => {
                    let title: Option<Str<'_>> = serde_json::from_str(value.get()).ok();
                    document.name = Some(self.document_name(title.as_ref().map(Str::as_str)).into());
                }
                ("citations", Some(document)) => {
                    document.citations = serde_json::from_str::<DocumentCitations<'_>>(value.get()).ok();
                }
                _ => self.changes.dropped(at.member(name), NO_COUNTERPART),
            }
        }
        Ok(block)
    }

    fn audio(&mut self, audio: &'r Audio, at: At) -> Result<Option<Block<'r>>> {
        let Audio { media, format, transcript, id, expires_at: _, cache: _, extra } = audio;
        for (name, set) in [("transcript", transcript.is_some()), ("id", id.is_some())] {
            if set && media.is_some() {
                self.changes.dropped(at.member(name), NO_COUNTERPART);
            }
        }
        self.members(extra, at);
        let Some(media) = media else {
            self.changes.dropped(at.path(), "bedrock does not know the sound of this id: send it");
            return Ok(None);
        };
        let said = Said { media_type: format.as_deref(), filename: None };
        let shape = media::shape(media, said, self.model).map_err(|error| error.with_param(at.path()))?;
        Ok(Some(self.media(shape, None, at)))
    }

    /// The model's own earlier sound: what it said is all that can go back.
    fn spoken(&mut self, audio: &'r Audio, at: At) -> Option<Block<'r>> {
        let words = audio.transcript.as_deref().filter(|words| !words.trim().is_empty());
        match words {
            Some(_) => self.changes.altered(at.path(), "the model's audio is sent as its transcript"),
            None => self.changes.dropped(at.path(), "bedrock does not take back the model's audio"),
        }
        words.map(text)
    }

    fn media(&mut self, shape: Shape<'r>, filename: Option<&str>, at: At) -> Block<'r> {
        if filename.is_some() && !matches!(shape, Shape::Document(_)) {
            self.changes.dropped(at.member("file.filename"), NO_COUNTERPART);
        }
        match shape {
            Shape::Image(media) => Block { image: Some(media), ..Block::default() },
            Shape::Video(media) => Block { video: Some(media), ..Block::default() },
            Shape::Audio(media) => Block { audio: Some(media), ..Block::default() },
            Shape::Document(document) => {
                let name = self.document_name(filename);
                Block { document: Some(Document { name: Some(name.into()), ..document }), ..Block::default() }
            }
        }
    }

    /// A name that no other document of the request has.
    fn document_name(&mut self, filename: Option<&str>) -> String {
        let base = media::name(filename);
        let mut name = base.clone();
        let mut count = 1;
        while !self.documents.insert(name.clone()) {
            count += 1;
            name = format!("{base}-{count}");
        }
        name
    }

    fn opaque(&mut self, opaque: &'r Opaque, at: At) -> Result<Option<Block<'r>>> {
        let Opaque { dialect, kind, json } = opaque;
        if *dialect == Dialect::Bedrock {
            let block = serde_json::from_str(json.get()).map_err(|error| {
                ApiError::bad_request(format!("not a block of a message: {error}")).with_param(at.path())
            })?;
            return Ok(Some(block));
        }
        if kind == "guarded_text"
            && let Ok(Guarded { kind: _, text: Some(words), qualifiers, extra: _ }) =
                serde_json::from_str(json.get())
        {
            let text = GuardText { text: Some(words), qualifiers, ..GuardText::default() };
            let guard = GuardContent { text: Some(text), ..GuardContent::default() };
            return Ok(Some(Block { guard: Some(guard), ..Block::default() }));
        }
        self.changes.dropped(at.path(), format!("only {dialect} understands this part"));
        Ok(None)
    }

    fn reasoning(&mut self, reasoning: &'r Reasoning, at: At) -> Option<Block<'r>> {
        let Reasoning { text: words, signature, redacted, origin: _, extra } = reasoning;
        let sealed = signature.is_some() || redacted.is_some();
        if sealed && !reasoning.is_readable_by(Dialect::Bedrock) {
            self.changes.dropped(at.path(), "the thoughts are sealed by another provider");
            return None;
        }
        let signature = signature.as_ref().filter(|signature| !signature.is_empty());
        let takes = match self.model.thoughts {
            Thoughts::Dropped => false,
            Thoughts::Signed => signature.is_some() || redacted.is_some(),
            Thoughts::Any => true,
        };
        if !takes {
            self.changes.dropped(at.path(), "this model does not take these thoughts back");
            return None;
        }
        self.members(extra, at);
        let mut out = wire::Reasoning::default();
        match (signature, redacted) {
            (None, Some(data)) => out.redacted = Some(data.into()),
            (signature, redacted) => {
                if redacted.is_some() {
                    self.changes
                        .dropped(at.member("redacted"), "signed thoughts cannot be encrypted as well");
                }
                let text = wire::Text::from(words.as_str());
                let signature = signature.map(Into::into);
                out.text = Some(wire::ReasoningText {
                    text: Some(text),
                    signature,
                    ..wire::ReasoningText::default()
                });
            }
        }
        Some(Block { reasoning: Some(out), ..Block::default() })
    }

    fn tool_call(&mut self, call: &'r ToolCall, at: At) -> Option<Block<'r>> {
        let ToolCall { id, name, arguments, kind, signature, cache: _, extra } = call;
        if signature.is_some() {
            self.changes.dropped(at.member("signature"), "the signature is of another provider");
        }
        let input = custom::object(*kind, arguments, self.changes, || at.member("arguments"));
        let Some(id) = self.ids.call(id, name, arguments) else {
            self.changes.dropped(at.path(), "the same call stands in the conversation already");
            return None;
        };
        self.members(extra, at);
        let call = wire::ToolUse {
            id: Some(bounded(id).into()),
            name: Some(self.names.sent(name)),
            input,
            ..wire::ToolUse::default()
        };
        Some(Block { tool_use: Some(call), ..Block::default() })
    }

    fn tool_result(&mut self, result: &'r ToolResult, at: At, out: &mut Vec<Block<'r>>) -> Result<()> {
        let ToolResult { call_id, name, parts, is_error, cache: _, extra } = result;
        let (id, known) = match self.ids.result(call_id, name.as_deref()) {
            Answers::Call { id, name: called } => (id, name.as_deref().is_none_or(|name| name == called)),
            Answers::Unknown(id) => (id, name.is_none()),
            Answers::Again => {
                self.changes.dropped(at.path(), "the call has a result already");
                return Ok(());
            }
        };
        if !known {
            self.changes.dropped(format!("messages[{}].name", at.message), NO_COUNTERPART);
        }
        self.members(extra, at);
        let mut content = Vec::with_capacity(parts.len());
        let mut behind = Vec::new();
        for part in parts {
            match part {
                Part::ToolResult(_) | Part::ToolCall(_) | Part::Reasoning(_) | Part::Citation(_) => {
                    self.changes.dropped(at.path(), "bedrock does not take such a part in a tool result");
                }
                part => self.part(part, at, Side::User, &mut content)?,
            }
        }
        let (pictures, documents) = (self.model.pictures_in_results, self.model.documents_in_results);
        let stays = |block: &Block<'_>| {
            (block.image.is_none() || pictures)
                && (block.document.is_none() || documents)
                && block.audio.is_none()
        };
        if !content.iter().all(stays) {
            self.changes
                .altered(at.path(), "sent behind the result, as the user's: this model takes it there only");
            let (inside, outside) = content.into_iter().partition(stays);
            (content, behind) = (inside, outside);
        }
        if content.is_empty() {
            content.push(text(if behind.is_empty() { "(no output)" } else { "(see below)" }));
        }
        if self.model.json_results {
            content = content.into_iter().map(as_json).collect();
        }
        let status = is_error.map(|failed| if failed { "error" } else { "success" });
        if is_error.is_some() && !self.model.status {
            let why = self.not_taken();
            self.changes.dropped(at.member("is_error"), why);
        }
        let result = wire::ToolResult {
            id: Some(bounded(id).into()),
            content: Some(content),
            status: status.filter(|_| self.model.status).map(Into::into),
            ..wire::ToolResult::default()
        };
        out.push(Block { tool_result: Some(result), ..Block::default() });
        out.append(&mut behind);
        Ok(())
    }
}

/// A text as an object: its own, where it is one.
fn as_json(block: Block<'_>) -> Block<'_> {
    let Some(text) = &block.text else { return block };
    let text = text.0.clone().into_lossy();
    let own = serde_json::from_str::<&RawValue>(text.trim()).ok().filter(|raw| raw.get().starts_with('{'));
    let json = match own {
        Some(own) => Some(own.to_owned()),
        None => serde_json::value::to_raw_value(&ReturnValue { return_value: &text }).ok(),
    };
    match json {
        Some(json) => Block { json: Some(Raw::from(json)), ..Block::default() },
        None => block,
    }
}

/// The mark of the cache behind a part.
fn cache_of(part: &Part) -> Option<&CacheControl> {
    match part {
        Part::Text(text) => text.cache.as_ref(),
        Part::Image(image) => image.cache.as_ref(),
        Part::Audio(audio) => audio.cache.as_ref(),
        Part::File(file) => file.cache.as_ref(),
        Part::ToolCall(call) => call.cache.as_ref(),
        Part::ToolResult(result) => of_result(result),
        Part::Refusal(_) | Part::Reasoning(_) | Part::Citation(_) | Part::Opaque(_) => None,
    }
}

/// An id that is not too long: what was cut off is told by a few digits of its digest.
fn bounded(id: String) -> String {
    if id.len() <= ID_LIMIT {
        return id;
    }
    let digest = Sha256::digest(id.as_bytes());
    let tail: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    id.chars().take(ID_LIMIT - tail.len() - 1).chain(['_']).chain(tail.chars()).collect()
}
