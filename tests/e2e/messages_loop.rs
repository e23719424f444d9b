//! A loop of five turns with tools, through `/v1/messages` on upstreams of three dialects: the calls and the
//! final answer are the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use llm_testkit::{Script, Upstream, canned};
use serde_json::{Value, json};

use crate::harness::{Gateway, anthropic, gemini, model, openai};
use crate::messages::{MESSAGES, gathered, post};

/// What the model does in each turn: calls, and at last an answer.
const TURNS: [&[(&str, &str)]; 4] = [
    &[("list", r#"{"path":"/"}"#)],
    &[("read", r#"{"path":"/a"}"#), ("read", r#"{"path":"/b"}"#)],
    &[("write", r#"{"path":"/c","text":"a \"b\"\n"}"#)],
    &[("read", r#"{"path":"/c"}"#)],
];
const ANSWER: &str = "Both files are one now.";

fn calls(turn: usize) -> Vec<(String, Value)> {
    let calls = TURNS.get(turn).copied().unwrap_or_default();
    calls.iter().map(|(name, input)| ((*name).to_owned(), serde_json::from_str(input).unwrap())).collect()
}

fn openai_turn(turn: usize) -> Script {
    let mut chunks = Vec::new();
    let chunk = |delta: Value, finish: Value| {
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
        "model": "gpt-4o", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let all = calls(turn);
    for (index, (name, _)) in all.iter().enumerate() {
        let id = format!("call_{turn}_{index}");
        let open = json!({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}});
        chunks.push(chunk(json!({"tool_calls": [open]}), Value::Null));
    }
    // The pieces of all calls come in turns.
    let texts: Vec<String> = all.iter().map(|(_, input)| input.to_string()).collect();
    for at in 0..texts.iter().map(String::len).max().unwrap_or(0).div_ceil(5) {
        for (index, text) in texts.iter().enumerate() {
            let piece = text.get(at * 5..text.len().min(at * 5 + 5)).unwrap_or_default();
            let piece = json!({"index": index, "function": {"arguments": piece}});
            chunks.push(chunk(json!({"tool_calls": [piece]}), Value::Null));
        }
    }
    if all.is_empty() {
        chunks.push(chunk(json!({"content": ANSWER}), Value::Null));
    }
    chunks.push(chunk(json!({}), json!(if all.is_empty() { "stop" } else { "tool_calls" })));
    Script::openai_sse(&chunks)
}

fn gemini_turn(turn: usize) -> Script {
    let all = calls(turn);
    let parts: Vec<Value> = all
        .iter()
        .enumerate()
        .map(|(index, (name, input))| {
            let mut part = json!({"functionCall": {"name": name, "args": input}});
            if index == 0 {
                part["thoughtSignature"] = json!(format!("c2lnbmF0dXJl{turn}+/="));
            }
            part
        })
        .collect();
    let parts = if all.is_empty() { json!([{"text": ANSWER}]) } else { json!(parts) };
    let event = json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0}],
        "modelVersion": "gemini-2.5-flash", "responseId": format!("r-{turn}")});
    Script::sse([format!("data: {event}\r\n\r\n")])
}

fn anthropic_turn(turn: usize) -> Script {
    let all = calls(turn);
    let mut message = canned::anthropic_message(0);
    message["content"] = json!([]);
    message["stop_reason"] = Value::Null;
    let mut events = vec![json!({"type": "message_start", "message": message})];
    let mut block = |index: usize, block: Value, delta: Value| {
        events.push(json!({"type": "content_block_start", "index": index, "content_block": block}));
        events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        events.push(json!({"type": "content_block_stop", "index": index}));
    };
    for (index, (name, input)) in all.iter().enumerate() {
        let id = format!("toolu_{turn}_{index}");
        block(
            index,
            json!({"type": "tool_use", "id": id, "name": name, "input": {}}),
            json!({"type": "input_json_delta", "partial_json": input.to_string()}),
        );
    }
    if all.is_empty() {
        block(0, json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": ANSWER}));
    }
    let reason = if all.is_empty() { "end_turn" } else { "tool_use" };
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null},
        "usage": {"output_tokens": 9}}));
    events.push(json!({"type": "message_stop"}));
    Script::anthropic_sse(&events)
}

/// What happened in a loop: each call with its input, and the last answer.
#[derive(Debug, PartialEq)]
struct Story {
    calls: Vec<(String, Value)>,
    answer: String,
    turns: usize,
}

/// Runs tools until the model has its answer, as an agent does.
async fn agent(gateway: &Gateway) -> Story {
    let tool = |name: &str| json!({"name": name, "description": name, "input_schema": {"type": "object"}});
    let mut body = json!({
        "model": "m", "max_tokens": 1000, "stream": true,
        "system": [{"type": "text", "text": "Use tools.", "cache_control": {"type": "ephemeral"}}],
        "tools": [tool("list"), tool("read"), tool("write")],
        "messages": [{"role": "user", "content": "Make one file of both."}]
    });
    let mut story = Story { calls: Vec::new(), answer: String::new(), turns: 0 };
    while story.turns < 10 {
        let reply = post(gateway, MESSAGES, &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let message = gathered(reply.text());
        story.turns += 1;
        let content = message["content"].as_array().unwrap().clone();
        if message["stop_reason"] != "tool_use" {
            story.answer = content.iter().filter_map(|block| block["text"].as_str()).collect();
            break;
        }
        let used = content.iter().filter(|block| block["type"] == "tool_use");
        let mut results = Vec::new();
        for call in used {
            let name = call["name"].as_str().unwrap().to_owned();
            let result = if name == "read" {
                let picture = json!({"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="});
                json!([{"type": "text", "text": "seen"}, {"type": "image", "source": picture}])
            } else {
                json!("done")
            };
            results.push(json!({"type": "tool_result", "tool_use_id": call["id"], "content": result}));
            story.calls.push((name, call["input"].clone()));
        }
        let messages = body["messages"].as_array_mut().unwrap();
        messages.push(json!({"role": "assistant", "content": content}));
        messages.push(json!({"role": "user", "content": results}));
    }
    story
}

/// An upstream that plays its turns in order, and checks that each has the whole history.
fn scripted(turn: fn(usize) -> Script, history: fn(&Value) -> usize) -> Upstream {
    let upstream = Upstream::start().unwrap();
    let at = Arc::new(AtomicUsize::new(0));
    for path in
        ["/v1/chat/completions", "/v1/messages", "/v1beta/models/gemini-2.5-flash:streamGenerateContent"]
    {
        let at = Arc::clone(&at);
        upstream.on(path, move |received| {
            let now = at.fetch_add(1, Ordering::SeqCst);
            let results: usize = (0..now).map(|turn| calls(turn).len()).sum();
            if history(&received.json()) != results {
                return Script::status(400)
                    .json_body(&json!({"error": {"message": format!("not {results} results")}}));
            }
            turn(now)
        });
    }
    upstream
}

fn count(body: &Value, words: &str) -> usize {
    body.to_string().matches(words).count()
}

#[tokio::test]
async fn a_tool_loop_is_the_same_on_every_upstream() {
    let native = scripted(anthropic_turn, |body| count(body, "\"tool_result\""));
    let chat = scripted(openai_turn, |body| count(body, "\"role\":\"tool\""));
    let google = scripted(gemini_turn, |body| count(body, "\"functionResponse\""));
    let mut stories = Vec::new();
    for deployment in [anthropic(&native), openai(&chat), gemini(&google)] {
        stories.push(agent(&Gateway::start(&model("m", &[deployment]))).await);
    }
    let expect = Story { calls: (0..4).flat_map(calls).collect(), answer: ANSWER.to_owned(), turns: 5 };
    for story in stories {
        assert_eq!(story, expect);
    }
    // Gemini got each signature back at its call.
    let last = google.last_request().unwrap().json();
    for turn in 0..4 {
        assert_eq!(count(&last, &format!("c2lnbmF0dXJl{turn}+/=")), 1, "{last}");
    }
}
