//! Anthropic's API in front of Anthropic's: bytes go through as they came.

use llm_testkit::{Script, Upstream, canned, sse};
use serde_json::{Value, json};

use crate::harness::{Gateway, PROVIDER_KEY, Reply, anthropic, gemini, model, openai};

pub(crate) const MESSAGES: &str = "/v1/messages";
pub(crate) const COUNT: &str = "/v1/messages/count_tokens";

/// A request with one message.
pub(crate) fn message(model: &str) -> Value {
    json!({"model": model, "max_tokens": 300, "messages": [{"role": "user", "content": "Hello!"}]})
}

/// The request of a coding agent: long instructions, dozens of tools, thoughts between calls, pictures.
pub(crate) fn coding_agent(model: &str) -> Value {
    let mut body: Value =
        serde_json::from_str(include_str!("../fixtures/requests/coding_agent.json")).unwrap();
    body["model"] = model.into();
    body
}

pub(crate) async fn post(gateway: &Gateway, path: &str, body: &Value) -> Reply {
    gateway.post(path).header("anthropic-version", "2023-06-01").body(body.to_string()).send().await
}

/// The message that a stream sends, put together as Anthropic's SDKs do.
pub(crate) fn gathered(stream: &str) -> Value {
    let mut message = Value::Null;
    let mut input = String::new();
    let events = sse::events(stream);
    assert_eq!(events.last().map(|event| event.name.as_str()), Some("message_stop"), "{stream}");
    for event in events {
        let data: Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!(data["type"], event.name.as_str());
        let at = usize::try_from(data["index"].as_u64().unwrap_or(0)).unwrap();
        match event.name.as_str() {
            "message_start" => message = data["message"].clone(),
            "content_block_start" => {
                assert_eq!(message["content"].as_array().unwrap().len(), at);
                message["content"].as_array_mut().unwrap().push(data["content_block"].clone());
            }
            "content_block_delta" => {
                let (block, delta) = (&mut message["content"][at], &data["delta"]);
                for name in ["text", "thinking", "signature"] {
                    if let Some(more) = delta[name].as_str() {
                        block[name] = json!(block[name].as_str().unwrap().to_owned() + more);
                    }
                }
                input.push_str(delta["partial_json"].as_str().unwrap_or_default());
            }
            "content_block_stop" => {
                let json = std::mem::take(&mut input);
                if !json.is_empty() {
                    message["content"][at]["input"] = serde_json::from_str(&json).unwrap();
                }
            }
            "message_delta" => {
                for part in ["delta", "usage"] {
                    for (name, value) in data[part].as_object().unwrap() {
                        let into =
                            if part == "usage" { &mut message["usage"][name] } else { &mut message[name] };
                        *into = value.clone();
                    }
                }
            }
            "message_stop" | "ping" => {}
            other => panic!("{other}: {data}"),
        }
    }
    message
}

fn native(upstream: &Upstream) -> Gateway {
    Gateway::start(&model("claude", &[anthropic(upstream)]))
}

#[tokio::test]
async fn a_request_goes_out_and_its_answer_comes_back_byte_for_byte() {
    let upstream = Upstream::start().unwrap();
    let gateway = native(&upstream);
    // Spacing, order, escapes and members that nobody knows.
    let body = r#"{ "max_tokens":300,"messages" : [{"role":"user","content":[{"type":"text","text":"h\u00e9","cache_control":{"type":"ephemeral"}},{"type":"new_block","x":1.0}]}],
        "model": "claude", "new_member":{"a" : [ ]}, "tools":[{"type":"web_search_20250305","name":"web_search","max_uses":2}] }"#;
    let answer =
        format!(" {} ", canned::anthropic_message(500).to_string().replace("\"type\"", "\n\"type\""));
    upstream.push(Script::status(200).header("content-type", "application/json").body(answer.clone()));
    let reply = gateway.post(MESSAGES).body(body).send().await;
    assert_eq!((reply.status, reply.text()), (200, &*answer));
    assert_eq!(reply.header("x-gateway-changes"), "");
    assert_eq!(reply.header("request-id"), reply.header("x-gateway-request-id"));
    let received = upstream.last_request().unwrap();
    assert_eq!(received.text(), body.replace("\"claude\"", "\"claude-sonnet-4-5\""));
    assert_eq!((received.method.as_str(), received.target.as_str()), ("POST", MESSAGES));
    assert_eq!(received.header("x-api-key"), Some(PROVIDER_KEY));
}

