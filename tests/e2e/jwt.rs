//! Tokens of an issuer in the place of keys: whose they are, how long they are good, and what happens when the issuer's
//! keys change or the issuer is away.

use std::net::SocketAddr;

use http::Method;
use llm_testkit::issuer::seconds_from_now;
use llm_testkit::{Issuer, Script, SigningKey, Upstream, canned};
use serde_json::{Value, json};

use crate::harness::{Gateway, Reply, chat, model, openai};

const MASTER: &str = "Bearer sk-master-of-the-tests";
const KEY: &str = "a-key-of-twenty-characters";

/// A gateway that takes the tokens of an issuer.
struct Stand {
    gateway: Gateway,
    issuer: Issuer,
    key: SigningKey,
    upstream: Upstream,
}

/// The configuration with these members of `[[auth.jwt]]`, and these tables.
fn config(upstream: &Upstream, issuer: &str, jwt: &str, more: &str) -> String {
    let models = [model("smart", &[openai(upstream)]), model("cheap", &[openai(upstream)])].join("");
    format!(
        "[auth]\nmaster_key = \"sk-master-of-the-tests\"\n\
         [[auth.jwt]]\nissuer = \"{issuer}\"\naudiences = [\"gateway\"]\n{jwt}\n\
         [[keys]]\nname = \"ci\"\nkey = \"{KEY}\"\n{more}{models}"
    )
}

fn answering() -> Upstream {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::openai_completion(10)));
    upstream
}

impl Stand {
    fn start(jwt: &str, more: &str) -> Self {
        let key = SigningKey::p256("first");
        let issuer = Issuer::start(&[&key]);
        let upstream = answering();
        let gateway = Gateway::start(&config(&upstream, &issuer.url(), jwt, more));
        Self { gateway, issuer, key, upstream }
    }

    /// A token for this user, with more claims.
    fn token(&self, user: &str, more: Value) -> String {
        let mut claims = self.issuer.claims("gateway", user);
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.key.token(&claims)
    }

    async fn ask(&self, token: &str, model: &str) -> Reply {
        ask(&self.gateway, token, model).await
    }

    async fn models(&self, token: &str) -> Reply {
        let bearer = format!("Bearer {token}");
        self.gateway.call(Method::GET, "/v1/models").header("authorization", &bearer).send().await
    }

    async fn admin(&self, method: Method, path: &str, body: &Value) -> Reply {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let call = self.gateway.call(method, &format!("/admin/v1{path}"));
        let reply = call.header("authorization", MASTER).body(body).send().await;
        assert!(reply.status < 300, "{path}: {}", reply.text());
        reply
    }
}

async fn ask(gateway: &Gateway, token: &str, model: &str) -> Reply {
    let call = gateway.post("/v1/chat/completions").header("authorization", &format!("Bearer {token}"));
    call.body(chat(model).to_string()).send().await
}

#[tokio::test]
async fn a_token_is_as_good_as_a_key_and_is_checked_once() {
    let stand = Stand::start("", "");
    let token = stand.token("ann", json!({}));
    for _ in 0..3 {
        assert_eq!(stand.ask(&token, "smart").await.status, 200);
    }
    // Where a client puts keys there may be a token, and keys stay good beside it.
    for name in ["x-api-key", "api-key", "x-goog-api-key"] {
        let reply = stand.gateway.call(Method::GET, "/v1/models").header(name, &token).send().await;
        assert_eq!(reply.status, 200, "{name}");
    }
    assert_eq!(stand.ask(KEY, "smart").await.status, 200);
    assert_eq!(stand.issuer.asked(), 1);
    assert!(
        stand
            .upstream
            .requests()
            .iter()
            .all(|request| { request.header("authorization").is_none_or(|value| !value.contains(&token)) })
    );
    // What they use is booked under their name.
    let usage = stand.admin(Method::GET, "/usage?group_by=user", &Value::Null).await.json();
    let row = usage["data"].as_array().unwrap().iter().find(|row| row["group"]["user"] == "ann").cloned();
    assert_eq!(row.unwrap_or_else(|| panic!("{usage}"))["requests"], 3);
    let health = stand.gateway.call(Method::GET, "/health").header("authorization", MASTER).send().await;
    let issuers = health.json()["issuers"].clone();
    assert_eq!((&issuers[0]["keys"], &issuers[0]["error"]), (&json!(1), &Value::Null), "{issuers}");
    let signature = token.rsplit('.').next().unwrap();
    assert!(!stand.gateway.logs().contains(signature));
}

