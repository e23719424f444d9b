//! Parts of the neutral form on their way into items.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};
use llm_types::chat::{LogProbs, Opaque, TokenLogProb, ToolCallKind};
use llm_types::{Delta, Dialect, Flow, PartStart};
use serde::Serialize;

use super::super::super::seal::{Carried, read_own};
use super::super::super::wire::{Lossy, Token};
use super::super::json::{key, member};
use super::{Body, Call, Content, Encoder, Item, Status, Thoughts, citation, place, raw};

/// A part, and where it went.
#[derive(Debug)]
pub(super) struct Part {
    number: u32,
    kind: Kind,
    /// Its item, once it has one.
    item: Option<usize>,
    /// The provider's signature over a text.
    signature: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Refusal,
    Reasoning,
    Call,
    Image,
    Other,
}

#[derive(Serialize)]
struct Logged<'a> {
    token: &'a str,
    logprob: f64,
    bytes: &'a [u8],
    top_logprobs: Vec<Token<'a>>,
}

impl Encoder {
    fn part(&mut self, number: u32) -> Option<&mut Part> {
        self.parts.iter_mut().rev().find(|part| part.number == number)
    }

    fn kind(&mut self, number: u32) -> Kind {
        self.part(number).map_or(Kind::Other, |part| part.kind)
    }

    pub(super) fn part_start(&mut self, number: u32, start: &PartStart<'_>) -> Flow {
        self.settle(Status::Completed);
        let (kind, item) = match start {
            PartStart::Text | PartStart::Audio { .. } => (Kind::Text, None),
            PartStart::Refusal => (Kind::Refusal, None),
            PartStart::Reasoning => (Kind::Reasoning, None),
            PartStart::ToolCall { id, name, kind } => {
                let custom = *kind == ToolCallKind::Custom;
                (Kind::Call, Some(self.open_call(id, name, custom)))
            }
            PartStart::Image { media_type } => {
                let body = Body::Image { media_type: media_type.to_string(), data: String::new() };
                (Kind::Image, Some(self.add("ig_gw", body)))
            }
            PartStart::Opaque(opaque) => {
                self.gather(opaque.json.get().len())?;
                self.opaque(opaque);
                (Kind::Other, None)
            }
        };
        self.parts.push(Part { number, kind, item, signature: String::new() });
        Flow::Continue(())
    }

    fn open_call(&mut self, id: &str, name: &str, custom: bool) -> usize {
        let call_id = match id {
            "" => Cow::Owned(format!("call_{}{:02x}", self.frame.stem(), self.items.len())),
            id => Cow::Borrowed(id),
        };
        let call = Call {
            call_id: call_id.into_owned(),
            name: name.to_owned(),
            arguments: String::new(),
            custom,
            signature: String::new(),
            open: true,
        };
        self.add(if custom { "ctc" } else { "fc" }, Body::Call(call))
    }

    /// A part that only its own dialect understands: an item of this dialect as it is, anything else sealed.
    fn opaque(&mut self, opaque: &Opaque) {
        let Opaque { dialect, kind, json } = opaque;
        if *dialect != Dialect::OpenaiResponses {
            let sealed = Carried::Part { kind: kind.clone(), json: json.get().to_owned() };
            return self.seal(&sealed, *dialect);
        }
        let index = self.add("item", Body::Raw(json.clone()));
        self.done(index, Status::Completed);
    }

    /// Something that only the upstream can read, as an item of its own.
    pub(super) fn sealed(&mut self, sealed: &Carried) {
        match self.cx.upstream {
            // Nobody could say to whom it has to go back.
            None | Some(Dialect::OpenaiResponses) => {}
            Some(dialect) => self.seal(sealed, dialect),
        }
    }

    fn seal(&mut self, sealed: &Carried, dialect: Dialect) {
        let encrypted = Some(sealed.write(dialect));
        let index = self.add("rs", Body::Reasoning(Thoughts { encrypted, ..Thoughts::default() }));
        self.done(index, Status::Completed);
    }

