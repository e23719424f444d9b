//! Connections that wait for their next request.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use llm_types::{ApiError, ErrorKind, Result};
use parking_lot::Mutex;
use tower_service::Service as _;

use super::super::{Progress, RequestBody};
use super::link::{Answer, Link, Unanswered};
use super::{HyperOptions, Unsent, failed};

/// Where connections lead.
pub(super) type Origin = Arc<Place>;

/// A scheme and a host with its port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    scheme: Scheme,
    authority: Authority,
}

/// Connections to one place.
#[derive(Debug)]
struct Shelf {
    origin: Origin,
    /// The `Host` of requests to it.
    host: HeaderValue,
    /// The latest last: it is used first.
    idle: Vec<(Link, Instant)>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Pool {
    connector: HttpsConnector<HttpConnector>,
    shelves: Mutex<HashMap<Place, Shelf>>,
    connect_timeout: Duration,
    idle_timeout: Duration,
}

impl Pool {
    /// Must be called within a tokio runtime: unused connections are closed in time.
    pub(super) fn new(connector: HttpsConnector<HttpConnector>, options: &HyperOptions) -> Arc<Self> {
        let HyperOptions { connect_timeout, idle_timeout, extra_ca: _ } = *options;
        let pool = Arc::new(Self { connector, shelves: Mutex::default(), connect_timeout, idle_timeout });
        tokio::spawn(sweep(Arc::downgrade(&pool), idle_timeout));
        pool
    }

    /// Sends a request over a connection that is open, or a new one.
    pub(super) async fn send(
        self: &Arc<Self>,
        request: Request<RequestBody>,
        progress: Option<&Progress>,
    ) -> Result<Response<Answer>> {
        let sent = |sent: bool| {
            if let Some(progress) = progress {
                progress.set(sent);
            }
        };
        let (place, mut request) = taken_apart(request)?;
        loop {
            let (origin, host, link) = self.take(&place)?;
            let reused = link.is_some();
            let mut link = match link {
                Some(link) => link,
                // Boxed: most requests find one.
                None => Box::pin(self.connect(&place)).await?,
            };
            request.headers_mut().entry(HOST).or_insert(host);
            sent(true);
            match link.ask(request).await {
                Ok(answer) => return Ok(answer.map(|body| Answer::new(body, link, origin, self))),
                Err(unanswered) => {
                    let what = "the upstream broke the connection before it answered";
                    let Unanswered { error, unsent } = *unanswered;
                    match unsent {
                        // It was closed while nobody looked, and nothing was sent.
                        Some(unsent) if reused => request = unsent,
                        Some(_) => return Err(failed(what, Unsent(error.into()))),
                        None => return Err(failed(what, error)),
                    }
                    sent(false);
                }
            }
        }
    }

    /// A connection that is open, if there is one.
    fn take(&self, place: &Place) -> Result<(Origin, HeaderValue, Option<Link>)> {
        loop {
            let (origin, host, idle) = {
                let mut shelves = self.shelves.lock();
                let shelf = match shelves.get_mut(place) {
                    Some(shelf) => shelf,
                    None => shelves.entry(place.clone()).or_insert(Shelf::new(place)?),
                };
                (Arc::clone(&shelf.origin), shelf.host.clone(), shelf.idle.pop())
            };
            let Some((mut link, since)) = idle else { return Ok((origin, host, None)) };
            if since.elapsed() < self.idle_timeout && link.is_ready() {
                return Ok((origin, host, Some(link)));
            }
        }
    }

    /// Keeps a connection for the next request.
    pub(super) fn put(&self, origin: &Origin, link: Link) {
        if let Some(shelf) = self.shelves.lock().get_mut(&**origin) {
            shelf.idle.push((link, Instant::now()));
        }
    }

    /// A new connection: its name looked up, opened, and its TLS agreed on, all in the time that this may take.
    async fn connect(&self, place: &Place) -> Result<Link> {
        let opened = match tokio::time::timeout(self.connect_timeout, self.open(place)).await {
            Ok(opened) => opened,
            Err(_) => Err(format!("no connection within {} s", self.connect_timeout.as_secs_f32()).into()),
        };
        opened.map_err(|cause| failed("could not connect to the upstream", Unsent(cause)))
    }

    async fn open(&self, place: &Place) -> Result<Link, Box<dyn std::error::Error + Send + Sync>> {
        let Place { scheme, authority } = place;
        let uri =
            Uri::builder().scheme(scheme.clone()).authority(authority.clone()).path_and_query("/").build()?;
        let mut connector = self.connector.clone();
        poll_fn(|cx| connector.poll_ready(cx)).await?;
        Ok(Link::new(connector.call(uri).await?).await?)
    }
}

impl Shelf {
    fn new(place: &Place) -> Result<Self> {
        let Place { scheme, authority } = place;
        let usual = if *scheme == Scheme::HTTPS { 443 } else { 80 };
        let host = match authority.port_u16().filter(|port| *port != usual) {
            Some(port) => format!("{}:{port}", authority.host()),
            None => authority.host().to_owned(),
        };
        let host = HeaderValue::from_str(&host).map_err(|error| {
            ApiError::bad_request(format!("the host `{host}` of the upstream cannot be sent"))
                .with_source(error)
        })?;
        Ok(Self { origin: Arc::new(place.clone()), host, idle: Vec::new() })
    }
}

/// Where a request goes, and the request as it is sent there.
fn taken_apart(mut request: Request<RequestBody>) -> Result<(Place, Request<RequestBody>)> {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    let (Some(scheme), Some(authority)) = (parts.scheme.take(), parts.authority.take()) else {
        return Err(ApiError::new(ErrorKind::Internal, "a request without the address of an upstream"));
    };
    let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(path);
    Ok((Place { scheme, authority }, request))
}

/// Closes connections that nobody has needed for so long.
async fn sweep(pool: Weak<Pool>, idle_timeout: Duration) {
    loop {
        tokio::time::sleep(idle_timeout / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut closed = Vec::new();
        for shelf in pool.shelves.lock().values_mut() {
            let old = shelf.idle.partition_point(|(_, since)| since.elapsed() >= idle_timeout);
            closed.extend(shelf.idle.drain(..old));
        }
        // Outside of the lock.
        drop(closed);
    }
}
