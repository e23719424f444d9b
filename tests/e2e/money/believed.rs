//! What a provider says that it used, and cannot have.

use http::Method;
use llm_testkit::canned::{IncludeUsage, openai_completion, openai_stream};
use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use super::till::MASTER;
use super::{Key, Till, bearer, bounded, hard, priced};
use crate::harness::{Gateway, model, openai, streamed};

/// More than anybody can use.
const ABSURD: u64 = 99_999_999_999;

fn completion(usage: &Value) -> Value {
    let mut answer = openai_completion(400);
    answer["usage"] = usage.clone();
    answer
}

fn events(usage: &Value) -> Vec<String> {
    let events = openai_stream(20, IncludeUsage::Yes);
    let absurd = format!("\"usage\":{usage}");
    let told = |event: String| match event.split_once("\"usage\":{") {
        Some((start, rest)) => {
            let mut depth = 1;
            let end = rest.char_indices().find_map(|(at, letter)| {
                depth += i32::from(letter == '{') - i32::from(letter == '}');
                (depth == 0).then_some(at + 1)
            });
            format!("{start}{absurd}{}", rest.get(end.unwrap()..).unwrap())
        }
        None => event,
    };
    let events: Vec<_> = events.into_iter().map(told).collect();
    assert!(events.iter().any(|event| event.contains(&absurd)), "{events:?}");
    events
}

async fn metric(gateway: &Gateway) -> u64 {
    let page = gateway.call(Method::GET, "/metrics").header("authorization", &bearer(MASTER)).send().await;
    let text = page.text();
    let line = text.lines().find_map(|line| line.strip_prefix("gateway_usage_doubted_total "));
    line.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

#[tokio::test]
async fn what_nobody_can_have_used_is_estimated() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    let gateway = till.gateway(&model("smart", &[priced(&upstream)]));
    let (tokens, answer) = (json!({"prompt_tokens": ABSURD, "completion_tokens": 3}), ABSURD);
    let thoughts = json!({"prompt_tokens": 3, "completion_tokens": answer,
        "completion_tokens_details": {"reasoning_tokens": answer}});
    for usage in [tokens, thoughts] {
        for (path, is_stream) in [
            ("/v1/chat/completions", false),
            ("/v1/chat/completions", true),
            ("/v1/openai/chat/completions", false),
            ("/v1/messages", false),
            ("/v1/messages", true),
        ] {
            for terms in [json!({}), hard("1")] {
                let key = Key::make(&gateway, terms).await;
                let mut body = if is_stream { streamed("smart") } else { bounded("smart") };
                body["max_tokens"] = json!(150);
                upstream.push(match is_stream {
                    true => Script::sse(events(&usage)),
                    false => Script::json(&completion(&usage)),
                });
                if path.starts_with("/v1/openai/") {
                    body["model"] = json!("gpt-4o");
                }
                let call = gateway.post(path).header("authorization", &bearer(&key.secret));
                call.body(body.to_string()).open().await.whole().await;
                let rows = till.rows(&key, 1).await;
                let row = &rows[0];
                let told = (&*row.basis, row.usage.estimated, row.usage.total_tokens() < 1_000);
                assert_eq!(told, ("estimated", true, true), "{path} {usage}: {row:?}");
                assert!(row.usage.input > 0 && !row.overrun, "{path} {usage}: {row:?}");
                assert!(row.cost.pico() < 10_000_000_000, "{path} {usage}: {row:?}");
            }
        }
    }
    assert_eq!(metric(&gateway).await, 20);
    let told = gateway.logs().matches("a usage that is not possible").count();
    assert_eq!(told, 1, "once for a deployment: {}", gateway.logs());
}

#[tokio::test]
async fn what_is_large_and_possible_is_paid() {
    let (upstream, till) = (Upstream::start().unwrap(), Till::file());
    let vectors = openai(&upstream).replace("openai/gpt-4o", "openai/text-embedding-3-small");
    let models = model("smart", &[priced(&upstream)]) + &model("vectors", &[vectors]);
    let gateway = till.gateway(&models);
    let key = Key::make(&gateway, json!({})).await;
    // A model that runs tools by itself counts every turn; 2,048 inputs of 8,192 tokens.
    upstream.push(Script::json(&completion(&json!({"prompt_tokens": 3_000_000, "completion_tokens": 3}))));
    assert_eq!(key.ask(&gateway, &bounded("smart")).await.status, 200);
    upstream.push(Script::json(&json!({
        "object": "list", "model": "text-embedding-3-small",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 16_777_216, "total_tokens": 16_777_216}
    })));
    let body = json!({"model": "vectors", "input": "hello"}).to_string();
    let call = gateway.post("/v1/embeddings").header("authorization", &bearer(&key.secret));
    assert_eq!(call.body(body).send().await.status, 200);
    let rows = till.rows(&key, 2).await;
    let told: Vec<_> = rows.iter().map(|row| (&*row.basis, row.usage.input)).collect();
    assert_eq!(told, [("reported", 3_000_000), ("reported", 16_777_216)], "{rows:?}");
    assert_eq!(metric(&gateway).await, 0);
}
