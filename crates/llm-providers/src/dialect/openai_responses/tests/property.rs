//! Nothing is lost silently, and no bytes of a provider make us panic.

use llm_types::Dialect;
use llm_types::chat::{
    ChatRequest, Effort, Format, Message, Part, Reasoning, Role, Text, Thinking, Tool, ToolCall, ToolChoice,
    WebSearch,
};
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::{encode, gather, raw};

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
    setting("top_k", "never", |r| r.sampling.top_k = Some(11)),
    setting("frequency_penalty", "never", |r| r.sampling.frequency_penalty = Some(0.5)),
    setting("presence_penalty", "never", |r| r.sampling.presence_penalty = Some(0.5)),
    setting("seed", "never", |r| r.sampling.seed = Some(5)),
    setting("logit_bias", "never", |r| r.sampling.logit_bias = Some(raw("{}"))),
    setting("modalities", "never", |r| r.output.modalities = vec!["image".into()]),
    setting("logprobs", "message.output_text.logprobs", |r| r.output.logprobs = Some(true)),
    setting("top_logprobs", "\"top_logprobs\":3", |r| r.output.top_logprobs = Some(3)),
    setting("prediction", "never", |r| r.output.prediction = Some(raw("{}"))),
    setting("verbosity", "\"verbosity\":\"low\"", |r| r.output.verbosity = Some("low".into())),
    setting("response_format", "\"json_object\"", |r| r.output.format = Some(Format::JsonObject)),
    setting("reasoning_effort", "\"effort\":\"xhigh\"", |r| r.reasoning.effort = Some(Effort::XHigh)),
    setting("thinking", "never", |r| r.reasoning.thinking = Some(Thinking::Adaptive)),
    setting("reasoning.summary", "\"summary\":\"detailed\"", |r| {
        r.reasoning.summary = Some("detailed".into())
    }),
    setting("max_tokens", "\"max_output_tokens\":7777", |r| r.limits.max_tokens = Some(7777)),
    setting("max_completion_tokens", "\"max_output_tokens\":8888", |r| {
        r.limits.max_completion_tokens = Some(8888);
    }),
    setting("stop", "never", |r| r.limits.stop = vec!["stop".into()]),
    setting("stream", "\"stream\":true", |r| r.delivery.stream = true),
    setting("stream_options", "include_obfuscation", |r| r.delivery.include_obfuscation = Some(true)),
    setting("service_tier", "\"service_tier\":\"flex\"", |r| r.delivery.service_tier = Some("flex".into())),
    setting("store", "\"store\":true", |r| r.delivery.store = Some(true)),
    setting("prompt_cache_key", "key_trace", |r| r.cache.key = Some("key_trace".into())),
    setting("prompt_cache_retention", "\"24h\"", |r| r.cache.retention = Some("24h".into())),
    setting("prompt_cache_options", "options_trace", |r| {
        r.cache.options = Some(raw("{\"options_trace\":1}"))
    }),
    setting("user", "user_trace", |r| r.identity.user = Some("user_trace".into())),
    setting("safety_identifier", "safe_trace", |r| {
        r.identity.safety_identifier = Some("safe_trace".into());
    }),
    setting("metadata", "meta_trace", |r| r.identity.metadata = Some(raw("{\"meta_trace\":\"\"}"))),
    setting("web_search_options", "\"web_search\"", |r| r.web_search = Some(WebSearch::default())),
    setting("tool_choice", "\"required\"", |r| r.tooling.choice = Some(ToolChoice::Required)),
    setting("parallel_tool_calls", "\"parallel_tool_calls\":false", |r| r.tooling.parallel = Some(false)),
    setting("functions", "never", |r| r.tooling.legacy = true),
    setting("tools", "tool_trace", |r| r.tooling.tools.push(Tool::function("tool_trace", "d", None))),
    setting("whatever", "never", |r| r.extra.set("whatever", raw("1"))),
    setting("messages[0].name", "never", |r| r.messages[0].name = Some("n".into())),
];

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        "[a-z ]{1,6}".prop_map(|text| Part::Text(Text::new(text))),
        ("[a-z]{1,3}", "[a-z]{1,4}").prop_map(|(id, name)| {
            Part::ToolCall(ToolCall { id, name, arguments: "{}".into(), ..ToolCall::default() })
        }),
        ("[a-z]{1,4}", proptest::option::of("[A-Z]{1,4}")).prop_map(|(text, signature)| {
            Part::Reasoning(Reasoning { text, signature, ..Reasoning::default() })
        }),
    ]
}

