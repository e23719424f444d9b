//! What is sent for requests of OpenAI's clients.

use llm_types::ErrorKind;
use serde_json::json;

use super::*;

fn ask(members: Value) -> ChatRequest {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    asked(&body)
}

#[test]
fn options_have_names_of_their_own() {
    let (body, changes) = send(
        ask(json!({"max_completion_tokens": 9, "temperature": 0.5, "top_p": 1.0, "top_k": 7, "seed": 3,
            "stop": ["a", "b"], "frequency_penalty": -0.5, "presence_penalty": 0.25, "logprobs": true,
            "safety_mode": "STRICT", "documents": [{"id": "1", "data": {"text": "d"}}], "stream": true,
            "citation_options": {"mode": "FAST"}})),
        PLAIN,
    );
    assert_eq!(
        body,
        json!({"model": PLAIN, "stream": true, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9,
            "temperature": 0.5, "p": 0.99, "k": 7, "seed": 3, "stop_sequences": ["a", "b"],
            "frequency_penalty": 0, "presence_penalty": 0.25, "logprobs": true, "safety_mode": "STRICT",
            "documents": [{"id": "1", "data": {"text": "d"}}], "citation_options": {"mode": "FAST"}})
    );
    assert_eq!(changes, ["altered p", "altered frequency_penalty"]);
}

#[test]
fn what_cannot_be_asked_is_told() {
    let (body, changes) = send(
        ask(
            json!({"user": "u", "logit_bias": {"1": 2}, "top_logprobs": 3, "stop": ["1", "2", "3", "4", "5", "6"],
            "service_tier": "flex", "store": true, "odd": 1, "reasoning_effort": "high"}),
        ),
        PLAIN,
    );
    assert_eq!(body["stop_sequences"].as_array().unwrap().len(), 5);
    for path in
        ["user", "logit_bias", "top_logprobs", "stop[5]", "service_tier", "store", "odd", "reasoning_effort"]
    {
        assert!(changes.contains(&format!("dropped {path}")), "{path}: {changes:?}");
    }
    let error = try_send(ask(json!({"n": 2})), PLAIN).unwrap_err();
    assert_eq!((error.kind, error.param.as_deref()), (ErrorKind::UnsupportedParam, Some("n")));
}

#[test]
fn thinking_is_a_budget() {
    let check = |asked: Value, expect: Value, change: &[&str]| {
        let (body, changes) = send(ask(asked.clone()), THINKING);
        assert_eq!(
            (body.get("thinking").cloned().unwrap_or_default(), changes),
            (expect, change.iter().map(|c| (*c).to_owned()).collect()),
            "{asked}"
        );
    };
    check(json!({}), Value::Null, &[]);
    check(json!({"reasoning_effort": "none"}), json!({"type": "disabled"}), &[]);
    check(
        json!({"reasoning_effort": "low"}),
        json!({"type": "enabled", "token_budget": 1024}),
        &["altered reasoning_effort"],
    );
    check(json!({"reasoning_effort": "high"}), json!({"type": "enabled"}), &["altered reasoning_effort"]);
    let thinking = json!({"type": "enabled", "budget_tokens": 2000});
    check(json!({"thinking": thinking}), json!({"type": "enabled", "token_budget": 2000}), &[]);
}

