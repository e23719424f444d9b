//! From a client to a provider and back, in memory: the codecs and nothing between them.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use llm_config::Deployment;
use llm_providers::codec::{Asked, ClientCodec, DecodeCx, EncodeCx, Memo, ReplyCx, WireRequest};
use llm_providers::replay::replay;
use llm_providers::table::ProviderTable;
use llm_providers::{dialect, name};
use llm_testkit::Recording;
use llm_types::{Call, Changes, Dialect, Event, Flow, Head, Op, Output, ProviderSpec, Result, Usage};
use serde_json::Value;

use crate::front::{CHAT, Front};
use crate::provider::{deployment_for, dialect_of};

/// The way from a client to one deployment and back.
pub(crate) struct Pipe {
    front: &'static Front,
    dialect: Dialect,
    codec: &'static dyn ClientCodec,
    spec: Arc<ProviderSpec>,
    pub(crate) model: String,
    memo: Memo,
    request: Bytes,
}

impl Pipe {
    /// The way that a recording goes.
    pub(crate) fn of(front: &'static Front, recording: &Recording) -> Self {
        let deployment = deployment_for(recording);
        Self::over(front, dialect_of(recording), row(&deployment.model, deployment.api_base.as_deref()))
    }

    /// The way that the gateway chooses.
    pub(crate) fn new(front: &'static Front, deployment: &Deployment) -> Self {
        let (spec, model) = row(&deployment.model, deployment.api_base.as_deref());
        let dialect = spec.dialect_for(Op::Chat, Some(front.dialect), &model);
        Self::over(front, dialect, (spec, model))
    }

    /// The way to a provider's model in one of its dialects.
    pub(crate) fn to(front: &'static Front, dialect: Dialect, model: &str) -> Self {
        Self::over(front, dialect, row(model, None))
    }

    fn over(front: &'static Front, dialect: Dialect, (spec, model): (Arc<ProviderSpec>, String)) -> Self {
        let codec = dialect::client(dialect).expect("a provider that is called");
        Self { front, dialect, codec, spec, model, memo: Memo::default(), request: Bytes::from_static(b"{}") }
    }

    /// What is sent for a client's body, and what was lost of it, by the way through the neutral form. What
    /// comes back is then read as the answer to it.
    pub(crate) fn ask(&mut self, body: &Value, stream: bool) -> Result<(WireRequest, Changes)> {
        let asked = self.front.asked(stream);
        self.request = Bytes::from(body.to_string());
        if self.dialect != self.front.dialect
            && let Some(refused) = self.front.codec().bound(&Head::scan(self.request.clone())?)?
        {
            return Err(refused);
        }
        let call = self.front.codec().decode(&self.request, &asked)?;
        self.encode(call, stream)
    }

    /// What is sent for a request in the neutral form.
    pub(crate) fn encode(&mut self, mut call: Call, stream: bool) -> Result<(WireRequest, Changes)> {
        let asked = self.front.asked(stream);
        call.set_model(&self.model);
        let mut changes = Changes::default();
        let wire = self.codec.encode(&call, &mut self.encode_cx(&asked, &mut changes))?;
        self.memo = wire.memo.clone();
        Ok((wire, changes))
    }

    /// What is sent where the client's bytes can be edited.
    pub(crate) fn splice(&self, body: &Value, stream: bool) -> Result<Option<(WireRequest, Changes)>> {
        if self.dialect != self.front.dialect {
            return Ok(None);
        }
        let mut changes = Changes::default();
        let head = Head::scan(Bytes::from(body.to_string()))?;
        let asked = self.front.asked(stream);
        let wire = self.codec.splice(&head, &mut self.encode_cx(&asked, &mut changes))?;
        Ok(wire.map(|wire| (wire, changes)))
    }

