//! Providers' own APIs behind the gateway's keys: `/v1/{provider}/…`.

use http::Method;
use llm_testkit::canned::{self, IncludeUsage};
use llm_testkit::{End, Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, Options, PROVIDER_KEY, Reply, anthropic, gemini, model, openai};

const MASTER: &str = "sk-master-of-the-tests";

struct Stand {
    gateway: Gateway,
    upstream: Upstream,
}

impl Stand {
    /// A gateway with one deployment at each of three providers, and more of a configuration.
    fn start(more: &str) -> Self {
        let upstream = Upstream::start().unwrap();
        let models = [
            model("smart", &[openai(&upstream)]),
            model("claude", &[anthropic(&upstream)]),
            model("flash", &[gemini(&upstream)]),
        ];
        let models = models.join("");
        let gateway = Gateway::start(&format!("[auth]\nmaster_key = \"{MASTER}\"\n{more}{models}"));
        Self { gateway, upstream }
    }

    async fn send(&self, key: &str, (method, path): (Method, &str), body: &Value) -> Reply {
        let call = self.gateway.call(method, path).header("authorization", &format!("Bearer {key}"));
        let call = if body.is_null() { call } else { call.header("content-type", "application/json") };
        call.body(if body.is_null() { String::new() } else { body.to_string() }).send().await
    }

    async fn post(&self, key: &str, path: &str, body: &Value) -> Reply {
        self.send(key, (Method::POST, path), body).await
    }

    /// A key made by the admin API: its id and the key.
    async fn key(&self, form: Value) -> (String, String) {
        let made = self.post(MASTER, "/admin/v1/keys", &form).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let made = made.json();
        let word = |name: &str| made[name].as_str().unwrap().to_owned();
        (word("id"), word("key"))
    }

    async fn rows(&self, id: &str) -> Vec<Value> {
        let path = format!("/admin/v1/requests?key_id={id}");
        let rows = self.send(MASTER, (Method::GET, &path), &Value::Null).await;
        assert_eq!(rows.status, 200, "{}", rows.text());
        rows.json()["data"].as_array().unwrap().clone()
    }
}

fn ask(model: &str) -> Value {
    json!({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "Hello!"}]})
}

#[tokio::test]
async fn a_call_goes_through_as_it_is_with_our_key() {
    let stand = Stand::start("");
    stand.upstream.always(
        Script::json(&canned::openai_completion(10)).header("x-kept", "yes").header("set-cookie", "a=b"),
    );
    // A member that no dialect knows, and an order that no encoder would write.
    let body = r#"{ "zz": [1, 2],"messages":[], "model" : "gpt-4o" }"#;
    let call = stand.gateway.post("/v1/openai/chat/completions?key=sk-of-a-client&a=b%2Fc");
    let call =
        call.header("authorization", &format!("Bearer {MASTER}")).header("content-type", "application/json");
    let call = call.header("openai-organization", "org-other").header("x-own", "1").header("cookie", "c=d");
    let reply = call.body(body).send().await;
    assert_eq!((reply.status, reply.json()), (200, canned::openai_completion(10)));
    assert_eq!((reply.header("x-kept"), reply.header("set-cookie")), ("yes", ""));
    assert_eq!((reply.header("x-gateway-provider"), reply.header("x-gateway-model")), ("openai", "smart"));
    let sent = stand.upstream.last_request().unwrap();
    assert_eq!((sent.method.as_str(), sent.target.as_str()), ("POST", "/v1/chat/completions?a=b%2Fc"));
    assert_eq!(sent.text(), body);
    let key = format!("Bearer {PROVIDER_KEY}");
    assert_eq!((sent.header("authorization"), sent.header("x-own")), (Some(key.as_str()), Some("1")));
    assert_eq!((sent.header("openai-organization"), sent.header("cookie")), (None, None));

    for (method, path, target) in [
        (Method::GET, "/v1/openai/files?limit=2", "/v1/files?limit=2"),
        (Method::DELETE, "/v1/openai/v1/files/file-1", "/v1/files/file-1"),
        (Method::PUT, "/v1/openai/any/thing", "/v1/any/thing"),
        (Method::PATCH, "/v1/openai/any/thing", "/v1/any/thing"),
        (Method::GET, "/v1/anthropic/v1/models", "/v1/models"),
        (Method::GET, "/v1/gemini/v1beta/files", "/v1beta/files"),
    ] {
        stand.upstream.always(Script::json(&json!({"data": []})));
        let reply = stand.send(MASTER, (method.clone(), path), &Value::Null).await;
        assert_eq!((reply.status, reply.json()), (200, json!({"data": []})), "{path}");
        let sent = stand.upstream.last_request().unwrap();
        assert_eq!((sent.method.as_str(), sent.target.as_str()), (method.as_str(), target), "{path}");
        let keys =
            ["authorization", "x-api-key", "x-goog-api-key"].into_iter().filter_map(|name| sent.header(name));
        let keys: Vec<&str> = keys.collect();
        assert!(keys.len() == 1 && keys[0].ends_with(PROVIDER_KEY), "{path}: {keys:?}");
    }
}

