//! What each dialect makes of the same requests and answers, as it stands on the wire.
//!
//! The snapshots are there to be read: a change of a codec shows what it changes for every provider.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value, json};

use crate::front::CHAT;
use crate::lab::deployment;
use crate::pipe::{Pipe, encode};

/// Whom the requests are written for: a provider of each kind, and the models that differ.
pub(crate) const TARGETS: &[&str] = &[
    "openai/gpt-4o",
    "openai/gpt-5.2",
    "openai/gpt-5.3-codex",
    "azure/gpt-4o",
    "mistral/mistral-medium-latest",
    "groq/llama-3.3-70b-versatile",
    "deepseek/deepseek-chat",
    "perplexity/sonar",
    "xai/grok-4.5",
    "anthropic/claude-sonnet-4-5",
    "anthropic/claude-opus-4-6",
    "anthropic/claude-3-haiku-20240307",
    "gemini/gemini-2.5-flash",
    "gemini/gemini-3-flash-preview",
    "vertex_ai/gemini-3-flash-preview",
    "vertex_ai/claude-sonnet-4-5",
    "vertex_ai/mistral-medium-3",
    "vertex_ai/meta/llama-4-maverick",
    "bedrock/us.anthropic.claude-sonnet-4-5",
    "bedrock/amazon.nova-lite-v1",
    "cohere/command-a-03-2025",
    "cohere/command-a-reasoning-08-2025",
    "ollama/qwen3",
];

/// The canonical request: text, a picture, calls and their results, tools and options.
fn canonical() -> Value {
    let weather = json!({"type": "object", "required": ["city"], "additionalProperties": false, "properties": {
        "city": {"type": "string"}, "unit": {"type": ["string", "null"], "enum": ["c", "f", null]}}});
    json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "Picture and weather?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]},
            {"role": "assistant", "content": "Checking.", "tool_calls": [
                call("call_1", "get_weather", "{\"city\":\"Oslo\"}"), call("call_2", "now", "")]},
            {"role": "tool", "tool_call_id": "call_1", "content": "{\"temp\":4}"},
            {"role": "tool", "tool_call_id": "call_2", "content": "noon"},
            {"role": "user", "content": "And tomorrow?"}],
        "tools": [
            {"type": "function", "function": {"name": "get_weather", "description": "Weather by city",
                "parameters": weather, "strict": true}},
            {"type": "function", "function": {"name": "now", "description": "Time"}}],
        "tool_choice": "required",
        "parallel_tool_calls": false,
        "max_completion_tokens": 300,
        "temperature": 0.2,
        "stop": ["END"],
        "user": "u-1",
        "seed": 7
    })
}

fn call(id: &str, name: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}

/// A request with one message and these members.
fn asking(members: Value) -> Value {
    let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    if let (Some(request), Value::Object(members)) = (request.as_object_mut(), members) {
        request.extend(members);
    }
    request
}

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}})
}

/// The requests, by the name of their snapshots.
fn requests() -> Vec<(&'static str, Value)> {
    let limits = json!({"type": "object", "required": ["t"], "additionalProperties": false,
        "properties": {"t": {"type": "integer", "minimum": 0, "maximum": 50}}});
    let schema =
        json!({"type": "json_schema", "json_schema": {"name": "W", "strict": true, "schema": limits}});
    let picture =
        json!({"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/", "detail": "low"}});
    let address = json!([{"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}]);
    let pdf = json!({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}});
    let shown = json!([{"type": "text", "text": "here"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]);
    let cached = |text: &str| json!([{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]);
    let mut cached_tool = tool("now");
    cached_tool["cache_control"] = json!({"type": "ephemeral", "ttl": "1h"});
    vec![
        ("canonical", canonical()),
        ("json_schema", asking(json!({"response_format": schema}))),
        ("reasoning_effort", asking(json!({"reasoning_effort": "high", "max_tokens": 4000, "stream": true}))),
        (
            "parallel_tools",
            asking(json!({"tools": [tool("a"), tool("b")], "parallel_tool_calls": true,
                "tool_choice": {"type": "function", "function": {"name": "b"}}})),
        ),
        (
            "image_and_pdf",
            asking(
                json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "Compare."}, picture, pdf]}]}),
            ),
        ),
        ("image_by_address", asking(json!({"messages": [{"role": "user", "content": address}]}))),
        (
            "tool_result_with_image",
            asking(json!({"tools": [tool("show")], "messages": [
                {"role": "user", "content": "Show me."},
                {"role": "assistant", "content": null, "tool_calls": [call("call_1", "show", "{}")]},
                {"role": "tool", "tool_call_id": "call_1", "content": shown}]})),
        ),
        (
            "choices_and_logprobs",
            asking(json!({"n": 2, "logprobs": true, "top_logprobs": 3, "logit_bias": {"50256": -100},
                "presence_penalty": 0.5, "frequency_penalty": 0.25, "top_p": 0.9})),
        ),
        (
            "cache_control",
            asking(json!({"tools": [cached_tool], "prompt_cache_key": "k", "messages": [
                {"role": "system", "content": cached("Long rules.")},
                {"role": "user", "content": cached("Hi")}]})),
        ),
        (
            "legacy_functions",
            asking(
                json!({"functions": [{"name": "now", "description": "Time"}], "function_call": {"name": "now"},
                "messages": [
                    {"role": "user", "content": "Time?"},
                    {"role": "assistant", "content": null, "function_call": {"name": "now", "arguments": "{}"}},
                    {"role": "function", "name": "now", "content": "noon"}]}),
            ),
        ),
    ]
}

