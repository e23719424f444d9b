//! One request on its way through the deployments of its group, and of those it falls back to.
//!
//! The router says whom to ask and when to give up ([`llm_router::Plan`]); here the asking is done. `ready`
//! writes the call for one deployment, or splices the client's own bytes; `send` sends it and reads the answer or
//! lets it through; `ask` does both, with a second deployment beside a slow one.

mod ask;
pub(crate) mod control;
mod fetched;
mod later;
mod needs;
mod own;
mod pay;
mod pictures;
mod ready;
mod refused;
mod resume;
mod send;
mod underway;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use llm_config::MidStream;
use llm_providers::codec::{Asked, Peek, ServerCodec};
use llm_providers::target::Target;
use llm_router::{Deployment, Group, Lease, Plan, Step};
use llm_types::{ApiError, Changes, Dialect, Op, Origin, PicoUsd, RateLimits, Result, Usage};
use parking_lot::Mutex;

use crate::answer::{Reply, ReplyBody, Whole, paced};
use crate::attempt::Attempt;
use crate::backend::Backend;
use crate::belief::Belief;
use crate::exchange::{Exchange, Parts};
use crate::gateway::Gateway;
use crate::governance::Kept;
use crate::owner::Limit;
use crate::place::Place;
use crate::principal::Principal;
use crate::record::{Afterwards, Decision, Share};
use crate::relay::Relay;
use crate::respond::{Failed, Labels};
use crate::snapshot::Snapshot;
use crate::ticket::Ticket;

pub(crate) use later::{Later, MOST as MOST_LATER};
pub(crate) use needs::{hour, is_told, told_needs};
pub(crate) use own::Fallbacks;
pub(crate) use ready::Asking;
pub(crate) use resume::{Groups, Resume, Resumed, Trail};
pub(crate) use send::is_stream;

use self::control::Control;
use self::fetched::Fetched;
use self::resume::Answering;
use self::underway::{Parts as Way, Underway};

/// Asks for a request's decision to be kept, whatever the share that is.
pub(crate) static EXPLAIN: HeaderName = HeaderName::from_static("x-gateway-explain");

/// A request that is authenticated, read and admitted. Boxed from the first: it is moved about a good deal.
#[derive(Debug)]
pub(crate) struct Dispatch {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) asked: Asked,
    /// Whether headers of ours are among its own: most requests have none, and nobody looks for each then.
    pub(crate) is_told: bool,
    pub(crate) codec: &'static dyn ServerCodec,
    pub(crate) principal: Principal,
    /// What the headers call the model.
    pub(crate) model: Box<str>,
    pub(crate) request_id: Arc<str>,
    pub(crate) peek: Peek,
    pub(crate) asking: Asking,
    pub(crate) group: Arc<Group<Backend>>,
    /// What the `*` of a wildcard name stands for.
    pub(crate) star: Option<Box<str>>,
    pub(crate) started: Instant,
    pub(crate) deadline: Instant,
    /// Who may serve it, where not everybody may.
    pub(crate) limit: Limit,
    /// What was left out of it before anybody was asked.
    pub(crate) left_out: Changes,
    /// A provider of its dialect keeps its answer.
    pub(crate) is_kept: bool,
    /// Where it goes instead of its group's fallbacks.
    pub(crate) fallbacks: Option<Fallbacks>,
    /// How it wants to be asked for again.
    pub(crate) control: Option<Box<Control>>,
    /// Which pictures it asks for, once that is read.
    pub(crate) picture: OnceLock<llm_cost::Picture>,
}

/// An answer, and what its headers say.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: AnswerBody,
    pub(crate) labels: Labels,
    /// The model that answered, where it is not the one that was asked for.
    pub(crate) fallback: Option<Arc<str>>,
    pub(crate) attempts: usize,
    pub(crate) changes: Changes,
    /// How long the upstream was waited for.
    pub(crate) upstream: Duration,
    /// What it cost, where that is known.
    pub(crate) cost: Option<PicoUsd>,
    /// What is left of the caller's limits.
    pub(crate) limits: Option<RateLimits>,
    /// When its cost is written down.
    pub(crate) kept: Kept,
}

