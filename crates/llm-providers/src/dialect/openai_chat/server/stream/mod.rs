//! A streamed answer as `chat.completion.chunk` events.
//!
//! Chunks are written as bytes, not through structs: what is constant in them is built once per stream,
//! and a text delta costs one copy. The rules are those that OpenAI's clients rely on: the role once and
//! first, tool calls numbered densely from 0, one finish chunk per choice, usage only if asked for.

mod list;
mod tool;

use bytes::{BufMut, Bytes, BytesMut};
use llm_types::chat::{Citation, ToolCallKind};
use llm_types::{
    ApiError, Delta, Dialect, Event, EventSink, Extra, Finish, FinishKind, Flow, PartStart, Start, Usage,
};
use smallvec::SmallVec;

use super::encode::{self, Cited, Fields, OpaqueOut};
use super::{error, usage};
use crate::codec::{ReplyCx, StreamEncoder};
use crate::dialect::json::{self, member, member_object};
use list::Counts;

/// The most that is gathered of one part, in bytes.
const GATHER_LIMIT: usize = 32 * 1024 * 1024;

/// Writes the chunks of one stream.
#[derive(Debug)]
pub(super) struct Encoder {
    cx: ReplyCx,
    out: BytesMut,
    /// `data: {"id":…,"model":…,"choices":[`, built at the start.
    prefix: Bytes,
    choices: SmallVec<[Choice; 1]>,
    /// Members of the whole reply that the next chunk carries: `,"name":value`.
    members: BytesMut,
    usage: Option<Usage>,
    failed: bool,
}

#[derive(Debug)]
struct Choice {
    index: u32,
    role_sent: bool,
    finished: bool,
    called: usize,
    counts: Counts,
    /// Characters of text so far.
    chars: u64,
    parts: Vec<Part>,
    members: BytesMut,
}

/// What is known of a part while it lasts.
#[derive(Debug)]
struct Part {
    number: u32,
    kind: Kind,
    /// Characters of text before it.
    base: u64,
}

#[derive(Debug)]
enum Kind {
    Text,
    Reasoning(Thoughts),
    Tool { index: u64, kind: ToolCallKind, empty: bool },
    Image { url: String },
    Other,
}

/// Thoughts, kept until their signature comes: it is worth nothing without them.
#[derive(Debug, Default)]
struct Thoughts {
    text: String,
    /// The number of their block, once it was written.
    block: Option<u64>,
}

impl Thoughts {
    fn push(&mut self, more: &str) {
        if self.text.len().saturating_add(more.len()) <= GATHER_LIMIT {
            self.text.push_str(more);
        }
    }
}

impl Encoder {
    pub(super) fn new(cx: ReplyCx) -> Self {
        Self {
            cx,
            out: BytesMut::new(),
            prefix: Bytes::new(),
            choices: SmallVec::new(),
            members: BytesMut::new(),
            usage: None,
            failed: false,
        }
    }

    fn start(&mut self, start: &Start<'_>) {
        let Start { id, model, created, service_tier, system_fingerprint } = start;
        let mut prefix = BytesMut::with_capacity(256);
        prefix.put_slice(b"data: {\"id\":");
        json::string(&mut prefix, if id.is_empty() { &self.cx.id } else { id });
        prefix.put_slice(b",\"object\":\"chat.completion.chunk\",\"created\":");
        json::number(&mut prefix, created.unwrap_or(self.cx.created));
        prefix.put_slice(b",\"model\":");
        json::string(&mut prefix, if model.is_empty() { &self.cx.model } else { model });
        if let Some(tier) = service_tier {
            prefix.put_slice(b",\"service_tier\":");
            json::string(&mut prefix, tier);
        }
        if let Some(fingerprint) = system_fingerprint {
            prefix.put_slice(b",\"system_fingerprint\":");
            json::string(&mut prefix, fingerprint);
        }
        prefix.put_slice(b",\"choices\":[");
        self.prefix = prefix.freeze();
    }

    fn put_prefix(&mut self) {
        if self.prefix.is_empty() {
            self.start(&Start::default());
        }
        self.out.put_slice(&self.prefix);
    }

