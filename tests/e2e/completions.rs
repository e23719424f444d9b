//! Legacy text completions: native to text models, and of chat models in every dialect.

use llm_testkit::{End, Script, Upstream, canned};
use serde_json::{Value, json};

use crate::harness::{Gateway, PROVIDER_KEY, anthropic, deployment, gemini, model, openai};

const PATH: &str = "/v1/completions";

/// A deployment of a text model.
fn instruct(upstream: &Upstream) -> String {
    let (base, key) = (upstream.url(), PROVIDER_KEY);
    format!("{{ model = \"openai/gpt-3.5-turbo-instruct\", api_base = \"{base}/v1\", api_key = \"{key}\" }}")
}

fn chunk(text: &str, finish: Value) -> Value {
    json!({"id": "cmpl-1", "object": "text_completion", "created": 9,
        "choices": [{"text": text, "index": 0, "logprobs": null, "finish_reason": finish}], "model": "instruct"})
}

fn usage() -> Value {
    json!({"id": "cmpl-1", "object": "text_completion", "created": 9, "model": "instruct", "choices": [],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}})
}

/// What a streamed text completion says; its finish; its usage.
fn gathered(events: &[Value]) -> (String, Vec<&str>, Option<u64>) {
    let texts = events.iter().filter_map(|event| event["choices"][0]["text"].as_str());
    let finishes = events.iter().filter_map(|event| event["choices"][0]["finish_reason"].as_str());
    let usage = events.iter().find_map(|event| event["usage"]["total_tokens"].as_u64());
    (texts.collect(), finishes.collect(), usage)
}

#[tokio::test]
async fn a_text_model_gets_the_clients_bytes_and_its_answer_passes() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[instruct(&upstream)]));
    let answer = "{ \"id\":\"cmpl-1\", \"object\":\"text_completion\",\"choices\":[{\"text\":\" a\\u00e9\",\"index\":0,\
                  \"logprobs\":null,\"finish_reason\":\"stop\"}], \"x\": 1.50 }";
    upstream.always(Script::status(200).header("content-type", "application/json").body(answer));
    for path in [PATH, "/completions"] {
        let sent =
            "{ \"prompt\": [[1, 2],[3]], \"model\":\"smart\", \"echo\" : true, \"best_of\":4,\"odd\":1.0 }";
        let reply = gateway.post(path).body(sent).send().await;
        assert_eq!((reply.status, reply.text()), (200, answer));
        let received = upstream.last_request().unwrap();
        assert_eq!(received.target, "/v1/completions");
        assert_eq!(received.text(), sent.replace("smart", "gpt-3.5-turbo-instruct"));
    }
}

#[tokio::test]
async fn the_usage_of_a_stream_is_withheld_unless_asked_for() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[instruct(&upstream)]));
    let chunks = [chunk("Once", Value::Null), chunk(" upon", json!("length")), usage()];
    upstream.always(Script::openai_sse(&chunks));
    let body = json!({"model": "smart", "prompt": "x", "stream": true});
    let reply = gateway.post(PATH).body(body.to_string()).send().await;
    let expect: String = chunks[..2].iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    assert_eq!(reply.text(), expect.clone() + "data: [DONE]\n\n");
    assert_eq!(upstream.last_request().unwrap().json()["stream_options"], json!({"include_usage": true}));
    let mut asked = body.clone();
    asked["stream_options"] = json!({"include_usage": true});
    let reply = gateway.post(PATH).body(asked.to_string()).send().await;
    assert_eq!(reply.text(), format!("{expect}data: {}\n\ndata: [DONE]\n\n", chunks[2]));
}

