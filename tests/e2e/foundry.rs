//! Anthropic's models at Azure AI Foundry: an API of their own beside that of the others.

use llm_testkit::{Script, Upstream};
use serde_json::json;

use crate::harness::{Gateway, PROVIDER_KEY, model};
use crate::messages::{COUNT, MESSAGES, message, post};

/// A resource that people name by the address of its other models.
fn claude(upstream: &Upstream) -> Gateway {
    let at = format!(
        "{{ model = \"azure_ai/claude-sonnet-4-5\", api_base = \"{}/models\", api_key = \"{PROVIDER_KEY}\" }}",
        upstream.url()
    );
    Gateway::start(&model("claude", &[at]))
}

fn answer() -> Script {
    Script::json(&json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": "Hello!"}], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 10, "output_tokens": 3}}))
}

#[tokio::test]
async fn claude_is_asked_there_in_anthropics_words() {
    let upstream = Upstream::start().unwrap();
    let gateway = claude(&upstream);
    upstream.push(answer());
    let asked =
        json!({"model": "claude", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello!"}]});
    let reply = gateway.post("/v1/chat/completions").body(asked.to_string()).send().await;
    assert_eq!((reply.status, &reply.json()["choices"][0]["message"]["content"]), (200, &json!("Hello!")));
    let sent = upstream.last_request().unwrap();
    assert_eq!((sent.path(), sent.query()), ("/anthropic/v1/messages", ""));
    assert_eq!((sent.header("x-api-key"), sent.header("authorization")), (Some(PROVIDER_KEY), None));
    assert_eq!(sent.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(sent.json()["model"], "claude-sonnet-4-5");

    // A client of the same API gets the bytes as they are.
    upstream.push(answer());
    let reply = post(&gateway, MESSAGES, &message("claude")).await;
    assert_eq!((reply.status, &reply.json()["id"]), (200, &json!("msg_1")));
    assert_eq!(upstream.last_request().unwrap().path(), "/anthropic/v1/messages");
    upstream.push(Script::json(&json!({"input_tokens": 12})));
    let reply = post(&gateway, COUNT, &message("claude")).await;
    assert_eq!((reply.status, reply.json()), (200, json!({"input_tokens": 12})));
    assert_eq!(upstream.last_request().unwrap().path(), "/anthropic/v1/messages/count_tokens");
}
