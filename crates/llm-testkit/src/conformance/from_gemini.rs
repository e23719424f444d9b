//! A Gemini request in OpenAI's words.

use serde_json::{Value, json};

use super::{Draft, content, data_url};

/// Calls have no id here, so they get one by their position, and answers take theirs in turn.
#[derive(Debug, Default)]
struct Ids {
    next: usize,
    open: Vec<(String, String)>,
}

impl Ids {
    fn call(&mut self, name: &str, given: Option<&str>) -> String {
        let id = given.map_or_else(|| format!("call_{}", self.next), str::to_owned);
        self.next += 1;
        self.open.push((name.to_owned(), id.clone()));
        id
    }

    fn answer(&mut self, name: &str) -> String {
        match self.open.iter().position(|(known, _)| known == name) {
            Some(at) => self.open.remove(at).1,
            None => "call_unknown".to_owned(),
        }
    }
}

pub(super) fn convert(body: &Value) -> Draft {
    let mut out = Draft::default();
    config(either(body, "generationConfig", "generation_config"), &mut out);
    tools(body, &mut out);
    out.lost_if_set(either(body, "safetySettings", "safety_settings"), "safety settings");
    out.lost_if_set(either(body, "cachedContent", "cached_content"), "cached content");
    let mut messages = Vec::new();
    if let Some(system) = either(body, "systemInstruction", "system_instruction") {
        let parts = list(system, "parts").iter().filter_map(|part| media_or_text(part, &mut out)).collect();
        messages.push(json!({"role": "system", "content": content(parts)}));
    }
    let mut ids = Ids::default();
    for turn in list(body, "contents") {
        read_turn(turn, &mut ids, &mut messages, &mut out);
    }
    out.set("messages", Some(Value::Array(messages)));
    out
}

/// A member in either spelling, unless it is null.
fn either<'a>(value: &'a Value, camel: &str, snake: &str) -> Option<&'a Value> {
    value.get(camel).or_else(|| value.get(snake)).filter(|value| !value.is_null())
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn read_turn(turn: &Value, ids: &mut Ids, messages: &mut Vec<Value>, out: &mut Draft) {
    let (mut parts, mut calls) = (Vec::new(), Vec::new());
    for part in list(turn, "parts") {
        out.lost_if_set(either(part, "thoughtSignature", "thought_signature"), "thought signatures");
        if let Some(call) = either(part, "functionCall", "function_call") {
            let id = ids.call(text(call, "name"), call.get("id").and_then(Value::as_str));
            let arguments = call.get("args").cloned().unwrap_or_else(|| json!({})).to_string();
            let function = json!({"name": text(call, "name"), "arguments": arguments});
            calls.push(json!({"id": id, "type": "function", "function": function}));
        } else if let Some(answer) = either(part, "functionResponse", "function_response") {
            out.lost_if_set(answer.get("parts"), "media in a tool result");
            let given = answer.get("id").and_then(Value::as_str).map(str::to_owned);
            let id = given.unwrap_or_else(|| ids.answer(text(answer, "name")));
            let said = answer.get("response").cloned().unwrap_or_default().to_string();
            messages.push(json!({"role": "tool", "tool_call_id": id, "content": said}));
        } else if part.get("thought") == Some(&Value::Bool(true)) {
            out.lost("thinking in the history");
        } else if let Some(part) = media_or_text(part, out) {
            parts.push(part);
        }
    }
    if text(turn, "role") == "model" {
        let mut message = json!({"role": "assistant", "content": content(parts)});
        if let (false, Some(members)) = (calls.is_empty(), message.as_object_mut()) {
            members.insert("tool_calls".into(), Value::Array(calls));
        }
        messages.push(message);
    } else if !parts.is_empty() {
        messages.push(json!({"role": "user", "content": content(parts)}));
    }
}

fn media_or_text(part: &Value, out: &mut Draft) -> Option<Value> {
    if let Some(said) = part.get("text") {
        return Some(json!({"type": "text", "text": said}));
    }
    let (url, kind) = if let Some(inline) = either(part, "inlineData", "inline_data") {
        let kind = either(inline, "mimeType", "mime_type").and_then(Value::as_str).unwrap_or_default();
        (data_url(kind, text(inline, "data")), kind)
    } else if let Some(file) = either(part, "fileData", "file_data") {
        let kind = either(file, "mimeType", "mime_type").and_then(Value::as_str).unwrap_or_default();
        let url = either(file, "fileUri", "file_uri").and_then(Value::as_str).unwrap_or_default();
        out.lost("the media type of a file by URL");
        (url.to_owned(), kind)
    } else {
        out.lost("a part that OpenAI has not");
        return None;
    };
    if kind.starts_with("image/") {
        return Some(json!({"type": "image_url", "image_url": {"url": url}}));
    }
    Some(json!({"type": "file", "file": {"filename": "file", "file_data": url}}))
}

