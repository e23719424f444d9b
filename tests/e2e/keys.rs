//! Virtual keys from their making to their end: what each may do at every moment.

use http::Method;
use llm_testkit::{Script, Upstream, canned};
use serde_json::{Value, json};

use crate::harness::{Gateway, Reply, chat, model, openai};

const MASTER: &str = "Bearer sk-master-of-the-tests";

struct Stand {
    gateway: Gateway,
    _upstream: Upstream,
}

impl Stand {
    fn start() -> Self {
        let upstream = Upstream::start().unwrap();
        upstream.always(Script::json(&canned::openai_completion(10)));
        let models = [model("smart", &[openai(&upstream)]), model("cheap", &[openai(&upstream)])].join("");
        let gateway = Gateway::start(&format!("[auth]\nmaster_key = \"sk-master-of-the-tests\"\n{models}"));
        Self { gateway, _upstream: upstream }
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Reply {
        let call = self.gateway.call(method, &format!("/admin/v1{path}"));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        call.header("authorization", MASTER).body(body).send().await
    }

    async fn make(&self, path: &str, body: Value) -> Value {
        let reply = self.send(Method::POST, path, body).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.json()
    }

    async fn patch(&self, path: &str, body: Value) -> Value {
        let reply = self.send(Method::PATCH, path, body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    async fn order(&self, path: &str, body: Value) -> Value {
        let reply = self.send(Method::POST, path, body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    async fn models(&self, key: &str) -> Reply {
        let bearer = format!("Bearer {key}");
        self.gateway.call(Method::GET, "/v1/models").header("authorization", &bearer).send().await
    }

    async fn ask(&self, key: &str, model: &str) -> Reply {
        let call =
            self.gateway.post("/v1/chat/completions").header("authorization", &format!("Bearer {key}"));
        call.body(chat(model).to_string()).send().await
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no `{name}` in {value}"))
}

fn names(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let list = reply.json();
    let data = list["data"].as_array().unwrap().iter();
    data.map(|model| text(model, "id").to_owned()).collect()
}

#[tokio::test]
async fn a_key_is_good_at_once_and_sees_what_it_may_call() {
    let stand = Stand::start();
    let all = stand.make("/keys", json!({"name": "all", "models": ["*"]})).await;
    let one = stand.make("/keys", json!({"name": "one", "models": ["ch*"]})).await;
    let (all, one) = (text(&all, "key"), text(&one, "key"));
    assert!(all.starts_with("sk-") && all != one);
    assert_eq!(names(&stand.models(all).await), ["smart", "cheap"]);
    assert_eq!(names(&stand.models(one).await), ["cheap"]);
    assert_eq!(stand.ask(one, "cheap").await.status, 200);
    assert_ne!(stand.ask("sk-nobody", "cheap").await.status, 200);
    // What it may not call is to it as what does not exist.
    let bearer = format!("Bearer {one}");
    let get = async |path: &str| {
        stand.gateway.call(Method::GET, path).header("authorization", &bearer).send().await
    };
    let (hidden, nothing) = (get("/v1/models/smart").await, get("/v1/models/smarz").await);
    assert_eq!((hidden.status, nothing.status), (404, 404));
    assert_eq!(hidden.error(404).code, nothing.error(404).code);
}

#[tokio::test]
async fn the_secret_is_shown_once() {
    let stand = Stand::start();
    let made = stand.make("/keys", json!({"name": "ci"})).await;
    let (id, key) = (text(&made, "id"), text(&made, "key"));
    assert!(key.ends_with(text(&made, "hint")) && made["hint"].as_str().unwrap().len() == 4);
    for path in ["/keys".to_owned(), format!("/keys/{id}"), "/audit".to_owned()] {
        let reply = stand.send(Method::GET, &path, Value::Null).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.text().contains(id), "{path}: {}", reply.text());
        assert!(
            !reply.text().contains(key) && !reply.text().contains("\"hash\""),
            "{path}: {}",
            reply.text()
        );
    }
    assert!(!stand.gateway.logs().contains(key));
}

#[tokio::test]
async fn blocking_and_deleting_take_effect_at_once() {
    let stand = Stand::start();
    let made = stand.make("/keys", json!({})).await;
    let (path, key) = (format!("/keys/{}", text(&made, "id")), text(&made, "key"));
    assert_eq!(stand.ask(key, "smart").await.status, 200);
    assert_eq!(stand.order(&format!("{path}/block"), Value::Null).await["blocked"], true);
    assert_eq!(stand.ask(key, "smart").await.error(403).code, "key_blocked");
    assert_eq!(stand.order(&format!("{path}/unblock"), Value::Null).await["blocked"], false);
    assert_eq!(stand.ask(key, "smart").await.status, 200);
    let gone = stand.send(Method::DELETE, &path, Value::Null).await;
    assert_eq!((gone.status, gone.json()["deleted"].clone()), (200, json!(true)));
    stand.ask(key, "smart").await.error(401);
    stand.send(Method::GET, &path, Value::Null).await.error(404);
    stand.send(Method::DELETE, &path, Value::Null).await.error(404);
}

#[tokio::test]
async fn a_rotated_key_keeps_its_id_and_the_old_secret_for_its_grace() {
    let stand = Stand::start();
    let made = stand.make("/keys", json!({"name": "ci"})).await;
    let (path, first) = (format!("/keys/{}", text(&made, "id")), text(&made, "key"));
    let rotated = stand.order(&format!("{path}/rotate"), json!({"grace": "1h"})).await;
    let second = text(&rotated, "key");
    assert_eq!((&rotated["id"], &rotated["name"]), (&made["id"], &json!("ci")));
    assert!(rotated["previous_until"].is_string(), "{rotated}");
    for key in [first, second] {
        assert_eq!(stand.models(key).await.status, 200);
    }
    // Without grace both old ones are gone.
    let rotated = stand.order(&format!("{path}/rotate"), Value::Null).await;
    assert_eq!(stand.models(text(&rotated, "key")).await.status, 200);
    for key in [first, second] {
        stand.models(key).await.error(401);
    }
}

#[tokio::test]
async fn a_key_ends_where_and_when_it_is_told() {
    let stand = Stand::start();
    let old = stand.make("/keys", json!({"expires_at": "2020-01-01T00:00:00Z"})).await;
    assert_eq!(stand.models(text(&old, "key")).await.error(401).code, "key_expired");
    let far = stand.make("/keys", json!({"ip_ranges": ["10.0.0.0/8"]})).await;
    assert_eq!(stand.models(text(&far, "key")).await.error(403).code, "address_not_allowed");
    let near = json!({"ip_ranges": ["127.0.0.0/8", "::1"], "expires_at": "2120-01-01T00:00:00Z"});
    let near = stand.make("/keys", near).await;
    assert_eq!(stand.models(text(&near, "key")).await.status, 200);
}

#[tokio::test]
async fn a_change_leaves_what_it_does_not_name_and_null_clears() {
    let stand = Stand::start();
    let body = json!({
        "name": "ci", "models": ["*"],
        "budgets": [{"limit_usd": "1.00", "window": "day", "hard": true, "time_zone": "Europe/Berlin"}],
        "limits": {"rpm": 60, "tpm": 100000, "parallel": 8},
        "user_id": "ann", "tags": ["x"], "metadata": {"a": [1, {"b": null}]},
        "expires_at": "2120-01-01T00:00:00Z",
    });
    let made = stand.make("/keys", body).await;
    assert_eq!(made["limits"], json!({"rpm": 60, "tpm": 100000, "parallel": 8}));
    let path = format!("/keys/{}", text(&made, "id"));
    let changed = stand.patch(&path, json!({"limits": {"rpm": null, "tpm": 5}, "tags": null})).await;
    assert_eq!(changed["limits"], json!({"rpm": null, "tpm": 5, "parallel": 8}));
    assert_eq!(changed["tags"], json!([]));
    for name in ["id", "name", "models", "budgets", "user_id", "metadata", "expires_at", "hint"] {
        assert_eq!(changed[name], made[name], "{name}");
    }
    let spend = &changed["spend"];
    assert_eq!(spend["total_usd"], "0.00");
    let window = &spend["windows"][0];
    assert_eq!((&window["limit_usd"], &window["left_usd"]), (&json!("1.00"), &json!("1.00")));
    assert_eq!((&window["window"], &window["time_zone"]), (&json!("day"), &json!("Europe/Berlin")));
    let cleared = stand.patch(&path, json!({"budgets": null, "metadata": null, "limits": null})).await;
    assert_eq!((&cleared["budgets"], &cleared["metadata"]), (&json!([]), &Value::Null));
    assert_eq!(cleared["limits"], json!({"rpm": null, "tpm": null, "parallel": null}));
}

#[tokio::test]
async fn only_admins_administer() {
    let stand = Stand::start();
    let plain = stand.make("/keys", json!({"name": "plain"})).await;
    let admin = stand.make("/keys", json!({"name": "boss", "admin": true})).await;
    let call = async |key: &Value, path: &str| {
        let bearer = format!("Bearer {}", text(key, "key"));
        stand.gateway.call(Method::GET, path).header("authorization", &bearer).send().await
    };
    let own = format!("/admin/v1/keys/{}", text(&plain, "id"));
    // Whether there is such a key or not.
    for path in
        [own.as_str(), "/admin/v1/keys/key_1", "/admin/v1/keys", "/admin/v1/usage", "/admin/v1/nothing"]
    {
        assert_eq!(call(&plain, path).await.error(403).code, "not_an_admin", "{path}");
    }
    assert_eq!(call(&admin, &own).await.status, 200);
    stand.gateway.get("/admin/v1/keys").await.error(401);
}

#[tokio::test]
async fn keys_under_a_team_are_under_its_terms() {
    let stand = Stand::start();
    stand
        .send(Method::POST, "/keys", json!({"team_id": "search"}))
        .await
        .error(400)
        .says(&["team_id", "search"]);
    let team = stand.make("/teams", json!({"id": "search", "name": "Search", "models": ["cheap"]})).await;
    assert_eq!((text(&team, "id"), &team["spend"]["total_usd"]), ("search", &json!("0.00")));
    let key = stand.make("/keys", json!({"team_id": "search", "models": ["*"]})).await;
    let secret = text(&key, "key");
    assert_eq!(names(&stand.models(secret).await), ["cheap"]);
    stand.patch("/teams/search", json!({"models": ["*"]})).await;
    assert_eq!(names(&stand.models(secret).await), ["smart", "cheap"]);
    stand.order("/teams/search/block", Value::Null).await;
    assert_eq!(stand.models(secret).await.error(403).code, "owner_blocked");
    stand.order("/teams/search/unblock", Value::Null).await;
    let kept = stand.send(Method::DELETE, "/teams/search", Value::Null).await;
    assert_eq!(kept.error(409).code, "not_empty");
    stand.send(Method::DELETE, &format!("/keys/{}", text(&key, "id")), Value::Null).await;
    assert_eq!(stand.send(Method::DELETE, "/teams/search", Value::Null).await.status, 200);
}

#[tokio::test]
async fn what_is_kept_is_behind_the_routes_of_a_key_as_well() {
    let stand = Stand::start();
    let key = stand.make("/keys", json!({"name": "chat alone", "routes": ["/v1/chat/completions"]})).await;
    let bearer = format!("Bearer {}", text(&key, "key"));
    let kept =
        stand.gateway.call(Method::GET, "/v1/responses/resp_1").header("authorization", &bearer).send().await;
    assert_eq!(kept.error(403).code, "route_not_allowed");
    assert_eq!(stand.ask(text(&key, "key"), "smart").await.status, 200);
    let master =
        stand.gateway.call(Method::GET, "/v1/responses/resp_1").header("authorization", MASTER).send().await;
    assert_ne!(master.status, 403, "{}", master.text());
}
