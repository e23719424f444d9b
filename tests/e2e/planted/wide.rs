//! The same over every other operation, and with every other kind of secret: keys that sign, tokens that are fetched and
//! what they are fetched with, passwords of the database and of Redis. What a provider repeats comes cut at every byte.

use std::path::Path;

use http::Method;
use llm_testkit::canned::{self, IncludeUsage};
use llm_testkit::player::pieces;
use llm_testkit::{Cut, Postgres, Redis, Script, SigningKey, Upstream};
use serde_json::{Value, json};

use super::{HEADER, MASTER, QUERY, Seen, scripts, send};
use crate::harness::{FAST, Gateway, Options, Reply, model};

const KEY: &str = "sk-planted-wide-31c8";
const AWS_SECRET: &str = "planted/aws+secret/of/forty/characters/x";
const AWS_SESSION: &str = "planted-aws-session-token-0b7e";
const OAUTH: &str = "planted-oauth-secret-6d21";
const DATABASE: &str = "planted-database-password";
const REDIS: &str = "planted-redis-password";
/// What is got for the secret, and for the key of the service account.
const TOKENS: [&str; 2] = ["planted-token-of-entra-9a9a", "planted-token-of-google-c4c4"];
/// How many of the scripts say with their status that they refuse.
const REFUSALS: usize = 6;
const BOUNDARY: &str = "----clientboundary42";

/// The deployments, and what their provider knows of secrets.
const MODELS: [(&str, &[&str]); 5] = [
    ("media", &[KEY, HEADER, QUERY]),
    ("order", &[KEY, HEADER]),
    ("signed", &[AWS_SESSION]),
    ("entra", &[TOKENS[0]]),
    ("google", &[TOKENS[1]]),
];

fn config(
    upstream: &Upstream,
    service_account: &Value,
    (database, redis): (&Postgres, &Redis),
    journal: &Path,
) -> String {
    let url = upstream.url();
    let media = |name: &str| {
        // Its address, with the key in it, comes from the environment.
        format!(
            "{{ model = \"openai/{name}\", api_key = \"{KEY}\", headers = {{ x-secret = \"{HEADER}\" }} }}"
        )
    };
    let aws = format!(
        "aws = {{ access_key_id = \"AKIDEXAMPLE\", secret_access_key = \"{AWS_SECRET}\", session_token = \"{AWS_SESSION}\" }}"
    );
    let oauth = format!("oauth = {{ tenant_id = \"t\", client_id = \"app\", client_secret = \"{OAUTH}\" }}");
    let models = [
        model("media", &[media("*")]).replace("name = \"media\"", "name = \"openai/*\""),
        model(
            "order",
            &[format!(
                "{{ model = \"cohere/rerank-v3.5\", api_base = \"{url}\", api_key = \"{KEY}\", headers = {{ x-secret = \"{HEADER}\" }} }}"
            )],
        ),
        model(
            "signed",
            &[format!(
                "{{ model = \"bedrock/amazon.nova-lite-v1:0\", api_base = \"{url}\", region = \"us-east-1\", {aws} }}"
            )],
        ),
        model(
            "entra",
            &[format!(
                "{{ model = \"azure/d\", api_base = \"{url}\", api_version = \"2025-02-01-preview\", {oauth} }}"
            )],
        ),
        model(
            "google",
            &[format!(
                "{{ model = \"vertex_ai/gemini-2.5-flash\", api_base = \"{url}\", location = \"global\", credentials = '{service_account}' }}"
            )],
        ),
    ];
    let database = database.url().replace("gateway@", &format!("gateway:{DATABASE}@"));
    let redis = redis.url().replace("redis://", &format!("redis://:{REDIS}@"));
    format!(
        "{FAST}[auth]\nmaster_key = \"{MASTER}\"\n[telemetry.log]\nlevel = \"trace\"\n[store]\nurl = \"{database}\"\n\
         journal = \"{}\"\n[redis]\nurl = \"{redis}\"\n{}",
        journal.display(),
        models.concat()
    )
}

