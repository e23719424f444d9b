//! Names that begin with who is to run the model, at HuggingFace's router.

use http::StatusCode;
use llm_config::Deployment;
use llm_testkit::{Script, Upstream, canned};
use serde_json::{Value, json};

use crate::front::{CHAT, FRONTS, Front};
use crate::lab::{Answer, Lab, deployment};

const ROUTER: &str = "https://router.huggingface.co/v1/chat/completions";

/// A gateway with one deployment, and what it calls.
async fn served(deployment: Deployment, reply: &Value) -> (Lab, Upstream) {
    let (lab, upstream) = (Lab::start().await, Upstream::start().unwrap());
    let reply = reply.clone();
    upstream.on("/*", move |_| Script::json(&reply));
    lab.deploy(deployment, upstream.addr());
    (lab, upstream)
}

async fn asked(lab: &Lab, front: &Front) -> Answer {
    let body = match front.name {
        "responses" => json!({"model": "m", "input": "Hi"}),
        "messages" => json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}),
        "generateContent" => json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}),
        _ => json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]}),
    };
    lab.call(front, &body, false).await
}

#[tokio::test]
async fn the_router_is_told_who_is_to_run_it() {
    let reply = canned::openai_completion(20);
    for front in FRONTS {
        let named = deployment("huggingface/together/deepseek-ai/DeepSeek-R1");
        let (lab, upstream) = served(named, &reply).await;
        let answer = asked(&lab, front).await;
        assert_eq!(answer.status, StatusCode::OK, "{} {}", front.name, answer.text());
        assert_eq!(lab.meant().unwrap().to_string(), ROUTER, "{}", front.name);
        assert_eq!(
            upstream.requests()[0].json()["model"],
            "deepseek-ai/DeepSeek-R1:together",
            "{}",
            front.name
        );
    }
}

#[tokio::test]
async fn other_names_go_as_they_are() {
    let check = |model: &'static str, base: Option<&'static str>, expect: &'static str| async move {
        let mut named = deployment(model);
        named.api_base = base.map(str::to_owned);
        let (lab, upstream) = served(named, &canned::openai_completion(20)).await;
        assert_eq!(asked(&lab, &CHAT).await.status, StatusCode::OK, "{model}");
        assert_eq!(upstream.requests()[0].json()["model"], expect, "{model}");
    };
    check("huggingface/deepseek-ai/DeepSeek-R1", None, "deepseek-ai/DeepSeek-R1").await;
    check("huggingface/deepseek-ai/DeepSeek-R1:novita", None, "deepseek-ai/DeepSeek-R1:novita").await;
    // Whoever runs a server names its models.
    let own = Some("https://x.endpoints.huggingface.cloud");
    check("huggingface/models/org/name", own, "models/org/name").await;
}

#[tokio::test]
async fn vectors_come_from_the_routers_own_service_alone() {
    let body = json!({"model": "m", "input": ["a"]});
    let (lab, upstream) = served(deployment("huggingface/hf-inference/BAAI/bge-m3"), &json!([[1.0]])).await;
    let answer = lab.post("/v1/embeddings", &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let path = "/hf-inference/models/BAAI/bge-m3/pipeline/feature-extraction";
    assert_eq!(lab.meant().unwrap().to_string(), format!("https://router.huggingface.co{path}"));
    assert_eq!(upstream.requests()[0].path(), path);

    let (lab, upstream) = served(deployment("huggingface/nebius/BAAI/bge-m3"), &json!([[1.0]])).await;
    let answer = lab.post("/v1/embeddings", &body).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    assert!(upstream.requests().is_empty());
}
