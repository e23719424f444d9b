//! A whole gateway in this process, and upstreams that pretend to be every provider.
//!
//! Targets keep their real addresses (`https://api.openai.com/v1/…`), so that the table's base URLs and
//! the rules that depend on a host are at work. The transport notes where a call was meant to go and takes
//! it to the upstream of the moment instead.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use llm_config::{Config, Deployment, Model};
use llm_gateway::{Books, Gateway, ServeOptions, assemble, serve};
use llm_governance::{Basis, UsageRow};
use llm_providers::transport::{ByteStream, Duplex, HyperOptions, HyperTransport, RequestBody, Transport};
use llm_testkit::Recording;
use llm_types::{Result, Secret};
use serde_json::Value;

use crate::front::{CHAT, Front, MODEL};
use crate::provider::{deployment_for, rows, rows_for};

/// How long any one exchange may take: far more than it needs, and less than a test runner waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// The key that every deployment has.
pub(crate) const KEY: &str = "key-of-the-lab";

/// A running gateway whose calls all end at one upstream.
pub(crate) struct Lab {
    gateway: Arc<Gateway>,
    addr: SocketAddr,
    detour: Arc<Detour>,
    book: Arc<Book>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What a client got.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether the body ended as HTTP wants it.
    pub(crate) whole: bool,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Lab {
    /// Starts a gateway without models.
    pub(crate) async fn start() -> Self {
        let transport = HyperTransport::new(&HyperOptions::default()).unwrap();
        let detour = Arc::new(Detour { transport, state: Mutex::default() });
        let snapshot = assemble::snapshot(&Config::from_models(["mock/echo"]), |_| None, None).unwrap();
        let book = Arc::new(Book::default());
        let gateway = Gateway::new(snapshot, Arc::clone(&detour) as Arc<dyn Transport>);
        let gateway = Arc::new(gateway.with_books(Arc::clone(&book) as Arc<dyn Books>));
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let options = ServeOptions {
            max_connections: 64,
            header_timeout: PATIENCE,
            idle_timeout: PATIENCE,
            drain_timeout: Duration::from_secs(1),
        };
        let served = Arc::clone(&gateway);
        tokio::spawn(async move { serve(listener, None, served, &options, std::future::pending()).await });
        Self { gateway, addr, detour, book, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// Puts the deployment that called what a recording called in place.
    pub(crate) fn deploy_for(&self, recording: &Recording, upstream: SocketAddr) {
        let config = Config { providers: rows_for(recording), ..Config::default() };
        self.install(config, deployment_for(recording), upstream);
    }

    /// Puts a model in place that is called by one wire API, whatever its client speaks.
    pub(crate) fn deploy_as(&self, operation: &str, model: &str, upstream: SocketAddr) {
        let deployment = deployment(model);
        let config = Config { providers: rows(operation, &deployment), ..Config::default() };
        self.install(config, deployment, upstream);
    }

    /// The same for a whole deployment.
    pub(crate) fn deploy_in(&self, operation: &str, deployment: Deployment, upstream: SocketAddr) {
        let config = Config { providers: rows(operation, &deployment), ..Config::default() };
        self.install(config, deployment, upstream);
    }

    /// Puts one deployment in place, under the model name `m`, and leads all its calls to `upstream`.
    pub(crate) fn deploy(&self, deployment: Deployment, upstream: SocketAddr) {
        self.install(Config::default(), deployment, upstream);
    }

    /// The same in a configuration of its own.
    pub(crate) fn install(&self, mut config: Config, deployment: Deployment, upstream: SocketAddr) {
        config.router.retries = 0;
        config.models = vec![Model { deployments: vec![deployment], ..Model::new(MODEL) }];
        self.gateway.replace(assemble::snapshot(&config, |_| None, None).unwrap());
        *self.detour.state.lock().unwrap() = State { to: Some(upstream), meant: None };
    }

    /// Sends a chat request.
    pub(crate) async fn chat(&self, body: &Value) -> Answer {
        self.send(CHAT.request(&self.origin(), body, body["stream"] == true)).await
    }

    /// Sends a request to a front, as it is.
    pub(crate) async fn call(&self, front: &Front, body: &Value, stream: bool) -> Answer {
        self.send(front.request(&self.origin(), body, stream)).await
    }

    /// Sends a request to a path.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let request = Request::post(format!("{}{path}", self.origin()))
            .header("content-type", "application/json")
            .body(Full::from(body.to_string()))
            .unwrap();
        self.send(request).await
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Sends any request.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let exchange = async {
            let (head, mut body) = self.client.request(request).await.unwrap().into_parts();
            let (mut bytes, mut whole) = (Vec::new(), true);
            while let Some(frame) = body.frame().await {
                match frame {
                    Ok(frame) => bytes.extend_from_slice(&frame.into_data().unwrap_or_default()),
                    Err(_) => whole = false,
                }
            }
            Answer { status: head.status, headers: head.headers, body: bytes.into(), whole }
        };
        tokio::time::timeout(PATIENCE, exchange).await.expect("the gateway answers in time")
    }

    /// What became of the attempts since the last time.
    pub(crate) fn booked(&self) -> Vec<UsageRow> {
        std::mem::take(&mut self.book.0.lock().unwrap())
    }

    /// The same, waited for until there is something or patience is out: a session is booked when it is over.
    pub(crate) async fn booked_soon(&self) -> Vec<UsageRow> {
        let until = std::time::Instant::now() + PATIENCE;
        loop {
            let rows = self.booked();
            if !rows.is_empty() || std::time::Instant::now() > until {
                return rows;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Where the last call was meant to go.
    pub(crate) fn meant(&self) -> Option<Uri> {
        self.detour.state.lock().unwrap().meant.clone()
    }
}

/// A deployment with a key.
pub(crate) fn deployment(model: impl Into<String>) -> Deployment {
    let mut deployment = Deployment::new(model);
    deployment.id = "lab".into();
    deployment.api_key = Some(Secret::new(KEY));
    deployment
}

/// Keeps what the gateway books.
#[derive(Debug, Default)]
struct Book(Mutex<Vec<UsageRow>>);

impl Books for Book {
    fn book(&self, row: &UsageRow) {
        self.0.lock().unwrap().push(row.clone());
    }
}

/// The usage that a provider reported; `None`: it reported none, and the row holds an estimate.
pub(crate) fn reported(row: &UsageRow) -> Option<&llm_types::Usage> {
    (row.basis == Basis::Reported).then_some(&row.usage)
}

/// Takes every call to one upstream, whatever host it is for.
#[derive(Debug)]
struct Detour {
    transport: HyperTransport,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    to: Option<SocketAddr>,
    meant: Option<Uri>,
}

#[async_trait]
impl Transport for Detour {
    async fn send(&self, mut request: Request<RequestBody>) -> Result<http::Response<ByteStream>> {
        *request.uri_mut() = self.elsewhere(request.uri());
        self.transport.send(request).await
    }

    async fn open(&self, request: &mut Request<RequestBody>) -> Result<Box<dyn Duplex>> {
        let meant = request.uri().clone();
        *request.uri_mut() = self.elsewhere(&meant);
        let opened = self.transport.open(request).await;
        *request.uri_mut() = meant;
        opened
    }
}

impl Detour {
    /// Where a call goes that is meant for `meant`, which is noted.
    fn elsewhere(&self, meant: &Uri) -> Uri {
        let mut state = self.state.lock().unwrap();
        state.meant = Some(meant.clone());
        let to = state.to.expect("an upstream is set before a call");
        let path = meant.path_and_query().map_or("/", |path| path.as_str());
        format!("http://{to}{path}").parse().unwrap()
    }
}
