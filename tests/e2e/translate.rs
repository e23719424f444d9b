//! What the tests of every translation share: a request that uses most of the API, and its second turn.

use llm_testkit::canned::{self, IncludeUsage};
use llm_testkit::{Script, Upstream, sse};
use serde_json::{Value, json};

use crate::harness::{Gateway, anthropic, model, openai};

/// System text, an image, tools, calls and their results.
pub(crate) fn canonical(model: &str) -> Value {
    let call = |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    json!({
        "model": model,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "Picture and weather?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
            ]},
            {"role": "assistant", "content": "Checking.", "tool_calls": [
                call("call_1", "get_weather", "{\"city\":\"Oslo\"}"),
                call("call_2", "now", "")
            ]},
            {"role": "tool", "tool_call_id": "call_1", "content": "{\"temp\":4}"},
            {"role": "tool", "tool_call_id": "call_2", "content": "noon"},
            {"role": "user", "content": "And tomorrow?"}
        ],
        "tools": [weather(), {"type": "function", "function": {"name": "now", "description": "Time"}}],
        "tool_choice": "required",
        "max_completion_tokens": 300,
        "temperature": 0.2,
        "stop": ["END"]
    })
}

/// A tool.
pub(crate) fn weather() -> Value {
    json!({"type": "function", "function": {
        "name": "get_weather",
        "description": "Weather by city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    }})
}

/// A request for an answer by a schema.
pub(crate) fn structured(model: &str) -> Value {
    json!({
        "model": model,
        "messages": [{"role": "user", "content": "Weather?"}],
        "response_format": {"type": "json_schema", "json_schema": {
            "name": "W",
            "strict": true,
            "schema": {
                "type": "object",
                "properties": {"t": {"type": "integer"}},
                "required": ["t"],
                "additionalProperties": false
            }
        }}
    })
}

/// The request that follows on an answer with one tool call, as a client writes it: the message goes back as it
/// came, then the result.
pub(crate) fn second_turn(request: &Value, answer: &Value, result: &str) -> Value {
    let message = answer["choices"][0]["message"].clone();
    let id = message["tool_calls"][0]["id"].clone();
    assert!(id.is_string(), "no tool call: {answer}");
    let mut next = request.clone();
    let messages = next["messages"].as_array_mut().unwrap();
    messages.push(message);
    messages.push(json!({"role": "tool", "tool_call_id": id, "content": result}));
    next
}

/// The arguments of the tool call with that index, put together from a stream.
pub(crate) fn streamed_arguments(events: &[Value], index: u64) -> Value {
    let calls = events.iter().filter_map(|event| event["choices"][0]["delta"]["tool_calls"].as_array());
    let pieces = calls.flatten().filter(|call| call["index"] == index);
    let text: String = pieces.filter_map(|call| call["function"]["arguments"].as_str()).collect();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: `{text}`"))
}

/// The finish of a stream; there is exactly one.
pub(crate) fn streamed_finish(events: &[Value]) -> String {
    let finishes = events.iter().filter_map(|event| event["choices"][0]["finish_reason"].as_str());
    let finishes: Vec<&str> = finishes.collect();
    assert_eq!(finishes.len(), 1, "{finishes:?}");
    finishes.concat()
}

/// An event whose text is this, in the escapes of JSON.
fn saying(event: &str, member: &str, escaped: &str) -> String {
    let (head, rest) = event.split_once(&format!("\"{member}\":\"")).unwrap();
    let (_, tail) = rest.split_once('"').unwrap();
    format!("{head}\"{member}\":\"{escaped}\"{tail}")
}

/// All strings of these members, in their order.
fn told(events: &[Value], members: &[&str]) -> String {
    fn collect(value: &Value, members: &[&str], out: &mut String) {
        match value {
            Value::Object(object) => object.iter().for_each(|(name, value)| match value {
                Value::String(text) if members.contains(&name.as_str()) => out.push_str(text),
                value => collect(value, members, out),
            }),
            Value::Array(list) => list.iter().for_each(|value| collect(value, members, out)),
            _ => {}
        }
    }
    let mut out = String::new();
    events.iter().for_each(|event| collect(event, members, &mut out));
    out
}

#[tokio::test]
async fn a_character_cut_in_two_by_the_provider_reaches_every_front_whole() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(
        &(model("chat", &[openai(&upstream).replace("openai/gpt-4o", "mistral/mistral-large-latest")])
            + &model("claude", &[anthropic(&upstream)])),
    );
    for (name, events, member) in [
        ("chat", canned::openai_stream(2, IncludeUsage::Yes), "content"),
        ("claude", canned::anthropic_stream(2), "text"),
    ] {
        let full = format!("\"{member}\":\"");
        let texts: Vec<usize> = (0..events.len())
            .filter(|at| events[*at].contains(&full) && !events[*at].contains(&format!("{full}\"")))
            .collect();
        let [first, second] = *texts else { panic!("{events:?}") };
        let cut = |one: &str, two: &str| {
            let mut events = events.clone();
            events[first] = saying(&events[first], member, one);
            events[second] = saying(&events[second], member, two);
            Script::sse(events)
        };
        let hi = json!([{"role": "user", "content": "Hi"}]);
        let fronts = [
            ("/v1/chat/completions", json!({"model": name, "stream": true, "messages": hi}), "content"),
            (
                "/v1/messages",
                json!({"model": name, "stream": true, "max_tokens": 99, "messages": hi}),
                "text",
            ),
            ("/v1/responses", json!({"model": name, "stream": true, "input": "Hi"}), "delta"),
            (
                &format!("/v1beta/models/{name}:streamGenerateContent?alt=sse"),
                json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}),
                "text",
            ),
        ];
        for (path, body, told_in) in fronts {
            // What goes through as it came is the client's to put together.
            if (name, path) == ("chat", "/v1/chat/completions") || (name, path) == ("claude", "/v1/messages")
            {
                continue;
            }
            for (one, two, expect) in [
                (r"one \ud83d", r"\ude00 two", "one \u{1f600} two"),
                (r"one \ud83d", " two", "one \u{fffd} two"),
                ("one", r"\ude00 two", "one\u{fffd} two"),
            ] {
                upstream.push(cut(one, two));
                let reply = gateway.post(path).body(body.to_string()).open().await.whole().await;
                assert_eq!(reply.status, 200, "{path}: {}", reply.text());
                let events = sse::json_events(reply.text());
                assert_eq!(told(&events, &[told_in]), expect, "{name} {path}: {}", reply.text());
            }
        }
    }
}
