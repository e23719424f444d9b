//! One streamed answer on its way: upstream body, relay and ticket in one value that is polled.
//!
//! The client's body owns it. Dropping it (the client went away) closes the upstream connection, which
//! cancels the call, and the ticket settles for what was received until then.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::HeaderValue;
use llm_providers::codec::{ReplyCx, ReplyForm, ServerCodec};
use llm_providers::target::{Screen, Target};
use llm_providers::transport::ByteStream;
use llm_types::{ApiError, ErrorKind, Result};
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};

use crate::attempt::Attempt;
use crate::dispatch::{Resume, Resumed, Trail};
use crate::governance::Kept;
use crate::place::Place;
use crate::record::{Afterwards, Break, Decision};
use crate::relay::Relay;
use crate::stop::{Heard, Stop};
use crate::tasks::Tasks;
use crate::ticket::Ticket;

/// How long a finished upstream may take to close its body, so that its connection can be used again.
const DRAIN: Duration = Duration::from_secs(1);
/// How long the client's stream is held open behind its last event for what the upstream may still say: some
/// end all their streams with a word of another API. It usually closes at once.
const BEHIND: Duration = Duration::from_millis(250);
/// What is buffered before the first content, at most: enough for any preamble.
const PREAMBLE_LIMIT: usize = 64 * 1024;

/// Reads until the first content, so that until then another deployment can take over.
///
/// # Errors
/// What the upstream failed with before it sent any content, [`ErrorKind::Timeout`] after `bound`.
pub(crate) async fn read_preamble(
    upstream: &mut ByteStream,
    relay: &mut Relay,
    bound: Duration,
) -> Result<()> {
    let preamble = async {
        while !relay.has_content() && !relay.is_done() && relay.buffered() < PREAMBLE_LIMIT {
            match upstream.next().await.transpose()? {
                Some(chunk) => relay.feed(chunk)?,
                None => return relay.finish(),
            }
        }
        Ok(())
    };
    timeout(bound, preamble).await.unwrap_or_else(|_| {
        let message = format!("the upstream sent no first token within {} s", bound.as_secs_f32());
        Err(ApiError::upstream(ErrorKind::Timeout, message))
    })
}

/// Somebody is asked to go on with an answer.
struct Resuming {
    asks: Pin<Box<dyn Future<Output = Result<Resumed, ApiError>> + Send>>,
    trail: Trail,
}

/// A streamed answer on its way to the client.
pub(crate) struct Exchange {
    upstream: Option<ByteStream>,
    relay: Relay,
    /// The last event is out; what comes behind it goes on as it comes.
    is_over: bool,
    /// Looks for keys in that, and in what a provider says of its failure. What a model says is not looked at: it never
    /// saw a key.
    screen: Screen,
    /// Until when that is waited for, once it has to be.
    behind: Option<Pin<Box<Sleep>>>,
    ticket: Option<Ticket>,
    attempt: Option<Attempt>,
    /// The answer is complete once what it cost is written down.
    kept: Kept,
    deadline: Pin<Box<Sleep>>,
    stop: Stop,
    heard: Heard,
    /// Who the deadline and the last call wake.
    woken: Option<Waker>,
    front: &'static dyn ServerCodec,
    form: ReplyForm,
    tasks: Tasks,
    request_id: Arc<str>,
    place: Option<Place>,
    target: Arc<Target>,
    decision: Option<Arc<Decision>>,
    /// What it takes to go on with the answer elsewhere, should it break off.
    resume: Option<Box<Resume>>,
    /// Somebody else is being asked to go on.
    resuming: Option<Resuming>,
    /// Who has gone on with it.
    after: Afterwards,
    /// It broke off, and nothing in it can say so.
    broken: bool,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("relay", &self.relay).field("ticket", &self.ticket).finish()
    }
}

