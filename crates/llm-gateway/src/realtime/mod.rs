//! `GET /v1/realtime?model=`: a WebSocket relayed to a provider of OpenAI's realtime API.
//!
//! The way in is that of every request: who calls, the model's group, access, limits. The provider is reached before
//! the client is told that it may switch protocols, so that what goes wrong until then is an ordinary error. From then
//! on [`session`] carries events both ways, and each response is a request in the limits, and an attempt with
//! money and a row of its own ([`meter`]).

mod dial;
mod entry;
mod meter;
mod session;
mod transcript;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::header::{
    AUTHORIZATION, CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use llm_governance::{RowCache, RowOwner};
use llm_providers::realtime;
use llm_types::{ApiError, Changes, ErrorKind, Result};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use self::dial::{Dialled, Wish};
use self::entry::Entry;
use self::meter::Meter;
use self::session::{Held, Session};
use crate::admit::{TAGS, tags};
use crate::body::{ClientBody, Line};
use crate::gateway::Gateway;
use crate::models;
use crate::principal::Principal;
use crate::respond::{Failed, Served};
use crate::snapshot::Snapshot;
use crate::ticket::{Account, Ticket};

/// The route, as lists of allowed routes name it.
pub(crate) const ROUTE: &str = "/v1/realtime";

/// A client that wants a session.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) gateway: Arc<Gateway>,
    /// Where it comes from.
    pub(crate) address: Option<IpAddr>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) request_id: Arc<str>,
    pub(crate) started: Instant,
}

impl Visit {
    /// Reaches the provider and lets the client switch protocols.
    ///
    /// # Errors
    /// Whatever ends it before.
    pub(crate) async fn run<B: Send>(self, mut request: Request<B>) -> Result<Response<ClientBody>, Failed> {
        let (headers, named) = with_protocols(request.headers());
        let principal = self.gateway.auth(&self.snapshot, self.address).check(&headers, None).await?;
        let accept = accept_key(&request)?;
        let query = request.uri().query().unwrap_or_default();
        let (model, onward) = (model(query)?, realtime::onward(query)?);
        let running = self.gateway.enter(self.snapshot.max_in_flight)?;
        let found =
            self.snapshot.router.find(&model).ok_or_else(|| models::unknown(&self.snapshot, &model))?;
        let (mut ticket, entry) = self.admit(&principal, (&model, &found.group.name), &headers).await?;
        let wish = Wish { visit: &self, model: &model, found, headers: &headers, query: &onward };
        let (far, dialled) = wish.reach(&mut ticket).await?;
        let mut meter = Meter::new(&self.snapshot, (ticket, entry), &dialled);
        let Dialled { deployment, target: _, place, decision, fallback, attempts, took } = dialled;
        let held = Held::new(place, decision);
        // Whoever cannot pay for one response is told so while there is an ordinary answer for it.
        if let Err(error) = meter.check().await {
            held.finish(&meter.finish(), Some(&error));
            return Err(error.into());
        }

        let served = Served {
            model: &model,
            labels: &deployment.target.labels,
            fallback: fallback.as_deref(),
            attempts,
            changes: &Changes::default(),
            overhead: self.started.elapsed().saturating_sub(took),
        };
        let line = Line::default();
        let mut response = Response::new(ClientBody::whole("").on(line.clone()));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        served.write(response.headers_mut());
        let head = response.headers_mut();
        head.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        head.insert(UPGRADE, HeaderValue::from_static("websocket"));
        head.insert(SEC_WEBSOCKET_ACCEPT, accept);
        if named {
            head.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(realtime::PROTOCOL));
        }
        let session = Session::new(&self.gateway, self.request_id, far, (meter, held));
        let near = hyper::upgrade::on(&mut request);
        self.gateway.sessions().spawn(async move {
            session.run(near).await;
            drop((running, line));
        });
        Ok(response)
    }

    /// Lets the caller in, and opens the account of the session.
    async fn admit(
        &self,
        principal: &Principal,
        (model, own): (&str, &str),
        headers: &HeaderMap,
    ) -> Result<(Ticket, Option<Entry>), Failed> {
        let governance = self.gateway.governance();
        if governance.is_idle_for(&principal.who) {
            return Ok((Ticket::free(), None));
        }
        let who = &principal.who;
        let marked = tags(principal, headers.get(&TAGS))?;
        let entry = Entry {
            governance: Arc::clone(governance),
            who: who.clone(),
            address: self.address,
            model: model.into(),
            // Nobody leaves a model's limits and budgets by another of its names.
            alias_of: Some(own).filter(|own| *own != model && !own.contains('*')).map(Arc::from),
            tags: marked,
        };
        let grant = entry.enter().await.map_err(Failed::refused)?;
        let account = Account {
            governance: Arc::clone(governance),
            prices: Arc::clone(&self.snapshot.prices),
            request_id: Arc::clone(&self.request_id),
            model: Arc::clone(&entry.model),
            who: RowOwner::from(who),
            tags: who.tags().iter().chain(&entry.tags).cloned().collect(),
            body: 0,
            cache: RowCache::Bypass,
        };
        Ok((Ticket::new(account, grant), Some(entry)))
    }
}

/// The headers with what a browser can say only by protocols, and whether it has to be told which was chosen.
fn with_protocols(headers: &HeaderMap) -> (HeaderMap, bool) {
    let mut headers = headers.clone();
    let Some(protocols) = headers.remove(SEC_WEBSOCKET_PROTOCOL) else { return (headers, false) };
    let offered = realtime::offered(protocols.to_str().unwrap_or_default());
    if let Some(key) = offered.key
        && !headers.contains_key(AUTHORIZATION)
        && let Ok(mut bearer) = HeaderValue::try_from(format!("Bearer {key}"))
    {
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    if let Some(beta) = offered.beta.and_then(|beta| HeaderValue::try_from(beta).ok()) {
        headers.entry("openai-beta").or_insert(beta);
    }
    (headers, offered.named)
}

/// What proves to the client that it was understood (RFC 6455, 4.2.2).
fn accept_key<B>(request: &Request<B>) -> Result<HeaderValue> {
    let headers = request.headers();
    let says = |name: http::HeaderName, word: &str| {
        let text = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        text.split(',').any(|one| one.trim().eq_ignore_ascii_case(word))
    };
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|_| {
        says(CONNECTION, "upgrade") && says(UPGRADE, "websocket") && says(SEC_WEBSOCKET_VERSION, "13")
    });
    let key = key.ok_or_else(|| {
        ApiError::bad_request(
            "this route is a WebSocket over HTTP/1.1: connect with a WebSocket client, e.g. wss://host/v1/realtime?model=…",
        )
    })?;
    HeaderValue::try_from(derive_accept_key(key.as_bytes()))
        .map_err(|error| ApiError::bad_request("the WebSocket key cannot be read").with_source(error))
}

fn model(query: &str) -> Result<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let named = pairs.find(|(name, value)| *name == "model" && !value.is_empty());
    named.map(|(_, value)| crate::front::decoded(value).into_owned()).ok_or_else(|| {
        ApiError::new(ErrorKind::BadRequest, "name the model: /v1/realtime?model=…").with_param("model")
    })
}
