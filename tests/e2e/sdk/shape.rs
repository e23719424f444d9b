//! Upstreams of three shapes that answer a request by what is in it: a tool's result with text, tools with a
//! call, a schema with JSON, anything else with text.

use llm_testkit::{Received, Script};
use serde_json::{Value, json};

const WORDS: [&str; 3] = ["The boats ", "come in ", "with the tide."];
const STRUCTURED: &str = "{\"city\": \"Oslo\", \"degrees\": 4}";

enum Wanted {
    Words(Vec<&'static str>),
    Call,
}

/// What an upstream is asked for; the words tell a tool's result, tools and a schema in its dialect.
fn wanted(request: &Received, [result, tools, schema]: [&str; 3]) -> Wanted {
    let text = request.text();
    match () {
        () if text.contains(result) => Wanted::Words(WORDS.to_vec()),
        () if text.contains(tools) => Wanted::Call,
        () if text.contains(schema) => Wanted::Words(vec![STRUCTURED]),
        () => Wanted::Words(WORDS.to_vec()),
    }
}

pub(super) fn openai(request: &Received) -> Script {
    let usage = json!({"prompt_tokens": 19, "completion_tokens": 12, "total_tokens": 31});
    let call = json!({
        "id": "call_1", "type": "function",
        "function": {"name": "get_weather", "arguments": "{\"city\":\"Oslo\"}"}
    });
    let wanted = wanted(request, ["\"tool_call_id\"", "\"tools\"", "\"response_format\""]);
    let body = request.json();
    let base = |object: &str, choices: Value, usage: Value| json!({"id": "chatcmpl-1", "object": object, "created": 1_741_569_952, "model": "gpt-4o", "choices": choices, "usage": usage});
    if body["stream"] != true {
        let (message, finish) = match wanted {
            Wanted::Words(words) => (json!({"role": "assistant", "content": words.concat()}), "stop"),
            Wanted::Call => {
                (json!({"role": "assistant", "content": null, "tool_calls": [call]}), "tool_calls")
            }
        };
        let choices = json!([{"index": 0, "message": message, "finish_reason": finish}]);
        return Script::json(&base("chat.completion", choices, usage));
    }
    let choice = |delta: Value, finish: Value| json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
    let (deltas, finish) = match wanted {
        Wanted::Words(words) => {
            (words.iter().map(|word| json!({"content": word})).collect::<Vec<_>>(), "stop")
        }
        Wanted::Call => {
            let mut first = call;
            first["index"] = json!(0);
            first["function"]["arguments"] = json!("");
            let rest = |text: &str| json!({"tool_calls": [{"index": 0, "function": {"arguments": text}}]});
            (vec![json!({"tool_calls": [first]}), rest("{\"city\":"), rest("\"Oslo\"}")], "tool_calls")
        }
    };
    let chunk = |choices: Value, usage: Value| base("chat.completion.chunk", choices, usage);
    let mut chunks =
        vec![chunk(choice(json!({"role": "assistant", "content": ""}), Value::Null), Value::Null)];
    chunks.extend(deltas.into_iter().map(|delta| chunk(choice(delta, Value::Null), Value::Null)));
    chunks.push(chunk(choice(json!({}), finish.into()), Value::Null));
    if body["stream_options"]["include_usage"] == true {
        chunks.push(chunk(json!([]), usage));
    }
    Script::openai_sse(&chunks)
}

pub(super) fn anthropic(request: &Received) -> Script {
    let wanted = wanted(request, ["\"tool_result\"", "\"input_schema\"", "\"json_schema\""]);
    let stop = if matches!(wanted, Wanted::Call) { "tool_use" } else { "end_turn" };
    let message = |content: Value, stop: Value, output: u64| {
        json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
            "content": content, "stop_reason": stop, "stop_sequence": null,
            "usage": {"input_tokens": 19, "output_tokens": output}
        })
    };
    let tool =
        |input: Value| json!({"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": input});
    if request.json()["stream"] != true {
        let block = match wanted {
            Wanted::Words(words) => json!({"type": "text", "text": words.concat()}),
            Wanted::Call => tool(json!({"city": "Oslo"})),
        };
        return Script::json(&message(json!([block]), stop.into(), 12));
    }
    let (block, deltas) = match wanted {
        Wanted::Words(words) => (
            json!({"type": "text", "text": ""}),
            words.iter().map(|word| json!({"type": "text_delta", "text": word})).collect::<Vec<_>>(),
        ),
        Wanted::Call => {
            let delta = |text: &str| json!({"type": "input_json_delta", "partial_json": text});
            (tool(json!({})), vec![delta("{\"city\":"), delta("\"Oslo\"}")])
        }
    };
    let mut events = vec![
        json!({"type": "message_start", "message": message(json!([]), Value::Null, 1)}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
    ];
    let delta = |delta| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    events.extend(deltas.into_iter().map(delta));
    events.push(json!({"type": "content_block_stop", "index": 0}));
    let end = json!({"stop_reason": stop, "stop_sequence": null});
    events.push(json!({"type": "message_delta", "delta": end, "usage": {"output_tokens": 12}}));
    events.push(json!({"type": "message_stop"}));
    Script::anthropic_sse(&events)
}

pub(super) fn gemini(request: &Received) -> Script {
    let wanted =
        wanted(request, ["\"functionResponse\"", "\"functionDeclarations\"", "\"responseMimeType\""]);
    let parts = match wanted {
        Wanted::Words(words) => words.iter().map(|word| json!({"text": word})).collect::<Vec<_>>(),
        Wanted::Call => vec![json!({
            "functionCall": {"name": "get_weather", "args": {"city": "Oslo"}},
            "thoughtSignature": "c2lnbmVk"
        })],
    };
    let answer = |parts: &[Value], finish: Value| {
        json!({
            "candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": finish, "index": 0}],
            "usageMetadata": {"promptTokenCount": 19, "candidatesTokenCount": 12, "totalTokenCount": 31},
            "modelVersion": "gemini-2.5-flash", "responseId": "r-1"
        })
    };
    if !request.path().ends_with(":streamGenerateContent") {
        return Script::json(&answer(&parts, "STOP".into()));
    }
    let mut events: Vec<Value> = parts.chunks(1).map(|part| answer(part, Value::Null)).collect();
    events.push(answer(&[json!({"text": ""})], "STOP".into()));
    Script::sse(events.iter().map(|event| format!("data: {event}\r\n\r\n")))
}