/// What an exchange is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Turns upstream chunks into client bytes.
    pub(crate) relay: Relay,
    /// The account of the request.
    pub(crate) ticket: Ticket,
    /// The account of the attempt.
    pub(crate) attempt: Attempt,
    /// When the whole request must be over.
    pub(crate) deadline: Instant,
    /// The client's dialect.
    pub(crate) front: &'static dyn ServerCodec,
    /// In which form it wants the answer.
    pub(crate) form: ReplyForm,
    /// Where draining goes on.
    pub(crate) tasks: Tasks,
    /// The last call.
    pub(crate) stop: Stop,
    /// For the log.
    pub(crate) request_id: Arc<str>,
    /// Its place at the deployment.
    pub(crate) place: Place,
    /// Who answers.
    pub(crate) target: Arc<Target>,
    /// Why it was asked, where that is kept.
    pub(crate) decision: Option<Arc<Decision>>,
    /// What it takes to go on with the answer elsewhere, where that is wanted.
    pub(crate) resume: Option<Box<Resume>>,
}

impl Exchange {
    /// An exchange that begins with what `parts.relay` holds already.
    pub(crate) fn new(upstream: ByteStream, parts: Parts) -> Self {
        let Parts { relay, ticket, attempt, deadline, front, tasks, stop, request_id, .. } = parts;
        let (place, target) = (parts.place, parts.target);
        Self {
            upstream: Some(upstream),
            relay,
            is_over: false,
            screen: Screen::default(),
            behind: None,
            ticket: Some(ticket),
            attempt: Some(attempt),
            kept: Kept::default(),
            deadline: Box::pin(sleep_until(deadline)),
            heard: stop.heard(),
            stop,
            woken: None,
            front,
            form: parts.form,
            tasks,
            request_id,
            place: Some(place),
            target,
            decision: parts.decision,
            resume: parts.resume,
            resuming: None,
            after: Afterwards::default(),
            broken: false,
        }
        .begun()
    }

    /// Whether it broke off in a form that cannot say so: then its connection has to.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether it is no stream of events, and its content type.
    pub(crate) fn binary(&self) -> Option<Option<&HeaderValue>> {
        self.relay.binary()
    }