#[tokio::test]
async fn a_text_model_answers_a_chat() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[instruct(&upstream)]));
    upstream.push(Script::json(
        &json!({"id": "cmpl-1", "object": "text_completion", "created": 9, "model": "instruct",
        "choices": [{"text": "Aye.", "index": 0, "logprobs": null, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}),
    ));
    let mut body = json!({"model": "smart", "max_tokens": 5, "seed": 4, "messages": [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Ready?"}], "store": true});
    let reply = gateway.chat(&body).await;
    assert_eq!((reply.status, reply.content().as_str()), (200, "Aye."), "{}", reply.text());
    assert_eq!(reply.json()["usage"]["total_tokens"], 5);
    assert!(reply.header("x-gateway-changes").contains("dropped store"), "{:?}", reply.headers);
    let sent = upstream.last_request().unwrap();
    let expect = json!({"model": "gpt-3.5-turbo-instruct", "prompt": "Be brief.\n\nReady?", "max_tokens": 5, "seed": 4});
    assert_eq!((sent.target.as_str(), sent.json()), ("/v1/completions", expect));
    upstream.push(Script::openai_sse(&[chunk("A", Value::Null), chunk("ye.", json!("stop")), usage()]));
    body["stream"] = true.into();
    let reply = gateway.stream(&body).await.whole().await;
    assert_eq!(reply.streamed_content(), "Aye.");
    assert!(reply.text().ends_with("data: [DONE]\n\n"), "{}", reply.text());
}

#[tokio::test]
async fn chat_models_of_every_dialect_complete_a_text() {
    let upstreams = [Upstream::start().unwrap(), Upstream::start().unwrap(), Upstream::start().unwrap()];
    let [one, two, three] = &upstreams;
    let gateway = Gateway::start(
        &(model("openai", &[openai(one)])
            + &model("anthropic", &[anthropic(two)])
            + &model("gemini", &[gemini(three)])),
    );
    let gemini = |text: &str, finish: Value| {
        json!({"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "finishReason": finish, "index": 0}],
            "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12}, "modelVersion": "g", "responseId": "r"})
    };
    one.push(Script::json(&canned::openai_completion(20)));
    one.push(Script::sse(canned::openai_stream(5, canned::IncludeUsage::Yes)));
    two.push(Script::json(&canned::anthropic_message(20)));
    two.push(Script::sse(canned::anthropic_stream(5)));
    three.push(Script::json(&gemini("The tide turns", json!("STOP"))));
    three.push(Script::sse([format!("data: {}\r\n\r\n", gemini("The tide turns", json!("MAX_TOKENS")))]));
    for (name, upstream) in [("openai", one), ("anthropic", two), ("gemini", three)] {
        let mut body = json!({"model": name, "prompt": ["Tell me"], "max_tokens": 9, "best_of": 2});
        let reply = gateway.post(PATH).body(body.to_string()).send().await;
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
        let whole = reply.json();
        assert_eq!(whole["object"], "text_completion", "{name}: {whole}");
        assert!(!whole["choices"][0]["text"].as_str().unwrap().is_empty(), "{name}: {whole}");
        assert_eq!(whole["choices"][0]["finish_reason"], "stop", "{name}");
        assert!(whole["usage"]["total_tokens"].as_u64().unwrap() > 0, "{name}: {whole}");
        assert!(reply.header("x-gateway-changes").contains("dropped best_of"), "{name}: {:?}", reply.headers);
        assert!(upstream.last_request().unwrap().text().contains("Tell me"), "{name}");
        body["stream"] = true.into();
        body["stream_options"] = json!({"include_usage": true});
        let reply = gateway.post(PATH).body(body.to_string()).send().await;
        let events = reply.events();
        let (text, finishes, usage) = gathered(&events);
        assert!(!text.is_empty() && finishes.len() == 1 && usage.is_some(), "{name}: {}", reply.text());
        assert!(events.iter().all(|event| event["object"] == "text_completion"), "{name}: {}", reply.text());
        assert!(reply.text().ends_with("data: [DONE]\n\n"), "{name}: {}", reply.text());
    }
}

#[tokio::test]
async fn what_a_text_has_no_place_for_is_told() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[anthropic(&upstream)]));
    let cited = json!({"type": "char_location", "cited_text": "t", "document_index": 0, "start_char_index": 0, "end_char_index": 1});
    let mut answer = canned::anthropic_message(20);
    answer["content"] = json!([{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "text", "text": "Aye.", "citations": [cited]}]);
    upstream.push(Script::json(&answer));
    let reply = gateway.post(PATH).body("{\"model\":\"smart\",\"prompt\":\"x\"}").send().await;
    assert_eq!((reply.status, &reply.json()["choices"][0]["text"]), (200, &json!("Aye.")));
    let changes = reply.header("x-gateway-changes");
    for lost in ["dropped choices[0].thoughts", "dropped choices[0].sources"] {
        assert!(changes.contains(lost), "{changes}");
    }
}

#[tokio::test]
async fn what_a_chat_model_cannot_do_is_a_400_that_says_what_to_do() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    let check = async |more: Value, param: &str, says: &[&str]| {
        let mut body = json!({"model": "smart", "prompt": "x"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let error = gateway.post(PATH).body(body.to_string()).send().await.error(400);
        assert_eq!((error.param.as_str(), error.kind.as_str()), (param, "invalid_request_error"));
        error.says(says);
    };
    check(json!({"prompt": ["a", "b"]}), "prompt", &["send a request for each"]).await;
    check(json!({"prompt": [1, 2]}), "prompt", &["send it as text"]).await;
    check(json!({"prompt": null}), "prompt", &["missing"]).await;
    check(json!({"echo": true}), "echo", &["text model"]).await;
    check(json!({"suffix": "end"}), "suffix", &["text model"]).await;
    check(json!({"temperature": "hot"}), "temperature", &["temperature"]).await;
    assert_eq!(upstream.requests().len(), 0);
    gateway.post(PATH).body("{\"prompt\":\"x\"}").send().await.error(400).says(&["`model` is missing"]);
    gateway.post(PATH).body("{\"model\":\"none\",\"prompt\":\"x\"}").send().await.error(404);
}

#[tokio::test]
async fn failures_of_a_text_model_reach_the_client() {
    let upstream = Upstream::start().unwrap();
    let config = "[router]\nretries = 0\n".to_owned() + &model("smart", &[instruct(&upstream)]);
    let gateway = crate::harness::Options::config(config).start();
    let body = |stream: bool| json!({"model": "smart", "prompt": "x", "stream": stream}).to_string();
    let refused =
        json!({"error": {"message": "slow down", "type": "rate_limit_error", "code": null, "param": null}});
    upstream.push(Script::status(429).header("retry-after", "7").json_body(&refused));
    let reply = gateway.post(PATH).body(body(false)).send().await;
    reply.error(429).says(&["slow down"]);
    assert_eq!(reply.header("retry-after"), "7");
    upstream.push(Script::sse([format!("data: {}\n\n", chunk("Once", Value::Null))]).then(End::Truncate));
    let reply = gateway.post(PATH).body(body(true)).send().await;
    assert_eq!(reply.status, 200);
    assert!(reply.events().last().unwrap()["error"]["message"].is_string(), "{}", reply.text());
    // Failures in the first event are still answers with their own status.
    upstream.push(Script::sse([format!("data: {refused}\n\n")]));
    gateway.post(PATH).body(body(true)).send().await.error(429).says(&["slow down"]);
}

#[tokio::test]
async fn azure_has_them_behind_the_deployment() {
    let upstream = Upstream::start().unwrap();
    let deployment = format!(
        "{{ model = \"azure/instruct_series/mine\", api_base = \"{}\", api_key = \"k\", api_version = \"2024-10-21\" }}",
        upstream.url()
    );
    let gateway = Gateway::start(&model("smart", &[deployment]));
    upstream.always(Script::json(&chunk("a", json!("stop"))));
    let reply = gateway.post(PATH).body("{\"model\":\"smart\",\"prompt\":\"x\"}").send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let received = upstream.last_request().unwrap();
    assert_eq!(received.target, "/openai/deployments/mine/completions?api-version=2024-10-21");
    assert_eq!(received.header("api-key"), Some("k"));
}

#[tokio::test]
async fn the_built_in_provider_answers_them() {
    let gateway = crate::harness::Options::args(&["--demo"]).start();
    let body = json!({"model": "mock/echo", "prompt": "the tide", "n": 2});
    let reply = gateway.post(PATH).body(body.to_string()).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let choices = reply.json()["choices"].as_array().unwrap().clone();
    assert_eq!(choices.len(), 2);
    assert!(choices[1]["text"].as_str().unwrap().contains("the tide"), "{choices:?}");
    let body = json!({"model": "mock/echo", "prompt": "the tide", "stream": true});
    let reply = gateway.post(PATH).body(body.to_string()).send().await;
    let events = reply.events();
    assert!(events.len() >= 5 && gathered(&events).0.contains("the tide"), "{}", reply.text());
    let body = json!({"model": "mock/echo", "prompt": [1, 2]});
    gateway.post(PATH).body(body.to_string()).send().await.error(400).says(&["send it as text"]);
}

#[tokio::test]
async fn a_gap_is_filled_by_ollama_too() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("coder", &[deployment("ollama/qwen2.5-coder", &upstream.url())]));
    upstream.push(Script::json(&json!({"model": "qwen2.5-coder", "response": "a + b", "done": true,
        "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 3})));
    let body = json!({"model": "coder", "prompt": "def add(a, b):\n    return ", "suffix": "\n\nadd(1, 2)"});
    let reply = gateway.post(PATH).body(body.to_string()).send().await;
    assert_eq!(
        (reply.status, &reply.json()["choices"][0]["text"]),
        (200, &json!("a + b")),
        "{}",
        reply.text()
    );
    let received = upstream.last_request().unwrap();
    assert_eq!(received.path(), "/api/generate");
    let sent: Value = serde_json::from_slice(&received.body).unwrap();
    assert_eq!((&sent["prompt"], &sent["suffix"]), (&body["prompt"], &body["suffix"]));
    // What it cannot do is refused as before.
    let body = json!({"model": "coder", "prompt": "def", "suffix": "x", "echo": true});
    let reply = gateway.post(PATH).body(body.to_string()).send().await;
    assert_eq!((reply.status, upstream.requests().len()), (400, 1), "{}", reply.text());
}