#[tokio::test]
async fn a_stream_is_passed_byte_for_byte() {
    let upstream = Upstream::start().unwrap();
    let gateway = native(&upstream);
    let mut events = canned::anthropic_stream(20);
    events.insert(4, ": comment\n\n".to_owned());
    events.insert(6, "event: new_event\r\ndata: {\"type\": \"new_event\"}\r\n\r\n".to_owned());
    let whole = events.concat();
    upstream.push(Script::sse(events));
    let cuts: Vec<Vec<u8>> = whole.as_bytes().chunks(7).map(<[u8]>::to_vec).collect();
    upstream.push(Script::sse(cuts));
    let mut body = message("claude");
    body["stream"] = true.into();
    for _ in 0..2 {
        let reply = post(&gateway, MESSAGES, &body).await;
        assert!(reply.header("content-type").starts_with("text/event-stream"));
        assert_eq!(reply.text(), whole);
    }
    assert_eq!(upstream.last_request().unwrap().json(), {
        body["model"] = "claude-sonnet-4-5".into();
        body
    });
}

#[tokio::test]
async fn a_coding_agent_s_request_keeps_everything() {
    let upstream = Upstream::start().unwrap();
    let gateway = native(&upstream);
    let whole = canned::anthropic_stream(5);
    upstream.push(Script::sse(whole.clone()));
    let mut body = coding_agent("claude");
    let reply = post(&gateway, MESSAGES, &body).await;
    assert_eq!((reply.status, reply.text()), (200, &*whole.concat()));
    assert_eq!(reply.header("x-gateway-changes"), "");
    body["model"] = "claude-sonnet-4-5".into();
    assert_eq!(upstream.last_request().unwrap().json(), body);
}

#[tokio::test]
async fn a_client_s_version_and_betas_go_along_once() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::anthropic_message(10)));
    let with_beta =
        anthropic(&upstream).replace(" }", ", headers = { anthropic-beta = \"own-1,shared-1\" } }");
    let gateway = Gateway::start(&model("claude", &[with_beta]));
    for path in [MESSAGES, COUNT] {
        let call = gateway.post(path).body(message("claude").to_string());
        let call =
            call.header("anthropic-version", "2023-01-01").header("anthropic-beta", "client-1, shared-1");
        call.header("x-stainless-lang", "python").send().await;
        let received = upstream.last_request().unwrap();
        assert_eq!(received.header("anthropic-version"), Some("2023-01-01"));
        assert_eq!(received.header("anthropic-beta"), Some("client-1,shared-1,own-1"));
        assert_eq!(received.header("x-stainless-lang"), None);
    }
}

#[tokio::test]
async fn tokens_are_counted_by_who_can() {
    let upstream = Upstream::start().unwrap();
    upstream.push(
        Script::status(200).header("content-type", "application/json").body("{ \"input_tokens\" : 14 }"),
    );
    let gateway = native(&upstream);
    let mut body = message("claude");
    body.as_object_mut().unwrap().remove("max_tokens");
    let reply = post(&gateway, COUNT, &body).await;
    assert_eq!((reply.status, reply.text()), (200, "{ \"input_tokens\" : 14 }"));
    assert_eq!(reply.header("x-gateway-changes"), "");
    let received = upstream.last_request().unwrap();
    assert_eq!(received.target, COUNT);
    body["model"] = "claude-sonnet-4-5".into();
    assert_eq!(received.json(), body);
}

