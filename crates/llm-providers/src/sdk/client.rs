//! One client for every provider.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use llm_types::chat::ChatRequest;
use llm_types::{ApiError, Call, Changes, Dialect, ErrorKind, Op, Reply, Result};

use super::stream::ChatStream;
use crate::codec::{Asked, ClientCodec, DecodeCx, EncodeCx, Memo, WireRequest};
use crate::credential::process_env;
use crate::table::ProviderTable;
use crate::target::{Target, TargetOptions};
use crate::transport::{ByteStream, RequestBody, Transport, collect};
use crate::{dialect, mock, name};

/// The largest whole answer that is read, in bytes.
pub(super) const REPLY_LIMIT: usize = 256 * 1024 * 1024;
/// The most that is read of an error's body, in bytes.
const ERROR_LIMIT: usize = 1024 * 1024;
/// How many models a client remembers the way to; further ones are worked out each time.
const REMEMBERED: usize = 1024;
/// The longest name of a model that is remembered, in bytes.
const REMEMBERED_NAME: usize = 256;
/// How long reading one picture may take where nobody says it.
const PICTURE_TIME: Duration = Duration::from_secs(60);
/// Where a gateway says what of a request was lost behind it.
const GATEWAY_CHANGES: &str = "x-gateway-changes";

/// A client for every provider. Clones share their connections.
///
/// ```no_run
/// use llm_providers::Client;
/// use llm_types::chat::{ChatRequest, Message};
///
/// # async fn run() -> llm_types::Result<()> {
/// let client = Client::from_env()?;
/// let request = ChatRequest::new([Message::user("Hello!")]);
/// let reply = client.chat("anthropic/claude-sonnet-4-5", request).await?;
/// assert!(!reply.text().is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

/// Looks an environment variable up.
type OwnEnv = dyn Fn(&str) -> Option<String> + Send + Sync;

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("transport", &self.shared.transport).finish_non_exhaustive()
    }
}

struct Shared {
    table: Arc<ProviderTable>,
    transport: Arc<dyn Transport>,
    env: Arc<OwnEnv>,
    connections: Vec<(String, TargetOptions)>,
    strict: bool,
    picture_time: Duration,
    /// Tokens and AWS credentials are kept as long as a target wants them: here, from one call to the next.
    known: RwLock<HashMap<Box<str>, Target>>,
}

/// Settings of a [`Client`].
pub struct ClientBuilder {
    table: Arc<ProviderTable>,
    transport: Option<Arc<dyn Transport>>,
    env: Arc<OwnEnv>,
    connections: Vec<(String, TargetOptions)>,
    strict: bool,
    picture_time: Duration,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("transport", &self.transport).finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// Carries calls over `transport`; the default is reqwest.
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Reads keys and addresses from elsewhere than the process's environment.
    #[must_use]
    pub fn env(mut self, env: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.env = Arc::new(env);
        self
    }

    /// Uses another provider table, e.g. one with rows of the caller's own.
    #[must_use]
    pub fn table(mut self, table: Arc<ProviderTable>) -> Self {
        self.table = table;
        self
    }

    /// Uses this key, address and headers for a provider, in place of the environment's. The model in
    /// `options` is ignored.
    #[must_use]
    pub fn connection(mut self, provider: impl Into<String>, options: TargetOptions) -> Self {
        self.connections.push((provider.into(), options));
        self
    }

    /// Refuses a request when something of it would be lost, instead of reporting it in the reply.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// How long reading one picture may take that a provider only says the place of; by default a minute. A build without
    /// the feature `tokens`, and a client outside tokio, have no clock: there the transport bounds it, if it does.
    #[must_use]
    pub fn picture_timeout(mut self, time: Duration) -> Self {
        self.picture_time = time;
        self
    }

    /// The client.
    ///
    /// # Errors
    /// When no transport is given and none is built in (feature `reqwest`), or it cannot be set up.
    pub fn build(self) -> Result<Client> {
        let transport = match self.transport {
            Some(transport) => transport,
            None => default_transport()?,
        };
        let Self { table, env, connections, strict, picture_time, .. } = self;
        let known = RwLock::default();
        let shared = Shared { table, transport, env, connections, strict, picture_time, known };
        Ok(Client { shared: Arc::new(shared) })
    }
}

#[cfg(feature = "reqwest")]
fn default_transport() -> Result<Arc<dyn Transport>> {
    Ok(Arc::new(crate::transport::ReqwestTransport::new()?))
}

