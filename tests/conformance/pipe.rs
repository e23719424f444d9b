//! From an OpenAI client to a provider and back, in memory: the codecs and nothing between them.

use std::sync::Arc;

use bytes::Bytes;
use llm_config::Deployment;
use llm_providers::codec::{Asked, ClientCodec, DecodeCx, EncodeCx, Memo, ReplyCx, ServerCodec, WireRequest};
use llm_providers::table::ProviderTable;
use llm_providers::{dialect, name};
use llm_testkit::Recording;
use llm_types::{Changes, Dialect, Head, ModelRule, Op, ProviderSpec, Quirks, Result};
use serde_json::Value;

use crate::provider::{deployment_for, only};

/// The way from one deployment to its client.
pub(crate) struct Pipe {
    codec: &'static dyn ClientCodec,
    spec: Arc<ProviderSpec>,
    model: String,
}

impl Pipe {
    pub(crate) fn new(deployment: &Deployment) -> Self {
        Self::at(ProviderTable::builtin(), deployment)
    }

    /// The way that a recording went.
    pub(crate) fn of(recording: &Recording) -> Self {
        let only = only(recording);
        let quirks = Quirks { only, ..Quirks::default() };
        let rules = vec![ModelRule { models: vec!["*".to_owned()], quirks, ..ModelRule::default() }];
        let row = ProviderSpec { name: recording.provider.clone(), rules, ..ProviderSpec::default() };
        let rows = if only.is_some() { vec![row] } else { Vec::new() };
        Self::at(&ProviderTable::builtin().with(rows), &deployment_for(recording))
    }

    fn at(table: &ProviderTable, deployment: &Deployment) -> Self {
        let (spec, model) =
            name::resolve_at(table, &deployment.model, deployment.api_base.as_deref()).unwrap();
        Self { codec: called(&spec, &model), spec, model }
    }

    /// What the client gets of a stream that comes in these pieces and then ends.
    pub(crate) fn run<'p>(&self, pieces: impl IntoIterator<Item = &'p [u8]>) -> Result<Bytes> {
        let memo = Memo::default();
        let mut decoder = self.codec.decoder(Op::Chat, &self.cx(&memo));
        let mut encoder = openai().encoder(reply_cx());
        for piece in pieces {
            let _ = decoder.feed(piece, &mut *encoder)?;
            if decoder.is_done() {
                break;
            }
        }
        decoder.finish(&mut *encoder)?;
        encoder.finish();
        Ok(encoder.take())
    }

    /// What the client gets of a whole answer.
    pub(crate) fn whole(&self, body: &[u8]) -> Result<Vec<u8>> {
        let memo = Memo::default();
        let reply = self.codec.decode(Op::Chat, body, &self.cx(&memo))?;
        Ok(openai().encode(&reply, &reply_cx()))
    }

    fn cx<'c>(&'c self, memo: &'c Memo) -> DecodeCx<'c> {
        DecodeCx { spec: &self.spec, model: &self.model, memo }
    }
}

/// A client's request as it is sent to a model's provider, and what was lost of it. It is spliced where that
/// can be done.
pub(crate) fn encode(request: &Value, model: &str) -> Result<(WireRequest, Changes)> {
    let (spec, model) = name::resolve(ProviderTable::builtin(), model)?;
    let codec = called(&spec, &model);
    let body = Bytes::from(request.to_string());
    let mut changes = Changes::default();
    if dialect_of(&spec, &model) == Dialect::OpenaiChat {
        let mut cx = EncodeCx { spec: &spec, model: &model, asked: &Asked::default(), changes: &mut changes };
        if let Some(wire) = codec.splice(&Head::scan(body.clone())?, &mut cx)? {
            return Ok((wire, changes));
        }
    }
    let mut changes = Changes::default();
    let mut call = openai().decode(&body, &Asked::default())?;
    call.set_model(&model);
    let wire = codec.encode(
        &call,
        &mut EncodeCx { spec: &spec, model: &model, asked: &Asked::default(), changes: &mut changes },
    )?;
    Ok((wire, changes))
}

/// The dialect in which an OpenAI client's call goes out.
fn dialect_of(spec: &ProviderSpec, model: &str) -> Dialect {
    spec.dialect_for(Op::Chat, Some(Dialect::OpenaiChat), model)
}

fn called(spec: &ProviderSpec, model: &str) -> &'static dyn ClientCodec {
    dialect::client(dialect_of(spec, model)).expect("a provider that is called")
}

/// The half that an OpenAI client calls.
pub(crate) fn openai() -> &'static dyn ServerCodec {
    dialect::server(Dialect::OpenaiChat).expect("OpenAI's clients are served")
}

/// A client that wants everything, and values that are the same each time.
fn reply_cx() -> ReplyCx {
    ReplyCx {
        include_usage: true,
        model: "m".to_owned(),
        id: "chatcmpl-1".to_owned(),
        created: 1_700_000_000,
        ..ReplyCx::default()
    }
}
