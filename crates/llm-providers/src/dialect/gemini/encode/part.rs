//! The parts of a message.

use llm_types::chat::{
    Audio, Citation, File, Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall, ToolCallKind, ToolResult,
};
use llm_types::{ApiError, Dialect, RawValue, Result, Str};

use super::media::{self, Hint};
use super::message::{LEVELS, Place, Turn, Turns, text};
use super::{NO_COUNTERPART, wire};
use crate::dialect::gemini::ids;
use crate::dialect::gemini::model::Resolution;

/// What some gateways put between an id and the signature of its call, for clients that keep ids only.
const SIGNATURE_IN_ID: &str = "__thought__";

impl<'a> Turns<'a, '_, '_> {
    /// Adds a part to the turn of its speaker.
    ///
    /// # Errors
    /// When it cannot be expressed.
    pub(super) fn part(&mut self, turn: Turn, place: Place, part: &'a Part) -> Result<()> {
        match part {
            Part::Text(Text { text: words, cache, signature, extra }) => {
                let mut out = text(words);
                out.thought_signature = signature.as_ref().map(Str::from);
                self.no_cache(place, cache.as_ref());
                self.members(&mut out, extra, place);
                self.push(turn, out);
            }
            Part::Refusal(Refusal { text: words }) => {
                self.cx.changes.altered(place.content(""), "a refusal is sent as text");
                self.push(turn, text(words));
            }
            Part::Image(image) => {
                let out = self.image(image, place)?;
                self.push(turn, out);
            }
            Part::Audio(audio) => self.audio(turn, audio, place)?,
            Part::File(file) => {
                let out = self.file(file, place)?;
                self.push(turn, out);
            }
            Part::ToolCall(call) => self.call(turn, call, place)?,
            Part::ToolResult(result) => self.result(result, place)?,
            Part::Reasoning(reasoning) => self.reasoning(turn, reasoning, place),
            Part::Citation(Citation { url: _, title: _, start: _, end: _, quote: _, native: _ }) => {
                self.cx.changes.dropped(place.content(""), "gemini takes no citations in a history");
            }
            Part::Opaque(Opaque { dialect: Dialect::Gemini, kind: _, json }) => {
                let out = serde_json::from_str(json.get()).map_err(|error| {
                    ApiError::bad_request(format!("not a part of a message: {error}"))
                        .with_param(place.content(""))
                })?;
                self.push(turn, out);
            }
            Part::Opaque(Opaque { dialect, kind, json: _ }) => {
                self.cx.changes.dropped(place.content(""), format!("{kind} is known to {dialect} only"));
            }
        }
        Ok(())
    }

