//! A client of each front that keeps a conversation going as its SDK does: it sends back what it got, answers
//! the calls, and knows nothing of the gateway.

use serde_json::{Map, Value, json};

use crate::front::Front;

/// A call that a client got: id, name, arguments.
pub(crate) type Call = (String, String, Value);

/// The history of one conversation, in the words of a front.
pub(crate) struct Client {
    front: &'static Front,
    history: Vec<Value>,
}

impl Client {
    /// A conversation that begins with a question.
    pub(crate) fn asking(front: &'static Front, question: &str) -> Self {
        let first = match front.name {
            "generateContent" => json!({"role": "user", "parts": [{"text": question}]}),
            _ => json!({"role": "user", "content": question}),
        };
        Self { front, history: vec![first] }
    }

    /// The next request, with these tools (name, JSON Schema) on offer.
    pub(crate) fn request(&self, tools: &[(&str, Value)]) -> Value {
        let each = |write: fn(&str, &Value) -> Value| -> Vec<Value> {
            tools.iter().map(|(name, schema)| write(name, schema)).collect()
        };
        let history = &self.history;
        match self.front.name {
            "messages" => {
                let tools = each(|name, schema| json!({"name": name, "input_schema": schema}));
                json!({"max_tokens": 4096, "thinking": {"type": "enabled", "budget_tokens": 2048},
                    "system": "Use the tools.", "tools": tools, "messages": history})
            }
            "responses" => {
                let tools = each(
                    |name, schema| json!({"type": "function", "name": name, "parameters": schema, "strict": false}),
                );
                json!({"store": false, "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "medium"},
                    "instructions": "Use the tools.", "tools": tools, "input": history})
            }
            "generateContent" => {
                let tools = each(|name, schema| json!({"name": name, "parametersJsonSchema": schema}));
                json!({"generationConfig": {"thinkingConfig": {"includeThoughts": true}},
                    "systemInstruction": {"parts": [{"text": "Use the tools."}]},
                    "tools": [{"functionDeclarations": tools}], "contents": history})
            }
            _ => {
                let tools = each(
                    |name, schema| json!({"type": "function", "function": {"name": name, "parameters": schema}}),
                );
                let system = json!({"role": "system", "content": "Use the tools."});
                let messages: Vec<&Value> = std::iter::once(&system).chain(history).collect();
                json!({"reasoning_effort": "medium", "tools": tools, "messages": messages})
            }
        }
    }

    /// Takes an answer, whole or streamed, into the history, and says what it calls and what it says.
    pub(crate) fn take(&mut self, answer: &str) -> (Vec<Call>, String) {
        let events = match serde_json::from_str::<Value>(answer) {
            Ok(whole) => vec![whole],
            Err(_) => llm_testkit::sse::json_events(answer),
        };
        let turn = match self.front.name {
            "messages" => json!({"role": "assistant", "content": blocks(&events)}),
            "responses" => output(&events),
            "generateContent" => contents(&events).into(),
            _ => message(&events),
        };
        let (mut calls, mut text) = (Vec::new(), String::new());
        let pieces = match self.front.name {
            "messages" => turn["content"].clone(),
            "responses" => turn.clone(),
            "generateContent" => {
                let turns = turn.as_array().into_iter().flatten();
                turns.flat_map(|turn| turn["parts"].as_array().cloned().unwrap_or_default()).collect()
            }
            _ => {
                text.push_str(turn["content"].as_str().unwrap_or_default());
                turn["tool_calls"].clone()
            }
        };
        for piece in pieces.as_array().into_iter().flatten() {
            read(piece, &mut calls, &mut text);
        }
        match turn {
            Value::Array(items) => self.history.extend(items),
            turn => self.history.push(turn),
        }
        (calls, text)
    }

    /// Answers calls, each with a text.
    pub(crate) fn answer(&mut self, answers: &[(Call, String)]) {
        match self.front.name {
            "messages" => {
                let results = answers.iter().map(|((id, _, _), said)| {
                    json!({"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": said}]})
                });
                let results: Vec<Value> = results.collect();
                self.history.push(json!({"role": "user", "content": results}));
            }
            "responses" => self.history.extend(answers.iter().map(
                |((id, _, _), said)| json!({"type": "function_call_output", "call_id": id, "output": said}),
            )),
            "generateContent" => {
                let results: Vec<Value> = answers.iter().map(|((id, name, _), said)| {
                    json!({"functionResponse": {"id": id, "name": name, "response": {"output": said}}})
                }).collect();
                self.history.push(json!({"role": "user", "parts": results}));
            }
            _ => self.history.extend(
                answers
                    .iter()
                    .map(|((id, _, _), said)| json!({"role": "tool", "tool_call_id": id, "content": said})),
            ),
        }
    }
}