/// A form with a file.
fn form(path: &str, fields: &[(&str, &str)]) -> String {
    let name = if path.contains("images") { "image" } else { "file" };
    let file = format!("name=\"{name}\"; filename=\"a.jsonl\"\r\ncontent-type: application/octet-stream");
    let texts = fields.iter().map(|(name, text)| format!("name=\"{name}\"\r\n\r\n{text}"));
    let all = texts.chain([format!("{file}\r\n\r\n{{\"custom_id\":\"a\"}}\n")]);
    let written = all.map(|field| format!("--{BOUNDARY}\r\ncontent-disposition: form-data; {field}\r\n"));
    format!("{}--{BOUNDARY}--\r\n", written.collect::<String>())
}

async fn send_form(gateway: &Gateway, path: &str, fields: &[(&str, &str)]) -> Option<Reply> {
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let call = gateway.post(path).header("authorization", &format!("Bearer {MASTER}"));
    call.header("content-type", &kind).body(form(path, fields)).try_send().await
}

async fn dial(gateway: &Gateway) -> Option<Reply> {
    let call = gateway.call(Method::GET, "/v1/realtime?model=openai/gpt-realtime");
    let call = call.header("authorization", &format!("Bearer {MASTER}")).header("connection", "upgrade");
    let call = call.header("upgrade", "websocket").header("sec-websocket-version", "13");
    call.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==").try_send().await
}

/// What comes in pieces of one byte, so that no piece holds a whole key: an error in a stream, what stands behind its
/// end, and an answer of a provider's own API.
fn in_bytes(keys: &[&str]) -> Vec<Script> {
    let said = keys.join(" and ");
    let error = json!({"error": {"message": format!("a wrong key: {said}."), "type": "x", "code": 401}});
    let cut =
        |script: Script, text: &str| pieces(text, Cut::EveryByte).into_iter().fold(script, Script::chunk);
    let events = canned::openai_stream(4, IncludeUsage::Yes);
    vec![
        cut(Script::sse(events.clone().into_iter().take(3)), &format!("data: {error}\n\n")),
        cut(Script::sse(events), &format!(": {said}\n\ndata: {error}\n\n")),
        cut(Script::status(401).header("content-type", "application/json").chunked(), &error.to_string()),
    ]
}

/// Every operation, and whom it goes to.
fn calls() -> Vec<(&'static str, &'static str, Value)> {
    let turn = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9});
    let streamed = |model: &str| {
        let mut body = turn(model);
        body["stream"] = true.into();
        body
    };
    vec![
        ("media", "/v1/chat/completions", streamed("openai/gpt-4o")),
        ("media", "/v1/completions", json!({"model": "openai/gpt-3.5-turbo-instruct", "prompt": "Once"})),
        ("media", "/v1/audio/speech", json!({"model": "openai/tts-1", "input": "Hi", "voice": "alloy"})),
        ("media", "/v1/images/generations", json!({"model": "openai/gpt-image-1", "prompt": "a dot"})),
        ("media", "/v1/moderations", json!({"model": "openai/omni-moderation-latest", "input": "Hi"})),
        (
            "media",
            "/v1/batches?model=openai%2Fgpt-4o",
            json!({"input_file_id": "file-1", "endpoint": "/v1/chat/completions",
            "completion_window": "24h"}),
        ),
        ("media", "/v1/openai/chat/completions", streamed("gpt-4o")),
        ("order", "/v1/rerank", json!({"model": "order", "query": "q", "documents": ["a", "b"]})),
        ("signed", "/v1/chat/completions", turn("signed")),
        ("signed", "/v1/chat/completions", streamed("signed")),
        ("entra", "/v1/chat/completions", turn("entra")),
        ("entra", "/v1/chat/completions", streamed("entra")),
        ("google", "/v1/chat/completions", turn("google")),
        ("google", "/v1/messages", turn("google")),
    ]
}

