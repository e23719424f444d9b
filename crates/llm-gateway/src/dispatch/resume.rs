//! Going on with a stream that broke off after its first content (`mid_stream = "continue"`).
//!
//! The next deployment gets the conversation with the text so far as the model's turn, and is asked for the rest.
//! Only text can be gone on from: where the request has tools or asks for JSON or several choices, or the stream has
//! calls or thoughts, it ends in an error event.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use llm_providers::codec::{DecodeCx, StreamDecoder};
use llm_providers::target::Target;
use llm_providers::transport::{ByteStream, collect};
use llm_router::{Group, Limits as Bounds, Plan, Record, Step};
use llm_types::chat::{Format, Limits, Message, OutputOptions};
use llm_types::{ApiError, Call, ErrorKind, Result};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::Dispatch;
use super::fetched::Fetched;
use super::needs::roughly;
use super::ready::{Asking, Paid, Ready, Way};
use super::refused::refused;
use super::send::{ERROR_LIMIT, Until, is_stream, late};
use crate::attempt::Attempt;
use crate::backend::Backend;
use crate::exchange::read_preamble;
use crate::place::Place;
use crate::relay::{Relay, UsageEvent};
use crate::snapshot::Snapshot;
use crate::ticket::Ticket;

/// How often one answer is gone on with, at most.
const MOST: usize = 3;
/// What the next deployment is told.
const GO_ON: &str = "Your answer was cut off. Go on exactly where it stopped: begin with the very next character, \
                     repeat nothing, and say nothing about the interruption.";

/// The least that the rest of an answer may be bounded to: some providers refuse less.
const LEAST: u64 = 16;

/// What it takes to go on with an answer.
#[derive(Debug)]
pub(crate) struct Resume {
    dispatch: Box<Dispatch>,
    asking: Asking,
    /// The same with the bytes of what it names by address.
    fetched: Option<Result<Box<Fetched>, ApiError>>,
    /// The entry of the request's own list of fallbacks that `asking` is.
    entry: Option<usize>,
    /// The deployments that broke off.
    broken: Vec<Arc<str>>,
    /// Whether what is considered is kept.
    sampled: bool,
}

/// Whose answer may have to be gone on with.
pub(super) struct Answering {
    pub(super) deployment: Arc<str>,
    pub(super) entry: Option<usize>,
    pub(super) fetched: Option<Result<Box<Fetched>, ApiError>>,
    /// Whether there is a decision to be told.
    pub(super) recorded: bool,
}

/// What was done in each group.
pub(crate) type Groups = Vec<(Arc<Group<Backend>>, Record)>;

/// Another deployment's stream, begun.
pub(crate) struct Resumed {
    pub(crate) resume: Box<Resume>,
    pub(crate) ticket: Ticket,
    pub(crate) attempt: Attempt,
    /// Its first bytes, then the rest.
    pub(crate) head: Vec<Bytes>,
    pub(crate) upstream: ByteStream,
    pub(crate) decoder: Box<dyn StreamDecoder>,
    pub(crate) place: Place,
    pub(crate) target: Arc<Target>,
    /// Its id.
    pub(crate) deployment: Arc<str>,
}

/// What was done so that somebody goes on, to be read once nobody does any more: whoever asks may be dropped at any time.
pub(crate) type Trail = Arc<Mutex<Groups>>;

/// The way to somebody who goes on; it leaves its trail however it ends.
struct Trailed<'s> {
    plan: Plan<'s, Backend>,
    trail: Trail,
}

impl Drop for Trailed<'_> {
    fn drop(&mut self) {
        self.plan.abandon(Instant::now());
        self.trail.lock().extend(self.plan.take_records());
    }
}

impl Resume {
    /// For an answer of this deployment; `None`: it could not be gone on with.
    pub(super) fn of(dispatch: Box<Dispatch>, mut asking: Asking, answering: Answering) -> Option<Box<Self>> {
        let Answering { deployment, entry, fetched, recorded } = answering;
        let plain = dispatch.is_plain(&mut asking);
        let broken = vec![deployment];
        plain.then(|| Box::new(Self { dispatch, asking, fetched, entry, broken, sampled: recorded }))
    }

    /// Whether another deployment may be asked after this failure.
    pub(crate) fn may(&self, error: &ApiError) -> bool {
        self.broken.len() <= MOST && error.kind.retry_other()
    }

