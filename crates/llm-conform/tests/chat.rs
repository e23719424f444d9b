//! Conversations, judged by what their answers show.
#![cfg(test)]

use llm_conform::{Limits, ask, of};
use llm_providers::Client;
use llm_providers::target::TargetOptions;
use llm_testkit::{Script, Upstream};
use llm_types::Op;
use serde_json::{Value, json};

/// What is found of a server that always answers so: the verdict, and a part of why.
async fn check(feature: &str, answer: Script, expect: (&str, &str)) {
    let upstream = Upstream::start().unwrap();
    upstream.always(answer);
    let base = format!("{}/v1", upstream.url());
    let options = TargetOptions { api_base: Some(base), ..TargetOptions::default() };
    let client = Client::builder().env(|_| None).connection("hosted_vllm", options).build().unwrap();
    let feature = of(Op::Chat).find(|one| one.name == feature).unwrap();
    let found = ask(&client, "hosted_vllm/m", feature, Limits::default()).await.unwrap();
    let said = (found.verdict.name(), found.why.as_str());
    assert!(said.0 == expect.0 && said.1.contains(expect.1), "{}: {said:?}, not {expect:?}", feature.name);
}

fn answer(message: &Value, finish: &str) -> Script {
    Script::json(&json!({"id": "c1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}}))
}

fn text(text: &str) -> Script {
    answer(&json!({"role": "assistant", "content": text}), "stop")
}

#[tokio::test]
async fn an_answer_shows_what_was_asked_or_it_is_not_seen() {
    for (feature, shown, others) in [
        ("system", "A sheltered place. **Ahoy!**", "A sheltered place."),
        ("multi_turn", "Your boat is red.", "I know of no boat; it may be covered."),
        ("tool_results", "It is 17°C in Oslo.", "It is 170 m above the sea."),
        ("tool_results", "17C", "I cannot know that."),
        ("images", "RED", "I was shown no picture; your question is answered."),
        ("documents", "The word is \"Harbour\".", "I can read no files."),
    ] {
        check(feature, text(shown), ("passed", "")).await;
        check(feature, text(others), ("unseen", "the answer ")).await;
        check(feature, text(""), ("failed", "no text")).await;
    }
    check("seed", text("Hello!"), ("passed", "")).await;
    check("stop", text("one two "), ("passed", "")).await;
    check("stop", text("One two Three"), ("failed", "past the stop text")).await;
    check("stop", text("I will not repeat that."), ("unseen", "as far as")).await;
    check("stop", text(""), ("unseen", "nothing that could")).await;
    check("usage", text("Hello!"), ("passed", "")).await;
    check("usage", text(""), ("failed", "no text")).await;
    let cut = answer(&json!({"role": "assistant", "content": ""}), "length");
    check("text", cut, ("unseen", "cut before any text")).await;
}

#[tokio::test]
async fn an_answer_that_came_whole_is_no_stream() {
    let call = json!({"id": "call_1", "type": "function",
        "function": {"name": "get_weather", "arguments": "{\"city\":\"Oslo\"}"}});
    let calling = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    for feature in ["stream", "stream_usage"] {
        check(feature, text("A sheltered place."), ("failed", "came whole")).await;
    }
    check("stream_tools", answer(&calling, "tool_calls"), ("failed", "came whole")).await;
    check("tools", answer(&calling, "tool_calls"), ("passed", "")).await;
    let event = |delta: Value, finish: Value| {
        json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let used = json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [],
        "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}});
    let events = [event(json!({"content": "A place."}), Value::Null), event(json!({}), json!("stop")), used];
    check("stream", Script::openai_sse(&events), ("passed", "")).await;
    check("stream_usage", Script::openai_sse(&events), ("passed", "")).await;
    check("stream_usage", Script::openai_sse(&events[..2]), ("failed", "not told")).await;
}