/// Compares with a snapshot, and notes its name where it is another.
pub(crate) fn golden(failures: &mut String, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let same = catch_unwind(AssertUnwindSafe(|| settings.bind(|| insta::assert_snapshot!(name, text))));
    if same.is_err() {
        _ = writeln!(failures, "{name}");
    }
}

#[test]
fn requests_in_every_dialect() {
    let mut failures = String::new();
    for (name, request) in requests() {
        for target in TARGETS {
            let file = format!("{name}-{}", target.replace('/', "-"));
            golden(&mut failures, &file, &encoded(&request, target));
        }
    }
    assert!(failures.is_empty(), "these snapshots differ:\n{failures}");
}

/// What is sent for a request: path, headers of the dialect, changes and body.
fn encoded(request: &Value, target: &str) -> String {
    let (wire, changes) = match encode(request, target) {
        Ok(sent) => sent,
        Err(error) => return format!("refused: {error}"),
    };
    let mut out = format!("{} {}\n", wire.method, wire.path);
    for (name, value) in wire.headers.iter().filter(|(name, _)| *name != "content-type") {
        _ = writeln!(out, "{name}: {}", value.to_str().unwrap());
    }
    for change in changes.list() {
        _ = writeln!(out, "{:?}: {} ({})", change.action, change.path, change.why);
    }
    let body: Value = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
    out + &serde_json::to_string_pretty(&body).unwrap()
}

#[test]
fn answers_for_an_openai_client() {
    let mut failures = String::new();
    for (target, body) in answers() {
        let answer = Pipe::new(&CHAT, &deployment(target)).whole(body.to_string().as_bytes()).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let text = settled(&serde_json::to_string_pretty(&answer).unwrap());
        golden(&mut failures, &format!("answer-{}", target.replace('/', "-")), &text);
    }
    for (target, stream) in streams() {
        let answer = Pipe::new(&CHAT, &deployment(target)).run([stream.as_bytes()]).unwrap();
        let text = settled(std::str::from_utf8(&answer).unwrap());
        golden(&mut failures, &format!("stream-{}", target.replace('/', "-")), &text);
    }
    assert!(failures.is_empty(), "these snapshots differ:\n{failures}");
}

/// Ids that were made up, made the same.
pub(crate) fn settled(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\"call_") {
        let end = after.find('"').unwrap_or(0);
        let (id, behind) = after.split_at(end);
        // What the provider named is short.
        _ = write!(out, "{before}\"call_{}", if id.len() > 9 { "MADE_UP" } else { id });
        rest = behind;
    }
    out + rest
}

pub(crate) fn answers() -> Vec<(&'static str, Value)> {
    let anthropic = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
        "content": [
            {"type": "thinking", "thinking": "T", "signature": "S"},
            {"type": "text", "text": "A"},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}],
        "stop_reason": "tool_use", "stop_sequence": null,
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 5, "output_tokens": 20}});
    let gemini = json!({"responseId": "r1", "modelVersion": "gemini-2.5-flash", "candidates": [{"index": 0, "finishReason": "STOP",
            "content": {"role": "model", "parts": [
                {"text": "T", "thought": true}, {"text": "A"},
                {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"}]}}],
        "usageMetadata": {"promptTokenCount": 29, "candidatesTokenCount": 15, "thoughtsTokenCount": 804, "totalTokenCount": 848}});
    let thinking = json!([{"type": "thinking", "thinking": [{"type": "text", "text": "T"}]}, {"type": "text", "text": "A"}]);
    let mistral = json!({"id": "m1", "object": "chat.completion", "created": 1_700_000_000, "model": "mistral-medium-latest",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": thinking,
            "tool_calls": [{"id": "abcdefghi", "index": 0, "function": {"name": "f", "arguments": "{\"a\": 1}"}}]}}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}});
    // Thinking stands beside the completion here, and within the total.
    let xai = json!({"id": "x1", "object": "chat.completion", "created": 1_700_000_000, "model": "grok-4.5",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "A", "reasoning_content": "T", "refusal": null}}],
        "usage": {"prompt_tokens": 291, "completion_tokens": 26, "total_tokens": 513,
            "completion_tokens_details": {"reasoning_tokens": 196}}});
    vec![
        ("anthropic/claude-sonnet-4-5", anthropic),
        ("gemini/gemini-2.5-flash", gemini),
        ("mistral/mistral-medium-latest", mistral),
        ("openai/gpt-5.3-codex", response()),
        ("xai/grok-4.5", xai),
    ]
}

