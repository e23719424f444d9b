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
    // LiteLLM's tables have the SHA-256 of the secret.
    let own = json!({"key": "sk-litellm-0123456789", "team_id": null});
    let own = good(&gateway, Method::POST, "/key/generate", own).await;
    let hash = "ff288096e78ea6d3e76f683aa7383afa0caaa7cff7dcd850ec0b58246138799b";
    assert_eq!([&own["token"], &own["token_id"]], [hash, hash]);
    good(&gateway, Method::POST, "/key/delete", json!({"keys": [hash]})).await;
    // By its secret, and by the token that lists give.
    let token = made["token"].as_str().unwrap();
    for name in [key, token] {
        let info = good(&gateway, Method::GET, &format!("/key/info?key={name}"), Value::Null).await;
        assert_eq!((&info["info"]["key_alias"], &info["key"]), (&json!("ci"), &json!(token)));
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
    for name in [key, token] {
        let blocked = good(&gateway, Method::POST, "/key/block", json!({"key": name})).await;
        assert_eq!((&blocked["blocked"], &blocked["token"]), (&json!(true), &json!(token)));
        let reply = gateway.call(Method::GET, "/v1/models").header("authorization", &bearer).send().await;
        reply.error(403);
        let free = good(&gateway, Method::POST, "/key/unblock", json!({"key": name})).await;
        assert_eq!(free["blocked"], false);
        let models = gateway.call(Method::GET, "/v1/models").header("authorization", &bearer).send().await;
        assert_eq!(models.status, 200);
    }
    let update = json!({"key": token, "tpm_limit": 9});
    assert_eq!(good(&gateway, Method::POST, "/key/update", update).await["tpm_limit"], 9);
    let gone = good(&gateway, Method::POST, "/key/delete", json!({"keys": [token]})).await;
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
    // Without a hard budget: nobody knows a price of the mock.
    good(&gateway, Method::POST, "/team/new", json!({"team_id": "free"})).await;
    let key = good(&gateway, Method::POST, "/key/generate", json!({"team_id": "free"})).await;
    let bearer = format!("Bearer {}", key["key"].as_str().unwrap());
    let body = json!({"model": "a", "messages": [{"role": "user", "content": "hello"}]}).to_string();
    let call = gateway.post("/v1/chat/completions").header("authorization", &bearer).body(body);
    assert_eq!(call.send().await.status, 200);
    let logs = good(&gateway, Method::GET, "/spend/logs?team_id=free", Value::Null).await;
    assert_eq!((&logs[0]["api_key"], &logs[0]["model_group"]), (&key["token"], &json!("a")));
    for member in ["call_type", "startTime", "endTime", "request_tags", "messages", "response", "cache_key"] {
        assert!(logs[0].get(member).is_some(), "{member}: {logs}");
    }
    // Between two days LiteLLM sums up, unless it is told not to.
    let days = "/spend/logs?start_date=2026-01-01&end_date=2126-01-01";
    let sums = good(&gateway, Method::GET, days, Value::Null).await;
    let token = key["token"].as_str().unwrap();
    assert!(
        sums[0][token].is_number() && sums[0]["models"].is_object() && sums[0]["users"].is_object(),
        "{sums}"
    );
    assert_eq!(sums[0]["spend"], sums[0][token]);
    let single = good(&gateway, Method::GET, &format!("{days}&summarize=false"), Value::Null).await;
    assert_eq!(single, logs);
}

#[tokio::test]
async fn a_key_may_ask_about_itself_and_about_nobody_else() {
    let gateway = Gateway::start(CONFIG);
    let made = good(&gateway, Method::POST, "/key/generate", json!({"key_alias": "mine"})).await;
    let other = good(&gateway, Method::POST, "/key/generate", json!({"key_alias": "other"})).await;
    let bearer = format!("Bearer {}", made["key"].as_str().unwrap());
    let ask = async |query: &str| {
        gateway.call(Method::GET, &format!("/key/info{query}")).header("authorization", &bearer).send().await
    };
    for query in [String::new(), format!("?key={}", made["token"].as_str().unwrap())] {
        let reply = ask(&query).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.json()["info"]["key_alias"], "mine");
    }
    for name in [other["token"].as_str().unwrap(), other["key"].as_str().unwrap(), "sk-nothing"] {
        let error = ask(&format!("?key={name}")).await.error(403);
        assert_eq!(error.code, "not_an_admin");
    }
    let list = gateway.call(Method::GET, "/key/list").header("authorization", &bearer).send().await;
    list.error(403);
    // The master key is nobody's own.
    call(&gateway, Method::GET, "/key/info", Value::Null).await.error(400);
}

