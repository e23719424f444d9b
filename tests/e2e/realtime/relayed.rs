//! Events both ways, whom a session is with, and how it ends.

use http::Method;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{MASTER, Provider, admin, config, connect, hear, key, kinds, refusal, rows, say, session};
use crate::harness::{Gateway, PATIENCE, PROVIDER_KEY, model};

#[tokio::test]
async fn events_go_both_ways_and_each_response_has_a_row() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&config(&provider));
    let (id, own) = key(&gateway, json!({"name": "one"})).await;
    let protocols = format!("realtime, openai-insecure-api-key.{own}, openai-beta.realtime-v1");
    let headers = [("sec-websocket-protocol", protocols.as_str())];
    let (mut socket, response) = connect(&gateway, "/v1/realtime?model=voice", &headers).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "realtime");
    assert_eq!(response.headers()["x-gateway-provider"], "openai");
    let head = provider.heads.lock().await[0].clone();
    assert_eq!(head.uri().to_string(), "/v1/realtime?model=gpt-realtime");
    assert_eq!(head.headers()["authorization"], format!("Bearer {PROVIDER_KEY}"));
    assert_eq!(head.headers()["openai-beta"], "realtime=v1");
    assert!(!format!("{head:?}").contains(&own));

    let large = json!({"type": "input_audio_buffer.append", "audio": "A".repeat(2 << 20)});
    say(&mut socket, large.clone()).await;
    assert_eq!(hear(&mut socket).await.unwrap(), large);
    for _ in 0..2 {
        say(&mut socket, json!({"type": "response.create"})).await;
        assert_eq!(kinds(&mut socket, 3).await, ["response.created", "response.text.delta", "response.done"]);
    }
    // What has come is written down.
    let rows = rows(&gateway, &id, 2).await;
    let told: Vec<_> =
        rows.iter().map(|row| (row["cost_usd"].as_str().unwrap(), row["status"].as_u64())).collect();
    assert_eq!(told, [("0.3216", Some(200)); 2], "{rows:?}");
    socket.close(None).await.unwrap();
    provider.wait_closed().await;
    assert!(!gateway.logs().contains(PROVIDER_KEY) && !gateway.logs().contains(&own));
}

#[tokio::test]
async fn what_goes_wrong_before_it_begins_is_an_ordinary_error() {
    let provider = Provider::start().await;
    let refused = provider.deployment().replace("gpt-realtime", "gpt-refused");
    let text = model("text", &["{ model = \"mock/echo\" }".to_owned()]);
    let gateway = Gateway::start(&format!("{}{}{text}", config(&provider), model("refused", &[refused])));
    let bearer = format!("Bearer {MASTER}");
    let master = [("authorization", bearer.as_str())];
    for (path, headers, status, words) in [
        ("/v1/realtime?model=voice", &[][..], 401, "no key in the request"),
        ("/v1/realtime", &master[..], 400, "?model="),
        ("/v1/realtime?model=voise", &master[..], 404, "voice"),
        ("/v1/realtime?model=refused", &master[..], 403, "no: [redacted]"),
        ("/v1/realtime?model=text", &master[..], 400, "has no realtime API"),
        ("/v1/realtime?model=voice&intent=transcription", &master[..], 400, "transcription"),
    ] {
        let (code, body) = refusal(&gateway, path, headers).await;
        assert!(code == status && body.contains(words), "{path}: {code} {body}");
    }
    let plain =
        gateway.call(Method::GET, "/v1/realtime?model=voice").header("authorization", &bearer).send().await;
    plain.error(400).says(&["WebSocket"]);
    let (_, narrow) = key(&gateway, json!({"name": "narrow", "models": ["other"]})).await;
    let bearer = format!("Bearer {narrow}");
    let (code, body) = refusal(&gateway, "/v1/realtime?model=voice", &[("authorization", &bearer)]).await;
    assert!(code == 403 && body.contains("model_not_allowed"), "{code} {body}");
}

