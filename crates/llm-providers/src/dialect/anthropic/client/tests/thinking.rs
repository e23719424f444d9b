//! Effort and thinking by generation.

use llm_types::chat::{ChatRequest, Effort, Message, Part, Role, Thinking, ToolCall, ToolChoice};
use serde_json::{Value, json};

use super::{encode, golden};

fn ask() -> ChatRequest {
    ChatRequest::new([Message::user("Hi")])
}

/// `thinking`, `output_config`, `max_tokens` of the body, and the changes.
fn settled(request: &ChatRequest, model: &str) -> (Value, Value, u64, Vec<String>) {
    let sent = encode(request, model);
    let changed = sent.changed();
    let get = |name: &str| sent.body.get(name).cloned().unwrap_or(Value::Null);
    (get("thinking"), get("output_config"), sent.body["max_tokens"].as_u64().unwrap(), changed)
}

#[test]
fn effort_by_generation() {
    let check =
        |model: &str, effort: Effort, thinking: Value, level: Value, max_tokens: u64, changed: &[&str]| {
            let mut request = ask();
            request.reasoning.effort = Some(effort);
            let config = if level.is_null() { Value::Null } else { json!({ "effort": level }) };
            let expect: Vec<String> = changed.iter().map(|change| (*change).to_owned()).collect();
            let case = format!("{model} {}", effort.name());
            assert_eq!(settled(&request, model), (thinking, config, max_tokens, expect), "{case}");
        };
    let budget = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    let adaptive = || json!({"type": "adaptive", "display": "summarized"});
    let off = || json!({"type": "disabled"});
    let no = Value::Null;
    let old = "claude-3-haiku-20240307";
    check(old, Effort::None, no.clone(), no.clone(), 4096, &[]);
    check(old, Effort::Low, no.clone(), no.clone(), 4096, &["dropped reasoning_effort"]);
    for model in ["claude-3-7-sonnet-latest", "claude-sonnet-4-0", "claude-opus-4-1", "claude-haiku-4-5"] {
        let max = if model.contains("opus") { 32_000 } else { 64_000 };
        check(model, Effort::None, no.clone(), no.clone(), max, &[]);
        check(model, Effort::Minimal, budget(1024), no.clone(), 5120, &[]);
        check(model, Effort::Low, budget(1024), no.clone(), 5120, &[]);
        check(model, Effort::Medium, budget(2048), no.clone(), 6144, &[]);
        check(model, Effort::High, budget(4096), no.clone(), 8192, &[]);
        check(model, Effort::XHigh, budget(8192), no.clone(), 12_288, &[]);
        check(model, Effort::Max, budget(16_384), no.clone(), 20_480, &[]);
    }
    let altered: &[&str] = &["altered reasoning_effort"];
    check("claude-sonnet-4-6", Effort::None, off(), no.clone(), 128_000, &[]);
    check("claude-sonnet-4-6", Effort::Minimal, adaptive(), json!("low"), 128_000, altered);
    check("claude-sonnet-4-6", Effort::Low, adaptive(), json!("low"), 128_000, &[]);
    check("claude-sonnet-4-6", Effort::High, adaptive(), json!("high"), 128_000, &[]);
    check("claude-sonnet-4-6", Effort::XHigh, adaptive(), json!("high"), 128_000, altered);
    check("claude-sonnet-4-6", Effort::Max, adaptive(), json!("max"), 128_000, &[]);
    for model in ["claude-opus-4-7", "claude-opus-4-8", "claude-sonnet-5", "claude-opus-5", "claude-opus-9"] {
        check(model, Effort::None, off(), no.clone(), 128_000, &[]);
        check(model, Effort::Medium, adaptive(), json!("medium"), 128_000, &[]);
        check(model, Effort::XHigh, adaptive(), json!("xhigh"), 128_000, &[]);
        check(model, Effort::Max, adaptive(), json!("max"), 128_000, &[]);
    }
    check("claude-fable-5", Effort::None, no.clone(), no.clone(), 128_000, &["dropped reasoning_effort"]);
    check("claude-fable-5", Effort::High, adaptive(), json!("high"), 128_000, &[]);
}