    /// What the client gets of a stream that comes in these pieces and then ends.
    pub(crate) fn run<'p>(&self, pieces: impl IntoIterator<Item = &'p [u8]>) -> Result<Bytes> {
        let (bytes, result) = self.stream(pieces);
        result.map(|()| bytes)
    }

    /// The same, where the client is told of a failure as it can be told.
    pub(crate) fn told<'p>(&self, pieces: impl IntoIterator<Item = &'p [u8]>) -> Bytes {
        self.stream(pieces).0
    }

    fn stream<'p>(&self, pieces: impl IntoIterator<Item = &'p [u8]>) -> (Bytes, Result<()>) {
        let mut decoder = self.codec.decoder(Op::Chat, &self.decode_cx());
        let mut encoder = self.front.codec().encoder(self.reply_cx());
        let mut result = Ok(());
        for piece in pieces {
            result = decoder.feed(piece, &mut *encoder).map(|_| ());
            if result.is_err() || decoder.is_done() {
                break;
            }
        }
        let result = result.and_then(|()| decoder.finish(&mut *encoder));
        match &result {
            Ok(()) => encoder.finish(),
            Err(error) => encoder.fail(error),
        }
        (encoder.take(), result)
    }

    /// What the client gets of a whole answer.
    pub(crate) fn whole(&self, body: &[u8]) -> Result<Vec<u8>> {
        let reply = self.codec.decode(Op::Chat, body, &self.decode_cx())?;
        Ok(self.front.codec().encode(&reply, &self.reply_cx()))
    }

    /// What a client that wants a stream gets of a whole answer.
    pub(crate) fn replayed(&self, body: &[u8]) -> Result<Bytes> {
        let mut encoder = self.front.codec().encoder(self.reply_cx());
        if let Output::Chat(reply) = self.codec.decode(Op::Chat, body, &self.decode_cx())? {
            let _ = replay(&reply, &mut |event: Event<'_>| encoder.event(event));
        }
        encoder.finish();
        Ok(encoder.take())
    }

    /// What a recorded answer used: as it is read, and as it is seen where it is passed through.
    pub(crate) fn usages(&self, recording: &Recording) -> (Option<Usage>, Option<Usage>) {
        let body = recording.response.bytes();
        if !recording.is_stream() {
            let read = self.codec.decode(Op::Chat, &body, &self.decode_cx()).unwrap();
            let passed = self.codec.tap(Op::Chat, &body).unwrap();
            return (read.usage().cloned(), passed.usage);
        }
        let mut usage = None;
        let mut decoder = self.codec.decoder(Op::Chat, &self.decode_cx());
        let mut sink = |event: Event<'_>| {
            if let Event::Usage(seen) = event {
                usage = Some(seen);
            }
            Flow::Continue(())
        };
        let _ = decoder.feed(&body, &mut sink).unwrap();
        decoder.finish(&mut sink).unwrap();
        (usage, None)
    }

    /// The model that a recorded answer names: as it is read, and as it is seen where it is passed through.
    pub(crate) fn models(&self, recording: &Recording) -> (Option<String>, Option<String>) {
        let body = recording.response.bytes();
        if !recording.is_stream() {
            let read = self.codec.decode(Op::Chat, &body, &self.decode_cx()).unwrap();
            let passed = self.codec.tap(Op::Chat, &body).unwrap();
            return (read.model().map(str::to_owned), passed.model.map(std::borrow::Cow::into_owned));
        }
        let mut read = None;
        let mut decoder = self.codec.decoder(Op::Chat, &self.decode_cx());
        let _ = decoder.feed(&body, &mut |event: Event<'_>| {
            if let Event::Start(start) = event {
                read = Some(start.model.into_owned()).filter(|name| !name.is_empty());
            }
            Flow::Continue(())
        });
        let (mut tap, mut rest) = (self.codec.stream_tap(Op::Chat), &*body);
        while let Some((event, after)) = llm_providers::frame::split_event(rest) {
            tap.see(event);
            rest = after;
        }
        (read, tap.model().map(str::to_owned))
    }

    /// What the client gets of an error: status and body.
    pub(crate) fn error(&self, status: u16, body: &[u8]) -> (u16, Vec<u8>) {
        let status = StatusCode::from_u16(status).unwrap();
        let error = self.codec.decode_error(status, &HeaderMap::new(), body);
        let (status, body) = self.front.codec().encode_error(&error);
        (status.as_u16(), body)
    }

    fn encode_cx<'c>(&'c self, asked: &'c Asked, changes: &'c mut Changes) -> EncodeCx<'c> {
        EncodeCx { spec: &self.spec, model: &self.model, asked, changes }
    }

    /// A client that wants everything, and values that are the same each time.
    fn reply_cx(&self) -> ReplyCx {
        ReplyCx {
            include_usage: true,
            model: "m".to_owned(),
            id: "chatcmpl-1".to_owned(),
            created: 1_700_000_000,
            upstream: Some(self.dialect),
            request: self.request.clone(),
            ..ReplyCx::default()
        }
    }

    fn decode_cx(&self) -> DecodeCx<'_> {
        DecodeCx { spec: &self.spec, model: &self.model, memo: &self.memo }
    }
}

fn row(model: &str, api_base: Option<&str>) -> (Arc<ProviderSpec>, String) {
    name::resolve_at(ProviderTable::builtin(), model, api_base).unwrap()
}

/// An OpenAI client's request as it is sent to a model's provider, and what was lost of it. It is spliced
/// where that can be done.
pub(crate) fn encode(request: &Value, model: &str) -> Result<(WireRequest, Changes)> {
    let (spec, name) = row(model, None);
    let dialect = spec.dialect_for(Op::Chat, Some(CHAT.dialect), &name);
    let mut pipe = Pipe::over(&CHAT, dialect, (spec, name));
    match pipe.splice(request, false)? {
        Some(sent) => Ok(sent),
        None => pipe.ask(request, false),
    }
}
