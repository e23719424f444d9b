//! The life of a request, every phase in order.
//!
//! ```text
//! authenticate -> read -> peek -> admit -> guard in -> cache lookup -> dispatch -> guard out -> settle
//! -> cache store -> answer
//! ```
//!
//! Dispatch is `dispatch.rs`, a stream's second half is `exchange.rs`; guards on answers and settling happen
//! where the answer is complete.

use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body::Body;
use llm_providers::codec::{Asked, Owned, ReplyForm, ServerCodec};
use llm_router::{Deployment, Group};
use llm_types::{Changes, Head, PicoUsd, Result};
use tokio::time::timeout;

use crate::auth::without_key;
use crate::backend::Backend;
use crate::body::{ClientBody, SILENCE};
use crate::cache::{Hit, Visit};
use crate::dispatch::{Answer, AnswerBody, Dispatch, control, is_told};
use crate::front::Front;
use crate::gateway::Gateway;
use crate::owner::{self, Limit, Owner};
use crate::principal::{Principal, Right};
use crate::respond::{Failed, Served};
use crate::snapshot::Snapshot;
use crate::spool::Read;
use crate::stop::Stop;
use crate::ticket::Ticket;
use crate::{intake, models, named, respond};

/// A request that has just come.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) gateway: Arc<Gateway>,
    /// Where it comes from.
    pub(crate) address: Option<IpAddr>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) front: &'static Front,
    pub(crate) codec: &'static dyn ServerCodec,
    /// The model, where the path names it.
    pub(crate) model: Option<String>,
    /// Whether a stream is wanted, where the path says it.
    pub(crate) stream: Option<bool>,
    pub(crate) request_id: Arc<str>,
    pub(crate) started: Instant,
}

/// Takes a request from its first byte to the head of its answer.
///
/// # Errors
/// Whatever ends the request before its answer begins.
pub(crate) async fn run<B>(arrival: Arrival, request: Box<Request<B>>) -> Result<Response<ClientBody>, Failed>
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let Arrival { gateway, address, snapshot, front, codec, model, stream, request_id, started } = arrival;

    // authenticate
    let query = request.uri().query();
    let principal = gateway.auth(&snapshot, address).check(request.headers(), query).await?;
    let query = query.and_then(without_key);

    // read, peek
    let running = gateway.enter(snapshot.max_in_flight)?;
    let deadline = started + snapshot.request_timeout;
    let bounds = intake::Bounds { size: snapshot.max_body, deadline };
    let Read { headers, body, files, share } = taken(request, bounds, front, &snapshot, &gateway).await?;
    let asked = Asked { op: front.op, dialect: Some(front.dialect), model, stream, query, headers, files };
    let head = if codec.is_opaque(&asked) { Head::opaque(body) } else { Head::scan(body)? };
    let peek = codec.peek(&head, &asked)?;

    // admit
    let found = snapshot.router.find(&peek.model).ok_or_else(|| models::unknown(&snapshot, &peek.model))?;
    let (group, star) = (Arc::clone(found.group), found.star.map(Box::from));
    let (mut head, limit, left_out) =
        limit(&snapshot, &principal, (front, codec), (&group, star.as_deref()), head)?;
    let (control, fallbacks) = control::take(&mut head, &snapshot, &peek.model)?;
    let (stream, binary, form) = (peek.stream, peek.binary, peek.form);
    // The group's own name, also for an alias; what a wildcard is asked for tells more than its pattern.
    let model = if star.is_some() { peek.model.clone() } else { group.name.to_string() };
    let stop = gateway.stop().clone();
    let mut dispatch = Box::new(Dispatch {
        gateway,
        snapshot: Arc::clone(&snapshot),
        is_told: is_told(&asked.headers),
        asked,
        codec,
        principal,
        model: model.as_str().into(),
        request_id: Arc::clone(&request_id),
        peek,
        is_kept: codec.is_kept(&head),
        asking: head.into(),
        group,
        star,
        started,
        deadline,
        limit,
        fallbacks,
        control,
        left_out,
        picture: OnceLock::new(),
    });

    let mut ticket = match dispatch.admit_here(front)? {
        Some(ticket) => ticket,
        // Boxed: where nothing is shared nobody carries it along.
        None => Box::pin(dispatch.admit(front)).await?,
    };

    // guard in
    for guard in &snapshot.guards {
        let principal = dispatch.principal.clone();
        guard.request(dispatch.call()?, &principal).await?;
    }

    // cache lookup
    let mut visit = Visit::begin(&mut dispatch);
    let hit = visit.lookup().await;
    ticket.looked_up(visit.row());
    if let Some(hit) = hit {
        return Ok(from_cache(hit, &dispatch, ticket, &model));
    }

    // dispatch, guard out, settle; the body is held until the answer is over
    let held = (running, share);
    // Boxed: a future of this size costs more to move than to allocate.
    let mut opening = Box::pin(async move {
        let told = || Err(Failed::from(Stop::error()));
        stop.unless_told(pin!(dispatch.run(ticket))).await.unwrap_or_else(told)
    });
    let mut response = if !stream {
        let mut answer = opening.await?;
        drop(held);
        visit.keep(&answer).await;
        // An answer is not complete before what it cost is written down.
        std::mem::take(&mut answer.kept).await;
        respond_with(answer, &model, (codec, form), started)
    } else if binary {
        // Its head says of what kind it is: nothing goes out before that is known.
        respond_with(opening.await?, &model, (codec, form), started).map(|body| body.holding(held))
    } else if let Ok(answer) = timeout(SILENCE, &mut opening).await {
        respond_with(answer?, &model, (codec, form), started).map(|body| body.holding(held))
    } else {
        let body = silent(opening, (codec, form), request_id).holding(held);
        let mut response = respond::stream(body, codec, form);
        respond::write_model(response.headers_mut(), &model);
        response
    };
    visit.write(response.headers_mut());
    Ok(response)
}

