//! One call at one deployment: sent, and its answer read or begun.

pub(super) mod parts;
mod read;
mod until;

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use llm_providers::codec::{ClientCodec, DecodeCx, Memo, ReplyCx};
use llm_providers::dialect::openai_speech::Sound;
use llm_providers::replay::replay;
use llm_providers::transport::{ByteStream, RequestBody, collect};
use llm_providers::{batch, own_api};
use llm_router::Limits;
use llm_types::{ApiError, Changes, Dialect, ErrorKind, Event, Op, Output, RateLimits, Result, Usage};
use tokio::time::timeout;

pub(super) use self::until::Until;
use super::Dispatch;
use super::later::Later;
use super::ready::{Asks, Paid, Ready, Way};
use super::refused::refused;
use crate::answer::{Reply, ReplyBody, Whole, pause};
use crate::attempt::{self, Attempt};
use crate::exchange::read_preamble;
use crate::relay::{Relay, UsageEvent};

/// The largest whole answer that is read, in bytes.
const REPLY_LIMIT: usize = 256 * 1024 * 1024;
/// The most that is read of an error's body, in bytes.
pub(super) const ERROR_LIMIT: usize = 1024 * 1024;

/// A call on the wire.
struct Sent {
    codec: &'static dyn ClientCodec,
    memo: Memo,
    pass: bool,
    /// How long it may take.
    bound: Duration,
    /// Until when a stream may go on, where that is before the request's own deadline.
    until: Option<Until>,
    /// Somebody pays for what comes of it.
    metered: bool,
}

impl Dispatch {
    /// Sends a call, and reads the answer up to a stream's first content.
    ///
    /// # Errors
    /// What went wrong, as the router is to know it.
    pub(super) async fn send(&self, paid: Paid, limits: Limits) -> Result<Reply> {
        let Paid { ready: Ready { way, asks, mut changes }, mut attempt } = paid;
        let used = match &way {
            Way::Wire { memo, more: None, .. } => memo.used().cloned(),
            _ => None,
        };
        let sent = match way {
            Way::Here(output) => {
                attempt.sent();
                Box::pin(self.written(output, &asks)).await.map(|body| (body, None))
            }
            Way::Wire { codec, request, memo, pass, more } => {
                let bound = if self.peek.stream { limits.first_token } else { limits.total };
                let until = Until::of(limits, self.deadline);
                let sent = Sent { codec, memo, pass, bound, until, metered: !attempt.is_free() };
                match more {
                    None => self.exchange((request, &attempt), &sent, &asks, &mut changes).await,
                    Some(parts) => {
                        let told = (&asks, &mut changes);
                        Box::pin(self.in_parts((*request, parts), &mut attempt, &sent, told)).await
                    }
                }
            }
        };
        match sent {
            Ok((body, rate_limits)) => {
                attempt.begun();
                Ok(Reply { body, target: asks.target, changes, rate_limits, attempt })
            }
            Err(error) => {
                // An answer that came and cannot be read was made, and is paid: by a hard budget with all that was held.
                if error.kind == ErrorKind::UpstreamFormat && used.is_some() && attempt.pays_softly() {
                    attempt.answered_in_part(used.as_ref());
                }
                attempt.fail(&error);
                Err(error)
            }
        }
    }

