//! The conversation.
//!
//! The provider knows two speakers, `user` and `model`, who take turns: neighbouring messages of one
//! speaker become one turn, instructions stand apart, and the results of all calls of a turn stand
//! together in a turn of their own, directly behind it (`providers/gemini.md` 4).

use std::borrow::Cow;
use std::collections::HashMap;

use llm_types::chat::{CacheControl, Message, Role};
use llm_types::{ApiError, Extra, Result, Str};

use super::media::MADE_AS;
use super::name::Names;
use super::{Cx, NO_COUNTERPART, wire};
use crate::dialect::gemini::model::Resolution;

/// Stands for a signature that another provider's history does not have
/// (<https://ai.google.dev/gemini-api/docs/thought-signatures>).
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// Who has the word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The one who asks.
    User,
    /// The model.
    Model,
    /// The one who asks, giving results of calls.
    Results,
}

/// Where a part is in the client's request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    message: usize,
    part: usize,
    call: usize,
}

impl Place {
    /// `messages[1].content[0]`, and a member of it.
    pub(super) fn content(self, member: &str) -> String {
        format!("messages[{}].content[{}]{member}", self.message, self.part)
    }

    /// `messages[1].tool_calls[0]`, and a member of it.
    pub(super) fn call(self, member: &str) -> String {
        format!("messages[{}].tool_calls[{}]{member}", self.message, self.call)
    }

    /// `messages[1]`, and a member of it.
    pub(super) fn message(self, member: &str) -> String {
        format!("messages[{}]{member}", self.message)
    }
}

/// The conversation as it is sent.
#[derive(Debug)]
pub(super) struct Conversation<'a> {
    pub(super) contents: Vec<wire::Content<'a>>,
    pub(super) system: Option<wire::Content<'a>>,
    /// How closely the model is to look, where that is said once for all pictures.
    pub(super) resolution: Option<&'static str>,
}

/// Turns messages into turns.
#[derive(Debug)]
pub(super) struct Turns<'a, 'x, 'c> {
    pub(super) cx: &'x mut Cx<'c>,
    pub(super) names: &'x mut Names<'a>,
    /// The calls so far: id and name.
    pub(super) calls: HashMap<&'a str, &'a str>,
    /// How closely the model is to look at the pictures so far.
    pub(super) resolution: usize,
    /// What belongs to results but cannot stand in them.
    pub(super) attached: Vec<wire::Part<'a>>,
    contents: Vec<wire::Content<'a>>,
    system: Vec<wire::Part<'a>>,
    turn: Option<Turn>,
}

/// Levels of looking closely, in order; none is the first.
pub(super) const LEVELS: [&str; 5] = [
    "MEDIA_RESOLUTION_UNSPECIFIED",
    "MEDIA_RESOLUTION_LOW",
    "MEDIA_RESOLUTION_MEDIUM",
    "MEDIA_RESOLUTION_HIGH",
    "MEDIA_RESOLUTION_ULTRA_HIGH",
];

impl<'a, 'x, 'c> Turns<'a, 'x, 'c> {
    /// No turn yet.
    pub(super) fn new(cx: &'x mut Cx<'c>, names: &'x mut Names<'a>) -> Self {
        Self {
            cx,
            names,
            calls: HashMap::new(),
            resolution: 0,
            attached: Vec::new(),
            contents: Vec::new(),
            system: Vec::new(),
            turn: None,
        }
    }

    /// Adds a message.
    ///
    /// # Errors
    /// When a part of it cannot be expressed.
    pub(super) fn message(&mut self, index: usize, message: &'a Message) -> Result<()> {
        let Message { role, parts, name, extra } = message;
        let mut place = Place { message: index, part: 0, call: 0 };
        if name.is_some() {
            self.cx.changes.dropped(place.message(".name"), NO_COUNTERPART);
        }
        for (name, _) in extra.iter() {
            self.cx.changes.dropped(place.message(&format!(".{name}")), NO_COUNTERPART);
        }
        let turn = match role {
            Role::System | Role::Developer => return self.instructions(place, message),
            Role::User | Role::Tool => Turn::User,
            Role::Assistant => Turn::Model,
        };
        if parts.is_empty() {
            self.push(turn, text(""));
        }
        for part in parts {
            let is_call = matches!(part, llm_types::chat::Part::ToolCall(_));
            self.part(turn, place, part)?;
            if is_call {
                place.call += 1;
            } else {
                place.part += 1;
            }
        }
        Ok(())
    }

    /// Instructions stand apart from the conversation, wherever they were given in it.
    fn instructions(&mut self, mut place: Place, message: &'a Message) -> Result<()> {
        if !self.cx.model.system {
            let why = format!("{} takes no system instruction: sent as a user message", self.cx.name);
            self.cx.changes.altered(place.message(".role"), why);
            for part in &message.parts {
                self.part(Turn::User, place, part)?;
                place.part += 1;
            }
            return Ok(());
        }
        if !self.contents.is_empty() {
            self.cx
                .changes
                .altered(place.message(""), "moved to the start: gemini has one system instruction");
        }
        for part in &message.parts {
            match part {
                llm_types::chat::Part::Text(part) => {
                    let llm_types::chat::Text { text: words, cache, signature: _, extra } = part;
                    self.no_cache(place, cache.as_ref());
                    let mut out = text(words);
                    self.members(&mut out, extra, place);
                    self.system.push(out);
                }
                _ => self.cx.changes.dropped(place.content(""), "gemini's system instruction is text only"),
            }
            place.part += 1;
        }
        Ok(())
    }