#[tokio::test]
async fn bad_tokens_are_refused_in_the_clients_shape_and_told_nothing() {
    let stand = Stand::start("scopes = [\"llm:call\"]", "");
    let good = json!({"scope": "openid llm:call"});
    assert_eq!(stand.ask(&stand.token("ann", good.clone()), "smart").await.status, 200);
    let other = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        stand.token("ann", claims)
    };
    let mut claims = stand.issuer.claims("gateway", "ann");
    claims["scope"] = good["scope"].clone();
    let (stranger, token) = (SigningKey::p256("first"), stand.key.token(&claims));
    let (head, signature) = token.rsplit_once('.').unwrap();
    let none =
        format!("{}.", llm_testkit::issuer::unsigned(&json!({"alg": "none", "kid": "first"}), &claims));
    let mut told = Vec::new();
    for bad in [
        other("aud", json!("another")),
        other("iss", json!("https://evil.example")),
        other("nbf", json!(seconds_from_now(3600))),
        other("exp", json!("soon")),
        stranger.token(&claims),
        none,
        format!("{head}.{}", signature.chars().rev().collect::<String>()),
        format!("{head}."),
        format!("eyJ{}.e.f", "a".repeat(20_000)),
    ] {
        let error = stand.ask(&bad, "smart").await.error(401);
        assert_eq!(error.code, "invalid_token", "{bad}");
        told.push(error.message);
    }
    assert!(told.iter().all(|message| *message == told[0]), "{told:?}");
    let expired = stand.ask(&other("exp", json!(seconds_from_now(-3600))), "smart").await.error(401);
    assert_eq!(expired.code, "token_expired");
    let scope = stand.ask(&stand.token("ann", json!({})), "smart").await.error(403);
    assert_eq!(scope.code, "insufficient_scope");
    scope.says(&["llm:call"]);
    // Anthropic's clients are told in their words.
    let call = stand.gateway.post("/v1/messages").header("x-api-key", &stranger.token(&claims));
    let reply = call.header("anthropic-version", "2023-06-01").body(chat("smart").to_string()).send().await;
    assert_eq!((reply.status, &reply.json()["type"]), (401, &json!("error")), "{}", reply.text());
    assert_eq!(stand.upstream.requests().len(), 1);
}

#[tokio::test]
async fn an_unknown_key_is_asked_for_once_and_a_key_that_is_gone_is_good_no_longer() {
    let mut stand = Stand::start("", "");
    let old = stand.token("ann", json!({}));
    assert_eq!(stand.ask(&old, "smart").await.status, 200);
    assert_eq!(stand.issuer.asked(), 1);
    let second = SigningKey::rsa("second");
    stand.issuer.publish(&[&second]);
    stand.key = second;
    let token = stand.token("ann", json!({}));
    let asks = (0..8).map(|_| stand.ask(&token, "smart"));
    for reply in futures_util::future::join_all(asks).await {
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    assert_eq!(stand.issuer.asked(), 2);
    // The first key was taken back, although the token would be good for an hour, and was checked before.
    assert_eq!(stand.ask(&old, "smart").await.error(401).code, "invalid_token");
    // Invented keys do not make us ask again and again.
    for nth in 0..20 {
        let invented = SigningKey::ed25519(&format!("invented-{nth}"));
        let token = invented.token(&stand.issuer.claims("gateway", "ann"));
        assert_eq!(stand.ask(&token, "smart").await.error(401).code, "invalid_token");
    }
    assert_eq!(stand.issuer.asked(), 2);
    assert_eq!(stand.ask(&token, "smart").await.status, 200);
}

#[tokio::test]
async fn an_issuer_may_be_away_at_the_start_and_later() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr: SocketAddr = port.local_addr().unwrap();
    drop(port);
    let (upstream, key) = (answering(), SigningKey::ed25519("k"));
    let issuer = format!("http://{addr}");
    let gateway = Gateway::start(&config(&upstream, &issuer, "refresh = \"1s\"", ""));
    let claims = json!({"iss": issuer, "aud": "gateway", "sub": "ann", "exp": seconds_from_now(3600)});
    let token = key.token(&claims);
    let reply = ask(&gateway, &token, "smart").await;
    assert_eq!(reply.error(503).code, "issuer_unavailable");
    assert!(!reply.header("retry-after").is_empty());
    assert_eq!(ask(&gateway, KEY, "smart").await.status, 200);
    gateway.wait_log("the issuer's keys cannot be read: its tokens are refused");
    let trouble = async || {
        let health = gateway.call(Method::GET, "/health").header("authorization", MASTER).send().await;
        health.json()["issuers"][0]["error"].clone()
    };
    assert!(trouble().await.is_string());

    let there = Issuer::over(Upstream::start_at(addr).unwrap(), &[&key]);
    gateway.wait_log("the issuer's keys are read");
    assert_eq!(ask(&gateway, &token, "smart").await.status, 200);
    assert_eq!(trouble().await, Value::Null);
    drop(there);
    gateway.wait_log("the issuer's keys cannot be read: those before stay");
    assert!(trouble().await.is_string());
    // The keys that were good are good, also for a token that was never seen.
    let mut claims = claims;
    claims["sub"] = json!("bob");
    assert_eq!(ask(&gateway, &key.token(&claims), "smart").await.status, 200);
}

