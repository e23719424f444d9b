//! An answer as the events of the Responses API.
//!
//! An answer is a list of items here, each opened, filled and closed by events of its own, and every closing
//! event repeats what it closes. So the items are kept while they grow; a whole answer is written by the same
//! way with the events left out.
//!
//! An item is reported as done only when something follows it or the answer ends: until then nobody knows
//! whether it was cut off.

mod citation;
mod item;
mod part;

use bytes::{BufMut, Bytes, BytesMut};
use llm_types::{ApiError, Dialect, Event, EventSink, Finish, FinishKind, Flow, Reply, Usage};

use super::error;
use super::json::{key, list, member};
use super::response::{Frame, Stage, code};
use crate::codec::{ReplyCx, StreamEncoder};
use crate::replay::replay;
use item::{Body, Call, Content, Item, Status, Thoughts, place, whole};
use part::Part;

/// The most that is gathered of an answer, in bytes.
const GATHER_LIMIT: usize = 256 * 1024 * 1024;

/// Writes the events of one stream.
#[derive(Debug)]
pub(super) struct Encoder {
    cx: ReplyCx,
    wire: Wire,
    frame: Frame,
    items: Vec<Item>,
    /// Parts of the neutral form, and where they went.
    parts: Vec<Part>,
    /// A message or thoughts that go on.
    open: Option<usize>,
    /// An item that got everything but was not reported as done.
    ending: Option<usize>,
    /// The upstream's own id of the next item.
    own_id: Option<String>,
    gathered: usize,
    usage: Option<Usage>,
    finish: Option<FinishKind>,
    started: bool,
    ended: bool,
}

/// The bytes for the client.
#[derive(Debug)]
struct Wire {
    out: BytesMut,
    number: u64,
    /// Only the final object is wanted.
    silent: bool,
}

impl Wire {
    /// Writes one event; `body` writes its members but the type and the number.
    fn event(&mut self, kind: &'static str, body: impl FnOnce(&mut BytesMut)) {
        if self.silent {
            return;
        }
        let out = &mut self.out;
        out.put_slice(b"event: ");
        out.put_slice(kind.as_bytes());
        out.put_slice(b"\ndata: {");
        member(out, "type", kind);
        out.put_u8(b',');
        member(out, "sequence_number", &self.number);
        out.put_u8(b',');
        body(out);
        out.put_slice(b"}\n\n");
        self.number += 1;
    }
}

/// A whole answer.
pub(super) fn whole_reply(reply: &Reply, cx: &ReplyCx) -> Vec<u8> {
    let mut encoder = Encoder::new(cx.clone());
    encoder.wire.silent = true;
    let _ = replay(reply, &mut encoder);
    encoder.end();
    let mut out = BytesMut::new();
    encoder.object(&mut out, &encoder.stage());
    out.into()
}

impl Encoder {
    pub(super) fn new(cx: ReplyCx) -> Self {
        Self {
            wire: Wire { out: BytesMut::new(), number: 0, silent: false },
            frame: Frame::new(&cx),
            items: Vec::new(),
            parts: Vec::new(),
            open: None,
            ending: None,
            own_id: None,
            gathered: 0,
            usage: None,
            finish: None,
            started: false,
            ended: false,
            cx,
        }
    }

    /// The Response object.
    fn object(&self, out: &mut BytesMut, stage: &Stage<'_>) {
        self.frame.write(out, stage, |out| list(out, &self.items, |out, item| item.write(out)));
    }

