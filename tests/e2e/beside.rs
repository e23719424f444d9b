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
        Self::with("").await
    }

    async fn with(more: &str) -> Self {
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
            model("helicone/*", &[known("helicone/*")]),
            model("chain", &[known("helicone/gpt-cheap,gpt-fair")]),
            model("litellm_proxy/*", &[deployment("litellm_proxy/*", &url)]),
            model("safe", &[known("together_ai/gpt-cheap")]),
            model("half", &[known("openrouter/openai/gpt-half"), known("together_ai/gpt-half")]),
        ];
        let price = |name: &str, output: &str| {
            format!("[[prices]]\nmodel = \"openrouter/openai/{name}\"\ninput = 0.0\noutput = {output}\n")
        };
        let prices = [
            price("gpt-cheap", "1.0"),
            price("gpt-fair", "2000.0"),
            // Ten tokens for six thousandths of a dollar: one of them, and not two.
            price("gpt-half", "600.0"),
            price("gpt-half", "600.0").replace("openrouter/openai", "together_ai"),
            price("gpt-cheap", "600.0").replace("openrouter/openai", "together_ai"),
            price("gpt-cheap", "1.0").replace("openrouter/openai", "helicone"),
            price("gpt-fair", "2000.0").replace("openrouter/openai", "helicone"),
            price("gpt-half", "600.0").replace("openrouter/openai", "helicone"),
        ];
        let config = format!(
            "[auth]\nmaster_key = \"sk-master-of-the-tests\"\n{}{}\
             [[keys]]\nname = \"listed\"\nkey = \"{LISTED}\"\n\
             models = [\"cheap\", \"fair\", \"shop\", \"drawing\", \"chain\", \"openrouter/google/*\", \
             \"helicone/gpt-cheap*\", \"litellm_proxy/*\"]\n\
             [[keys]]\nname = \"paying\"\nkey = \"{PAYING}\"\n\
             budgets = [{{ limit_usd = \"0.01\", window = \"total\", hard = true }}]\n\
             {more}",
            models.join(""),
            prices.join(""),
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

#[tokio::test]
async fn a_name_with_commas_is_as_good_as_a_list() {
    let stand = Stand::start().await;
    let check = async |key: &str, path: &str, model: &str, expect: (u16, &str)| {
        let before = stand.upstream.requests().len();
        let reply = stand.ask(key, path, &chat(model, &json!({}))).await;
        let sent = stand.upstream.requests().len() - before;
        let error = reply.json()["error"]["code"].as_str().unwrap_or_default().to_owned();
        assert_eq!((reply.status, error.as_str()), expect, "{model}: {}", reply.text());
        assert_eq!(sent, usize::from(expect.0 == 200), "{model}");
    };
    let (front, own) = ("/v1/chat/completions", "/v1/helicone/chat/completions");
    check(LISTED, front, "helicone/gpt-cheap,gpt-cheap-mini,!openai", (200, "")).await;
    check(LISTED, front, "helicone/gpt-cheap,gpt-dear", (403, "model_not_allowed")).await;
    check(LISTED, own, "gpt-cheap,gpt-dear", (403, "model_not_allowed")).await;
    check(LISTED, front, "litellm_proxy/a,b", (400, "several_models")).await;
    // What the configuration names is its own affair, and paid nevertheless.
    check(LISTED, front, "chain", (200, "")).await;
    check(PAYING, front, "chain", (402, "budget_exceeded")).await;
    check(PAYING, front, "helicone/gpt-cheap", (200, "")).await;
    check(PAYING, front, "helicone/gpt-cheap,!openai", (200, "")).await;
    check(PAYING, front, "helicone/gpt-cheap,gpt-fair", (402, "budget_exceeded")).await;
    check(PAYING, front, "helicone/gpt-cheap,nobody", (402, "cost_unbounded")).await;
    // Who answered has no price by the name that it gives: what was reserved is paid.
    check(PAYING, front, "helicone/gpt-cheap,gpt-half", (200, "")).await;
    check(PAYING, front, "helicone/gpt-cheap,gpt-half", (402, "budget_exceeded")).await;
}

#[tokio::test]
async fn what_is_asked_beside_a_model_is_paid_beside_it() {
    let stand = Stand::start().await;
    let check = async |model: &str, more: Value, status: u16| {
        let reply = stand.ask(PAYING, "/v1/chat/completions", &chat(model, &more)).await;
        assert_eq!(reply.status, status, "{more}: {}", reply.text());
    };
    check("cheap", json!({"models": ["openai/gpt-half", "openai/gpt-half"]}), 200).await;
    check("cheap", json!({"plugins": [{"id": "x", "model": "openai/gpt-half"}]}), 200).await;
    let two = json!({"plugins": [{"id": "x", "analysis_models": ["openai/gpt-half", "openai/gpt-half"]}]});
    check("cheap", two, 402).await;
    let both = json!({"models": ["openai/gpt-half"], "plugins": [{"id": "x", "model": "openai/gpt-half"}]});
    check("cheap", both, 402).await;
    check("safe", json!({"safety_model": "gpt-half"}), 402).await;
    check("safe", json!({}), 200).await;
}

#[tokio::test]
async fn budgets_of_the_others_hold_too() {
    let budget =
        "[[budgets]]\nscope = \"model:fair\"\nlimit_usd = \"0.001\"\nwindow = \"total\"\nhard = true\n";
    let stand = Stand::with(budget).await;
    let check = async |path: &str, body: Value, status: u16| {
        let reply = stand.ask(LISTED, path, &body).await;
        assert_eq!(reply.status, status, "{body}: {}", reply.text());
    };
    let (front, own) = ("/v1/chat/completions", "/v1/openrouter/chat/completions");
    let named = json!({"models": ["openai/gpt-fair"], "max_tokens": 100});
    check(front, chat("cheap", &json!({"max_tokens": 100})), 200).await;
    check(front, chat("cheap", &named), 402).await;
    check(own, chat("openai/gpt-cheap", &named), 402).await;
}
