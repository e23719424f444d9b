//! Files that requests name: each key its own, by the provider's own id there.

use http::Method;
use llm_testkit::{Script, Upstream, canned};
use serde_json::{Value, json};

use crate::harness::{Gateway, Reply, anthropic, deployment, model, openai};
use crate::responses::{response, said};

const MASTER: &str = "sk-master-of-the-tests";
const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const MESSAGES: &str = "/v1/messages";

struct Stand {
    upstream: Upstream,
    claude: Upstream,
    gateway: Gateway,
    own: String,
    other: String,
}

/// A provider with files of OpenAI's.
fn provider() -> Upstream {
    let upstream = Upstream::start().unwrap();
    upstream.on(CHAT, |_| Script::json(&canned::openai_completion(0)));
    upstream.on(RESPONSES, |_| Script::json(&response("resp_1", &json!([said("Hi")]))));
    let file = json!({"id": "file-1", "object": "file", "bytes": 1, "created_at": 1, "filename": "a.pdf",
        "purpose": "user_data"});
    upstream.on("/v1/files", move |_| Script::json(&file));
    upstream
}

impl Stand {
    async fn start() -> Self {
        let (upstream, claude, second) = (provider(), Upstream::start().unwrap(), Upstream::start().unwrap());
        claude.on(MESSAGES, |_| Script::json(&canned::anthropic_message(0)));
        let second = deployment("openai/gpt-4o", &format!("{}/v1", second.url()));
        let models = [
            model("smart", &[openai(&upstream)]),
            model("claude", &[anthropic(&claude)]),
            model("second", &[second]),
        ];
        let gateway = Gateway::start(&format!("[auth]\nmaster_key = \"{MASTER}\"\n{}", models.concat()));
        let mut stand = Self { upstream, claude, gateway, own: String::new(), other: String::new() };
        (stand.own, stand.other) = (stand.key().await, stand.key().await);
        stand
    }

    async fn key(&self) -> String {
        let made = self.send(MASTER, "/admin/v1/keys", &json!({})).await;
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()["key"].as_str().unwrap().to_owned()
    }

    async fn send(&self, key: &str, path: &str, body: &Value) -> Reply {
        self.send_text(key, path, body.to_string()).await
    }

    async fn send_text(&self, key: &str, path: &str, body: String) -> Reply {
        let call = self.gateway.call(Method::POST, path).header("authorization", &format!("Bearer {key}"));
        call.header("content-type", "application/json").body(body).send().await
    }

    /// The id of a new file, as its key knows it.
    async fn file(&self, key: &str) -> String {
        let form = "--x\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n--x\r\ncontent-disposition: \
             form-data; name=\"file\"; filename=\"a.pdf\"\r\n\r\n%PDF\r\n--x--\r\n";
        let call =
            self.gateway.post("/v1/files?model=smart").header("authorization", &format!("Bearer {key}"));
        let made = call.header("content-type", "multipart/form-data; boundary=x").body(form).send().await;
        assert_eq!(made.status, 200, "{}", made.text());
        let id = made.json()["id"].as_str().unwrap().to_owned();
        assert!(id.starts_with("gw") && id.ends_with("-file-1"), "{id}");
        id
    }
}

/// A refusal in whatever dialect.
fn refused(reply: &Reply, status: u16, words: &[&str]) {
    assert_eq!(reply.status, status, "{}", reply.text());
    let error = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    for word in words {
        assert!(error.contains(word), "no `{word}` in `{error}`");
    }
}