/// One piece of an answer: a call, or text.
fn read(piece: &Value, calls: &mut Vec<Call>, text: &mut String) {
    let get = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let parsed = |value: &Value| serde_json::from_str(value.as_str().unwrap_or_default()).unwrap_or_default();
    if let Some(call) = piece.get("functionCall") {
        calls.push((get(call, "id"), get(call, "name"), call["args"].clone()));
        return;
    }
    match piece["type"].as_str() {
        Some("function") => {
            let function = &piece["function"];
            calls.push((get(piece, "id"), get(function, "name"), parsed(&function["arguments"])));
        }
        Some("function_call") => {
            calls.push((get(piece, "call_id"), get(piece, "name"), parsed(&piece["arguments"])));
        }
        Some("tool_use") => calls.push((get(piece, "id"), get(piece, "name"), piece["input"].clone())),
        Some("message") => {
            piece["content"].as_array().into_iter().flatten().for_each(|part| *text += &get(part, "text"));
        }
        Some("text") => *text += &get(piece, "text"),
        None if piece["thought"] != true => *text += &get(piece, "text"),
        _ => {}
    }
}

/// Anthropic's blocks, gathered as its SDK gathers them.
fn blocks(events: &[Value]) -> Vec<Value> {
    let mut blocks: Vec<Value> = Vec::new();
    let mut input = String::new();
    for event in events {
        match event["type"].as_str().unwrap_or_default() {
            "message" => return event["content"].as_array().cloned().unwrap_or_default(),
            "content_block_start" => blocks.push(event["content_block"].clone()),
            "content_block_delta" => {
                let (delta, Some(block)) = (&event["delta"], blocks.last_mut()) else { continue };
                for name in ["text", "thinking", "signature"] {
                    if let Some(piece) = delta[name].as_str() {
                        let grown = format!("{}{piece}", block[name].as_str().unwrap_or_default());
                        block[name] = grown.into();
                    }
                }
                input += delta["partial_json"].as_str().unwrap_or_default();
            }
            "content_block_stop" if !input.is_empty() => {
                let whole = serde_json::from_str(&input).unwrap();
                input.clear();
                if let Some(block) = blocks.last_mut() {
                    block["input"] = whole;
                }
            }
            _ => {}
        }
    }
    blocks
}

/// The items of a response: a stream's last event has them all.
fn output(events: &[Value]) -> Value {
    let last = events.last().cloned().unwrap_or_default();
    let response = last.get("response").unwrap_or(&last);
    response["output"].clone()
}

/// Gemini's turns: the chats of its SDK keep the content of each chunk as it came.
fn contents(events: &[Value]) -> Vec<Value> {
    let contents = events.iter().filter_map(|event| event.pointer("/candidates/0/content"));
    contents.filter(|content| content["parts"].is_array()).cloned().collect()
}

/// The message of a chat completion, gathered as OpenAI's SDK gathers it.
fn message(events: &[Value]) -> Value {
    if let Some(message) = events[0].pointer("/choices/0/message") {
        return message.clone();
    }
    let mut message = json!({});
    for delta in events.iter().filter_map(|event| event.pointer("/choices/0/delta")) {
        grow(&mut message, delta);
    }
    for list in ["tool_calls", "thinking_blocks"] {
        for item in message[list].as_array_mut().into_iter().flatten() {
            item.as_object_mut().map(|item| item.remove("index"));
        }
    }
    if let Some(members) = message.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    message
}

/// Strings grow, objects are merged, and items of lists are found by their index.
fn grow(known: &mut Value, delta: &Value) {
    match (known, delta) {
        (Value::Object(known), Value::Object(delta)) => {
            for (name, piece) in delta {
                match known.get_mut(name) {
                    Some(_) if matches!(name.as_str(), "index" | "type" | "role") => {}
                    Some(known) if !known.is_null() => grow(known, piece),
                    _ => drop(known.insert(name.clone(), start(piece))),
                }
            }
        }
        (Value::Array(known), Value::Array(delta)) => {
            for item in delta {
                match known.iter_mut().find(|known| known["index"] == item["index"]) {
                    Some(known) => grow(known, item),
                    None => known.push(item.clone()),
                }
            }
        }
        (Value::String(known), Value::String(piece)) => known.push_str(piece),
        _ => {}
    }
}

fn start(piece: &Value) -> Value {
    match piece {
        Value::Array(_) => {
            let mut list = Value::Array(Vec::new());
            grow(&mut list, piece);
            list
        }
        Value::Object(_) => {
            let mut object = Value::Object(Map::new());
            grow(&mut object, piece);
            object
        }
        piece => piece.clone(),
    }
}
