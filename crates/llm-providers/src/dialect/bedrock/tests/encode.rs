//! What is sent: the canonical request, and what families of models need.

use llm_types::chat::{Media, Message, Part, Reasoning, Role, Text};
use llm_types::{Dialect, ErrorKind};
use serde_json::json;

use super::*;

/// The canonical request of the dialects' references.
fn canonical() -> Value {
    let weather = json!({"type": "object", "required": ["city"], "additionalProperties": false, "properties": {
        "city": {"type": "string"}}});
    json!({"model": "m", "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Picture and weather?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]},
        {"role": "assistant", "content": "Checking.", "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"Oslo\"}"}},
            {"id": "call_2", "type": "function", "function": {"name": "now", "arguments": ""}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "{\"temp\":4}"},
        {"role": "tool", "tool_call_id": "call_2", "content": "noon"},
        {"role": "user", "content": "And tomorrow?"}],
        "tools": [
            {"type": "function", "function": {"name": "get_weather", "description": "Weather by city",
                "parameters": weather, "strict": true}},
            {"type": "function", "function": {"name": "now", "description": "Time"}}],
        "tool_choice": "required", "parallel_tool_calls": false, "max_completion_tokens": 300,
        "temperature": 0.2, "stop": ["END"], "user": "u-1", "seed": 7})
}

fn expected() -> Value {
    json!({"system": [{"text": "Be brief."}], "messages": [
        {"role": "user", "content": [{"text": "Picture and weather?"},
            {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}}]},
        {"role": "assistant", "content": [{"text": "Checking."},
            {"toolUse": {"toolUseId": "call_1", "name": "get_weather", "input": {"city": "Oslo"}}},
            {"toolUse": {"toolUseId": "call_2", "name": "now", "input": {}}}]},
        {"role": "user", "content": [
            {"toolResult": {"toolUseId": "call_1", "content": [{"text": "{\"temp\":4}"}]}},
            {"toolResult": {"toolUseId": "call_2", "content": [{"text": "noon"}]}},
            {"text": "And tomorrow?"}]}],
        "inferenceConfig": {"maxTokens": 300, "temperature": 0.2, "stopSequences": ["END"]},
        "toolConfig": {"tools": [
            {"toolSpec": {"name": "get_weather", "description": "Weather by city", "inputSchema": {"json":
                {"type": "object", "required": ["city"], "additionalProperties": false,
                    "properties": {"city": {"type": "string"}}}}, "strict": true}},
            {"toolSpec": {"name": "now", "description": "Time",
                "inputSchema": {"json": {"type": "object", "properties": {}}}}}],
            "toolChoice": {"any": {}}},
        "additionalModelRequestFields": {"tool_choice": {"disable_parallel_tool_use": true}}})
}

#[test]
fn the_canonical_request_for_claude_and_nova() {
    let (body, changes) = send(asked(&canonical()), CLAUDE);
    assert_eq!(body, expected());
    assert_eq!(changes, ["dropped seed", "dropped user"].map(str::to_owned));
    let mut nova = expected();
    nova.as_object_mut().unwrap().remove("additionalModelRequestFields");
    nova["toolConfig"]["tools"][0]["toolSpec"].as_object_mut().unwrap().remove("strict");
    let (body, changes) = send(asked(&canonical()), NOVA);
    assert_eq!(body, nova);
    assert!(changes.contains(&"dropped parallel_tool_calls".to_owned()), "{changes:?}");
    assert!(changes.contains(&"dropped tools[0].function.strict".to_owned()), "{changes:?}");
}

#[test]
fn the_path_says_the_model_and_the_form() {
    let path = |body: Value| try_send(asked(&body), CLAUDE).unwrap().0.path;
    let hi = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(path(hi.clone()), "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse");
    let mut streamed = hi;
    streamed["stream"] = json!(true);
    assert_eq!(path(streamed), "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream");
}

#[test]
fn some_families_take_nothing_beside_results() {
    let (body, changes) = send(asked(&canonical()), "us.meta.llama3-3-70b-instruct-v1:0");
    let turns: Vec<_> =
        body["messages"].as_array().unwrap().iter().map(|turn| turn["role"].clone()).collect();
    assert_eq!(turns, ["user", "assistant", "user", "assistant", "user"]);
    assert_eq!(body["messages"][4]["content"], json!([{"text": "And tomorrow?"}]));
    assert_eq!(body["toolConfig"].get("toolChoice"), None);
    assert!(changes.contains(&"altered tool_choice".to_owned()), "{changes:?}");
}

/// A request with one message and these members.
fn asking(members: Value) -> ChatRequest {
    let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    asked(&request)
}