/// A gateway with a model of two deployments that answer.
fn two_of_a_model() -> (Gateway, Upstream, Upstream) {
    let (one, two) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    for upstream in [&one, &two] {
        upstream.always(Script::json(&canned::openai_completion(10)));
    }
    let auth = format!("[auth]\nmaster_key = \"{MASTER}\"\n");
    let gateway = Gateway::start(&format!("{auth}{}", model("smart", &[openai(&one), openai(&two)])));
    (gateway, one, two)
}

#[tokio::test]
async fn a_model_is_called_where_it_is_well_and_nothing_where_it_is_drained() {
    let (gateway, one, two) = two_of_a_model();
    let call = async |method: Method, path: &str, body: String| {
        let call = gateway.call(method, path).header("authorization", &format!("Bearer {MASTER}"));
        let reply = call.header("content-type", "application/json").body(body).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        (one.requests().len(), two.requests().len())
    };
    let chat = async || call(Method::POST, "/v1/openai/chat/completions", ask("gpt-4o").to_string()).await;
    let list = async || call(Method::GET, "/v1/openai/files", String::new()).await;
    assert_eq!((chat().await, list().await), ((1, 0), (2, 0)));
    // It fails where nobody chooses, and cools down: what is kept there is there all the same.
    one.push(Script::status(401).json_body(&json!({"error": {"message": "no"}})));
    while one.queued() > 0 {
        let asked = gateway.post("/v1/chat/completions").header("authorization", &format!("Bearer {MASTER}"));
        assert_eq!(asked.body(crate::harness::chat("smart").to_string()).send().await.status, 200);
    }
    let (ones, twos) = (one.requests().len(), two.requests().len());
    assert_eq!(chat().await, (ones, twos + 1));
    assert_eq!(list().await, (ones + 1, twos + 1));
    call(Method::POST, "/admin/v1/deployments/smart%2F1/drain", String::new()).await;
    assert_eq!(list().await, (ones + 1, twos + 2));
    assert_eq!(chat().await, (ones + 1, twos + 3));
}

#[tokio::test]
async fn what_a_call_of_a_model_meets_there_the_router_knows() {
    let (gateway, one, _two) = two_of_a_model();
    let call = async |method: Method, path: &str, body: String| {
        let call = gateway.call(method, path).header("authorization", &format!("Bearer {MASTER}"));
        call.header("content-type", "application/json").body(body).send().await
    };
    let own = async |path: &str| call(Method::POST, path, ask("gpt-4o").to_string()).await.status;
    let standing = async || {
        let all = call(Method::GET, "/admin/v1/deployments", String::new()).await.json();
        all["data"][0]["state"].as_str().unwrap().to_owned()
    };
    // A path that is not there is the caller's own word.
    one.push(Script::status(404).json_body(&json!({"error": {"message": "no such path"}})));
    assert_eq!((own("/v1/openai/chat/competions").await, standing().await), (404, "closed".to_owned()));
    let limited = json!({"error": {"message": "slow down", "type": "requests"}});
    one.push(Script::status(429).header("retry-after", "600").json_body(&limited));
    assert_eq!(own("/v1/openai/chat/completions").await, 429);
    assert_eq!(standing().await, "open");
    let before = one.requests().len();
    for _ in 0..4 {
        let reply =
            call(Method::POST, "/v1/chat/completions", crate::harness::chat("smart").to_string()).await;
        assert_eq!((reply.status, own("/v1/openai/chat/completions").await), (200, 200));
    }
    assert_eq!(one.requests().len(), before, "it is left alone, however it is asked");
}

