//! The admin API's shapes: lists and cursors, faults by their place, budgets by their name, the audit log, and bodies
//! of people who mean harm.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Gateway, Raw, Reply};

async fn send(gateway: &Gateway, method: Method, path: &str, body: Value) -> Reply {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    gateway.call(method, &format!("/admin/v1{path}")).body(body).send().await
}

async fn post(gateway: &Gateway, path: &str, body: Value) -> Reply {
    send(gateway, Method::POST, path, body).await
}

async fn get(gateway: &Gateway, path: &str) -> Value {
    let reply = send(gateway, Method::GET, path, Value::Null).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

fn demo() -> Gateway {
    Gateway::start("[[models]]\nname = \"a\"\ndeployments = [{ model = \"mock/echo\" }]\n")
}

#[tokio::test]
async fn faults_are_told_by_their_place() {
    let gateway = demo();
    for (body, param, says) in [
        (json!({"nmae": "x"}), "nmae", "did you mean `name`?"),
        (json!({"limits": {"rpn": 1}}), "limits.rpn", "did you mean `rpm`?"),
        (json!({"name": 7}), "name", "must be a string, not a whole number"),
        (json!({"limits": {"rpm": "60"}}), "limits.rpm", "must be a whole number"),
        (json!({"limits": {"rpm": -1}}), "limits.rpm", "must be 0 or more"),
        (json!({"limits": {"tpm": 100_000_000_001_u64}}), "limits.tpm", "or less"),
        (json!({"budgets": [{"limit_usd": 1.5, "window": "day"}]}), "budgets[0].limit_usd", "in quotes"),
        (json!({"budgets": [{"limit_usd": "-1", "window": "day"}]}), "budgets[0].limit_usd", "from 0"),
        (
            json!({"budgets": [{"limit_usd": "1.0000000000001", "window": "day"}]}),
            "budgets[0].limit_usd",
            "twelve",
        ),
        (
            json!({"budgets": [{"limit_usd": "1", "window": "year"}]}),
            "budgets[0].window",
            "day, week, month, total",
        ),
        (json!({"budgets": [{"limit_usd": "1"}]}), "budgets[0].window", "is missing"),
        (
            json!({"budgets": [{"limit_usd": "1", "window": "day", "time_zone": "Mars/Base"}]}),
            "budgets[0].time_zone",
            "Mars",
        ),
        (json!({"ip_ranges": ["10.0.0.0/8", "10.0.0.0/99"]}), "ip_ranges[1]", "range"),
        (json!({"expires_at": "tomorrow"}), "expires_at", "RFC 3339"),
        (json!({"models": "gpt-4o"}), "models", "must be a list"),
        (json!({"metadata": [1]}), "metadata", "must be an object"),
        (json!({"name": "a\r\nx-evil: 1"}), "name", "control characters"),
        (json!({"organisation_id": "none"}), "organisation_id", "does not exist"),
        (json!([1]), "", "must be an object"),
    ] {
        let error = post(&gateway, "/keys", body.clone()).await.error(400);
        assert_eq!(error.param, param, "{body}: {error:?}");
        error.says(&[says]);
    }
    let twice =
        json!({"budgets": [{"limit_usd": "1", "window": "day"}, {"limit_usd": "2", "window": "day"}]});
    post(&gateway, "/keys", twice).await.error(400).says(&["day"]);
    let text = gateway.post("/admin/v1/keys").body("{\"name\": ").send().await;
    assert_eq!(text.error(400).code, "invalid_json");
    for path in
        ["/keys?limit=0", "/keys?limit=x", "/keys?cursor=a'--", "/usage?from=x", "/usage?group_by=colour"]
    {
        send(&gateway, Method::GET, path, Value::Null).await.error(400);
    }
    assert_eq!(get(&gateway, "/keys").await["data"], json!([]));
}

#[tokio::test]
async fn what_is_not_known_is_refused_on_every_route() {
    let gateway = demo();
    let document: Value = gateway.get("/openapi.json").await.json();
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        if path.starts_with("/v1") || path.starts_with("/v2") || path.starts_with("/health/") {
            continue;
        }
        for method in methods.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let path = format!("{}?nobody_knows=1", path.replace("{id}", "x"));
            let reply = gateway.call(method.clone(), &path).body("{}").send().await;
            let error = reply.error(400);
            assert_eq!(
                (error.param.as_str(), error.code.as_str()),
                ("nobody_knows", "unknown_parameter"),
                "{path}"
            );
            asked += 1;
        }
    }
    assert!(asked > 60, "{asked}");
    let error = gateway.get("/admin/v1/requests?key=nope").await.error(400);
    error.says(&["known are limit, cursor, source, from, to, request_id, key_id"]);
    for path in [
        "/requests?source=decisions&key_id=key_1",
        "/requests?source=usage&failed=maybe",
        "/requests?limit=5&limit=6",
        "/keys?team_id=",
        "/usage?group_by=model&modle=x",
    ] {
        send(&gateway, Method::GET, path, Value::Null).await.error(400);
    }
    let line = "/usage?from=2026-01-01&to=9999-12-31&group_by=model,key,team,provider,tag,day";
    let words = json!(["model", "key", "team", "provider", "tag", "day"]);
    assert_eq!(get(&gateway, line).await["group_by"], words);
}

