//! Nothing is lost silently: whatever is set is in the body, or recorded as a change.

use llm_types::chat::{
    AudioOutput, ChatRequest, Effort, Format, JsonSchema, Message, Part, Reasoning, Role, Text, Thinking,
    Tool, ToolCall, ToolChoice, ToolKind, WebSearch,
};
use llm_types::{Dialect, Extra};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::{Sent, encode, gather, raw};
use crate::codec::Memo;

/// One thing that a client may set, and how to tell that it was not lost.
#[derive(Clone, Copy)]
struct Setting {
    set: fn(&mut ChatRequest),
    /// The path under which a change is recorded.
    path: &'static str,
    /// Text that stands in the body if it went through.
    trace: &'static str,
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.path)
    }
}

const fn setting(path: &'static str, trace: &'static str, set: fn(&mut ChatRequest)) -> Setting {
    Setting { set, path, trace }
}

const SETTINGS: &[Setting] = &[
    setting("temperature", "\"temperature\":0.25", |r| r.sampling.temperature = Some(0.25)),
    setting("top_p", "\"top_p\":0.5", |r| r.sampling.top_p = Some(0.5)),
    setting("top_k", "\"top_k\":11", |r| r.sampling.top_k = Some(11)),
    setting("frequency_penalty", "never", |r| r.sampling.frequency_penalty = Some(0.5)),
    setting("presence_penalty", "never", |r| r.sampling.presence_penalty = Some(0.5)),
    setting("seed", "never", |r| r.sampling.seed = Some(5)),
    setting("logit_bias", "never", |r| r.sampling.logit_bias = Some(raw("{}"))),
    setting("modalities", "never", |r| r.output.modalities = vec!["audio".into()]),
    setting("audio", "never", |r| r.output.audio = Some(AudioOutput::default())),
    setting("logprobs", "never", |r| r.output.logprobs = Some(true)),
    setting("top_logprobs", "never", |r| r.output.top_logprobs = Some(3)),
    setting("prediction", "never", |r| r.output.prediction = Some(raw("{}"))),
    setting("verbosity", "never", |r| r.output.verbosity = Some("low".into())),
    setting("response_format", "schema_trace", |r| {
        r.output.format = Some(Format::JsonSchema(JsonSchema {
            schema: Some(raw(r#"{"type":"object","properties":{"schema_trace":{}}}"#)),
            ..JsonSchema::default()
        }));
    }),
    setting("reasoning_effort", "\"thinking\":", |r| r.reasoning.effort = Some(Effort::High)),
    setting("thinking", "\"thinking\":", |r| {
        r.reasoning.thinking = Some(Thinking::Enabled { budget_tokens: Some(2222) });
    }),
    setting("reasoning.summary", "\"display\":", |r| r.reasoning.summary = Some("detailed".into())),
    setting("max_tokens", "\"max_tokens\":7777", |r| r.limits.max_tokens = Some(7777)),
    setting("max_completion_tokens", "\"max_tokens\":8888", |r| {
        r.limits.max_completion_tokens = Some(8888);
    }),
    setting("stop", "stop_trace", |r| r.limits.stop = vec!["stop_trace".into()]),
    setting("stop[0]", "never", |r| r.limits.stop = vec![" ".into()]),
    setting("stream", "\"stream\":true", |r| r.delivery.stream = true),
    setting("stream_options.include_obfuscation", "never", |r| {
        r.delivery.include_obfuscation = Some(true);
    }),
    setting("service_tier", "\"service_tier\":", |r| r.delivery.service_tier = Some("priority".into())),
    setting("store", "never", |r| r.delivery.store = Some(true)),
    setting("prompt_cache_key", "never", |r| r.cache.key = Some("k".into())),
    setting("prompt_cache_retention", "never", |r| r.cache.retention = Some("24h".into())),
    setting("prompt_cache_options", "never", |r| r.cache.options = Some(raw("{}"))),
    setting("user", "user_trace", |r| r.identity.user = Some("user_trace".into())),
    setting("safety_identifier", "safe_trace", |r| {
        r.identity.safety_identifier = Some("safe_trace".into());
    }),
    setting("metadata", "never", |r| r.identity.metadata = Some(raw("{}"))),
    setting("web_search_options", "web_search_20250305", |r| r.web_search = Some(WebSearch::default())),
    setting("tool_choice", "\"tool_choice\":", |r| r.tooling.choice = Some(ToolChoice::Required)),
    setting("parallel_tool_calls", "disable_parallel", |r| r.tooling.parallel = Some(false)),
    setting("tools", "tool_trace", |r| {
        r.tooling.tools.push(Tool::function("tool_trace", "d", None));
    }),
    setting("whatever", "never", |r| r.extra.set("whatever", raw("1"))),
    setting("container", "container_trace", |r| r.extra.set("container", raw("\"container_trace\""))),
    setting("messages[0].name", "never", |r| r.messages[0].name = Some("n".into())),
];

const MODELS: &[&str] = &[
    "claude-3-haiku-20240307",
    "claude-sonnet-4-0",
    "claude-haiku-4-5",
    "claude-opus-4-5",
    "claude-sonnet-4-6",
    "claude-opus-4-8",
    "claude-opus-5",
    "claude-fable-5-1",
    "other",
];

fn is_recorded(sent: &Sent, path: &str) -> bool {
    sent.changes.list().iter().any(|change| change.path == path)
}

/// Parts of an assistant's turn, each with a text that must not get lost.
fn part() -> impl Strategy<Value = Part> {
    let id = "[a-z.]{0,3}";
    prop_oneof![
        "[a-z ]{0,6}".prop_map(|text| Part::Text(Text::new(text))),
        (id, "[a-z.]{1,4}", prop_oneof![Just(""), Just("{}"), Just("[1"), Just("{\"a\":1}")]).prop_map(
            |(id, name, arguments)| Part::ToolCall(ToolCall {
                id,
                name,
                arguments: arguments.to_owned(),
                ..ToolCall::default()
            })
        ),
        ("[a-z]{1,4}", proptest::option::of("[A-Z]{1,4}")).prop_map(|(text, signature)| {
            Part::Reasoning(Reasoning { text, signature, ..Reasoning::default() })
        }),
    ]
}

proptest! {
    #[test]
    fn every_setting_is_sent_or_recorded(
        settings in subsequence(SETTINGS, 0..=SETTINGS.len()),
        model in select(MODELS),
    ) {
        let mut request = ChatRequest::new([Message::user("Hi")]);
        request.origin = Some(Dialect::OpenaiChat);
        for setting in &settings {
            (setting.set)(&mut request);
        }
        let sent = encode(&request, model);
        let body = sent.body.to_string();
        for setting in &settings {
            let overwritten = setting.path == "stop" && request.limits.stop == [" "];
            // The newer of two limits wins, and a setting for thinking replaces the effort.
            prop_assert!(
                overwritten || body.contains(setting.trace) || is_recorded(&sent, setting.path),
                "{setting:?} is lost on {model}: {body} {:?}", sent.changed()
            );
        }
    }

    #[test]
    fn every_part_is_sent_or_recorded_and_turns_are_valid(
        turns in proptest::collection::vec(proptest::collection::vec(part(), 0..5), 1..4),
    ) {
        let mut messages = vec![Message::user("Hi")];
        for parts in &turns {
            messages.push(Message::new(Role::Assistant, parts.clone()));
            for part in parts {
                if let Part::ToolCall(call) = part {
                    messages.push(Message::tool_result(call.id.clone(), "r"));
                }
            }
            messages.push(Message::user("go on"));
        }
        let sent = encode(&ChatRequest::new(messages.clone()), "claude-sonnet-4-5");
        let turns = sent.body["messages"].as_array().unwrap();
        let mut roles: Vec<&str> = turns.iter().map(|turn| turn["role"].as_str().unwrap()).collect();
        let before = roles.len();
        roles.dedup();
        prop_assert_eq!(roles.len(), before, "roles take turns");
        let mut open: Vec<String> = Vec::new();
        let mut sent_calls = 0;
        for turn in turns {
            let blocks = turn["content"].as_array().unwrap();
            prop_assert!(!blocks.is_empty());
            let results: Vec<String> =
                blocks.iter().filter_map(|block| block["tool_use_id"].as_str().map(str::to_owned)).collect();
            if turn["role"] == "user" {
                let mut expect = std::mem::take(&mut open);
                let mut got = results;
                expect.sort();
                got.sort();
                prop_assert_eq!(got, expect, "each call has one result");
            }
            for block in blocks {
                if let Some(text) = block["text"].as_str() {
                    prop_assert!(!text.trim().is_empty());
                }
                if block["type"] == "tool_use" {
                    prop_assert!(block["input"].is_object());
                    open.push(block["id"].as_str().unwrap().to_owned());
                    sent_calls += 1;
                }
            }
        }
        let calls = messages.iter().flat_map(|message| &message.parts);
        let calls = calls.filter(|part| matches!(part, Part::ToolCall(_))).count();
        let duplicates = sent.changes.list().iter().filter(|change| change.why.contains("same call")).count();
        prop_assert_eq!(calls, sent_calls + duplicates);
        let names: std::collections::BTreeSet<&str> = messages.iter().flat_map(|message| &message.parts)
            .filter_map(|part| match part { Part::ToolCall(call) => Some(call.name.as_str()), _ => None })
            .collect();
        for name in names {
            let known = sent.memo.tool_names.iter().any(|(_, client)| client == name);
            prop_assert!(known || !name.contains('.'), "{name} can be restored");
        }
    }

    #[test]
    fn hostile_streams_never_panic(text in "(event: [a-z_]{0,20}\n|data: \\PC{0,40}\n|\n){0,12}") {
        let _ = gather([text.as_bytes()], &Memo::default());
    }
}

#[test]
fn tools_of_other_kinds_are_sent_or_recorded() {
    let mut request = ChatRequest::new([Message::user("Hi")]);
    request.tooling.tools = vec![Tool {
        kind: ToolKind::Hosted { dialect: Dialect::OpenaiChat, kind: "web_search".into(), json: raw("{}") },
        cache: None,
        extra: Extra::default(),
    }];
    let sent = encode(&request, "claude-sonnet-4-5");
    assert!(is_recorded(&sent, "tools[0]"));
    assert_eq!(sent.body.get("tools"), None);
}
