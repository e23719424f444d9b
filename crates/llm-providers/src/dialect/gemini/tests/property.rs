//! Nothing is lost silently: every field of a request is in the body or among the changes.

use llm_types::Dialect;
use llm_types::chat::{
    AudioOutput, CacheControl, ChatRequest, Effort, Format, Message, Role, Text, Thinking, Tool, ToolChoice,
    WebSearch,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A field: how it is set, where it is in the body, and its path in the changes.
type Field = (fn(&mut ChatRequest), &'static str, &'static str);

const CONFIG: &str = "/generationConfig";

const FIELDS: &[Field] = &[
    (|r| r.sampling.temperature = Some(0.25), "/generationConfig/temperature", "temperature"),
    (|r| r.sampling.top_p = Some(0.75), "/generationConfig/topP", "top_p"),
    (|r| r.sampling.top_k = Some(7), "/generationConfig/topK", "top_k"),
    (|r| r.sampling.frequency_penalty = Some(0.5), "/generationConfig/frequencyPenalty", "frequency_penalty"),
    (|r| r.sampling.presence_penalty = Some(0.5), "/generationConfig/presencePenalty", "presence_penalty"),
    (|r| r.sampling.seed = Some(1 << 40), "/generationConfig/seed", "seed"),
    (|r| r.sampling.logit_bias = Some(raw(&json!({"1": 2}))), "", "logit_bias"),
    (|r| r.output.n = Some(2), "/generationConfig/candidateCount", "n"),
    (|r| r.output.format = Some(Format::JsonObject), "/generationConfig/responseMimeType", "response_format"),
    (|r| r.output.modalities = vec!["text".into()], "/generationConfig/responseModalities", "modalities"),
    (
        |r| r.output.audio = Some(AudioOutput { voice: Some(raw(&json!("v"))), ..AudioOutput::default() }),
        "/generationConfig/speechConfig",
        "audio",
    ),
    (|r| r.output.logprobs = Some(true), "/generationConfig/responseLogprobs", "logprobs"),
    (|r| r.output.top_logprobs = Some(3), "/generationConfig/logprobs", "top_logprobs"),
    (|r| r.output.prediction = Some(raw(&json!({}))), "", "prediction"),
    (|r| r.output.verbosity = Some("low".into()), "", "verbosity"),
    (|r| r.reasoning.effort = Some(Effort::High), "/generationConfig/thinkingConfig", "reasoning_effort"),
    (
        |r| r.reasoning.thinking = Some(Thinking::Enabled { budget_tokens: Some(2000) }),
        "/generationConfig/thinkingConfig",
        "thinking",
    ),
    (|r| r.reasoning.summary = Some("auto".into()), "/generationConfig/thinkingConfig", "reasoning.summary"),
    (|r| r.limits.max_tokens = Some(9), "/generationConfig/maxOutputTokens", "max_tokens"),
    (
        |r| r.limits.max_completion_tokens = Some(8),
        "/generationConfig/maxOutputTokens",
        "max_completion_tokens",
    ),
    (|r| r.limits.stop = vec!["x".into()], "/generationConfig/stopSequences", "stop"),
    (|r| r.delivery.include_obfuscation = Some(true), "", "stream_options.include_obfuscation"),
    (|r| r.delivery.service_tier = Some("flex".into()), "/serviceTier", "service_tier"),
    (|r| r.delivery.store = Some(true), "", "store"),
    (|r| r.cache.key = Some("k".into()), "", "prompt_cache_key"),
    (|r| r.cache.retention = Some("24h".into()), "", "prompt_cache_retention"),
    (|r| r.cache.options = Some(raw(&json!({}))), "", "prompt_cache_options"),
    (|r| r.cache.control = Some(CacheControl { kind: "ephemeral".into(), ttl: None }), "", "cache_control"),
    (|r| r.identity.user = Some("u".into()), "", "user"),
    (|r| r.identity.safety_identifier = Some("s".into()), "", "safety_identifier"),
    (|r| r.identity.metadata = Some(raw(&json!({}))), "", "metadata"),
    (|r| r.web_search = Some(WebSearch::default()), "/tools/0/googleSearch", "web_search_options"),
    (|r| r.tooling.tools.push(Tool::function("f", "d", None)), "/tools", "tools"),
    (|r| r.tooling.choice = Some(ToolChoice::Required), "/toolConfig/functionCallingConfig", "tool_choice"),
    (|r| r.extra.set("safety_settings", raw(&json!([]))), "/safetySettings", "safety_settings"),
    (|r| r.extra.set("cached_content", raw(&json!("c"))), "/cachedContent", "cached_content"),
    (|r| r.extra.set("labels", raw(&json!({}))), "/labels", "labels"),
    (
        |r| r.extra.set("generation_config", raw(&json!({"topP": 0.1}))),
        "/generationConfig/topP",
        "generation_config",
    ),
    (|r| r.extra.set("odd", raw(&json!(1))), "/odd", "odd"),
    (|r| r.messages.insert(0, Message::system("s")), "/systemInstruction", "messages[0]"),
    (|r| last(r).name = Some("n".into()), "", "messages["),
    (
        |r| last(r).parts.push(llm_types::chat::Part::Text(Text::new("more"))),
        "/contents/0/parts/1",
        "messages[",
    ),
];

fn last(request: &mut ChatRequest) -> &mut Message {
    request.messages.last_mut().unwrap()
}

const MODELS: &[&str] = &[
    "gemini-1.5-pro",
    "gemini-2.0-flash",
    "gemini-2.5-flash",
    "gemini-2.5-pro",
    "gemini-3-flash-preview",
    "gemini-3-pro-preview",
];

fn is_kept(body: &Value, changes: &[String], (_, pointer, path): &Field) -> bool {
    let sent = !pointer.is_empty() && body.pointer(pointer).is_some();
    sent || changes.iter().any(|line| line.split_once(' ').is_some_and(|(_, at)| at.starts_with(path)))
}

proptest! {
    #[test]
    fn every_field_is_sent_or_recorded(
        chosen in proptest::collection::vec(any::<bool>(), FIELDS.len()),
        model in proptest::sample::select(MODELS),
        native in any::<bool>(),
    ) {
        let mut request = ChatRequest::new([Message::new(Role::User, [llm_types::chat::Part::text("q")])]);
        request.origin = (!native).then_some(Dialect::OpenaiChat);
        let fields: Vec<&Field> = FIELDS.iter().zip(&chosen).filter(|(_, on)| **on).map(|(field, _)| field).collect();
        for (set, _, _) in &fields {
            set(&mut request);
        }
        let (body, changes) = send(request, model);
        for field in &fields {
            prop_assert!(is_kept(&body, &changes, field), "{} is lost on {model}: {body} {changes:?}", field.2);
        }
        // And nothing is made up: without a field its place stays empty.
        if fields.is_empty() {
            prop_assert!(body.pointer(CONFIG).is_none() && changes.is_empty());
        }
    }
}
