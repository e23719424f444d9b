//! Content parts to the text and the pictures of a message.

use llm_types::chat::{
    Audio, CacheControl, File, Image, Media, Opaque, Part, Reasoning, Refusal, Text, ToolCall,
};
use llm_types::{ApiError, Dialect, Extra, Result, Str};

use super::super::wire::{self, Function};
use super::{Encoder, NO_COUNTERPART};
use crate::dialect::at::At;
use crate::dialect::custom;

/// What one message holds.
#[derive(Debug, Default)]
pub(super) struct Said<'r> {
    texts: Vec<&'r str>,
    thoughts: Vec<&'r str>,
    images: Vec<Str<'r>>,
    calls: Vec<wire::ToolCall<'r>>,
}

impl<'r> Said<'r> {
    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.thoughts.is_empty() && self.images.is_empty() && self.calls.is_empty()
    }

    /// The message that holds it.
    pub(super) fn message(self, role: &'static str) -> wire::Message<'r> {
        let Self { texts, thoughts, images, calls } = self;
        wire::Message {
            role: Some(role.into()),
            content: Some(joined(texts)),
            thinking: (!thoughts.is_empty()).then(|| joined(thoughts)),
            images: (!images.is_empty()).then_some(images),
            tool_calls: (!calls.is_empty()).then_some(calls),
            ..wire::Message::default()
        }
    }
}

fn joined(texts: Vec<&str>) -> Str<'_> {
    match texts.as_slice() {
        [] => "".into(),
        [text] => (*text).into(),
        texts => texts.concat().into(),
    }
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
        out: &mut Said<'r>,
    ) -> Result<()> {
        match part {
            Part::Text(text) => self.text(text, at, out),
            Part::Refusal(Refusal { text }) => out.texts.push(text),
            Part::Image(image) if role != "system" => self.image(image, at, out)?,
            Part::File(file) => self.file(file, at, out)?,
            Part::Audio(audio) if audio.media.is_some() => {
                let message = "ollama does not take sound: send what is said as text";
                return Err(ApiError::bad_request(message).with_param(at.path()));
            }
            Part::Opaque(Opaque { dialect, kind: _, json: _ }) => {
                self.changes.dropped(at.path(), format!("only {dialect} understands this part"));
            }
            Part::Image(_)
            | Part::Audio(_)
            | Part::ToolCall(_)
            | Part::ToolResult(_)
            | Part::Reasoning(_)
            | Part::Citation(_) => {
                self.changes.dropped(at.path(), "ollama does not take such a part in this role");
            }
        }
        Ok(())
    }

    /// A part of what the model said.
    pub(super) fn said(&mut self, part: &'r Part, at: At, out: &mut Said<'r>) {
        match part {
            Part::Text(text) => self.text(text, at, out),
            Part::Refusal(Refusal { text }) => out.texts.push(text),
            Part::Reasoning(reasoning) => self.reasoning(reasoning, at, out),
            Part::ToolCall(call) => out.calls.extend(self.tool_call(call, at)),
            Part::Audio(audio) => {
                let Audio { media: _, format: _, transcript, id: _, expires_at: _, cache: _, extra: _ } =
                    audio;
                match transcript.as_deref().filter(|words| !words.is_empty()) {
                    Some(words) => {
                        self.changes.altered(at.path(), "the model's audio is sent as its transcript");
                        out.texts.push(words);
                    }
                    None => self.changes.dropped(at.path(), "ollama does not take back the model's audio"),
                }
            }
            Part::Opaque(Opaque { dialect, kind: _, json: _ }) => {
                self.changes.dropped(at.path(), format!("only {dialect} understands this part"));
            }
            Part::Image(_) | Part::File(_) | Part::ToolResult(_) | Part::Citation(_) => {
                self.changes.dropped(at.path(), "ollama does not take such a part in this role");
            }
        }
    }

    fn text(&mut self, text: &'r Text, at: At, out: &mut Said<'r>) {
        let Text { text, cache, signature, extra } = text;
        self.aside(cache.as_ref(), extra, at);
        if signature.is_some() {
            self.changes.dropped(at.member("signature"), "the signature is of another provider");
        }
        if !text.is_empty() {
            out.texts.push(text);
        }
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

    fn image(&mut self, image: &'r Image, at: At, out: &mut Said<'r>) -> Result<()> {
        let Image { media, detail, media_type: _, cache, extra } = image;
        self.aside(cache.as_ref(), extra, at);
        if detail.as_deref().is_some_and(|detail| detail != "auto") {
            self.changes.dropped(at.member("detail"), NO_COUNTERPART);
        }
        self.picture(media, at, out)
    }

    fn picture(&mut self, media: &'r Media, at: At, out: &mut Said<'r>) -> Result<()> {
        let Media::Base64 { media_type: _, data } = media else {
            let message = "ollama fetches no pictures: send this one as a data URL";
            return Err(ApiError::bad_request(message).with_param(at.path()).wants_bytes());
        };
        out.images.push(data.into());
        Ok(())
    }

    /// A file that is a text is sent as text, one that is a picture as a picture.
    fn file(&mut self, file: &'r File, at: At, out: &mut Said<'r>) -> Result<()> {
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
                out.texts.push(text);
                Ok(())
            }
            media if kind.is_some_and(|kind| kind.starts_with("image/")) => self.picture(media, at, out),
            _ => {
                let message = "ollama does not take files: send their text, or pictures of their pages";
                Err(ApiError::bad_request(message).with_param(at.path()))
            }
        }
    }

    fn reasoning(&mut self, reasoning: &'r Reasoning, at: At, out: &mut Said<'r>) {
        let Reasoning { text, signature, redacted, origin: _, extra } = reasoning;
        if (signature.is_some() || redacted.is_some()) && !reasoning.is_readable_by(Dialect::Ollama) {
            self.changes.dropped(at.path(), "the thoughts are sealed by another provider");
            return;
        }
        for (name, set) in [("signature", signature.is_some()), ("redacted", redacted.is_some())] {
            if set {
                self.changes.dropped(at.member(name), NO_COUNTERPART);
            }
        }
        self.aside(None, extra, at);
        if !text.is_empty() {
            out.thoughts.push(text);
        }
    }

    fn tool_call(&mut self, call: &'r ToolCall, at: At) -> Option<wire::ToolCall<'r>> {
        let ToolCall { id, name, arguments, kind, signature, cache, extra } = call;
        self.aside(cache.as_ref(), extra, at);
        if signature.is_some() {
            self.changes.dropped(at.member("signature"), "the signature is of another provider");
        }
        let sent = custom::object(*kind, arguments, self.changes, || at.member("arguments"));
        let Some(id) = self.ids.call(id, name, arguments) else {
            self.changes.dropped(at.path(), "the same call stands in the conversation already");
            return None;
        };
        let function = Function { name: Some(name.into()), arguments: sent, ..Function::default() };
        Some(wire::ToolCall { id: Some(id.into()), function: Some(function), ..wire::ToolCall::default() })
    }
}
