//! Both halves of the dialect against real exchanges, against each other, and against broken input.

mod canonical;
mod property;
mod recordings;
mod streams;

use bytes::Bytes;
use llm_types::{Call, Changes, Head, Op, ProviderSpec, Reply, ReplyBuilder, Result};
use serde_json::Value;

use super::{Client, Server};
use crate::codec::{ClientCodec as _, DecodeCx, EncodeCx, Memo, ReplyCx, ServerCodec as _};

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
    let call = Server.decode(Op::Chat, body.as_bytes()).unwrap();
    encode(&call, spec)
}

pub(super) fn encode(call: &Call, spec: &ProviderSpec) -> (Value, String) {
    let mut changes = Changes::default();
    let mut cx = EncodeCx { spec, model: call.model(), changes: &mut changes };
    let request = Client.encode(call, &mut cx).unwrap();
    (serde_json::from_slice(&request.body.to_bytes()).unwrap(), changes.header().replace("; ", "\n"))
}

/// The spliced body; `None`: it needs the full way.
pub(super) fn splice(body: &str, spec: &ProviderSpec, model: &str) -> Option<(String, String)> {
    let head = Head::scan(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    let mut changes = Changes::default();
    let mut cx = EncodeCx { spec, model, changes: &mut changes };
    let request = Client.splice(&head, &mut cx).unwrap()?;
    let body = String::from_utf8(request.body.to_bytes().to_vec()).unwrap();
    Some((body, changes.header().replace("; ", "\n")))
}

/// A whole answer read by the client half.
pub(super) fn decode(body: &str, spec: &ProviderSpec) -> Result<Reply> {
    Client.decode(Op::Chat, body.as_bytes(), &DecodeCx { spec, model: "m", memo: &Memo::default() })
}

/// A stream, cut into `chunks`, gathered into a whole answer.
pub(super) fn gather<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, spec: &ProviderSpec) -> Result<Reply> {
    let mut decoder = Client.decoder(Op::Chat, &DecodeCx { spec, model: "m", memo: &Memo::default() });
    let mut builder = ReplyBuilder::default();
    for chunk in chunks {
        let _ = decoder.feed(chunk, &mut builder)?;
    }
    decoder.finish(&mut builder)?;
    assert!(decoder.is_done());
    builder.finish()
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
    serde_json::from_slice(&Server.encode(reply, cx)).unwrap()
}
