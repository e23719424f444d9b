//! One running gateway: what outlives a configuration, and the way every request takes into it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use llm_providers::codec::{Kept, ServerCodec};
use llm_providers::dialect::{self, openai_chat};
use llm_providers::transport::Transport;
use llm_types::{ApiError, ErrorKind, Result};
use tokio::sync::{Semaphore, watch};

use crate::auth::Auth;
use crate::body::ClientBody;
use crate::cors;
use crate::dispatch::MOST_LATER;
use crate::files::Jobs;
use crate::front::{Front, Named, Route, route, shape};
use crate::governance::{Books, Configured, Governance, refused};
use crate::health::Checks;
use crate::intake::BodyMemory;
use crate::kept::Lookup;
use crate::reload::{ConfigFile, Loaded, ReloadError, Reloaded, Reloads};
use crate::respond::Failed;
use crate::snapshot::Snapshot;
use crate::stop::Stop;
use crate::tasks::Tasks;
use crate::{admin, files, models, pipeline, realtime, reload, respond, through};

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    snapshot: ArcSwap<Snapshot>,
    transport: Arc<dyn Transport>,
    governance: Arc<Governance>,
    tasks: Tasks,
    memory: BodyMemory,
    in_flight: Arc<AtomicUsize>,
    draining: AtomicBool,
    /// Sessions of other protocols than HTTP.
    sessions: Tasks,
    /// Tells them that the gateway drains.
    closing: Stop,
    stop: Stop,
    reloads: Reloads,
    checks: Checks,
    jobs: Jobs,
    /// Places for whoever waits for an answer that is made in the background.
    later: Arc<Semaphore>,
    /// Tells of each snapshot that is put in place.
    replaced: watch::Sender<()>,
}

/// What is known of a request before anybody looks at it.
struct Came {
    address: Option<IpAddr>,
    snapshot: Arc<Snapshot>,
    request_id: Arc<str>,
    started: Instant,
}