proptest! {
    #[test]
    fn every_setting_is_sent_or_recorded(settings in subsequence(SETTINGS, 0..=SETTINGS.len())) {
        let mut request = ChatRequest::new([Message::user("Hi")]);
        request.origin = Some(Dialect::OpenaiChat);
        for setting in &settings {
            (setting.set)(&mut request);
        }
        let (body, changes) = encode(request);
        let body = body.to_string();
        for setting in &settings {
            let recorded = changes.lines().any(|line| line.split(' ').nth(1) == Some(setting.path));
            prop_assert!(body.contains(setting.trace) || recorded, "{setting:?} is lost: {body} {changes}");
        }
    }

    #[test]
    fn every_part_is_sent_or_recorded_in_order(parts in proptest::collection::vec(part(), 1..8)) {
        let (body, changes) = encode(ChatRequest::new([Message::new(Role::Assistant, parts.clone())]));
        let mut sent = String::new();
        for item in body["input"].as_array().unwrap() {
            match &item["content"] {
                serde_json::Value::String(text) => sent.push_str(text),
                serde_json::Value::Array(parts) => {
                    parts.iter().for_each(|part| sent.push_str(part["text"].as_str().unwrap()));
                }
                _ => sent.push_str(item["call_id"].as_str().unwrap()),
            }
        }
        let mut expect = String::new();
        let mut thoughts = 0;
        for part in &parts {
            match part {
                Part::Text(text) => expect.push_str(&text.text),
                Part::ToolCall(call) => expect.push_str(&call.id),
                _ => thoughts += 1,
            }
        }
        prop_assert_eq!(sent, expect);
        prop_assert_eq!(changes.lines().count(), thoughts, "{}", changes);
    }

    #[test]
    fn hostile_streams_never_panic(text in "(event: [a-z_.]{0,20}\n|data: \\PC{0,40}\n|\n){0,12}") {
        let _ = gather([text.as_bytes()]);
    }

    #[test]
    fn hostile_events_never_panic(
        kind in prop_oneof![
            Just("response.output_text.delta"), Just("response.output_item.added"), Just("response.output_item.done"),
            Just("response.function_call_arguments.delta"), Just("response.completed"), Just("response.created"),
            Just("response.output_text.annotation.added"), Just("error"),
        ],
        key in prop_oneof![Just("item"), Just("delta"), Just("response"), Just("output_index"), Just("annotation"), Just("logprobs")],
        value in prop_oneof![
            Just("null"), Just("[]"), Just("{}"), Just("[{}]"), Just("\"\\ud800\""), Just("-1.5e300"),
            Just("{\"type\":\"function_call\"}"), Just("{\"type\":\"message\",\"content\":\"x\"}"),
            Just("{\"type\":\"reasoning\",\"summary\":[{}]}"), Just("{\"output\":[{}],\"usage\":{}}"),
        ],
    ) {
        let event = format!("data: {{\"type\":\"{kind}\",\"{key}\":{value}}}\n\n");
        let _ = gather([event.as_bytes(), event.as_bytes()]);
        let mut tap = crate::codec::ClientCodec::stream_tap(&super::Client, llm_types::Op::Chat);
        let _ = tap.see(event.as_bytes());
    }
}