    /// Ends a chunk behind its `choices` list.
    fn put_suffix(&mut self) {
        if self.cx.include_usage {
            self.out.put_slice(b",\"usage\":null");
        }
        self.out.put_slice(&self.members);
        self.members.clear();
        self.out.put_slice(b"}\n\n");
    }

    /// The place of the state of a choice. Its role chunk is written at its first event.
    fn choice(&mut self, index: u32) -> usize {
        let at = match self.choices.iter().position(|choice| choice.index == index) {
            Some(at) => at,
            None => {
                self.choices.push(Choice {
                    index,
                    role_sent: false,
                    finished: false,
                    called: 0,
                    counts: Counts::default(),
                    chars: 0,
                    parts: Vec::new(),
                    members: BytesMut::new(),
                });
                self.choices.len() - 1
            }
        };
        if let Some(choice) = self.choices.get_mut(at).filter(|choice| !choice.role_sent) {
            choice.role_sent = true;
            self.delta(at, |out| out.put_slice(b"\"role\":\"assistant\",\"content\":\"\""));
        }
        at
    }

    /// One chunk whose delta holds the members that `body` writes.
    fn delta(&mut self, at: usize, body: impl FnOnce(&mut BytesMut)) {
        self.chunk(at, |out| {
            out.put_slice(b"\"delta\":{");
            body(out);
            out.put_slice(b"},\"logprobs\":null,\"finish_reason\":null");
        });
    }

    fn chunk(&mut self, at: usize, body: impl FnOnce(&mut BytesMut)) {
        self.put_prefix();
        let Some(choice) = self.choices.get_mut(at) else {
            return;
        };
        self.out.put_slice(b"{\"index\":");
        json::number(&mut self.out, u64::from(choice.index));
        self.out.put_u8(b',');
        body(&mut self.out);
        self.out.put_slice(&choice.members);
        choice.members.clear();
        self.out.put_slice(b"}]");
        self.put_suffix();
    }

    fn part(&mut self, at: usize, number: u32) -> Option<&mut Part> {
        self.choices.get_mut(at)?.parts.iter_mut().rev().find(|part| part.number == number)
    }

    fn part_start(&mut self, index: u32, number: u32, start: &PartStart<'_>) {
        let at = self.choice(index);
        let kind = match start {
            PartStart::Text => Kind::Text,
            PartStart::Reasoning => Kind::Reasoning(Thoughts::default()),
            PartStart::Refusal => Kind::Other,
            PartStart::ToolCall { id, name, kind } => {
                let index = self.open_call(at, id, name, *kind);
                Kind::Tool { index, kind: *kind, empty: true }
            }
            PartStart::Audio { id } => {
                if !id.is_empty() {
                    self.delta(at, |out| member_object(out, "audio", "id", id));
                }
                Kind::Other
            }
            PartStart::Image { media_type } => Kind::Image { url: format!("data:{media_type};base64,") },
            PartStart::Opaque(opaque) => {
                let index = self.counted(at, |counts| &mut counts.opaque);
                let entry = list::numbered(index, &OpaqueOut::from(&**opaque));
                let fields = Fields { opaque: entry.into_iter().collect(), ..Fields::default() };
                self.fields(at, &fields);
                Kind::Other
            }
        };
        if let Some(choice) = self.choices.get_mut(at) {
            let base = choice.chars;
            choice.parts.push(Part { number, kind, base });
        }
    }

    fn fields(&mut self, at: usize, fields: &Fields<'_>) {
        self.delta(at, |out| {
            out.put_slice(b"\"provider_specific_fields\":");
            json::value(out, fields);
        });
    }

    /// The number of one more entry of a list.
    fn counted(&mut self, at: usize, list: impl FnOnce(&mut Counts) -> &mut u64) -> u64 {
        self.choices.get_mut(at).map(|choice| list::next(list(&mut choice.counts))).unwrap_or_default()
    }