#[test]
fn the_callers_own_thinking_by_generation() {
    let check = |model: &str, thinking: Thinking, expect: Value, level: Option<&str>, changed: &[&str]| {
        let mut request = ask();
        request.reasoning.thinking = Some(thinking);
        let (got, config, _, changes) = settled(&request, model);
        assert_eq!(got, expect, "{model} {thinking:?}");
        assert_eq!(config["effort"].as_str(), level, "{model} {thinking:?}");
        assert_eq!(changes, changed, "{model} {thinking:?}");
    };
    let enabled = |tokens| Thinking::Enabled { budget_tokens: Some(tokens) };
    let budget = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    let adaptive = || json!({"type": "adaptive", "display": "summarized"});
    check("claude-3-5-haiku-latest", enabled(2000), Value::Null, None, &["dropped thinking"]);
    check("claude-3-5-haiku-latest", Thinking::Disabled, Value::Null, None, &[]);
    check("claude-sonnet-4-5", enabled(2000), budget(2000), None, &[]);
    check("claude-sonnet-4-5", enabled(10), budget(1024), None, &["altered thinking"]);
    check("claude-sonnet-4-5", Thinking::Enabled { budget_tokens: None }, budget(2048), None, &[]);
    check("claude-sonnet-4-5", Thinking::Adaptive, budget(2048), None, &["altered thinking"]);
    check("claude-sonnet-4-5", Thinking::Disabled, json!({"type": "disabled"}), None, &[]);
    check("claude-sonnet-4-6", enabled(2000), budget(2000), None, &[]);
    check("claude-sonnet-4-6", Thinking::Adaptive, adaptive(), None, &[]);
    check("claude-opus-4-7", enabled(8192), adaptive(), Some("xhigh"), &["altered thinking"]);
    check("claude-opus-4-7", enabled(8191), adaptive(), Some("high"), &["altered thinking"]);
    check("claude-opus-4-7", enabled(2048), adaptive(), Some("medium"), &["altered thinking"]);
    check("claude-opus-4-7", enabled(1024), adaptive(), Some("low"), &["altered thinking"]);
    check("claude-mythos-5", Thinking::Disabled, Value::Null, None, &["dropped thinking"]);
    check("claude-mythos-5", enabled(4096), adaptive(), Some("high"), &["altered thinking"]);
}

#[test]
fn effort_beside_thinking() {
    let check = |model: &str, thinking, level: Option<&str>, beta: Option<&str>, changed: &[&str]| {
        let mut request = ask();
        request.reasoning.thinking = Some(thinking);
        request.reasoning.effort = Some(Effort::XHigh);
        let sent = encode(&request, model);
        assert_eq!(sent.body["output_config"]["effort"].as_str(), level, "{model}");
        assert_eq!(sent.betas(), beta, "{model}");
        assert_eq!(sent.changed(), changed, "{model}");
    };
    let enabled = Thinking::Enabled { budget_tokens: Some(2000) };
    check("claude-sonnet-4-5", enabled, None, None, &["dropped reasoning_effort"]);
    check("claude-opus-4-5", enabled, Some("high"), Some("effort-2025-11-24"), &["altered reasoning_effort"]);
    check("claude-opus-4-8", Thinking::Disabled, Some("xhigh"), None, &[]);
    check("claude-opus-5", Thinking::Disabled, Some("high"), None, &["altered reasoning_effort"]);
    check("claude-opus-5", Thinking::Adaptive, Some("xhigh"), None, &[]);
}

#[test]
fn budgets_and_output_limits_fit_each_other() {
    let check = |budget: u64, max_tokens: Option<u64>, expect: (Option<u64>, u64), changed: &[&str]| {
        let mut request = ask();
        request.reasoning.thinking = Some(Thinking::Enabled { budget_tokens: Some(budget) });
        request.limits.max_completion_tokens = max_tokens;
        let (thinking, _, max, changes) = settled(&request, "claude-haiku-4-5");
        assert_eq!((thinking["budget_tokens"].as_u64(), max), expect, "{budget} {max_tokens:?}");
        assert_eq!(changes, changed, "{budget} {max_tokens:?}");
    };
    check(2000, Some(4000), (Some(2000), 4000), &[]);
    check(2000, None, (Some(2000), 6096), &[]);
    check(5000, Some(5000), (Some(2500), 5000), &["altered thinking"]);
    check(2000, Some(1024), (None, 1024), &["dropped thinking"]);
    check(2000, Some(1025), (None, 1025), &["dropped thinking"]);
    check(2000, Some(1280), (Some(1024), 1280), &["altered thinking"]);
    check(1024, Some(1025), (Some(1024), 1025), &[]);
    check(63_000, None, (Some(63_000), 64_000), &[]);
    check(u64::MAX, None, (Some(32_000), 64_000), &["altered thinking"]);
}