#[tokio::test]
async fn a_session_goes_where_the_router_says() {
    let (refusing, well) = (Provider::start().await, Provider::start().await);
    let refused = refusing.deployment().replace("gpt-realtime", "gpt-refused");
    let text = model("text", &["{ model = \"mock/echo\" }".to_owned()]);
    let config = format!(
        "[auth]\nmaster_key = \"{MASTER}\"\n{}{}",
        model("voice", &[refused, well.deployment()]),
        text.replace("deployments", "fallbacks = [\"voice\"]\ndeployments"),
    );
    let gateway = Gateway::start(&config);
    let bearer = format!("Bearer {MASTER}");
    let headers = [("authorization", bearer.as_str()), ("x-gateway-explain", "1")];
    let told =
        async |id: &str| admin(&gateway, Method::GET, &format!("/admin/v1/requests/{id}"), "").await.json();

    let (mut socket, response) =
        connect(&gateway, "/v1/realtime?model=voice&safe=1&api-key=x", &headers).await.unwrap();
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!((&*header("x-gateway-deployment"), &*header("x-gateway-attempts")), ("voice/2", "2"));
    assert_eq!(refusing.heads.lock().await.len(), 1);
    assert_eq!(well.heads.lock().await[0].uri().to_string(), "/v1/realtime?model=gpt-realtime&safe=1");
    say(&mut socket, json!({"type": "response.create"})).await;
    kinds(&mut socket, 3).await;
    socket.close(None).await.unwrap();
    well.wait_closed().await;
    let id = header("x-gateway-request-id");
    let ended = async {
        loop {
            let told = told(&id).await;
            if told["outcome"] != "answering" {
                return told;
            }
            tokio::task::yield_now().await;
        }
    };
    let record = timeout(PATIENCE, ended).await.expect("the session's end in time");
    assert_eq!((&record["operation"], &record["outcome"]), (&json!("realtime"), &json!("answered")));
    let attempts = &record["groups"][0]["attempts"];
    assert_eq!((&attempts[0]["error"]["status"], &attempts[1]["error"]), (&json!(403), &Value::Null));
    assert_eq!(record["groups"][0]["decisions"][0]["candidates"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&record["end"]["input_tokens"], &record["end"]["output_tokens"]),
        (&json!(10_000), &json!(100))
    );

    // What goes wrong at the provider is said, without its words, and counts against it.
    let (mut socket, response) = connect(&gateway, "/v1/realtime?model=voice", &headers).await.unwrap();
    assert_eq!(response.headers()["x-gateway-deployment"], "voice/2");
    say(&mut socket, json!({"type": "session.fail"})).await;
    let event = hear(&mut socket).await.unwrap();
    assert_eq!(event["type"], "error", "{event}");
    assert!(event.to_string().contains("1011") && !event.to_string().contains(PROVIDER_KEY), "{event}");
    assert_eq!(hear(&mut socket).await, Err(CloseCode::Error));
    let id = response.headers()["x-gateway-request-id"].to_str().unwrap().to_owned();
    let failed = async {
        while told(&id).await["outcome"] != "broke off" {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, failed).await.expect("the failure in time");

    // A model without the API leads to one that has it, and so does one that is gone.
    let (_socket, response) = connect(&gateway, "/v1/realtime?model=text", &headers).await.unwrap();
    assert_eq!(response.headers()["x-gateway-fallback"], "voice");
    assert_eq!(response.headers()["x-gateway-deployment"], "voice/2");
}

#[tokio::test]
async fn a_gateway_that_stops_lets_a_response_end_and_says_goodbye() {
    let provider = Provider::start().await;
    let mut gateway = Gateway::start(&config(&provider));
    let (mut idle, mut busy) = (session(&gateway, MASTER).await, session(&gateway, MASTER).await);
    say(&mut busy, json!({"type": "response.begin"})).await;
    assert_eq!(kinds(&mut busy, 1).await, ["response.created"]);
    gateway.signal("TERM");
    let error = hear(&mut idle).await.unwrap();
    assert_eq!(error["error"]["code"], "session_closed");
    assert_eq!(hear(&mut idle).await, Err(CloseCode::Away));
    say(&mut busy, json!({"type": "response.cancel"})).await;
    assert_eq!(kinds(&mut busy, 2).await, ["response.done", "error"]);
    assert_eq!(hear(&mut busy).await, Err(CloseCode::Away));
    assert!(gateway.wait_exit().success());
}

/// The deployment that a new session is with; the session is closed again.
async fn served(gateway: &Gateway) -> String {
    let bearer = format!("Bearer {MASTER}");
    let headers = [("authorization", bearer.as_str())];
    let (mut socket, response) = connect(gateway, "/v1/realtime?model=voice", &headers).await.unwrap();
    socket.close(None).await.unwrap();
    response.headers()["x-gateway-deployment"].to_str().unwrap().to_owned()
}

/// How many sessions each provider was asked for.
async fn dials(providers: &[Provider; 2]) -> [usize; 2] {
    let [one, two] = providers;
    [one.heads.lock().await.len(), two.heads.lock().await.len()]
}

/// Waits until they have noted so many: a client may know of a session before its provider does.
async fn wait_dialled(providers: &[Provider; 2], sum: usize) {
    let noted = async {
        while dials(providers).await.iter().sum::<usize>() < sum {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, noted).await.expect("all of them are noted");
}

#[tokio::test]
async fn who_was_taken_out_of_service_is_not_dialled() {
    let providers = [Provider::start().await, Provider::start().await];
    let deployments = providers.each_ref().map(Provider::deployment);
    let gateway =
        Gateway::start(&format!("[auth]\nmaster_key = \"{MASTER}\"\n{}", model("voice", &deployments)));
    let turn = async |id: &str, how: &str| {
        let turned = admin(&gateway, Method::POST, &format!("/admin/v1/deployments/{id}/{how}"), "").await;
        assert_eq!(turned.status, 200, "{}", turned.text());
    };
    for (id, left, dialled) in [("voice/1", "voice/2", [0, 4]), ("voice/2", "voice/1", [4, 4])] {
        turn(id, "drain").await;
        for _ in 0..4 {
            assert_eq!(served(&gateway).await, left);
        }
        wait_dialled(&providers, dialled.iter().sum()).await;
        assert_eq!(dials(&providers).await, dialled, "{id} is out of service");
        turn(id, "enable").await;
    }
    // A session that is there goes on; nobody gets another one, and nobody is asked for it.
    let mut socket = session(&gateway, MASTER).await;
    for id in ["voice/1", "voice/2"] {
        turn(id, "drain").await;
    }
    wait_dialled(&providers, 9).await;
    let before = dials(&providers).await;
    let bearer = format!("Bearer {MASTER}");
    let (code, body) = refusal(&gateway, "/v1/realtime?model=voice", &[("authorization", &bearer)]).await;
    assert!(code == 503 && body.contains("taken out of service"), "{code} {body}");
    assert_eq!(dials(&providers).await, before);
    say(&mut socket, json!({"type": "response.create"})).await;
    assert_eq!(kinds(&mut socket, 3).await, ["response.created", "response.text.delta", "response.done"]);
    turn("voice/2", "enable").await;
    assert_eq!(served(&gateway).await, "voice/2");
}