    /// How the answer ended.
    fn stage(&self) -> Stage<'_> {
        let (status, incomplete) = match self.finish {
            None | Some(FinishKind::Stop | FinishKind::ToolCalls) => ("completed", None),
            Some(FinishKind::Length) => ("incomplete", Some("max_output_tokens")),
            Some(FinishKind::ContentFilter) => ("incomplete", Some("content_filter")),
        };
        Stage { status, incomplete, usage: self.usage.as_ref(), error: None }
    }

    /// The first two events, before any other.
    fn begin(&mut self) {
        if self.started {
            return;
        }
        self.started = true;
        let stage = Stage { status: "in_progress", ..Stage::default() };
        let (frame, wire) = (&self.frame, &mut self.wire);
        for kind in ["response.created", "response.in_progress"] {
            wire.event(kind, |out| {
                key(out, "response");
                frame.write(out, &stage, |out| out.put_slice(b"[]"));
            });
        }
    }

    /// Adds an item and says so. Returns its place in the output.
    fn add(&mut self, prefix: &str, body: Body) -> usize {
        self.settle(Status::Completed);
        self.close(Status::Completed);
        self.begin();
        let index = self.items.len();
        let id = self.own_id.take();
        let id = id.unwrap_or_else(|| format!("{prefix}_{}{index:02x}", self.frame.stem()));
        self.items.push(Item { id, status: Status::InProgress, body });
        if let Some(item) = self.items.get(index) {
            self.wire.event("response.output_item.added", |out| {
                whole(out, index, |out| item.write_begun(out));
            });
        }
        index
    }

    /// Reports an item as done.
    fn done(&mut self, index: usize, status: Status) {
        let Some(item) = self.items.get_mut(index) else { return };
        if item.status == Status::InProgress {
            item.status = status;
            let item = &*item;
            self.wire.event("response.output_item.done", |out| whole(out, index, |out| item.write(out)));
        }
    }

    /// Reports what got everything as done, and gives its signature behind it.
    fn settle(&mut self, status: Status) {
        let Some(index) = self.ending.take() else { return };
        self.done(index, status);
        let signed = match self.items.get(index).map(|item| &item.body) {
            Some(Body::Call(call)) if !call.signature.is_empty() => {
                Some((call.call_id.clone(), call.signature.clone()))
            }
            _ => None,
        };
        if let Some((id, signature)) = signed {
            self.sealed(&super::super::seal::Carried::Call { id, signature });
        }
    }

    /// Closes the message or the thoughts that go on.
    fn close(&mut self, status: Status) {
        let Some(index) = self.open.take() else { return };
        self.close_content(index);
        self.close_summary(index);
        self.done(index, status);
    }

    /// Closes everything: the answer is over.
    fn close_all(&mut self, status: Status) {
        for at in 0..self.items.len() {
            if matches!(&self.items.get(at).map(|item| &item.body), Some(Body::Call(call)) if call.open) {
                self.settle(Status::Completed);
                self.close_call(at);
            }
        }
        self.settle(status);
        self.close(status);
    }

    /// A part of a message ends.
    fn close_content(&mut self, index: usize) {
        let Some(Item { id, body: Body::Message(contents), .. }) = self.items.get_mut(index) else { return };
        let Some((at, content)) = contents.iter_mut().enumerate().next_back().filter(|(_, one)| one.open)
        else {
            return;
        };
        content.open = false;
        let (id, content) = (&*id, &*content);
        let here = |out: &mut BytesMut| {
            place(out, id, index);
            out.put_u8(b',');
            member(out, "content_index", &at);
            out.put_u8(b',');
        };
        if content.refusal {
            self.wire.event("response.refusal.done", |out| {
                here(out);
                member(out, "refusal", &content.text);
            });
        } else {
            self.wire.event("response.output_text.done", |out| {
                here(out);
                member(out, "text", &content.text);
                out.put_u8(b',');
                member(out, "logprobs", &content.logprobs);
            });
        }
        self.wire.event("response.content_part.done", |out| {
            here(out);
            key(out, "part");
            content.write(out);
        });
    }

    /// The summary of thoughts ends.
    fn close_summary(&mut self, index: usize) {
        let Some(Item { id, body: Body::Reasoning(thoughts), .. }) = self.items.get_mut(index) else {
            return;
        };
        if !std::mem::take(&mut thoughts.begun) {
            return;
        }
        let (id, thoughts) = (&*id, &*thoughts);
        let here = |out: &mut BytesMut| {
            place(out, id, index);
            out.put_slice(b",\"summary_index\":0,");
        };
        self.wire.event("response.reasoning_summary_text.done", |out| {
            here(out);
            member(out, "text", &thoughts.text);
        });
        self.wire.event("response.reasoning_summary_part.done", |out| {
            here(out);
            key(out, "part");
            Thoughts::part(out, &thoughts.text);
        });
    }

    /// A call has all its arguments.
    fn close_call(&mut self, index: usize) {
        let Some(Item { id, body: Body::Call(call), .. }) = self.items.get_mut(index) else { return };
        if !std::mem::take(&mut call.open) {
            return;
        }
        if call.arguments.is_empty() && !call.custom {
            call.arguments.push_str("{}");
            let id = &*id;
            self.wire.event("response.function_call_arguments.delta", |out| {
                place(out, id, index);
                out.put_slice(b",\"delta\":\"{}\"");
            });
        }
        let (id, call) = (&*id, &*call);
        let kind = if call.custom {
            "response.custom_tool_call_input.done"
        } else {
            "response.function_call_arguments.done"
        };
        self.wire.event(kind, |out| {
            place(out, id, index);
            out.put_u8(b',');
            if !call.custom {
                member(out, "name", &call.name);
                out.put_u8(b',');
            }
            member(out, call.input(), &call.arguments);
        });
        self.ending = Some(index);
    }

    fn note_finish(&mut self, finish: &Finish) {
        if self.finish.is_none() {
            self.finish = Some(finish.kind);
            self.close_all(self.cut());
        }
    }

    /// How the last item of an answer that ended like this ends.
    fn cut(&self) -> Status {
        match self.finish {
            Some(FinishKind::Length | FinishKind::ContentFilter) => Status::Incomplete,
            _ => Status::Completed,
        }
    }

    /// Closes what is left open behind the last event.
    fn end(&mut self) {
        self.begin();
        self.close_all(self.cut());
        self.ended = true;
    }

    /// The event of a response that failed.
    fn failed(&mut self, error: &ApiError) {
        let stage =
            Stage { status: "failed", error: Some(error), incomplete: None, usage: self.usage.as_ref() };
        let mut object = BytesMut::new();
        self.object(&mut object, &stage);
        self.wire.event("response.failed", |out| {
            key(out, "response");
            out.put_slice(&object);
        });
    }

    /// Counts what is kept.
    ///
    /// Past the limit the answer ends with an error: its closing events could not repeat it.
    fn gather(&mut self, more: usize) -> Flow {
        self.gathered = self.gathered.saturating_add(more);
        if self.gathered > GATHER_LIMIT {
            let message = "the answer is larger than 256 MiB, which is more than can be repeated at its end";
            self.fail(&ApiError::upstream(llm_types::ErrorKind::UpstreamFormat, message));
            return Flow::Break(());
        }
        Flow::Continue(())
    }
}

