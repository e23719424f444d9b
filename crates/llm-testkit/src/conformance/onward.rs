//! A chat request of OpenAI's kind in the words of the other fronts.
//!
//! So a recording of any provider can be asked for by the clients of every front. What these requests say is
//! what their answers need (who said what, calls and their results, tools, limits); options that only some
//! formats have are left out, since the answer is recorded anyway.

use serde_json::{Map, Value, json};

/// The request to another wire API that says what a chat request says; `None` for one that is not known.
#[must_use]
pub fn request_to(operation: &str, chat: &Value) -> Option<Value> {
    match operation {
        "chat" => Some(chat.clone()),
        "messages" => Some(messages(chat)),
        "responses" => Some(responses(chat)),
        "generateContent" => Some(gemini(chat)),
        _ => None,
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn limit(chat: &Value) -> Option<&Value> {
    ["max_completion_tokens", "max_tokens"].iter().find_map(|name| chat.get(*name).filter(|v| !v.is_null()))
}

/// A string is a list of one text.
fn parts(message: &Value) -> Vec<Value> {
    match message.get("content") {
        Some(Value::String(text)) if !text.is_empty() => vec![json!({"type": "text", "text": text})],
        Some(Value::Array(parts)) => parts.clone(),
        _ => Vec::new(),
    }
}

/// The text of a message, however it is spelled.
fn said(message: &Value) -> String {
    parts(message).iter().map(|part| text(part, "text")).collect()
}

/// The picture or file of a part, as an address.
fn media(part: &Value) -> &str {
    let found = part.pointer("/image_url/url").or_else(|| part.pointer("/file/file_data"));
    found.and_then(Value::as_str).unwrap_or_default()
}

/// Media type and base64 of a `data:` address.
fn inline(url: &str) -> Option<(&str, &str)> {
    url.strip_prefix("data:")?.split_once(";base64,")
}

fn arguments(call: &Value) -> Value {
    let text = call.pointer("/function/arguments").and_then(Value::as_str).unwrap_or_default();
    serde_json::from_str(text).unwrap_or_else(|_| json!({}))
}

fn name(call: &Value) -> Value {
    call.pointer("/function/name").cloned().unwrap_or_default()
}

/// Every function on offer: name, description, schema.
fn functions(chat: &Value) -> Vec<(Value, Value, Value)> {
    let functions = list(chat, "tools").iter().filter_map(|tool| tool.get("function"));
    functions
        .map(|one| {
            let get = |name: &str| one.get(name).cloned().unwrap_or_default();
            let schema = one.get("parameters").cloned();
            let none = || json!({"type": "object", "properties": {}});
            (get("name"), get("description"), schema.unwrap_or_else(none))
        })
        .collect()
}

/// `auto`, `none`, `required`, or the name of a function.
enum Choice<'a> {
    Word(&'a str),
    Named(&'a str),
}

fn choice(chat: &Value) -> Option<Choice<'_>> {
    let choice = chat.get("tool_choice")?;
    let named = choice.pointer("/function/name").and_then(Value::as_str).map(Choice::Named);
    named.or_else(|| choice.as_str().map(Choice::Word))
}

/// Puts parts behind those of the last turn where it is of the same role.
fn join(turns: &mut Vec<Value>, (role, member): (&str, &str), parts: Vec<Value>) {
    if parts.is_empty() {
        return;
    }
    let last = turns.last_mut().filter(|turn| text(turn, "role") == role);
    match last.and_then(|turn| turn.get_mut(member)).and_then(Value::as_array_mut) {
        Some(open) => open.extend(parts),
        None => {
            let mut turn = Map::new();
            turn.insert("role".into(), role.into());
            turn.insert(member.into(), parts.into());
            turns.push(Value::Object(turn));
        }
    }
}

fn messages(chat: &Value) -> Value {
    let mut out = json!({"max_tokens": limit(chat).cloned().unwrap_or_else(|| 1024.into())});
    let (mut system, mut turns) = (Vec::new(), Vec::new());
    for message in list(chat, "messages") {
        match text(message, "role") {
            "system" | "developer" => system.push(json!({"type": "text", "text": said(message)})),
            "assistant" => {
                let mut blocks: Vec<Value> = parts(message).iter().map(block).collect();
                blocks.extend(list(message, "tool_calls").iter().map(|call| {
                    json!({"type": "tool_use", "id": call.get("id"), "name": name(call), "input": arguments(call)})
                }));
                join(&mut turns, ("assistant", "content"), blocks);
            }
            "tool" => {
                let id = message.get("tool_call_id");
                let result = json!({"type": "tool_result", "tool_use_id": id, "content": said(message)});
                join(&mut turns, ("user", "content"), vec![result]);
            }
            _ => join(&mut turns, ("user", "content"), parts(message).iter().map(block).collect()),
        }
    }
    out["messages"] = turns.into();
    if !system.is_empty() {
        out["system"] = system.into();
    }
    let tools: Vec<Value> = functions(chat)
        .into_iter()
        .map(|(name, description, schema)| {
            json!({"name": name, "description": description.as_str().unwrap_or("?"), "input_schema": schema})
        })
        .collect();
    if !tools.is_empty() {
        out["tools"] = tools.into();
        match choice(chat) {
            Some(Choice::Word("required")) => out["tool_choice"] = json!({"type": "any"}),
            Some(Choice::Word(word)) => out["tool_choice"] = json!({"type": word}),
            Some(Choice::Named(name)) => out["tool_choice"] = json!({"type": "tool", "name": name}),
            None => {}
        }
    }
    out
}

fn block(part: &Value) -> Value {
    let source = |url: &str| match inline(url) {
        Some((kind, data)) => json!({"type": "base64", "media_type": kind, "data": data}),
        None => json!({"type": "url", "url": url}),
    };
    match text(part, "type") {
        "image_url" => json!({"type": "image", "source": source(media(part))}),
        "file" => json!({"type": "document", "source": source(media(part))}),
        _ => json!({"type": "text", "text": text(part, "text")}),
    }
}

fn responses(chat: &Value) -> Value {
    let mut out = json!({"store": false});
    if let Some(limit) = limit(chat) {
        out["max_output_tokens"] = limit.clone();
    }
    let mut items = Vec::new();
    for message in list(chat, "messages") {
        let role = text(message, "role");
        if role == "tool" {
            let id = message.get("tool_call_id");
            items.push(json!({"type": "function_call_output", "call_id": id, "output": said(message)}));
            continue;
        }
        let content: Vec<Value> = parts(message).iter().map(|part| input(part, role)).collect();
        if !content.is_empty() {
            items.push(json!({"type": "message", "role": role, "content": content}));
        }
        items.extend(list(message, "tool_calls").iter().map(|call| {
            let text = call.pointer("/function/arguments").cloned().unwrap_or_else(|| "{}".into());
            json!({"type": "function_call", "call_id": call.get("id"), "name": name(call), "arguments": text})
        }));
    }
    out["input"] = items.into();
    let tools: Vec<Value> = functions(chat)
        .into_iter()
        .map(|(name, description, schema)| {
            json!({"type": "function", "name": name, "description": description, "parameters": schema})
        })
        .collect();
    if !tools.is_empty() {
        out["tools"] = tools.into();
        match choice(chat) {
            Some(Choice::Word(word)) => out["tool_choice"] = word.into(),
            Some(Choice::Named(name)) => out["tool_choice"] = json!({"type": "function", "name": name}),
            None => {}
        }
    }
    out
}

fn input(part: &Value, role: &str) -> Value {
    match text(part, "type") {
        "image_url" => json!({"type": "input_image", "image_url": media(part)}),
        "file" if inline(media(part)).is_some() => {
            let name = part.pointer("/file/filename").cloned().unwrap_or_else(|| "file.pdf".into());
            json!({"type": "input_file", "filename": name, "file_data": media(part)})
        }
        "file" => json!({"type": "input_file", "file_url": media(part)}),
        _ if role == "assistant" => json!({"type": "output_text", "text": text(part, "text")}),
        _ => json!({"type": "input_text", "text": text(part, "text")}),
    }
}

fn gemini(chat: &Value) -> Value {
    let mut out = json!({});
    let (mut system, mut turns) = (Vec::new(), Vec::new());
    let mut names: Map<String, Value> = Map::new();
    for message in list(chat, "messages") {
        match text(message, "role") {
            "system" | "developer" => system.push(json!({"text": said(message)})),
            "assistant" => {
                let mut parts: Vec<Value> = parts(message).iter().map(gemini_part).collect();
                for call in list(message, "tool_calls") {
                    let id = text(call, "id");
                    names.insert(id.to_owned(), name(call));
                    let call = json!({"id": id, "name": name(call), "args": arguments(call)});
                    parts.push(json!({"functionCall": call}));
                }
                join(&mut turns, ("model", "parts"), parts);
            }
            "tool" => {
                let id = text(message, "tool_call_id");
                let name = names.get(id).cloned().unwrap_or_else(|| "unknown".into());
                let response = json!({"id": id, "name": name, "response": {"output": said(message)}});
                join(&mut turns, ("user", "parts"), vec![json!({"functionResponse": response})]);
            }
            _ => join(&mut turns, ("user", "parts"), parts(message).iter().map(gemini_part).collect()),
        }
    }
    out["contents"] = turns.into();
    if !system.is_empty() {
        out["systemInstruction"] = json!({"parts": system});
    }
    if let Some(limit) = limit(chat) {
        out["generationConfig"] = json!({"maxOutputTokens": limit});
    }
    let tools: Vec<Value> = functions(chat)
        .into_iter()
        .map(|(name, description, schema)| {
            json!({"name": name, "description": description, "parametersJsonSchema": schema})
        })
        .collect();
    if !tools.is_empty() {
        out["tools"] = json!([{"functionDeclarations": tools}]);
        let calling = match choice(chat) {
            Some(Choice::Word("required")) => Some(json!({"mode": "ANY"})),
            Some(Choice::Word(word)) => Some(json!({"mode": word.to_ascii_uppercase()})),
            Some(Choice::Named(name)) => Some(json!({"mode": "ANY", "allowedFunctionNames": [name]})),
            None => None,
        };
        if let Some(calling) = calling {
            out["toolConfig"] = json!({"functionCallingConfig": calling});
        }
    }
    out
}

fn gemini_part(part: &Value) -> Value {
    if !matches!(text(part, "type"), "image_url" | "file") {
        return json!({"text": text(part, "text")});
    }
    match inline(media(part)) {
        Some((kind, data)) => json!({"inlineData": {"mimeType": kind, "data": data}}),
        None => json!({"fileData": {"mimeType": "image/png", "fileUri": media(part)}}),
    }
}