#[test]
fn an_effort_leaves_room_for_the_answer() {
    let check = |effort: Effort, max_tokens: u64, expect: Option<u64>, changed: &[&str]| {
        let mut request = ask();
        request.reasoning.effort = Some(effort);
        request.limits.max_completion_tokens = Some(max_tokens);
        let (thinking, _, max, changes) = settled(&request, "claude-haiku-4-5");
        assert_eq!(
            (thinking["budget_tokens"].as_u64(), max),
            (expect, max_tokens),
            "{effort:?} {max_tokens}"
        );
        assert_eq!(changes, changed, "{effort:?} {max_tokens}");
    };
    check(Effort::Low, 1280, Some(1024), &[]);
    check(Effort::Low, 1025, None, &["dropped reasoning_effort"]);
    check(Effort::High, 4097, Some(2048), &["altered reasoning_effort"]);
    check(Effort::High, 4352, Some(4096), &[]);
}

#[test]
fn thinking_excludes_other_options() {
    let mut request = golden::canonical();
    request.reasoning.thinking = Some(Thinking::Enabled { budget_tokens: Some(2000) });
    request.limits.max_completion_tokens = Some(4000);
    request.sampling.top_k = Some(5);
    request.sampling.top_p = Some(0.5);
    request.sampling.seed = None;
    // The last message is the user's; the calls before it came without thoughts.
    let sent = encode(&request, "claude-sonnet-4-6");
    assert_eq!(sent.body.get("thinking"), None);
    assert_eq!(sent.changed(), ["dropped thinking"]);
    request.messages.truncate(2);
    let sent = encode(&request, "claude-sonnet-4-6");
    assert_eq!(sent.body["thinking"]["budget_tokens"], 2000);
    assert_eq!(sent.body["tool_choice"], json!({"type": "auto", "disable_parallel_tool_use": true}));
    for gone in ["temperature", "top_p", "top_k"] {
        assert_eq!(sent.body.get(gone), None, "{gone}");
    }
    let expect = ["altered tool_choice", "dropped temperature", "dropped top_p", "dropped top_k"];
    assert_eq!(sent.changed(), expect);
    request.tooling.choice = Some(ToolChoice::Auto);
    request.sampling.temperature = Some(1.0);
    request.sampling.top_p = Some(0.97);
    request.sampling.top_k = None;
    let sent = encode(&request, "claude-sonnet-4-6");
    assert_eq!((&sent.body["temperature"], &sent.body["top_p"]), (&json!(1.0), &json!(0.97)));
    assert!(sent.changes.is_empty(), "{:?}", sent.changes);
}

#[test]
fn thinking_needs_thoughts_before_the_last_calls() {
    let call = || Part::ToolCall(ToolCall { id: "a".into(), name: "f".into(), ..ToolCall::default() });
    let thought = || {
        Part::Reasoning(llm_types::chat::Reasoning {
            text: "T".into(),
            signature: Some("S".into()),
            ..Default::default()
        })
    };
    let check = |model: &str, parts: Vec<Part>, thinks: bool| {
        let mut request = ChatRequest::new([
            Message::user("Hi"),
            Message::new(Role::Assistant, parts),
            Message::tool_result("a", "1"),
        ]);
        request.reasoning.effort = Some(Effort::Low);
        let sent = encode(&request, model);
        assert_eq!(sent.body.get("thinking").is_some(), thinks, "{model}");
        let dropped = sent.changed().contains(&"dropped reasoning_effort".to_owned());
        assert_eq!(dropped, !thinks, "{model}");
    };
    check("claude-sonnet-4-5", vec![call()], false);
    check("claude-sonnet-4-5", vec![thought(), call()], true);
    check("claude-sonnet-4-6", vec![call()], true);
}

#[test]
fn how_thoughts_are_shown() {
    let check = |model: &str, summary: Option<&str>, display: Option<&str>, changed: &[&str]| {
        let mut request = ask();
        request.reasoning.effort = Some(Effort::High);
        request.reasoning.summary = summary.map(str::to_owned);
        let sent = encode(&request, model);
        assert_eq!(sent.body["thinking"]["display"].as_str(), display, "{model} {summary:?}");
        assert_eq!(sent.changed(), changed, "{model} {summary:?}");
    };
    check("claude-opus-4-8", None, Some("summarized"), &[]);
    check("claude-opus-4-8", Some("omitted"), Some("omitted"), &[]);
    check("claude-opus-4-8", Some("detailed"), Some("summarized"), &["altered reasoning.summary"]);
    check("claude-sonnet-4-5", None, None, &[]);
    check("claude-sonnet-4-5", Some("auto"), Some("summarized"), &[]);
    check("claude-3-haiku", Some("auto"), None, &["dropped reasoning_effort", "dropped reasoning.summary"]);
}
