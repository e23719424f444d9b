//! The way to a provider's realtime API: an open connection on which it has agreed to speak WebSocket.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header::{CONNECTION, HOST, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE};
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use llm_providers::codec::{Memo, WireRequest};
use llm_providers::target::Target;
use llm_providers::transport::{Duplex, RequestBody};
use llm_providers::{dialect, realtime};
use llm_router::{Deployment, Found, Needs, Plan, Step};
use llm_types::{ApiError, ErrorKind, Op, Origin, Result, Segments};
use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::Visit;
use super::session::gone;
use crate::backend::Backend;
use crate::dispatch::{EXPLAIN, hour, told_needs};
use crate::gateway::Gateway;
use crate::place::Place;
use crate::record::{Decision, Share};
use crate::respond::Failed;
use crate::ticket::Ticket;

/// How long a provider may take to agree.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// The largest message, in bytes: an event with 15 MiB of sound is OpenAI's own bound.
pub(super) const MESSAGE: usize = 16 << 20;

/// The provider's end of a session.
pub(super) type Far = WebSocketStream<Box<dyn Duplex>>;

/// Who was reached.
pub(super) struct Dialled {
    pub(super) deployment: Arc<Deployment<Backend>>,
    pub(super) target: Arc<Target>,
    pub(super) place: Place,
    pub(super) decision: Option<Arc<Decision>>,
    /// The model that was reached, where it is not the one that was asked for.
    pub(super) fallback: Option<Arc<str>>,
    /// How often somebody was dialled.
    pub(super) attempts: usize,
    /// How long that took.
    pub(super) took: Duration,
}

/// How both ends are bounded.
pub(super) fn bounds() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(MESSAGE))
        .max_frame_size(Some(MESSAGE))
        .max_write_buffer_size(2 * MESSAGE)
}

/// What keeps a deployment from being asked for a session.
fn objection(deployment: &Deployment<Backend>, star: Option<&str>) -> Option<&'static str> {
    match deployment.target.target(star) {
        Ok(target) if target.spec().offers(Op::Realtime, target.model()) => None,
        Ok(_) => Some("has no realtime API: ask for a model at OpenAI or Azure OpenAI"),
        Err(_) => Some("cannot be called with this model"),
    }
}

/// A session that is to begin.
pub(super) struct Wish<'v> {
    pub(super) visit: &'v Visit,
    pub(super) model: &'v str,
    pub(super) found: Found<'v, Backend>,
    pub(super) headers: &'v HeaderMap,
    /// What goes on of the client's query.
    pub(super) query: &'v str,
}

