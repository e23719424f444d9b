//! A key planted in every place that takes one, a run of everything, and a search of all that came out: nothing of any.

mod wide;

use std::path::Path;

use http::Method;
use llm_testkit::canned::{self, IncludeUsage};
use llm_testkit::{End, Issuer, Script, SigningKey, Upstream};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{FAST, Gateway, Options, Reply, chat, llmctl, model, streamed};

const MASTER: &str = "sk-planted-master-1f3c";
/// From the environment.
const ENV: &str = "sk-planted-env-77ab";
/// From a file.
const FILE: &str = "sk-planted-file-83d1";
/// In a deployment's own headers.
const HEADER: &str = "planted-header-90de";
/// In the query of a provider's address.
const QUERY: &str = "planted-query-4c2b";
/// Of a virtual key in the configuration.
const VIRTUAL: &str = "sk-planted-virtual-a-key-of-length";
/// What a client sends that is nobody's.
const WRONG: &str = "sk-planted-of-a-client-5e5e";

/// Everything that came out.
#[derive(Default)]
struct Seen(Vec<(String, Vec<u8>)>);

impl Seen {
    fn add(&mut self, what: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push((what.into(), bytes.into()));
    }

    fn reply(&mut self, what: &str, reply: &Reply) {
        self.add(format!("{what} ({})", reply.status), reply.body.to_vec());
        self.add(format!("{what}: headers"), format!("{:?}", reply.headers));
    }

    fn files(&mut self, dir: &Path) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.files(&path);
            } else {
                self.add(path.display().to_string(), std::fs::read(&path).unwrap());
            }
        }
    }

    fn assert_clean(&self, secrets: &[&str]) {
        for (what, bytes) in &self.0 {
            for secret in secrets {
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "{what} holds {secret}:\n{}", String::from_utf8_lossy(bytes));
            }
        }
    }
}

fn config(upstream: &Upstream, issuer: &Issuer, dirs: (&TempDir, &Path)) -> String {
    let (store, key_file) = dirs;
    let url = upstream.url();
    let deployment = |model: &str, path: &str, more: &str| {
        format!(
            "{{ model = \"{model}\", api_base = \"{url}{path}\", headers = {{ x-secret = \"{HEADER}\" }}, {more} }}"
        )
    };
    let models = [
        model("env", &[deployment("openai/gpt-4o", "/v1", "api_key = \"${PLANTED_KEY}\"")]),
        model(
            "file",
            &[deployment(
                "anthropic/claude-sonnet-4-5",
                "",
                &format!("api_key = \"${{file:{}}}\"", key_file.display()),
            )],
        ),
        model(
            "query",
            // Its address comes from the environment: one with a query is refused in a file.
            &["{ model = \"gemini/gemini-2.5-flash\", api_key = \"${PLANTED_KEY}\" }".to_owned()],
        ),
    ];
    format!(
        "{FAST}[auth]\nmaster_key = \"${{PLANTED_MASTER}}\"\n[[auth.jwt]]\nissuer = \"{}\"\naudiences = [\"gateway\"]\n\
         [telemetry.log]\nlevel = \"trace\"\n[store]\nurl = \"sqlite:{}\"\n\
         [[keys]]\nname = \"ci\"\nkey = \"{VIRTUAL}\"\n{}",
        issuer.url(),
        store.path().join("gateway.db").display(),
        models.join(""),
    )
}

async fn send(gateway: &Gateway, key: &str, (method, path): (Method, &str), body: &Value) -> Option<Reply> {
    let call = gateway.call(method, path).header("authorization", &format!("Bearer {key}"));
    let call = if body.is_null() { call } else { call.header("content-type", "application/json") };
    call.body(if body.is_null() { String::new() } else { body.to_string() }).try_send().await
}

/// What a provider may say that was called with these.
fn scripts(keys: &[&str]) -> Vec<Script> {
    let echo = format!("Incorrect API key provided: {}.", keys.join(", "));
    let refusal =
        json!({"type": "error", "error": {"message": echo, "type": "x", "code": 401, "status": "X"}});
    let mut scripts: Vec<Script> =
        [400, 401, 403, 404, 429, 500].map(|status| Script::status(status).json_body(&refusal)).into();
    let events = canned::openai_stream(4, IncludeUsage::Yes);
    scripts.push(Script::garbage(format!("{}\r\n\r\n", keys.join(" "))));
    scripts.push(Script::sse(events.clone()).then(End::Reset));
    scripts.push(Script::sse(events.into_iter().take(3)).chunk(format!("data: {refusal}\n\n")));
    scripts.push(Script::status(302).header("location", "/elsewhere"));
    scripts
}

