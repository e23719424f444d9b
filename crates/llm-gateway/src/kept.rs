//! What a provider keeps under an id: read, cancelled and deleted there.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use llm_providers::codec::{Kept, Memo, ReplyForm, ServerCodec, WireRequest};
use llm_providers::dialect;
use llm_providers::target::Target;
use llm_providers::transport::{RequestBody, collect};
use llm_types::{ApiError, Changes, ErrorKind, Op, Origin, Result, Segments};
use tokio::time::timeout;

use crate::attempt::Attempt;
use crate::auth::without_key;
use crate::body::ClientBody;
use crate::dispatch::is_stream;
use crate::exchange::{Exchange, Parts, read_preamble};
use crate::front::Front;
use crate::gateway::Gateway;
use crate::owner::Owner;
use crate::place::Place;
use crate::principal::Principal;
use crate::relay::{Relay, UsageEvent};
use crate::respond::{self, Failed, Labels, Served};
use crate::snapshot::Snapshot;
use crate::ticket::Ticket;

/// The largest whole answer that is read, in bytes.
const REPLY_LIMIT: usize = 256 * 1024 * 1024;
/// The most that is read of an error's body, in bytes.
const ERROR_LIMIT: usize = 1024 * 1024;

/// A call about something that is kept.
#[derive(Debug)]
pub(crate) struct Lookup {
    pub(crate) gateway: Arc<Gateway>,
    /// Where it comes from.
    pub(crate) address: Option<IpAddr>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) front: &'static Front,
    pub(crate) codec: &'static dyn ServerCodec,
    pub(crate) kept: Kept,
    pub(crate) request_id: Arc<str>,
    pub(crate) started: Instant,
}

impl Lookup {
    /// Asks whoever made it.
    ///
    /// # Errors
    /// 404 when nobody here can have made it; whatever the provider says.
    pub(crate) async fn run<B>(self, request: &Request<B>) -> Result<Response<ClientBody>, Failed> {
        let auth = self.gateway.auth(&self.snapshot, self.address);
        let principal = auth.check(request.headers(), request.uri().query()).await?;
        principal.who.check_route(&self.front.route())?;
        let running = self.gateway.enter(self.snapshot.max_in_flight)?;
        let owner = self.owner(&principal)?.clone();
        self.check_model(&owner, &principal)?;
        let target = owner.deployment.target.target(Some("*"))?;
        let labels = owner.deployment.target.labels.clone();
        let query = request.uri().query().and_then(without_key);
        let asked = (request.method().clone(), query.as_deref());
        let answer = self.ask((&owner, &principal), &target, asked).await;
        drop(running);
        answer.map_err(|mut error| {
            target.conceal(&mut error);
            if error.origin == Origin::Upstream && error.provider.is_none() {
                error.provider = Some(owner.deployment.target.provider.to_string());
            }
            Failed::at(error, target.model(), labels, 1)
        })
    }

    /// Who made it, for somebody who may know.
    fn owner(&self, principal: &Principal) -> Result<&Owner> {
        let keepers = self.snapshot.owners.speaking(self.front.dialect);
        let says = &self.kept.says;
        let others = self.snapshot.tenants.as_ref().is_some_and(|tenants| !tenants.allow(principal, says));
        let owner = match (&says.owner, keepers) {
            _ if others => None,
            (Some(word), Some(keepers)) => keepers.find(word),
            (None, Some(keepers)) => keepers.only(),
            (_, None) => None,
        };
        owner.ok_or_else(|| {
            let message = format!(
                "nothing is kept under `{}`: no deployment of this gateway can have made it, its id does not say \
                 which, or it was made for another key",
                self.kept.id
            );
            ApiError::new(ErrorKind::NotFound, message).with_param("id").with_code("not_found")
        })
    }

