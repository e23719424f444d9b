//! `/v1/{provider}/…`: a provider's own API, with our credentials in place of the client's.
//!
//! Nothing is translated: method, path, body and answer go through as they are, both bodies as they come. What is ours
//! goes on all the same: who calls, what they may call, limits, budgets, a row for each call. What was used is read of
//! the answer on its way, by the dialect that the path belongs to, else by the usual names.
//!
//! The provider's own API reaches everything that its account holds, and the account is everybody's. So a key may call
//! a path that is one of our own fronts' with a model that leads there, as it may through that front; for anything else
//! its list of routes has to name the route.

mod answer;
mod price;
mod prompt;
mod reading;
mod upload;
mod watch;
mod way;

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use llm_governance::{Facts, RowCache, RowOwner};
use llm_providers::codec::{Memo, WireRequest};
use llm_providers::frame::Framing;
use llm_providers::target::Target;
use llm_providers::transport::{ByteStream, RequestBody, collect};
use llm_providers::{dialect, own_api};
use llm_router::{Outcome, Standing};
use llm_types::{ApiError, Changes, ErrorKind, Origin, Result, Segments, glob_matches};
use tokio::time::timeout_at;

pub(crate) use self::answer::{Plain, Through};
pub(crate) use self::price::bound_of_line;
use self::reading::Reading;
pub(crate) use self::upload::{Bounds, Fault, Upload, take};
use self::watch::Watch;
use self::way::Way;
pub(crate) use self::way::leading;
use crate::admit::{TAGS, tags};
use crate::attempt::Attempt;
use crate::belief::Belief;
use crate::beside::{Beside, UNBOUNDED};
use crate::body::ClientBody;
use crate::gateway::{Gateway, Running};
use crate::named;
use crate::place::Place;
use crate::principal::{Principal, Right};
use crate::respond::{self, Failed, Served};
use crate::snapshot::Snapshot;
use crate::stop::Stop;
use crate::ticket::{Account, Ticket};

/// The most that is read of a refusal, in bytes.
const REFUSAL_LIMIT: usize = 1024 * 1024;
/// The methods that go through.
const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// A call of a provider's own API.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) gateway: Arc<Gateway>,
    /// Where it comes from.
    pub(crate) address: Option<IpAddr>,
    pub(crate) snapshot: Arc<Snapshot>,
    /// The provider, as the path names it.
    pub(crate) provider: String,
    /// What is behind it, with the slash.
    pub(crate) path: String,
    pub(crate) request_id: Arc<str>,
    pub(crate) started: Instant,
}

/// A call that is paid for.
struct Paid {
    way: Way,
    ticket: Ticket,
    attempt: Attempt,
}

