//! One request on its way through the deployments of its group.
//!
//! The router says whom to ask and when to give up; here the asking is done: write the call in the
//! deployment's dialect (or splice the client's own bytes), send it, read the answer or pass it through.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use llm_providers::codec::{Asked, ClientCodec, DecodeCx, EncodeCx, Memo, Peek, ReplyCx, ServerCodec};
use llm_providers::replay::replay;
use llm_providers::target::Target;
use llm_providers::transport::{ByteStream, RequestBody, collect};
use llm_providers::{dialect, estimate, mock};
use llm_router::{Deployment, Group, InFlight, Limits, Step};
use llm_types::{
    ApiError, Call, Changes, Dialect, ErrorKind, Event, Head, Op, Origin, Output, Result, VectorEncoding,
};
use tokio::time::timeout;

use crate::answer::{Reply, ReplyBody, paced, pause};
use crate::backend::Backend;
use crate::exchange::{Exchange, Parts, read_preamble};
use crate::gateway::Gateway;
use crate::owner::Limit;
use crate::principal::Principal;
use crate::relay::{Relay, UsageEvent};
use crate::respond::{Failed, Labels};
use crate::snapshot::Snapshot;
use crate::ticket::Ticket;

/// The largest whole answer that is read, in bytes.
const REPLY_LIMIT: usize = 256 * 1024 * 1024;
/// The most that is read of an error's body, in bytes.
const ERROR_LIMIT: usize = 1024 * 1024;

/// A request that is authenticated, read and admitted.
#[derive(Debug)]
pub(crate) struct Dispatch {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) asked: Asked,
    pub(crate) codec: &'static dyn ServerCodec,
    pub(crate) principal: Principal,
    /// What the headers call the model.
    pub(crate) model: Box<str>,
    pub(crate) request_id: Arc<str>,
    pub(crate) head: Head,
    pub(crate) peek: Peek,
    /// The request in the neutral form, made when somebody has to read it.
    pub(crate) call: Option<Call>,
    pub(crate) group: Arc<Group<Backend>>,
    /// What the `*` of a wildcard name stands for.
    pub(crate) star: Option<Box<str>>,
    pub(crate) deadline: Instant,
    /// Who may serve it, where not everybody may.
    pub(crate) limit: Limit,
    /// What was left out of it before anybody was asked.
    pub(crate) left_out: Changes,
}

/// An answer, and what its headers say.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: AnswerBody,
    pub(crate) labels: Labels,
    pub(crate) attempts: usize,
    pub(crate) changes: Changes,
    /// How long the upstream was waited for.
    pub(crate) upstream: Duration,
}

#[derive(Debug)]
pub(crate) enum AnswerBody {
    Whole(Bytes),
    Stream(Box<Exchange>),
}

/// A call that is written for one deployment.
struct Prepared {
    request: http::Request<RequestBody>,
    memo: Memo,
    changes: Changes,
    /// The answer goes through as it comes.
    pass: bool,
}

/// One attempt at one deployment.
struct Attempt {
    target: Arc<Target>,
    /// What is spoken there.
    dialect: Dialect,
    /// The word that ids of its answers carry, where they have to say who made them.
    owner: Option<Arc<str>>,
    in_flight: InFlight,
    started: Instant,
}

impl Attempt {
    fn reply(self, body: ReplyBody) -> Reply {
        Reply { body, waited: self.started.elapsed(), in_flight: self.in_flight, target: self.target }
    }

    /// Waits for the first content of a stream.
    async fn open(self, mut upstream: ByteStream, mut relay: Relay, bound: Duration) -> Result<Reply> {
        read_preamble(&mut upstream, &mut relay, bound).await?;
        Ok(self.reply(ReplyBody::Stream { upstream, relay }))
    }
}

