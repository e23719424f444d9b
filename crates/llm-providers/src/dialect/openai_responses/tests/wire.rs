//! The structs lose nothing of what they read.

use llm_testkit::is_complete;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::wire::{Item, Request, Response, StreamEvent};
use super::recordings;

/// Without `null`, which means the same as nothing.
fn normal(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, normal(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(normal).collect(),
        value => value,
    }
}

fn round_trip<'a, T: Deserialize<'a> + Serialize>(what: &str, text: &'a str) {
    let read: T = serde_json::from_str(text).unwrap_or_else(|error| panic!("{what}: {error}\n{text}"));
    let written = serde_json::to_value(&read).unwrap();
    let before: Value = serde_json::from_str(text).unwrap();
    assert_eq!(normal(written), normal(before), "{what}");
}

#[test]
fn every_recording_is_read_and_written_without_loss() {
    let mut events = 0;
    for recording in recordings() {
        round_trip::<Request<'_>>(&recording.name, &recording.request.to_string());
        let response = &recording.response;
        if let Some(sse) = response["sse"].as_str() {
            for line in sse.lines().filter_map(|line| line.strip_prefix("data: ")) {
                if line != "[DONE]" {
                    round_trip::<StreamEvent<'_>>(&recording.name, line);
                    events += 1;
                }
            }
        } else if response["status"] == 200 {
            round_trip::<Response<'_>>(&recording.name, &response["body"].to_string());
        }
    }
    assert!(!is_complete() || events > 200, "{events}");
}

#[test]
fn items_and_parts_of_every_kind_survive() {
    let input = json!([
        {"role": "user", "content": "a"},
        {"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "é", "prompt_cache_breakpoint": {"mode": "explicit"}},
            {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "high"},
            {"type": "input_image", "file_id": "file_1"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            {"type": "input_hologram", "x": [1]},
        ]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "s"}],
         "content": [{"type": "reasoning_text", "text": "c"}], "encrypted_content": "e"},
        {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "phase": "commentary",
         "content": [{"type": "output_text", "text": "t", "annotations": [], "logprobs": []},
                     {"type": "refusal", "refusal": "no"}]},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}", "status": "completed"},
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "r"}]},
        {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "free"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "done"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}},
        {"type": "item_reference", "id": "msg_9"},
        {"id": "rs_9"},
    ]);
    let body = json!({
        "model": "gpt-5", "instructions": "i", "input": input, "conversation": {"id": "conv_1"},
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": true},
                  {"type": "custom", "name": "g", "format": {"type": "text"}}, {"type": "web_search"}],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low"},
        "reasoning": {"effort": "high", "summary": "auto", "context": "all_turns"},
        "include": ["reasoning.encrypted_content"], "store": false, "background": false, "new_member": {"a": 1},
    });
    round_trip::<Request<'_>>("request", &body.to_string());

    let text = input.to_string();
    let items: Vec<Item<'_>> = serde_json::from_str(&text).unwrap();
    let kinds: Vec<&str> = items.iter().map(kind).collect();
    let expect =
        "message message reasoning message call output custom custom_output other reference reference";
    assert_eq!(kinds.join(" "), expect);
}

fn kind(item: &Item<'_>) -> &'static str {
    match item {
        Item::Message(_) => "message",
        Item::FunctionCall(_) => "call",
        Item::FunctionOutput(_) => "output",
        Item::CustomCall(_) => "custom",
        Item::CustomOutput(_) => "custom_output",
        Item::Reasoning(_) => "reasoning",
        Item::Reference(_) => "reference",
        Item::Other(..) => "other",
    }
}