#[test]
fn structured_answers_by_family() {
    let schema = json!({"type": "object", "properties": {"t": {"type": "integer"}}, "required": ["t"],
        "additionalProperties": false});
    let asked = || {
        asking(json!({"response_format": {"type": "json_schema",
        "json_schema": {"name": "W", "strict": true, "schema": schema}}}))
    };
    let (body, changes) = send(asked(), CLAUDE);
    let format = &body["outputConfig"]["textFormat"];
    assert_eq!(
        (&format["type"], &format["structure"]["jsonSchema"]["name"]),
        (&json!("json_schema"), &json!("W"))
    );
    let text = format["structure"]["jsonSchema"]["schema"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), schema);
    assert!(changes.is_empty(), "{changes:?}");
    let (wire, _) = try_send(asked(), NOVA).unwrap();
    assert_eq!(wire.memo.json_tool, Some("json_tool_call"));
    let body: Value = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
    assert_eq!(body["toolConfig"]["toolChoice"], json!({"tool": {"name": "json_tool_call"}}));
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"], schema);
}

#[test]
fn thinking_in_the_words_of_each_family() {
    let check = |model: &str, members: Value, expect: Value| {
        let (body, changes) = send(asking(members), model);
        assert_eq!(body["additionalModelRequestFields"], expect, "{model}: {changes:?}");
    };
    let high = json!({"reasoning_effort": "high"});
    check(CLAUDE, high.clone(), json!({"thinking": {"type": "enabled", "budget_tokens": 4096}}));
    check(
        "anthropic.claude-opus-4-6-v1",
        high.clone(),
        json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
    );
    let nova = json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}});
    check("us.amazon.nova-2-lite-v1:0", high.clone(), nova);
    check("openai.gpt-oss-120b-1:0", high.clone(), json!({"reasoning_effort": "high"}));
    check("qwen.qwen3-32b-v1:0", high.clone(), json!({"reasoning_config": "high"}));
    check(NOVA, high, Value::Null);
    let (body, _) = send(asking(json!({"reasoning_effort": "low"})), CLAUDE);
    assert_eq!(body["inferenceConfig"]["maxTokens"], 5120);
}

