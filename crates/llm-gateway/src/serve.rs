//! The listener: our own accept loop over hyper, so that timeouts, bounds and draining are in our hands.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

use crate::gateway::Gateway;
use crate::patience::{Bounds, Busy, Patience};

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
    let permits = Arc::new(Semaphore::new(options.max_connections));
    let graceful = GracefulShutdown::new();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(options.idle_timeout);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(Duration::from_secs(30)));
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some((stream, permit)) = accepted? else { continue };
        let connection = Connection {
            builder: builder.clone(),
            gateway: Arc::clone(&gateway),
            watcher: graceful.watcher(),
            permit,
            bounds: Bounds { head: options.header_timeout, idle: options.idle_timeout },
        };
        let tls = tls.clone();
        gateway.tasks().spawn(async move {
            match tls {
                None => connection.run(stream).await,
                Some(tls) => match tokio::time::timeout(connection.bounds.head, tls.accept(stream)).await {
                    Ok(Ok(stream)) => connection.run(stream).await,
                    Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                    Err(_) => tracing::debug!("TLS handshake timed out"),
                },
            }
        });
    }
    drop(listener);
    gateway.begin_drain();
    tracing::info!(timeout = ?options.drain_timeout, "draining: no new connections, running requests go on");
    if tokio::time::timeout(options.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("drain_timeout is over: requests that still run are cut");
        return Ok(());
    }
    gateway.tasks().drain(Duration::from_secs(1)).await;
    Ok(())
}

/// The next connection; `None` after a failure that concerns only that connection.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<Option<(TcpStream, OwnedSemaphorePermit)>> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    match listener.accept().await {
        Ok((stream, _)) => {
            stream.set_nodelay(true)?;
            Ok(Some((stream, permit)))
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
    watcher: Watcher,
    permit: OwnedSemaphorePermit,
    bounds: Bounds,
}

impl Connection {
    async fn run<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let gateway = self.gateway;
        let busy = Busy::default();
        let stream = Patience::new(stream, busy.clone(), self.bounds);
        let service = service_fn(move |request| {
            let gateway = Arc::clone(&gateway);
            let answering = busy.begin();
            let answer = Box::pin(gateway.handle(request));
            async move { Ok::<_, Infallible>(answer.await.map(|body| body.answering(answering))) }
        });
        let connection = self.builder.serve_connection(TokioIo::new(stream), service);
        // A client that breaks its connection is not a fault of ours; what it cost is in the request's log.
        if let Err(error) = self.watcher.watch(connection.into_owned()).await {
            tracing::debug!(%error, "connection ended early");
        }
        drop(self.permit);
    }
}
