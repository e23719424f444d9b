//! Nothing is lost silently: every field of a request is in the body or among the changes.

use llm_types::Dialect;
use llm_types::chat::{
    AudioOutput, CacheControl, Effort, Format, Message, Role, Text, Thinking, Tool, ToolChoice, WebSearch,
};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A field: how it is set, where it is in the body, and its path in the changes.
type Field = (fn(&mut ChatRequest), &'static str, &'static str);

const FIELDS: &[Field] = &[
    (|r| r.sampling.temperature = Some(0.25), "/options/temperature", "temperature"),
    (|r| r.sampling.top_p = Some(0.75), "/options/top_p", "top_p"),
    (|r| r.sampling.top_k = Some(7), "/options/top_k", "top_k"),
    (|r| r.sampling.frequency_penalty = Some(0.5), "/options/frequency_penalty", ""),
    (|r| r.sampling.presence_penalty = Some(0.5), "/options/presence_penalty", ""),
    (|r| r.sampling.seed = Some(7), "/options/seed", "seed"),
    (|r| r.sampling.logit_bias = Some(raw(&json!({"1": 2}))), "", "logit_bias"),
    (|r| r.output.format = Some(Format::JsonObject), "/format", "response_format"),
    (|r| r.output.modalities = vec!["audio".into()], "", "modalities"),
    (
        |r| r.output.audio = Some(AudioOutput { voice: Some(raw(&json!("v"))), ..AudioOutput::default() }),
        "",
        "audio",
    ),
    (|r| r.output.logprobs = Some(true), "/logprobs", "logprobs"),
    (|r| r.output.top_logprobs = Some(3), "/top_logprobs", "top_logprobs"),
    (|r| r.output.prediction = Some(raw(&json!({}))), "", "prediction"),
    (|r| r.output.verbosity = Some("low".into()), "", "verbosity"),
    (|r| r.reasoning.effort = Some(Effort::High), "/think", "reasoning_effort"),
    (|r| r.reasoning.thinking = Some(Thinking::Enabled { budget_tokens: Some(2000) }), "/think", "thinking"),
    (|r| r.reasoning.summary = Some("auto".into()), "", "reasoning.summary"),
    (|r| r.limits.max_tokens = Some(9000), "/options/num_predict", "max_tokens"),
    (|r| r.limits.max_completion_tokens = Some(8000), "/options/num_predict", "max_completion_tokens"),
    (|r| r.limits.stop = vec!["x".into()], "/options/stop", "stop"),
    (|r| r.delivery.stream = true, "/stream", "stream"),
    (|r| r.delivery.include_obfuscation = Some(true), "", "stream_options.include_obfuscation"),
    (|r| r.delivery.service_tier = Some("flex".into()), "", "service_tier"),
    (|r| r.delivery.store = Some(true), "", "store"),
    (|r| r.cache.key = Some("k".into()), "", "prompt_cache_key"),
    (|r| r.cache.retention = Some("24h".into()), "", "prompt_cache_retention"),
    (|r| r.cache.options = Some(raw(&json!({}))), "", "prompt_cache_options"),
    (|r| r.cache.control = Some(CacheControl { kind: "ephemeral".into(), ttl: None }), "", "cache_control"),
    (|r| r.identity.user = Some("u".into()), "", "user"),
    (|r| r.identity.safety_identifier = Some("s".into()), "", "safety_identifier"),
    (|r| r.identity.metadata = Some(raw(&json!({"a": "b"}))), "", "metadata"),
    (|r| r.web_search = Some(WebSearch::default()), "", "web_search_options"),
    (|r| r.tooling.tools.push(Tool::function("f", "d", None)), "/tools", "tools"),
    (|r| r.tooling.choice = Some(ToolChoice::Required), "/tool_choice", "tool_choice"),
    (|r| r.tooling.parallel = Some(false), "", "parallel_tool_calls"),
    (|r| r.extra.set("keep_alive", raw(&json!("5m"))), "/keep_alive", "keep_alive"),
    (|r| r.extra.set("num_ctx", raw(&json!(8192))), "/options/num_ctx", "num_ctx"),
    (|r| r.extra.set("options", raw(&json!({"min_p": 0.1, "seed": 9}))), "/options/min_p", "options"),
    (|r| r.extra.set("think", raw(&json!("high"))), "/think", "think"),
    (|r| r.extra.set("odd", raw(&json!(1))), "/odd", "odd"),
    (|r| r.messages.insert(0, Message::system("s")), "@\"system\"", "messages[0]"),
    (|r| last(r).name = Some("n".into()), "", "messages["),
    (|r| last(r).extra.set("x", raw(&json!(1))), "", "messages["),
    (|r| last(r).parts.push(llm_types::chat::Part::Text(Text::new("more"))), "@more", "messages["),
];

fn last(request: &mut ChatRequest) -> &mut Message {
    request.messages.last_mut().unwrap()
}

/// A place that begins with `@` is anywhere in the body.
fn is_kept(body: &Value, changes: &[String], (_, place, path): &Field) -> bool {
    let sent = match place.strip_prefix('@') {
        Some(word) => body.to_string().contains(word),
        None => !place.is_empty() && body.pointer(place).is_some(),
    };
    sent || changes
        .iter()
        .any(|line| line.split_once(' ').is_some_and(|(_, at)| at.starts_with(&path.to_lowercase())))
}

proptest! {
    #[test]
    fn every_field_is_sent_or_recorded(
        chosen in proptest::collection::vec(any::<bool>(), FIELDS.len()),
        model in proptest::sample::select(&[PLAIN, LEVELS][..]),
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
        // And nothing is made up.
        if fields.is_empty() {
            prop_assert!(changes.is_empty() && body.as_object().is_some_and(|body| body.len() == 3), "{body}");
        }
    }
}