/// Reads what has come: large sound goes to the disk.
async fn taken<B>(
    request: Box<Request<B>>,
    bounds: intake::Bounds,
    front: &Front,
    snapshot: &Snapshot,
    gateway: &Gateway,
) -> Result<Read>
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let memory = gateway.memory();
    if !front.takes_sound() {
        return intake::read(request, bounds, memory).await.map(Read::from);
    }
    // Boxed: nobody else carries it along.
    Box::pin(snapshot.spool.read(request, bounds, memory)).await
}

/// An answer that costs nothing, and its row.
fn from_cache(hit: Hit, dispatch: &Dispatch, ticket: Ticket, model: &str) -> Response<ClientBody> {
    let served = (!ticket.is_free()).then(|| hit.served(dispatch));
    let mut response = hit.respond(model, dispatch.started);
    if let Some(limits) = ticket.rate_limits() {
        respond::write_limits(response.headers_mut(), limits);
    }
    if let Some(served) = served {
        respond::write_cost(response.headers_mut(), PicoUsd::ZERO);
        ticket.answered(served, dispatch.started.elapsed());
    }
    response
}

/// Nothing to show for five seconds: the head goes out, and comments keep the line open.
fn silent(
    opening: Pin<Box<impl Future<Output = Result<Answer, Failed>> + Send + 'static>>,
    (codec, form): (&'static dyn ServerCodec, ReplyForm),
    request_id: Arc<str>,
) -> ClientBody {
    let opening = async move {
        let told = |failed: Failed| {
            let mut error = failed.error;
            error.request_id = Some(request_id.to_string());
            error
        };
        opening.await.map_err(told).and_then(|answer| match answer.body {
            AnswerBody::Stream(exchange) => Ok(exchange),
            AnswerBody::Whole(..) => {
                Err(llm_types::ApiError::new(llm_types::ErrorKind::Internal, "a stream was answered whole"))
            }
        })
    };
    ClientBody::opening(Box::pin(opening), codec, form)
}

/// Who of a group may serve a request, and the request as they are to get it: what goes on from something
/// that is kept is served by whoever keeps it, what only one dialect can do by those who speak it.
/// Encrypted thoughts are for whoever encrypted them: the last of those that the group leads to. What others
/// encrypted is left out.
fn limit(
    snapshot: &Snapshot,
    principal: &Principal,
    (front, codec): (&Front, &dyn ServerCodec),
    (group, star): (&Group<Backend>, Option<&str>),
    head: Head,
) -> Result<(Head, Limit, Changes)> {
    let mut left_out = Changes::default();
    let mut limit = Limit::default();
    let native = |deployment: &Arc<Deployment<Backend>>| owner::speaks(deployment, star, front.dialect);
    // Most requests are bound to nobody: then no deployment has to be looked at.
    let bound = codec.bound(&head).transpose();
    if let Some(refusal) = bound.filter(|_| !group.deployments.iter().all(native)) {
        let refusal = refusal?;
        let dialects = (front.dialect, codec.also(&head));
        if !group.deployments.iter().any(|deployment| owner::serves(deployment, star, dialects)) {
            return Err(refusal);
        }
        limit.dialect = Some(dialects);
    }
    let head = named::hold(snapshot, principal, front.dialect, head, &mut limit)?;
    named::check(&limit, group, star)?;
    let Some(keepers) = snapshot.owners.speaking(front.dialect) else {
        return Ok((head, limit, left_out));
    };
    let head = match codec.owned(&head)? {
        Some(Owned { id, head, param }) => {
            if snapshot.tenants.as_ref().is_some_and(|tenants| !tenants.allow(principal, &id)) {
                return Err(owner::unknown(param));
            }
            if let Some(word) = &id.owner {
                limit.hold_to(keepers.find(word).ok_or_else(|| owner::gone(param))?, param)?;
                limit.check(group, star, param)?;
            }
            head
        }
        None => head,
    };
    // What another tenant has in the account is nobody's to name, and an item's id does not say whose it is.
    if snapshot.tenants.is_some()
        && principal.right != Right::Master
        && let Some(param) = codec.refers(&head)
    {
        return Err(owner::unsealed(&param));
    }
    let thinkers = codec.thinkers(&head);
    if thinkers.is_empty() {
        return Ok((head, limit, left_out));
    }
    let known = thinkers.iter().rev().filter_map(|word| keepers.find(word));
    let leads_to = |owner: &&Owner| group.deployments.iter().any(|one| owner.shares_with(one));
    let thinker = limit.owner.clone().or_else(|| known.into_iter().find(leads_to).cloned());
    limit.thinker = thinker.map(|thinker| (thinker, front.dialect));
    let by = |word: &str| match limit.thinker.as_ref().map(|(thinker, _)| thinker) {
        Some(owner) => keepers.find(word).is_some_and(|thinker| thinker.is_with(owner)),
        // Whoever speaks another dialect reads none of it, and says so.
        None => !group.deployments.iter().any(native),
    };
    let head = codec.readable(head, &by, &mut left_out)?;
    Ok((head, limit, left_out))
}

/// The head of an answer, and its body.
fn respond_with(
    answer: Answer,
    model: &str,
    (codec, form): (&dyn ServerCodec, ReplyForm),
    started: Instant,
) -> Response<ClientBody> {
    let Answer { body, labels, fallback, attempts, changes, upstream, cost, limits, kept: _ } = answer;
    let mut response = match body {
        AnswerBody::Whole(body, kind) => {
            let mut response = match limits.is_some() {
                true => respond::metered_json(StatusCode::OK, body),
                false => respond::json(StatusCode::OK, body),
            };
            if let Some(kind) = kind {
                response.headers_mut().insert(CONTENT_TYPE, kind);
            }
            response
        }
        AnswerBody::Stream(exchange) => {
            let kind = exchange.binary().map(|kind| kind.cloned());
            let mut response = respond::stream(ClientBody::stream(exchange), codec, form);
            if let Some(kind) = kind {
                let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
                response.headers_mut().insert(CONTENT_TYPE, kind);
            }
            response
        }
    };
    let overhead = started.elapsed().saturating_sub(upstream);
    let fallback = fallback.as_deref();
    let served = Served { model, labels: &labels, fallback, attempts, changes: &changes, overhead };
    served.write(response.headers_mut());
    if let Some(cost) = cost {
        respond::write_cost(response.headers_mut(), cost);
    }
    if let Some(limits) = &limits {
        respond::write_limits(response.headers_mut(), limits);
    }
    response
}
