//! Vectors for more inputs than a provider takes at once: what goes out, what comes back, and what if a part fails.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use llm_testkit::script::Gate;
use llm_testkit::upstream::Received;
use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::harness::{Gateway, Options, Reply, model};

/// How long is waited for what has to happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// The texts of a request in any provider's form.
fn texts(body: &Value) -> Vec<String> {
    let all = |list: &str, place: &str| {
        let items = body[list].as_array()?.iter();
        Some(items.filter_map(|item| item.pointer(place)?.as_str().map(str::to_owned)).collect())
    };
    let one = || Some(vec![body.pointer("/content/parts/0/text")?.as_str()?.to_owned()]);
    all("input", "")
        .or_else(|| all("texts", ""))
        .or_else(|| all("instances", "/content"))
        .or_else(|| all("requests", "/content/parts/0/text"))
        .or_else(one)
        .unwrap_or_default()
}

/// Vectors of one number each, which is the text, in the form of whom was asked.
fn vectors(body: &Value, texts: &[String]) -> Value {
    let numbers: Vec<f64> = texts.iter().map(|text| text.parse().unwrap()).collect();
    let each = |write: fn(usize, f64) -> Value| -> Vec<Value> {
        numbers.iter().enumerate().map(|(index, number)| write(index, *number)).collect()
    };
    let used = numbers.len();
    if body["texts"].is_array() {
        let float = each(|_, number| json!([number]));
        return json!({"id": "e", "embeddings": {"float": float}, "meta": {"billed_units": {"input_tokens": used}}});
    }
    if body["instances"].is_array() {
        let one = |_, number| json!({"embeddings": {"values": [number], "statistics": {"token_count": 1}}});
        return json!({"predictions": each(one)});
    }
    if body["requests"].is_array() {
        return json!({"embeddings": each(|_, number| json!({"values": [number]})), "usageMetadata": {"promptTokenCount": used}});
    }
    if body["content"].is_object() {
        return json!({"embedding": {"values": numbers}, "usageMetadata": {"promptTokenCount": used}});
    }
    let data = each(|index, number| json!({"object": "embedding", "index": index, "embedding": [number]}));
    json!({"object": "list", "model": "m", "data": data, "usage": {"prompt_tokens": used, "total_tokens": used}})
}

fn answer(request: &Received) -> Script {
    let body = request.json();
    Script::json(&vectors(&body, &texts(&body)))
}

fn deployment(name: &str, upstream: &Upstream) -> String {
    let base = match name.split('/').next() {
        Some("gemini" | "vertex_ai" | "cohere") => upstream.url(),
        _ => format!("{}/v1", upstream.url()),
    };
    let own = match name.starts_with("vertex_ai/") {
        true => {
            let user = json!({"type": "authorized_user", "client_id": "c", "client_secret": "s-of-client",
                "refresh_token": "r-of-client", "token_uri": format!("{}/token", upstream.url())});
            format!("project = \"p\", location = \"global\", credentials = '{user}'")
        }
        false => "api_key = \"k-of-provider\"".to_owned(),
    };
    format!("{{ model = \"{name}\", api_base = \"{base}\", {own} }}")
}

async fn ask(gateway: &Gateway, count: usize) -> Reply {
    let input: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    gateway.post("/v1/embeddings").body(json!({"model": "many", "input": input}).to_string()).send().await
}

/// Asks for so many, and checks that all came, each at its place.
async fn complete(gateway: &Gateway, count: usize) {
    let reply = ask(gateway, count).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let body = reply.json();
    let data = body["data"].as_array().unwrap();
    assert_eq!(data.len(), count);
    for (index, one) in data.iter().enumerate() {
        assert_eq!(one, &json!({"object": "embedding", "index": index, "embedding": [index as f64]}));
    }
    assert_eq!(body["usage"]["prompt_tokens"], json!(count));
}

/// How many inputs each request held, largest first: they go out side by side.
fn sizes(upstream: &Upstream) -> Vec<usize> {
    let calls = upstream.requests();
    let calls = calls.iter().filter(|request| request.path() != "/token");
    let mut sizes: Vec<usize> = calls.map(|request| texts(&request.json()).len()).collect();
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    sizes
}

/// A gateway whose router asks once.
fn once(upstream: &Upstream) -> Gateway {
    let config = model("many", &[deployment("cohere/embed-v4.0", upstream)]);
    Options::config(format!("[router]\nretries = 0\n{config}")).start()
}