    /// Most requests go through here as they are; what others need beside that is boxed.
    async fn exchange(
        &self,
        (request, attempt): (Box<http::Request<RequestBody>>, &Attempt),
        sent: &Sent,
        asks: &Asks,
        changes: &mut Changes,
    ) -> Result<(ReplyBody, Option<RateLimits>)> {
        let Sent { codec, memo: _, pass, bound, until, metered: _ } = *sent;
        let started = Instant::now();
        let head = self.sent(*request, attempt, bound).await?;
        let (head, upstream) = head.into_parts();
        let left = bound.saturating_sub(started.elapsed());
        if !head.status.is_success() {
            let body = timeout(left, collect(upstream, ERROR_LIMIT)).await.map_err(|_| late(bound))??;
            return Err(refused(codec, &head, &body));
        }
        let rate_limits = if self.has_choice() { codec.rate_limits(&head.headers) } else { None };
        if self.peek.binary && is_stream(&head.headers) {
            let upstream = Until::bound(until, upstream);
            let relay = Relay::raw(head.headers.get(CONTENT_TYPE).cloned(), sent.memo.used().cloned());
            return Ok((Box::pin(self.open_raw(upstream, relay, left)).await?, rate_limits));
        }
        if self.peek.stream && self.streams(&head.headers) {
            return Ok((Box::pin(self.open(upstream, sent, asks, left)).await?, rate_limits));
        }
        if self.peek.stream && self.asked.op == Op::Speech && is_sound(&head.headers) {
            // Wanted in events: each piece is one.
            let sound = Box::new(Sound::new(sent.memo.used().cloned()));
            let relay = Relay::translate(sound, self.codec.encoder(self.reply_cx(asks)));
            let upstream = Until::bound(until, upstream);
            return Ok((Box::pin(self.open_raw(upstream, relay, left)).await?, rate_limits));
        }
        let body = timeout(left, collect(upstream, REPLY_LIMIT)).await.map_err(|_| late(bound))??;
        let other = sent.memo.differs(&body);
        if pass && !self.peek.stream && !other {
            let tapped = codec.tap(self.asked.op, &body)?;
            let marked = asks.mark.as_ref().and_then(|mark| self.codec.mark(&body, mark));
            let served = tapped.model.and_then(|name| asks.served(&name));
            let usage = tapped.usage.or_else(|| sent.memo.used().cloned());
            let kind = self.kind(&head.headers);
            let later = attempt.is_later().then(|| codec.unfinished(&body)).flatten();
            let later = later.map(|path| Box::new(Later { codec, path }));
            let body = marked.unwrap_or(body);
            return Ok((ReplyBody::Whole(Whole { body, usage, served, kind, later }), rate_limits));
        }
        let anew = (pass && other).then(|| self.anew(asks));
        let asks = anew.as_ref().unwrap_or(asks);
        let cx = DecodeCx { spec: asks.target.spec(), model: asks.target.model(), memo: &sent.memo };
        let mut output = codec.decode(self.asked.op, &body, &cx)?;
        own_api::told_beside(&mut output, &head.headers);
        drop(body);
        if let Some(asked) = asks.vectors {
            output = batch::counted(output, asked.inputs)?;
        }
        let _share = Box::pin(self.bytes_of(&mut output, &sent.memo, changes)).await;
        Ok((Box::pin(self.translated(output, asks, changes)).await?, rate_limits))
    }