/// An answer of the Responses API.
fn response() -> Value {
    json!({"id": "resp_1", "object": "response", "created_at": 1_700_000_000, "status": "completed", "model": "gpt-5.3-codex",
        "output": [
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "T"}], "encrypted_content": "gAAA"},
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [
                {"type": "output_text", "text": "A", "annotations": [
                    {"type": "url_citation", "url": "https://a", "title": "S", "start_index": 0, "end_index": 1}]}]},
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{\"a\":1}"}],
        "usage": {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 60}, "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 15}, "total_tokens": 120}})
}

/// The same as a stream.
fn response_stream() -> Vec<Value> {
    let whole = response();
    let item = |index: usize| whole["output"][index].clone();
    let created = json!({"id": "resp_1", "created_at": 1_700_000_000, "model": "gpt-5.3-codex", "status": "in_progress", "output": []});
    let call =
        json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": ""});
    let arguments = |delta: &str| json!({"type": "response.function_call_arguments.delta", "output_index": 3, "delta": delta});
    vec![
        json!({"type": "response.created", "response": created}),
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "T"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item(0)}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": item(1)}),
        json!({"type": "response.output_text.delta", "output_index": 2, "content_index": 0, "delta": "A"}),
        json!({"type": "response.output_item.done", "output_index": 2, "item": item(2)}),
        json!({"type": "response.output_item.added", "output_index": 3, "item": call}),
        arguments("{\"a\""),
        arguments(":1}"),
        json!({"type": "response.output_item.done", "output_index": 3, "item": item(3)}),
        json!({"type": "response.completed", "response": whole}),
    ]
}

pub(crate) fn streams() -> Vec<(&'static str, String)> {
    let named = |events: &[Value]| -> String {
        events
            .iter()
            .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
            .collect()
    };
    let plain =
        |events: &[Value]| -> String { events.iter().map(|event| format!("data: {event}\n\n")).collect() };
    let text = |text: &str| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}});
    let input = |json: &str| json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": json}});
    let tool = json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}});
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 10, "output_tokens": 1}});
    let anthropic = named(&[
        json!({"type": "message_start", "message": message}),
        json!({"type": "ping"}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        text("He"),
        text("llo"),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": tool}),
        input(""),
        input("{\"a\":"),
        input("1}"),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null}, "usage": {"output_tokens": 20}}),
        json!({"type": "message_stop"}),
    ]);
    let candidate = |part: Value, finish: Value| json!([{"index": 0, "content": {"role": "model", "parts": [part]}, "finishReason": finish}]);
    let weather = json!({"functionCall": {"name": "get_weather", "args": {"location": "San Francisco"}}, "thoughtSignature": "c2ln"});
    let gemini = plain(&[
        json!({"responseId": "r1", "modelVersion": "gemini-3-flash-preview", "candidates": candidate(weather, Value::Null)}),
        json!({"responseId": "r1", "modelVersion": "gemini-3-flash-preview", "candidates": candidate(json!({"text": ""}), json!("STOP")),
            "usageMetadata": {"promptTokenCount": 29, "candidatesTokenCount": 15, "thoughtsTokenCount": 804, "totalTokenCount": 848}}),
    ]);
    let chunk = |delta: Value, finish: Value, usage: Value| {
        let choices = json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
        json!({"id": "m1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "mistral-medium-latest", "choices": choices, "usage": usage})
    };
    let thinking = json!([{"type": "thinking", "thinking": [{"type": "text", "text": "T"}]}]);
    let mistral = plain(&[
        chunk(json!({"role": "assistant", "content": ""}), Value::Null, Value::Null),
        chunk(json!({"content": thinking}), Value::Null, Value::Null),
        chunk(json!({"content": "A"}), Value::Null, Value::Null),
        chunk(
            json!({"tool_calls": [{"id": "abcdefghi", "index": 0, "function": {"name": "f", "arguments": "{\"a\": 1}"}}]}),
            json!("tool_calls"),
            json!({"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}),
        ),
    ]) + "data: [DONE]\n\n";
    vec![
        ("anthropic/claude-sonnet-4-5", anthropic),
        ("gemini/gemini-3-flash-preview", gemini),
        ("mistral/mistral-medium-latest", mistral),
        ("openai/gpt-5.3-codex", named(&response_stream())),
    ]
}