async fn ask_everything(gateway: &Gateway, upstream: &Upstream, keys: &[&str], seen: &mut Seen) {
    let native = |model: &str| json!({"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]});
    let calls = [
        ("/v1/chat/completions", chat("env")),
        ("/v1/chat/completions", streamed("env")),
        ("/v1/chat/completions", chat("query")),
        ("/v1/messages", native("file")),
        ("/v1/responses", json!({"model": "env", "input": "Hi"})),
        ("/v1/embeddings", json!({"model": "env", "input": "Hi"})),
        ("/v1/openai/chat/completions", native("gpt-4o")),
        ("/v1/anthropic/v1/messages", native("claude-sonnet-4-5")),
        ("/v1/gemini/v1beta/models/gemini-2.5-flash:generateContent", json!({"contents": []})),
        ("/v1/openai/files?key=sk-planted-of-a-client-5e5e", json!({})),
    ];
    for (nth, (path, body)) in calls.iter().enumerate() {
        let known: &[&str] = match () {
            () if path.contains("gemini") || body["model"] == "query" => &[ENV, QUERY],
            () if path.contains("messages") => &[FILE, HEADER],
            () => &[ENV, HEADER],
        };
        for script in scripts(known) {
            upstream.always(script);
            let key = keys[nth % keys.len()];
            if let Some(reply) = send(gateway, key, (Method::POST, path), body).await {
                seen.reply(path, &reply);
            }
        }
    }
    upstream.always(Script::json(&canned::openai_completion(10)));
    for key in keys {
        let good = send(gateway, key, (Method::POST, "/v1/chat/completions"), &chat("env")).await.unwrap();
        assert_eq!(good.status, 200, "{}", good.text());
        seen.reply("a good answer", &good);
    }
    for path in ["/v1/chat/completions", "/v1/nobody/x", "/v1/realtime?model=env", "/nothing"] {
        let reply = send(gateway, WRONG, (Method::GET, path), &Value::Null).await.unwrap();
        assert!(reply.status >= 400);
        seen.reply(path, &reply);
    }
}

#[tokio::test]
async fn what_is_planted_comes_out_nowhere() {
    let upstream = Upstream::start().unwrap();
    let signing = SigningKey::p256("first");
    let issuer = Issuer::start(&[&signing]);
    let (store, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let key_file = files.path().join("key");
    std::fs::write(&key_file, FILE).unwrap();
    let text = config(&upstream, &issuer, (&store, &key_file));
    let base = format!("{}?token={QUERY}", upstream.url());
    let options = Options::config(text.clone()).env("PLANTED_KEY", ENV).env("PLANTED_MASTER", MASTER);
    let mut gateway = options.env("GEMINI_API_BASE", &base).start();
    let token = signing.token(&issuer.claims("gateway", "ann"));
    let made =
        send(&gateway, MASTER, (Method::POST, "/admin/v1/keys"), &json!({"name": "made"})).await.unwrap();
    let (id, own) =
        (made.json()["id"].as_str().unwrap().to_owned(), made.json()["key"].as_str().unwrap().to_owned());
    let signature = token.rsplit('.').next().unwrap().to_owned();
    let secrets = [MASTER, ENV, FILE, HEADER, QUERY, VIRTUAL, WRONG, &own, &signature];

    let mut seen = Seen::default();
    ask_everything(&gateway, &upstream, &[MASTER, VIRTUAL, &own, &token], &mut seen).await;
    // The planted keys were used.
    let sent = format!("{:?}", upstream.requests());
    for secret in [ENV, FILE, HEADER, QUERY] {
        assert!(sent.contains(secret), "{secret} was never sent");
    }
    for secret in [MASTER, VIRTUAL, WRONG, own.as_str(), signature.as_str()] {
        assert!(!sent.contains(secret), "{secret} was sent to a provider");
    }

    let list =
        send(&gateway, MASTER, (Method::GET, "/admin/v1/requests"), &Value::Null).await.unwrap().json();
    let rows = list["data"].as_array().unwrap().clone();
    assert!(rows.len() > 20, "{list}");
    let mut paths: Vec<String> = [
        "/metrics",
        "/openapi.json",
        "/health",
        "/v1/models",
        "/admin/v1/keys",
        "/admin/v1/config",
        "/admin/v1/deployments",
        "/admin/v1/requests",
        "/admin/v1/audit",
        "/admin/v1/usage?group_by=model",
        "/admin/v1/budgets",
        "/admin/v1/users",
    ]
    .map(str::to_owned)
    .into();
    paths.push(format!("/admin/v1/keys/{id}"));
    for path in &paths {
        let reply = send(&gateway, MASTER, (Method::GET, path), &Value::Null).await.unwrap();
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        seen.reply(path, &reply);
    }
    // Why each went where it went; calls of a provider's own API have nothing to choose and no record.
    let mut records = 0;
    for row in &rows {
        let path = format!("/admin/v1/requests/{}", row["request_id"].as_str().unwrap());
        let reply = send(&gateway, MASTER, (Method::GET, &path), &Value::Null).await.unwrap();
        records += usize::from(reply.status == 200);
        seen.reply(&path, &reply);
    }
    assert!(records > 20, "{records}");

    let path = files.path().join("gateway.toml");
    std::fs::write(&path, &text).unwrap();
    for args in [&["config", "show"][..], &["config", "show", "--json"], &["config", "check"]] {
        let args: Vec<&str> = args.iter().copied().chain([path.to_str().unwrap()]).collect();
        let shown = llmctl(&args).env("PLANTED_KEY", ENV).env("PLANTED_MASTER", MASTER).run();
        seen.add(format!("llmctl {args:?}"), format!("{shown:?}"));
    }
    // Database and journal, while it runs and afterwards.
    seen.files(store.path());
    gateway.signal("TERM");
    gateway.wait_exit();
    seen.files(store.path());
    let logs = gateway.logs();
    assert!(logs.contains("TRACE") && logs.contains("attempt failed"), "{logs}");
    seen.add("stdout and stderr", logs);
    seen.assert_clean(&secrets);
}
