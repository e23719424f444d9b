//! A request of Ollama's own API in OpenAI's words.

use serde_json::{Map, Value, json};

use super::{Draft, content, data_url};

/// Options that have a name of their own there.
const OPTIONS: [(&str, &str); 7] = [
    ("num_predict", "max_tokens"),
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("seed", "seed"),
    ("stop", "stop"),
    ("frequency_penalty", "frequency_penalty"),
    ("presence_penalty", "presence_penalty"),
];

pub(super) fn convert(body: &Value) -> Draft {
    let mut out = Draft::default();
    for name in ["tools", "keep_alive"] {
        out.set(name, body.get(name).cloned());
    }
    for (name, value) in body.get("options").and_then(Value::as_object).into_iter().flatten() {
        let known = OPTIONS.iter().find(|(option, _)| option == name);
        out.set(known.map_or(name.as_str(), |(_, name)| name), Some(value.clone()));
    }
    out.set("response_format", body.get("format").and_then(format));
    let effort = |thinks: bool| if thinks { "medium" } else { "none" };
    out.set("reasoning_effort", body.get("think").and_then(Value::as_bool).map(|on| effort(on).into()));
    let mut calls = Vec::new();
    let messages = body.get("messages").and_then(Value::as_array).into_iter().flatten();
    out.set("messages", Some(messages.map(|message| turn(message, &mut calls)).collect()));
    out
}

fn format(format: &Value) -> Option<Value> {
    match format {
        Value::String(word) if word == "json" => Some(json!({"type": "json_object"})),
        Value::Object(_) => {
            Some(json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": format}}))
        }
        _ => None,
    }
}

/// A message. Calls get ids, in order; a result is that of the first call of its tool that has none.
fn turn(message: &Value, open: &mut Vec<(String, String)>) -> Value {
    let mut out = Map::new();
    let text = message.get("content").cloned().unwrap_or_default();
    out.insert("role".into(), message.get("role").cloned().unwrap_or_default());
    let images = message.get("images").and_then(Value::as_array).into_iter().flatten();
    let mut parts = vec![json!({"type": "text", "text": text})];
    parts.extend(
        images
            .filter_map(Value::as_str)
            .map(|data| json!({"type": "image_url", "image_url": {"url": data_url("image/png", data)}})),
    );
    out.insert("content".into(), content(parts));
    if let Some(thoughts) = message.get("thinking") {
        out.insert("reasoning_content".into(), thoughts.clone());
    }
    if let Some(name) = message.get("tool_name").and_then(Value::as_str) {
        let at = open.iter().position(|(_, tool)| tool == name);
        let id = at.map_or_else(|| "call_unknown".to_owned(), |at| open.remove(at).0);
        out.insert("tool_call_id".into(), id.into());
    }
    let calls: Vec<Value> = message
        .get("tool_calls")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|call| {
            let name = call.pointer("/function/name").and_then(Value::as_str).unwrap_or_default();
            let arguments = call.pointer("/function/arguments").unwrap_or(&Value::Null).to_string();
            let given = call.get("id").and_then(Value::as_str).map(str::to_owned);
            let id = given.unwrap_or_else(|| format!("call_{name}"));
            open.push((id.clone(), name.to_owned()));
            json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
        })
        .collect();
    if !calls.is_empty() {
        out.insert("tool_calls".into(), calls.into());
    }
    Value::Object(out)
}
