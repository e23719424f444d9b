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

const FIELDS: &[Field] = &[
    (|r| r.sampling.temperature = Some(0.25), "/inferenceConfig/temperature", "temperature"),
    (|r| r.sampling.top_p = Some(0.75), "/inferenceConfig/topP", "top_p"),
    (|r| r.sampling.top_k = Some(7), "/additionalModelRequestFields", "top_k"),
    (|r| r.sampling.frequency_penalty = Some(0.5), "", "frequency_penalty"),
    (|r| r.sampling.presence_penalty = Some(0.5), "", "presence_penalty"),
    (|r| r.sampling.seed = Some(7), "", "seed"),
    (|r| r.sampling.logit_bias = Some(raw(&json!({"1": 2}))), "", "logit_bias"),
    (|r| r.output.format = Some(Format::JsonObject), "", "response_format"),
    (|r| r.output.modalities = vec!["audio".into()], "", "modalities"),
    (
        |r| r.output.audio = Some(AudioOutput { voice: Some(raw(&json!("v"))), ..AudioOutput::default() }),
        "",
        "audio",
    ),
    (|r| r.output.logprobs = Some(true), "", "logprobs"),
    (|r| r.output.top_logprobs = Some(3), "", "top_logprobs"),
    (|r| r.output.prediction = Some(raw(&json!({}))), "", "prediction"),
    (|r| r.output.verbosity = Some("low".into()), "", "verbosity"),
    (|r| r.reasoning.effort = Some(Effort::High), "/additionalModelRequestFields", "reasoning_effort"),
    (
        |r| r.reasoning.thinking = Some(Thinking::Enabled { budget_tokens: Some(2000) }),
        "/additionalModelRequestFields",
        "thinking",
    ),
    (|r| r.reasoning.summary = Some("auto".into()), "", "reasoning.summary"),
    (|r| r.limits.max_tokens = Some(9000), "/inferenceConfig/maxTokens", "max_tokens"),
    (|r| r.limits.max_completion_tokens = Some(8000), "/inferenceConfig/maxTokens", "max_completion_tokens"),
    (|r| r.limits.stop = vec!["x".into()], "/inferenceConfig/stopSequences", "stop"),
    (|r| r.delivery.include_obfuscation = Some(true), "", "stream_options.include_obfuscation"),
    (|r| r.delivery.service_tier = Some("flex".into()), "/serviceTier", "service_tier"),
    (|r| r.delivery.service_tier = Some("odd".into()), "/serviceTier", "service_tier"),
    (|r| r.delivery.store = Some(true), "", "store"),
    (|r| r.cache.key = Some("k".into()), "", "prompt_cache_key"),
    (|r| r.cache.retention = Some("24h".into()), "", "prompt_cache_retention"),
    (|r| r.cache.options = Some(raw(&json!({}))), "", "prompt_cache_options"),
    (
        |r| r.cache.control = Some(CacheControl { kind: "ephemeral".into(), ttl: None }),
        "@cachePoint",
        "cache_control",
    ),
    (|r| r.identity.user = Some("u".into()), "", "user"),
    (|r| r.identity.safety_identifier = Some("s".into()), "", "safety_identifier"),
    (|r| r.identity.metadata = Some(raw(&json!({"a": "b"}))), "/requestMetadata", "metadata"),
    (|r| r.web_search = Some(WebSearch::default()), "@nova_grounding", "web_search_options"),
    (|r| r.tooling.tools.push(Tool::function("f", "d", None)), "/toolConfig", "tools"),
    (|r| r.tooling.choice = Some(ToolChoice::Required), "/toolConfig/toolChoice", "tool_choice"),
    (|r| r.tooling.parallel = Some(false), "@disable_parallel_tool_use", "parallel_tool_calls"),
    (|r| r.extra.set("guardrailConfig", raw(&json!({}))), "/guardrailConfig", "guardrailConfig"),
    (|r| r.extra.set("prompt_variables", raw(&json!({}))), "/promptVariables", "prompt_variables"),
    (|r| r.extra.set("odd", raw(&json!(1))), "/additionalModelRequestFields/odd", "odd"),
    (|r| r.messages.insert(0, Message::system("s")), "/system", "messages[0]"),
    (|r| last(r).name = Some("n".into()), "", "messages["),
    (|r| last(r).extra.set("x", raw(&json!(1))), "", "messages["),
    (|r| last(r).parts.push(llm_types::chat::Part::Text(Text::new("more"))), "@more", "messages["),
];

fn last(request: &mut ChatRequest) -> &mut Message {
    request.messages.last_mut().unwrap()
}

const MODELS: &[&str] = &[
    CLAUDE,
    "anthropic.claude-3-haiku-20240307-v1:0",
    "anthropic.claude-opus-4-6-v1",
    "anthropic.claude-opus-5",
    NOVA,
    "us.amazon.nova-2-lite-v1:0",
    "us.meta.llama3-3-70b-instruct-v1:0",
    "mistral.mistral-large-2407-v1:0",
    "us.deepseek.r1-v1:0",
    "openai.gpt-oss-120b-1:0",
    "qwen.qwen3-32b-v1:0",
    "zai.glm-4.7",
    "arn:aws:bedrock:us-east-1:000000000000:application-inference-profile/abc",
];

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
        // And nothing is made up.
        if fields.is_empty() {
            prop_assert!(changes.is_empty() && body.as_object().is_some_and(|body| body.len() == 1), "{body}");
        }
    }
}
