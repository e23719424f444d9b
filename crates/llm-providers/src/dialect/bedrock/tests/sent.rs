//! Recorded requests: what an OpenAI client says for the same is sent as the recorded client sent it.

use llm_testkit::Recordings;
use serde_json::json;

use super::*;

/// The recorded request in OpenAI's words; `None`: it says what those cannot.
fn in_openai_s_words(body: &Value) -> Option<Value> {
    let mut messages = Vec::new();
    for block in body["system"].as_array().into_iter().flatten() {
        messages.push(json!({"role": "system", "content": block["text"]}));
    }
    for message in body["messages"].as_array()? {
        let (mut content, mut calls) = (Vec::new(), Vec::new());
        for block in message["content"].as_array()? {
            if let Some(text) = block.get("text") {
                content.push(json!({"type": "text", "text": text}));
            } else if let Some(call) = block.get("toolUse") {
                let function = json!({"name": call["name"], "arguments": call["input"].to_string()});
                calls.push(json!({"id": call["toolUseId"], "type": "function", "function": function}));
            } else if let Some(result) = block.get("toolResult") {
                messages.push(json!({"role": "tool", "tool_call_id": result["toolUseId"],
                    "content": result["content"][0]["text"]}));
            } else {
                return None;
            }
        }
        let mut out = json!({"role": message["role"], "content": content});
        if !calls.is_empty() {
            out["tool_calls"] = calls.into();
        }
        if !content_is_empty(&out) {
            messages.push(out);
        }
    }
    let mut out = json!({"model": "m", "messages": messages});
    let config = &body["inferenceConfig"];
    let members = [
        ("max_tokens", "maxTokens"),
        ("temperature", "temperature"),
        ("top_p", "topP"),
        ("stop", "stopSequences"),
    ];
    for (ours, theirs) in members.iter().filter(|(_, theirs)| !config[*theirs].is_null()) {
        out[*ours] = config[*theirs].clone();
    }
    for tool in body["toolConfig"]["tools"].as_array().into_iter().flatten() {
        let spec = tool.get("toolSpec")?;
        let mut function = json!({"name": spec["name"], "parameters": spec["inputSchema"]["json"]});
        for member in ["description", "strict"].into_iter().filter(|member| !spec[*member].is_null()) {
            function[member] = spec[member].clone();
        }
        let tool = json!({"type": "function", "function": function});
        match out.get_mut("tools").and_then(Value::as_array_mut) {
            Some(tools) => tools.push(tool),
            None => out["tools"] = json!([tool]),
        }
    }
    if body["toolConfig"]["toolChoice"].get("any").is_some() {
        out["tool_choice"] = json!("required");
    }
    if body["toolConfig"]["toolChoice"].get("auto").is_some() {
        out["tool_choice"] = json!("auto");
    }
    if let Some(guard) = body.get("guardrailConfig") {
        out["guardrailConfig"] = guard.clone();
    }
    if let Some(schema) = body.pointer("/outputConfig/textFormat/structure/jsonSchema") {
        let mut schema = schema.clone();
        schema["schema"] = serde_json::from_str(schema["schema"].as_str()?).ok()?;
        out["response_format"] = json!({"type": "json_schema", "json_schema": schema});
    }
    Some(out)
}

fn content_is_empty(message: &Value) -> bool {
    message["content"].as_array().is_none_or(Vec::is_empty) && message.get("tool_calls").is_none()
}

/// What says the same: nothing in place of what is empty, schemas as JSON, no status where it is the usual one.
fn plain(body: &Value) -> Value {
    match body {
        Value::Object(members) => {
            let kept = members.iter().filter_map(|(name, value)| {
                let text = value.as_str().filter(|text| name == "schema" && text.starts_with('{'));
                let value = match text {
                    Some(text) => serde_json::from_str(text).unwrap(),
                    None => plain(value),
                };
                let is_usual = (name == "status" && value == "success")
                    || ((name == "system" || name == "inferenceConfig")
                        && (value == json!([]) || value == json!({})));
                (!is_usual).then(|| (name.clone(), value))
            });
            Value::Object(kept.collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(plain).collect()),
        // The recordings' numbers may have lost their spelling.
        Value::Number(number) => json!(number.as_f64()),
        other => other.clone(),
    }
}

#[test]
fn recorded_requests_are_sent_alike() {
    let recordings = Recordings::load().unwrap().provider("bedrock").operation("converse");
    let (mut seen, mut other, mut wrong) = (0, Vec::new(), Vec::new());
    for recording in &recordings {
        let body = recording.request.json().unwrap();
        // Documents with citations, guarded texts and tools of the service have no words in OpenAI's API.
        let Some(request) = in_openai_s_words(body) else {
            other.push(recording.id.clone());
            continue;
        };
        seen += 1;
        let path = recording.request.path().replace("%3A", ":");
        let (_, rest) = path.split_once("/model/").unwrap();
        let (model, verb) = rest.rsplit_once('/').unwrap();
        let mut request = asked(&request);
        request.delivery.stream = verb == "converse-stream";
        let (wire, changes) = try_send(request, model).unwrap();
        assert_eq!(wire.path.replace("%3A", ":"), path, "{recording}");
        let sent: Value = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
        let (mut sent, mut expect) = (plain(&sent), plain(body));
        // What Claude's grammar does not know of a schema became words, and is told.
        if changes.list().iter().any(|change| change.path.starts_with("response_format")) {
            for body in [&mut sent, &mut expect] {
                body.as_object_mut().unwrap().remove("outputConfig");
            }
        }
        if sent != expect {
            wrong.push(format!("{recording}: sent {sent}, recorded {expect}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if !recordings.is_empty() {
        assert!(seen >= 11 && other.len() <= 4, "{seen} {other:?}");
    }
}
