//! Providers that count the tokens of a prompt (anthropic-messages.md, gemini.md, bedrock-converse.md). For the others the
//! gateway estimates, which shows nothing of them.

use llm_testkit::{Received, Script, Upstream};
use llm_types::Op;
use serde_json::{Value, json};

use super::Features;
use crate::capability::scripted::deploy;
use crate::capability::{Mark, Matrix};
use crate::lab::Lab;

pub(super) const FEATURES: Features = &[
    ("prompt", "the tokens of a prompt are counted by the provider"),
    ("tools", "with those of the functions that it may call"),
];

/// Who counts.
pub(super) const MODELS: &[&str] = &[
    "anthropic/claude-sonnet-4-5",
    "azure_ai/claude-sonnet-4-5",
    "gemini/gemini-2.5-flash",
    "vertex_ai/gemini-2.5-flash",
    "vertex_ai/claude-sonnet-4-5",
    "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0",
];

/// What no estimate comes to.
const COUNT: u64 = 4711;

fn answer(request: &Received) -> Script {
    let path = request.path();
    // At Vertex AI it is a model of its own (docs.anthropic.com/en/api/claude-on-vertex-ai).
    let anthropic = path.ends_with("/messages/count_tokens") || path.ends_with("/count-tokens:rawPredict");
    if anthropic {
        Script::json(&json!({"input_tokens": COUNT}))
    } else if path.ends_with(":countTokens") {
        Script::json(&json!({"totalTokens": COUNT}))
    } else if path.ends_with("/count-tokens") {
        Script::json(&json!({"inputTokens": COUNT}))
    } else {
        Script::status(500).json_body(&json!({"error": {"message": format!("{}?", request.target)}}))
    }
}

/// Asks each. What is wrong.
pub(super) async fn run(lab: &Lab, matrix: &mut Matrix) -> Vec<String> {
    let mut problems = Vec::new();
    for model in MODELS {
        let provider = model.split_once('/').unwrap().0;
        let upstream = Upstream::start().unwrap();
        upstream.on("/*", answer);
        deploy(lab, model, &upstream);
        for (feature, _) in FEATURES {
            match asked(lab, feature, &upstream).await {
                Ok(()) => matrix.note(provider, (Op::CountTokens, feature), Mark::Reference),
                Err(why) => problems.push(format!("{model}: count_tokens {feature}: {why}")),
            }
        }
    }
    problems
}

async fn asked(lab: &Lab, feature: &str, upstream: &Upstream) -> Result<(), String> {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "How deep is a harbour?"}]});
    if feature == "tools" {
        body["tools"] =
            json!([{"name": "get_depth", "description": "Soundings", "input_schema": {"type": "object"}}]);
    }
    let answer = lab.post("/v1/messages/count_tokens", &body).await;
    let shown: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let sent = upstream.last_request().ok_or("nothing was sent")?;
    let text = sent.text();
    let whole = text.contains("How deep is a harbour?") && text.contains("get_depth") == (feature == "tools");
    let right = answer.status == 200 && shown["input_tokens"] == COUNT && whole;
    if right { Ok(()) } else { Err(format!("{}, for {} {text}", answer.text(), sent.target)) }
}