impl Dispatch {
    /// Asks deployments until one answers.
    ///
    /// # Errors
    /// The last failure; its message names every attempt when there were several.
    pub(crate) async fn run(mut self, mut ticket: Ticket) -> Result<Answer, Failed> {
        let group = Arc::clone(&self.group);
        let mut attempts = self.snapshot.router.attempts(&group, Instant::now(), self.deadline);
        attempts.pass_over(|deployment| self.limit.against(deployment, self.star.as_deref()));
        let mut upstream = Duration::ZERO;
        let mut last: Option<ApiError> = None;
        let mut asked: Option<Labels> = None;
        loop {
            let deployment = match attempts.next(Instant::now(), last.take().as_ref()) {
                Step::Wait(pause) => {
                    tokio::time::sleep(pause).await;
                    continue;
                }
                Step::Fail => None,
                Step::Try(index) => group.get(index),
            };
            let Some(deployment) = deployment else {
                let (error, count) = (attempts.failure(), attempts.record().attempts.len());
                return Err(match asked {
                    Some(labels) => Failed::at(error, &self.model, labels, count),
                    None => error.into(),
                });
            };
            let started = Instant::now();
            let limits = attempts.limits(deployment, started);
            let result = self.attempt(deployment, limits, &mut ticket).await;
            let now = Instant::now();
            match result {
                Ok((reply, changes)) => {
                    attempts.answered(now);
                    upstream += reply.waited;
                    let body = self.deliver(reply, ticket);
                    return Ok(Answer {
                        body,
                        labels: deployment.target.labels.clone(),
                        attempts: attempts.record().attempts.len(),
                        changes,
                        upstream,
                    });
                }
                Err(error) => {
                    upstream += now.saturating_duration_since(started);
                    last = Some(self.note_failure(deployment, error));
                    asked = Some(deployment.target.labels.clone());
                }
            }
        }
    }

    /// Logs a failed attempt; the router books it.
    fn note_failure(&self, deployment: &Deployment<Backend>, mut error: ApiError) -> ApiError {
        if let Ok(target) = deployment.target.target(self.star.as_deref()) {
            target.conceal(&mut error);
        }
        if error.origin == Origin::Upstream && error.provider.is_none() {
            error.provider = Some(deployment.target.provider.to_string());
        }
        tracing::warn!(
            request_id = &*self.request_id,
            deployment = &*deployment.id,
            kind = ?error.kind,
            status = error.upstream_status.map(|status| status.as_u16()),
            body = error.body.as_ref().map(|body| clip(body)),
            %error,
            "attempt failed"
        );
        error
    }

