//! A turn and the next one: what the model thought comes back to whoever thought it, and to nobody else.

use llm_types::Dialect;
use serde_json::{Value, json};

use super::stream::{anthropic, gemini};
use super::{Upstream, events};

/// The next request of a client that sends back what it got.
fn next(output: &Value, results: &[(&str, &str)]) -> Value {
    let mut input = vec![json!({"role": "user", "content": "Weather?"})];
    input.extend(output.as_array().unwrap().iter().cloned());
    for (id, text) in results {
        input.push(json!({"type": "function_call_output", "call_id": id, "output": text}));
    }
    json!({"model": "m", "input": input, "store": false, "include": ["reasoning.encrypted_content"],
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}]})
}

fn claude_blocks() -> [Value; 5] {
    [
        json!({"type": "thinking", "thinking": "Let me see.", "signature": "Sig+/="}),
        json!({"type": "redacted_thinking", "data": "enc=="}),
        json!({"type": "text", "text": "Looking."}),
        json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}),
        json!({"type": "tool_use", "id": "toolu_2", "name": "f", "input": {}}),
    ]
}

fn claude_output() -> Value {
    let stream =
        Upstream::of(Dialect::Anthropic).stream([anthropic(&claude_blocks(), "tool_use").as_bytes()]);
    events(&stream).last().unwrap()["response"]["output"].clone()
}

fn gemini_parts() -> [Value; 4] {
    [
        json!({"text": "Hm.", "thought": true}),
        json!({"text": "Rain?", "thoughtSignature": "dGV4dA=="}),
        json!({"functionCall": {"id": "f1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"}),
        json!({"functionCall": {"id": "f2", "name": "f", "args": {}}}),
    ]
}

fn gemini_output() -> Value {
    let stream = Upstream::of(Dialect::Gemini).stream([gemini(&gemini_parts(), "STOP").as_bytes()]);
    events(&stream).last().unwrap()["response"]["output"].clone()
}

#[test]
fn anthropic_gets_its_thoughts_back() {
    let request = next(&claude_output(), &[("toolu_1", "4"), ("toolu_2", "5")]);
    let (body, changes) = Upstream::of(Dialect::Anthropic).ask(&request);
    assert_eq!(changes, "");
    assert_eq!(body["messages"][1]["content"], json!(claude_blocks()));
    let results = &body["messages"][2]["content"];
    assert_eq!(
        (&results[0]["tool_use_id"], &results[1]["tool_use_id"]),
        (&json!("toolu_1"), &json!("toolu_2"))
    );
}

#[test]
fn gemini_gets_its_signatures_back() {
    let request = next(&gemini_output(), &[("f1", "4"), ("f2", "5")]);
    let (body, changes) = Upstream::of(Dialect::Gemini).ask(&request);
    assert_eq!(changes, "");
    let parts = &body["contents"][1]["parts"];
    let signatures: Vec<&Value> =
        parts.as_array().unwrap().iter().map(|part| &part["thoughtSignature"]).collect();
    assert_eq!(signatures, [&Value::Null, &json!("dGV4dA=="), &json!("c2ln"), &Value::Null], "{parts}");
    assert_eq!(parts[2]["functionCall"]["args"], json!({"a": 1}));
}

#[test]
fn nobody_gets_what_another_provider_sealed() {
    let (body, changes) =
        Upstream::of(Dialect::Gemini).ask(&next(&claude_output(), &[("toolu_1", "4"), ("toolu_2", "5")]));
    assert!(!body.to_string().contains("Sig+/="), "{body}");
    assert!(changes.contains("another provider"), "{changes}");
    let (body, changes) =
        Upstream::of(Dialect::Anthropic).ask(&next(&gemini_output(), &[("f1", "4"), ("f2", "5")]));
    assert!(!body.to_string().contains("c2ln"), "{body}");
    assert!(changes.contains("another provider"), "{changes}");
    let (body, _) =
        Upstream::of(Dialect::OpenaiChat).ask(&next(&claude_output(), &[("toolu_1", "4"), ("toolu_2", "5")]));
    assert!(!body.to_string().contains("Sig+/="), "{body}");
}

#[test]
fn thoughts_that_a_client_changed_lose_their_signature() {
    let mut output = claude_output();
    output[0]["summary"][0]["text"] = json!("Let me think.");
    let (body, changes) =
        Upstream::of(Dialect::Anthropic).ask(&next(&output, &[("toolu_1", "4"), ("toolu_2", "5")]));
    assert!(!body.to_string().contains("Sig+/="), "{body}");
    assert!(changes.contains("anthropic takes back signed thoughts only"), "{changes}");
}

#[test]
fn openai_s_thoughts_stay_with_openai() {
    let output = json!([
        {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "gAAAA"},
        {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}", "status": "completed"}]);
    for dialect in [Dialect::Anthropic, Dialect::Gemini] {
        let (body, changes) = Upstream::of(dialect).ask(&next(&output, &[("call_1", "4")]));
        assert!(!body.to_string().contains("gAAAA"), "{body}");
        assert!(changes.contains("another provider"), "{dialect}: {changes}");
    }
}
