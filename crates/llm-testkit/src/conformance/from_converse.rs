//! A request to Bedrock's Converse in OpenAI's words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Draft, content, data_url};

pub(super) fn convert(body: &Value) -> Draft {
    let mut out = Draft::default();
    let mut messages: Vec<Value> = list(body, "/system")
        .iter()
        .map(|block| json!({"role": "system", "content": block["text"]}))
        .collect();
    for message in list(body, "/messages") {
        turn(message, &mut messages, &mut out);
    }
    out.set("messages", Some(Value::Array(messages)));
    for (from, to) in [
        ("maxTokens", "max_tokens"),
        ("temperature", "temperature"),
        ("topP", "top_p"),
        ("stopSequences", "stop"),
    ] {
        out.set(to, body.pointer(&format!("/inferenceConfig/{from}")).cloned());
    }
    tools(body, &mut out);
    if let Some(schema) = body.pointer("/outputConfig/textFormat/structure/jsonSchema") {
        let mut schema = schema.clone();
        let text = schema["schema"].as_str().unwrap_or_default();
        schema["schema"] = serde_json::from_str(text).unwrap_or_default();
        out.set("response_format", Some(json!({"type": "json_schema", "json_schema": schema})));
    }
    // The service's own terms, which its clients may send through any gateway.
    for name in ["guardrailConfig", "additionalModelRequestFields", "performanceConfig"] {
        out.set(name, body.get(name).cloned());
    }
    out
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn turn(message: &Value, messages: &mut Vec<Value>, out: &mut Draft) {
    let (mut parts, mut calls) = (Vec::new(), Vec::new());
    for block in list(message, "/content") {
        if let Some(text) = block.get("text") {
            parts.push(json!({"type": "text", "text": text}));
        } else if let Some(call) = block.get("toolUse") {
            let function = json!({"name": call["name"], "arguments": call["input"].to_string()});
            calls.push(json!({"id": call["toolUseId"], "type": "function", "function": function}));
        } else if let Some(result) = block.get("toolResult") {
            let said = result.pointer("/content/0/text");
            messages.push(json!({"role": "tool", "tool_call_id": result["toolUseId"], "content": said}));
        } else if let Some(document) = block.get("document") {
            parts.push(file(document, out));
        } else if let Some(guarded) = block.pointer("/guardContent/text/text") {
            out.lost("guarded content");
            parts.push(json!({"type": "text", "text": guarded}));
        } else {
            out.lost("a block of another kind");
        }
    }
    if parts.is_empty() && calls.is_empty() {
        return;
    }
    let mut said = json!({"role": message["role"], "content": content(parts)});
    if !calls.is_empty() {
        said["tool_calls"] = calls.into();
    }
    messages.push(said);
}

/// A text is the content of a file for OpenAI's clients.
fn file(document: &Value, out: &mut Draft) -> Value {
    out.lost_if_set(document.get("citations"), "citations");
    let text = document.pointer("/source/text").and_then(Value::as_str).unwrap_or_default();
    let name = document["name"].as_str().unwrap_or_default();
    let data = data_url("text/plain", &STANDARD.encode(text));
    json!({"type": "file", "file": {"filename": format!("{name}.txt"), "file_data": data}})
}

fn tools(body: &Value, out: &mut Draft) {
    let mut tools = Vec::new();
    for tool in list(body, "/toolConfig/tools") {
        let Some(spec) = tool.get("toolSpec") else {
            out.lost("a tool that runs at the provider");
            continue;
        };
        let mut function = json!({"name": spec["name"], "parameters": spec.pointer("/inputSchema/json")});
        for member in ["description", "strict"].into_iter().filter(|member| !spec[*member].is_null()) {
            function[member] = spec[member].clone();
        }
        tools.push(json!({"type": "function", "function": function}));
    }
    if !tools.is_empty() {
        out.set("tools", Some(tools.into()));
    }
    for (theirs, ours) in [("any", "required"), ("auto", "auto")] {
        if body.pointer(&format!("/toolConfig/toolChoice/{theirs}")).is_some() {
            out.set("tool_choice", Some(ours.into()));
        }
    }
    if let Some(name) = body.pointer("/toolConfig/toolChoice/tool/name") {
        out.set("tool_choice", Some(json!({"type": "function", "function": {"name": name}})));
    }
}