#[tokio::test]
async fn a_member_is_there_once_and_the_end_of_time_is_a_moment() {
    let gateway = demo();
    for (path, body) in [
        ("/admin/v1/keys", r#"{"name": "a", "name": "b"}"#),
        ("/admin/v1/keys", r#"{"limits": {"rpm": 1, "rpm": 2}}"#),
        ("/admin/v1/teams", r#"{"id": "a", "metadata": {"x": [{"y": 1, "y": 1}]}}"#),
        ("/key/generate", r#"{"max_budget": 1, "max_budget": 100}"#),
    ] {
        let error = gateway.post(path).body(body).send().await.error(400);
        assert_eq!(error.code, "duplicate_member", "{body}");
        error.says(&["twice"]);
    }
    let made = post(&gateway, "/keys", json!({"expires_at": "9999-12-31T23:59:59Z"})).await.json();
    assert_eq!(made["expires_at"], "9999-12-31T23:59:59Z");
    let bearer = format!("Bearer {}", made["key"].as_str().unwrap());
    let models = gateway.call(Method::GET, "/v1/models").header("authorization", &bearer).send().await;
    assert_eq!(models.status, 200);
}

#[tokio::test]
async fn lists_are_read_page_by_page() {
    let gateway = demo();
    for nth in 0..7 {
        let team = if nth % 2 == 0 { "even" } else { "odd" };
        if nth < 2 {
            assert_eq!(post(&gateway, "/teams", json!({"id": team})).await.status, 201);
        }
        let body = json!({"name": format!("k{nth}"), "team_id": team});
        assert_eq!(post(&gateway, "/keys", body).await.status, 201);
    }
    let mut path = "/keys?limit=3".to_owned();
    let mut seen = Vec::new();
    let mut pages = 0;
    loop {
        let page = get(&gateway, &path).await;
        seen.extend(
            page["data"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/keys?limit=3&cursor={cursor}");
    }
    seen.sort();
    assert_eq!((pages, seen.join(" ")), (3, "k0 k1 k2 k3 k4 k5 k6".to_owned()));
    assert_eq!(get(&gateway, "/keys?team_id=odd").await["data"].as_array().unwrap().len(), 3);
    assert_eq!(get(&gateway, "/keys?name=k4").await["data"][0]["team_id"], "even");
    // A cursor of one list is no cursor of another.
    let cursor = get(&gateway, "/teams?limit=1").await["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(get(&gateway, &format!("/teams?cursor={cursor}")).await["data"][0]["id"], "odd");
    send(&gateway, Method::GET, &format!("/keys?cursor={cursor}"), Value::Null).await.error(400);
}

#[tokio::test]
async fn budgets_have_names_of_their_own() {
    let gateway = demo();
    assert_eq!(post(&gateway, "/teams", json!({"id": "search"})).await.status, 201);
    for (scope, id) in [
        ("global", "global/month/hard"),
        ("team:search", "team:search/month/hard"),
        ("user:ann", "user:ann/month/hard"),
        ("tag:batch", "tag:batch/month/hard"),
        ("model:openai/gpt-4o", "model:openai/gpt-4o/month/hard"),
        ("provider:openai", "provider:openai/month/hard"),
    ] {
        let body = json!({"scope": scope, "limit_usd": "25.00", "window": "month", "fallbacks": ["cheap"]});
        let made = post(&gateway, "/budgets", body.clone()).await;
        assert_eq!((made.status, &made.json()["id"]), (201, &json!(id)), "{}", made.text());
        assert_eq!(post(&gateway, "/budgets", body).await.error(409).code, "already_exists");
        // Slashes in the path as they are, and escaped.
        for path in [format!("/budgets/{id}"), format!("/budgets/{}", id.replace('/', "%2F"))] {
            let budget = get(&gateway, &path).await;
            assert_eq!((&budget["scope"], &budget["limit_usd"]), (&json!(scope), &json!("25.00")));
            assert_eq!(budget["spend"]["left_usd"], "25.00");
        }
    }
    assert_eq!(get(&gateway, "/teams/search").await["budgets"][0]["id"], "team:search/month/hard");
    let path = "/budgets/model:openai/gpt-4o/month/hard";
    let changed = send(&gateway, Method::PATCH, path, json!({"limit_usd": "30"})).await.json();
    assert_eq!((&changed["limit_usd"], &changed["fallbacks"]), (&json!("30.00"), &json!(["cheap"])));
    assert_eq!(get(&gateway, "/budgets").await["data"].as_array().unwrap().len(), 6);
    assert_eq!(get(&gateway, "/budgets?scope=user:ann").await["data"].as_array().unwrap().len(), 1);
    let gone = send(&gateway, Method::DELETE, path, Value::Null).await;
    assert_eq!((gone.status, &gone.json()["id"]), (200, &json!("model:openai/gpt-4o/month/hard")));
    for path in [path, "/budgets/nothing", "/budgets/team:none/day/hard", "/budgets/key:x/day/hard"] {
        send(&gateway, Method::GET, path, Value::Null).await.error(404);
    }
    let nobody = json!({"scope": "team:none", "limit_usd": "1", "window": "day"});
    assert_eq!(post(&gateway, "/budgets", nobody).await.error(400).param, "scope");
}

#[tokio::test]
async fn actions_are_written_down_done_or_refused() {
    let gateway = demo();
    let key = post(&gateway, "/keys", json!({"name": "ci"})).await.json();
    let id = key["id"].as_str().unwrap();
    send(&gateway, Method::PATCH, &format!("/keys/{id}"), json!({"user_id": "ann"})).await;
    post(&gateway, &format!("/keys/{id}/block"), Value::Null).await;
    post(&gateway, "/teams/none/block", Value::Null).await.error(404);
    gateway.post("/admin/v1/deployments/a%2F1/drain").send().await;
    send(&gateway, Method::DELETE, &format!("/keys/{id}"), Value::Null).await;
    let log = get(&gateway, "/audit").await;
    let words = |entry: &Value| {
        let word = |name: &str| entry[name].as_str().unwrap().to_owned();
        let state = if entry["refused"].is_null() { "done" } else { "refused" };
        format!("{} {} {} {state}", word("actor"), word("action"), word("object"))
    };
    let found: Vec<_> = log["data"].as_array().unwrap().iter().map(words).collect();
    let expect = [
        format!("local delete key:{id} done"),
        "local drain deployment:a/1 done".to_owned(),
        "local block team:none refused".to_owned(),
        format!("local block key:{id} done"),
        format!("local update key:{id} done"),
        format!("local create key:{id} done"),
    ];
    assert_eq!(found, expect);
    let update = &log["data"][4];
    assert_eq!((&update["before"]["user"], &update["after"]["user"]), (&Value::Null, &json!("ann")));
    assert_eq!((&log["data"][0]["after"], &log["data"][5]["before"]), (&Value::Null, &Value::Null));
    let only = get(&gateway, "/audit?object=team:none").await;
    assert_eq!(only["data"].as_array().unwrap().len(), 1);
    let page = get(&gateway, "/audit?limit=4").await;
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(get(&gateway, &format!("/audit?cursor={cursor}")).await["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn whatever_is_written_into_an_id_is_only_an_id() {
    let gateway = demo();
    let mut answers = Vec::new();
    for id in [
        "key_00000000000000000000000000000000",
        "x",
        "'%20OR%201=1--",
        "..%2F..%2Fetc%2Fpasswd",
        "%00",
        "%0d%0ax-evil:%201",
        "%F0%9F%92%A9",
        "%ff%fe",
        &"k".repeat(5_000),
    ] {
        let reply = send(&gateway, Method::GET, &format!("/keys/{id}"), Value::Null).await;
        assert!(reply.headers.get("x-evil").is_none());
        let error = reply.error(404);
        answers.push((error.message, error.code));
    }
    // Nobody learns from the answer what an id is like.
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    for id in ["'; DROP TABLE keys;--", "../../x", "größe/💩", "a b", "%2e%2e"] {
        let made = post(&gateway, "/teams", json!({"id": id})).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let path: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
        assert_eq!(get(&gateway, &format!("/teams/{path}")).await["id"], id);
        assert_eq!(send(&gateway, Method::DELETE, &format!("/teams/{path}"), Value::Null).await.status, 200);
    }
    let long = "x".repeat(129);
    assert_eq!(post(&gateway, "/teams", json!({"id": long})).await.error(400).param, "id");
    let deep = "[".repeat(100_000);
    gateway.post("/admin/v1/keys").body(deep).send().await.error(400);
    let wide = json!({"metadata": {"x": "y".repeat(20_000)}});
    assert_eq!(post(&gateway, "/keys", wide).await.error(400).param, "metadata");
    let error = gateway.post("/admin/v1/keys").body(vec![b' '; 2 << 20]).send().await.error(413);
    error.says(&["1048576 bytes", "in several calls"]);
    assert!(!error.message.contains("server.max_body"), "{error:?}");
    gateway.assert_alive().await;
}

#[tokio::test]
async fn tokens_of_ten_megabytes_are_turned_away() {
    let gateway = Gateway::start("[auth]\nmaster_key = \"sk-master\"\n");
    let huge = "k".repeat(10 << 20);
    for (path, header) in [("/v1/models".to_owned(), &*huge), (format!("/v1/models?key={huge}"), "x")] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {header}\r\n\r\n");
        let status = Raw::connect(gateway.addr()).await.refusal(request.as_bytes()).await;
        assert!(matches!(status, None | Some(400 | 401 | 414 | 431)), "{status:?}");
    }
    // Within what a head may hold, it is only a wrong key.
    let long = format!("Bearer {}", "k".repeat(60_000));
    gateway.call(Method::GET, "/v1/models").header("authorization", &long).send().await.error(401);
    gateway.assert_alive().await;
}

#[tokio::test]
async fn probes_refused_strangers_and_other_configurations_are_written_down() {
    let upstream = llm_testkit::Upstream::start().unwrap();
    let models = crate::harness::model("a", &[crate::harness::openai(&upstream)]);
    let config = format!("{}[auth]\nmaster_key = \"sk-master-of-the-tests\"\n{models}", crate::harness::FAST);
    let gateway = crate::harness::Options::config(config.clone()).start();
    let call = async |method: Method, path: &str, key: &str, body: Value| {
        let call = gateway.call(method, &format!("/admin/v1{path}"));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        call.header("authorization", &format!("Bearer {key}")).body(body).send().await
    };
    let master = "sk-master-of-the-tests";
    let key = call(Method::POST, "/keys", master, json!({"name": "ci"})).await.json();
    let (id, own) = (key["id"].as_str().unwrap(), key["key"].as_str().unwrap());
    call(Method::POST, "/deployments/a%2F1/probe", master, Value::Null).await;
    call(Method::POST, &format!("/keys/{id}/block"), own, Value::Null).await.error(403);
    call(Method::GET, "/keys", own, Value::Null).await.error(403);
    gateway.reconfigure(&format!("{config}[cache]\nttl = \"7s\"\n"));
    let log = call(Method::GET, "/audit", master, Value::Null).await.json();
    let entries = log["data"].as_array().unwrap();
    let has = |actor: &str, action: &str, object: &str, refused: bool| {
        entries.iter().any(|entry| {
            let word = |name: &str| entry[name].as_str().unwrap();
            [word("actor"), word("action"), word("object")] == [actor, action, object]
                && entry["refused"].is_string() == refused
        })
    };
    assert!(has("master", "probe", "deployment:a/1", false), "{log}");
    assert!(has(id, "block", &format!("key:{id}"), true), "{log}");
    assert!(has(id, "read", "key", true), "{log}");
    assert!(has("gateway", "reload", "config", false), "{log}");
    let reload = entries.iter().find(|entry| entry["action"] == "reload").unwrap();
    assert_eq!(reload["after"]["tables"], json!(["cache"]), "{log}");
}
