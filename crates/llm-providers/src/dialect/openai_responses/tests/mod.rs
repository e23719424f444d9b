//! The dialect against real exchanges, and against what no exchange shows.

mod encode;
mod property;
mod recordings;
mod reply;
mod rows;
mod splice;
mod streams;
mod ways;
mod wire;

use std::collections::BTreeMap;

use bytes::Bytes;
use llm_testkit::{exchanges, is_complete};
use llm_types::chat::ChatRequest;
use llm_types::{
    Call, Changes, Delta, Event, EventSink, Flow, Head, Op, PartStart, ProviderSpec, RawValue, Reply,
    ReplyBuilder, Result,
};
use serde_json::Value;

use super::Client;
use crate::codec::{Asked, ClientCodec as _, DecodeCx, EncodeCx, Memo};

/// A provider's row.
pub(super) fn row(toml: &str) -> ProviderSpec {
    toml::from_str(&format!("dialect = \"openai_responses\"\n{toml}")).unwrap()
}

/// A row without quirks.
pub(super) fn plain() -> ProviderSpec {
    row("name = \"openai\"")
}

pub(super) fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

/// What is sent for a request, and the changes, one per line.
pub(super) fn encode_at(request: ChatRequest, spec: &ProviderSpec, model: &str) -> Result<(Value, String)> {
    let mut changes = Changes::default();
    let mut cx = EncodeCx { spec, model, asked: &Asked::default(), changes: &mut changes };
    let wire = Client.encode(&Call::from(request), &mut cx)?;
    assert_eq!(wire.path, "/responses");
    Ok((serde_json::from_slice(&wire.body.to_bytes()).unwrap(), changes.header().replace("; ", "\n")))
}

pub(super) fn encode(request: ChatRequest) -> (Value, String) {
    encode_at(request, &plain(), "m").unwrap()
}

/// The spliced body; `None`: it needs the full way.
pub(super) fn splice(body: &str, spec: &ProviderSpec, model: &str) -> Option<(String, String)> {
    let head = Head::scan(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    let mut changes = Changes::default();
    let mut cx = EncodeCx { spec, model, asked: &Asked::default(), changes: &mut changes };
    let request = Client.splice(&head, &mut cx).unwrap()?;
    let body = String::from_utf8(request.body.to_bytes().to_vec()).unwrap();
    Some((body, changes.header().replace("; ", "\n")))
}

/// A whole answer.
pub(super) fn decode(body: &str) -> Result<Reply> {
    let cx = DecodeCx { spec: &plain(), model: "m", memo: &Memo::default() };
    Ok(Client.decode(Op::Chat, body.as_bytes(), &cx)?.into_chat().unwrap())
}

/// A stream, cut into `chunks`, gathered into a whole answer.
pub(super) fn gather<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Reply> {
    let mut decoder =
        Client.decoder(Op::Chat, &DecodeCx { spec: &plain(), model: "m", memo: &Memo::default() });
    let mut sink = Ordered::default();
    for chunk in chunks {
        let _ = decoder.feed(chunk, &mut sink)?;
    }
    decoder.finish(&mut sink)?;
    assert!(decoder.is_done());
    assert!(sink.open.is_empty(), "parts left open: {:?}", sink.open);
    sink.builder.finish()
}

/// Events as this API sends them.
pub(super) fn sse(events: &[Value]) -> String {
    let event = |data: &Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
    events.iter().map(event).collect()
}

/// What a reply says, in a form that is easy to compare.
pub(super) fn facts(reply: &Reply) -> String {
    let Reply { id, model, created, choices, usage, .. } = reply;
    let [choice] = &**choices else { panic!("one answer") };
    format!(
        "{id} {model} {created:?} {:#?} {:?} {:?} {usage:?}",
        choice.parts, choice.finish, choice.logprobs
    )
}

/// Gathers events, and asserts that they come in the order that the neutral form promises.
#[derive(Default)]
struct Ordered {
    builder: ReplyBuilder,
    any: bool,
    /// Part, whether it is a tool call.
    open: Vec<(u32, bool)>,
    next: BTreeMap<u32, u32>,
    finished: bool,
}

impl EventSink for Ordered {
    fn event(&mut self, event: Event<'_>) -> Flow {
        match &event {
            Event::Start(_) => assert!(!self.any, "the start is not first"),
            Event::PartStart { choice, part, start } => {
                assert!(!self.finished, "a part behind the end");
                let next = self.next.entry(*choice).or_default();
                assert_eq!(part, next, "part numbers");
                *next += 1;
                let tool = matches!(start, PartStart::ToolCall { .. });
                let overlaps = |(_, other): &(u32, bool)| !(tool && *other);
                assert!(!self.open.iter().any(overlaps), "{part} overlaps {:?}", self.open);
                self.open.push((*part, tool));
            }
            Event::Delta { delta: Delta::LogProbs(_), .. } => {}
            Event::Delta { part, .. } => {
                assert!(self.open.iter().any(|(open, _)| open == part), "not open: {event:?}");
            }
            Event::PartEnd { part, .. } => {
                let at = self.open.iter().position(|(open, _)| open == part);
                self.open.remove(at.unwrap());
            }
            Event::Finish { .. } => {
                assert!(self.open.is_empty(), "an end before its parts'");
                assert!(!self.finished, "a second end");
                self.finished = true;
            }
            Event::Usage(_) | Event::Error(_) | Event::Opaque { .. } => {}
        }
        self.any = true;
        self.builder.event(event)
    }
}

/// A real exchange.
pub(super) struct Recording {
    /// Provider and file.
    pub(super) name: String,
    /// The request's body.
    pub(super) request: Value,
    /// Status, and the body or the stream.
    pub(super) response: Value,
}

/// Every exchange of this dialect.
pub(super) fn recordings() -> Vec<Recording> {
    let all = exchanges("responses", &[]).into_iter().map(|(name, mut all)| Recording {
        name,
        request: all["request"]["body"].take(),
        response: all["response"].take(),
    });
    let out: Vec<Recording> = all.collect();
    assert!(!is_complete() || out.len() >= 33, "only {} recordings", out.len());
    out
}