/// The first text of a request.
fn first(request: &Received) -> String {
    texts(&request.json()).into_iter().next().unwrap_or_default()
}

#[tokio::test]
async fn no_provider_gets_more_inputs_than_it_takes() {
    let check = async |name: &str, count: usize, expect: &[usize]| {
        let upstream = Upstream::start().unwrap();
        upstream
            .push_for("/token", Script::json(&json!({"access_token": "t-of-google", "expires_in": 3599})));
        upstream.on("*", answer);
        let gateway = Gateway::start(&model("many", &[deployment(name, &upstream)]));
        complete(&gateway, count).await;
        assert_eq!(sizes(&upstream), expect, "{name}");
    };
    check("openai/text-embedding-3-small", 2049, &[2048, 1]).await;
    check("openai/text-embedding-3-small", 2048, &[2048]).await;
    check("mistral/mistral-embed", 257, &[256, 1]).await;
    check("huggingface/tei", 33, &[32, 1]).await;
    check("cohere/embed-v4.0", 200, &[96, 96, 8]).await;
    check("gemini/gemini-embedding-001", 101, &[100, 1]).await;
    check("vertex_ai/gemini-embedding-2", 3, &[1, 1, 1]).await;
    check("vertex_ai/gemini-embedding-001", 2, &[1, 1]).await;
    check("vertex_ai/text-embedding-005", 251, &[250, 1]).await;
}

#[tokio::test]
async fn parts_go_out_beside_each_other_and_not_too_many() {
    let (upstream, gate) = (Upstream::start().unwrap(), Gate::new());
    let shut = gate.clone();
    upstream.on("*", move |request| answer(request).gate_head(&shut));
    let gateway = once(&upstream);
    let asking = complete(&gateway, 96 * 10);
    let opening = async {
        while upstream.requests().len() < 8 {
            sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(upstream.requests().len(), 8, "none is answered yet");
        gate.open();
    };
    timeout(PATIENCE, async { tokio::join!(asking, opening) }).await.unwrap();
    assert_eq!(sizes(&upstream), [96; 10]);
}

#[tokio::test]
async fn a_part_that_is_refused_for_the_moment_is_asked_for_once_more() {
    let upstream = Upstream::start().unwrap();
    let seen = Arc::new(Mutex::new(HashSet::new()));
    upstream.on("*", move |request| match first(request) {
        first if first == "96" && seen.lock().unwrap().insert(first.clone()) => Script::status(503),
        _ => answer(request),
    });
    complete(&once(&upstream), 200).await;
    assert_eq!(sizes(&upstream), [96, 96, 96, 8]);
}

#[tokio::test]
async fn a_part_that_is_refused_is_the_failure_of_all() {
    let upstream = Upstream::start().unwrap();
    upstream.on("*", |request| match first(request).as_str() {
        "96" => Script::status(400).json_body(&json!({"message": "invalid text"})),
        _ => answer(request),
    });
    ask(&once(&upstream), 200).await.error(400).says(&["invalid text"]);
    assert_eq!(sizes(&upstream), [96, 96, 8]);
}

#[tokio::test]
async fn what_cannot_be_sent_is_known_before_anything_is() {
    let upstream = Upstream::start().unwrap();
    upstream.on("*", answer);
    let gateway = once(&upstream);
    let mut input: Vec<Value> = (0..200).map(|number| json!(number.to_string())).collect();
    input[150] = json!([1, 2]);
    let body = json!({"model": "many", "input": input}).to_string();
    let error = gateway.post("/v1/embeddings").body(body).send().await.error(400);
    error.says(&["tokens"]);
    assert_eq!(error.param, "input[150]");
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn vectors_that_are_missing_are_not_made_up_for_by_others() {
    let short = |request: &Received, whose: &str| {
        let body = request.json();
        let mut texts = texts(&body);
        if texts.first().is_some_and(|first| first == whose) {
            texts.pop();
        }
        Script::json(&vectors(&body, &texts))
    };
    // In parts, and whole.
    for (whose, count) in [("96", 200), ("0", 2)] {
        let upstream = Upstream::start().unwrap();
        upstream.on("*", move |request| short(request, whose));
        let error = ask(&once(&upstream), count).await.error(500);
        error.says(&["vectors for"]);
    }
}
