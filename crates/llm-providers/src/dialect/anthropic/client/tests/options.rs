//! Options, members that no field names, headers, and splicing.

use bytes::Bytes;
use llm_types::chat::{ChatRequest, Message};
use llm_types::{Changes, Dialect, ErrorKind, Head};
use serde_json::{Value, json};

use super::{Client, encode, raw, spec, try_encode};
use crate::codec::{Asked, ClientCodec, EncodeCx};

fn ask(edit: impl FnOnce(&mut ChatRequest)) -> ChatRequest {
    let mut request = ChatRequest::new([Message::user("Hi")]);
    edit(&mut request);
    request
}

#[track_caller]
fn check(edit: impl FnOnce(&mut ChatRequest), member: &str, expect: Value, changed: &[&str]) {
    check_for("claude-sonnet-4-6", edit, member, expect, changed);
}

#[track_caller]
fn check_for(
    model: &str,
    edit: impl FnOnce(&mut ChatRequest),
    member: &str,
    expect: Value,
    changed: &[&str],
) {
    let sent = encode(&ask(edit), model);
    assert_eq!(sent.body.get(member).cloned().unwrap_or(Value::Null), expect, "{model} {member}");
    assert_eq!(sent.changed(), changed, "{model} {member}");
}

#[test]
fn each_option_without_a_counterpart_is_recorded() {
    let none = Value::Null;
    let dropped = |edit: fn(&mut ChatRequest), path: &str| {
        check(edit, path, Value::Null, &[format!("dropped {path}").as_str()]);
    };
    dropped(|r| r.sampling.seed = Some(1), "seed");
    dropped(|r| r.sampling.frequency_penalty = Some(0.5), "frequency_penalty");
    dropped(|r| r.sampling.presence_penalty = Some(0.5), "presence_penalty");
    dropped(|r| r.sampling.logit_bias = Some(raw("{}")), "logit_bias");
    dropped(|r| r.output.logprobs = Some(true), "logprobs");
    dropped(|r| r.output.top_logprobs = Some(2), "top_logprobs");
    dropped(|r| r.output.prediction = Some(raw("{}")), "prediction");
    dropped(|r| r.output.modalities = vec!["text".into(), "audio".into()], "modalities");
    dropped(|r| r.output.audio = Some(llm_types::chat::AudioOutput::default()), "audio");
    dropped(|r| r.output.verbosity = Some("low".into()), "verbosity");
    dropped(|r| r.delivery.store = Some(true), "store");
    dropped(|r| r.delivery.include_obfuscation = Some(true), "stream_options.include_obfuscation");
    dropped(|r| r.cache.key = Some("k".into()), "prompt_cache_key");
    dropped(|r| r.cache.retention = Some("24h".into()), "prompt_cache_retention");
    dropped(|r| r.cache.options = Some(raw("{}")), "prompt_cache_options");
    dropped(|r| r.identity.metadata = Some(raw("{}")), "metadata");
    check(|r| r.output.logprobs = Some(false), "logprobs", none.clone(), &[]);
    check(|r| r.output.modalities = vec!["text".into()], "modalities", none.clone(), &[]);
    check(|r| r.output.n = Some(1), "n", none.clone(), &[]);
    check(|r| r.delivery.include_usage = Some(true), "stream_options", none, &[]);
}

#[test]
fn several_answers_are_refused() {
    let error = try_encode(&ask(|r| r.output.n = Some(2)), "claude-sonnet-4-6").unwrap_err();
    assert_eq!((error.kind, error.param.as_deref()), (ErrorKind::UnsupportedParam, Some("n")));
    assert_eq!(error.status(), 400);
}