fn config(config: Option<&Value>, out: &mut Draft) {
    let Some(config) = config else { return };
    for (camel, snake, to) in [
        ("temperature", "temperature", "temperature"),
        ("topP", "top_p", "top_p"),
        ("maxOutputTokens", "max_output_tokens", "max_tokens"),
        ("stopSequences", "stop_sequences", "stop"),
        ("candidateCount", "candidate_count", "n"),
        ("seed", "seed", "seed"),
        ("presencePenalty", "presence_penalty", "presence_penalty"),
        ("frequencyPenalty", "frequency_penalty", "frequency_penalty"),
        ("responseLogprobs", "response_logprobs", "logprobs"),
        ("logprobs", "logprobs", "top_logprobs"),
    ] {
        let value = either(config, camel, snake);
        // `logprobs` is a switch in one format and a count in the other.
        if to != "logprobs" || value.is_some_and(Value::is_boolean) {
            out.set(to, value.cloned());
        }
    }
    out.lost_if_set(either(config, "topK", "top_k"), "top_k");
    out.lost_if_set(either(config, "responseModalities", "response_modalities"), "response modalities");
    let schema = either(config, "responseJsonSchema", "response_json_schema");
    if let Some(schema) = schema.or_else(|| either(config, "responseSchema", "response_schema")) {
        let schema = json!({"name": "response", "schema": schema});
        out.set("response_format", Some(json!({"type": "json_schema", "json_schema": schema})));
    } else if either(config, "responseMimeType", "response_mime_type") == Some(&"application/json".into()) {
        out.set("response_format", Some(json!({"type": "json_object"})));
    }
    if let Some(thinking) = either(config, "thinkingConfig", "thinking_config") {
        let budget = either(thinking, "thinkingBudget", "thinking_budget").and_then(Value::as_i64);
        match budget {
            Some(0) => out.set("reasoning_effort", Some("none".into())),
            Some(1..) => out.set("thinking", Some(json!({"type": "enabled", "budget_tokens": budget}))),
            _ => out.lost("how thinking is asked for"),
        }
        if either(thinking, "includeThoughts", "include_thoughts").is_none() {
            out.lost("how thinking is asked for");
        }
    }
}

fn tools(body: &Value, out: &mut Draft) {
    let mut functions = Vec::new();
    for tool in list(body, "tools") {
        for (name, value) in tool.as_object().into_iter().flatten() {
            let declares = matches!(name.as_str(), "functionDeclarations" | "function_declarations");
            if !declares && !value.is_null() {
                out.lost("a tool that runs at the provider");
            }
        }
        let declared = either(tool, "functionDeclarations", "function_declarations");
        for function in declared.and_then(Value::as_array).into_iter().flatten() {
            let schema = either(function, "parametersJsonSchema", "parameters_json_schema");
            let schema = schema.or_else(|| function.get("parameters"));
            let mut made = json!({"name": function.get("name")});
            for (name, value) in [("description", function.get("description")), ("parameters", schema)] {
                if let (Some(value), Some(members)) = (value, made.as_object_mut()) {
                    members.insert(name.to_owned(), value.clone());
                }
            }
            functions.push(json!({"type": "function", "function": made}));
        }
    }
    if !functions.is_empty() {
        out.set("tools", Some(Value::Array(functions)));
    }
    let config = either(body, "toolConfig", "tool_config");
    let calling =
        config.and_then(|config| either(config, "functionCallingConfig", "function_calling_config"));
    let Some(calling) = calling else { return };
    let allowed = either(calling, "allowedFunctionNames", "allowed_function_names");
    let allowed = allowed.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mode = text(calling, "mode").to_ascii_lowercase();
    let choice = match (mode.as_str(), allowed) {
        ("any", [name]) => json!({"type": "function", "function": {"name": name}}),
        ("any", _) => "required".into(),
        (mode, _) => mode.into(),
    };
    if allowed.len() > 1 {
        out.lost("a choice of some tools");
    }
    out.set("tool_choice", Some(choice));
}
