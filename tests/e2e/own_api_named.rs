//! What a key may not name through a provider's own API: what is kept there is the whole account's.

use http::Method;
use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, Reply, anthropic, gemini, model, openai};

const MASTER: &str = "sk-master-of-the-tests";

struct Stand {
    gateway: Gateway,
    upstream: Upstream,
}

impl Stand {
    fn start() -> Self {
        let upstream = Upstream::start().unwrap();
        upstream.always(Script::json(&json!({})));
        let models = [
            model("smart", &[openai(&upstream)]),
            model("claude", &[anthropic(&upstream)]),
            model("flash", &[gemini(&upstream)]),
        ];
        let gateway = Gateway::start(&format!("[auth]\nmaster_key = \"{MASTER}\"\n{}", models.concat()));
        Self { gateway, upstream }
    }

    async fn post(&self, key: &str, path: &str, body: &Value) -> Reply {
        let call = self.gateway.call(Method::POST, path).header("authorization", &format!("Bearer {key}"));
        call.header("content-type", "application/json").body(body.to_string()).send().await
    }

    async fn key(&self, form: Value) -> String {
        let made = self.post(MASTER, "/admin/v1/keys", &form).await;
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()["key"].as_str().unwrap().to_owned()
    }
}

/// A refusal in whatever dialect.
fn refused(reply: &Reply, words: &[&str]) {
    assert_eq!(reply.status, 403, "{}", reply.text());
    let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(words.iter().all(|word| message.contains(word)), "{words:?}: {message}");
}

#[tokio::test]
async fn what_the_account_keeps_is_named_only_by_whom_the_route_is_granted() {
    let stand = Stand::start();
    let bounded = stand.key(json!({})).await;
    let granted = stand.key(json!({"routes": ["/v1/openai/*", "/v1/anthropic/*", "/v1/gemini/*"]})).await;
    let user = |part: Value| json!([{"role": "user", "content": [part]}]);
    let responses = |name: &str, value: Value| {
        let mut body = json!({"model": "gpt-4o", "input": "x"});
        body[name] = value;
        ("/v1/openai/responses", body, name.to_owned())
    };
    let file = json!({"type": "document", "source": {"type": "file", "file_id": "f"}});
    let calls = [
        responses("previous_response_id", "resp_1".into()),
        responses("conversation", "conv_1".into()),
        responses("input", json!([{"type": "item_reference", "id": "msg_1"}])),
        responses("input", user(json!({"type": "input_file", "file_id": "file-9"}))),
        (
            "/v1/openai/chat/completions",
            json!({"model": "gpt-4o", "messages": user(json!({"type": "file", "file": {"file_id": "file-9"}}))}),
            "file_id".to_owned(),
        ),
        (
            "/v1/anthropic/v1/messages",
            json!({"model": "claude-sonnet-4-5", "container": "c", "messages": []}),
            "container".to_owned(),
        ),
        (
            "/v1/anthropic/v1/messages",
            json!({"model": "claude-sonnet-4-5", "messages": user(file)}),
            "file_id".to_owned(),
        ),
        (
            "/v1/gemini/v1beta/models/gemini-2.5-flash:generateContent",
            json!({"cachedContent": "cachedContents/x", "contents": []}),
            "cachedContent".to_owned(),
        ),
    ];
    for (path, body, named) in &calls {
        let before = stand.upstream.requests().len();
        refused(&stand.post(&bounded, path, body).await, &[named, "routes"]);
        assert_eq!(stand.upstream.requests().len(), before, "nobody was asked");
        for key in [&*granted, MASTER] {
            assert_eq!(stand.post(key, path, body).await.status, 200, "{path} {body}");
        }
        let mut plain = body.clone();
        for name in ["previous_response_id", "conversation", "container", "cachedContent"] {
            plain.as_object_mut().unwrap().remove(name);
        }
        for name in ["input", "messages"] {
            if let Some(member) = plain.get_mut(name) {
                *member = user(json!({"type": "text", "text": "file_id"}));
            }
        }
        let reply = stand.post(&bounded, path, &plain).await;
        assert_eq!(reply.status, 200, "{path} {plain}: {}", reply.text());
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_no_way_round() {
    let stand = Stand::start();
    let bounded = stand.key(json!({})).await;
    let path = "/v1/gemini/v1beta/models/gemini-2.5-flash:generateContent";
    let body = r#"{"cachedContent":"cachedContents/x"}"#;
    for (name, value) in [("content-encoding", "gzip"), ("content-type", "text/plain")] {
        let call = stand.gateway.post(path).header("authorization", &format!("Bearer {bounded}"));
        refused(&call.header(name, value).body(body).send().await, &["as JSON"]);
    }
    // Written twice it might be either.
    let twice = r#"{"cachedContent":null,"cachedContent":"cachedContents/x"}"#;
    let call = stand.gateway.post(path).header("authorization", &format!("Bearer {bounded}"));
    refused(&call.header("content-type", "application/json").body(twice).send().await, &["as JSON"]);
    assert!(stand.upstream.requests().is_empty());
}