    /// Adds a part to the turn of its speaker.
    pub(super) fn push(&mut self, turn: Turn, part: wire::Part<'a>) {
        if turn != Turn::Results && !self.attached.is_empty() {
            for part in std::mem::take(&mut self.attached) {
                self.append(Turn::User, part);
            }
        }
        self.append(turn, part);
    }

    fn append(&mut self, turn: Turn, part: wire::Part<'a>) {
        match self.contents.last_mut().and_then(|content| content.parts.as_mut()) {
            Some(parts) if self.turn == Some(turn) => parts.push(part),
            _ => {
                let role = if turn == Turn::Model { "model" } else { "user" };
                self.contents.push(wire::Content {
                    role: Some(Str::from(role)),
                    parts: Some(vec![part].into()),
                    ..wire::Content::default()
                });
                self.turn = Some(turn);
            }
        }
    }

    /// The whole conversation.
    ///
    /// # Errors
    /// When there is no message.
    pub(super) fn finish(mut self) -> Result<Conversation<'a>> {
        for part in std::mem::take(&mut self.attached) {
            self.append(Turn::User, part);
        }
        if self.contents.is_empty() {
            if self.system.is_empty() {
                return Err(ApiError::bad_request("send at least one message").with_param("messages"));
            }
            self.append(Turn::User, text("."));
        }
        for content in &mut self.contents {
            let parts = content.parts.get_or_insert_default();
            if content.role.as_ref().is_some_and(|role| role.as_str() == "model") {
                sign(parts, self.cx.model.signs_calls());
            } else if self.cx.model.needs_text && !parts.iter().any(is_text_or_result) {
                parts.push(text(" "));
            }
        }
        let system = (!self.system.is_empty())
            .then(|| wire::Content { parts: Some(self.system.into()), ..wire::Content::default() });
        let whole = self.cx.model.resolution == Resolution::Request && self.resolution > 0;
        let resolution = if whole { LEVELS.get(self.resolution).copied() } else { None };
        Ok(Conversation { contents: self.contents, system, resolution })
    }

    /// Members of a part that no field names.
    pub(super) fn members(&mut self, part: &mut wire::Part<'a>, extra: &'a Extra, place: Place) {
        for (name, value) in extra.iter() {
            match name {
                "video_metadata" | "videoMetadata" => part.video_metadata = Some(value.into()),
                MADE_AS if part.inline_data.is_some() => {}
                "media_resolution" | "mediaResolution" if part.media_resolution.is_none() => {
                    part.media_resolution = serde_json::from_str(value.get()).ok();
                }
                "thought_signature" | "thoughtSignature" if value.get().starts_with('"') => {
                    part.thought_signature = serde_json::from_str(value.get()).ok();
                }
                _ if self.cx.native && !is_named(name) => {
                    part.extra.push(Cow::Borrowed(name), value);
                }
                _ => self.cx.changes.dropped(place.content(&format!(".{name}")), NO_COUNTERPART),
            }
        }
    }

    /// A prompt-cache breakpoint: the provider finds common beginnings by itself.
    pub(super) fn no_cache(&mut self, place: Place, cache: Option<&CacheControl>) {
        if cache.is_some() {
            self.cx.changes.dropped(place.content(".cache_control"), NO_COUNTERPART);
        }
    }
}

/// A part of text.
pub(super) fn text(words: &str) -> wire::Part<'_> {
    wire::Part { text: Some(words.into()), ..wire::Part::default() }
}

fn is_text_or_result(part: &wire::Part<'_>) -> bool {
    part.text.is_some() || part.function_response.is_some()
}

/// Whether a part has a field of this name, which an unknown member may not repeat.
fn is_named(name: &str) -> bool {
    const NAMED: [&str; 9] = [
        "text",
        "thought",
        "inlineData",
        "fileData",
        "functionCall",
        "functionResponse",
        "thoughtSignature",
        "videoMetadata",
        "mediaResolution",
    ];
    NAMED.contains(&super::extra::camel(name).as_str())
}

/// Puts the signatures of one turn of the model in order: the first call must have one, and a signature
/// that stands on a call must not stand on a second part, where it would be billed again.
fn sign(parts: &mut [wire::Part<'_>], first_call_must_be_signed: bool) {
    let on_call = parts.iter().find(|part| part.function_call.is_some());
    let on_call = on_call.and_then(|call| call.thought_signature.as_ref()).map(|s| s.as_str().to_owned());
    if let Some(signature) = on_call {
        for part in parts.iter_mut().filter(|part| part.function_call.is_none()) {
            if part.thought_signature.as_ref().is_some_and(|s| s.as_str() == signature) {
                part.thought_signature = None;
            }
        }
    } else if first_call_must_be_signed
        && let Some(call) = parts.iter_mut().find(|part| part.function_call.is_some())
    {
        call.thought_signature = Some(Str::from(NO_SIGNATURE));
    }
}