    fn image(&mut self, image: &'a Image, place: Place) -> Result<wire::Part<'a>> {
        let Image { media, detail, media_type: _, cache, extra } = image;
        let mut out = media::part(self.cx.host, media, Hint::image(image), &place.content(""))?;
        self.detail(detail.as_deref(), &mut out, place);
        self.no_cache(place, cache.as_ref());
        self.members(&mut out, extra, place);
        Ok(out)
    }

    fn detail(&mut self, detail: Option<&str>, out: &mut wire::Part<'a>, place: Place) {
        const PATH: &str = ".image_url.detail";
        let rank = match detail {
            None | Some("auto") => return,
            Some("low") => 1,
            Some("medium") => 2,
            Some("high") => 3,
            Some("ultra_high") => 4,
            Some(_) => {
                self.cx.changes.dropped(place.content(PATH), "gemini knows low, medium, high and ultra_high");
                return;
            }
        };
        match self.cx.model.resolution {
            Resolution::None => {
                let why = self.cx.not_taken();
                self.cx.changes.dropped(place.content(PATH), why);
            }
            Resolution::Request => {
                if rank == 4 {
                    self.cx.changes.altered(place.content(PATH), "sent as high");
                } else if self.resolution != 0 && self.resolution != rank {
                    self.cx.changes.altered(place.content(PATH), "the closest look holds for all pictures");
                }
                self.resolution = self.resolution.max(rank.min(3));
            }
            Resolution::Part => {
                let level = LEVELS.get(rank).map(|level| Str::from(*level));
                out.media_resolution = Some(wire::Level { level, ..wire::Level::default() });
            }
        }
    }

    fn file(&mut self, file: &'a File, place: Place) -> Result<wire::Part<'a>> {
        let File { media, filename, media_type: _, cache, extra } = file;
        let mut out = media::part(self.cx.host, media, Hint::file(file), &place.content(""))?;
        if filename.is_some() {
            self.cx.changes.dropped(place.content(".file.filename"), NO_COUNTERPART);
        }
        self.no_cache(place, cache.as_ref());
        self.members(&mut out, extra, place);
        Ok(out)
    }

    /// Sound. What the model itself said goes back as its words: the provider takes no sound there.
    fn audio(&mut self, turn: Turn, audio: &'a Audio, place: Place) -> Result<()> {
        let Audio { media, format: _, transcript, id, expires_at: _, cache, extra } = audio;
        self.no_cache(place, cache.as_ref());
        let words = transcript.as_deref().filter(|words| !words.is_empty());
        let mut out = match (media, words) {
            (Some(media), words) if turn != Turn::Model || words.is_none() => {
                if words.is_some() {
                    self.cx.changes.dropped(place.content(".transcript"), NO_COUNTERPART);
                }
                media::part(self.cx.host, media, Hint::audio(audio), &place.content(""))?
            }
            (_, Some(words)) => {
                self.cx.changes.altered(place.content(""), "sound of the model is sent as its transcript");
                text(words)
            }
            (_, None) => {
                let why = "gemini does not know the sound of this id: send its transcript";
                self.cx.changes.dropped(place.message(".audio"), why);
                return Ok(());
            }
        };
        if id.is_some() {
            self.cx.changes.dropped(place.message(".audio.id"), NO_COUNTERPART);
        }
        self.members(&mut out, extra, place);
        self.push(turn, out);
        Ok(())
    }

    fn reasoning(&mut self, turn: Turn, reasoning: &'a Reasoning, place: Place) {
        let Reasoning { text: words, signature, redacted, origin: _, extra } = reasoning;
        let readable = reasoning.is_readable_by(Dialect::Gemini);
        if signature.is_some() && !readable {
            self.cx
                .changes
                .dropped(place.content(".signature"), "the thoughts are sealed by another provider");
        }
        let signature = signature.as_ref().filter(|_| readable);
        if redacted.is_some() {
            self.cx.changes.dropped(place.content(""), "encrypted thoughts are known to their provider only");
        }
        if words.is_empty() && signature.is_none() {
            return;
        }
        let mut out = text(words);
        out.thought = Some(true);
        out.thought_signature = signature.map(Str::from);
        self.members(&mut out, extra, place);
        self.push(turn, out);
    }

    fn call(&mut self, turn: Turn, call: &'a ToolCall, place: Place) -> Result<()> {
        let ToolCall { id, name, arguments, kind, signature, cache, extra } = call;
        let (id, in_id) = match id.split_once(SIGNATURE_IN_ID) {
            Some((id, signature)) => (id, Some(signature)),
            None => (id.as_str(), None),
        };
        self.calls.insert(id, name);
        if cache.is_some() {
            self.cx.changes.dropped(place.call(".cache_control"), NO_COUNTERPART);
        }
        let function = wire::FunctionCall {
            id: self.sent_id(id),
            name: Some(self.names.sent(name)),
            args: Some(self.arguments(*kind, arguments, place)?),
            ..wire::FunctionCall::default()
        };
        let mut out = wire::Part { function_call: Some(function), ..wire::Part::default() };
        out.thought_signature = signature.as_deref().or(in_id).map(Str::from);
        for (name, value) in extra.iter() {
            match name {
                "thought_signature" | "thoughtSignature" if out.thought_signature.is_none() => {
                    out.thought_signature = serde_json::from_str(value.get()).ok();
                }
                _ if self.cx.own => out.extra.push(name.into(), value),
                _ => self.cx.changes.dropped(place.call(&format!(".{name}")), NO_COUNTERPART),
            }
        }
        self.push(turn, out);
        Ok(())
    }

    /// The id as it is sent: only newer models have ids, but a client of this dialect knows whether its
    /// model takes them. Those that were made here for other dialects go no further.
    fn sent_id(&self, id: &'a str) -> Option<Str<'a>> {
        let takes = if self.cx.own { !ids::is_made(id) } else { self.cx.model.signs_calls() };
        (takes && !id.is_empty()).then(|| Str::from(id))
    }

    /// Arguments must be an object: free text, and what a model garbled, goes into one.
    fn arguments(&mut self, kind: ToolCallKind, arguments: &'a str, place: Place) -> Result<wire::Raw<'a>> {
        if kind == ToolCallKind::Custom {
            return wrapped("input", arguments);
        }
        if arguments.trim().is_empty() {
            return wrapped_none();
        }
        if let Some(object) = object(arguments) {
            return Ok(object.into());
        }
        self.cx.changes.altered(place.call(".function.arguments"), "not a JSON object: sent inside one");
        wrapped("arguments", arguments)
    }

    fn result(&mut self, result: &'a ToolResult, place: Place) -> Result<()> {
        let ToolResult { call_id, name, parts, is_error, cache, extra } = result;
        if cache.is_some() {
            self.cx.changes.dropped(place.message(".cache_control"), NO_COUNTERPART);
        }
        if !self.cx.own {
            for (name, _) in extra.iter() {
                self.cx.changes.dropped(place.message(&format!(".{name}")), NO_COUNTERPART);
            }
        }
        let id = call_id.split_once(SIGNATURE_IN_ID).map_or(call_id.as_str(), |(id, _)| id);
        // Deprecated function messages have names and no ids.
        let called = if id.is_empty() { None } else { self.calls.get(id).copied() };
        let name = called.or(name.as_deref()).ok_or_else(|| {
            ApiError::bad_request(format!(
                "no tool call `{id}` comes before its result: send the assistant message that holds it"
            ))
            .with_param(place.message(".tool_call_id"))
        })?;
        let signs = self.cx.model.signs_calls();
        let sent = self.sent_id(id);
        let mut inside = Vec::new();
        for part in parts {
            let out = self.result_part(part, place)?;
            match out {
                None => {}
                Some(out) if signs && media::goes_into_result(&out) => inside.push(out),
                Some(out) => {
                    self.cx.changes.altered(place.content(""), "sent behind the result, as the user's");
                    self.attached.push(out);
                }
            }
        }
        let mut response = wire::FunctionResponse {
            id: sent,
            name: Some(self.names.sent(name)),
            response: Some(answer(parts, is_error.unwrap_or_default())?),
            parts: (!inside.is_empty()).then_some(inside.into()),
            ..wire::FunctionResponse::default()
        };
        if self.cx.own {
            response.extra = extra.members();
        }
        self.push(Turn::Results, wire::Part { function_response: Some(response), ..wire::Part::default() });
        Ok(())
    }

    fn result_audio(&mut self, audio: &'a Audio, place: Place) -> Result<Option<wire::Part<'a>>> {
        let Audio { media, format: _, transcript, id, expires_at: _, cache, extra } = audio;
        let Some(media) = media else { return Ok(None) };
        for (path, set) in [(".transcript", transcript.is_some()), (".id", id.is_some())] {
            if set {
                self.cx.changes.dropped(place.content(path), NO_COUNTERPART);
            }
        }
        self.no_cache(place, cache.as_ref());
        let mut out = media::part(self.cx.host, media, Hint::audio(audio), &place.content(""))?;
        self.members(&mut out, extra, place);
        Ok(Some(out))
    }

    /// What of a result is not its text.
    fn result_part(&mut self, part: &'a Part, place: Place) -> Result<Option<wire::Part<'a>>> {
        Ok(match part {
            Part::Text(Text { text: _, cache, signature: _, extra }) => {
                self.no_cache(place, cache.as_ref());
                for (name, _) in extra.iter() {
                    self.cx.changes.dropped(place.content(&format!(".{name}")), NO_COUNTERPART);
                }
                None
            }
            Part::Image(image) => Some(self.image(image, place)?),
            Part::File(file) => Some(self.file(file, place)?),
            Part::Audio(audio) if audio.media.is_some() => self.result_audio(audio, place)?,
            _ => {
                self.cx.changes.dropped(place.content(""), "gemini's results hold text, pictures and files");
                None
            }
        })
    }
}

/// The object that a function answered: its own where its text is one, else the text in one.
fn answer(parts: &[Part], is_error: bool) -> Result<wire::Raw<'_>> {
    let mut texts = parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.text.as_str()),
        _ => None,
    });
    if let (Some(text), None, false) = (texts.next(), texts.next(), is_error)
        && let Some(object) = object(text)
    {
        return Ok(object.into());
    }
    wrapped(if is_error { "error" } else { "content" }, &Part::text_of(parts))
}

/// The text as JSON, if it is one object.
fn object(text: &str) -> Option<&RawValue> {
    let raw: &RawValue = serde_json::from_str(text).ok()?;
    raw.get().starts_with('{').then_some(raw)
}

fn wrapped_none() -> Result<wire::Raw<'static>> {
    raw("{}".to_owned())
}

/// `{"name": "text"}`
fn wrapped(name: &str, text: &str) -> Result<wire::Raw<'static>> {
    let text = serde_json::to_string(text).map_err(unwritable)?;
    raw(format!("{{\"{name}\":{text}}}"))
}

fn raw(json: String) -> Result<wire::Raw<'static>> {
    RawValue::from_string(json).map(wire::Raw::from).map_err(unwritable)
}

fn unwritable(error: serde_json::Error) -> ApiError {
    ApiError::bad_request("a tool message cannot be written as JSON").with_source(error)
}