impl Wish<'_> {
    /// Asks deployments until one agrees, as the router says.
    ///
    /// # Errors
    /// The last failure; its message names every attempt when there were several.
    pub(super) async fn reach(&self, ticket: &mut Ticket) -> Result<(Far, Dialled), Failed> {
        let Visit { gateway: _, snapshot, started, .. } = self.visit;
        let now = Instant::now();
        let mut plan = snapshot.router.plan(self.found, now, *started + snapshot.request_timeout);
        // How much will be said nobody knows.
        let told = told_needs(self.headers)?;
        let sticks = snapshot.policy(&self.found.group.name).affinity.session;
        let session = told.session.filter(|_| sticks);
        plan.need(Arc::new(Needs { stream: true, hour: hour(), session, ..told }));
        plan.pass_over(objection);
        let records = &snapshot.records;
        if records.samples(now) || (records.is_kept() && self.headers.contains_key(&EXPLAIN)) {
            plan.trace();
        }
        let mut dialling = Dialling { wish: self, plan, took: Duration::ZERO, calls: 0, is_over: false };
        let mut last = None;
        let mut step = dialling.plan.next(now, None);
        loop {
            let index = match step {
                Step::Wait(pause) => {
                    tokio::time::sleep(pause).await;
                    step = dialling.plan.next(Instant::now(), None);
                    continue;
                }
                Step::Fail => break,
                Step::Try(index) => index,
            };
            let began = Instant::now();
            let reached = self.ask(index, &mut dialling.plan, ticket, &mut dialling.calls).await;
            dialling.took += began.elapsed();
            match reached {
                Ok((far, deployment, target)) => {
                    dialling.is_over = true;
                    let (plan, took) = (&mut dialling.plan, dialling.took);
                    let place = Place::from(plan.answered(Instant::now()));
                    let (fallback, attempts) = (self.fallback(plan), dialling.calls);
                    let wanted = records.wants(plan);
                    let share = Share::of(plan, self.headers.get(&EXPLAIN));
                    let decision = wanted.then(|| records.keep(self.decision(plan, took, None), share));
                    let dialled = Dialled { deployment, target, place, decision, fallback, attempts, took };
                    return Ok((far, dialled));
                }
                Err(error) => {
                    let deployment = dialling.plan.group().get(index);
                    last = deployment.map(|deployment| deployment.target.labels.clone()).or(last);
                    step = dialling.plan.next(Instant::now(), Some(&error));
                }
            }
        }
        let (error, attempts) = (dialling.plan.failure(), dialling.calls);
        dialling.end(&error);
        Err(match last {
            Some(labels) => Failed::at(error, self.model, labels, attempts),
            None => error.into(),
        })
    }

    /// Asks one deployment for a session.
    async fn ask(
        &self,
        index: usize,
        plan: &mut Plan<'_, Backend>,
        ticket: &mut Ticket,
        calls: &mut usize,
    ) -> Result<(Far, Arc<Deployment<Backend>>, Arc<Target>)> {
        let Some(deployment) = plan.group().get(index).cloned() else {
            return Err(ApiError::new(ErrorKind::Internal, "no such deployment"));
        };
        let target = deployment.target.target(plan.star())?;
        // Nobody leaves a model's limits and budgets by way of one that fails.
        let turned: SmallVec<[Arc<str>; 1]> = self.fallback(plan).into_iter().collect();
        ticket.turn_to(&turned).await.map_err(|refusal| {
            let mut error = refusal.error;
            error.should_retry = Some(true);
            error
        })?;
        let bound = plan.attempts().limits(&deployment, Instant::now()).total.min(HANDSHAKE);
        match dial(&self.visit.gateway, &target, (self.headers, self.query), bound, calls).await {
            Ok(far) => Ok((far, deployment, target)),
            Err(mut error) => {
                target.conceal(&mut error);
                if error.origin == Origin::Upstream {
                    error.provider.get_or_insert_with(|| deployment.target.provider.to_string());
                }
                tracing::warn!(deployment = &*deployment.id, kind = ?error.kind, %error, "no realtime session");
                Err(error)
            }
        }
    }

    /// The model that the plan leads to, where it is not the one that was asked for.
    fn fallback(&self, plan: &Plan<'_, Backend>) -> Option<Arc<str>> {
        let elsewhere = !Arc::ptr_eq(plan.group(), self.found.group) || plan.star() != self.found.star;
        let name = &plan.group().name;
        elsewhere.then(|| match plan.star() {
            Some(star) => name.replacen('*', star, 1).into(),
            None => Arc::clone(name),
        })
    }

    fn decision(
        &self,
        plan: &mut Plan<'_, Backend>,
        upstream: Duration,
        error: Option<ApiError>,
    ) -> Decision {
        let Visit { gateway, request_id, started, .. } = self.visit;
        Decision {
            request_id: Arc::clone(request_id),
            model: self.model.into(),
            operation: "realtime",
            front: None,
            stream: true,
            started: *started,
            at: SystemTime::now(),
            took: started.elapsed(),
            upstream,
            skipped: plan.skipped(),
            groups: plan.take_records(),
            error,
            changes: Box::default(),
            end: Mutex::default(),
            otherwise: None,
            kept: true,
            sink: gateway.governance().sink().cloned(),
        }
    }
}

/// A session that is being asked for. Dropped before it has ended, its client went away.
struct Dialling<'w, 'v> {
    wish: &'w Wish<'v>,
    plan: Plan<'w, Backend>,
    /// How long deployments were waited for.
    took: Duration,
    /// How many calls went out.
    calls: usize,
    is_over: bool,
}

impl Dialling<'_, '_> {
    /// There is no session: that is kept.
    fn end(&mut self, error: &ApiError) {
        self.is_over = true;
        let records = &self.wish.visit.snapshot.records;
        if records.is_kept() {
            records.put(self.wish.decision(&mut self.plan, self.took, Some(error.clone())));
        }
    }
}