    /// The next bytes for the client; `None`: the answer is over.
    pub(crate) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            // The last bytes wait until what they cost is written down, and nothing else does.
            if !self.kept.is_nothing() && Pin::new(&mut self.kept).poll(cx).is_pending() {
                return Poll::Pending;
            }
            if let Some(bytes) = self.relay.pop() {
                return Poll::Ready(Some(bytes));
            }
            if let Some(resuming) = &mut self.resuming {
                match resuming.asks.as_mut().poll(cx) {
                    Poll::Ready(resumed) => self.joined(resumed),
                    Poll::Pending => match self.late(cx) {
                        None => return Poll::Pending,
                        Some(error) => self.fail(&error),
                    },
                }
                continue;
            }
            let Some(upstream) = &mut self.upstream else {
                return Poll::Ready(None);
            };
            if self.is_over {
                let polled = upstream.poll_next_unpin(cx);
                let mut wait =
                    || self.behind.get_or_insert_with(|| Box::pin(sleep(BEHIND))).as_mut().poll(cx);
                match polled {
                    Poll::Ready(Some(Ok(chunk))) => match self.screen.pass(&self.target, chunk) {
                        Some(bytes) => self.relay.push(bytes),
                        None => self.upstream = None,
                    },
                    Poll::Ready(_) => {
                        self.upstream = None;
                        self.relay.push(self.screen.rest());
                    }
                    Poll::Pending if wait().is_ready() => {
                        self.let_go();
                        self.relay.push(self.screen.rest());
                    }
                    Poll::Pending => return Poll::Pending,
                }
                continue;
            }
            let result = match upstream.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(chunk))) => match self.feed(chunk) {
                    Ok(()) if self.relay.is_done() => self.complete(),
                    result => result,
                },
                Poll::Ready(Some(Err(error))) => Err(error),
                Poll::Ready(None) => {
                    self.upstream = None;
                    self.relay.push(self.screen.rest());
                    self.complete()
                }
                Poll::Pending => match self.late(cx) {
                    None => return Poll::Pending,
                    Some(error) => Err(error),
                },
            };
            if let Err(mut error) = result {
                self.target.conceal(&mut error);
                error.request_id = Some(self.request_id.to_string());
                if !self.turn_elsewhere(&error) {
                    self.fail(&error);
                }
            }
        }
    }

    /// Takes a chunk. What nobody reads here may be anything, also words about a key.
    fn feed(&mut self, chunk: Bytes) -> Result<()> {
        if self.relay.binary().is_none() {
            return self.relay.feed(chunk);
        }
        match self.screen.pass(&self.target, chunk) {
            Some(bytes) if bytes.is_empty() => Ok(()),
            Some(bytes) => self.relay.feed(bytes),
            None => Err(repeated()),
        }
    }

    /// The same for what was read before there was an exchange.
    fn begun(mut self) -> Self {
        if self.relay.binary().is_none() {
            return self;
        }
        let read: Vec<Bytes> = std::iter::from_fn(|| self.relay.pop()).collect();
        match self.screen.pass(&self.target, read.concat().into()) {
            Some(bytes) => self.relay.push(bytes),
            None => self.fail(&repeated()),
        }
        self
    }

    /// Asks another deployment to go on with the answer; whether that can be done.
    fn turn_elsewhere(&mut self, error: &ApiError) -> bool {
        if self.stop.is_told() || self.deadline.is_elapsed() {
            // There is no time left for anybody.
            return false;
        }
        let Some(resume) = self.resume.take_if(|resume| resume.may(error)) else { return false };
        let Some(said) = self.relay.said().map(str::to_owned) else { return false };
        let ticket = self.ticket.take().unwrap_or(Ticket::free());
        // Its row is safe long before the answer is over.
        drop(self.broke_off(error));
        let trail = Trail::default();
        let asks = Box::pin(resume.go_on(ticket, (said, error.clone()), Arc::clone(&trail)));
        self.resuming = Some(Resuming { asks, trail });
        self.upstream = None;
        if let Some(place) = self.place.take() {
            place.fail(error);
        }
        true
    }

    /// Goes on with another deployment's stream, behind a comment that marks the seam.
    fn joined(&mut self, resumed: Result<Resumed, ApiError>) {
        self.stop_asking();
        let Resumed { resume, ticket, attempt, head, upstream, decoder, place, target, deployment } =
            match resumed {
                Ok(resumed) => resumed,
                Err(cause) => return self.fail(&cause),
            };
        (self.ticket, self.attempt) = (Some(ticket), Some(attempt));
        self.relay.push(self.front.seam(self.form, &deployment));
        self.relay.go_on(decoder);
        let rest = stream::iter(head.into_iter().map(Ok)).chain(upstream);
        self.upstream = Some(Box::pin(rest));
        (self.resume, self.place, self.target) = (Some(resume), Some(place), target);
        self.after.by.push(deployment);
    }

    /// Nobody is asked to go on any more; what was done so far is kept.
    fn stop_asking(&mut self) {
        if let Some(Resuming { asks, trail }) = self.resuming.take() {
            drop(asks);
            self.after.groups.append(&mut trail.lock());
        }
    }

    /// Why the answer may not be waited for any longer, if so. The timers are asked again only when somebody
    /// else is to be woken: that is once per stream, not once per chunk.
    fn late(&mut self, cx: &mut Context<'_>) -> Option<ApiError> {
        let waker = cx.waker();
        if !self.woken.as_ref().is_some_and(|woken| woken.will_wake(waker)) {
            self.woken = Some(waker.clone());
            // Both tell again below that they are over.
            let _ = self.deadline.as_mut().poll(cx);
            let _ = self.heard.as_mut().poll(cx);
        }
        if self.stop.is_told() {
            return Some(Stop::error());
        }
        let message = "the request took longer than request_timeout";
        self.deadline.is_elapsed().then(|| ApiError::new(ErrorKind::Timeout, message))
    }

    /// The answer is complete: settles, and lets the upstream's connection be used again.
    fn complete(&mut self) -> Result<()> {
        self.relay.finish()?;
        if self.relay.is_left_open() {
            // Some upstreams just close behind the last chunk; clients wait for the terminal event.
            let mut encoder = self.front.encoder(ReplyCx::default());
            encoder.finish();
            self.relay.push(encoder.take());
        }
        if self.relay.passes_on() {
            self.is_over = true;
        } else {
            self.let_go();
        }
        if let Some(place) = self.place.take() {
            place.finish(self.relay.spent());
        }
        if let Some(decision) = self.decision.take() {
            decision.end(self.relay.usage(), None, std::mem::take(&mut self.after));
        }
        if let Some(mut attempt) = self.attempt.take() {
            attempt.names(self.relay.model());
            let usage = self.relay.spent();
            let uncounted = usage.is_none() && !attempt.is_free();
            let received = if uncounted { self.relay.received(&self.target) } else { 0 };
            self.kept = attempt.settle(usage, received).1;
        }
        if let Some(ticket) = self.ticket.take() {
            ticket.finish(self.relay.usage());
        }
        Ok(())
    }

    /// Reads the rest of a finished body on its own.
    fn let_go(&mut self) {
        if let Some(upstream) = self.upstream.take() {
            drain(upstream, &self.tasks);
        }
    }

    /// The answer broke off after content was sent: the client gets an error event, never a clean end. Where
    /// the provider said it in the client's dialect, those are its words.
    fn fail(&mut self, error: &ApiError) {
        if self.resuming.is_some() {
            tracing::warn!(request_id = &*self.request_id, %error, "nobody went on with the stream in time");
        }
        self.stop_asking();
        self.settle(error);
        if let Some(place) = self.place.take() {
            place.fail(error);
        }
        if let Some(decision) = self.decision.take() {
            decision.end(self.relay.usage(), Some(error), std::mem::take(&mut self.after));
        }
        let parting = self.relay.parting().concat();
        let parting = (!parting.is_empty()).then(|| self.screen.pass(&self.target, parting.into())).flatten();
        if let Some(bytes) = parting {
            self.relay.push(bytes);
            self.is_over = true;
            return;
        }
        self.upstream = None;
        if self.relay.binary().is_some() {
            self.broken = true;
            return;
        }
        let event = match self.relay.encoder() {
            Some(encoder) => {
                encoder.fail(error);
                encoder.take()
            }
            None => {
                let mut encoder = self.front.encoder(ReplyCx::default());
                encoder.fail(error);
                encoder.take()
            }
        };
        self.relay.push(event);
    }

    /// The stream of whoever answers now broke off, if somebody does: what came of it until here is what is paid.
    fn broke_off(&mut self, error: &ApiError) -> Kept {
        let Some(mut attempt) = self.attempt.take() else { return Kept::default() };
        attempt.names(self.relay.model());
        let tokens = self.relay.received(&self.target);
        if error.kind != ErrorKind::ClientCancelled {
            tracing::warn!(request_id = &*self.request_id, kind = ?error.kind, %error, "stream broke off");
            let at = std::time::Instant::now();
            self.after.breaks.push(Break { at, tokens, error: error.clone() });
        }
        attempt.break_off(self.relay.spent(), tokens, error)
    }

    /// No more will come of the answer.
    fn settle(&mut self, error: &ApiError) {
        self.kept = self.broke_off(error);
        if let Some(ticket) = self.ticket.take() {
            ticket.finish(self.relay.usage());
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.is_over {
            // The client has all of it and went: the connection can still be used again.
            self.let_go();
        }
        if self.upstream.is_some() || self.resuming.is_some() {
            self.stop_asking();
            let gone = ApiError::new(ErrorKind::ClientCancelled, "the client went away");
            self.settle(&gone);
            if let Some(decision) = self.decision.take() {
                decision.end(self.relay.usage(), Some(&gone), std::mem::take(&mut self.after));
            }
            tracing::debug!(request_id = &*self.request_id, "client went away; upstream call cancelled");
        }
    }
}

/// What goes out as it is must not hold what the call was made with.
fn repeated() -> ApiError {
    ApiError::upstream(ErrorKind::UpstreamFormat, "the upstream repeated the key that it was called with")
}

/// Reads the rest of a finished body, which is empty but for the last chunk's frame: usually it is there.
fn drain(mut upstream: ByteStream, tasks: &Tasks) {
    let waker = std::task::Waker::noop();
    match upstream.as_mut().poll_next(&mut Context::from_waker(waker)) {
        Poll::Ready(None | Some(Err(_))) => {}
        Poll::Ready(Some(Ok(_))) | Poll::Pending => tasks.spawn(async move {
            let rest = async { while let Some(Ok(_)) = upstream.next().await {} };
            // A body that does not end in time costs its connection, nothing else.
            let _ = timeout(DRAIN, rest).await;
        }),
    }
}