#[tokio::test]
async fn tokens_are_estimated_where_nobody_counts_them() {
    let upstream = Upstream::start().unwrap();
    let config =
        model("gpt", &[openai(&upstream)]) + &model("demo", &["{ model = \"mock/echo\" }".to_owned()]);
    let gateway = Gateway::start(&config);
    for name in ["gpt", "demo"] {
        let mut body = message(name);
        // 3 for the prompt, 4 for the message, 6 characters; counted it is as many.
        let reply = post(&gateway, COUNT, &body).await;
        assert_eq!((reply.status, reply.text()), (200, r#"{"input_tokens":9}"#));
        let changes = reply.header("x-gateway-changes");
        assert_eq!(changes.contains("estimated"), name == "demo", "{name}: {changes}");
        body["stream"] = true.into();
        body["tools"] = json!([{"name": "f", "description": "12345678", "input_schema": {"type": "object"}}]);
        // How OpenAI counts tools is not published.
        let reply = post(&gateway, COUNT, &body).await;
        assert_eq!(reply.json(), json!({"input_tokens": 9 + 8 + 1 + 2 + 6}));
        assert!(reply.header("x-gateway-changes").contains("estimated"), "{name}");
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[tokio::test]
async fn the_built_in_provider_answers_as_anthropic() {
    let gateway = Gateway::start(&model("demo", &["{ model = \"mock/reasoner\" }".to_owned()]));
    let mut body = message("demo");
    let whole = post(&gateway, MESSAGES, &body).await.json();
    let content = whole["content"].as_array().unwrap();
    assert_eq!((&content[0]["type"], &content[0]["signature"]), (&json!("thinking"), &json!("")));
    assert!(content[1]["text"].as_str().unwrap().ends_with("Hello!"), "{whole}");
    assert_eq!((&whole["type"], &whole["role"]), (&json!("message"), &json!("assistant")));
    assert_eq!(whole["stop_reason"], "end_turn");
    body["stream"] = true.into();
    let stream = post(&gateway, MESSAGES, &body).await;
    let message = gathered(stream.text());
    assert_eq!((&message["content"], &message["usage"]), (&whole["content"], &whole["usage"]));
}

#[tokio::test]
async fn the_key_is_taken_from_wherever_a_client_puts_it_and_stays_here() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::anthropic_message(10)));
    let config = format!("[auth]\nmaster_key = \"sk-master\"\n{}", model("claude", &[anthropic(&upstream)]));
    let gateway = Gateway::start(&config);
    let body = message("claude").to_string();
    for (name, value) in [("x-api-key", "sk-master"), ("authorization", "Bearer sk-master")] {
        for path in [MESSAGES, COUNT, "/messages"] {
            let reply = gateway.post(path).header(name, value).body(body.clone()).send().await;
            assert_eq!(reply.status, 200, "{path} {name}: {}", reply.text());
            let received = upstream.last_request().unwrap();
            assert_eq!(received.header("x-api-key"), Some(PROVIDER_KEY));
            assert!(!format!("{received:?}").contains("sk-master"));
        }
    }
}

#[tokio::test]
async fn thoughts_that_others_made_do_not_go_to_anthropic() {
    let (first, second) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    let gateway =
        Gateway::start(&(model("flash", &[gemini(&first)]) + &model("claude", &[anthropic(&second)])));
    second.always(Script::json(&canned::anthropic_message(10)));
    let mut body = message("claude");
    body["messages"].as_array_mut().unwrap().extend([
        json!({"role": "assistant", "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": ""},
            {"type": "text", "text": "Yes?"}]}),
        json!({"role": "user", "content": "Well."}),
    ]);
    let reply = post(&gateway, MESSAGES, &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        reply.header("x-gateway-changes"),
        "dropped messages[1].content[0] (anthropic takes back signed thoughts only)"
    );
    let sent = second.last_request().unwrap().json();
    assert_eq!(sent["messages"][1]["content"], json!([{"type": "text", "text": "Yes?"}]));
}