    async fn attempt(
        &mut self,
        deployment: &Deployment<Backend>,
        limits: Limits,
        ticket: &mut Ticket,
    ) -> Result<(Reply, Changes)> {
        let backend = &deployment.target;
        let op = self.asked.op;
        let target = backend.target(self.star.as_deref())?;
        let dialect = target.dialect_for(op, self.asked.dialect);
        let (in_flight, started) = (deployment.stats.begin(), Instant::now());
        let keepers = self.snapshot.owners.speaking(dialect);
        let owner = keepers.filter(|_| self.asked.dialect == Some(dialect)).and_then(|k| k.word(deployment));
        let attempt = Attempt { target, dialect, owner, in_flight, started };
        if op == Op::CountTokens && !attempt.target.spec().offers(op, attempt.target.model()) {
            let output = Output::Tokens(estimate::count(self.call()?)?);
            let mut changes = Changes::default();
            changes.altered("input_tokens", "estimated: the provider does not count tokens");
            return Ok((self.write(output, attempt).await?, changes));
        }
        if !matches!(op, Op::Chat | Op::CountTokens) {
            offered(op, &attempt.target)?;
        }
        let Some(codec) = dialect::client(dialect) else {
            self.check_bound(dialect)?;
            let call = self.call()?;
            call.set_model(attempt.target.model());
            ticket.sent();
            let output = mock::output(call)?;
            return Ok((self.write(output, attempt).await?, Changes::default()));
        };
        let prepared = self.prepare(codec, dialect, &attempt.target)?;
        let (request, memo, mut changes, pass) =
            (prepared.request, prepared.memo, prepared.changes, prepared.pass);
        let bound = if self.peek.stream { limits.first_token } else { limits.total };
        ticket.sent();
        let head =
            timeout(bound, self.gateway.transport().send(request)).await.map_err(|_| late(bound))??;
        let (head, upstream) = head.into_parts();
        let left = bound.saturating_sub(attempt.started.elapsed());
        if !head.status.is_success() {
            let body = timeout(left, collect(upstream, ERROR_LIMIT)).await.map_err(|_| late(bound))??;
            return Err(codec.decode_error(head.status, &head.headers, &body));
        }
        let cx = DecodeCx { spec: attempt.target.spec(), model: attempt.target.model(), memo: &memo };
        if self.peek.stream && is_stream(&head.headers) {
            let relay = if pass {
                let usage = if self.peek.include_usage { UsageEvent::Wanted } else { UsageEvent::Withheld };
                if self.codec.reframes(self.peek.form) {
                    let frame = self.codec.encoder(self.reply_cx(&attempt));
                    Relay::reframe(codec.stream_tap(op), usage, frame)
                } else {
                    let relay = Relay::pass(codec.stream_tap(op), usage);
                    match attempt.owner.clone() {
                        Some(owner) => relay.marked(self.codec, owner),
                        None => relay,
                    }
                }
            } else {
                let encoder = self.codec.encoder(self.reply_cx(&attempt));
                Relay::translate(codec.decoder(op, &cx), encoder)
            };
            return Ok((attempt.open(upstream, relay, left).await?, changes));
        }
        let body = timeout(left, collect(upstream, REPLY_LIMIT)).await.map_err(|_| late(bound))??;
        let reply = if pass && !self.peek.stream {
            let tapped = codec.tap(op, &body)?;
            let marked = attempt.owner.as_ref().and_then(|owner| self.codec.mark(&body, owner));
            let body = marked.unwrap_or(body);
            attempt.reply(ReplyBody::Whole { body, usage: tapped.usage })
        } else {
            let output = codec.decode(op, &body, &cx)?;
            self.codec.unsaid(&output, &mut changes);
            self.write(output, attempt).await?
        };
        Ok((reply, changes))
    }

    /// Writes the call for one deployment: the client's own bytes where both sides speak one dialect.
    fn prepare(&mut self, codec: &dyn ClientCodec, dialect: Dialect, target: &Target) -> Result<Prepared> {
        let mut changes = self.left_out.clone();
        let spec = target.spec();
        let same = self.asked.dialect == Some(dialect) && self.snapshot.guards.is_empty();
        let mut cx = EncodeCx { spec, model: target.model(), asked: &self.asked, changes: &mut changes };
        let spliced = if same { codec.splice(&self.head, &mut cx)? } else { None };
        let wire = match spliced {
            Some(wire) => wire,
            None => {
                changes = self.left_out.clone();
                self.check_bound(dialect)?;
                let call = read(&mut self.call, self.codec, &self.asked, &self.head)?;
                call.set_model(target.model());
                let mut cx =
                    EncodeCx { spec, model: target.model(), asked: &self.asked, changes: &mut changes };
                codec.encode(call, &mut cx)?
            }
        };
        if self.snapshot.strict && changes.any_dropped() {
            let message = format!("strict mode refuses what would be lost: {}", changes.header());
            return Err(ApiError::new(ErrorKind::UnsupportedParam, message));
        }
        let memo = wire.memo.clone();
        let rewritten = memo.json_tool.is_some() || !memo.tool_names.is_empty();
        let request = target.request(wire)?.map(RequestBody::from);
        Ok(Prepared { request, memo, changes, pass: same && target.answers_verbatim(dialect) && !rewritten })
    }

    /// Refuses what only providers of the client's dialect can do, where the one that is asked speaks another.
    fn check_bound(&self, dialect: Dialect) -> Result<()> {
        if self.asked.dialect == Some(dialect) {
            return Ok(());
        }
        self.codec.bound(&self.head)?.map_or(Ok(()), Err)
    }