#[test]
fn sampling_by_generation() {
    check(|r| r.sampling.temperature = Some(0.5), "temperature", json!(0.5), &[]);
    check(|r| r.sampling.temperature = Some(1.5), "temperature", json!(1.0), &["altered temperature"]);
    check(|r| r.sampling.top_k = Some(3), "top_k", json!(3), &[]);
    let new = "claude-opus-4-7";
    check_for(
        new,
        |r| r.sampling.temperature = Some(0.5),
        "temperature",
        Value::Null,
        &["dropped temperature"],
    );
    check_for(new, |r| r.sampling.temperature = Some(1.0), "temperature", json!(1.0), &[]);
    check_for(new, |r| r.sampling.top_p = Some(0.5), "top_p", Value::Null, &["dropped top_p"]);
    check_for(new, |r| r.sampling.top_k = Some(3), "top_k", Value::Null, &["dropped top_k"]);
    let both = |r: &mut ChatRequest| {
        r.sampling.temperature = Some(0.5);
        r.sampling.top_p = Some(0.5);
    };
    check_for("claude-haiku-4-5", both, "top_p", Value::Null, &["dropped top_p"]);
    check_for("claude-sonnet-4-6", both, "top_p", json!(0.5), &[]);
}

#[test]
fn output_limits() {
    check(|_| {}, "max_tokens", json!(128_000), &[]);
    check_for("claude-haiku-4-5", |_| {}, "max_tokens", json!(64_000), &[]);
    check_for("kimi-k2", |_| {}, "max_tokens", json!(4096), &[]);
    check(|r| r.limits.max_tokens = Some(7), "max_tokens", json!(7), &[]);
    check(|r| r.limits.max_tokens = Some(0), "max_tokens", json!(1), &["altered max_tokens"]);
    let both = |r: &mut ChatRequest| {
        r.limits.max_tokens = Some(7);
        r.limits.max_completion_tokens = Some(9);
    };
    check(both, "max_tokens", json!(9), &["dropped max_tokens"]);
    check(
        |r| r.limits.stop = vec!["A".into(), "\n".into()],
        "stop_sequences",
        json!(["A"]),
        &["dropped stop[1]"],
    );
    check(|r| r.limits.stop = vec![" ".into()], "stop_sequences", Value::Null, &["dropped stop[0]"]);
}

#[test]
fn who_asks_and_how_it_is_served() {
    check(|r| r.identity.user = Some("u-1".into()), "metadata", json!({"user_id": "u-1"}), &[]);
    check(|r| r.identity.user = Some("a@b.co".into()), "metadata", Value::Null, &["dropped user"]);
    check(|r| r.identity.user = Some("+1 555 123 4567".into()), "metadata", Value::Null, &["dropped user"]);
    let both = |r: &mut ChatRequest| {
        r.identity.user = Some("a@b.co".into());
        r.identity.safety_identifier = Some("s-1".into());
    };
    check(both, "metadata", json!({"user_id": "s-1"}), &["dropped user"]);
    let two = |r: &mut ChatRequest| {
        r.identity.user = Some("u-1".into());
        r.identity.safety_identifier = Some("s-1".into());
    };
    check(two, "metadata", json!({"user_id": "u-1"}), &["dropped safety_identifier"]);
    let tier = |word: &'static str| move |r: &mut ChatRequest| r.delivery.service_tier = Some(word.into());
    check(tier("auto"), "service_tier", json!("auto"), &[]);
    check(tier("default"), "service_tier", json!("standard_only"), &[]);
    check(tier("flex"), "service_tier", json!("auto"), &["altered service_tier"]);
    check(|r| r.delivery.stream = true, "stream", json!(true), &[]);
}

