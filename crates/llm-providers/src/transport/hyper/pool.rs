//! Connections that wait for their next request.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::{Duration, Instant};

use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use llm_types::{ApiError, ErrorKind, Result};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tower_service::Service as _;

use super::super::{Duplex, Progress, RequestBody};
use super::link::{Answer, Io, Link, Unanswered};
use super::names::Names;
use super::{HyperOptions, Unsent, failed};

/// How long a look at the unused connections is waited for, where their time is not shorter.
const LOOK: Duration = Duration::from_secs(1);
/// The least time between two looks.
const LOOK_LEAST: Duration = Duration::from_millis(100);

/// Where connections lead.
pub(super) type Origin = Arc<Place>;

/// A scheme and a host with its port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    scheme: Scheme,
    authority: Authority,
}

/// The way to a place.
#[derive(Debug)]
pub(super) struct Found {
    origin: Origin,
    /// The `Host` of requests to it.
    host: HeaderValue,
    /// A connection that is open, if there is one.
    pub(super) link: Option<Link>,
}

/// Connections to one place.
#[derive(Debug)]
struct Shelf {
    origin: Origin,
    /// The `Host` of requests to it.
    host: HeaderValue,
    /// The latest last: it is used first.
    idle: VecDeque<(Link, Instant)>,
}

/// Every place.
#[derive(Debug, Default)]
struct Shelves {
    places: HashMap<Place, Shelf, ahash::RandomState>,
    /// Somebody looks at the unused connections from time to time.
    watched: bool,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Pool {
    connector: HttpsConnector<HttpConnector<Names>>,
    shelves: Mutex<Shelves>,
    /// Told when there is something to watch again.
    watch: Arc<Notify>,
    connect_timeout: Duration,
    idle_timeout: Duration,
    max_idle: usize,
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Who watches it ends with it.
        self.watch.notify_one();
    }
}

impl Pool {
    /// Must be called within a tokio runtime: unused connections are closed in time.
    pub(super) fn new(connector: HttpsConnector<HttpConnector<Names>>, options: &HyperOptions) -> Arc<Self> {
        let HyperOptions { connect_timeout, idle_timeout, max_idle_per_host, .. } = *options;
        let max_idle = if idle_timeout.is_zero() { 0 } else { max_idle_per_host };
        let (shelves, watch) = (Mutex::default(), Arc::new(Notify::new()));
        let pool = Arc::new(Self {
            connector,
            shelves,
            watch: Arc::clone(&watch),
            connect_timeout,
            idle_timeout,
            max_idle,
        });
        tokio::spawn(sweep(Arc::downgrade(&pool), watch, (idle_timeout / 2).clamp(LOOK_LEAST, LOOK)));
        pool
    }

    /// Sends a request over a connection that is open, or a new one.
    pub(super) async fn send(
        self: &Arc<Self>,
        mut request: Box<Request<RequestBody>>,
        progress: Option<&Progress>,
    ) -> Result<Response<Answer>> {
        let place = taken_apart(&mut request)?;
        let found = self.take(&place)?;
        self.ask(found, &place, request, progress).await
    }