#[tokio::test]
async fn a_token_says_what_may_be_called_also_where_nobody_has_a_key() {
    let (upstream, key) = (answering(), SigningKey::p256("first"));
    let issuer = Issuer::start(&[&key]);
    let jwt = "claims = { models = \"llm.models\" }";
    let keyless = config(&upstream, &issuer.url(), jwt, "");
    let gateway =
        Gateway::start(&keyless.replace(&format!("[[keys]]\nname = \"ci\"\nkey = \"{KEY}\"\n"), ""));
    let token = |models: Value| {
        let mut claims = issuer.claims("gateway", "ann");
        claims["llm"] = json!({ "models": models });
        key.token(&claims)
    };
    assert_eq!(ask(&gateway, &token(json!(["ch*"])), "smart").await.error(403).code, "model_not_allowed");
    assert_eq!(upstream.requests().len(), 0);
    assert_eq!(ask(&gateway, &token(json!(["ch*"])), "cheap").await.status, 200);
    assert_eq!(ask(&gateway, &token(json!(["*"])), "smart").await.status, 200);
    let own = gateway
        .post("/v1/openai/chat/completions")
        .header("authorization", &format!("Bearer {}", token(json!(["ch*"]))));
    let reply = own.body(json!({"model": "o3", "messages": []}).to_string()).send().await;
    assert_eq!(reply.error(403).code, "route_not_allowed");
}

#[tokio::test]
async fn a_token_is_under_the_terms_of_its_team_and_user() {
    let jwt = "claims = { team = \"groups\", tags = [\"department\"], models = \"llm.models\" }\n\
               teams = { 8f3c = \"search\" }";
    let team = "[[teams]]\nid = \"search\"\nlimits = { rpm = 2 }\n";
    let stand = Stand::start(jwt, team);
    let more = json!({"groups": ["x", "8f3c"], "department": "it", "llm": {"models": ["ch*"]}});
    let token = stand.token("ann", more.clone());
    let listed = stand.models(&token).await.json();
    assert_eq!((&listed["data"][0]["id"], &listed["data"][1]), (&json!("cheap"), &Value::Null));
    let error = stand.ask(&token, "smart").await.error(403);
    assert_eq!(error.code, "model_not_allowed");
    // Two users of a team share its limit.
    assert_eq!(stand.ask(&token, "cheap").await.status, 200);
    assert_eq!(stand.ask(&stand.token("bob", more.clone()), "cheap").await.status, 200);
    let limited = stand.ask(&token, "cheap").await;
    assert_eq!(limited.error(429).code, "rate_limit_exceeded");
    for by in ["team", "tag"] {
        let usage = stand.admin(Method::GET, &format!("/usage?group_by={by}"), &Value::Null).await.json();
        let name = if by == "team" { "search" } else { "it" };
        let found = usage["data"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["group"][by] == name && row["requests"] == 2);
        assert!(found, "{usage}");
    }
    let lost = stand.token("ann", json!({"groups": ["x"], "llm": {"models": ["*"]}}));
    assert_eq!(stand.ask(&lost, "cheap").await.error(403).code, "unknown_owner");
    let teamless = stand.token("ann", json!({"llm": {"models": ["*"]}}));
    assert_eq!(stand.ask(&teamless, "cheap").await.error(403).code, "claim_not_allowed");
}

#[tokio::test]
async fn a_team_pays_for_its_tokens_until_its_budget_is_gone() {
    let team = "[[teams]]\nid = \"search\"\nbudgets = [{ limit_usd = \"0.002\", window = \"day\" }]\n";
    let stand = Stand::start("claims = { team = \"team\" }", team);
    let priced = openai(&stand.upstream)
        .replace(" }", ", price = { input = 0.0, output = 0.0, per_request = 0.0015 } }");
    let config = config(&stand.upstream, &stand.issuer.url(), "claims = { team = \"team\" }", team);
    stand.gateway.reconfigure(&format!("{config}{}", model("priced", &[priced])));
    let token = stand.token("ann", json!({"team": "search"}));
    assert_eq!(stand.ask(&token, "priced").await.status, 200);
    assert_eq!(
        stand.ask(&stand.token("bob", json!({"team": "search"})), "priced").await.error(402).code,
        "budget_exceeded"
    );
    let shown = stand.admin(Method::GET, "/teams/search", &Value::Null).await.json();
    assert_eq!(shown["spend"]["total_usd"], "0.0015", "{shown}");
    // Nobody who is not of the team is held to it.
    assert_eq!(stand.ask(KEY, "priced").await.status, 200);
}

