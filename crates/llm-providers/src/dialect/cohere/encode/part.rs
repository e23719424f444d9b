//! Content parts to content parts.

use std::borrow::Cow;

use llm_types::chat::{
    Audio, CacheControl, Citation, File, Image, Media, Opaque, Part, Reasoning, Refusal, Text, ToolCall,
};
use llm_types::{ApiError, Dialect, Extra, Result, Str};

use super::super::wire::{self, Function, ImageUrl, Raw};
use super::{Encoder, NO_COUNTERPART};
use crate::dialect::at::At;
use crate::dialect::custom;

/// What the model said in one message.
#[derive(Debug, Default)]
pub(super) struct Said<'r> {
    /// Texts, and thoughts where the model takes them back.
    pub(super) content: Vec<wire::Part<'r>>,
    /// Thoughts of a model that takes none back.
    pub(super) thoughts: Vec<Str<'r>>,
    pub(super) calls: Vec<wire::ToolCall<'r>>,
    pub(super) citations: Vec<Raw<'r>>,
}

impl<'r> Encoder<'r, '_> {
    /// A part of a message that is not the model's.
    ///
    /// # Errors
    /// When it cannot be expressed.
    pub(super) fn part(
        &mut self,
        part: &'r Part,
        at: At,
        role: &'static str,
    ) -> Result<Option<wire::Part<'r>>> {
        match part {
            Part::Text(text) => Ok(self.text(text, at)),
            Part::Refusal(Refusal { text }) => {
                self.changes.altered(at.path(), "a refusal is sent as text");
                Ok(Some(wire::Part::text(text)))
            }
            Part::Image(image) if role != "system" => self.image(image, at).map(Some),
            Part::File(file) => self.file(file, at).map(Some),
            Part::Audio(audio) if audio.media.is_some() => {
                let message = "cohere does not take sound: send what is said as text";
                Err(ApiError::bad_request(message).with_param(at.path()))
            }
            Part::Opaque(opaque) => self.opaque(opaque, at),
            Part::Image(_)
            | Part::Audio(_)
            | Part::ToolCall(_)
            | Part::ToolResult(_)
            | Part::Reasoning(_)
            | Part::Citation(_) => {
                self.changes.dropped(at.path(), "cohere does not take such a part in this role");
                Ok(None)
            }
        }
    }

    /// A part of what the model said.
    pub(super) fn said(&mut self, part: &'r Part, at: At, out: &mut Said<'r>) {
        match part {
            Part::Text(text) => out.content.extend(self.text(text, at)),
            Part::Refusal(Refusal { text }) => {
                self.changes.altered(at.path(), "a refusal is sent as text");
                out.content.push(wire::Part::text(text));
            }
            Part::Reasoning(reasoning) => self.reasoning(reasoning, at, out),
            Part::ToolCall(call) => out.calls.extend(self.tool_call(call, at)),
            Part::Citation(citation) => {
                let Citation { url: _, title: _, start: _, end: _, quote: _, native } = citation;
                match native.as_ref().filter(|(dialect, _)| *dialect == Dialect::Cohere) {
                    Some((_, raw)) => out.citations.push(Raw::from(&**raw)),
                    None => self.changes.dropped(at.path(), "only cohere's own citations can be sent back"),
                }
            }
            Part::Audio(audio) => {
                let Audio { media: _, format: _, transcript, id: _, expires_at: _, cache: _, extra: _ } =
                    audio;
                match transcript.as_deref().filter(|words| !words.is_empty()) {
                    Some(words) => {
                        self.changes.altered(at.path(), "the model's audio is sent as its transcript");
                        out.content.push(wire::Part::text(words));
                    }
                    None => self.changes.dropped(at.path(), "cohere does not take back the model's audio"),
                }
            }
            Part::Opaque(Opaque { dialect, kind: _, json: _ }) => {
                self.changes.dropped(at.path(), format!("only {dialect} understands this part"));
            }
            Part::Image(_) | Part::File(_) | Part::ToolResult(_) => {
                self.changes.dropped(at.path(), "cohere does not take such a part in this role");
            }
        }
    }

    fn text(&mut self, text: &'r Text, at: At) -> Option<wire::Part<'r>> {
        let Text { text, cache, signature, extra } = text;
        self.aside(cache.as_ref(), extra, at);
        if signature.is_some() {
            self.changes.dropped(at.member("signature"), "the signature is of another provider");
        }
        // Cohere refuses empty texts.
        (!text.is_empty()).then(|| wire::Part::text(text))
    }

    /// What stands beside the content of a part has no place here.
    fn aside(&mut self, cache: Option<&CacheControl>, extra: &Extra, at: At) {
        if cache.is_some() {
            self.changes.dropped(at.member("cache_control"), NO_COUNTERPART);
        }
        for (name, _) in extra.iter() {
            self.changes.dropped(at.member(name), NO_COUNTERPART);
        }
    }

    fn image(&mut self, image: &'r Image, at: At) -> Result<wire::Part<'r>> {
        let Image { media, detail, media_type: _, cache, extra } = image;
        self.aside(cache.as_ref(), extra, at);
        let url = media.to_url().ok_or_else(|| {
            let message = "cohere knows no files by id: send the picture as a data URL";
            ApiError::bad_request(message).with_param(at.path())
        })?;
        Ok(picture(url, detail.as_ref().map(Into::into)))
    }

    /// A file that is a text is sent as text, one that is a picture as a picture.
    fn file(&mut self, file: &'r File, at: At) -> Result<wire::Part<'r>> {
        let File { media, filename, media_type, cache, extra } = file;
        self.aside(cache.as_ref(), extra, at);
        let kind = match media {
            Media::Base64 { media_type, .. } if !media_type.is_empty() => Some(media_type.as_str()),
            _ => media_type.as_deref(),
        };
        if filename.is_some() {
            self.changes.dropped(at.member("file.filename"), NO_COUNTERPART);
        }
        match media {
            Media::Text(text) => {
                self.changes.altered(at.path(), "the file is sent as text");
                Ok(wire::Part::text(text))
            }
            media if kind.is_some_and(|kind| kind.starts_with("image/")) => {
                let url = media.to_url().unwrap_or_default();
                Ok(picture(url, None))
            }
            _ => {
                let message = "cohere does not take files: send their text, or pictures of their pages";
                Err(ApiError::bad_request(message).with_param(at.path()))
            }
        }
    }

    /// A document in the dialect's own words is understood, whoever sends it.
    fn opaque(&mut self, opaque: &'r Opaque, at: At) -> Result<Option<wire::Part<'r>>> {
        let Opaque { dialect, kind, json } = opaque;
        if *dialect != Dialect::Cohere && kind != "document" {
            self.changes.dropped(at.path(), format!("only {dialect} understands this part"));
            return Ok(None);
        }
        let part = serde_json::from_str(json.get()).map_err(|error| {
            ApiError::bad_request(format!("not a part of a message: {error}")).with_param(at.path())
        })?;
        Ok(Some(part))
    }

    fn reasoning(&mut self, reasoning: &'r Reasoning, at: At, out: &mut Said<'r>) {
        let Reasoning { text, signature, redacted, origin: _, extra } = reasoning;
        if (signature.is_some() || redacted.is_some()) && !reasoning.is_readable_by(Dialect::Cohere) {
            self.changes.dropped(at.path(), "the thoughts are sealed by another provider");
            return;
        }
        for (name, set) in [("signature", signature.is_some()), ("redacted", redacted.is_some())] {
            if set {
                self.changes.dropped(at.member(name), NO_COUNTERPART);
            }
        }
        self.aside(None, extra, at);
        if text.is_empty() {
            return;
        }
        if self.thinks {
            out.content.push(wire::Part {
                kind: Some("thinking".into()),
                thinking: Some(text.into()),
                ..wire::Part::default()
            });
        } else {
            out.thoughts.push(text.into());
        }
    }

    fn tool_call(&mut self, call: &'r ToolCall, at: At) -> Option<wire::ToolCall<'r>> {
        let ToolCall { id, name, arguments, kind, signature, cache, extra } = call;
        self.aside(cache.as_ref(), extra, at);
        if signature.is_some() {
            self.changes.dropped(at.member("signature"), "the signature is of another provider");
        }
        let sent = custom::object(*kind, arguments, self.changes, || at.member("arguments")).map(text_of);
        let Some(id) = self.ids.call(id, name, arguments) else {
            self.changes.dropped(at.path(), "the same call stands in the conversation already");
            return None;
        };
        let function = Function { name: Some(self.names.sent(name)), arguments: sent, ..Function::default() };
        Some(wire::ToolCall {
            id: Some(id.into()),
            kind: Some("function".into()),
            function: Some(function),
            ..wire::ToolCall::default()
        })
    }
}

fn picture<'r>(url: String, detail: Option<Str<'r>>) -> wire::Part<'r> {
    wire::Part {
        kind: Some("image_url".into()),
        image_url: Some(ImageUrl { url: Some(url.into()), detail, ..ImageUrl::default() }),
        ..wire::Part::default()
    }
}

/// The text of some JSON.
fn text_of(raw: Raw<'_>) -> Str<'_> {
    match raw.0 {
        Cow::Borrowed(raw) => raw.get().into(),
        Cow::Owned(raw) => String::from(Box::<str>::from(raw)).into(),
    }
}
