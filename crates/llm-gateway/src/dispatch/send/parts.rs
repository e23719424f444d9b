//! A call for more vectors or pictures than its provider makes at once: asked in parts, answered as one.
//!
//! Some parts are asked for at a time, and each is written when its turn comes: a request may be large, and is held
//! once. What was answered is paid, also when another part fails; so the parts that are on their way by then are
//! waited for. At its deployment each part is a request: it counts in its limits, and takes a place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::request;
use http_body::Body as _;
use llm_providers::codec::{Asked, ClientCodec, DecodeCx, EncodeCx, Memo};
use llm_providers::target::Target;
use llm_providers::transport::{Progress, RequestBody, collect, collect_told, was_sent};
use llm_providers::{batch, own_api};
use llm_router::{Allowance, Deployment, Further, InFlight, Stats};
use llm_types::{ApiError, Changes, ErrorKind, Output, RateLimits, Result};
use tokio::time::{sleep, timeout};

use super::super::Dispatch;
use super::super::ready::{Asks, elsewhere};
use super::super::refused::refused;
use super::{ERROR_LIMIT, REPLY_LIMIT, Sent, late};
use crate::answer::ReplyBody;
use crate::attempt::Attempt;
use crate::backend::Backend;

/// How many bytes of parts may be under way before the next one is written: their answers are larger still.
const UNDER_WAY: u64 = 3 * 1024 * 1024;

/// How long those wait who ask for more than a minute holds.
const MINUTE: Duration = Duration::from_secs(60);

/// What is left of a call once its first part is written.
#[derive(Debug)]
pub(in crate::dispatch) struct Parts {
    codec: &'static dyn ClientCodec,
    left: batch::Split,
    /// How many inputs the first part holds.
    first: usize,
    /// Whose limits they are in.
    room: Option<Room>,
}

/// The room for parts at a deployment.
#[derive(Debug, Clone)]
struct Room {
    stats: Arc<Stats>,
    allowance: Allowance,
}

impl Room {
    /// Books further calls in its minute.
    ///
    /// # Errors
    /// 429 where there is no room for all of them.
    fn book(&self, count: usize) -> Result<Further> {
        self.stats.book_further(&self.allowance, count, Instant::now()).map_err(|free| {
            let (calls, rpm) = (count.saturating_add(1), self.allowance.rpm.unwrap_or_default());
            let message = match free {
                Some(_) => format!(
                    "this takes {calls} calls, and there is no room for so many in this minute: try later"
                ),
                None => format!(
                    "this takes {calls} calls, and {rpm} are allowed in a minute: ask for less at once"
                ),
            };
            let mut error = ApiError::new(ErrorKind::RateLimit, message);
            error.retry_after = Some(free.unwrap_or(MINUTE));
            elsewhere(error)
        })
    }
}

/// A place at the deployment.
enum Spot {
    /// The request's own.
    Own,
    /// One more.
    Beside(#[expect(dead_code, reason = "held")] Option<InFlight>),
}

/// One part, written.
pub(in crate::dispatch) struct Part {
    head: request::Parts,
    body: RequestBody,
    memo: Memo,
    inputs: usize,
}

/// What came of a part.
struct Heard {
    /// Its place among the parts.
    place: usize,
    spot: Spot,
    result: Result<(Output, Option<RateLimits>)>,
    /// How many bytes it had.
    size: u64,
    /// It may have been billed, whatever came of it.
    sent: bool,
}

impl Parts {
    pub(in crate::dispatch) fn new(codec: &'static dyn ClientCodec, left: batch::Split) -> Self {
        Self { codec, left, first: 0, room: None }
    }

    /// Says whose limits they are in.
    pub(in crate::dispatch) fn go_to(&mut self, deployment: &Deployment<Backend>) {
        let allowance = deployment.facts.allowance;
        self.room = Some(Room { stats: Arc::clone(&deployment.stats), allowance });
    }

    /// Writes the next part.
    pub(in crate::dispatch) fn next(&mut self, target: &Target, asked: &Asked) -> Option<Result<Part>> {
        // What is lost on the way was told before anything was sent.
        let mut changes = Changes::default();
        let codec = self.codec;
        let written = self.left.write_next(|call| {
            let spec = target.spec();
            let mut cx = EncodeCx { spec, model: target.model(), asked, changes: &mut changes };
            let wire = codec.encode(call, &mut cx)?;
            let memo = wire.memo.clone();
            Ok((target.request(wire)?.map(RequestBody::from), memo))
        })?;
        Some(written.map(|((request, memo), inputs)| {
            let (head, body) = request.into_parts();
            Part { head, body, memo, inputs }
        }))
    }

    /// Takes note of the first part.
    pub(in crate::dispatch) fn begin(&mut self, first: Part) -> (http::Request<RequestBody>, Memo) {
        let Part { head, body, memo, inputs } = first;
        self.first = inputs;
        (http::Request::from_parts(head, body), memo)
    }
}

/// Whom the parts go to.
struct Whom<'a> {
    codec: &'static dyn ClientCodec,
    asks: &'a Asks,
    room: Option<Room>,
}

impl Whom<'_> {
    /// A place for one more part beside those under way.
    fn enter(&self) -> Option<Spot> {
        let Some(Room { stats, allowance }) = &self.room else { return Some(Spot::Beside(None)) };
        stats.enter(allowance).map(|held| Spot::Beside(Some(held)))
    }

    /// Whether there is room for a part to go out once more; then it has that.
    fn goes_again(&self) -> bool {
        let booked = self.room.as_ref().map(|room| room.book(1)).transpose();
        booked.map(|further| further.map(|mut further| further.go())).is_ok()
    }
}

