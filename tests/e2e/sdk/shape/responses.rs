//! OpenAI's Responses API. With reasoning asked for, each turn begins with a reasoning item.

use llm_testkit::{Received, Script};
use serde_json::{Value, json};

use super::openai::error;
use super::{Asked, Call, TOOL, Wanted, failure, list, text};

const ENCRYPTED: &str = "gAAAAABencrypted";

fn id(number: usize) -> String {
    format!("call_{number}")
}

/// Answers one request.
pub(crate) fn responses(request: &Received) -> Script {
    let body = request.json();
    if let Some(script) = failure(request, error) {
        return script;
    }
    match asked(&body).wanted(|number| Some(id(number))) {
        Ok(wanted) => answer(&body, &wanted),
        Err(wrong) => Script::status(400).json_body(&error(400, &wrong)),
    }
}

fn asked(body: &Value) -> Asked {
    let mut asked = Asked {
        tools: list(&body["tools"]).iter().any(|tool| tool["name"] == TOOL),
        schema: body["text"]["format"]["type"] == "json_schema",
        ..Asked::default()
    };
    for item in list(&body["input"]) {
        match item["type"].as_str() {
            Some("function_call") => {
                let arguments: Value = serde_json::from_str(&text(&item["arguments"])).unwrap_or_default();
                asked.calls.push((text(&item["call_id"]), text(&arguments["city"])));
            }
            Some("function_call_output") => {
                asked.results.push((text(&item["call_id"]), item["output"].to_string()));
            }
            _ => {}
        }
    }
    asked
}

fn answer(body: &Value, wanted: &Wanted) -> Script {
    let mut items = Vec::new();
    if body["reasoning"].is_object() {
        items.push(thought());
    }
    match wanted {
        Wanted::Words(words) => items.push(said(words)),
        Wanted::Calls(calls) => items.extend(calls.iter().map(call)),
    }
    let output: Vec<_> = items.iter().map(|item| item.whole.clone()).collect();
    if body["stream"] != true {
        return Script::json(&response("completed", output.into()));
    }
    let mut events = vec![
        json!({"type": "response.created", "response": response("in_progress", json!([]))}),
        json!({"type": "response.in_progress", "response": response("in_progress", json!([]))}),
    ];
    for (index, Item { whole, start, events: inner }) in items.into_iter().enumerate() {
        let place = json!({"output_index": index, "item_id": whole["id"]});
        events.push(json!({"type": "response.output_item.added", "output_index": index, "item": start}));
        for mut event in inner {
            let members = place.as_object().unwrap().clone();
            event.as_object_mut().unwrap().extend(members);
            events.push(event);
        }
        events.push(json!({"type": "response.output_item.done", "output_index": index, "item": whole}));
    }
    events.push(json!({"type": "response.completed", "response": response("completed", output.into())}));
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = json!(number);
    }
    Script::anthropic_sse(&events)
}

fn response(status: &str, output: Value) -> Value {
    let usage = json!({"input_tokens": 19, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 12,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 31});
    let usage = if status == "completed" { usage } else { Value::Null };
    json!({"id": "resp_1", "object": "response", "created_at": 1_741_569_952, "status": status, "error": null,
        "incomplete_details": null, "instructions": null, "metadata": {}, "model": "gpt-4o", "output": output,
        "parallel_tool_calls": true, "temperature": 1.0, "top_p": 1.0, "tool_choice": "auto", "tools": [],
        "text": {"format": {"type": "text"}}, "usage": usage})
}

/// An item of the output: whole, as it begins, and the events between.
struct Item {
    whole: Value,
    start: Value,
    events: Vec<Value>,
}

fn thought() -> Item {
    let item = |encrypted: Value| json!({"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": encrypted});
    Item { whole: item(ENCRYPTED.into()), start: item("".into()), events: Vec::new() }
}

fn said(words: &[&str]) -> Item {
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
    let item = |status: &str, content: Value| json!({"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": content});
    let text = words.concat();
    let mut events =
        vec![json!({"type": "response.content_part.added", "content_index": 0, "part": part("")})];
    events.extend(words.iter().map(
        |word| json!({"type": "response.output_text.delta", "content_index": 0, "delta": word, "logprobs": []}),
    ));
    events
        .push(json!({"type": "response.output_text.done", "content_index": 0, "text": text, "logprobs": []}));
    events.push(json!({"type": "response.content_part.done", "content_index": 0, "part": part(&text)}));
    Item { whole: item("completed", json!([part(&text)])), start: item("in_progress", json!([])), events }
}

fn call(call: &Call) -> Item {
    let item = |status: &str, arguments: &str| json!({"id": format!("fc_{}", call.number), "type": "function_call", "call_id": id(call.number), "name": TOOL, "arguments": arguments, "status": status});
    let whole = call.pieces().concat();
    let mut events: Vec<_> = call
        .pieces()
        .map(|piece| json!({"type": "response.function_call_arguments.delta", "delta": piece}))
        .to_vec();
    events.push(json!({"type": "response.function_call_arguments.done", "arguments": whole, "name": TOOL}));
    Item { whole: item("completed", &whole), start: item("in_progress", ""), events }
}
