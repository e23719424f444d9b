//! Tokens from scripted givers on loopback: got once, renewed in time, refused, broken, slow.

mod client;
mod elsewhere;
mod givers;
mod keep;
mod missing;
mod places;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use llm_testkit::script::Script;
use llm_testkit::upstream::{Received, Upstream};
use llm_types::{ApiError, ErrorKind, Result, Secret, Segments};
use serde_json::{Value, json};

use crate::codec::{Memo, WireRequest};
use crate::table::ProviderTable;
use crate::target::{Target, TargetOptions};
use crate::transport::{RequestBody, ReqwestTransport, Transport, collect};

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where the project's calls go.
const CALL: &str =
    "/v1/projects/p/locations/us-central1/publishers/google/models/gemini-2.5-flash:generateContent";

/// A private key, made for the test.
static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).unwrap());

/// The key in PEM.
fn pem() -> String {
    let der: Pkcs8V1Der<'_> = KEY.as_der().unwrap();
    let text = STANDARD.encode(der.as_ref());
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

/// A service account whose tokens come from `giver`. `name` keeps the tokens of tests apart.
fn account(giver: &str, name: &str) -> Value {
    json!({"type": "service_account", "project_id": "p", "private_key_id": "key-1", "private_key": pem(),
        "client_email": format!("{name}@p.iam.gserviceaccount.com"), "token_uri": format!("{giver}/token")})
}

/// A giver and a provider on one port.
struct World {
    upstream: Upstream,
    transport: Arc<ReqwestTransport>,
}

impl World {
    fn new() -> Self {
        let upstream = Upstream::start().unwrap();
        upstream.on(CALL, |_| Script::json(&json!({"candidates": []})));
        Self { upstream, transport: Arc::new(ReqwestTransport::new().unwrap()) }
    }

    /// Answers the next question.
    fn gives(&self, token: &str, seconds: u64) {
        self.upstream.push_for("/token", gift(token, seconds));
    }

    /// A deployment with a service account of its own.
    fn vertex(&self, name: &str) -> Target {
        let credentials = Some(Secret::new(account(&self.upstream.url(), name).to_string()));
        self.target(
            "vertex_ai/gemini-2.5-flash",
            TargetOptions { credentials, ..TargetOptions::default() },
            &[],
        )
        .unwrap()
    }

    fn target(&self, model: &str, options: TargetOptions, env: &[(&str, &str)]) -> Result<Target> {
        let api_base = options.api_base.clone().or_else(|| Some(self.upstream.url()));
        let options = TargetOptions { model: model.to_owned(), api_base, ..options };
        target(&options, env)
    }

    /// Calls, and says with which token the call arrived.
    async fn call(&self, target: &Target) -> Result<String> {
        let wire = WireRequest {
            method: Method::POST,
            path: "/publishers/google/models/gemini-2.5-flash:generateContent".to_owned(),
            headers: HeaderMap::new(),
            body: Segments::from(b"{}".to_vec()),
            memo: Memo::default(),
        };
        let request = target.request(wire)?.map(RequestBody::from);
        let (head, body) = self.transport.send(request).await?.into_parts();
        collect(body, 1 << 20).await?;
        assert!(head.status.is_success(), "{}", head.status);
        Ok(self.calls().last().unwrap().header(AUTHORIZATION.as_str()).unwrap_or_default().to_owned())
    }

    /// Requests of a path.
    fn at(&self, path: &str) -> Vec<Received> {
        self.upstream.requests().into_iter().filter(|request| request.path() == path).collect()
    }

    fn questions(&self) -> Vec<Received> {
        self.at("/token")
    }

    fn calls(&self) -> Vec<Received> {
        self.at(CALL)
    }
}

fn gift(token: &str, seconds: u64) -> Script {
    Script::json(&json!({"access_token": token, "expires_in": seconds, "token_type": "Bearer"}))
}

fn target(options: &TargetOptions, env: &[(&str, &str)]) -> Result<Target> {
    let env: HashMap<String, String> =
        env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Target::new(options, ProviderTable::builtin(), &move |name| env.get(name).cloned())
}

/// The members of a form.
fn form(request: &Received) -> HashMap<String, String> {
    let text = request.text();
    text.split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), unescaped(value))
        })
        .collect()
}

fn unescaped(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits: Vec<u8> = bytes.by_ref().take(2).collect();
            out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).unwrap()
}

/// Waits until something is so.
async fn until(mut is: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it comes to be so");
}

fn check_error(error: &ApiError, kind: ErrorKind, holds: &[&str], lacks: &[&str]) {
    assert_eq!(error.kind, kind, "{error}");
    let shown = format!("{error} {error:?}");
    for text in holds {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    for text in lacks {
        assert!(!shown.contains(text), "{text}: {shown}");
    }
}
