//! Both halves of the dialect against real exchanges, against each other, and against broken input.

mod canonical;
mod errors;
mod payload;
mod property;
mod recordings;
mod rows;
mod streams;

use std::collections::BTreeMap;

use bytes::Bytes;
use llm_types::{
    Call, Changes, Delta, Event, EventSink, Flow, Head, Op, PartStart, ProviderSpec, Reply, ReplyBuilder,
    Result,
};
use serde_json::Value;

use super::{Client, Server};
use crate::codec::{Asked, ClientCodec as _, DecodeCx, EncodeCx, Memo, ReplyCx, ServerCodec as _};

/// A provider's row.
pub(super) fn row(toml: &str) -> ProviderSpec {
    toml::from_str(&format!("dialect = \"openai_chat\"\n{toml}")).unwrap()
}

/// A row without quirks.
pub(super) fn plain() -> ProviderSpec {
    row("name = \"openai\"")
}

/// What the server half reads, the client half writes: the body and the changes, one per line.
pub(super) fn translate(body: &str, spec: &ProviderSpec) -> (Value, String) {
    let call = Server.decode(body.as_bytes(), &Asked::default()).unwrap();
    encode(&call, spec)
}

pub(super) fn encode(call: &Call, spec: &ProviderSpec) -> (Value, String) {
    let mut changes = Changes::default();
    let mut cx = EncodeCx { spec, model: call.model(), asked: &Asked::default(), changes: &mut changes };
    let request = Client.encode(call, &mut cx).unwrap();
    (serde_json::from_slice(&request.body.to_bytes()).unwrap(), changes.header().replace("; ", "\n"))
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

/// A whole answer read by the client half.
pub(super) fn decode(body: &str, spec: &ProviderSpec) -> Result<Reply> {
    let cx = DecodeCx { spec, model: "m", memo: &Memo::default() };
    Ok(Client.decode(Op::Chat, body.as_bytes(), &cx)?.into_chat().unwrap())
}

/// A stream, cut into `chunks`, gathered into a whole answer.
pub(super) fn gather<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, spec: &ProviderSpec) -> Result<Reply> {
    let mut decoder = Client.decoder(Op::Chat, &DecodeCx { spec, model: "m", memo: &Memo::default() });
    let mut sink = Ordered::default();
    for chunk in chunks {
        let _ = decoder.feed(chunk, &mut sink)?;
    }
    decoder.finish(&mut sink)?;
    assert!(decoder.is_done());
    assert!(sink.open.is_empty(), "parts left open: {:?}", sink.open);
    sink.builder.finish()
}

/// A stream read by the client half and written by the server half.
pub(super) fn restream(sse: &str, spec: &ProviderSpec, cx: ReplyCx) -> String {
    let mut decoder = Client.decoder(Op::Chat, &DecodeCx { spec, model: "m", memo: &Memo::default() });
    let mut encoder = Server.encoder(cx);
    let mut out = Vec::new();
    let result = decoder.feed(sse.as_bytes(), &mut *encoder).and_then(|_| decoder.finish(&mut *encoder));
    match result {
        Ok(()) => encoder.finish(),
        Err(error) => encoder.fail(&error),
    }
    out.extend_from_slice(&encoder.take());
    String::from_utf8(out).unwrap()
}

/// A whole answer written by the server half.
pub(super) fn write(reply: &Reply, cx: &ReplyCx) -> Value {
    serde_json::from_slice(&Server.encode(&reply.clone().into(), cx)).unwrap()
}

/// Gathers events, and asserts that they come in the order that the neutral form promises.
#[derive(Default)]
struct Ordered {
    builder: ReplyBuilder,
    any: bool,
    /// Choice, part, whether it is a tool call.
    open: Vec<(u32, u32, bool)>,
    next: BTreeMap<u32, u32>,
    finished: Vec<u32>,
}

impl EventSink for Ordered {
    fn event(&mut self, event: Event<'_>) -> Flow {
        match &event {
            Event::Start(_) => assert!(!self.any, "the start is not first"),
            Event::PartStart { choice, part, start } => {
                assert!(!self.finished.contains(choice), "a part behind the end");
                let next = self.next.entry(*choice).or_default();
                assert_eq!(part, next, "part numbers");
                *next += 1;
                let tool = matches!(start, PartStart::ToolCall { .. });
                let overlaps = |(of, _, other): &(u32, u32, bool)| of == choice && !(tool && *other);
                assert!(!self.open.iter().any(overlaps), "{part} overlaps {:?}", self.open);
                self.open.push((*choice, *part, tool));
            }
            Event::Delta { delta: Delta::LogProbs(_), .. } => {}
            Event::Delta { choice, part, .. } => {
                let is_open = self.open.iter().any(|(of, open, _)| (of, open) == (choice, part));
                assert!(is_open, "a delta of a part that is not open: {event:?}");
            }
            Event::PartEnd { choice, part } => {
                let at = self.open.iter().position(|(of, open, _)| (of, open) == (choice, part));
                self.open.remove(at.unwrap());
            }
            Event::Finish { choice, .. } => {
                assert!(!self.open.iter().any(|(of, ..)| of == choice), "an end before its parts'");
                assert!(!self.finished.contains(choice), "a second end");
                self.finished.push(*choice);
            }
            Event::Usage(_) | Event::Error(_) | Event::Opaque { .. } => {}
        }
        self.any = true;
        self.builder.event(event)
    }
}
