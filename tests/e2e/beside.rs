//! Models that a body names beside the one that it asks for, at providers that choose among them.

use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, Reply, deployment, model, with};

const LISTED: &str = "sk-listed-0123456789";
const PAYING: &str = "sk-paying-0123456789";

struct Stand {
    gateway: Gateway,
    upstream: Upstream,
}

impl Stand {
    async fn start() -> Self {
        let upstream = Upstream::start().unwrap();
        let url = format!("{}/v1", upstream.url());
        upstream.always(Script::json(&json!({
            "id": "gen-1", "object": "chat.completion", "created": 1, "model": "openai/gpt-cheap",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
        })));
        let known = |id: &str| with(&deployment(id, &url), "context_window = 1000");
        let models = [
            model("cheap", &[known("openrouter/openai/gpt-cheap")]),
            model("fair", &[known("openrouter/openai/gpt-fair")]),
            model("secret", &[deployment("openrouter/openai/gpt-secret", &url)]),
            model("shop", &[deployment("vercel_ai_gateway/openai/gpt-cheap", &url)]),
            model("drawing", &[deployment("openai/gpt-cheap", &url)]),
        ];
        let price = |name: &str, output: &str| {
            format!("[[prices]]\nmodel = \"openrouter/openai/{name}\"\ninput = 0.0\noutput = {output}\n")
        };
        let config = format!(
            "[auth]\nmaster_key = \"sk-master-of-the-tests\"\n{}{}{}\
             [[keys]]\nname = \"listed\"\nkey = \"{LISTED}\"\n\
             models = [\"cheap\", \"fair\", \"shop\", \"drawing\", \"openrouter/google/*\"]\n\
             [[keys]]\nname = \"paying\"\nkey = \"{PAYING}\"\n\
             budgets = [{{ limit_usd = \"0.01\", window = \"total\", hard = true }}]\n",
            models.join(""),
            price("gpt-cheap", "1.0"),
            price("gpt-fair", "2000.0"),
        );
        Self { gateway: Gateway::start(&config), upstream }
    }

    async fn ask(&self, key: &str, path: &str, body: &Value) -> Reply {
        let call = self.gateway.post(path).header("authorization", &format!("Bearer {key}"));
        call.body(body.to_string()).send().await
    }
}

fn chat(model: &str, more: &Value) -> Value {
    let mut body = json!({"model": model, "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn a_key_names_no_model_that_it_may_not_call() {
    let stand = Stand::start().await;
    let check = async |path: &str, body: Value, expect: Result<(), &str>| {
        let before = stand.upstream.requests().len();
        let reply = stand.ask(LISTED, path, &body).await;
        let sent = stand.upstream.requests().len() - before;
        match expect {
            Ok(()) => assert_eq!((reply.status, sent), (200, 1), "{body}: {}", reply.text()),
            Err(member) => {
                assert_eq!((reply.status, sent), (403, 0), "{body}: {}", reply.text());
                let error = &reply.json()["error"];
                assert_eq!(error["param"], member, "{error}");
                assert_eq!(error["code"], "model_not_allowed", "{error}");
            }
        }
    };
    let front = "/v1/chat/completions";
    check(front, chat("cheap", &json!({"models": ["openai/gpt-fair", "google/gemini"]})), Ok(())).await;
    check(front, chat("cheap", &json!({"models": ["openai/gpt-secret"]})), Err("models")).await;
    check(front, chat("cheap", &json!({"models": ["anthropic/claude"]})), Err("models")).await;
    check(front, chat("cheap", &json!({"preset": "dear"})), Err("preset")).await;
    let nested = json!({"providerOptions": {"gateway": {"models": ["openai/gpt-secret"]}}});
    check(front, chat("shop", &nested), Err("providerOptions.gateway.models")).await;
    let own = "/v1/openrouter/chat/completions";
    check(own, chat("openai/gpt-cheap", &json!({"models": ["openai/gpt-fair"]})), Ok(())).await;
    check(own, chat("openai/gpt-cheap", &json!({"models": ["openai/gpt-secret"]})), Err("models")).await;
    let tool = json!({"type": "image_generation", "model": "painter"});
    let body = json!({"model": "drawing", "input": "Hi", "tools": [tool]});
    check("/v1/responses", body, Err("tools.model")).await;
}

#[tokio::test]
async fn a_hard_budget_covers_the_dearest_of_them() {
    let stand = Stand::start().await;
    let check = async |path: &str, body: Value, expect: (u16, &str)| {
        let reply = stand.ask(PAYING, path, &body).await;
        assert_eq!(reply.status, expect.0, "{body}: {}", reply.text());
        assert!(reply.text().contains(expect.1), "{body}: {}", reply.text());
    };
    let front = "/v1/chat/completions";
    check(front, chat("cheap", &json!({})), (200, "")).await;
    check(front, chat("cheap", &json!({"models": ["openai/gpt-cheap"]})), (200, "")).await;
    check(front, chat("cheap", &json!({"models": ["openai/gpt-fair"]})), (402, "does not cover")).await;
    check(front, chat("cheap", &json!({"models": ["nobody/knows"]})), (402, "`nobody/knows`")).await;
    check(front, chat("cheap", &json!({"preset": "dear"})), (402, "`preset`")).await;
}