/// The same request in three dialects.
fn asks(model: &str, file: &str) -> [(&'static str, Value); 3] {
    let user = |part: Value| json!([{"role": "user", "content": [part]}]);
    let chat = user(json!({"type": "file", "file": {"file_id": file}}));
    let input = user(json!({"type": "input_file", "file_id": file}));
    let messages = user(json!({"type": "document", "source": {"type": "file", "file_id": file}}));
    [
        (CHAT, json!({"model": model, "messages": chat})),
        (RESPONSES, json!({"model": model, "input": input})),
        (MESSAGES, json!({"model": model, "max_tokens": 9, "messages": messages})),
    ]
}

#[tokio::test]
async fn a_key_names_its_own_files_and_no_others() {
    let stand = Stand::start().await;
    let file = stand.file(&stand.own).await;
    for (path, body) in asks("smart", &file) {
        for key in [&*stand.own, MASTER] {
            let reply = stand.send(key, path, &body).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            let sent = stand.upstream.last_request().unwrap().text();
            assert!(sent.contains("\"file-1\"") && !sent.contains(&file), "{sent}");
        }
    }
    // Whatever else stands there goes on byte for byte.
    let spaced = |id: &str| {
        format!(
            r#"{{ "model":"gpt-4o", "messages" : [{{"role":"user","content":[{{ "type":"file","file":{{"file_id" : "{id}"}}}}]}}] }}"#
        )
    };
    stand.send_text(&stand.own, CHAT, spaced(&file).replace("gpt-4o", "smart")).await;
    assert_eq!(stand.upstream.last_request().unwrap().text(), spaced("file-1"));

    let before = stand.upstream.requests().len();
    let moved = file.replace("-file-1", "-file-2");
    for (path, body) in asks("smart", &file) {
        refused(&stand.send(&stand.other, path, &body).await, 404, &["file", "another key"]);
        let bare = body.to_string().replace(&file, "file-1");
        for key in [&stand.own, &stand.other] {
            refused(&stand.send_text(key, path, bare.clone()).await, 400, &["file_id", "POST /v1/files"]);
            let hidden = bare.replace("\"file_id\"", "\"file\\u005fid\"");
            refused(&stand.send_text(key, path, hidden).await, 400, &["POST /v1/files"]);
        }
        let body = body.to_string();
        refused(&stand.send_text(&stand.own, path, body.replace(&file, &moved)).await, 404, &[]);
        // Another account has it not.
        let elsewhere = body.replace("smart", "second");
        refused(&stand.send_text(&stand.own, path, elsewhere).await, 400, &["does not lead there"]);
    }
    assert_eq!(stand.upstream.requests().len(), before, "nobody was asked");
    for (path, body) in asks("smart", "file-9") {
        assert_eq!(stand.send(MASTER, path, &body).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_container_of_the_account_is_not_named_by_a_key() {
    let stand = Stand::start().await;
    let mut body =
        json!({"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]});
    for container in [json!("container_1"), json!({"id": "container_1", "skills": []})] {
        body["container"] = container;
        refused(&stand.send(&stand.own, MESSAGES, &body).await, 400, &["`container`"]);
        assert_eq!(stand.send(MASTER, MESSAGES, &body).await.status, 200);
        assert_eq!(stand.claude.last_request().unwrap().json()["container"], body["container"]);
    }
    // One that is to be made is nobody's yet.
    body["container"] = json!({"skills": [{"type": "anthropic", "skill_id": "pptx"}]});
    assert_eq!(stand.send(&stand.own, MESSAGES, &body).await.status, 200);
    let mut body = json!({"model": "smart", "input": "x", "tools": [{"type": "code_interpreter", "container": "cntr_1"}]});
    refused(&stand.send(&stand.own, RESPONSES, &body).await, 400, &["tools[0].container"]);
    body["tools"][0]["container"] = json!({"type": "auto"});
    assert_eq!(stand.send(&stand.own, RESPONSES, &body).await.status, 200);
}

#[tokio::test]
async fn without_keys_ids_go_on_as_they_are() {
    let upstream = provider();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    for (path, body) in asks("smart", "file-9") {
        assert_eq!(gateway.post(path).body(body.to_string()).send().await.status, 200, "{path}");
        assert!(upstream.last_request().unwrap().text().contains("\"file-9\""));
    }
}

#[tokio::test]
async fn a_line_of_a_batch_names_no_file_of_the_account() {
    let stand = Stand::start().await;
    let file = stand.file(&stand.own).await;
    let [(_, mut asked), ..] = asks("smart", "file-9");
    asked["model"] = "gpt-4o".into();
    let line = json!({"custom_id": "a", "method": "POST", "url": CHAT, "body": asked}).to_string();
    stand.upstream.on("/v1/files/file-1/content", move |_| Script::status(200).body(line.clone()));
    let batch = json!({"id": "batch_1", "object": "batch", "status": "in_progress", "endpoint": CHAT,
        "input_file_id": "file-1"});
    stand.upstream.on("/v1/batches", move |_| Script::json(&batch));
    let make = json!({"input_file_id": file, "endpoint": CHAT, "completion_window": "24h"});
    refused(&stand.send(&stand.own, "/v1/batches", &make).await, 400, &["line 1", "file_id"]);
    let made = stand.send(MASTER, "/v1/batches", &make).await;
    assert_eq!(made.status, 200, "{}", made.text());
}
