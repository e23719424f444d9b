//! What the provider table says of this dialect.

use llm_types::chat::{ChatRequest, Effort, Message};
use llm_types::{Call, Changes, Dialect, Op};
use serde_json::{Value, json};

use crate::codec::{Asked, ClientCodec as _, EncodeCx};
use crate::dialect::openai_responses::Client;
use crate::table::ProviderTable;

fn send(provider: &str, model: &str, set: impl FnOnce(&mut ChatRequest)) -> (Value, String, String) {
    let table = ProviderTable::builtin();
    let spec = table.get(provider).unwrap();
    let mut request = ChatRequest::new([Message::system("s"), Message::user("Hi")]);
    set(&mut request);
    let mut changes = Changes::default();
    let mut cx = EncodeCx { spec, model, asked: &Asked::default(), changes: &mut changes };
    let wire = Client.encode(&Call::from(request), &mut cx).unwrap();
    (serde_json::from_slice(&wire.body.to_bytes()).unwrap(), changes.header(), wire.path)
}

#[test]
fn models_that_live_only_there_are_asked_there() {
    let table = ProviderTable::builtin();
    let check = |provider: &str, model: &str, client, expect| {
        let spec = table.get(provider).unwrap();
        assert_eq!(spec.dialect_for(Op::Chat, client, model), expect, "{provider} {model}");
    };
    use Dialect::{Anthropic, OpenaiChat, OpenaiResponses};
    for model in [
        "o1-pro",
        "o1-pro-2025-03-19",
        "o3-pro",
        "o3-deep-research",
        "o4-mini-deep-research-2025-06-26",
        "gpt-5-pro",
        "gpt-5.2-pro-2025-12-11",
        "gpt-5.4-pro",
        "gpt-5-codex",
        "gpt-5.1-codex-max",
        "gpt-5.3-codex",
        "codex-mini-latest",
        "computer-use-preview",
        "gpt-daybreak-red-latest",
    ] {
        check("openai", model, Some(OpenaiChat), OpenaiResponses);
        check("openai", model, Some(Anthropic), OpenaiResponses);
        check("azure", model, None, OpenaiResponses);
        // This row has no such operation, whatever rules it lends.
        check("azure_ai", model, None, OpenaiChat);
    }
    for model in ["gpt-4o", "o1", "o3", "o4-mini", "gpt-5", "gpt-5-mini", "gpt-5.5", "gpt-6-sol"] {
        check("openai", model, Some(OpenaiChat), OpenaiChat);
        check("openai", model, Some(OpenaiResponses), OpenaiResponses);
    }
    check("xai", "grok-4.20-multi-agent-0309", None, OpenaiResponses);
    check("perplexity", "openai/gpt-5.2", None, OpenaiResponses);
    check("perplexity", "sonar-pro", None, OpenaiChat);
}

#[test]
fn rules_of_chat_completions_are_not_about_responses() {
    let all = |request: &mut ChatRequest| {
        request.limits.max_tokens = Some(500);
        request.tooling.parallel = Some(true);
        request.sampling.temperature = Some(0.5);
        request.reasoning.effort = Some(Effort::Low);
        request.extra.set("context_management", super::raw("[]"));
    };
    let (body, changes, path) = send("openai", "o3", all);
    assert_eq!(body["max_output_tokens"], 500);
    assert_eq!((&body["parallel_tool_calls"], &body["context_management"]), (&json!(true), &json!([])));
    assert_eq!((body.get("temperature"), &*path), (None, "/responses"));
    assert_eq!(changes, "dropped temperature (not supported by openai)");
    let (body, changes, _) = send("openai", "gpt-5.2", |request| request.sampling.temperature = Some(0.5));
    assert_eq!((&body["temperature"], &*changes), (&json!(0.5), ""));
    let (body, _, _) = send("openai", "gpt-5.2", all);
    assert_eq!(body.get("temperature"), None);
    let (body, changes, _) = send("openai", "gpt-5.2", |request| request.limits.max_tokens = Some(5));
    assert_eq!(body["max_output_tokens"], 16);
    assert_eq!(changes, "altered max_output_tokens (openai takes 16 to 1000000000)");
}

#[test]
fn models_that_do_not_reason_are_asked_for_no_thoughts() {
    let (body, changes, _) = send("openai", "gpt-4o", |request| request.reasoning.effort = Some(Effort::Low));
    assert_eq!((body.get("reasoning"), body.get("include")), (None, None));
    assert_eq!(changes, "dropped reasoning (not supported by openai)");
}

#[test]
fn efforts_are_those_of_the_model() {
    let check = |model: &str, effort, expect: &str| {
        let (body, _, _) = send("openai", model, |request| request.reasoning.effort = Some(effort));
        assert_eq!(body["reasoning"]["effort"], expect, "{model} {effort:?}");
    };
    check("o3-pro", Effort::Minimal, "low");
    check("o4-mini-deep-research", Effort::Max, "high");
    check("gpt-5-pro", Effort::Low, "high");
    check("gpt-5-codex", Effort::Minimal, "low");
    check("gpt-5", Effort::Minimal, "minimal");
    check("gpt-5.1-codex", Effort::XHigh, "high");
    check("gpt-5.1-codex-max", Effort::XHigh, "xhigh");
    check("gpt-5.2-codex", Effort::None, "low");
    check("gpt-5.2-pro", Effort::Low, "medium");
    check("gpt-5.2", Effort::Max, "max");
    check("gpt-5.6", Effort::Minimal, "low");
}

#[test]
fn rows_that_differ() {
    let (body, changes, _) = send("xai", "grok-4.20-multi-agent", |_| {});
    assert_eq!(body["input"][0], json!({"role": "system", "content": "s"}));
    assert_eq!((body.get("instructions"), &*changes), (None, ""));
    let (_, _, path) = send("perplexity", "openai/gpt-5.2", |_| {});
    assert_eq!(path, "/v1/responses");
}