#[derive(Debug)]
pub(crate) enum AnswerBody {
    Whole(Bytes, Option<HeaderValue>),
    Stream(Box<Exchange>),
}

/// What became of the request so far.
#[derive(Debug)]
struct Journey {
    /// What is asked.
    asking: Asking,
    /// The same with the bytes of what it names by address, or why there are none, once a provider wanted them.
    fetched: Option<Result<Box<Fetched>, ApiError>>,
    ticket: Ticket,
    /// How long upstreams were waited for.
    upstream: Duration,
    /// How many calls went out.
    calls: usize,
    /// Who failed last.
    last: Option<Labels>,
}

/// Who answered, with what.
struct Answered {
    reply: Reply,
    lease: Option<Lease<Backend>>,
    labels: Labels,
}

/// What goes with an answer to the client's side.
struct Delivery {
    place: Place,
    deployment: Option<Arc<Deployment<Backend>>>,
    target: Arc<Target>,
    ticket: Ticket,
    attempt: Attempt,
    decision: Option<Arc<Decision>>,
}

impl Dispatch {
    /// Asks deployments until one answers.
    ///
    /// # Errors
    /// The last failure; its message names every attempt when there were several.
    pub(crate) async fn run(self: Box<Self>, ticket: Ticket) -> Result<Answer, Failed> {
        let snapshot = Arc::clone(&self.snapshot);
        let mut underway = Underway::begin(self, &snapshot, ticket)?;
        let Way { dispatch, plan, journey } = underway.parts()?;
        let mut entry = None;
        let mut step = plan.next(Instant::now(), None);
        loop {
            match step {
                Step::Wait(pause) => {
                    tokio::time::sleep(pause).await;
                    step = plan.next(Instant::now(), None);
                }
                Step::Fail => return Err(underway.gave_up()),
                Step::Try(index) => {
                    if plan.entry() != entry {
                        entry = plan.entry();
                        journey.fetched = None;
                        // Boxed: few requests bring a list of their own.
                        let turned = Box::pin(dispatch.turn_to(entry, &mut journey.asking)).await;
                        if let Err(error) = turned {
                            return Err(underway.refused(error));
                        }
                    }
                    step = match dispatch.ask(index, plan, journey).await {
                        Ok(answered) => return underway.answered(answered),
                        Err(step) => step,
                    };
                }
            }
        }
    }