    pub(super) fn part_delta(&mut self, number: u32, delta: &Delta<'_>) -> Flow {
        match delta {
            Delta::Text(text) | Delta::Refusal(text) | Delta::Transcript(text) if !text.is_empty() => {
                self.gather(text.len())?;
                self.text(number, text);
            }
            Delta::Reasoning(text) if !text.is_empty() => {
                self.gather(text.len())?;
                self.thought(number, text);
            }
            Delta::ToolArgs(text) if !text.is_empty() => {
                self.gather(text.len())?;
                self.arguments(number, text);
            }
            Delta::Signature(text) => {
                self.gather(text.len())?;
                self.signature(number, text);
            }
            Delta::Redacted(data) => {
                self.gather(data.len())?;
                let sealed = match self.cx.upstream {
                    None => return Flow::Continue(()),
                    Some(Dialect::OpenaiResponses) => return self.own_seal(number, data),
                    Some(dialect) => Carried::Redacted(data.to_string()).write(dialect),
                };
                if let Some(thoughts) = self.thoughts(number) {
                    thoughts.encrypted = Some(sealed);
                }
            }
            Delta::Data(more) => {
                self.gather(more.len())?;
                let item = self.part(number).and_then(|part| part.item);
                if let Some(Item { body: Body::Image { data, .. }, .. }) =
                    item.and_then(|index| self.items.get_mut(index))
                {
                    data.push_str(more);
                }
            }
            Delta::Citation(source) => {
                let index = self.message(number);
                citation::add(self, index, source);
            }
            Delta::LogProbs(more) => self.logprobs(number, more),
            // Members of other dialects' parts have no place here, nor has the time at which a sound is forgotten.
            Delta::Extra(_) | Delta::ExpiresAt(_) => {}
            Delta::Text(_)
            | Delta::Reasoning(_)
            | Delta::ToolArgs(_)
            | Delta::Refusal(_)
            | Delta::Transcript(_) => {}
        }
        Flow::Continue(())
    }

    /// The message in which a part is, opened with a content part for it where there is none.
    fn message(&mut self, number: u32) -> usize {
        let refusal = self.kind(number) == Kind::Refusal;
        if let Some(index) = self.part(number).and_then(|part| part.item) {
            return index;
        }
        let message = self
            .open
            .filter(|index| matches!(self.items.get(*index), Some(Item { body: Body::Message(_), .. })));
        let index = match message {
            Some(index) => {
                self.close_content(index);
                index
            }
            None => {
                let index = self.add("msg", Body::Message(Vec::new()));
                self.open = Some(index);
                index
            }
        };
        if let Some(part) = self.part(number) {
            part.item = Some(index);
        }
        if let Some(Item { id, body: Body::Message(contents), .. }) = self.items.get_mut(index) {
            let at = contents.len();
            contents.push(Content::new(refusal));
            let empty = Content::new(refusal);
            self.wire.event("response.content_part.added", |out| {
                place(out, id, index);
                out.put_u8(b',');
                member(out, "content_index", &at);
                out.put_u8(b',');
                key(out, "part");
                empty.write(out);
            });
        }
        index
    }

    fn text(&mut self, number: u32, text: &str) {
        let index = self.message(number);
        let Some(Item { id, body: Body::Message(contents), .. }) = self.items.get_mut(index) else { return };
        let at = contents.len().saturating_sub(1);
        let Some(content) = contents.last_mut() else { return };
        content.text.push_str(text);
        let refusal = content.refusal;
        let kind = if refusal { "response.refusal.delta" } else { "response.output_text.delta" };
        self.wire.event(kind, |out| {
            place(out, id, index);
            out.put_u8(b',');
            member(out, "content_index", &at);
            out.put_u8(b',');
            member(out, "delta", text);
            if !refusal {
                out.put_slice(b",\"logprobs\":[]");
            }
        });
    }

    /// The thoughts that a part is, opened where they are not.
    fn thoughts(&mut self, number: u32) -> Option<&mut Thoughts> {
        let index = match self.part(number)?.item {
            Some(index) => index,
            None => {
                let index = self.add("rs", Body::Reasoning(Thoughts::default()));
                self.open = Some(index);
                self.part(number)?.item = Some(index);
                index
            }
        };
        match &mut self.items.get_mut(index)?.body {
            Body::Reasoning(thoughts) => Some(thoughts),
            _ => None,
        }
    }

    fn thought(&mut self, number: u32, text: &str) {
        let Some(thoughts) = self.thoughts(number) else { return };
        thoughts.text.push_str(text);
        let begins = !std::mem::replace(&mut thoughts.begun, true);
        let Some(index) = self.part(number).and_then(|part| part.item) else { return };
        let Some(Item { id, .. }) = self.items.get(index) else { return };
        let here = |out: &mut BytesMut| {
            place(out, id, index);
            out.put_slice(b",\"summary_index\":0,");
        };
        if begins {
            self.wire.event("response.reasoning_summary_part.added", |out| {
                here(out);
                key(out, "part");
                Thoughts::part(out, "");
            });
        }
        self.wire.event("response.reasoning_summary_text.delta", |out| {
            here(out);
            member(out, "delta", text);
        });
    }

    fn arguments(&mut self, number: u32, text: &str) {
        let Some(index) = self.part(number).and_then(|part| part.item) else { return };
        let Some(Item { id, body: Body::Call(call), .. }) = self.items.get_mut(index) else { return };
        call.arguments.push_str(text);
        let kind = if call.custom {
            "response.custom_tool_call_input.delta"
        } else {
            "response.function_call_arguments.delta"
        };
        self.wire.event(kind, |out| {
            place(out, id, index);
            out.put_u8(b',');
            member(out, "delta", text);
        });
    }