    /// Refuses somebody who may not call any model whose answer it can be.
    fn check_model(&self, owner: &Owner, principal: &Principal) -> Result<()> {
        if owner.is_reached(&self.snapshot.router, &principal.who) {
            return Ok(());
        }
        let message =
            "this key may not call any model that this can be an answer of: ask for more or use another key";
        Err(ApiError::new(ErrorKind::Permission, message).with_code("model_not_allowed"))
    }

    async fn ask(
        &self,
        (owner, principal): (&Owner, &Principal),
        target: &Arc<Target>,
        (method, query): (Method, Option<&str>),
    ) -> Result<Response<ClientBody>> {
        let codec = dialect::client(self.front.dialect)
            .ok_or_else(|| ApiError::new(ErrorKind::Internal, "this dialect is not called"))?;
        let path = match query {
            Some(query) => format!("{}?{query}", self.kept.path),
            None => self.kept.path.clone(),
        };
        let wire = WireRequest {
            method,
            path,
            headers: HeaderMap::new(),
            body: Segments::default(),
            memo: Memo::default(),
        };
        let request = target.request(wire)?.map(RequestBody::from);
        let bound = self.snapshot.request_timeout;
        let in_flight = owner.deployment.stats.begin();
        let late = |_| ApiError::upstream(ErrorKind::Timeout, "the upstream did not answer in time");
        let asked = Instant::now();
        let head = timeout(bound, self.gateway.transport().send(request)).await.map_err(late)??;
        let (head, mut upstream) = head.into_parts();
        if !head.status.is_success() {
            let body = timeout(bound, collect(upstream, ERROR_LIMIT)).await.map_err(late)??;
            return Err(codec.decode_error(head.status, &head.headers, &body));
        }
        let keepers = self.snapshot.owners.speaking(self.front.dialect);
        let seal = self.snapshot.tenants.as_ref().map(|tenants| tenants.seal(principal));
        let mark = keepers.and_then(|keepers| keepers.mark(&owner.deployment, seal));
        if is_stream(&head.headers) && head.headers.contains_key(CONTENT_TYPE) {
            let mut relay = Relay::pass(codec.stream_tap(Op::Chat), UsageEvent::Wanted);
            if let Some(mark) = mark {
                relay = relay.marked(self.codec, mark);
            }
            read_preamble(&mut upstream, &mut relay, bound).await?;
            let exchange = Exchange::new(
                upstream,
                Parts {
                    relay,
                    // What is kept was paid when it was made.
                    ticket: Ticket::free(),
                    attempt: Attempt::free(),
                    deadline: (self.started + bound).into(),
                    front: self.codec,
                    tasks: self.gateway.tasks().clone(),
                    request_id: Arc::clone(&self.request_id),
                    place: Place::Counted { _in_flight: in_flight },
                    decision: None,
                    resume: None,
                    form: ReplyForm::Usual,
                    target: Arc::clone(target),
                    stop: self.gateway.stop().clone(),
                },
            );
            let response =
                respond::stream(ClientBody::stream(Box::new(exchange)), self.codec, ReplyForm::Usual);
            return Ok(self.served(response, target, &owner.deployment.target.labels, asked));
        }
        let body = timeout(bound, collect(upstream, REPLY_LIMIT)).await.map_err(late)??;
        let marked = mark.and_then(|mark| self.codec.mark(&body, &mark));
        let response = respond::json(StatusCode::OK, marked.unwrap_or(body));
        Ok(self.served(response, target, &owner.deployment.target.labels, asked))
    }

    fn served(
        &self,
        mut response: Response<ClientBody>,
        target: &Target,
        labels: &Labels,
        asked: Instant,
    ) -> Response<ClientBody> {
        let upstream = asked.elapsed();
        let served = Served {
            model: target.model(),
            labels,
            fallback: None,
            attempts: 1,
            changes: &Changes::default(),
            overhead: self.started.elapsed().saturating_sub(upstream),
        };
        served.write(response.headers_mut());
        response
    }
}