    /// Sends it over what was found, or, where that has closed just then, over another.
    pub(super) async fn ask(
        self: &Arc<Self>,
        mut found: Found,
        place: &Place,
        mut request: Box<Request<RequestBody>>,
        progress: Option<&Progress>,
    ) -> Result<Response<Answer>> {
        let sent = |sent: bool| {
            if let Some(progress) = progress {
                progress.set(sent);
            }
        };
        loop {
            let Found { origin, host, link } = found;
            let reused = link.is_some();
            let mut link = match link {
                Some(link) => link,
                // Boxed: most requests find one.
                None => Box::pin(self.connect(place)).await?,
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
                    found = self.take(place)?;
                }
            }
        }
    }

    /// The way to a place, with a connection that is open, if there is one.
    pub(super) fn take(&self, place: &Place) -> Result<Found> {
        loop {
            let (origin, host, idle) = {
                let mut shelves = self.shelves.lock();
                let shelf = match shelves.places.get_mut(place) {
                    Some(shelf) => shelf,
                    None => shelves.places.entry(place.clone()).or_insert(Shelf::new(place)?),
                };
                (Arc::clone(&shelf.origin), shelf.host.clone(), shelf.idle.pop_back())
            };
            let Some((mut link, since)) = idle else { return Ok(Found { origin, host, link: None }) };
            if since.elapsed() < self.idle_timeout && link.is_ready() {
                return Ok(Found { origin, host, link: Some(link) });
            }
        }
    }

    /// Keeps a connection for the next request. Where there are too many, the one that was unused for longest goes.
    pub(super) fn put(&self, origin: &Origin, link: Link) {
        if self.max_idle == 0 {
            return;
        }
        let (surplus, was_watched) = {
            let mut shelves = self.shelves.lock();
            let Some(shelf) = shelves.places.get_mut(&**origin) else { return };
            let surplus = if shelf.idle.len() >= self.max_idle { shelf.idle.pop_front() } else { None };
            shelf.idle.push_back((link, Instant::now()));
            (surplus, std::mem::replace(&mut shelves.watched, true))
        };
        if !was_watched {
            self.watch.notify_one();
        }
        // Closed outside of the lock.
        drop(surplus);
    }

    /// Closes what nobody has needed for so long, and what the other side has closed; whether anything is left.
    fn look(&self, pause: Duration) -> bool {
        // What was used within the pause is in use. The rest is looked at outside of the lock.
        let mut rested = Vec::new();
        for shelf in self.shelves.lock().places.values_mut() {
            let old = shelf.idle.partition_point(|(_, since)| since.elapsed() >= pause);
            if old > 0 {
                rested.push((Arc::clone(&shelf.origin), shelf.idle.drain(..old).collect::<Vec<_>>()));
            }
        }
        for (_, links) in &mut rested {
            links.retain_mut(|(link, since)| since.elapsed() < self.idle_timeout && link.is_ready());
        }
        let mut surplus = Vec::new();
        let mut shelves = self.shelves.lock();
        for (origin, links) in rested {
            let Some(shelf) = shelves.places.get_mut(&*origin) else { continue };
            for kept in links.into_iter().rev() {
                if shelf.idle.len() < self.max_idle {
                    shelf.idle.push_front(kept);
                } else {
                    surplus.push(kept);
                }
            }
        }
        shelves.watched = shelves.places.values().any(|shelf| !shelf.idle.is_empty());
        let watched = shelves.watched;
        drop(shelves);
        drop(surplus);
        watched
    }

    /// A new connection: its name looked up, opened, and its TLS agreed on, all in the time that this may take.
    async fn connect(&self, place: &Place) -> Result<Link> {
        let opened = match tokio::time::timeout(self.connect_timeout, self.open(place)).await {
            Ok(opened) => opened,
            Err(_) => Err(format!("no connection within {} s", self.connect_timeout.as_secs_f32()).into()),
        };
        opened.map_err(|cause| failed("could not connect to the upstream", Unsent(cause)))
    }

    /// A new connection for another protocol than HTTP.
    pub(super) async fn open_to(&self, uri: &Uri) -> Result<Box<dyn Duplex>> {
        let place = match (uri.scheme(), uri.authority()) {
            (Some(scheme), Some(authority)) => Place { scheme: scheme.clone(), authority: authority.clone() },
            _ => {
                return Err(ApiError::new(
                    ErrorKind::Internal,
                    "a request without the address of an upstream",
                ));
            }
        };
        let opened = match tokio::time::timeout(self.connect_timeout, self.io(&place)).await {
            Ok(opened) => opened,
            Err(_) => Err(format!("no connection within {} s", self.connect_timeout.as_secs_f32()).into()),
        };
        let io = opened.map_err(|cause| failed("could not connect to the upstream", Unsent(cause)))?;
        Ok(Box::new(TokioIo::new(io)))
    }

    async fn open(&self, place: &Place) -> Result<Link, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Link::new(self.io(place).await?).await?)
    }

    async fn io(&self, place: &Place) -> Result<Io, Box<dyn std::error::Error + Send + Sync>> {
        let Place { scheme, authority } = place;
        let uri =
            Uri::builder().scheme(scheme.clone()).authority(authority.clone()).path_and_query("/").build()?;
        let mut connector = self.connector.clone();
        poll_fn(|cx| connector.poll_ready(cx)).await?;
        connector.call(uri).await
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
        Ok(Self { origin: Arc::new(place.clone()), host, idle: VecDeque::new() })
    }
}

/// Where a request goes. What is left in it is what is sent there.
pub(super) fn taken_apart(request: &mut Request<RequestBody>) -> Result<Place> {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    let (Some(scheme), Some(authority)) = (parts.scheme.take(), parts.authority.take()) else {
        return Err(ApiError::new(ErrorKind::Internal, "a request without the address of an upstream"));
    };
    let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(path);
    Ok(Place { scheme, authority })
}

/// Looks after the connections that nobody uses, while there are any.
async fn sweep(pool: Weak<Pool>, watch: Arc<Notify>, pause: Duration) {
    loop {
        watch.notified().await;
        loop {
            tokio::time::sleep(pause).await;
            let Some(pool) = pool.upgrade() else { return };
            // Each look would count against what a task may do at once, and many would see nothing.
            let look = tokio::task::unconstrained(poll_fn(|_| Poll::Ready(pool.look(pause))));
            if !look.await {
                break;
            }
        }
    }
}