#[test]
fn members_that_no_field_names() {
    let with = |origin: Option<Dialect>, name: &'static str, value: &'static str| {
        move |r: &mut ChatRequest| {
            r.origin = origin;
            r.extra.set(name, raw(value));
        }
    };
    let openai = Some(Dialect::OpenaiChat);
    check(with(openai, "speed", "\"fast\""), "speed", json!("fast"), &[]);
    check(with(openai, "container", "{}"), "container", json!({}), &[]);
    check(with(openai, "whatever", "1"), "whatever", Value::Null, &["dropped whatever"]);
    check(with(None, "whatever", "1"), "whatever", json!(1), &[]);
    check(with(Some(Dialect::Anthropic), "whatever", "1"), "whatever", json!(1), &[]);
    check(with(None, "max_tokens", "5"), "max_tokens", json!(128_000), &["dropped max_tokens"]);
    check(
        with(openai, "context_management", r#"[{"type":"compaction","compact_threshold":9}]"#),
        "context_management",
        json!({"edits": [{"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 9}}]}),
        &[],
    );
    let native = r#"{"edits":[{"type":"clear_tool_uses_20250919","keep":1}]}"#;
    check(
        with(openai, "context_management", native),
        "context_management",
        serde_json::from_str(native).unwrap(),
        &[],
    );
    let config = |r: &mut ChatRequest| {
        r.extra.set("output_config", raw(r#"{"effort":"low","x":1}"#));
        r.reasoning.effort = Some(llm_types::chat::Effort::High);
    };
    check(config, "output_config", json!({"effort": "low", "x": 1}), &["dropped reasoning_effort"]);
}

#[test]
fn betas() {
    let check = |name: &str, value: &str, expect: Option<&str>| {
        let sent = encode(&ask(|r| r.extra.set(name, raw(value))), "claude-sonnet-4-6");
        assert_eq!(sent.betas(), expect, "{name}");
        assert_eq!(sent.body.get("anthropic_beta"), None);
    };
    check("anthropic_beta", r#"["b-1","b-2","b-1"]"#, Some("b-1,b-2"));
    check("anthropic_beta", r#""b-1, b-2""#, Some("b-1,b-2"));
    check("speed", r#""fast""#, Some("fast-mode-2026-02-01"));
    check("speed", r#""standard""#, None);
    check("mcp_servers", "[]", Some("mcp-client-2025-04-04"));
    check("context_management", r#"{"edits":[{"type":"compact_20260112"}]}"#, Some("compact-2026-01-12"));
    check("context_management", r#"[{"type":"compaction"}]"#, Some("compact-2026-01-12"));
    check(
        "context_management",
        r#"{"edits":[{"type":"clear_thinking_20251015"}]}"#,
        Some("context-management-2025-06-27"),
    );
    let bad = ask(|r| r.extra.set("anthropic_beta", raw("7")));
    assert_eq!(try_encode(&bad, "m").unwrap_err().param.as_deref(), Some("anthropic_beta"));
}

#[test]
fn a_body_in_this_dialect_keeps_its_bytes() {
    let check = |body: &'static str, expect: &str, betas: Option<&str>| {
        let spec = spec();
        let mut changes = Changes::default();
        let mut cx =
            EncodeCx { spec: &spec, model: "claude-x", asked: &Asked::default(), changes: &mut changes };
        let head = Head::scan(Bytes::from_static(body.as_bytes())).unwrap();
        let wire = Client.splice(&head, &mut cx).unwrap().unwrap();
        assert_eq!(wire.body.to_bytes(), expect);
        let header = wire.headers.get("anthropic-beta").map(|value| value.to_str().unwrap());
        assert_eq!(header, betas, "{body}");
        assert_eq!(wire.path, "/v1/messages");
    };
    check(
        r#"{ "model": "fast", "messages": [ ], "new": 1 }"#,
        r#"{ "model": "claude-x", "messages": [ ], "new": 1 }"#,
        None,
    );
    check(r#"{"model":"claude-x","x":1}"#, r#"{"model":"claude-x","x":1}"#, None);
    check(
        r#"{"model":"a","anthropic_beta":["b-1"],"speed":"fast"}"#,
        r#"{"model":"claude-x","speed":"fast"}"#,
        Some("b-1,fast-mode-2026-02-01"),
    );
}