    /// The head of the answer to a call, which is given up after so long.
    pub(super) fn sent<'s>(
        &'s self,
        request: http::Request<RequestBody>,
        attempt: &'s Attempt,
        bound: Duration,
    ) -> impl Future<Output = Result<http::Response<ByteStream>>> + Send + 's {
        let sending = timeout(bound, self.gateway.transport().send_watched(request, attempt.progress()));
        async move { sending.await.map_err(|_| late(bound))? }
    }

    /// Whether a deployment that has nothing left could be passed over for another one.
    fn has_choice(&self) -> bool {
        let Self { group, fallbacks, snapshot, .. } = self;
        group.deployments.len() > 1
            || group.fallbacks.names().next().is_some()
            || fallbacks.is_some()
            || snapshot.router.has_defaults()
    }

    /// Waits for the first content of a stream.
    async fn open(
        &self,
        upstream: ByteStream,
        sent: &Sent,
        asks: &Asks,
        left: Duration,
    ) -> Result<ReplyBody> {
        let Sent { codec, memo, pass, bound: _, until, metered } = sent;
        let mut upstream = Until::bound(*until, upstream);
        let op = self.asked.op;
        let mut relay = if *pass {
            let usage = if self.peek.include_usage { UsageEvent::Wanted } else { UsageEvent::Withheld };
            if self.codec.reframes(self.peek.form) {
                let frame = self.codec.encoder(self.reply_cx(asks));
                Relay::reframe(codec.stream_tap(op), usage, frame)
            } else {
                let relay = Relay::pass(codec.stream_tap(op), usage);
                match asks.mark.clone() {
                    Some(mark) => relay.marked(self.codec, mark),
                    None => relay,
                }
            }
        } else {
            let cx = DecodeCx { spec: asks.target.spec(), model: asks.target.model(), memo };
            let relay = Relay::translate(codec.decoder(op, &cx), self.codec.encoder(self.reply_cx(asks)));
            if self.goes_on(asks.dialect) { relay.keeping() } else { relay }
        };
        if *metered {
            relay = relay.counting(*codec, op);
        }
        read_preamble(&mut upstream, &mut relay, left).await?;
        Ok(ReplyBody::Stream { upstream, relay: Box::new(relay) })
    }

    /// Waits for the first bytes of sound.
    async fn open_raw(
        &self,
        mut upstream: ByteStream,
        mut relay: Relay,
        left: Duration,
    ) -> Result<ReplyBody> {
        read_preamble(&mut upstream, &mut relay, left).await?;
        Ok(ReplyBody::Stream { upstream, relay: Box::new(relay) })
    }

    /// What a whole answer says that it is, where that may be something else than JSON: a transcript, or sound. Of
    /// everything else clients expect JSON, whatever its provider calls it.
    fn kind(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if !matches!(self.asked.op, Op::Transcribe | Op::Translate | Op::Speech) {
            return None;
        }
        headers.get(CONTENT_TYPE).filter(|kind| !is_json(kind)).cloned()
    }

    /// Whether an answer is the stream that was asked for: of what is no conversation, events alone.
    fn streams(&self, headers: &HeaderMap) -> bool {
        let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        is_stream(headers) && (self.asked.op == Op::Chat || kind.starts_with(b"text/event-stream"))
    }

    /// Writes an answer that was read in full, and says what of it is not what the provider said.
    async fn translated(&self, mut output: Output, asks: &Asks, changes: &mut Changes) -> Result<ReplyBody> {
        self.codec.unsaid(&output, changes);
        if let Output::Embed(embeddings) = &mut output
            && self.asked.dialect == Some(Dialect::OpenaiMedia)
            && embeddings.usage.as_ref().is_none_or(Usage::is_empty)
        {
            // Its clients read the counts unasked.
            embeddings.usage = Some(self.estimated(asks));
            changes.altered("usage", "estimated: the provider does not count tokens");
        }
        self.written(output, asks).await
    }

    /// What a request for vectors is taken to use where nobody counts it: by its texts.
    fn estimated(&self, asks: &Asks) -> Usage {
        let Ok(Some(unread)) = self.codec.vectors_unread(asks.body()) else {
            return attempt::estimate(asks.body().len());
        };
        // Each is a token at least.
        attempt::estimate(unread.inputs.iter().map(|input| read::length(input).max(4)).sum())
    }

    /// Writes an answer that was read in full, in the form the client asked for.
    async fn written(&self, mut output: Output, asks: &Asks) -> Result<ReplyBody> {
        if let Output::Chat(reply) = &mut output {
            for guard in &self.snapshot.guards {
                guard.reply(reply, &self.principal).await?;
            }
        }
        let usage = output.usage().cloned();
        let served = output.model().and_then(|name| asks.served(name));
        let cx = self.reply_cx(asks);
        let streamed = match &output {
            Output::Chat(reply) if self.peek.stream => reply,
            Output::Embed(_) => {
                let cx = Box::new(ReplyCx { request: Bytes::new(), ..cx });
                return Ok(ReplyBody::Vectors { output, cx, usage, served });
            }
            output => {
                let events = self.peek.stream && !self.peek.binary;
                if let Some(bytes) = events.then(|| self.codec.streamed(output, &cx)).flatten() {
                    let chunks = VecDeque::from([bytes]);
                    return Ok(ReplyBody::Written { chunks, usage, served, pause: Duration::ZERO });
                }
                let kind = self.codec.content_type(output);
                let body = Bytes::from(self.codec.encode(output, &cx));
                return Ok(ReplyBody::Whole(Whole { body, usage, served, kind, later: None }));
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
        Ok(ReplyBody::Written { chunks, usage, served, pause: pause(&asks.target) })
    }
}

/// Whether an answer is sound and nothing around it.
fn is_sound(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    kind.starts_with(b"audio/") || kind.starts_with(b"application/octet-stream")
}

/// Whether an answer is a stream of events.
pub(crate) fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes).unwrap_or_default();
    !kind.starts_with(b"application/json")
}

fn is_json(kind: &HeaderValue) -> bool {
    kind.as_bytes().starts_with(b"application/json")
}

pub(super) fn late(bound: Duration) -> ApiError {
    let message = format!("the upstream did not answer within {} s", bound.as_secs_f32());
    ApiError::upstream(ErrorKind::Timeout, message)
}

pub(super) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}