async fn ask_everything(gateway: &Gateway, upstream: &Upstream, seen: &mut Seen) {
    let known = |name: &str| MODELS.iter().find(|(model, _)| *model == name).unwrap().1;
    let all = |name: &str| scripts(known(name)).into_iter().chain(in_bytes(known(name)));
    for (name, path, body) in calls() {
        for script in all(name) {
            upstream.always(script);
            if let Some(reply) = send(gateway, MASTER, (Method::POST, path), &body).await {
                seen.reply(path, &reply);
            }
        }
    }
    let forms: [(&str, &[(&str, &str)]); 4] = [
        ("/v1/audio/transcriptions", &[("model", "openai/whisper-1")]),
        ("/v1/audio/translations", &[("model", "openai/whisper-1")]),
        ("/v1/images/edits", &[("model", "openai/gpt-image-1"), ("prompt", "a dot")]),
        ("/v1/files?model=openai%2Fgpt-4o", &[("purpose", "batch")]),
    ];
    for (path, fields) in forms {
        // Any text that comes with a 200 is a transcript: that is an answer, and no answer is looked at.
        let heard = path.contains("/audio/");
        let scripts =
            all("media").enumerate().filter(|(nth, _)| !heard || *nth < REFUSALS).map(|(_, script)| script);
        for script in scripts {
            upstream.always(script);
            if let Some(reply) = send_form(gateway, path, fields).await {
                seen.reply(path, &reply);
            }
        }
    }
    for script in all("media") {
        upstream.always(script);
        for path in ["/v1/files", "/v1/files/file-1/content?model=openai%2Fgpt-4o", "/v1/batches"] {
            if let Some(reply) = send(gateway, MASTER, (Method::GET, path), &Value::Null).await {
                seen.reply(path, &reply);
            }
        }
        if let Some(reply) = dial(gateway).await {
            seen.reply("/v1/realtime", &reply);
        }
    }
}

/// Where the tokens are got.
fn give_tokens(upstream: &Upstream) {
    for (path, token) in ["/t/oauth2/v2.0/token", "/token"].into_iter().zip(TOKENS) {
        upstream.on(path, move |_| Script::json(&json!({"access_token": token, "expires_in": 3599})));
    }
}

#[tokio::test]
async fn every_operation_and_every_kind_of_secret_keeps_to_itself() {
    let upstream = Upstream::start().unwrap();
    give_tokens(&upstream);
    let (database, redis) = (Postgres::start().unwrap(), Redis::start().unwrap());
    let private = SigningKey::rsa("account").pem();
    let account = json!({"type": "service_account", "project_id": "p", "private_key_id": "key-1", "private_key": private,
        "client_email": "gateway@p.iam.gserviceaccount.com", "token_uri": format!("{}/token", upstream.url())});
    let line = private.lines().nth(3).unwrap().to_owned();
    let secrets = [
        MASTER,
        KEY,
        HEADER,
        QUERY,
        AWS_SECRET,
        AWS_SESSION,
        OAUTH,
        DATABASE,
        REDIS,
        &line,
        TOKENS[0],
        TOKENS[1],
    ];

    let journal = tempfile::tempdir().unwrap();
    let options = Options::config(config(&upstream, &account, (&database, &redis), journal.path()));
    let options = options.env("OPENAI_BASE_URL", &format!("{}/v1?token={QUERY}", upstream.url()));
    let mut gateway = options.env("AZURE_AUTHORITY_HOST", &upstream.url()).start();
    let mut seen = Seen::default();
    ask_everything(&gateway, &upstream, &mut seen).await;
    // Everything was asked for, with what is planted: so it can have been repeated.
    let requests = upstream.requests();
    let sent = format!("{requests:?}");
    for secret in [KEY, HEADER, QUERY, AWS_SESSION, OAUTH, TOKENS[0], TOKENS[1]] {
        assert!(sent.contains(secret), "{secret} was never sent");
    }
    let paths = [
        "/audio/transcriptions",
        "/audio/translations",
        "/audio/speech",
        "/images/generations",
        "/images/edits",
        "/rerank",
        "/moderations",
        "/files",
        "/batches",
        "/realtime",
        "/converse",
        ":generateContent",
    ];
    for path in paths {
        assert!(requests.iter().any(|request| request.path().contains(path)), "{path} was never called");
    }
    for secret in [MASTER, AWS_SECRET, DATABASE, REDIS, &line] {
        assert!(!sent.contains(secret), "{secret} was sent to a provider");
    }

    for path in [
        "/metrics",
        "/health",
        "/admin/v1/config",
        "/admin/v1/deployments",
        "/admin/v1/requests",
        "/admin/v1/audit",
    ] {
        let reply = send(&gateway, MASTER, (Method::GET, path), &Value::Null).await.unwrap();
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        seen.reply(path, &reply);
    }
    gateway.signal("TERM");
    gateway.wait_exit();
    let logs = gateway.logs();
    assert!(logs.contains("TRACE") && logs.contains("attempt failed"), "{logs}");
    seen.add("stdout and stderr", logs);
    seen.assert_clean(&secrets);
}