#[tokio::test]
async fn members_of_litellms_mean_what_they_mean_there() {
    let gateway = Gateway::start(CONFIG);
    let body = json!({
        "key_type": "management", "model_rpm_limit": {"a": 5}, "model_tpm_limit": {"a": 900, "b": 7},
        "model_max_budget": {}, "spend": 0, "metadata": {"tags": ["batch"]},
        "budget_limits": [{"budget_duration": "1d", "max_budget": 1}, {"budget_duration": "30d", "max_budget": 9.5}],
    });
    let key = good(&gateway, Method::POST, "/key/generate", body).await;
    assert_eq!(
        (&key["model_rpm_limit"], &key["model_tpm_limit"]),
        (&json!({"a": 5}), &json!({"a": 900, "b": 7}))
    );
    assert_eq!((&key["key_type"], &key["tags"]), (&json!("management"), &json!(["batch"])));
    assert_eq!((&key["max_budget"], &key["budget_limits"][1]["max_budget"]), (&json!(1), &json!(9.5)));
    let bearer = format!("Bearer {}", key["key"].as_str().unwrap());
    let list = gateway.call(Method::GET, "/key/list").header("authorization", &bearer).send().await;
    assert_eq!(list.status, 200, "{}", list.text());
    let body = json!({"model": "a", "messages": [{"role": "user", "content": "hello"}]}).to_string();
    let call = gateway.post("/v1/chat/completions").header("authorization", &bearer).body(body);
    call.send().await.error(403);
    // What it has beside stays when one of its budgets changes.
    let changed = json!({"key": key["token"], "max_budget": 2, "model_rpm_limit": {"b": 1}});
    let changed = good(&gateway, Method::POST, "/key/update", changed).await;
    assert_eq!(
        (&changed["max_budget"], &changed["budget_limits"][1]["max_budget"]),
        (&json!(2), &json!(9.5))
    );
    assert_eq!(
        (&changed["model_rpm_limit"], &changed["model_tpm_limit"]["a"]),
        (&json!({"b": 1}), &json!(900))
    );
    let members = json!([{"role": "admin", "user_id": "ann"}]);
    let body = json!({"team_id": "t", "members_with_roles": members, "metadata": {"x": 1}});
    let team = good(&gateway, Method::POST, "/team/new", body).await;
    assert_eq!((&team["members_with_roles"], &team["metadata"]), (&members, &json!({"x": 1})));
    let gone = json!({"key_aliases": ["twice"]});
    for _ in 0..2 {
        let name = json!({"name": "twice"});
        let made = crate::litellm::call(&gateway, Method::POST, "/admin/v1/keys", name).await;
        assert_eq!(made.status, 201, "{}", made.text());
    }
    crate::litellm::call(&gateway, Method::POST, "/key/delete", gone).await.error(400);
}

#[tokio::test]
async fn an_alias_is_of_one_key() {
    let gateway = Gateway::start(CONFIG);
    let body = json!({"key_alias": "ci", "max_budget": 1, "budget_duration": "30d"});
    let first = good(&gateway, Method::POST, "/key/generate", body).await;
    // By the calendar, as the answer says.
    let ends = first["budget_reset_at"].as_str().unwrap();
    assert!(ends.contains("-01T00:00:00"), "{first}");
    let other = good(&gateway, Method::POST, "/key/generate", json!({"key_alias": "cd"})).await;
    let again = call(&gateway, Method::POST, "/key/generate", json!({"key_alias": "ci"})).await.error(400);
    assert_eq!((again.param.as_str(), again.code.as_str()), ("key_alias", "already_exists"));
    let taken = json!({"key": other["token"], "key_alias": "ci"});
    call(&gateway, Method::POST, "/key/update", taken)
        .await
        .error(400)
        .says(&["there is a key `ci` already"]);
    let list = good(&gateway, Method::GET, "/key/list", Value::Null).await;
    assert_eq!(list["total_count"], 2);
    // Its own, and one whose key is gone.
    good(&gateway, Method::POST, "/key/update", json!({"key": first["token"], "key_alias": "ci"})).await;
    good(&gateway, Method::POST, "/key/delete", json!({"keys": [first["token"]]})).await;
    let taken = json!({"key": other["token"], "key_alias": "ci"});
    assert_eq!(good(&gateway, Method::POST, "/key/update", taken).await["key_alias"], "ci");
}

#[tokio::test]
async fn what_is_not_here_is_said() {
    let gateway = Gateway::start(CONFIG);
    for (body, param) in [
        (json!({"budget_duration": "10d", "max_budget": 1}), "budget_duration"),
        (json!({"budget_duration": "12h", "max_budget": 1}), "budget_duration"),
        (json!({"guardrails": ["pii"]}), "guardrails"),
        (json!({"rpm_limit": "many"}), "rpm_limit"),
        (json!({"team_id": "nobody"}), "team_id"),
        (json!({"key": "short"}), "key"),
        (json!({"model_max_budget": {"a": 5.0}}), "model_max_budget"),
        (json!({"key_type": "read_only"}), "key_type"),
        (json!({"max_budget": 1e-14}), "max_budget"),
        (json!({"budget_duration": "30d"}), "budget_duration"),
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
