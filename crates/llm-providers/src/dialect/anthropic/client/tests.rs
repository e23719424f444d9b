//! Tests of the client half: requests, answers, streams, and the recordings of real traffic.

mod batches;
mod foundry;
mod golden;
mod messages;
mod options;
mod property;
mod recordings;
mod replies;
mod streams;
mod thinking;
mod tools;
mod vertex;

use http::HeaderMap;
use llm_types::chat::{ChatRequest, Part};
use llm_types::{
    Action, ApiError, Call, Changes, Event, Flow, Op, ProviderSpec, RawValue, Reply, ReplyBuilder, Result,
};
use serde_json::Value;

use super::Client;
use crate::codec::{Asked, ClientCodec, DecodeCx, EncodeCx, Memo};

fn spec() -> ProviderSpec {
    serde_json::from_str(r#"{"name":"anthropic","dialect":"anthropic"}"#).unwrap()
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

/// A request as it was written.
#[derive(Debug)]
struct Sent {
    body: Value,
    headers: HeaderMap,
    memo: Memo,
    changes: Changes,
}

impl Sent {
    /// `action path` of each change.
    fn changed(&self) -> Vec<String> {
        let name = |action| if action == Action::Dropped { "dropped" } else { "altered" };
        self.changes.list().iter().map(|change| format!("{} {}", name(change.action), change.path)).collect()
    }

    fn betas(&self) -> Option<&str> {
        self.headers.get("anthropic-beta").map(|value| value.to_str().unwrap())
    }
}

fn try_encode(request: &ChatRequest, model: &str) -> Result<Sent> {
    let spec = spec();
    let mut changes = Changes::default();
    let mut cx = EncodeCx { spec: &spec, model, asked: &Asked::default(), changes: &mut changes };
    let wire = Client.encode(&Call::Chat(Box::new(request.clone())), &mut cx)?;
    assert_eq!((wire.method.as_str(), wire.path.as_str()), ("POST", "/v1/messages"));
    assert_eq!(wire.headers["anthropic-version"], "2023-06-01");
    assert_eq!(wire.headers["content-type"], "application/json");
    let body = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
    Ok(Sent { body, headers: wire.headers, memo: wire.memo, changes })
}

fn encode(request: &ChatRequest, model: &str) -> Sent {
    try_encode(request, model).unwrap()
}

fn decode(body: &str, memo: &Memo) -> Result<Reply> {
    let spec = spec();
    Ok(Client
        .decode(Op::Chat, body.as_bytes(), &DecodeCx { spec: &spec, model: "m", memo })?
        .into_chat()
        .unwrap())
}

/// Feeds the pieces of a stream and gathers the answer.
fn gather<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, memo: &Memo) -> Result<Reply> {
    let spec = spec();
    let mut decoder = Client.decoder(Op::Chat, &DecodeCx { spec: &spec, model: "m", memo });
    let mut builder = ReplyBuilder::default();
    for piece in pieces {
        assert!(decoder.feed(piece, &mut builder)?.is_continue());
    }
    decoder.finish(&mut builder)?;
    assert!(decoder.is_done());
    builder.finish()
}

/// The events of a stream, written out; an error comes last.
fn events(stream: &str, memo: &Memo) -> (Vec<String>, Option<ApiError>) {
    let spec = spec();
    let mut decoder = Client.decoder(Op::Chat, &DecodeCx { spec: &spec, model: "m", memo });
    let mut out = Vec::new();
    let mut sink = |event: Event<'_>| {
        out.push(format!("{event:?}"));
        Flow::Continue(())
    };
    let fed = decoder.feed(stream.as_bytes(), &mut sink).map(|_| ());
    let end = fed.and_then(|()| decoder.finish(&mut sink));
    (out, end.err())
}

/// A stream of the given `data` payloads, each under its event name.
fn sse(payloads: &[Value]) -> String {
    let event = |data: &Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
    payloads.iter().map(event).collect()
}

/// Everything of an answer that two ways of reading it must agree on.
fn summary(reply: &Reply) -> String {
    let mut out = format!(
        "{} {} {:?} {:?} {}\n",
        reply.id,
        reply.model,
        reply.service_tier,
        reply.usage,
        serde_json::to_string(&reply.extra).unwrap()
    );
    for choice in &reply.choices {
        out.push_str(&format!("{} {:?}\n", choice.index, choice.finish));
        for part in &choice.parts {
            out.push_str(&match part {
                Part::Opaque(opaque) => format!("opaque {} {}\n", opaque.kind, opaque.json),
                Part::Citation(citation) => format!(
                    "citation {:?} {:?} {:?} {}\n",
                    citation.url,
                    citation.title,
                    citation.quote,
                    citation.native.as_ref().unwrap().1
                ),
                Part::ToolCall(call) => format!(
                    "call {} {} {} {}\n",
                    call.id,
                    call.name,
                    call.arguments,
                    serde_json::to_string(&call.extra).unwrap()
                ),
                Part::Text(text) => format!("text {:?}\n", text.text),
                Part::Reasoning(reasoning) => format!(
                    "thought {:?} {:?} {:?}\n",
                    reasoning.text, reasoning.signature, reasoning.redacted
                ),
                other => panic!("no such part comes from this dialect: {other:?}"),
            });
        }
    }
    out
}
