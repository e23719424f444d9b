//! A streamed answer: each chunk has the shape of a whole answer.
//!
//! Text goes out as it comes; calls, pictures and sealed thoughts have no deltas here and go out whole. Why an
//! answer ended waits for the end of the stream, because its counts stand beside it. The chunks are
//! server-sent events, or the elements of one JSON array.

mod part;

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use llm_types::chat::ToolCallKind;
use llm_types::{ApiError, Dialect, Event, EventSink, Extra, Finish, Flow, Members, Start, Str, Usage};
use serde::Serialize;
use smallvec::SmallVec;

use super::super::wire::{self, Word};
use super::ground::{Grounds, is_told};
use super::{encode, error, media, usage};
use crate::codec::{ReplyCx, ReplyForm, StreamEncoder};
use crate::frame::SseFrames;

/// The most that is gathered of one part, in bytes.
const GATHER_LIMIT: usize = 32 * 1024 * 1024;

/// Writes the chunks of one stream.
#[derive(Debug)]
pub(super) struct Encoder {
    cx: ReplyCx,
    out: BytesMut,
    /// `,"modelVersion":…,"responseId":…}`, built at the start.
    suffix: Bytes,
    choices: SmallVec<[Choice; 1]>,
    /// Members of the whole reply that the last chunk carries.
    members: Extra,
    usage: Option<Usage>,
    tier: Option<String>,
    begun: bool,
    over: bool,
}

#[derive(Debug)]
struct Choice {
    index: u32,
    open: SmallVec<[Open; 1]>,
    finish: Option<Finish>,
    grounds: Grounds,
    /// Members that only this dialect understands: the next chunk carries them.
    members: Extra,
    told: bool,
    /// The running text part, and how many bytes of text are before it.
    text: String,
    before: usize,
}

/// What is known of a part while it lasts.
#[derive(Debug)]
struct Open {
    number: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text,
    Reasoning,
    Call {
        id: String,
        name: String,
        kind: ToolCallKind,
        arguments: String,
        signature: Option<String>,
    },
    Image {
        media_type: String,
        data: String,
        extra: Extra,
    },
    /// Where this dialect answers, the media type comes behind the first data, which waits for it.
    Audio {
        media_type: Option<String>,
        held: String,
    },
    Other,
}

impl Encoder {
    pub(super) fn new(cx: ReplyCx) -> Self {
        Self {
            cx,
            out: BytesMut::new(),
            suffix: Bytes::new(),
            choices: SmallVec::new(),
            members: Extra::default(),
            usage: None,
            tier: None,
            begun: false,
            over: false,
        }
    }

    fn start(&mut self, start: &Start<'_>) {
        let Start { id, model, created: _, service_tier, system_fingerprint: _ } = start;
        let mut suffix = BytesMut::with_capacity(128);
        suffix.put_slice(b",\"modelVersion\":");
        json(&mut suffix, if model.is_empty() { &*self.cx.model } else { model });
        suffix.put_slice(b",\"responseId\":");
        json(&mut suffix, if id.is_empty() { &*self.cx.id } else { id });
        suffix.put_u8(b'}');
        self.suffix = suffix.freeze();
        self.tier = service_tier.as_deref().map(str::to_owned);
    }

    /// Frames what `body` writes as the next element.
    fn element(&mut self, body: impl FnOnce(&mut BytesMut)) {
        match self.cx.form {
            ReplyForm::Usual => self.out.put_slice(b"data: "),
            ReplyForm::List if self.begun => self.out.put_slice(b"\r\n,"),
            ReplyForm::List => self.out.put_u8(b'['),
        }
        self.begun = true;
        body(&mut self.out);
        if self.cx.form == ReplyForm::Usual {
            self.out.put_slice(b"\r\n\r\n");
        }
    }

    /// One chunk with one part, which `part` writes.
    fn part(&mut self, at: usize, part: impl FnOnce(&mut BytesMut)) {
        if self.suffix.is_empty() {
            self.start(&Start::default());
        }
        let suffix = self.suffix.clone();
        let Some(choice) = self.choices.get_mut(at) else { return };
        let (index, members) = (choice.index, std::mem::take(&mut choice.members));
        self.element(|out| {
            out.put_slice(b"{\"candidates\":[{\"content\":{\"parts\":[");
            part(out);
            out.put_slice(b"],\"role\":\"model\"},\"index\":");
            json(out, &index);
            for (name, value) in members.iter() {
                out.put_u8(b',');
                json(out, name);
                out.put_u8(b':');
                out.put_slice(value.get().as_bytes());
            }
            out.put_slice(b"}]");
            out.put_slice(&suffix);
        });
    }

    fn wire_part(&mut self, at: usize, part: &wire::Part<'_>) {
        self.part(at, |out| json(out, part));
    }

    /// The place of the state of a choice.
    fn choice(&mut self, index: u32) -> usize {
        if let Some(at) = self.choices.iter().position(|choice| choice.index == index) {
            return at;
        }
        self.choices.push(Choice {
            index,
            open: SmallVec::new(),
            finish: None,
            grounds: Grounds::default(),
            members: Extra::default(),
            told: false,
            text: String::new(),
            before: 0,
        });
        self.choices.len() - 1
    }