    fn citation(&mut self, at: usize, number: u32, source: &Citation) {
        let base = self.part(at, number).map(|part| part.base).unwrap_or_default();
        let end = self.choices.get(at).map(|choice| choice.chars).unwrap_or_default();
        match encode::citation(source, base, end) {
            Cited::Annotation(json) => {
                let index = self.counted(at, |counts| &mut counts.annotations);
                let entry = list::numbered(index, &json);
                self.delta(at, |out| {
                    out.put_slice(b"\"annotations\":");
                    json::value(out, &entry.as_slice());
                });
            }
            Cited::Other(json) => {
                let index = self.counted(at, |counts| &mut counts.citations);
                let citations = list::numbered(index, &json).into_iter().collect();
                self.fields(at, &Fields { citations, ..Fields::default() });
            }
        }
    }

    fn part_extra(&mut self, at: usize, number: u32, extra: &Extra) {
        let legacy = self.cx.legacy_functions;
        match self.part(at, number).map(|part| &part.kind) {
            Some(&Kind::Tool { index, kind, .. }) if !legacy => {
                self.beside_call(at, (index, kind), |out| put_members(out, extra));
            }
            _ => {
                for (name, value) in extra.iter() {
                    self.delta(at, |out| {
                        // OpenRouter's own member, whose clients look for it in the delta itself.
                        let nested = name != "reasoning_details";
                        if nested {
                            out.put_slice(b"\"provider_specific_fields\":{");
                        }
                        json::string(out, name);
                        out.put_u8(b':');
                        out.put_slice(value.get().as_bytes());
                        if nested {
                            out.put_u8(b'}');
                        }
                    });
                }
            }
        }
    }

    fn part_delta(&mut self, index: u32, number: u32, delta: &Delta<'_>) {
        let at = self.choice(index);
        match delta {
            Delta::Text(text) if !text.is_empty() => {
                if let Some(choice) = self.choices.get_mut(at) {
                    let more = u64::try_from(text.chars().count()).unwrap_or(0);
                    choice.chars = choice.chars.saturating_add(more);
                }
                self.delta(at, |out| member(out, "content", text));
            }
            Delta::Reasoning(text) if !text.is_empty() => {
                if let Some(Kind::Reasoning(thoughts)) = self.part(at, number).map(|part| &mut part.kind) {
                    thoughts.push(text);
                }
                self.delta(at, |out| member(out, "reasoning_content", text));
            }
            Delta::Refusal(text) if !text.is_empty() => self.delta(at, |out| member(out, "refusal", text)),
            Delta::ToolArgs(text) if !text.is_empty() => self.arguments(at, number, text),
            Delta::Signature(text) => self.signature(at, number, text),
            Delta::Redacted(data) => {
                let index = self.counted(at, |counts| &mut counts.blocks);
                let upstream = self.cx.upstream;
                self.block(at, index, |out| {
                    out.put_slice(b"\"redacted_thinking\",\"data\":");
                    json::string(out, &encode::sealed(data, upstream));
                });
            }
            Delta::Data(data) => match self.part(at, number).map(|part| &mut part.kind) {
                Some(Kind::Image { url }) if url.len().saturating_add(data.len()) > GATHER_LIMIT => {}
                Some(Kind::Image { url }) => url.push_str(data),
                _ => self.delta(at, |out| member_object(out, "audio", "data", data)),
            },
            Delta::Transcript(text) => self.delta(at, |out| member_object(out, "audio", "transcript", text)),
            Delta::ExpiresAt(time) => self.delta(at, |out| {
                out.put_slice(b"\"audio\":{\"expires_at\":");
                json::number(out, *time);
                out.put_u8(b'}');
            }),
            Delta::Citation(source) => self.citation(at, number, source),
            Delta::LogProbs(log_probs) => self.chunk(at, |out| {
                out.put_slice(b"\"delta\":{},\"logprobs\":");
                json::value(out, &encode::log_probs(log_probs));
                out.put_slice(b",\"finish_reason\":null");
            }),
            Delta::Extra(extra) => self.part_extra(at, number, extra),
            Delta::Text(_) | Delta::Reasoning(_) | Delta::Refusal(_) | Delta::ToolArgs(_) => {}
        }
    }