    /// Asks other deployments to go on with what was said.
    ///
    /// # Errors
    /// The failure to end the stream with: nobody goes on with it.
    pub(crate) async fn go_on(
        mut self: Box<Self>,
        mut ticket: Ticket,
        (said, cause): (String, ApiError),
        trail: Trail,
    ) -> Result<Resumed, ApiError> {
        let snapshot = Arc::clone(&self.dispatch.snapshot);
        let mut way = match self.plan(&snapshot, &said) {
            Ok(plan) => Trailed { plan, trail },
            Err(_) => return Err(cause),
        };
        match self.find(&mut way.plan, &mut ticket, &said).await {
            Some((opened, place, deployment)) => {
                tracing::info!(
                    request_id = &*self.dispatch.request_id,
                    deployment = &*deployment,
                    "another deployment goes on with the answer"
                );
                self.broken.push(Arc::clone(&deployment));
                let (head, upstream, decoder, target, attempt) = opened;
                Ok(Resumed {
                    resume: self,
                    ticket,
                    attempt,
                    head,
                    upstream,
                    decoder,
                    place,
                    target,
                    deployment,
                })
            }
            None => Err(cause),
        }
    }

    /// The way through the groups: the request's own, past those that broke off.
    fn plan<'s>(&mut self, snapshot: &'s Snapshot, said: &str) -> Result<Plan<'s, Backend>> {
        let dispatch = &self.dispatch;
        let found = llm_router::Found { group: &dispatch.group, star: dispatch.star.as_deref() };
        let mut plan = snapshot.router.plan(found, Instant::now(), dispatch.deadline);
        let (broken, limit) = (self.broken.clone(), dispatch.limit.clone());
        plan.pass_over(move |deployment, star| {
            let again = broken.contains(&deployment.id).then_some("its stream broke off");
            again.or_else(|| limit.against(deployment, star))
        });
        // What goes elsewhere goes as it came.
        let mut came = match (&dispatch.fallbacks, self.entry) {
            (Some(own), Some(_)) => Some(Asking::from(own.head(None)?)),
            _ => None,
        };
        dispatch.ask_for(&mut plan, came.as_mut().unwrap_or(&mut self.asking), said.len())?;
        if self.sampled {
            plan.trace();
        }
        Ok(plan)
    }

    /// The first that goes on, and its place there.
    async fn find(
        &mut self,
        plan: &mut Plan<'_, Backend>,
        ticket: &mut Ticket,
        said: &str,
    ) -> Option<(Opened, Place, Arc<str>)> {
        let mut step = plan.next(Instant::now(), None);
        loop {
            let index = match step {
                Step::Wait(pause) => {
                    tokio::time::sleep(pause).await;
                    step = plan.next(Instant::now(), None);
                    continue;
                }
                Step::Fail => return None,
                Step::Try(index) => index,
            };
            let deployment = plan.group().get(index).cloned()?;
            match self.open(index, plan, ticket, said).await {
                Ok(opened) => {
                    let place = Place::from(plan.answered(Instant::now()));
                    return Some((opened, place, Arc::clone(&deployment.id)));
                }
                Err(mut error) => {
                    self.dispatch.note_failure(plan, index, &mut error);
                    step = plan.next(Instant::now(), Some(&error));
                }
            }
        }
    }

    /// Asks one deployment to go on.
    async fn open(
        &mut self,
        index: usize,
        plan: &mut Plan<'_, Backend>,
        ticket: &mut Ticket,
        said: &str,
    ) -> Result<Opened> {
        if plan.entry() != self.entry {
            self.entry = plan.entry();
            self.fetched = None;
            self.dispatch.turn_to(self.entry, &mut self.asking).await?;
        }
        if !self.dispatch.is_plain(&mut self.asking) {
            return Err(ApiError::bad_request("what is asked for cannot be gone on with"));
        }
        let mut asking = self.asking.gone_on(said)?;
        let attempt = self.dispatch.pay(index, plan, (ticket, &mut asking)).await?;
        let Some(deployment) = plan.group().get(index).cloned() else {
            return Err(ApiError::new(ErrorKind::Internal, "no such deployment"));
        };
        let limits = plan.attempts().limits(&deployment, Instant::now());
        let written = |asking: &mut Asking| match attempt.output_limit() {
            None => self.dispatch.ready(&deployment, plan.star(), asking),
            Some(limit) => self.dispatch.ready_clamped(&deployment, plan.star(), asking, limit),
        };
        let mut ready = written(&mut asking);
        if ready.as_ref().is_err_and(ApiError::is_about_bytes) {
            if self.fetched.is_none() {
                self.fetched = Box::pin(self.dispatch.fetch(&self.asking)).await;
            }
            if let Some(fetched) = &self.fetched {
                let fetched = fetched.as_ref().map_err(ApiError::clone)?;
                ready = written(&mut fetched.asking.gone_on(said)?);
            }
        }
        let ready = ready?;
        self.dispatch.reopen(Paid { ready, attempt }, limits).await
    }
}