    fn opaque(&mut self, index: Option<u32>, members: &Extra) {
        let into = match index {
            None => &mut self.members,
            Some(index) => {
                let at = self.choice(index);
                let Some(choice) = self.choices.get_mut(at) else { return };
                choice.told |= is_told(Some(Dialect::Gemini), members.iter().map(|(name, _)| name));
                &mut choice.members
            }
        };
        for (name, value) in members.iter() {
            into.set(name, value.to_owned());
        }
    }

    /// The last chunk: why each answer ended, its sources and the counts.
    fn last(&mut self) {
        if self.suffix.is_empty() {
            self.start(&Start::default());
        }
        let (suffix, tier) = (self.suffix.clone(), self.tier.take());
        let members = std::mem::take(&mut self.members);
        let choices = std::mem::take(&mut self.choices);
        let grounds: Vec<_> =
            choices.iter().map(|one| if one.told { None } else { one.grounds.json() }).collect();
        let candidates =
            choices.iter().zip(&grounds).map(|(choice, grounds)| ended(choice, grounds.as_deref()));
        let mut counts = self.usage.as_ref().map(usage::usage);
        if let (Some(counts), Some(tier)) = (&mut counts, &tier) {
            counts.service_tier = Some(Str::from(tier));
        }
        let blocked = members.get("promptFeedback").is_some()
            && choices.iter().all(|choice| choice.text.is_empty() && choice.before == 0);
        let mut chunk = wire::Response {
            candidates: (!blocked).then(|| candidates.collect()),
            ..wire::Response::default()
        };
        encode::reply_members(&members, &mut chunk.extra, counts.as_mut());
        chunk.usage_metadata = counts;
        self.element(|out| {
            let mut whole = BytesMut::new();
            json(&mut whole, &chunk);
            // The suffix brings the closing brace; an empty object needs no comma.
            let body = whole.get(..whole.len().saturating_sub(1)).unwrap_or_default();
            out.put_slice(body);
            out.put_slice(if body.len() > 1 { &suffix } else { suffix.get(1..).unwrap_or_default() });
        });
    }
}

/// What the last chunk says of an answer.
fn ended<'a>(choice: &'a Choice, grounds: Option<&'a llm_types::RawValue>) -> wire::Candidate<'a> {
    let words = choice.finish.as_ref().map(encode::finish_words);
    let mut extra = Members::default();
    for (name, value) in choice.members.iter() {
        extra.push(Cow::Borrowed(name), value);
    }
    let told = extra.get("finishMessage").is_some();
    wire::Candidate {
        content: Some(wire::Content {
            parts: Some(wire::List(vec![media::text("")])),
            role: Some(Str::from("model")),
            ..wire::Content::default()
        }),
        finish_reason: words.map(|(word, _)| Word::Name(Str::from(word))),
        finish_message: words.and_then(|(_, message)| message).filter(|_| !told).map(Str::from),
        index: Some(choice.index),
        grounding_metadata: grounds,
        extra,
        ..wire::Candidate::default()
    }
}

/// Writing into memory cannot fail, and none of our types has a key that is not a string.
fn json<T: Serialize + ?Sized>(out: &mut BytesMut, value: &T) {
    let _ = serde_json::to_writer(out.writer(), value);
}

impl EventSink for Encoder {
    fn event(&mut self, event: Event<'_>) -> Flow {
        if self.over {
            return Flow::Break(());
        }
        match event {
            Event::Start(start) => self.start(&start),
            Event::PartStart { choice, part, start } => self.part_start(choice, part, start),
            Event::Delta { choice, part, delta } => self.part_delta(choice, part, delta),
            Event::PartEnd { choice, part } => self.part_end(choice, part),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Finish { choice, finish } => {
                let at = self.choice(choice);
                if let Some(choice) = self.choices.get_mut(at) {
                    choice.finish = Some(finish);
                }
            }
            Event::Opaque { choice, dialect: Dialect::Gemini, members } => self.opaque(choice, &members),
            // Of another dialect: this one has no place for them.
            Event::Opaque { .. } => {}
            Event::Error(error) => {
                self.fail(&error);
                return Flow::Break(());
            }
        }
        Flow::Continue(())
    }
}

impl StreamEncoder for Encoder {
    fn take(&mut self) -> Bytes {
        self.out.split().freeze()
    }

    fn pass(&mut self, event: &[u8]) {
        let mut frames = SseFrames::default();
        // Only an event without an end or one too large can fail, and the relay lets neither through.
        let _ = frames.feed(event, |event| {
            self.element(|out| out.put_slice(event.data));
            Ok(Flow::Continue(()))
        });
    }

    fn finish(&mut self) {
        if self.over {
            return;
        }
        self.over = true;
        if !self.choices.is_empty() || self.usage.is_some() || !self.members.is_empty() {
            self.last();
        }
        if self.cx.form == ReplyForm::List {
            self.out.put_slice(if self.begun { b"]" } else { b"[]" });
        }
    }

    fn fail(&mut self, error: &ApiError) {
        if self.over {
            return;
        }
        self.over = true;
        let body = error::body(error);
        self.element(|out| out.put_slice(&body));
        if self.cx.form == ReplyForm::List {
            self.out.put_u8(b']');
        }
    }
}
