//! What clients of each front do wrong, told in the words and the shape of that front before anything is sent.

use llm_testkit::Upstream;
use serde_json::{Value, json};

use crate::harness::{Gateway, Reply, anthropic, model};

const RESPONSES: &str = "/v1/responses";
const GENERATE: &str = "/v1beta/models/mock:generateContent";
const COUNT: &str = "/v1beta/models/mock:countTokens";

/// The built-in provider as `mock`, and another dialect's as `claude`, which must not be called.
fn gateway(server: &str) -> (Gateway, Upstream) {
    let upstream = Upstream::start().unwrap();
    let mock = model("mock", &["{ model = \"mock/echo\" }".to_owned()]);
    (Gateway::start(&format!("{server}{mock}{}", model("claude", &[anthropic(&upstream)]))), upstream)
}

async fn post(gateway: &Gateway, path: &str, body: impl Into<String>) -> Reply {
    gateway.post(path).body(body.into()).send().await
}

/// The status and the message of an error in Gemini's shape.
fn gemini(reply: &Reply) -> (u16, String, String) {
    let error = &reply.json()["error"];
    let text = |name: &str| error[name].as_str().unwrap_or_else(|| panic!("{}", reply.text())).to_owned();
    assert_eq!(error["code"], reply.status, "{}", reply.text());
    (reply.status, text("status"), text("message"))
}

#[tokio::test]
async fn a_bad_input_is_named() {
    let (gateway, upstream) = gateway("");
    for name in ["mock", "claude"] {
        for (input, param) in [
            ("5", "input"),
            ("{}", "input"),
            ("true", "input"),
            ("[]", "input"),
            ("[1]", "input[0]"),
            ("[{\"role\":\"user\",\"content\":\"x\"},{\"role\":5}]", "input[1].role"),
            ("\"\\ud800\"", "input"),
            ("[{\"role\":\"user\",\"content\":\"\\udc00\"}]", "input[0].content"),
        ] {
            let body = format!("{{\"model\":\"{name}\",\"input\":{input}}}");
            let error = post(&gateway, RESPONSES, body).await.error(400);
            assert_eq!(error.param, param, "{input}: {error:?}");
            error.says(&[&format!("`{param}`")]);
        }
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[tokio::test]
async fn an_empty_conversation_is_refused_in_the_words_of_its_front() {
    let (gateway, upstream) = gateway("");
    for name in ["mock", "claude"] {
        let ask = |body: Value| {
            let mut body = body;
            body["model"] = name.into();
            body.to_string()
        };
        let error = post(&gateway, RESPONSES, ask(json!({"input": []}))).await.error(400);
        assert_eq!(error.param, "input");
        error.says(&["`input` is empty"]);
        let chat = post(&gateway, "/v1/chat/completions", ask(json!({"messages": []}))).await.error(400);
        assert_eq!(chat.param, "messages");
        let error = post(&gateway, "/v1/completions", ask(json!({"prompt": []}))).await.error(400);
        assert_eq!(error.param, "prompt");
        error.says(&["`prompt` is an empty list"]);
        for path in [GENERATE, COUNT, "/v1beta/models/mock:streamGenerateContent"] {
            let path = path.replace("mock", name);
            let (status, word, message) = gemini(&post(&gateway, &path, "{\"contents\":[]}").await);
            assert_eq!((status, word.as_str()), (400, "INVALID_ARGUMENT"), "{path}");
            assert!(message.contains("`contents` is empty"), "{path}: {message}");
        }
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[tokio::test]
async fn half_a_character_is_refused_by_geminis_front_as_well() {
    let (gateway, upstream) = gateway("");
    for path in [GENERATE, COUNT, "/v1beta/models/claude:generateContent"] {
        let body = r#"{"contents":[{"role":"user","parts":[{"text":"a \ud800 b"}]}]}"#;
        let (status, _, message) = gemini(&post(&gateway, path, body).await);
        assert_eq!(status, 400, "{path}");
        assert!(message.contains("`contents[0].parts[0].text`"), "{message}");
    }
    let body = r#"{"contents":[{"role":"user","parts":[{"text":"a \ud83d\ude00 b"}]}]}"#;
    let reply = post(&gateway, GENERATE, body).await;
    assert!(reply.status == 200 && reply.text().contains("a \u{1f600} b"), "{}", reply.text());
    assert_eq!(upstream.requests().len(), 0);
}

#[tokio::test]
async fn a_verb_that_is_none_is_told_in_geminis_shape() {
    let (gateway, _upstream) = gateway("");
    for path in
        ["/v1beta/models/mock:fooContent", "/v1beta/models/mock:generateContent/", "/v1/models/mock:foo"]
    {
        let (status, word, message) = gemini(&post(&gateway, path, "{}").await);
        assert_eq!((status, word.as_str()), (404, "NOT_FOUND"), "{path}");
        assert!(message.contains(path) && message.contains("`:streamGenerateContent`"), "{message}");
    }
    // Elsewhere a slash behind the path is nothing.
    let body = json!({"model": "mock", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]});
    for path in ["/v1/messages/", "/v1/messages/count_tokens/", "/v1/chat/completions/"] {
        let reply = post(&gateway, path, body.to_string()).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    }
    let reply = post(&gateway, "/v1/messages/", "{\"model\":\"mock\"}").await;
    assert_eq!((reply.status, &reply.json()["type"]), (400, &json!("error")), "{}", reply.text());
}

#[tokio::test]
async fn the_built_in_provider_says_what_it_does_not_know() {
    let requests = [
        (
            RESPONSES,
            json!({"model": "mock", "input": [{"role": "user", "content": "Hi"}, {"type": "hologram"}]}),
            "hologram",
        ),
        (
            "/v1/chat/completions",
            json!({"model": "mock", "messages": [{"role": "user", "content": "Hi"}], "response_format": "json"}),
            "response_format",
        ),
    ];
    let (lax, _upstream) = gateway("");
    let (strict, _upstream) = gateway("[server]\nstrict = true\n");
    for (path, body, name) in requests {
        let reply = post(&lax, path, body.to_string()).await;
        let changes = reply.header("x-gateway-changes");
        assert!(reply.status == 200 && changes.contains(name), "{changes}: {}", reply.text());
        post(&strict, path, body.to_string()).await.error(400).says(&[name, "strict"]);
    }
    let plain = json!({"model": "mock", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5});
    for gateway in [&lax, &strict] {
        let reply = post(gateway, "/v1/chat/completions", plain.to_string()).await;
        assert_eq!((reply.status, reply.header("x-gateway-changes")), (200, ""));
    }
}