    fn part_end(&mut self, index: u32, number: u32) {
        let at = self.choice(index);
        match self.part(at, number).map(|part| &mut part.kind) {
            Some(Kind::Tool { empty: true, kind, .. }) if *kind != ToolCallKind::Custom => {
                self.arguments(at, number, "{}");
            }
            Some(Kind::Image { url }) => {
                let url = std::mem::take(url);
                let index = self.counted(at, |counts| &mut counts.images);
                let image = encode::image(usize::try_from(index).unwrap_or(usize::MAX), &url);
                self.delta(at, |out| {
                    out.put_slice(b"\"images\":");
                    json::value(out, &image.as_slice());
                });
            }
            _ => {}
        }
    }

    fn finish_choice(&mut self, index: u32, finish: &Finish) {
        let at = self.choice(index);
        let Some(choice) = self.choices.get_mut(at).filter(|choice| !choice.finished) else {
            return;
        };
        choice.finished = true;
        let word = encode::finish_word(finish.kind, choice.called, &self.cx);
        let mut fields = Fields::default();
        Fields::finish(finish, &mut fields);
        self.chunk(at, |out| {
            out.put_slice(b"\"delta\":{");
            if !fields.is_empty() {
                out.put_slice(b"\"provider_specific_fields\":");
                json::value(out, &fields);
            }
            out.put_slice(b"},\"logprobs\":null,\"finish_reason\":");
            json::string(out, word);
        });
    }

    fn opaque(&mut self, index: Option<u32>, extra: &Extra) {
        match index {
            None => put_members(&mut self.members, extra),
            Some(index) => {
                let at = self.choice(index);
                if let Some(choice) = self.choices.get_mut(at) {
                    put_members(&mut choice.members, extra);
                }
            }
        }
    }
}

/// `,"name":value` for each.
fn put_members(out: &mut BytesMut, extra: &Extra) {
    for (name, value) in extra.iter() {
        out.put_u8(b',');
        json::string(out, name);
        out.put_u8(b':');
        out.put_slice(value.get().as_bytes());
    }
}

impl EventSink for Encoder {
    fn event(&mut self, event: Event<'_>) -> Flow {
        match event {
            Event::Start(start) => self.start(&start),
            Event::PartStart { choice, part, start } => self.part_start(choice, part, &start),
            Event::Delta { choice, part, delta } => self.part_delta(choice, part, &delta),
            Event::PartEnd { choice, part } => self.part_end(choice, part),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Finish { choice, finish } => self.finish_choice(choice, &finish),
            Event::Error(error) => {
                self.fail(&error);
                return Flow::Break(());
            }
            Event::Opaque { choice, dialect: Dialect::OpenaiChat, members } => self.opaque(choice, &members),
            // Members of another dialect mean nothing to this client.
            Event::Opaque { .. } => {}
        }
        Flow::Continue(())
    }
}

impl StreamEncoder for Encoder {
    fn take(&mut self) -> Bytes {
        self.out.split().freeze()
    }

    fn finish(&mut self) {
        if self.failed {
            return;
        }
        for at in 0..self.choices.len() {
            let Some(choice) = self.choices.get(at) else { continue };
            let (index, finished, late) = (choice.index, choice.finished, !choice.members.is_empty());
            if !finished {
                self.finish_choice(index, &Finish::from(FinishKind::Stop));
            } else if late {
                self.delta(at, |_| {});
            }
        }
        match self.usage.take() {
            Some(total) if self.cx.include_usage => {
                self.put_prefix();
                self.out.put_slice(b"],\"usage\":");
                json::value(&mut self.out, &usage::usage(&total));
                self.out.put_slice(&self.members);
                self.members.clear();
                self.out.put_slice(b"}\n\n");
            }
            _ if !self.members.is_empty() => {
                self.put_prefix();
                self.out.put_u8(b']');
                self.put_suffix();
            }
            _ => {}
        }
        self.out.put_slice(b"data: [DONE]\n\n");
    }

    fn fail(&mut self, error: &ApiError) {
        self.failed = true;
        self.out.put_slice(b"data: ");
        self.out.put_slice(&error::body(error));
        self.out.put_slice(b"\n\n");
    }
}
