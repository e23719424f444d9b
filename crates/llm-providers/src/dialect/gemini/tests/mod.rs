//! Tests of the dialect as a whole: what we send, what we read, and both against recordings.

mod convert;
mod encode;
mod hostile;
mod media;
mod message;
mod option;
mod property;
mod recording;
mod reply;
mod server;
mod stream;
mod tool;
mod vectors;
mod vertex;
mod written;

use llm_types::chat::ChatRequest;
use llm_types::{Call, Changes, ErrorKind, Op, ProviderSpec, RawValue, Reply, ReplyBuilder, Result};
use serde_json::Value;

use super::{Client, Server};
use crate::codec::{Asked, ClientCodec, DecodeCx, EncodeCx, Memo, ServerCodec, WireRequest};

fn spec() -> ProviderSpec {
    toml::from_str("name = 'gemini'\ndialect = 'gemini'").unwrap()
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
    let body = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
    let line = |change: &llm_types::Change| format!("{:?} {}", change.action, change.path).to_lowercase();
    (body, changes.list().iter().map(line).collect())
}

fn read_as(body: &[u8], model: &str, memo: &Memo) -> Result<Reply> {
    let spec = spec();
    Ok(Client.decode(Op::Chat, body, &DecodeCx { spec: &spec, model, memo })?.into_chat().unwrap())
}

fn read(body: &Value) -> Result<Reply> {
    read_as(body.to_string().as_bytes(), "gemini-2.5-flash", &Memo::default())
}

/// The reply that a stream gives in these chunks.
fn gather(chunks: &[&[u8]]) -> Result<Reply> {
    let spec = spec();
    let memo = Memo::default();
    let cx = DecodeCx { spec: &spec, model: "gemini-2.5-flash", memo: &memo };
    let mut decoder = Client.decoder(Op::Chat, &cx);
    let mut builder = ReplyBuilder::default();
    for chunk in chunks {
        let _ = decoder.feed(chunk, &mut builder)?;
    }
    decoder.finish(&mut builder)?;
    assert!(decoder.is_done(), "a finished stream is done");
    builder.finish()
}

/// All of a reply as text, minted ids made alike.
fn shown(reply: &Reply) -> String {
    let text = format!("{reply:?}");
    let mut out = String::new();
    for (number, piece) in text.split("\"call_").enumerate() {
        let minted = piece.len() > 32 && piece.chars().take(32).all(|c| c.is_ascii_hexdigit());
        match number {
            0 => out.push_str(piece),
            _ if minted => out.push_str(&format!("\"minted{}", piece.chars().skip(32).collect::<String>())),
            _ => out.push_str(&format!("\"call_{piece}")),
        }
    }
    out
}

/// What a path says.
fn asked(op: Op, model: &str) -> Asked {
    Asked { model: Some(model.to_owned()), dialect: Some(llm_types::Dialect::Gemini), ..Asked::of(op) }
}

/// The text of a stream of these chunks.
fn sse(chunks: &[Value]) -> String {
    chunks.iter().map(|chunk| format!("data: {chunk}\r\n\r\n")).collect()
}

fn fails_with(result: Result<Reply>, kind: ErrorKind) -> llm_types::ApiError {
    let error = result.unwrap_err();
    assert_eq!(error.kind, kind, "{error}");
    error
}