impl Drop for Dialling<'_, '_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.end(&gone());
        }
    }
}

async fn dial(
    gateway: &Gateway,
    target: &Target,
    (headers, query): (&HeaderMap, &str),
    bound: Duration,
    calls: &mut usize,
) -> Result<Far> {
    let mut own = HeaderMap::new();
    if let Some(beta) = headers.get("openai-beta") {
        own.insert("openai-beta", beta.clone());
    }
    let wire = WireRequest {
        method: Method::GET,
        path: realtime::path(target.model(), query),
        headers: own,
        body: Segments::default(),
        memo: Memo::default(),
    };
    let mut request = target.request(wire)?.map(RequestBody::from);
    *calls += 1;
    let agreed = async {
        let connection = gateway.transport().open(&mut request).await?;
        let request = handshake(request)?;
        client_async_with_config(request, connection, Some(bounds()))
            .await
            .map_err(|error| refused(error, target))
    };
    let late = |_| {
        let message = format!("the upstream did not agree on a WebSocket in {} s", bound.as_secs_f64());
        ApiError::upstream(ErrorKind::Timeout, message)
    };
    timeout(bound, agreed).await.map_err(late)?.map(|(far, _)| far)
}

/// The request for another protocol (RFC 6455, 4.1).
fn handshake(request: Request<RequestBody>) -> Result<Request<()>> {
    let mut request = request.map(|_| ());
    let bad = |error: http::Error| {
        ApiError::bad_request("the address of the realtime API cannot be used").with_source(error)
    };
    let mut parts = request.uri().clone().into_parts();
    let secure = parts.scheme == Some(Scheme::HTTPS);
    let host = parts.authority.as_ref().map(ToString::to_string).unwrap_or_default();
    parts.scheme =
        Some(Scheme::try_from(if secure { "wss" } else { "ws" }).map_err(|error| bad(error.into()))?);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|error| bad(error.into()))?;
    let headers = request.headers_mut();
    headers.remove(http::header::ACCEPT_ENCODING);
    headers.insert(HOST, HeaderValue::try_from(host).map_err(|error| bad(error.into()))?);
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers
        .insert(SEC_WEBSOCKET_KEY, HeaderValue::try_from(generate_key()).map_err(|error| bad(error.into()))?);
    Ok(request)
}

/// Why a provider does not agree, as far as it says so.
fn refused(error: WsError, target: &Target) -> ApiError {
    match error {
        WsError::Http(response) => {
            let (head, body) = response.into_parts();
            let chunked = head.headers.get(TRANSFER_ENCODING).is_some_and(|coding| coding == "chunked");
            let body = body.unwrap_or_default();
            let body = if chunked { without_chunks(&body) } else { body };
            match dialect::client(target.dialect()) {
                Some(codec) => codec.decode_error(head.status, &head.headers, &body),
                None => ApiError::upstream(ErrorKind::BadGateway, "the upstream refused a WebSocket"),
            }
        }
        other => ApiError::upstream(ErrorKind::Connection, "the upstream did not agree on a WebSocket")
            .with_source(other),
    }
}

/// A body that came in chunks (RFC 9112, 7.1), as far as it is there: the WebSocket's client leaves it as it came.
fn without_chunks(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let (line, rest) = body.split_at(end);
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let size = std::str::from_utf8(digits).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let (Some(size @ 1..), Some(rest)) = (size, rest.get(2..)) else { break };
        let (chunk, rest) = rest.split_at(size.min(rest.len()));
        out.extend_from_slice(chunk);
        body = rest.strip_prefix(b"\r\n").unwrap_or_default();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_put_together_as_far_as_they_came() {
        let check = |body: &[u8], expect: &[u8]| assert_eq!(without_chunks(body), expect);
        check(b"4\r\n{\"a\"\r\n3;x=1\r\n:1}\r\n0\r\n\r\n", b"{\"a\":1}");
        check(b"8\r\n{\"a\"", b"{\"a\"");
        check(b"no chunks", b"");
        check(b"", b"");
    }
}