#[cfg(not(feature = "reqwest"))]
fn default_transport() -> Result<Arc<dyn Transport>> {
    Err(ApiError::bad_request("give the client a transport, or switch on the feature `reqwest`"))
}

/// An answer, and what of the request did not reach the provider as it was asked.
#[derive(Debug, Clone)]
pub struct ChatReply {
    /// The answer.
    pub reply: Reply,
    /// What was dropped or altered.
    pub changes: Changes,
}

impl Deref for ChatReply {
    type Target = Reply;

    fn deref(&self) -> &Reply {
        &self.reply
    }
}

impl Client {
    /// A client over reqwest with keys from the environment (`OPENAI_API_KEY`, `ANTHROPIC_API_KEY`, …).
    ///
    /// # Errors
    /// When the HTTP client cannot be set up. A missing key is reported by the call that needs it.
    pub fn from_env() -> Result<Self> {
        Self::builder().build()
    }

    /// A client with settings of its own.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder {
            table: Arc::new(ProviderTable::builtin().clone()),
            transport: None,
            env: Arc::new(process_env),
            connections: Vec::new(),
            strict: false,
            picture_time: PICTURE_TIME,
        }
    }

    /// The providers this client knows.
    #[must_use]
    pub fn table(&self) -> &ProviderTable {
        &self.shared.table
    }

    /// Asks a model, e.g. `openai/gpt-4o` or `claude-sonnet-4-5`.
    ///
    /// # Errors
    /// When the model is unknown, its key is missing, the provider cannot be reached or refuses.
    pub async fn chat(&self, model: &str, request: ChatRequest) -> Result<ChatReply> {
        self.turn(model, request, None).await
    }

    /// Asks a model for a stream of typed events.
    ///
    /// # Errors
    /// As [`Client::chat`]; what fails later comes out of the stream.
    pub async fn chat_stream(&self, model: &str, request: ChatRequest) -> Result<ChatStream> {
        self.turn_streamed(model, request, None).await
    }

    /// Asks for a whole answer; `words`: what the caller would rather speak.
    pub(super) async fn turn(
        &self,
        model: &str,
        mut request: ChatRequest,
        words: Option<Dialect>,
    ) -> Result<ChatReply> {
        request.delivery.stream = false;
        let target = self.target(model)?;
        let mut call = Call::from(request);
        call.set_model(target.model());
        let dialect = target.dialect_for(Op::Chat, words);
        let Some(codec) = dialect::client(dialect) else {
            let mut changes = Changes::default();
            mock::ignored(&call, &mut changes);
            return Ok(ChatReply { reply: mock::answer(&call)?, changes });
        };
        let sent = self.send(codec, &target, &call).await?;
        let body = collect(sent.body, REPLY_LIMIT).await?;
        let cx = DecodeCx { spec: target.spec(), model: target.model(), memo: &sent.memo };
        let mut reply = chat(codec, &body, &cx).map_err(|error| named(error, &target))?;
        reply.sealed_by(dialect);
        Ok(ChatReply { reply, changes: sent.changes })
    }

    /// The same as a stream.
    pub(super) async fn turn_streamed(
        &self,
        model: &str,
        mut request: ChatRequest,
        words: Option<Dialect>,
    ) -> Result<ChatStream> {
        request.delivery.stream = true;
        let target = self.target(model)?;
        let mut call = Call::from(request);
        call.set_model(target.model());
        let dialect = target.dialect_for(Op::Chat, words);
        let Some(codec) = dialect::client(dialect) else {
            return Ok(ChatStream::replayed(&mock::answer(&call)?, dialect));
        };
        let sent = self.send(codec, &target, &call).await?;
        let cx = DecodeCx { spec: target.spec(), model: target.model(), memo: &sent.memo };
        if is_json(&sent.headers) {
            // Some servers answer whole whatever was asked.
            let body = collect(sent.body, REPLY_LIMIT).await?;
            let reply = chat(codec, &body, &cx).map_err(|error| named(error, &target))?;
            return Ok(ChatStream::whole(&reply, dialect).with_changes(sent.changes));
        }
        let decoder = codec.decoder(Op::Chat, &cx);
        Ok(ChatStream::new(sent.body, decoder, dialect, target).with_changes(sent.changes))
    }

    /// Where calls to a model go: worked out, and the environment read, when it is first named, and again when its
    /// provider has refused the key.
    ///
    /// # Errors
    /// When the model is unknown or its key is missing.
    pub fn target(&self, model: &str) -> Result<Target> {
        let shared = &*self.shared;
        if let Some(target) = shared.known.read().unwrap_or_else(PoisonError::into_inner).get(model) {
            return Ok(target.clone());
        }
        let (spec, _) = name::resolve(&shared.table, model)?;
        let known = shared.connections.iter().find(|(provider, _)| spec.is_named(provider));
        let options = known.map(|(_, options)| options.clone()).unwrap_or_default();
        let options = TargetOptions { model: model.to_owned(), ..options };
        let target = Target::new(&options, &shared.table, &|name| (shared.env)(name))?;
        let mut known = shared.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < REMEMBERED && model.len() <= REMEMBERED_NAME {
            known.insert(model.into(), target.clone());
        }
        Ok(target)
    }

    /// The same for an operation that its provider must offer.
    ///
    /// # Errors
    /// As [`Client::target`]; when it does not.
    pub(super) fn offering(&self, model: &str, op: Op) -> Result<Target> {
        let target = self.target(model)?;
        if target.spec().offers(op, target.model()) {
            return Ok(target);
        }
        let (provider, model) = (target.provider(), target.model());
        let message =
            format!("{provider} offers no {op} for `{model}`: choose a model of a provider that does");
        Err(ApiError::bad_request(message).with_param("model"))
    }

    /// Forgets every way to a provider that refused a key: it may be another one by now.
    pub(super) fn refused(&self, target: &Target, status: StatusCode, error: &ApiError) {
        if status != StatusCode::UNAUTHORIZED && error.kind != ErrorKind::Auth {
            return;
        }
        let mut known = self.shared.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, held| held.provider() != target.provider());
    }

    pub(super) fn picture_time(&self) -> Duration {
        self.shared.picture_time
    }

    pub(super) fn is_strict(&self) -> bool {
        self.shared.strict
    }

    pub(super) fn transport(&self) -> &dyn Transport {
        &*self.shared.transport
    }

    pub(super) async fn send(&self, codec: &dyn ClientCodec, target: &Target, call: &Call) -> Result<Sent> {
        let (wire, changes) = self.written(codec, target, call)?;
        let memo = wire.memo.clone();
        target.ready().await;
        let request = target.request(wire)?.map(RequestBody::from);
        self.exchange(codec, target, request, (memo, changes)).await
    }

    /// A call in its provider's words.
    pub(super) fn written(
        &self,
        codec: &dyn ClientCodec,
        target: &Target,
        call: &Call,
    ) -> Result<(WireRequest, Changes)> {
        let mut changes = Changes::default();
        let asked = Asked::of(call.op());
        let mut cx =
            EncodeCx { spec: target.spec(), model: target.model(), asked: &asked, changes: &mut changes };
        let wire = codec.encode(call, &mut cx)?;
        if self.shared.strict && changes.any_dropped() {
            let message = format!("strict mode refuses what would be lost: {}", changes.header());
            return Err(ApiError::new(ErrorKind::UnsupportedParam, message));
        }
        Ok((wire, changes))
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn exchange(
        &self,
        codec: &dyn ClientCodec,
        target: &Target,
        request: http::Request<RequestBody>,
        (memo, mut changes): (Memo, Changes),
    ) -> Result<Sent> {
        let answer = self.shared.transport.send(request).await.map_err(|error| named(error, target))?;
        let (head, body) = answer.into_parts();
        if !head.status.is_success() {
            let body = collect(body, ERROR_LIMIT).await?;
            let error = codec.decode_error(head.status, &head.headers, &body);
            self.refused(target, head.status, &error);
            return Err(named(error, target));
        }
        // A gateway says what it could not pass on.
        if let Some(line) = head.headers.get(GATEWAY_CHANGES).and_then(|line| line.to_str().ok()) {
            changes.read_header(line);
        }
        Ok(Sent { headers: head.headers, body, memo, changes })
    }
}

/// Reads an answer that is a conversation turn.
fn chat(codec: &dyn ClientCodec, body: &[u8], cx: &DecodeCx<'_>) -> Result<Reply> {
    codec.decode(Op::Chat, body, cx)?.into_chat().ok_or_else(|| {
        ApiError::upstream(ErrorKind::UpstreamFormat, "the provider's answer is no conversation turn")
    })
}

/// A call whose answer has begun.
pub(super) struct Sent {
    pub(super) headers: HeaderMap,
    pub(super) body: ByteStream,
    pub(super) memo: Memo,
    pub(super) changes: Changes,
}

/// The failure with the provider's name in front, and without the key.
pub(super) fn named(mut error: ApiError, target: &Target) -> ApiError {
    error.provider.get_or_insert_with(|| target.spec().name.clone());
    target.conceal(&mut error);
    error
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}
