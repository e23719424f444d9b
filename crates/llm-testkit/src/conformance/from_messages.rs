//! An Anthropic request in OpenAI's words.

use serde_json::{Value, json};

use super::{Draft, content, data_url};

pub(super) fn convert(body: &Value) -> Draft {
    let mut out = Draft::default();
    let get = |name: &str| body.get(name).cloned();
    for (from, to) in [
        ("max_tokens", "max_tokens"),
        ("temperature", "temperature"),
        ("top_p", "top_p"),
        ("stop_sequences", "stop"),
        ("thinking", "thinking"),
    ] {
        out.set(to, get(from));
    }
    out.set("user", body.pointer("/metadata/user_id").cloned());
    for (name, what) in [("top_k", "top_k"), ("container", "container"), ("mcp_servers", "mcp_servers")] {
        out.lost_if_set(body.get(name), what);
    }
    if let Some(schema) = body.pointer("/output_config/format/schema") {
        let schema = json!({"name": "response", "schema": schema, "strict": true});
        out.set("response_format", Some(json!({"type": "json_schema", "json_schema": schema})));
    }
    out.lost_if_set(body.pointer("/output_config/effort"), "effort");
    tools(body, &mut out);
    let mut messages = Vec::new();
    if let Some(system) = body.get("system") {
        let parts = blocks(system).iter().map(text_part).collect();
        messages.push(json!({"role": "system", "content": content(parts)}));
    }
    for message in body.get("messages").and_then(Value::as_array).into_iter().flatten() {
        let blocks = blocks(message.get("content").unwrap_or(&Value::Null));
        match message.get("role").and_then(Value::as_str) {
            Some("assistant") => messages.push(assistant(&blocks, &mut out)),
            _ => user(&blocks, &mut messages, &mut out),
        }
    }
    out.set("messages", Some(Value::Array(messages)));
    out
}

/// A string is a list of one text.
fn blocks(content: &Value) -> Vec<Value> {
    match content {
        Value::String(text) => vec![json!({"type": "text", "text": text})],
        Value::Array(blocks) => blocks.clone(),
        _ => Vec::new(),
    }
}

fn kind(block: &Value) -> &str {
    block.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// A cache mark is kept: gateways take it on a part.
fn text_part(block: &Value) -> Value {
    let mut part = json!({"type": "text", "text": block.get("text").cloned().unwrap_or_default()});
    if let (Some(mark), Some(members)) = (block.get("cache_control"), part.as_object_mut()) {
        members.insert("cache_control".into(), mark.clone());
    }
    part
}

fn user(blocks: &[Value], messages: &mut Vec<Value>, out: &mut Draft) {
    let mut parts = Vec::new();
    for block in blocks {
        match kind(block) {
            "text" => parts.push(text_part(block)),
            "image" => parts.push(image(block, out)),
            "document" => parts.push(document(block, out)),
            "tool_result" => {
                let inner = block.get("content").map(self::blocks).unwrap_or_default();
                if inner.iter().any(|block| kind(block) != "text") {
                    out.lost("media in a tool result");
                }
                out.lost_if_set(block.get("is_error"), "is_error of a tool result");
                let texts = inner.iter().filter(|block| kind(block) == "text").map(text_part).collect();
                let content = match content(texts) {
                    Value::Null => json!(""),
                    content => content,
                };
                let id = block.get("tool_use_id").cloned().unwrap_or_default();
                messages.push(json!({"role": "tool", "tool_call_id": id, "content": content}));
            }
            _ => out.lost("a block that OpenAI has not"),
        }
    }
    if !parts.is_empty() {
        messages.push(json!({"role": "user", "content": content(parts)}));
    }
}

fn assistant(blocks: &[Value], out: &mut Draft) -> Value {
    let (mut parts, mut calls) = (Vec::new(), Vec::new());
    for block in blocks {
        match kind(block) {
            "text" => parts.push(text_part(block)),
            "tool_use" => {
                let arguments = block.get("input").map(Value::to_string).unwrap_or_default();
                let name = block.get("name").cloned().unwrap_or_default();
                let function = json!({"name": name, "arguments": arguments});
                let id = block.get("id").cloned().unwrap_or_default();
                calls.push(json!({"id": id, "type": "function", "function": function}));
            }
            "thinking" | "redacted_thinking" => out.lost("thinking in the history"),
            _ => out.lost("a block that OpenAI has not"),
        }
    }
    let mut message = json!({"role": "assistant", "content": content(parts)});
    if let (false, Some(members)) = (calls.is_empty(), message.as_object_mut()) {
        members.insert("tool_calls".into(), Value::Array(calls));
    }
    message
}

fn source<'a>(block: &'a Value, name: &str) -> &'a str {
    block.get("source").and_then(|source| source.get(name)).and_then(Value::as_str).unwrap_or_default()
}

fn image(block: &Value, out: &mut Draft) -> Value {
    let url = match source(block, "type") {
        "base64" => data_url(source(block, "media_type"), source(block, "data")),
        "url" => source(block, "url").to_owned(),
        _ => {
            out.lost("an image by file id");
            String::new()
        }
    };
    json!({"type": "image_url", "image_url": {"url": url}})
}

fn document(block: &Value, out: &mut Draft) -> Value {
    out.lost_if_set(block.get("citations"), "citations");
    let file = match source(block, "type") {
        "file" => json!({"file_id": source(block, "file_id")}),
        "base64" => {
            let data = data_url(source(block, "media_type"), source(block, "data"));
            json!({"filename": block.get("title").cloned().unwrap_or_else(|| "document.pdf".into()), "file_data": data})
        }
        _ => {
            out.lost("a document by URL or as text");
            json!({"filename": "document", "file_data": source(block, "url")})
        }
    };
    json!({"type": "file", "file": file})
}

fn tools(body: &Value, out: &mut Draft) {
    let mut tools = Vec::new();
    for tool in body.get("tools").and_then(Value::as_array).into_iter().flatten() {
        if !matches!(kind(tool), "" | "custom") {
            out.lost("a tool that runs at the provider");
            continue;
        }
        let mut function = json!({"name": tool.get("name"), "parameters": tool.get("input_schema")});
        for name in ["description", "strict"] {
            if let (Some(value), Some(members)) = (tool.get(name), function.as_object_mut()) {
                members.insert(name.to_owned(), value.clone());
            }
        }
        tools.push(json!({"type": "function", "function": function}));
    }
    if !tools.is_empty() {
        out.set("tools", Some(Value::Array(tools)));
    }
    let Some(choice) = body.get("tool_choice") else { return };
    let name = choice.get("name").cloned().unwrap_or_default();
    out.set(
        "tool_choice",
        match kind(choice) {
            "any" => Some("required".into()),
            "tool" => Some(json!({"type": "function", "function": {"name": name}})),
            other => Some(other.into()),
        },
    );
    if let Some(Value::Bool(disabled)) = choice.get("disable_parallel_tool_use") {
        out.set("parallel_tool_calls", Some((!disabled).into()));
    }
}
