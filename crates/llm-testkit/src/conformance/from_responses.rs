//! A Responses request in the words of chat completions.

use serde_json::{Value, json};

use super::{Draft, content};

/// Members that chat completions have under the same name.
const SAME: [&str; 11] = [
    "temperature",
    "top_p",
    "parallel_tool_calls",
    "store",
    "metadata",
    "user",
    "safety_identifier",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_options",
    "top_logprobs",
];

/// Members that they do not have.
const LOST: [&str; 7] = [
    "previous_response_id",
    "conversation",
    "background",
    "truncation",
    "max_tool_calls",
    "prompt",
    "provider",
];

pub(super) fn convert(body: &Value) -> Draft {
    let mut out = Draft::default();
    for name in SAME {
        out.set(name, body.get(name).cloned());
    }
    for name in LOST {
        out.lost_if_set(body.get(name), name);
    }
    out.set("max_completion_tokens", body.get("max_output_tokens").cloned());
    out.set("reasoning_effort", body.pointer("/reasoning/effort").cloned());
    out.lost_if_set(body.pointer("/reasoning/summary"), "reasoning.summary");
    out.lost_if_set(body.pointer("/reasoning/mode"), "reasoning.mode");
    out.set("response_format", body.pointer("/text/format").map(format));
    tools(body, &mut out);
    let mut messages = Vec::new();
    match body.get("instructions").and_then(Value::as_str) {
        None | Some("") => {}
        Some(text) => messages.push(json!({"role": "system", "content": text})),
    }
    match body.get("input") {
        Some(Value::String(text)) => messages.push(json!({"role": "user", "content": text})),
        Some(Value::Array(items)) => items.iter().for_each(|item| self::item(item, &mut messages, &mut out)),
        _ => {}
    }
    out.set("messages", Some(Value::Array(messages)));
    out
}

fn kind(value: &Value) -> &str {
    value.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn get(value: &Value, name: &str) -> Value {
    value.get(name).cloned().unwrap_or_default()
}

/// The same without members that are not there.
fn without_nulls(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    value
}

fn item(item: &Value, messages: &mut Vec<Value>, out: &mut Draft) {
    match kind(item) {
        "" | "message" => {
            let said = content(parts(item.get("content").unwrap_or(&Value::Null), out));
            let phase = item.get("phase");
            out.lost_if_set(phase, "phase");
            messages.push(json!({"role": get(item, "role"), "content": said}));
        }
        "function_call" => {
            let function = json!({"name": get(item, "name"), "arguments": get(item, "arguments")});
            add_call(messages, json!({"id": get(item, "call_id"), "type": "function", "function": function}));
        }
        "function_call_output" => {
            let said = content(parts(item.get("output").unwrap_or(&Value::Null), out));
            messages.push(json!({"role": "tool", "tool_call_id": get(item, "call_id"), "content": said}));
        }
        "reasoning" => {
            out.lost_if_set(item.get("encrypted_content"), "encrypted thoughts");
            let texts = |name: &str| {
                let list = item.get(name).and_then(Value::as_array).into_iter().flatten();
                list.filter_map(|part| part.get("text").and_then(Value::as_str))
                    .collect::<Vec<_>>()
                    .join("\n\n")
            };
            if texts("content").is_empty() {
                out.lost("summaries of thoughts");
            }
            let said = if texts("summary").is_empty() { texts("content") } else { texts("summary") };
            messages.push(json!({"role": "assistant", "content": null, "reasoning_content": said}));
        }
        _ => out.lost("an item that chat completions have not"),
    }
}

/// Adds a call to the turn of the assistant that goes on, or to a new one.
fn add_call(messages: &mut Vec<Value>, call: Value) {
    let goes_on = messages.last().is_some_and(|message| message["role"] == "assistant");
    if !goes_on {
        messages.push(json!({"role": "assistant", "content": null}));
    }
    let Some(message) = messages.last_mut() else { return };
    match message["tool_calls"].as_array_mut() {
        Some(calls) => calls.push(call),
        None => message["tool_calls"] = json!([call]),
    }
}

/// A string is a list of one text.
fn parts(content: &Value, out: &mut Draft) -> Vec<Value> {
    match content {
        Value::String(text) => vec![json!({"type": "text", "text": text})],
        Value::Array(parts) => parts.iter().filter_map(|part| self::part(part, out)).collect(),
        _ => Vec::new(),
    }
}

fn part(part: &Value, out: &mut Draft) -> Option<Value> {
    out.lost_if_set(part.get("prompt_cache_breakpoint"), "cache breakpoints");
    Some(match kind(part) {
        "input_text" | "output_text" => json!({"type": "text", "text": get(part, "text")}),
        "input_image" => {
            let image = json!({"url": get(part, "image_url"), "detail": get(part, "detail")});
            json!({"type": "image_url", "image_url": without_nulls(image)})
        }
        "input_file" => {
            let data = part.get("file_data").or_else(|| part.get("file_url")).cloned().unwrap_or_default();
            let file = json!({"filename": get(part, "filename"), "file_id": get(part, "file_id"), "file_data": data});
            json!({"type": "file", "file": without_nulls(file)})
        }
        _ => {
            out.lost("a part that chat completions have not");
            return None;
        }
    })
}

fn format(format: &Value) -> Value {
    if kind(format) != "json_schema" {
        return format.clone();
    }
    let mut schema = format.clone();
    if let Some(members) = schema.as_object_mut() {
        members.remove("type");
    }
    json!({"type": "json_schema", "json_schema": schema})
}

fn tools(body: &Value, out: &mut Draft) {
    let list = body.get("tools").and_then(Value::as_array).into_iter().flatten();
    let tools: Vec<Value> = list.map(tool).collect();
    if !tools.is_empty() {
        out.set("tools", Some(Value::Array(tools)));
    }
    let choice = body.get("tool_choice").map(|choice| match kind(choice) {
        "function" => json!({"type": "function", "function": {"name": get(choice, "name")}}),
        _ => choice.clone(),
    });
    out.set("tool_choice", choice);
}

/// Tools that the provider runs are said in its own words.
fn tool(tool: &Value) -> Value {
    if kind(tool) != "function" {
        return tool.clone();
    }
    let mut function = tool.clone();
    if let Some(members) = function.as_object_mut() {
        members.remove("type");
    }
    json!({"type": "function", "function": function})
}