impl Visit {
    /// Takes a call through to the provider, up to the head of its answer.
    ///
    /// # Errors
    /// Whatever ends it before. What the provider refuses is no error: that goes through as well.
    pub(crate) async fn run<B>(self, request: Request<B>) -> Result<Response<ClientBody>, Failed>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let auth = self.gateway.auth(&self.snapshot, self.address);
        let principal = auth.check(request.headers(), request.uri().query()).await?;
        let method = request.method().clone();
        if !METHODS.contains(&method) {
            let message = format!("{method} does not go through to providers");
            return Err(ApiError::new(ErrorKind::MethodNotAllowed, message).into());
        }
        let running = self.gateway.enter(self.snapshot.max_in_flight)?;
        let there = way::at(&self.snapshot, &self.provider)?;
        self.check_open(&there.name)?;
        let path = own_api::path_and_query(&self.path, request.uri().query())?;
        let deadline = self.started + self.snapshot.request_timeout;
        let whole = there.signs || reading::is_read(&method, &self.path, request.headers());
        let bounds = upload::Bounds {
            whole: self.snapshot.max_body,
            stream: self.snapshot.pass_through.max_body,
            deadline,
        };
        let (headers, upload) = upload::take(request, whole, bounds, self.gateway.memory()).await?;
        let query = path.split_once('?').map(|(_, query)| query);
        let reading = Reading::of(&method, (&self.path, query), &headers, upload.whole());
        let reading = reading.at((there.dialect, there.names_model.as_deref()), &self.path);
        let way = way::choose(there, &reading, &principal.who)?;
        self.check_route(&principal, &reading, &way)?;
        let beside = price::beside(&self.snapshot, &way, &reading)?;
        beside.as_ref().map_or(Ok(()), |beside| beside.check(&principal.who))?;
        let mut ticket = self.admit(&principal, &reading, &way, &headers).await?;
        if let Some(beside) = &beside {
            let turned = ticket.turn_to(&beside.known(&principal.who)).await;
            turned.map_err(|refusal| Failed::refused(*refusal))?;
        }
        let bound =
            price::bound(&self.snapshot, &way, &reading, ticket.pays(&way.deployment.target.provider));
        let attempt = ticket.attempt(&way.deployment, &way.target, bound).await;
        let attempt = attempt.map_err(|refusal| refused(refusal.error, &reading, beside.as_ref()))?;
        drop(beside);
        if let Some(named) = upload.named().filter(|_| reading.is_media() && attempt.is_hard()) {
            named.demand_here();
        }
        let attempt = price::settled_by(attempt, &self.snapshot, &way, &reading);
        let paid = Paid { way, ticket, attempt };
        let wire = WireRequest {
            method,
            path,
            headers: own_api::request_headers(&headers),
            body: Segments::default(),
            memo: Memo::default(),
        };
        let sent = self.send(paid, (wire, headers.get(CONTENT_LENGTH).cloned()), upload, &reading);
        let told = || Err(Failed::from(Stop::error()));
        let answer = self.gateway.stop().unless_told(pin!(sent)).await.unwrap_or_else(told);
        let (response, through) = answer?;
        Ok(response.map(|()| ClientBody::through(through, running)))
    }

    /// Whether the operator lets this provider's API be called.
    fn check_open(&self, name: &str) -> Result<()> {
        if self.snapshot.pass_through.providers.iter().any(|glob| glob_matches(glob, name)) {
            return Ok(());
        }
        let message = format!("the API of `{name}` is not open here: add it to pass_through.providers");
        Err(ApiError::new(ErrorKind::Permission, message).with_code("route_not_allowed"))
    }

    /// The route, as lists of allowed routes name it.
    fn route(&self) -> String {
        format!("/v1/{}{}", self.provider, self.path)
    }

    /// Whether the caller may call this.
    fn check_route(&self, principal: &Principal, reading: &Reading, way: &Way) -> Result<()> {
        let route = self.route();
        principal.who.check_route(&route)?;
        let all = matches!(principal.right, Right::Master | Right::Open);
        if all || principal.who.is_granted(&route) {
            return Ok(());
        }
        if let Some((front, codec)) = reading.front.filter(|_| way.known) {
            return named::check_plain(front, codec, reading.head.as_ref());
        }
        let message = format!(
            "this key may not call {route}: the account behind it is everybody's, so the key's routes have to name \
             it, e.g. `/v1/{}/*`; without that it may call the paths of chat, embeddings and the like with a model \
             that is configured at this provider",
            self.provider
        );
        Err(ApiError::new(ErrorKind::Permission, message).with_code("route_not_allowed"))
    }

    /// Lets the caller in, and opens the account of the call.
    async fn admit(
        &self,
        principal: &Principal,
        reading: &Reading,
        way: &Way,
        headers: &HeaderMap,
    ) -> Result<Ticket, Failed> {
        let governance = self.gateway.governance();
        if governance.is_idle_for(&principal.who) {
            return Ok(Ticket::free());
        }
        let who = &principal.who;
        let own = tags(principal, headers.get(&TAGS))?;
        let route = self.route();
        let tokens = reading.expected_tokens();
        let facts =
            Facts { model: &way.name, alias_of: None, route: &route, tags: &own, tokens, bound: None };
        let grant = governance.enter(who, &facts).await.map_err(Failed::refused)?;
        let account = Account {
            governance: Arc::clone(governance),
            prices: Arc::clone(&self.snapshot.prices),
            request_id: Arc::clone(&self.request_id),
            model: way.name.as_str().into(),
            who: RowOwner::from(who),
            tags: who.tags().iter().chain(&own).cloned().collect(),
            body: reading.prompt_bytes(),
            cache: RowCache::Bypass,
        };
        Ok(Ticket::new(account, grant))
    }

    /// Sends the call and waits for the head of its answer.
    async fn send(
        &self,
        paid: Paid,
        (wire, length): (WireRequest, Option<http::HeaderValue>),
        upload: Upload,
        reading: &Reading,
    ) -> Result<(Response<()>, Box<Through>), Failed> {
        let Paid { way, ticket, mut attempt } = paid;
        let failed = |mut error: ApiError| {
            way.target.conceal(&mut error);
            if error.origin == Origin::Upstream && error.provider.is_none() {
                error.provider = Some(way.deployment.target.provider.to_string());
            }
            Failed::at(error, &way.name, way.deployment.target.labels.clone(), 1)
        };
        let place = Place::Counted { _in_flight: way.deployment.stats.begin() };
        let asked = Instant::now();
        let named = upload.named();
        let answer = match self.exchange(&way.target, wire, (upload, length), &attempt).await {
            Ok(answer) => answer,
            Err(error) => {
                // It was stopped before its end: nobody answers half a form.
                if let Some(progress) = attempt.progress().filter(|_| is_elsewhere(&error)) {
                    progress.set(false);
                }
                attempt.fail(&error);
                self.tell_health(&way, Err(&error));
                return Err(failed(error));
            }
        };
        // A form has gone by when its answer comes.
        attempt.names(named.and_then(|named| named.model()).as_deref());
        let (head, upstream) = answer.into_parts();
        self.tell_limits(&way, &head.headers);
        let mut response = Response::new(());
        *response.status_mut() = head.status;
        *response.headers_mut() = own_api::answer_headers(&head.headers, &way.target);
        let served = Served {
            model: &way.name,
            labels: &way.deployment.target.labels,
            fallback: None,
            attempts: 1,
            changes: &Changes::default(),
            overhead: self.started.elapsed().saturating_sub(asked.elapsed()),
        };
        served.write(response.headers_mut());
        if let Some(limits) = ticket.rate_limits() {
            respond::write_limits(response.headers_mut(), limits);
        }
        let parts = answer::Parts {
            ticket,
            attempt,
            place,
            target: Arc::clone(&way.target),
            deadline: (self.started + self.snapshot.request_timeout).into(),
            stop: self.gateway.stop().clone(),
            request_id: Arc::clone(&self.request_id),
        };
        if head.status.is_client_error() || head.status.is_server_error() {
            let body =
                self.refusal(upstream, (head.status, &head.headers), &way.target).await.map_err(failed)?;
            response.headers_mut().remove(CONTENT_LENGTH);
            let (error, body) = body;
            self.tell_health(&way, Err(&error));
            return Ok((response, Box::new(Through::refused(parts, &error, body))));
        }
        self.tell_health(&way, Ok(()));
        let left = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let framing = head.headers.get(CONTENT_TYPE).and_then(|kind| Framing::of(kind.as_bytes()));
        let belief = match way.known {
            true => Belief::of(&way.deployment, reading.asked.op),
            false => Belief::within(&way.deployment.id, None),
        };
        let watch = Watch::of(reading, &way.target, &head.headers, framing).believing(belief);
        Ok((response, Box::new(Through::new(upstream, watch, left, parts))))
    }

    /// Takes note of how the deployment is whose model was called. What is not there may be the caller's own path.
    fn tell_health(&self, way: &Way, result: Result<(), &ApiError>) {
        let now = Instant::now();
        let is_path = result.is_err_and(|error| error.kind == ErrorKind::NotFound);
        // Asked before it failed, an answer says nothing about the time after that.
        let is_well = |standing| standing == Standing::Ready;
        let is_old = result.is_ok() && is_well(way.stood) && !is_well(way.deployment.stats.standing(now));
        let place = self.snapshot.router.deployment(&way.deployment.id);
        if let Some((group, index)) = place.filter(|_| way.known && !is_path && !is_old) {
            way.deployment
                .stats
                .note(result.map_or_else(|error| Outcome::Failure(error.kind), |()| Outcome::Success), now);
            group.checked(index, result, now);
        }
    }

    /// Takes note of what the provider's headers say of its rate limits.
    fn tell_limits(&self, way: &Way, headers: &HeaderMap) {
        let limits = || dialect::client(way.target.dialect())?.rate_limits(headers);
        if let Some(limits) = way.known.then(limits).flatten() {
            way.deployment.stats.note_rate_limits(&limits, Instant::now());
        }
    }

    async fn exchange(
        &self,
        target: &Arc<Target>,
        wire: WireRequest,
        (upload, length): (Upload, Option<http::HeaderValue>),
        attempt: &Attempt,
    ) -> Result<http::Response<ByteStream>> {
        let (wire, body, fault) = upload.into_parts(wire);
        let mut request = target.request_below(wire)?;
        let request = match body {
            Some(stream) => {
                if let Some(length) = length {
                    request.headers_mut().insert(CONTENT_LENGTH, length);
                }
                request.map(|_| RequestBody::Stream(stream))
            }
            None => request.map(RequestBody::from),
        };
        let deadline = self.started + self.snapshot.request_timeout;
        let sending = self.gateway.transport().send_watched(request, attempt.progress());
        let answer = timeout_at(deadline.into(), sending).await;
        // The client's own fault goes before what it made of the call.
        if let Some(error) = fault.take() {
            return Err(error);
        }
        answer.map_err(|_| {
            ApiError::upstream(
                ErrorKind::Timeout,
                "the upstream did not answer within server.request_timeout",
            )
        })?
    }

    /// What the provider says against the call: as it says it, without the key that some repeat.
    async fn refusal(
        &self,
        upstream: ByteStream,
        (status, headers): (StatusCode, &HeaderMap),
        target: &Target,
    ) -> Result<(ApiError, Bytes)> {
        let deadline = self.started + self.snapshot.request_timeout;
        let late = |_| ApiError::upstream(ErrorKind::Timeout, "the upstream did not end its answer in time");
        let body = timeout_at(deadline.into(), collect(upstream, REFUSAL_LIMIT)).await.map_err(late)??;
        let codec = dialect::client(target.dialect());
        let mut error = match codec {
            Some(codec) => codec.decode_error(status, headers, &body),
            None => ApiError::upstream(ErrorKind::UpstreamFormat, format!("the upstream answered {status}")),
        };
        error.upstream_status = Some(status);
        error.body = Some(body);
        target.conceal(&mut error);
        let body = error.body.take().unwrap_or_default();
        Ok((error, body))
    }
}

/// Counts the call as running until its answer is sent.
pub(crate) type Held = Running;

/// A call that is not affordable, in words that say what of it is to blame.
fn refused(error: ApiError, reading: &Reading, beside: Option<&Beside<'_>>) -> ApiError {
    if error.code.as_deref() != Some(UNBOUNDED) {
        return error;
    }
    match (reading.elsewhere(), beside) {
        (Some(name), _) => own_api::elsewhere_refused(name),
        (None, Some(beside)) => beside.explain(error),
        (None, None) => error,
    }
}

/// Whether a call was stopped because its answer would have gone elsewhere.
fn is_elsewhere(error: &ApiError) -> bool {
    error.code.as_deref() == Some("answered_elsewhere")
}
