//! A bare reverse proxy: hyper's server, hyper-util's pooled client, nothing in between.
//!
//! The baseline of `cargo xtask bench`. It does what any proxy on this stack must do, and has the same
//! runtime, allocator and socket options as the gateway, so that the ratio shows the gateway's own work.
//! `TOKIO_WORKER_THREADS` sets the number of worker threads, as it does for the gateway.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::Context as _;
use clap::Parser;
use http::header::HOST;
use http::uri::{Authority, Scheme};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{Either, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Args {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
    /// Where every request goes, as `host:port`.
    #[arg(long)]
    upstream: Authority,
}

type Pool = Client<HttpConnector, Incoming>;
type Body = Either<Incoming, Full<Bytes>>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let pool: Pool = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
    let listener = TcpListener::bind(args.listen).await.context("can't listen there")?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (pool, upstream) = (pool.clone(), args.upstream.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| forward(pool.clone(), upstream.clone(), request));
            // A client that breaks off is no event here.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn forward(
    pool: Pool,
    upstream: Authority,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(upstream);
    let reply = match Uri::from_parts(parts) {
        Ok(uri) => {
            *request.uri_mut() = uri;
            request.headers_mut().remove(HOST);
            pool.request(request).await.map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    Ok(match reply {
        Ok(reply) => reply.map(Either::Left),
        Err(error) => {
            let mut reply = Response::new(Either::Right(Full::from(error)));
            *reply.status_mut() = StatusCode::BAD_GATEWAY;
            reply
        }
    })
}