    /// Writes an answer that was read in full, in the form the client asked for.
    async fn write(&mut self, mut output: Output, attempt: Attempt) -> Result<Reply> {
        if let Output::Chat(reply) = &mut output {
            for guard in &self.snapshot.guards {
                guard.reply(reply, self.principal).await?;
            }
        }
        let usage = output.usage().cloned();
        let cx = self.reply_cx(&attempt);
        let streamed = match &output {
            Output::Chat(reply) if self.peek.stream => reply,
            output => {
                let body = Bytes::from(self.codec.encode(output, &cx));
                return Ok(attempt.reply(ReplyBody::Whole { body, usage }));
            }
        };
        let mut encoder = self.codec.encoder(cx);
        let mut chunks = VecDeque::new();
        let _ = replay(streamed, &mut |event: Event<'_>| {
            let flow = encoder.event(event);
            chunks.push_back(encoder.take());
            flow
        });
        encoder.finish();
        chunks.push_back(encoder.take());
        let pause = pause(&attempt.target);
        Ok(attempt.reply(ReplyBody::Written { chunks, usage, pause }))
    }

    /// Hands an answer over to the client's side, with its account.
    fn deliver(&self, reply: Reply, ticket: Ticket) -> AnswerBody {
        let (upstream, relay) = match reply.body {
            ReplyBody::Whole { body, usage } => {
                ticket.settle(usage);
                return AnswerBody::Whole(body);
            }
            ReplyBody::Stream { upstream, relay } => (upstream, relay),
            ReplyBody::Written { chunks, usage, pause } => (paced(chunks, pause), Relay::written(usage)),
        };
        AnswerBody::Stream(Box::new(Exchange::new(
            upstream,
            Parts {
                relay,
                ticket,
                deadline: self.deadline.into(),
                front: self.codec,
                tasks: self.gateway.tasks().clone(),
                stop: self.gateway.stop().clone(),
                request_id: Arc::clone(&self.request_id),
                in_flight: Some(reply.in_flight),
                target: reply.target,
            },
        )))
    }

    fn reply_cx(&self, attempt: &Attempt) -> ReplyCx {
        let legacy = matches!(&self.call, Some(Call::Chat(request)) if request.tooling.legacy);
        let vectors = match &self.call {
            Some(Call::Embed(request)) => request.encoding,
            _ => VectorEncoding::default(),
        };
        ReplyCx {
            include_usage: self.peek.include_usage,
            legacy_functions: legacy,
            model: self.peek.model.clone(),
            id: self.request_id.to_string(),
            created: unix_now(),
            form: self.peek.form,
            vectors,
            upstream: Some(attempt.dialect),
            request: self.head.body().clone(),
            owner: attempt.owner.clone(),
        }
    }
}

/// Refuses an operation that a provider does not offer.
fn offered(op: Op, target: &Target) -> Result<()> {
    if target.spec().offers(op, target.model()) {
        return Ok(());
    }
    let (provider, model) = (target.provider(), target.model());
    let message = format!("{provider} offers no {op} for `{model}`: choose a model of a provider that does");
    Err(ApiError::bad_request(message).with_param("model"))
}

/// The request in the neutral form, read once.
fn read<'c>(
    call: &'c mut Option<Call>,
    codec: &dyn ServerCodec,
    asked: &Asked,
    head: &Head,
) -> Result<&'c mut Call> {
    if call.is_none() {
        *call = Some(codec.decode(head.body(), asked)?);
    }
    call.as_mut().ok_or_else(|| ApiError::new(ErrorKind::Internal, "the request was not read"))
}

impl Dispatch {
    /// Reads the request for whoever wants to look at it.
    pub(crate) fn call(&mut self) -> Result<&mut Call> {
        read(&mut self.call, self.codec, &self.asked, &self.head)
    }
}

pub(crate) fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes).unwrap_or_default();
    !kind.starts_with(b"application/json")
}

fn late(bound: Duration) -> ApiError {
    let message = format!("the upstream did not answer within {} s", bound.as_secs_f32());
    ApiError::upstream(ErrorKind::Timeout, message)
}

fn clip(body: &[u8]) -> String {
    String::from_utf8_lossy(body.get(..body.len().min(2048)).unwrap_or_default()).into_owned()
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}