impl Asking {
    /// The same conversation, with the beginning of its answer.
    fn gone_on(&self, said: &str) -> Result<Self> {
        let Some(Call::Chat(request)) = &self.call else {
            return Err(ApiError::new(ErrorKind::Internal, "the request was not read"));
        };
        let mut request = request.clone();
        request.messages.push(Message::assistant(said));
        request.messages.push(Message::user(GO_ON));
        // What was said counts towards the bound on the whole answer.
        let Limits { max_tokens, max_completion_tokens, stop: _ } = &mut request.limits;
        for most in [max_tokens, max_completion_tokens].into_iter().flatten() {
            *most = most.saturating_sub(roughly(said.len())).max(LEAST.min(*most));
        }
        Ok(self.rewritten(Call::Chat(request)))
    }
}

/// The first bytes, the rest, what reads them, and who sends them.
type Begun = (Vec<Bytes>, ByteStream, Box<dyn StreamDecoder>, Arc<Target>);
/// The same with the account of it.
type Opened = (Vec<Bytes>, ByteStream, Box<dyn StreamDecoder>, Arc<Target>, Attempt);

impl Dispatch {
    /// Whether only text is asked for, and one of it, and nothing but text can come.
    fn is_plain(&self, asking: &mut Asking) -> bool {
        let call = asking.call(self.codec, &self.asked);
        matches!(call, Ok(Call::Chat(request)) if request.tooling.tools.is_empty() && is_text(&request.output))
    }

    /// Sends a call, and reads the stream up to its first content, as bytes.
    async fn reopen(&self, paid: Paid, limits: Bounds) -> Result<Opened> {
        let Paid { ready, mut attempt } = paid;
        match self.opened(ready, &attempt, limits).await {
            Ok((head, upstream, decoder, target)) => {
                attempt.begun();
                Ok((head, upstream, decoder, target, attempt))
            }
            Err(error) => {
                attempt.fail(&error);
                Err(error)
            }
        }
    }

    async fn opened(&self, ready: Ready, attempt: &Attempt, limits: Bounds) -> Result<Begun> {
        let Ready { way, asks, changes: _ } = ready;
        let Way::Wire { codec, request, memo, pass: _, more: _ } = way else {
            return Err(ApiError::new(ErrorKind::Unavailable, "nobody to go on with the answer"));
        };
        let (bound, started) = (limits.first_token, Instant::now());
        let until = Until::of(limits, self.deadline);
        let head = self.sent(*request, attempt, bound).await?;
        let (head, upstream) = head.into_parts();
        let mut upstream = Until::bound(until, upstream);
        let left = bound.saturating_sub(started.elapsed());
        if !head.status.is_success() {
            let body = timeout(left, collect(upstream, ERROR_LIMIT)).await.map_err(|_| late(bound))??;
            return Err(refused(codec, &head, &body));
        }
        if !is_stream(&head.headers) {
            let message = "the upstream answered whole where a stream was asked for";
            return Err(ApiError::upstream(ErrorKind::UpstreamFormat, message));
        }
        let op = self.asked.op;
        let mut watch = Relay::pass(codec.stream_tap(op), UsageEvent::Wanted);
        read_preamble(&mut upstream, &mut watch, left).await?;
        let cx = DecodeCx { spec: asks.target.spec(), model: asks.target.model(), memo: &memo };
        Ok((watch.into_bytes(), upstream, codec.decoder(op, &cx), asks.target))
    }
}

fn is_text(output: &OutputOptions) -> bool {
    let OutputOptions { format, n, modalities, .. } = output;
    matches!(format, None | Some(Format::Text)) && n.is_none_or(|n| n <= 1) && modalities.len() <= 1
}

#[cfg(test)]
mod tests {
    use llm_types::chat::JsonSchema;

    use super::*;

    #[test]
    fn only_one_text_can_be_gone_on_with() {
        let check = |output: OutputOptions, expect| assert_eq!(is_text(&output), expect, "{output:?}");
        let format = |format| OutputOptions { format: Some(format), ..OutputOptions::default() };
        check(OutputOptions::default(), true);
        check(format(Format::Text), true);
        check(format(Format::JsonObject), false);
        check(format(Format::JsonSchema(JsonSchema::default())), false);
        check(OutputOptions { n: Some(1), ..OutputOptions::default() }, true);
        check(OutputOptions { n: Some(2), ..OutputOptions::default() }, false);
        let spoken = ["text", "audio"].map(str::to_owned).to_vec();
        check(OutputOptions { modalities: spoken, ..OutputOptions::default() }, false);
    }
}