impl Dispatch {
    /// Asks in several requests, and answers once. All of them together may take as long as one.
    pub(super) async fn in_parts(
        &self,
        (first, mut parts): (http::Request<RequestBody>, Box<Parts>),
        attempt: &mut Attempt,
        sent: &Sent,
        (asks, changes): (&Asks, &mut Changes),
    ) -> Result<(ReplyBody, Option<RateLimits>)> {
        let (head, body) = first.into_parts();
        let first = Part { head, body, memo: sent.memo.clone(), inputs: parts.first };
        let asking = self.ask_abreast(first, &mut parts, attempt, asks);
        let (mut output, rate_limits) = timeout(sent.bound, asking).await.map_err(|_| late(sent.bound))??;
        let _share = self.bytes_of(&mut output, &sent.memo, changes).await;
        let body = self.translated(output, asks, changes).await?;
        Ok((body, rate_limits.filter(|_| self.has_choice())))
    }

    /// Asks for all parts, some at a time.
    async fn ask_abreast(
        &self,
        first: Part,
        parts: &mut Parts,
        attempt: &mut Attempt,
        asks: &Asks,
    ) -> Result<(Output, Option<RateLimits>)> {
        let whom = Whom { codec: parts.codec, asks, room: parts.room.take() };
        let mut further = whom.room.as_ref().map(|room| room.book(parts.left.left())).transpose()?;
        let (mut next, mut own) = (Some(Ok(first)), Some(Spot::Own));
        let mut running = FuturesUnordered::new();
        let mut outputs: Vec<Option<Output>> = Vec::new();
        let (mut rate_limits, mut failure) = (None, None);
        let mut under_way = 0;
        // Whoever is cut off from here on may have sent something.
        attempt.sent();
        loop {
            let more = |count, under_way| count == 0 || (count < batch::ABREAST && under_way < UNDER_WAY);
            while failure.is_none() && more(running.len(), under_way) {
                // With as many under way as there may be, the next part waits for one of these.
                let Some(spot) = own.take().or_else(|| whom.enter()) else { break };
                match next.take().or_else(|| parts.next(&asks.target, &self.asked)) {
                    None => break,
                    Some(Err(error)) => failure = Some(error),
                    Some(Ok(part)) => {
                        if let Some(further) = further.as_mut().filter(|_| !outputs.is_empty()) {
                            further.go();
                        }
                        attempt.asked_in_part();
                        under_way += part.body.size_hint().lower();
                        let place = outputs.len();
                        outputs.push(None);
                        running.push(self.ask_part((place, spot), part, &whom));
                    }
                }
            }
            let Some(Heard { place, spot, result, size, sent }) = running.next().await else { break };
            if matches!(spot, Spot::Own) {
                own = Some(spot);
            }
            under_way = under_way.saturating_sub(size);
            match result {
                Ok((output, limits)) => {
                    attempt.answered_in_part(output.usage());
                    rate_limits = limits;
                    if let Some(slot) = outputs.get_mut(place) {
                        *slot = Some(output);
                    }
                }
                Err(error) => {
                    let unbilled = error.upstream_status.is_some() || !sent;
                    attempt.failed_in_part(unbilled);
                    failure.get_or_insert(error);
                }
            }
        }
        if let Some(error) = failure {
            attempt.is_known_in_part();
            return Err(error);
        }
        Ok((batch::joined(outputs.into_iter().flatten())?, rate_limits))
    }

    /// Asks for a part, and once more where that may help.
    async fn ask_part(&self, (place, spot): (usize, Spot), part: Part, whom: &Whom<'_>) -> Heard {
        let Part { head, body, memo, inputs } = part;
        let (size, mut again) = (body.size_hint().lower(), body.again());
        let part = |body| Part { head: head.clone(), body, memo: memo.clone(), inputs };
        let (mut result, mut sent) = self.ask_once(part(body), &mut again, whom).await;
        if let (Err(error), Some(body)) = (&result, again)
            && let Some(pause) = batch::pause(error, sent)
        {
            sleep(pause).await;
            if whom.goes_again() {
                (result, sent) = self.ask_once(part(body), &mut None, whom).await;
            }
        }
        Heard { place, spot, result, size, sent }
    }

    /// What came of it, and whether it may have reached the provider. Once it is being answered, nobody needs it again.
    async fn ask_once(
        &self,
        part: Part,
        again: &mut Option<RequestBody>,
        Whom { codec, asks, room: _ }: &Whom<'_>,
    ) -> (Result<(Output, Option<RateLimits>)>, bool) {
        let progress = Progress::default();
        let Part { head, body, memo, inputs } = part;
        let request = http::Request::from_parts(head, body);
        let result = async {
            let answer = self.gateway.transport().send_watched(request, Some(&progress)).await?;
            let (head, upstream) = answer.into_parts();
            if !head.status.is_success() {
                return Err(refused(*codec, &head, &collect(upstream, ERROR_LIMIT).await?));
            }
            *again = None;
            let body: Bytes = collect_told(upstream, REPLY_LIMIT, &head.headers).await?;
            let cx = DecodeCx { spec: asks.target.spec(), model: asks.target.model(), memo: &memo };
            let mut output = codec.decode(self.asked.op, &body, &cx)?;
            own_api::told_beside(&mut output, &head.headers);
            Ok((batch::counted(output, inputs)?, codec.rate_limits(&head.headers)))
        }
        .await;
        let sent = progress.is_sent() && result.as_ref().err().is_none_or(was_sent);
        (result, sent)
    }
}

/// The failure of a call that has no parts.
pub(in crate::dispatch) fn without_parts() -> ApiError {
    ApiError::new(ErrorKind::Internal, "the request holds nothing that could be sent")
}