    /// More of the signature of a part. Thoughts are sealed when they are whole.
    fn signature(&mut self, number: u32, text: &str) {
        let Some(part) = self.part(number) else { return };
        match part.kind {
            Kind::Call => {
                let item = part.item.and_then(|index| self.items.get_mut(index));
                if let Some(Item { body: Body::Call(call), .. }) = item {
                    call.signature.push_str(text);
                }
            }
            Kind::Text | Kind::Reasoning => part.signature.push_str(text),
            Kind::Refusal | Kind::Image | Kind::Other => {}
        }
    }

    fn logprobs(&mut self, number: u32, more: &LogProbs) {
        let tokens = more.content.iter().chain(&more.refusal);
        let tokens: Vec<_> = tokens.filter_map(logged).collect();
        let own = self.part(number).and_then(|part| part.item);
        let is_message = |item: &Item| matches!(item.body, Body::Message(_));
        let Some(index) = own.or_else(|| self.items.iter().rposition(is_message)) else { return };
        let Some(Item { id, body: Body::Message(contents), .. }) = self.items.get_mut(index) else { return };
        let at = contents.len().saturating_sub(1);
        let Some(content) = contents.last_mut().filter(|content| !content.refusal) else { return };
        if content.open {
            self.wire.event("response.output_text.delta", |out| {
                place(out, id, index);
                out.put_u8(b',');
                member(out, "content_index", &at);
                out.put_slice(b",\"delta\":\"\",");
                member(out, "logprobs", &tokens);
            });
        }
        content.logprobs.extend(tokens);
    }

    pub(super) fn part_end(&mut self, number: u32) {
        let Some(part) = self.part(number) else { return };
        let (kind, item, signature) = (part.kind, part.item, std::mem::take(&mut part.signature));
        match (kind, item) {
            (Kind::Text, item) => {
                if let Some(index) = item {
                    self.close_content(index);
                }
                if !signature.is_empty() {
                    self.sealed(&Carried::Text(signature));
                }
            }
            (Kind::Refusal, Some(index)) => self.close_content(index),
            (Kind::Reasoning, _) => self.end_thoughts(number, &signature),
            (Kind::Call, Some(index)) => {
                self.settle(Status::Completed);
                self.close_call(index);
            }
            (Kind::Image, Some(index)) => {
                if let Some(Item { id, .. }) = self.items.get(index) {
                    self.wire.event("response.image_generation_call.completed", |out| place(out, id, index));
                }
                self.done(index, Status::Completed);
            }
            (Kind::Refusal | Kind::Call | Kind::Image, None) | (Kind::Other, _) => {}
        }
        self.parts.retain(|part| part.number != number);
    }

    /// Thoughts that a provider of this dialect encrypted, with the id under which it knows them. An item that
    /// was announced under another id keeps that one, and the provider's goes with the data.
    fn own_seal(&mut self, number: u32, text: &str) -> Flow {
        let (id, data) = read_own(text);
        let announced = self.part(number).and_then(|part| part.item).is_some() && !self.wire.silent;
        if !announced {
            self.own_id = Some(id.to_owned()).filter(|id| !id.is_empty());
        }
        if let Some(thoughts) = self.thoughts(number) {
            thoughts.encrypted = Some(if announced { text } else { data }.to_owned());
        }
        let item = self.part(number).and_then(|part| part.item).and_then(|index| self.items.get_mut(index));
        if let (Some(item), Some(id)) = (item, self.own_id.take()) {
            item.id = id;
        }
        Flow::Continue(())
    }

    fn end_thoughts(&mut self, number: u32, signature: &str) {
        let upstream = self.cx.upstream;
        match upstream.filter(|_| !signature.is_empty()) {
            None => {}
            Some(Dialect::OpenaiResponses) => {
                let _ = self.own_seal(number, signature);
            }
            Some(dialect) => {
                // Signed thoughts may show nothing.
                if let Some(thoughts) = self.thoughts(number) {
                    thoughts.encrypted = Some(Carried::thought(&thoughts.text, signature).write(dialect));
                }
            }
        }
        let Some(index) = self.part(number).and_then(|part| part.item) else { return };
        if let (Some(thoughts), Some(dialect)) = (self.thoughts(number), upstream)
            && dialect != Dialect::OpenaiResponses
        {
            // Told apart from thoughts of this API's providers, which could not take them for their own.
            thoughts.encrypted.get_or_insert_with(|| Carried::Plain.write(dialect));
        }
        self.close_summary(index);
        self.open = None;
        self.ending = Some(index);
    }
}

fn logged(token: &TokenLogProb) -> Option<Box<llm_types::RawValue>> {
    let TokenLogProb { token, logprob, bytes, top } = token;
    let alternatives = top.iter().map(|one| Token {
        token: Some(Lossy(Cow::Borrowed(&one.token))),
        logprob: Some(one.logprob),
        bytes: Some(one.bytes.clone().unwrap_or_else(|| one.token.clone().into_bytes())),
        ..Token::default()
    });
    raw(&Logged {
        token,
        logprob: *logprob,
        bytes: bytes.as_deref().unwrap_or(token.as_bytes()),
        top_logprobs: alternatives.collect(),
    })
}