#[test]
fn terms_of_the_service_pass_and_others_go_into_the_model_s_body() {
    let guard = json!({"guardrailIdentifier": "g", "guardrailVersion": "1"});
    let request = || {
        asking(json!({"guardrailConfig": guard, "performanceConfig": {"latency": "optimized"},
        "service_tier": "flex", "metadata": {"a": "b"},
        "additionalModelRequestFields": {"top_k": 3, "own": 1}, "odd": 2}))
    };
    let (body, changes) = send(request(), CLAUDE);
    assert_eq!(body["guardrailConfig"], guard);
    assert_eq!(body["performanceConfig"]["latency"], "optimized");
    assert_eq!(body["serviceTier"], json!({"type": "flex"}));
    assert_eq!(body["requestMetadata"], json!({"a": "b"}));
    assert_eq!(body["additionalModelRequestFields"], json!({"top_k": 3, "own": 1}));
    assert_eq!(changes, ["dropped odd"]);
    let mut own = request();
    own.origin = None;
    let (body, changes) = send(own, CLAUDE);
    assert_eq!(body["additionalModelRequestFields"], json!({"top_k": 3, "own": 1, "odd": 2}));
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn cache_points_are_four_and_only_where_they_are_known() {
    let cached = |text: &str| json!([{"type": "text", "text": text, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]);
    let messages: Vec<Value> =
        (0..6).map(|n| json!({"role": "user", "content": cached(&n.to_string())})).collect();
    let request = || asking(json!({"messages": messages}));
    let (body, changes) = send(request(), CLAUDE);
    let blocks = body["messages"][0]["content"].as_array().unwrap().clone();
    let points: Vec<_> = blocks.iter().filter(|block| block.get("cachePoint").is_some()).collect();
    assert_eq!((points.len(), points[0]), (4, &json!({"cachePoint": {"type": "default", "ttl": "1h"}})));
    assert_eq!(blocks.len(), 10);
    assert_eq!(changes[0], "dropped messages[0].content[0].cache_control");
    let (body, _) = send(request(), NOVA);
    let text = body.to_string();
    assert!(text.contains("cachePoint") && !text.contains("ttl"), "{text}");
    let (body, changes) = send(request(), "us.meta.llama3-3-70b-instruct-v1:0");
    assert!(!body.to_string().contains("cachePoint"));
    assert_eq!(changes.len(), 6);
}

#[test]
fn documents_have_names_of_their_own_and_a_text_beside_them() {
    let pdf = |name: &str| json!({"type": "file", "file": {"filename": name, "file_data": "data:application/pdf;base64,JVBERi0="}});
    let request =
        asking(json!({"messages": [{"role": "user", "content": [pdf("a b.pdf"), pdf("a b.pdf")]}]}));
    let (body, _) = send(request, CLAUDE);
    let document =
        |name: &str| json!({"document": {"format": "pdf", "name": name, "source": {"bytes": "JVBERi0="}}});
    assert_eq!(body["messages"][0]["content"], json!([document("a b"), document("a b-2"), {"text": "."}]));
    let picture = |url: &str| {
        let mut request = asking(json!({}));
        request.messages[0].parts.push(Part::Image(llm_types::chat::Image::new(Media::Url(url.to_owned()))));
        request
    };
    let error = try_send(picture("https://example.com/a.png"), CLAUDE).unwrap_err();
    assert!(error.message.contains("send the content as base64"), "{error}");
    let (body, _) = send(picture("s3://bucket/a.png"), NOVA);
    let source = json!({"format": "png", "source": {"s3Location": {"uri": "s3://bucket/a.png"}}});
    assert_eq!(body["messages"][0]["content"][1]["image"], source);
    try_send(picture("s3://bucket/a.png"), CLAUDE).unwrap_err();
}

#[test]
fn thoughts_go_back_to_those_who_take_them() {
    let request = |reasoning: Reasoning| {
        ChatRequest::new([
            Message::user("q"),
            Message::new(Role::Assistant, [Part::Reasoning(reasoning), Part::Text(Text::new("a"))]),
            Message::user("q"),
        ])
    };
    let signed =
        |origin| Reasoning { text: "T".into(), signature: Some("S".into()), origin, ..Reasoning::default() };
    let thoughts = json!({"reasoningContent": {"reasoningText": {"text": "T", "signature": "S"}}});
    let (body, _) = send(request(signed(Some(Dialect::Bedrock))), CLAUDE);
    assert_eq!(body["messages"][1]["content"][0], thoughts);
    let redacted = Reasoning { redacted: Some("UkVE".into()), ..Reasoning::default() };
    let (body, _) = send(request(redacted), CLAUDE);
    assert_eq!(body["messages"][1]["content"][0], json!({"reasoningContent": {"redactedContent": "UkVE"}}));
    for (reasoning, model) in [
        (signed(Some(Dialect::Anthropic)), CLAUDE),
        (signed(None), NOVA),
        (Reasoning { text: "T".into(), ..Reasoning::default() }, CLAUDE),
    ] {
        let (body, changes) = send(request(reasoning), model);
        assert_eq!(body["messages"][1]["content"], json!([{"text": "a"}]));
        assert_eq!(changes, ["dropped messages[1].content[0]"]);
    }
}

#[test]
fn what_cannot_be_expressed_is_an_error() {
    let check = |request: ChatRequest, model: &str, kind: ErrorKind, expect: &str| {
        let error = try_send(request, model).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(expect), "{error}");
    };
    check(asking(json!({"n": 2})), CLAUDE, ErrorKind::UnsupportedParam, "one answer per request");
    check(ChatRequest::new([Message::system("s")]), CLAUDE, ErrorKind::BadRequest, "nothing to answer");
    let begun = ChatRequest::new([Message::user("q"), Message::assistant("{")]);
    check(begun, "anthropic.claude-opus-4-6-v1", ErrorKind::BadRequest, "end with a user message");
}

#[test]
fn ids_that_are_too_long_are_cut_alike() {
    let long = "x".repeat(90);
    let call = json!({"id": long, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let request = asking(json!({"messages": [{"role": "user", "content": "q"},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": long, "content": ""}]}));
    let (body, changes) = send(request, CLAUDE);
    let id = body["messages"][1]["content"][0]["toolUse"]["toolUseId"].as_str().unwrap();
    assert_eq!(id.len(), 64);
    let result = &body["messages"][2]["content"][0]["toolResult"];
    assert_eq!((&result["toolUseId"], &result["content"]), (&json!(id), &json!([{"text": "(no output)"}])));
    assert!(changes.contains(&"altered tools".to_owned()), "{changes:?}");
}

#[test]
fn counting_asks_for_the_prompt_alone() {
    let mut changes = Changes::default();
    let spec = spec();
    let mut cx = EncodeCx { spec: &spec, model: CLAUDE, asked: &Asked::default(), changes: &mut changes };
    let call = Call::CountTokens(Box::new(asked(&canonical())));
    let wire = Client.encode(&call, &mut cx).unwrap();
    assert!(wire.path.ends_with("/count-tokens"), "{}", wire.path);
    let body: Value = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
    let expect = expected();
    assert_eq!(body["input"]["converse"]["messages"], expect["messages"]);
    assert_eq!(body["input"]["converse"].get("inferenceConfig"), None);
}

#[test]
fn results_of_tools_are_json_where_the_model_wants_that() {
    let result = |text: &str| {
        let call = json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "q"},
            {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c1", "content": text}],
            "tools": [{"type": "function", "function": {"name": "f"}}]});
        let of = |model: &str| {
            let (body, _) = send(asked(&body), model);
            body["messages"][2]["content"][0]["toolResult"]["content"].clone()
        };
        assert_eq!(of(CLAUDE), json!([{"text": text}]));
        of("mistral.mistral-large-2407-v1:0")
    };
    assert_eq!(result(r#"{"a":1}"#), json!([{"json": {"a": 1}}]));
    assert_eq!(result("17 C"), json!([{"json": {"return_value": "17 C"}}]));
    assert_eq!(result("[1]"), json!([{"json": {"return_value": "[1]"}}]));
}