#[tokio::test]
async fn whoever_is_blocked_is_turned_away_at_once_and_strangers_as_configured() {
    let jwt = "unknown_users = \"make\"\nuser_terms = { limits = { rpm = 3 }, models = [\"smart\"] }\n\
               claims = { name = \"name\", metadata = [\"email\"] }";
    let stand = Stand::start(jwt, "");
    let token = stand.token("ann", json!({"name": "Ann", "email": "ann@example.com"}));
    let asks = (0..3).map(|_| stand.ask(&token, "smart"));
    for reply in futures_util::future::join_all(asks).await {
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let user = stand.admin(Method::GET, "/users/ann", &Value::Null).await.json();
    assert_eq!((&user["name"], &user["metadata"]["email"]), (&json!("Ann"), &json!("ann@example.com")));
    assert_eq!(stand.ask(&token, "smart").await.status, 429);
    assert_eq!(stand.ask(&token, "cheap").await.error(403).code, "model_not_allowed");
    let audit = stand.admin(Method::GET, "/audit", &Value::Null).await.text().to_owned();
    assert_eq!(audit.matches("jwt:http").count(), 1, "{audit}");
    // An operator's terms count from then on, and a block.
    stand.admin(Method::PATCH, "/users/ann", &json!({"limits": {"rpm": null}})).await;
    assert_eq!(stand.ask(&token, "smart").await.status, 200);
    stand.admin(Method::POST, "/users/ann/block", &Value::Null).await;
    assert_eq!(stand.ask(&token, "smart").await.error(403).code, "owner_blocked");
    stand.admin(Method::POST, "/users/ann/unblock", &Value::Null).await;
    assert_eq!(stand.ask(&token, "smart").await.status, 200);

    let refuse = config(&stand.upstream, &stand.issuer.url(), "unknown_users = \"refuse\"", "");
    stand.gateway.reconfigure(&refuse);
    assert_eq!(stand.ask(&stand.token("bob", json!({})), "smart").await.error(403).code, "unknown_owner");
    assert_eq!(stand.ask(&token, "smart").await.status, 200);
    // The issuer's keys were kept over the reload.
    assert_eq!(stand.issuer.asked(), 1);
}

#[tokio::test]
async fn a_reload_changes_which_tokens_are_good() {
    let stand = Stand::start("", "");
    let token = stand.token("ann", json!({}));
    assert_eq!(stand.ask(&token, "smart").await.status, 200);
    let url = stand.issuer.url();
    let other = config(&stand.upstream, &url, "", "").replace("[\"gateway\"]", "[\"another\"]");
    stand.gateway.reconfigure(&other);
    assert_eq!(stand.ask(&token, "smart").await.error(401).code, "invalid_token");
    let admin = config(&stand.upstream, &url, "admin_scope = \"llm:admin\"", "");
    stand.gateway.reconfigure(&admin);
    let list = async |token: &str| {
        let bearer = format!("Bearer {token}");
        stand.gateway.call(Method::GET, "/admin/v1/keys").header("authorization", &bearer).send().await
    };
    assert_eq!(list(&token).await.error(403).code, "not_an_admin");
    assert_eq!(list(&stand.token("root", json!({"scope": "llm:admin"}))).await.status, 200);
    // Without issuers a token is a key that nobody has.
    let none = admin.split("[[auth.jwt]]").next().unwrap().to_owned();
    let rest = admin.split("[[keys]]").nth(1).unwrap();
    stand.gateway.reconfigure(&format!("{none}[[keys]]{rest}"));
    assert_eq!(stand.ask(&token, "smart").await.error(401).code, "invalid_api_key");
    assert_eq!(stand.ask(KEY, "smart").await.status, 200);
}

#[tokio::test]
async fn keys_may_stand_in_a_file_or_in_the_configuration() {
    let (upstream, key) = (answering(), SigningKey::p384("k"));
    let set = llm_testkit::issuer::jwks(&[&key]).to_string();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.json");
    std::fs::write(&path, &set).unwrap();
    let issuer = "https://issuer.example";
    let claims = json!({"iss": issuer, "aud": "gateway", "sub": "ann", "exp": seconds_from_now(3600)});
    for place in [format!("jwks_file = \"{}\"", path.display()), format!("jwks = '{set}'")] {
        let gateway = Gateway::start(&config(&upstream, issuer, &place, ""));
        assert_eq!(ask(&gateway, &key.token(&claims), "smart").await.status, 200, "{place}");
        let unknown = SigningKey::p384("other").token(&claims);
        assert_eq!(ask(&gateway, &unknown, "smart").await.error(401).code, "invalid_token");
    }
}
