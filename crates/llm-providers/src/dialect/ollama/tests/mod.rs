//! Tests of the dialect as a whole: what we send, what we read, and both against recordings.

mod embed;
mod property;
mod recording;
mod reply;
mod sent;
mod stream;

use std::sync::Arc;

use llm_types::chat::ChatRequest;
use llm_types::{Call, Changes, Op, ProviderSpec, RawValue, Reply, ReplyBuilder, Result};
use serde_json::Value;

use super::Client;
use crate::codec::{Asked, ClientCodec, DecodeCx, EncodeCx, Memo, ServerCodec, WireRequest};
use crate::table::ProviderTable;

const PLAIN: &str = "qwen3:4b";
const LEVELS: &str = "gpt-oss:20b";

fn spec() -> Arc<ProviderSpec> {
    Arc::clone(ProviderTable::builtin().get("ollama").unwrap())
}

fn raw(json: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(json).unwrap()
}

/// What is sent, and what was recorded about it.
fn try_send(request: ChatRequest, model: &str) -> Result<(WireRequest, Changes)> {
    let mut changes = Changes::default();
    let spec = spec();
    let mut cx = EncodeCx { spec: &spec, model, asked: &Asked::default(), changes: &mut changes };
    let wire = Client.encode(&Call::from(request), &mut cx)?;
    Ok((wire, changes))
}

/// The body that is sent, and what was recorded about it as `dropped path` or `altered path`.
fn send(request: ChatRequest, model: &str) -> (Value, Vec<String>) {
    let (wire, changes) = try_send(request, model).unwrap();
    assert_eq!(wire.path, "/api/chat");
    let body = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
    let line = |change: &llm_types::Change| format!("{:?} {}", change.action, change.path).to_lowercase();
    (body, changes.list().iter().map(line).collect())
}

/// The request of an OpenAI client.
fn asked(body: &Value) -> ChatRequest {
    let server = crate::dialect::openai_chat::Server;
    match server.decode(body.to_string().as_bytes(), &Asked::default()).unwrap() {
        Call::Chat(request) => *request,
        other => panic!("{other:?}"),
    }
}

fn read_as(body: &[u8], memo: &Memo) -> Result<Reply> {
    let spec = spec();
    Ok(Client.decode(Op::Chat, body, &DecodeCx { spec: &spec, model: "m", memo })?.into_chat().unwrap())
}

fn read(body: &Value) -> Result<Reply> {
    read_as(body.to_string().as_bytes(), &Memo::default())
}

/// The reply that a stream gives in these chunks.
fn gather<'c>(chunks: impl IntoIterator<Item = &'c [u8]>, memo: &Memo) -> Result<Reply> {
    let spec = spec();
    let cx = DecodeCx { spec: &spec, model: "m", memo };
    let mut decoder = Client.decoder(Op::Chat, &cx);
    let mut builder = ReplyBuilder::default();
    for chunk in chunks {
        let _ = decoder.feed(chunk, &mut builder)?;
    }
    decoder.finish(&mut builder)?;
    assert!(decoder.is_done(), "a finished stream is done");
    builder.finish()
}

/// A stream of lines.
fn stream(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}