    /// The way through the groups, as it begins now.
    fn plan<'s>(&self, snapshot: &'s Snapshot, now: Instant) -> Plan<'s, Backend> {
        let found = llm_router::Found { group: &self.group, star: self.star.as_deref() };
        snapshot.router.plan(found, now, self.deadline)
    }

    /// Says what the request asks of it.
    fn prepare(&self, plan: &mut Plan<'_, Backend>, asking: &mut Asking, now: Instant) -> Result<()> {
        self.ask_for(plan, asking, 0)?;
        if self.limit.is_some() {
            let limit = self.limit.clone();
            plan.pass_over(move |deployment, star| limit.against(deployment, star));
        }
        let records = &self.snapshot.records;
        if records.samples(now) || (records.is_kept() && self.told(&EXPLAIN).is_some()) {
            plan.trace_in(self.snapshot.records.place());
        }
        Ok(())
    }

    /// Nobody answered.
    fn give_up(&self, plan: &mut Plan<'_, Backend>, journey: &mut Journey) -> Failed {
        let (error, attempts) = (plan.failure(), journey.calls);
        self.remember(plan, journey, &error);
        match journey.last.take() {
            Some(labels) => Failed::at(error, &self.model, labels, attempts),
            None => error.into(),
        }
    }

    /// Keeps why a request failed.
    fn remember(&self, plan: &mut Plan<'_, Backend>, journey: &Journey, error: &ApiError) {
        if self.snapshot.records.is_kept() {
            plan.trace_end(Instant::now());
            self.snapshot.records.put(self.decision(plan, journey, Err(error)));
        }
    }

    /// The model that answers, where it is not the one that was asked for.
    fn fallback(&self, plan: &Plan<'_, Backend>) -> Option<Arc<str>> {
        let elsewhere = !Arc::ptr_eq(plan.group(), &self.group) || plan.star() != self.star.as_deref();
        let name = &plan.group().name;
        (elsewhere || plan.entry().is_some()).then(|| match plan.star() {
            Some(star) => name.replacen('*', star, 1).into(),
            None => Arc::clone(name),
        })
    }

    /// Hands an answer over to the client's side, with its account.
    fn answer(self: Box<Self>, answered: Answered, plan: &mut Plan<'_, Backend>, journey: Journey) -> Answer {
        let Answered { reply, lease, labels } = answered;
        let deployment = lease.as_ref().and_then(Lease::deployment).map(Arc::clone);
        let id = deployment.as_ref().map(|deployment| Arc::clone(&deployment.id));
        let attempts = journey.calls;
        let (fallback, entry) = (self.fallback(plan), plan.entry());
        let upstream = journey.upstream;
        let decision = self.kept_decision(plan, &journey, &reply);
        let Reply { body, target, changes, attempt, rate_limits: _ } = reply;
        let Journey { asking, fetched, ticket, .. } = journey;
        let recorded = decision.is_some();
        let limits = ticket.rate_limits().copied();
        let answering = id.map(|deployment| Answering { deployment, entry, fetched, recorded });
        let parts = Delivery { place: Place::from(lease), deployment, target, ticket, attempt, decision };
        let (body, cost, kept) = self.deliver(body, parts, asking, answering);
        Answer { body, labels, fallback, attempts, changes, upstream, cost, limits, kept }
    }

    /// The decision on an answer, where it is kept, or may be: what may be gone on with elsewhere may have something
    /// to tell later.
    fn kept_decision(
        &self,
        plan: &mut Plan<'_, Backend>,
        journey: &Journey,
        reply: &Reply,
    ) -> Option<Arc<Decision>> {
        let changes = &reply.changes;
        let records = &self.snapshot.records;
        if records.wants(plan) {
            let share = Share::of(plan, self.told(&EXPLAIN));
            return Some(records.keep(self.decision(plan, journey, Ok(changes)), share));
        }
        let continues = || self.snapshot.policy(&self.group.name).mid_stream == MidStream::Continue;
        let keeps = matches!(&reply.body, ReplyBody::Stream { relay, .. } if relay.keeps_said());
        if !records.is_kept() || !keeps || !continues() {
            return None;
        }
        Some(records.keep_if(self.decision(plan, journey, Ok(changes))))
    }

    /// The model, as the client named it.
    fn named(&self) -> Arc<str> {
        let (own, named) = (&self.group.name, self.peek.model.as_str());
        if **own == *named { Arc::clone(own) } else { named.into() }
    }

    fn decision(
        &self,
        plan: &mut Plan<'_, Backend>,
        journey: &Journey,
        outcome: Result<&Changes, &ApiError>,
    ) -> Decision {
        Decision {
            request_id: Arc::clone(&self.request_id),
            model: self.named(),
            operation: self.asked.op.name(),
            front: self.asked.dialect,
            stream: self.peek.stream,
            started: self.started,
            at: std::time::SystemTime::now(),
            took: self.started.elapsed(),
            upstream: journey.upstream,
            skipped: plan.skipped(),
            groups: plan.take_records(),
            error: outcome.err().cloned(),
            changes: outcome.map(Changes::header).unwrap_or_default().into(),
            end: Mutex::default(),
            otherwise: None,
            kept: true,
            sink: self.gateway.governance().sink().cloned(),
        }
    }

    fn deliver(
        self: Box<Self>,
        body: ReplyBody,
        mut delivery: Delivery,
        asking: Asking,
        answering: Option<Answering>,
    ) -> (AnswerBody, Option<PicoUsd>, Kept) {
        let (upstream, relay) = match body {
            ReplyBody::Whole(whole) => return self.complete(whole, delivery),
            ReplyBody::Vectors { output, cx, usage, served } => {
                drop((asking, answering));
                let body = Bytes::from(self.codec.encode(&output, &cx));
                return self.complete(Whole { body, usage, served, kind: None, later: None }, delivery);
            }
            ReplyBody::Stream { upstream, relay } => (upstream, *relay),
            ReplyBody::Written { chunks, usage, served, pause } => {
                delivery.attempt.served(served);
                (paced(chunks, pause), Relay::written(usage))
            }
        };
        let Delivery { place, deployment, target, ticket, attempt, decision } = delivery;
        let relay = relay.believing(deployment.map(|deployment| Belief::of(&deployment, self.asked.op)));
        let mut parts = Parts {
            relay,
            ticket,
            attempt,
            deadline: self.deadline.into(),
            front: self.codec,
            form: self.peek.form,
            tasks: self.gateway.tasks().clone(),
            stop: self.gateway.stop().clone(),
            request_id: Arc::clone(&self.request_id),
            place,
            target,
            decision,
            resume: None,
        };
        if let Some(answering) = answering.filter(|_| parts.relay.keeps_said()) {
            parts.resume = Resume::of(self, asking, answering);
        }
        (AnswerBody::Stream(Box::new(Exchange::new(upstream, parts))), None, Kept::default())
    }

    /// An answer that is all there: what it cost is written down.
    fn complete(&self, whole: Whole, delivery: Delivery) -> (AnswerBody, Option<PicoUsd>, Kept) {
        let Delivery { place, deployment, target, ticket, mut attempt, decision } = delivery;
        let Whole { body, usage, served, kind, later } = whole;
        // Zeros for an answer are not counted ones.
        let belief = deployment.as_deref().map(|deployment| Belief::of(deployment, self.asked.op));
        let is_true = |usage: &Usage| belief.as_ref().is_none_or(|belief| belief.holds(usage));
        let usage = usage.filter(|usage| !usage.is_empty() && is_true(usage));
        place.finish(usage.as_ref());
        if let Some(decision) = &decision {
            decision.end(usage.as_ref(), None, Afterwards::default());
        }
        let tokens = u64::try_from(body.len() / 4).unwrap_or(u64::MAX);
        let free = ticket.is_free().then(|| {
            self.price(deployment.as_deref()?, (target.model(), served.as_deref()), usage.as_ref()?)
        });
        attempt.served(served);
        let attempt = match later {
            Some(later) => later.settle(&self.gateway, target, attempt),
            None => Some(attempt),
        };
        let settled = attempt.map(|attempt| attempt.settle(usage.as_ref(), tokens));
        let (cost, kept) = settled.unwrap_or_default();
        let cost = cost.or(free.flatten());
        ticket.finish(usage.as_ref());
        (AnswerBody::Whole(body, kind), cost, kept)
    }

    /// What an answer costs that nobody pays for from a budget; only for its headers.
    fn price(
        &self,
        deployment: &Deployment<Backend>,
        (model, served): (&str, Option<&str>),
        usage: &Usage,
    ) -> Option<PicoUsd> {
        // Where nothing is known of the price there is nothing to look for.
        let by_piece = usage.units != llm_types::Units::default();
        let known =
            deployment.facts.price.is_some() || usage.stated.is_some() || served.is_some() || by_piece;
        if !known && !deployment.target.is_wildcard() {
            return None;
        }
        let provider = &*deployment.target.provider;
        let asked = llm_cost::Asked {
            deployment: &deployment.id,
            provider,
            model,
            served,
            picture: self.picture.get(),
        };
        self.snapshot.prices.cost(&asked, usage).total()
    }

    /// Whether an answer from a deployment of this dialect that breaks off is gone on with elsewhere.
    fn goes_on(&self, dialect: Dialect) -> bool {
        self.peek.stream
            && self.asked.op == Op::Chat
            && !(self.is_kept && self.asked.dialect == Some(dialect))
            && self.snapshot.policy(&self.group.name).mid_stream == MidStream::Continue
    }

    /// Logs a failed attempt; the router books it.
    fn note_failure(&self, plan: &Plan<'_, Backend>, index: usize, error: &mut ApiError) -> Option<Labels> {
        let deployment = plan.group().get(index)?;
        if let Ok(target) = deployment.target.target(plan.star()) {
            target.conceal(error);
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
        Some(deployment.target.labels.clone())
    }

    /// Reads the request for whoever wants to look at it.
    pub(crate) fn call(&mut self) -> Result<&mut llm_types::Call> {
        self.asking.call(self.codec, &self.asked)
    }
}

fn clip(body: &[u8]) -> String {
    String::from_utf8_lossy(body.get(..body.len().min(2048)).unwrap_or_default()).into_owned()
}