#[test]
fn a_choice_among_tools_is_made_of_what_is_sent() {
    let tool = |name: &str, strict: bool| json!({"type": "function", "function": {"name": name, "strict": strict, "parameters": {"type": "object", "properties": {}}}});
    let check = |choice: Value, names: &[&str], word: Value| {
        let (body, _) =
            send(ask(json!({"tools": [tool("a", true), tool("b", true)], "tool_choice": choice})), PLAIN);
        let sent: Vec<_> = body["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool["function"]["name"].as_str().unwrap())
            .collect();
        assert_eq!((sent.as_slice(), body.get("tool_choice").cloned().unwrap_or_default()), (names, word));
        assert_eq!(body["strict_tools"], true);
    };
    check(json!("auto"), &["a", "b"], Value::Null);
    check(json!("required"), &["a", "b"], json!("REQUIRED"));
    check(json!("none"), &["a", "b"], json!("NONE"));
    check(json!({"type": "function", "function": {"name": "b"}}), &["b"], json!("REQUIRED"));
    let (body, changes) = send(ask(json!({"tools": [tool("a", true), tool("b", false)]})), PLAIN);
    assert!(body.get("strict_tools").is_none(), "{body}");
    assert_eq!(changes, ["dropped tools[0].function.strict"]);
    let custom = json!({"type": "custom", "custom": {"name": "free.text"}});
    let (body, changes) =
        send(ask(json!({"tools": [custom], "response_format": {"type": "json_object"}})), PLAIN);
    assert_eq!(body["tools"][0]["function"]["name"], "free_text");
    assert_eq!(changes, ["altered tools[0]", "dropped response_format"]);
}

#[test]
fn structured_answers_are_asked_for_by_schema() {
    let schema = json!({"type": "object", "properties": {"t": {"type": "integer"}}});
    let format = json!({"type": "json_schema", "json_schema": {"name": "W", "schema": schema}});
    let (body, changes) = send(ask(json!({"response_format": format})), PLAIN);
    assert_eq!(body["response_format"], json!({"type": "json_object", "json_schema": schema}));
    assert!(changes.is_empty(), "{changes:?}");
    let (body, changes) = send(ask(json!({"response_format": format, "documents": ["d"]})), PLAIN);
    assert!(body.get("response_format").is_none());
    assert_eq!(changes, ["dropped response_format"]);
}

/// A conversation with a plan, calls, and results.
fn conversation() -> Value {
    let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
    let document = json!({"type": "document", "document": {"id": "d1", "data": {"temp": 4}}});
    json!({"model": "m", "messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Look."},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}}]},
        {"role": "assistant", "content": "I look.", "reasoning_content": "Hm.", "tool_calls": [call("c1", "{\"a\":1}"), call("c2", "")]},
        {"role": "tool", "tool_call_id": "c1", "content": [document]},
        {"role": "tool", "tool_call_id": "c2", "content": "noon"},
        {"role": "assistant", "content": "Four.", "reasoning_content": "Hm."},
        {"role": "user", "content": ""},
        {"role": "user", "content": "Thanks."}]})
}

#[test]
fn conversations_keep_plans_documents_and_thoughts() {
    let calls = json!([
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
        {"id": "c2", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let results = [
        json!({"role": "tool", "tool_call_id": "c1", "content": [{"type": "document", "document": {"data": {"temp": 4}, "id": "d1"}}]}),
        json!({"role": "tool", "tool_call_id": "c2", "content": "noon"}),
    ];
    let first = [
        json!({"role": "system", "content": "Be brief."}),
        json!({"role": "user", "content": [{"type": "text", "text": "Look."},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}}]}),
    ];
    let last = json!({"role": "user", "content": "Thanks."});
    let [system, user] = &first;
    let [one, two] = &results;
    let (body, changes) = send(asked(&conversation()), PLAIN);
    let said = json!({"role": "assistant", "tool_plan": "Hm.I look.", "tool_calls": calls});
    let answer = json!({"role": "assistant", "content": "Four."});
    assert_eq!(body["messages"], json!([system, user, said, one, two, answer, last]));
    assert_eq!(changes, ["dropped messages[5].reasoning"]);

    let (body, changes) = send(asked(&conversation()), THINKING);
    let thought = json!({"type": "thinking", "thinking": "Hm."});
    let said =
        json!({"role": "assistant", "content": [thought], "tool_plan": "I look.", "tool_calls": calls});
    let answer = json!({"role": "assistant", "content": [thought, {"type": "text", "text": "Four."}]});
    assert_eq!(body["messages"], json!([system, user, said, one, two, answer, last]));
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn what_the_model_cannot_read_is_refused() {
    let check = |part: Value| {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": [part]}]});
        let error = try_send(asked(&body), PLAIN).unwrap_err();
        assert_eq!(
            (error.kind, error.param.as_deref()),
            (ErrorKind::BadRequest, Some("messages[0].content[0]"))
        );
    };
    check(json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}));
    check(
        json!({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}),
    );
    check(json!({"type": "file", "file": {"file_id": "f1"}}));
    let error = try_send(asked(&json!({"model": "m", "messages": [{"role": "user", "content": ""}]})), PLAIN);
    assert_eq!(error.unwrap_err().param.as_deref(), Some("messages"));
}