#[tokio::test]
async fn streams_and_large_uploads_go_through_as_they_come() {
    let stand = Stand::start("[server]\nmax_body = \"64KiB\"\n[pass_through]\nmax_body = \"2MiB\"\n");
    let events = canned::openai_stream(5, IncludeUsage::Yes);
    stand.upstream.always(Script::sse(events.clone()));
    let mut body = ask("gpt-4o");
    body["stream"] = true.into();
    let reply = stand.post(MASTER, "/v1/openai/chat/completions", &body).await;
    assert_eq!((reply.status, reply.text()), (200, events.concat().as_str()));
    assert_eq!(reply.header("content-type"), "text/event-stream");

    stand.upstream.always(Script::json(&json!({"id": "file-1"})));
    let upload = |size: usize| {
        let call =
            stand.gateway.post("/v1/openai/files").header("authorization", &format!("Bearer {MASTER}"));
        call.header("content-type", "multipart/form-data; boundary=b").body(vec![b'x'; size])
    };
    let reply = upload(1 << 20).send().await;
    assert_eq!((reply.status, reply.json()["id"].as_str()), (200, Some("file-1")));
    let sent = stand.upstream.last_request().unwrap();
    assert_eq!((sent.body.len(), sent.header("content-length")), (1 << 20, Some("1048576")));
    assert_eq!(sent.header("content-type"), Some("multipart/form-data; boundary=b"));
    upload(3 << 20).send().await.error(413).says(&["pass_through.max_body"]);
    let large = json!({"model": "gpt-4o", "input": "x".repeat(70_000)});
    stand.post(MASTER, "/v1/openai/embeddings", &large).await.error(413).says(&["server.max_body"]);
}

#[tokio::test]
async fn what_the_provider_says_is_told_and_nothing_is_followed() {
    let stand = Stand::start("");
    let refusal = json!({"error": {"message": format!("wrong key {PROVIDER_KEY}"), "own": 1}});
    stand.upstream.always(Script::status(401).json_body(&refusal).header("retry-after", "7"));
    let reply = stand.post(MASTER, "/v1/openai/chat/completions", &ask("gpt-4o")).await;
    assert_eq!((reply.status, reply.header("retry-after")), (401, "7"));
    assert_eq!(reply.json(), json!({"error": {"message": "wrong key [redacted]", "own": 1}}));

    stand.upstream.clear();
    stand.upstream.always(Script::status(302).header("location", "/elsewhere"));
    let reply = stand.send(MASTER, (Method::GET, "/v1/openai/files/file-1/content"), &Value::Null).await;
    assert_eq!((reply.status, reply.header("location")), (302, "/elsewhere"));
    assert_eq!(stand.upstream.requests().len(), 1);

    // An answer that breaks off, and one that repeats the key: the client sees that it is not whole.
    let half = Script::json(&canned::openai_completion(1000)).chunked().then(End::Reset);
    for script in [half, Script::json(&json!({"echo": PROVIDER_KEY})).chunked()] {
        stand.upstream.always(script);
        let call = stand
            .gateway
            .post("/v1/openai/chat/completions")
            .header("authorization", &format!("Bearer {MASTER}"));
        let reply =
            call.header("content-type", "application/json").body(ask("gpt-4o").to_string()).try_send().await;
        assert!(reply.is_none(), "{reply:?}");
    }
    assert!(!stand.gateway.logs().contains(PROVIDER_KEY));

    stand
        .send(MASTER, (Method::GET, "/v1/nobody/files"), &Value::Null)
        .await
        .error(404)
        .says(&["no deployment of a provider `nobody`"]);
    let out = stand.send(MASTER, (Method::GET, "/v1/openai/%2e%2e/admin"), &Value::Null).await;
    out.error(400).says(&["leads out"]);
    let reply = stand.post("sk-wrong", "/v1/openai/chat/completions", &ask("gpt-4o")).await;
    reply.error(401);
}

#[tokio::test]
async fn a_key_may_call_what_it_may_call_elsewhere_and_the_rest_where_its_routes_say_so() {
    let stand = Stand::start("");
    stand.upstream.always(Script::json(&canned::openai_completion(10)));
    let (_, plain) = stand.key(json!({"name": "plain"})).await;
    let (_, narrow) = stand.key(json!({"name": "narrow", "models": ["claude"]})).await;
    let (_, files) = stand.key(json!({"name": "files", "routes": ["/v1/openai/files*"]})).await;
    let chat = "/v1/openai/chat/completions";
    assert_eq!(stand.post(&plain, chat, &ask("gpt-4o")).await.status, 200);
    // A model that is not configured, a path that is nobody's front, a model that cannot be read.
    for (path, body) in
        [(chat, ask("gpt-5")), ("/v1/openai/fine_tuning/jobs", ask("gpt-4o")), (chat, json!({}))]
    {
        let error = stand.post(&plain, path, &body).await.error(403);
        assert_eq!(error.code, "route_not_allowed");
        error.says(&[path, "`/v1/openai/*`"]);
    }
    let error = stand.send(&plain, (Method::GET, "/v1/openai/files"), &Value::Null).await.error(403);
    assert_eq!(error.code, "route_not_allowed");
    assert_eq!(stand.send(&files, (Method::GET, "/v1/openai/files"), &Value::Null).await.status, 200);
    assert_eq!(stand.post(&files, chat, &ask("gpt-4o")).await.error(403).code, "route_not_allowed");
    assert_eq!(stand.post(&narrow, chat, &ask("gpt-4o")).await.error(403).code, "model_not_allowed");
    let closed = Stand::start("[pass_through]\nproviders = [\"anthropic\"]\n");
    closed.post(MASTER, chat, &ask("gpt-4o")).await.error(403).says(&["pass_through.providers"]);
    assert_eq!(closed.upstream.requests().len(), 0);
}

