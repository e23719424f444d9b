//! Both halves of the dialect against real exchanges, against each other, and against broken input.

mod property;
mod recordings;
mod replies;
mod requests;
mod streams;

use llm_types::{Call, Changes, Op, ProviderSpec, Reply, ReplyBuilder, Result};
use serde_json::Value;

use super::{Client, Server};
use crate::codec::{Asked, ClientCodec as _, DecodeCx, EncodeCx, Memo, ReplyCx, ServerCodec as _};

/// A row of this kind of provider.
fn row(toml: &str) -> ProviderSpec {
    toml::from_str(&format!("name = \"corp\"\ndialect = \"openai_chat\"\n{toml}")).unwrap()
}

fn read(body: &Value) -> Result<Call> {
    Server.decode(body.to_string().as_bytes(), &Asked::default())
}

/// The body and the changes, one per line.
fn encode(call: &Call) -> Result<(Value, String)> {
    let (spec, mut changes) = (row(""), Changes::default());
    let asked = Asked::default();
    let mut cx = EncodeCx { spec: &spec, model: "m", asked: &asked, changes: &mut changes };
    let wire = Client.encode(call, &mut cx)?;
    assert_eq!(wire.path, "/completions");
    Ok((serde_json::from_slice(&wire.body.to_bytes()).unwrap(), changes.header().replace("; ", "\n")))
}

fn decode(body: &str) -> Result<Reply> {
    let cx = DecodeCx { spec: &row(""), model: "m", memo: &Memo::default() };
    Ok(Client.decode(Op::Chat, body.as_bytes(), &cx)?.into_chat().unwrap())
}

/// A stream, cut into `chunks`, gathered into a whole answer.
fn gather<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Reply> {
    let mut decoder =
        Client.decoder(Op::Chat, &DecodeCx { spec: &row(""), model: "m", memo: &Memo::default() });
    let mut builder = ReplyBuilder::default();
    for chunk in chunks {
        let _ = decoder.feed(chunk, &mut builder)?;
    }
    decoder.finish(&mut builder)?;
    assert!(decoder.is_done());
    builder.finish()
}

fn write(reply: &Reply, cx: &ReplyCx) -> Value {
    serde_json::from_slice(&Server.encode(&reply.clone().into(), cx)).unwrap()
}