/// Counts a request as running until its answer is sent.
#[derive(Debug)]
pub(crate) struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Gateway {
    /// A gateway that serves what `snapshot` says over `transport`.
    #[must_use]
    pub fn new(snapshot: Snapshot, transport: Arc<dyn Transport>) -> Self {
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            transport,
            governance: Arc::default(),
            tasks: Tasks::default(),
            memory: BodyMemory::default(),
            in_flight: Arc::default(),
            draining: AtomicBool::new(false),
            sessions: Tasks::default(),
            closing: Stop::default(),
            stop: Stop::default(),
            reloads: Reloads::default(),
            checks: Checks::default(),
            jobs: Jobs::default(),
            later: Arc::new(Semaphore::new(MOST_LATER)),
            replaced: watch::Sender::new(()),
        }
    }

    /// Says where the configuration came from: [`crate::serve`] then watches that file, and
    /// [`Gateway::reload`] reads it again.
    #[must_use]
    pub fn with_file(mut self, file: ConfigFile, loaded: Loaded) -> Self {
        self.reloads = Reloads::of(file, loaded);
        self
    }

    /// Reads the configuration file again and puts it in place. `cause` is for the log, which also tells what
    /// came of it.
    ///
    /// # Errors
    /// Why the old configuration stays in place.
    pub async fn reload(self: &Arc<Self>, cause: &str) -> Result<Reloaded, ReloadError> {
        reload::reload(self, reload::Cause { what: cause, by: "gateway" }).await
    }

    /// Starts a task that goes on until the gateway drains.
    pub fn background(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.background(task);
    }

    /// Keeps keys, budgets and usage in the store that a configuration names, if it names one; before the first
    /// request.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub async fn with_store(mut self, config: &llm_config::Config) -> Result<Self> {
        let Some(store) = &config.store else { return Ok(self) };
        #[cfg(feature = "sql")]
        {
            self.governance = Arc::new(Governance::open(store, config.server.request_timeout).await?);
            Ok(self)
        }
        #[cfg(not(feature = "sql"))]
        {
            let _ = (&mut self, store);
            Err(ApiError::bad_request(
                "[store]: this build has no databases: build it with the feature `sql`",
            ))
        }
    }

    /// Has somebody told of each attempt; before the first request.
    #[must_use]
    pub fn with_books(mut self, books: Arc<dyn Books>) -> Self {
        if let Some(governance) = Arc::get_mut(&mut self.governance) {
            governance.tell(books);
        }
        self
    }

    /// Puts the keys, groups and budgets of a configuration in the place of those of the one before.
    ///
    /// # Errors
    /// When two keys have one secret. Nothing is changed then.
    pub fn configure(&self, config: &llm_config::Config) -> Result<()> {
        let configured = Configured::of(config).map_err(refused)?;
        self.governance.registry().configure(configured).map_err(refused)
    }

    /// Puts another configuration in place. Running requests keep theirs.
    pub fn replace(&self, snapshot: Snapshot) {
        self.checks.keep_only(&snapshot);
        self.snapshot.store(Arc::new(snapshot));
        self.replaced.send_replace(());
    }

    /// From now on `/health/ready` says no, and no request to a model is taken.
    pub fn begin_drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.closing.tell();
        self.tasks.stop();
        self.jobs.leave();
    }

    /// Ends the requests that still run: with an error, or an error event where the answer has begun.
    pub fn end_running(&self) {
        self.stop.tell();
        self.jobs.leave();
    }

    /// How sharing with other gateways is; `None`: nothing is shared.
    #[must_use]
    pub fn sharing(&self) -> Option<llm_store::Status> {
        self.snapshot.load().shared.as_ref().map(|shared| shared.status())
    }

    /// What is in place at this moment.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Wakes when another snapshot is put in place.
    pub(crate) fn replaced(&self) -> watch::Receiver<()> {
        self.replaced.subscribe()
    }

    pub(crate) fn reloads(&self) -> &Reloads {
        &self.reloads
    }

    pub(crate) fn checks(&self) -> &Checks {
        &self.checks
    }

    /// Batches whose money is not booked yet.
    pub(crate) fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    pub(crate) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Told when the gateway drains.
    pub(crate) fn closing(&self) -> &Stop {
        &self.closing
    }

    /// Sessions of other protocols than HTTP, which a shutdown waits for.
    pub(crate) fn sessions(&self) -> &Tasks {
        &self.sessions
    }

    pub(crate) fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    /// Keys, budgets and limits.
    pub(crate) fn governance(&self) -> &Arc<Governance> {
        &self.governance
    }

    /// What somebody who calls from there is held against.
    pub(crate) fn auth<'a>(&'a self, snapshot: &'a Snapshot, address: Option<IpAddr>) -> Auth<'a> {
        Auth {
            master: snapshot.master_key.as_ref(),
            issuers: snapshot.issuers.as_deref(),
            governance: &self.governance,
            address,
        }
    }

    /// Places for whoever waits for an answer that is made in the background.
    pub(crate) fn later(&self) -> &Arc<Semaphore> {
        &self.later
    }

    pub(crate) fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    pub(crate) fn memory(&self) -> &BodyMemory {
        &self.memory
    }

    /// Counts a request in.
    ///
    /// # Errors
    /// 503 when as many are running as may (`server.max_in_flight`), and while the gateway stops.
    pub(crate) fn enter(&self, limit: usize) -> Result<Running> {
        if self.draining.load(Ordering::Acquire) {
            let message = "the gateway is stopping and takes no more requests: ask again";
            let mut error = ApiError::new(ErrorKind::Unavailable, message);
            error.retry_after = Some(Duration::from_secs(1));
            return Err(error);
        }
        let before = self.in_flight.fetch_add(1, Ordering::AcqRel);
        let running = Running(Arc::clone(&self.in_flight));
        if limit > 0 && before >= limit {
            let message = "the gateway has as many requests as it may: try again in a moment";
            let mut error = ApiError::new(ErrorKind::Unavailable, message);
            error.retry_after = Some(Duration::from_secs(1));
            return Err(error);
        }
        Ok(running)
    }

    /// Answers one request, whatever it is. `address` is who brought it, where that is known: whoever sent it, or a
    /// proxy.
    pub fn handle<B>(
        self: Arc<Self>,
        request: Request<B>,
        address: Option<IpAddr>,
    ) -> impl Future<Output = Response<ClientBody>>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        // Boxed: every step on its way would have a place for it otherwise.
        self.answer(Box::new(request), address)
    }

    async fn answer<B>(
        self: Arc<Self>,
        request: Box<Request<B>>,
        address: Option<IpAddr>,
    ) -> Response<ClientBody>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let started = Instant::now();
        let snapshot = self.snapshot.load_full();
        let address = address.map(|peer| snapshot.proxies.origin(peer, request.headers()));
        let request_id: Arc<str> = uuid::Uuid::now_v7().simple().to_string().into();
        let allow = cors::allowed(&snapshot.cors, request.headers());
        if let Some(mut preflight) = cors::preflight(&request, allow.as_ref()) {
            cors::write(&snapshot.cors, preflight.headers_mut(), allow);
            return preflight;
        }
        let mut front: &'static dyn ServerCodec = &openai_chat::Server;
        let authenticated = async |request: &Request<B>| {
            self.auth(&snapshot, address).check(request.headers(), request.uri().query()).await
        };
        let came = || Came {
            address,
            snapshot: Arc::clone(&snapshot),
            request_id: Arc::clone(&request_id),
            started,
        };
        let answer = match route(request.method(), request.uri().path()) {
            Err(refused) => {
                if let Some(codec) = refused.front.and_then(|row| row.codec().ok()) {
                    front = codec;
                }
                authenticated(&request).await.map_err(Failed::from).and(Err(refused.into()))
            }
            Ok(Route::Live) => Ok(respond::json(StatusCode::OK, r#"{"status":"ok"}"#)),
            Ok(Route::Ready) => Ok(self.ready()),
            Ok(Route::Admin) => Box::pin(admin::run(&self, &snapshot, *request, address)).await,
            Ok(Route::Models(path)) => {
                front = dialect::server(shape(path, request.headers())).unwrap_or(front);
                let who = authenticated(&request).await;
                who.map(|who| models::list(&snapshot, front, &who)).map_err(Failed::from)
            }
            Ok(Route::Model(path, id)) => {
                front = dialect::server(shape(path, request.headers())).unwrap_or(front);
                let who = authenticated(&request).await;
                who.and_then(|who| models::get(&snapshot, &id, front, &who)).map_err(Failed::from)
            }
            Ok(Route::Kept(row, kept)) => match row.codec() {
                Err(error) => Err(error.into()),
                Ok(codec) => {
                    front = codec;
                    let lookup = self.lookup(came(), (row, codec, kept));
                    Box::pin(lookup.run(&request)).await
                }
            },
            Ok(Route::Files(ask)) => Box::pin(self.files(came(), ask, *request)).await,
            Ok(Route::Realtime) => Box::pin(self.realtime(came(), *request)).await,
            Ok(Route::Through(provider, path)) => {
                if let Some(codec) = crate::front::like(path).and_then(|(row, _)| row.codec().ok()) {
                    front = codec;
                }
                let (provider, path) = (provider.to_owned(), path.to_owned());
                Box::pin(self.through(came(), (provider, path), *request)).await
            }
            Ok(Route::Inference(row, named)) => match row.codec() {
                Err(error) => Err(error.into()),
                Ok(codec) => {
                    front = codec;
                    let arrival = self.arrival(came(), (row, codec, named));
                    pipeline::run(arrival, request).await
                }
            },
        };
        let mut response = answer.unwrap_or_else(|mut failed| {
            failed.error.request_id = Some(request_id.to_string());
            let error = &failed.error;
            tracing::warn!(request_id = &*request_id, kind = ?error.kind, %error, "request failed");
            let mut response = respond::error(error, front);
            failed.write(response.headers_mut());
            response
        });
        respond::write_request_id(response.headers_mut(), &request_id, front);
        cors::write(&snapshot.cors, response.headers_mut(), allow);
        response
    }

    fn lookup(
        self: &Arc<Self>,
        Came { address, snapshot, request_id, started }: Came,
        (front, codec, kept): (&'static Front, &'static dyn ServerCodec, Kept),
    ) -> Lookup {
        Lookup { gateway: Arc::clone(self), address, snapshot, front, codec, kept, request_id, started }
    }

    fn arrival(
        self: &Arc<Self>,
        Came { address, snapshot, request_id, started }: Came,
        (front, codec, named): (&'static Front, &'static dyn ServerCodec, Named<'_>),
    ) -> pipeline::Arrival {
        let Named { model, stream } = named;
        let (gateway, model) = (Arc::clone(self), model.map(Cow::into_owned));
        pipeline::Arrival { gateway, address, snapshot, front, codec, model, stream, request_id, started }
    }

    async fn realtime<B: Send>(
        self: &Arc<Self>,
        Came { address, snapshot, request_id, started }: Came,
        request: Request<B>,
    ) -> Result<Response<ClientBody>, Failed> {
        let gateway = Arc::clone(self);
        realtime::Visit { gateway, address, snapshot, request_id, started }.run(request).await
    }

    async fn files<B>(
        self: &Arc<Self>,
        Came { address, snapshot, request_id, started }: Came,
        ask: files::Ask,
        request: Request<B>,
    ) -> Result<Response<ClientBody>, Failed>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let gateway = Arc::clone(self);
        files::Visit { gateway, address, snapshot, request_id, started }.run(ask, request).await
    }

    async fn through<B>(
        self: &Arc<Self>,
        Came { address, snapshot, request_id, started }: Came,
        (provider, path): (String, String),
        request: Request<B>,
    ) -> Result<Response<ClientBody>, Failed>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let gateway = Arc::clone(self);
        through::Visit { gateway, address, snapshot, provider, path, request_id, started }.run(request).await
    }

    fn ready(&self) -> Response<ClientBody> {
        if self.draining.load(Ordering::Acquire) {
            return respond::json(StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"draining"}"#);
        }
        if self.governance.trouble().is_some() {
            // Requests go on, and what they cost is kept as far as it goes.
            return respond::json(StatusCode::OK, r#"{"status":"ok","store":"degraded: see GET /health"}"#);
        }
        if self.reloads.state().is_some_and(|state| state.refused.is_some()) {
            // It serves what it served before. Why is not for everybody: no key is asked for here.
            let body = r#"{"status":"ok","config":"the newest one was refused: see the log or GET /admin/v1/config"}"#;
            return respond::json(StatusCode::OK, body);
        }
        respond::json(StatusCode::OK, r#"{"status":"ok"}"#)
    }
}
