//! Tools that speak LiteLLM's key management.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Gateway, Reply};

const CONFIG: &str = "[auth]\nmaster_key = \"sk-master-of-the-tests\"\n[[models]]\nname = \"a\"\n\
     deployments = [{ model = \"mock/echo\" }]\n[[models]]\nname = \"b\"\ndeployments = [{ model = \"mock/echo\" }]\n";

async fn call(gateway: &Gateway, method: Method, path: &str, body: Value) -> Reply {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    gateway
        .call(method, path)
        .header("authorization", "Bearer sk-master-of-the-tests")
        .body(body)
        .send()
        .await
}

async fn good(gateway: &Gateway, method: Method, path: &str, body: Value) -> Value {
    let reply = call(gateway, method, path, body).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

#[tokio::test]
async fn keys_come_and_go_in_their_words() {
    let gateway = Gateway::start(CONFIG);
    let body = json!({
        "key_alias": "ci", "models": ["a"], "max_budget": 10.5, "budget_duration": "30d", "duration": "1h",
        "rpm_limit": 60, "tpm_limit": 1000, "max_parallel_requests": 3, "user_id": "ann",
        "metadata": {"team": "core"}, "aliases": {}, "config": {}, "permissions": {}, "send_invite_email": false,
    });
    let made = good(&gateway, Method::POST, "/key/generate", body).await;
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("sk-") && made["expires"].is_string() && made["budget_reset_at"].is_string());
    for (name, expect) in [
        ("max_budget", json!(10.5)),
        ("budget_duration", json!("30d")),
        ("models", json!(["a"])),
        ("rpm_limit", json!(60)),
        ("max_parallel_requests", json!(3)),
        ("metadata", json!({"team": "core"})),
        ("key_alias", json!("ci")),
        ("user_id", json!("ann")),
        ("spend", json!(0)),
    ] {
        assert_eq!(made[name], expect, "{name}");
    }
    // By its secret, and by the token that lists give.
    let token = made["token"].as_str().unwrap();
    for name in [key, token] {
        let info = good(&gateway, Method::GET, &format!("/key/info?key={name}"), Value::Null).await;
        assert_eq!(info["info"]["key_alias"], "ci");
        assert!(!info.to_string().contains(key), "{info}");
    }
    let bearer = format!("Bearer {key}");
    let models = gateway.call(Method::GET, "/v1/models").header("authorization", &bearer).send().await.json();
    assert_eq!((&models["data"][0]["id"], &models["data"][1]), (&json!("a"), &Value::Null));
    let update = json!({"key": key, "models": ["all-proxy-models"], "max_budget": 20, "rpm_limit": null});
    let changed = good(&gateway, Method::POST, "/key/update", update).await;
    assert_eq!((&changed["max_budget"], &changed["budget_duration"]), (&json!(20), &json!("30d")));
    assert_eq!((&changed["rpm_limit"], &changed["tpm_limit"]), (&Value::Null, &json!(1000)));
    let list = good(&gateway, Method::GET, "/key/list?size=5", Value::Null).await;
    assert_eq!((&list["keys"], &list["total_count"]), (&json!([token]), &json!(1)));
    let list = good(&gateway, Method::GET, "/key/list?return_full_object=true", Value::Null).await;
    assert_eq!(list["keys"][0]["key_alias"], "ci");
    let gone = good(&gateway, Method::POST, "/key/delete", json!({"keys": [key]})).await;
    assert_eq!(gone["deleted_keys"], json!([token]));
    let reply = gateway.call(Method::GET, "/v1/models").header("authorization", &bearer).send().await;
    reply.error(401);
}

#[tokio::test]
async fn teams_hold_keys_and_rows_tell_what_they_spent() {
    let gateway = Gateway::start(CONFIG);
    let body = json!({"team_alias": "Search", "team_id": "search", "max_budget": 5, "models": []});
    let team = good(&gateway, Method::POST, "/team/new", body).await;
    assert_eq!((&team["team_id"], &team["max_budget"]), (&json!("search"), &json!(5)));
    let key = good(&gateway, Method::POST, "/key/generate", json!({"team_id": "search"})).await;
    let info = good(&gateway, Method::GET, "/team/info?team_id=search", Value::Null).await;
    assert_eq!(
        (&info["team_info"]["team_alias"], &info["keys"][0]["token"]),
        (&json!("Search"), &key["token"])
    );
    let logs = good(&gateway, Method::GET, "/spend/logs?team_id=search", Value::Null).await;
    assert_eq!(logs, json!([]));
}

#[tokio::test]
async fn what_is_not_here_is_said() {
    let gateway = Gateway::start(CONFIG);
    for (body, param) in [
        (json!({"budget_duration": "10d", "max_budget": 1}), "budget_duration"),
        (json!({"guardrails": ["pii"]}), "guardrails"),
        (json!({"rpm_limit": "many"}), "rpm_limit"),
        (json!({"team_id": "nobody"}), "team_id"),
        (json!({"key": "short"}), "key"),
    ] {
        assert_eq!(call(&gateway, Method::POST, "/key/generate", body).await.error(400).param, param);
    }
    let nothing = ["sk-nothing", "key_00000000000000000000000000000000", &"0".repeat(64), "%27%20OR%201=1"];
    for name in nothing {
        let error =
            call(&gateway, Method::GET, &format!("/key/info?key={name}"), Value::Null).await.error(404);
        assert_eq!(error.message, "there is no such key");
    }
    gateway.post("/key/generate").body("{}").send().await.error(401);
}
