//! Going on with a stream that broke off after its first content (`mid_stream = "continue"`).
//!
//! The next deployment gets the conversation with the text so far as the model's turn, and is asked for the rest.
//! Only text can be gone on from: a stream with tools, JSON, thoughts or several choices ends in an error event.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use llm_providers::codec::{DecodeCx, StreamDecoder};
use llm_providers::target::Target;
use llm_providers::transport::{ByteStream, collect};
use llm_router::{Limits, Step};
use llm_types::chat::{Format, Message};
use llm_types::{ApiError, Call, ErrorKind, Result};
use tokio::time::timeout;

use super::Dispatch;
use super::ready::{Asking, Ready, Way};
use super::send::{ERROR_LIMIT, is_stream, late};
use crate::exchange::read_preamble;
use crate::place::Place;
use crate::relay::{Relay, UsageEvent};

/// How often one answer is gone on with, at most.
const MOST: usize = 3;
/// What the next deployment is told.
const GO_ON: &str = "Your answer was cut off. Go on exactly where it stopped: begin with the very next character, \
                     repeat nothing, and say nothing about the interruption.";

/// What it takes to go on with an answer.
#[derive(Debug)]
pub(crate) struct Resume {
    dispatch: Dispatch,
    asking: Asking,
    /// The deployments that broke off.
    broken: Vec<Arc<str>>,
}

/// Another deployment's stream, begun.
pub(crate) struct Resumed {
    pub(crate) resume: Box<Resume>,
    /// Its first bytes, then the rest.
    pub(crate) head: Vec<Bytes>,
    pub(crate) upstream: ByteStream,
    pub(crate) decoder: Box<dyn StreamDecoder>,
    pub(crate) place: Place,
    pub(crate) target: Arc<Target>,
    /// Its id.
    pub(crate) deployment: Arc<str>,
}

impl Resume {
    /// For an answer of this deployment; `None`: it could not be gone on with.
    pub(super) fn of(dispatch: Dispatch, mut asking: Asking, deployment: Arc<str>) -> Option<Box<Self>> {
        let Ok(Call::Chat(request)) = asking.call(dispatch.codec, &dispatch.asked) else { return None };
        let text = matches!(request.output.format, None | Some(Format::Text));
        let one = request.output.n.is_none_or(|n| n <= 1) && request.output.modalities.len() <= 1;
        (text && one).then(|| Box::new(Self { dispatch, asking, broken: vec![deployment] }))
    }

    /// Whether another deployment may be asked after this failure.
    pub(crate) fn may(&self, error: &ApiError) -> bool {
        self.broken.len() <= MOST && error.kind.retry_other()
    }

    /// Asks other deployments to go on with what was said.
    ///
    /// # Errors
    /// The failure to end the stream with.
    pub(crate) async fn go_on(mut self: Box<Self>, said: String, cause: ApiError) -> Result<Resumed> {
        let snapshot = Arc::clone(&self.dispatch.snapshot);
        let mut asking = self.asking.gone_on(&said)?;
        let found = llm_router::Found { group: &self.dispatch.group, star: self.dispatch.star.as_deref() };
        let plan = snapshot.router.plan(found, Instant::now(), self.dispatch.deadline);
        let (broken, limit) = (self.broken.clone(), self.dispatch.limit.clone());
        let mut plan = plan.passing_over(move |deployment, star| {
            let again = broken.contains(&deployment.id).then_some("its stream broke off");
            again.or_else(|| limit.against(deployment, star))
        });
        let mut step = plan.next(Instant::now(), None);
        loop {
            let index = match step {
                Step::Wait(pause) => {
                    tokio::time::sleep(pause).await;
                    step = plan.next(Instant::now(), None);
                    continue;
                }
                Step::Fail => return Err(cause),
                Step::Try(index) => index,
            };
            let Some(deployment) = plan.group().get(index).cloned() else { return Err(cause) };
            let limits = plan.attempts().limits(&deployment, Instant::now());
            let opened = match self.dispatch.ready(&deployment, plan.star(), &mut asking) {
                Ok(ready) => self.dispatch.reopen(ready, limits).await,
                Err(error) => Err(error),
            };
            match opened {
                Ok((head, upstream, decoder, target)) => {
                    let lease = plan.answered(Instant::now());
                    tracing::info!(
                        request_id = &*self.dispatch.request_id,
                        deployment = &*deployment.id,
                        "another deployment goes on with the answer"
                    );
                    self.broken.push(Arc::clone(&deployment.id));
                    let deployment = Arc::clone(&deployment.id);
                    let place = Place::from(lease);
                    return Ok(Resumed { resume: self, head, upstream, decoder, place, target, deployment });
                }
                Err(mut error) => {
                    self.dispatch.note_failure(&plan, index, &mut error);
                    step = plan.next(Instant::now(), Some(&error));
                }
            }
        }
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
        Ok(Self { head: self.head.clone(), call: Some(Call::Chat(request)), rewritten: true })
    }
}

/// The first bytes, the rest, what reads them, and who sends them.
type Opened = (Vec<Bytes>, ByteStream, Box<dyn StreamDecoder>, Arc<Target>);

impl Dispatch {
    /// Sends a call, and reads the stream up to its first content, as bytes.
    async fn reopen(&self, ready: Ready, limits: Limits) -> Result<Opened> {
        let Ready { way, asks, changes: _ } = ready;
        let Way::Wire { codec, request, memo, pass: _ } = way else {
            return Err(ApiError::new(ErrorKind::Unavailable, "nobody to go on with the answer"));
        };
        let (bound, started) = (limits.first_token, Instant::now());
        let head =
            timeout(bound, self.gateway.transport().send(*request)).await.map_err(|_| late(bound))??;
        let (head, mut upstream) = head.into_parts();
        let left = bound.saturating_sub(started.elapsed());
        if !head.status.is_success() {
            let body = timeout(left, collect(upstream, ERROR_LIMIT)).await.map_err(|_| late(bound))??;
            return Err(codec.decode_error(head.status, &head.headers, &body));
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
