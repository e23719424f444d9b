//! The listener: our own accept loop over hyper, so that timeouts, bounds and draining are in our hands.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::gateway::Gateway;
use crate::linger::lingering;
use crate::patience::{Bounds, Busy, Patience};
use crate::{files, health, jwt, price_map, reload, shared};

/// How long an answer that is cut may take to say so, and background work to end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How the listener behaves.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Connections at once; further ones wait to be accepted.
    pub max_connections: usize,
    /// How long a client may take to send a request's head, from its first byte.
    pub header_timeout: Duration,
    /// How long a connection may be idle before and between requests, and how long a client may take nothing
    /// of an answer.
    pub idle_timeout: Duration,
    /// How long running requests may take to end after a shutdown began.
    pub drain_timeout: Duration,
}

/// Serves connections until `shutdown`, then lets running requests end.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    gateway: Arc<Gateway>,
    options: &ServeOptions,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    reload::watch(&gateway);
    shared::start(&gateway);
    health::start(&gateway);
    gateway.governance().begin(&gateway);
    price_map::start(&gateway);
    jwt::start(&gateway);
    files::inline::start(&gateway);
    let permits = Arc::new(Semaphore::new(options.max_connections));
    let graceful = GracefulShutdown::new();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(options.idle_timeout);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(Duration::from_secs(30)));
    let bounds = Bounds { head: options.header_timeout, idle: options.idle_timeout };
    let mut door = Door { listener, permits, tls, builder, gateway: Arc::clone(&gateway), bounds };
    tokio::select! {
        () = shutdown => {}
        failed = door.open(|| Some(graceful.watcher())) => return failed,
    }
    gateway.begin_drain();
    tracing::info!(timeout = ?options.drain_timeout, "draining: no new requests, running ones go on");
    // Who asks for our health is still told, on a connection for one question.
    door.builder.http1().keep_alive(false);
    tokio::select! {
        () = end_running(&gateway, graceful, options.drain_timeout) => {}
        failed = door.open(|| None) => return failed,
    }
    drop(door);
    // Also of what was made while it drained.
    gateway.jobs().leave();
    shared::close(&gateway);
    #[cfg(feature = "sql")]
    gateway.governance().close().await;
    gateway.tasks().drain(LAST_WORDS).await;
    Ok(())
}

/// Waits until every connection has ended, and ends those that do not in time.
async fn end_running(gateway: &Gateway, graceful: GracefulShutdown, bound: Duration) {
    let mut ended = std::pin::pin!(async {
        graceful.shutdown().await;
        // Their connections are theirs since they switched protocols.
        gateway.sessions().drain(bound.saturating_add(LAST_WORDS)).await;
    });
    if timeout(bound, &mut ended).await.is_err() {
        tracing::warn!("drain_timeout is over: requests that still run are cut");
        gateway.end_running();
        // A client that does not read its last words is left alone.
        let _ = timeout(LAST_WORDS, ended).await;
    }
}

/// Where connections come in.
struct Door {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    tls: Option<TlsAcceptor>,
    builder: auto::Builder<TokioExecutor>,
    gateway: Arc<Gateway>,
    bounds: Bounds,
}

impl Door {
    /// Serves each connection that comes in. A connection with a watcher is waited for at the end.
    ///
    /// Returns when the listener fails for good.
    async fn open(&self, watcher: impl Fn() -> Option<Watcher>) -> io::Result<()> {
        loop {
            let Some((stream, address, permit)) = accept(&self.listener, &self.permits).await? else {
                continue;
            };
            let connection = Connection {
                builder: self.builder.clone(),
                gateway: Arc::clone(&self.gateway),
                address,
                watcher: watcher(),
                permit,
                bounds: self.bounds,
            };
            let tls = self.tls.clone();
            self.gateway.tasks().spawn(async move {
                match tls {
                    None => connection.run(stream).await,
                    Some(tls) => match timeout(connection.bounds.head, tls.accept(stream)).await {
                        Ok(Ok(stream)) => connection.run(stream).await,
                        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                        Err(_) => tracing::debug!("TLS handshake timed out"),
                    },
                }
            });
        }
    }
}

/// The next connection; `None` after a failure that concerns only that connection.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<Option<(TcpStream, IpAddr, OwnedSemaphorePermit)>> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            stream.set_nodelay(true)?;
            Ok(Some((stream, peer.ip(), permit)))
        }
        Err(error) if is_fatal(&error) => Err(error),
        Err(error) => {
            // Out of file descriptors and the like: wait for connections to end.
            tracing::warn!(%error, "could not accept a connection");
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok(None)
        }
    }
}

fn is_fatal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotConnected)
}

struct Connection {
    builder: auto::Builder<TokioExecutor>,
    gateway: Arc<Gateway>,
    /// The other end.
    address: IpAddr,
    /// Waits for the connection at the end; without one nobody does.
    watcher: Option<Watcher>,
    permit: OwnedSemaphorePermit,
    bounds: Bounds,
}

impl Connection {
    async fn run<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let (gateway, address) = (self.gateway, self.address.to_canonical());
        let permit = Arc::new(self.permit);
        let counted = Arc::clone(&permit);
        let busy = Busy::default();
        let stream = Patience::new(stream, busy.clone(), self.bounds);
        let service = service_fn(move |request| {
            let gateway = Arc::clone(&gateway);
            let answering = busy.begin();
            let counted = Arc::clone(&counted);
            let answer = Box::pin(gateway.handle(lingering(request), Some(address)));
            async move { Ok::<_, Infallible>(answer.await.map(|body| body.answering(answering, &counted))) }
        });
        let connection =
            self.builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        let served = match self.watcher {
            Some(watcher) => watcher.watch(connection).await,
            None => connection.await,
        };
        // A client that breaks its connection is not a fault of ours; what it cost is in the request's log.
        if let Err(error) = served {
            tracing::debug!(%error, "connection ended early");
        }
        drop(permit);
    }
}