impl EventSink for Encoder {
    fn event(&mut self, event: Event<'_>) -> Flow {
        if self.ended {
            return Flow::Break(());
        }
        match event {
            Event::Start(start) => {
                self.frame.start(&start, &self.cx);
                self.begin();
            }
            // There is one answer: this dialect cannot ask for more.
            Event::PartStart { choice: 0, part, start } => return self.part_start(part, &start),
            Event::Delta { choice: 0, part, delta } => return self.part_delta(part, &delta),
            Event::PartEnd { choice: 0, part } => self.part_end(part),
            Event::Finish { choice: 0, finish } => self.note_finish(&finish),
            Event::PartStart { .. } | Event::Delta { .. } | Event::PartEnd { .. } | Event::Finish { .. } => {}
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Error(error) => {
                self.fail(&error);
                return Flow::Break(());
            }
            Event::Opaque { choice: _, dialect: Dialect::OpenaiResponses, members } => {
                self.frame.extend(&members);
            }
            // Members of another dialect mean nothing to this client.
            Event::Opaque { .. } => {}
        }
        Flow::Continue(())
    }
}

impl StreamEncoder for Encoder {
    fn take(&mut self) -> Bytes {
        let events = self.wire.out.split().freeze();
        let marked = self.cx.mark.as_ref().and_then(|mark| super::thought::mark(&events, mark));
        marked.unwrap_or(events)
    }

    fn finish(&mut self) {
        if self.ended {
            return;
        }
        self.end();
        let stage = self.stage();
        let kind = if stage.incomplete.is_some() { "response.incomplete" } else { "response.completed" };
        let mut object = BytesMut::new();
        self.object(&mut object, &stage);
        self.wire.event(kind, |out| {
            key(out, "response");
            out.put_slice(&object);
        });
    }

    /// `response.failed` for clients that follow the response, `error` for the SDKs, which raise it: the
    /// Python one looks for a member `error`, the Node one for the event's name. Before a response has begun
    /// the SDKs take nothing but the second.
    fn fail(&mut self, error: &ApiError) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if self.started {
            self.failed(error);
        }
        let message = error.to_string();
        self.wire.event("error", |out| {
            member(out, "code", code(error));
            out.put_u8(b',');
            member(out, "message", &message);
            out.put_u8(b',');
            member(out, "param", &error.param);
            out.put_u8(b',');
            member(out, "error", &error::inner(error, &message));
        });
        if !self.started {
            self.failed(error);
        }
    }
}

/// Raw JSON of a value that can always be written.
fn raw(value: &impl serde::Serialize) -> Option<Box<llm_types::RawValue>> {
    serde_json::value::to_raw_value(value).ok()
}