#[tokio::test]
async fn calls_are_counted_and_paid() {
    let stand = Stand::start("[pass_through]\nreserve_usd = \"0.40\"\n");
    let everything = json!(["/v1/openai/*", "/v1/anthropic/*"]);
    let budget = json!([{"limit_usd": "1.00", "window": "total", "hard": true}]);
    let form = json!({"name": "paid", "routes": everything, "budgets": budget});
    let (id, key) = stand.key(form).await;
    stand.upstream.always(Script::json(&canned::openai_completion(10)));
    let chat = "/v1/openai/chat/completions";
    assert_eq!(stand.post(&key, chat, &ask("gpt-4o")).await.status, 200);
    stand.upstream.always(Script::sse(canned::anthropic_stream(3)));
    let mut streamed = ask("claude-sonnet-4-5");
    streamed["stream"] = true.into();
    assert_eq!(stand.post(&key, "/v1/anthropic/v1/messages", &streamed).await.status, 200);
    // Nobody knows what this costs: what is configured is reserved, and paid where the answer says nothing.
    stand.upstream.always(Script::json(&json!({"data": [{"url": "https://a.example"}]})));
    let jobs = "/v1/openai/fine_tuning/jobs";
    assert_eq!(stand.post(&key, jobs, &json!({"training_file": "file-1"})).await.status, 200);
    assert_eq!(stand.send(&key, (Method::GET, "/v1/openai/files"), &Value::Null).await.status, 200);
    stand.upstream.always(Script::status(500).json_body(&json!({"error": {"message": "no"}})));
    assert_eq!(stand.post(&key, jobs, &json!({"training_file": "file-1"})).await.status, 500);
    stand.upstream.always(Script::json(&json!({"data": []})));
    assert_eq!(stand.post(&key, jobs, &json!({"training_file": "file-1"})).await.status, 200);
    let sent = stand.upstream.requests().len();
    let error = stand.post(&key, jobs, &json!({"training_file": "file-1"})).await.error(402);
    error.says(&["0.4"]);
    assert_eq!(stand.upstream.requests().len(), sent, "what is not affordable is not sent");
    let rows = stand.rows(&id).await;
    let mut told: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row["model"].as_str().unwrap().to_owned(),
                row["status"].as_u64().unwrap(),
                row["cost_usd"].clone(),
            )
        })
        .collect();
    told.reverse();
    assert_eq!(told.len(), 6, "{rows:?}");
    let (models, costs): (Vec<_>, Vec<_>) =
        told.iter().map(|(model, _, cost)| (model.as_str(), cost)).unzip();
    assert_eq!(models[..3], ["smart", "claude", "openai/*"]);
    let dollars = |cost: &Value| cost.as_str().unwrap().parse::<f64>().unwrap();
    let costs: Vec<f64> = costs.into_iter().map(dollars).collect();
    assert!(costs[0] > 0.0 && costs[1] > 0.0, "{costs:?}");
    let rest: Vec<String> = costs[2..].iter().map(|cost| format!("{cost:.2}")).collect();
    assert_eq!(rest, ["0.40", "0.00", "0.00", "0.40"]);

    // Without anything to reserve a hard budget lets nothing in that has no bound.
    let strict = Stand::start("");
    let (_, key) = strict.key(json!({"name": "paid", "routes": everything, "budgets": budget})).await;
    let error = strict.post(&key, jobs, &json!({"training_file": "file-1"})).await.error(402);
    assert_eq!(error.code, "cost_unbounded");
    assert_eq!(strict.upstream.requests().len(), 0);
}

#[tokio::test]
async fn without_a_configuration_a_provider_with_a_key_is_there() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::openai_completion(10)));
    let gateway = Options::default()
        .env("OPENAI_API_KEY", PROVIDER_KEY)
        .env("OPENAI_BASE_URL", &format!("{}/v1", upstream.url()))
        .start();
    let post = async |path: &str| {
        gateway
            .post(path)
            .header("content-type", "application/json")
            .body(ask("gpt-4o").to_string())
            .send()
            .await
    };
    assert_eq!(post("/v1/openai/chat/completions").await.status, 200);
    assert_eq!(upstream.last_request().unwrap().target, "/v1/chat/completions");
    let reply = post("/v1/anthropic/v1/messages").await;
    assert_eq!(reply.status, 401, "{}", reply.text());
    assert!(reply.text().contains("ANTHROPIC_API_KEY"), "{}", reply.text());
}
