//! When a model is left for another one: hangs, prompts that are too long, and what a request says of that itself.

use std::time::{Duration, Instant};

use llm_testkit::{Gate, Script, Upstream, canned};
use serde_json::{Value, json};

use crate::harness::{Gateway, Options, chat, failing, model, model_with, openai, well, with};

const ROUTER: &str = "[router]\nbackoff = { base = \"1ms\", max = \"5ms\" }\n";

fn asked(model: &str, more: &Value) -> Value {
    let mut request = chat(model);
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

#[tokio::test]
async fn after_a_hang_the_fallback_is_asked_and_not_the_same_again() {
    let (hanging, good, gate) = (Upstream::start().unwrap(), well(), Gate::new());
    hanging.always(Script::json(&canned::openai_completion(1)).gate_head(&gate));
    let models = model_with("smart", "fallbacks = [\"other\"]", &[openai(&hanging)])
        + &model("other", &[openai(&good)]);
    let gateway = Options::config(format!("[server]\nrequest_timeout = \"8s\"\n{ROUTER}{models}")).start();
    let began = Instant::now();
    let ask = async |more: Value| gateway.chat(&asked("smart", &more)).await.served().to_owned();
    let served = tokio::join!(ask(json!({})), ask(json!({"num_retries": 0})), ask(json!({"num_retries": 1})));
    assert_eq!(served, ("other/1".to_owned(), "other/1".to_owned(), "other/1".to_owned()));
    assert_eq!(hanging.requests().len(), 3, "each was there once");
    assert!(began.elapsed() < Duration::from_millis(7_500), "{:?}", began.elapsed());
    gate.open();
}

#[tokio::test]
async fn a_prompt_that_is_too_long_goes_to_the_fallbacks_for_that_though_a_larger_one_is_down() {
    let (small, large, long, other) =
        (Upstream::start().unwrap(), Upstream::start().unwrap(), well(), well());
    small.always(failing(400, "context_length_exceeded"));
    large.always(failing(500, "x"));
    let deployments = [
        with(&openai(&small), "context_window = 8000"),
        with(&openai(&large), "order = 1, context_window = 200000"),
    ];
    let models = model_with("smart", "context_window_fallbacks = [\"long\"]", &deployments)
        + &model_with("tiny", "context_window_fallbacks = [\"long\"]", &[openai(&small)])
        + &model("long", &[openai(&long)])
        + &model("other", &[openai(&other)])
        + &model("down", &[openai(&large)]);
    let gateway = Options::config(format!("{ROUTER}{models}")).start();
    for _ in 0..4 {
        assert_eq!(gateway.chat(&chat("smart")).await.served(), "long/1");
    }
    assert!(!large.requests().is_empty());
    let check = async |more: Value, expect: &str| {
        let reply = gateway.chat(&asked("tiny", &more)).await;
        assert_eq!(reply.served(), expect, "{more}");
    };
    // What a list says of other models is nothing about this one.
    check(json!({"context_window_fallbacks": [{"x": ["other"]}]}), "long/1").await;
    check(json!({"fallbacks": [{"x": ["other"]}]}), "long/1").await;
    check(json!({"context_window_fallbacks": [{"tiny": ["other"]}]}), "other/1").await;
    // A list of its own comes after those for long prompts.
    check(json!({"context_window_fallbacks": ["down"], "fallbacks": ["other"]}), "other/1").await;
}

#[tokio::test]
async fn a_key_is_told_which_member_names_what_it_may_not_call() {
    let upstream = well();
    let models = model("smart", &[openai(&upstream)]) + &model("long", &[openai(&upstream)]);
    let gateway = Gateway::start(&format!(
        "[auth]\nmaster_key = \"sk-master-of-the-tests\"\n\
         [[keys]]\nname = \"ci\"\nkey = \"sk-a-key-of-the-tests\"\nmodels = [\"smart\"]\n{models}"
    ));
    for (member, value) in [
        ("fallbacks", json!(["long"])),
        ("context_window_fallbacks", json!(["long"])),
        ("context_window_fallbacks", json!([{"smart": ["long"]}])),
    ] {
        let call =
            gateway.post("/v1/chat/completions").header("authorization", "Bearer sk-a-key-of-the-tests");
        let body = asked("smart", &json!({member: value}));
        let error = call.body(body.to_string()).send().await;
        assert_eq!(error.status, 403, "{}", error.text());
        assert_eq!(error.json()["error"]["param"], member);
    }
    assert!(upstream.requests().is_empty());
}
