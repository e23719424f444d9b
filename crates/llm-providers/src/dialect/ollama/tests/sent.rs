//! What is sent for requests of OpenAI's clients.

use llm_types::{Dialect, ErrorKind};
use serde_json::json;

use super::*;

fn ask(members: Value) -> ChatRequest {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    asked(&body)
}

#[test]
fn options_stand_in_an_object_of_their_own() {
    let (body, changes) = send(
        ask(json!({"max_completion_tokens": 9, "temperature": 0.5, "top_p": 1.0, "top_k": 7, "seed": 3,
            "stop": ["a", "b"], "frequency_penalty": -0.5, "presence_penalty": 0.25, "logprobs": true,
            "top_logprobs": 2, "num_ctx": 8192, "min_p": 0.1, "keep_alive": "5m", "stream": true,
            "options": {"num_gpu": 1, "seed": 4}})),
        PLAIN,
    );
    assert_eq!(
        body,
        json!({"model": PLAIN, "stream": true, "messages": [{"role": "user", "content": "Hi"}], "logprobs": true,
            "top_logprobs": 2, "keep_alive": "5m", "options": {"num_predict": 9, "temperature": 0.5, "top_p": 1.0,
            "top_k": 7, "seed": 3, "stop": ["a", "b"], "frequency_penalty": -0.5, "presence_penalty": 0.25,
            "num_ctx": 8192, "min_p": 0.1, "num_gpu": 1}})
    );
    assert_eq!(changes, ["dropped options.seed"]);
    let (body, changes) = send(ask(json!({})), PLAIN);
    assert_eq!(
        body,
        json!({"model": PLAIN, "stream": false, "messages": [{"role": "user", "content": "Hi"}]})
    );
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn what_cannot_be_asked_is_told() {
    let asks = json!({"user": "u", "logit_bias": {"1": 2}, "service_tier": "flex", "store": true, "odd": 1,
        "parallel_tool_calls": false});
    let (_, changes) = send(ask(asks), PLAIN);
    for path in ["user", "logit_bias", "service_tier", "store", "odd", "parallel_tool_calls"] {
        assert!(changes.contains(&format!("dropped {path}")), "{path}: {changes:?}");
    }
    let error = try_send(ask(json!({"n": 2})), PLAIN).unwrap_err();
    assert_eq!((error.kind, error.param.as_deref()), (ErrorKind::UnsupportedParam, Some("n")));
    let error = try_send(ask(json!({"options": 1})), PLAIN).unwrap_err();
    assert_eq!((error.kind, error.param.as_deref()), (ErrorKind::BadRequest, Some("options")));
}

#[test]
fn models_think_or_think_at_levels() {
    let check = |model: &str, asked: Value, expect: Value, change: &[&str]| {
        let (body, changes) = send(ask(asked.clone()), model);
        assert_eq!(
            (body.get("think").cloned().unwrap_or_default(), changes.as_slice()),
            (expect, change.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>().as_slice()),
            "{model} {asked}"
        );
    };
    let effort = |word: &str| json!({"reasoning_effort": word});
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 2000}});
    check(PLAIN, json!({}), Value::Null, &[]);
    check(PLAIN, effort("none"), json!(false), &[]);
    check(PLAIN, effort("high"), json!(true), &["altered reasoning_effort"]);
    check(PLAIN, thinking, json!(true), &["dropped thinking.budget_tokens"]);
    check(PLAIN, json!({"think": "high"}), json!("high"), &[]);
    check(LEVELS, effort("high"), json!("high"), &[]);
    check(LEVELS, effort("xhigh"), json!("high"), &["altered reasoning_effort"]);
    check(LEVELS, effort("none"), json!("low"), &["altered reasoning_effort"]);
}

#[test]
fn a_choice_among_tools_is_made_of_what_is_sent() {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name, "description": "d"}});
    let check = |choice: Value, names: &[&str], change: &[&str]| {
        let (body, changes) =
            send(ask(json!({"tools": [tool("a"), tool("b")], "tool_choice": choice})), PLAIN);
        let tools = body["tools"].as_array().cloned().unwrap_or_default();
        let sent: Vec<_> = tools.iter().map(|tool| tool["function"]["name"].as_str().unwrap()).collect();
        assert_eq!(
            (sent.as_slice(), changes.as_slice()),
            (names, change.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>().as_slice()),
            "{choice}"
        );
        for tool in &tools {
            assert_eq!(tool["function"]["parameters"]["type"], "object");
        }
    };
    check(json!("auto"), &["a", "b"], &[]);
    check(json!("required"), &["a", "b"], &["dropped tool_choice"]);
    check(json!("none"), &[], &["altered tool_choice"]);
    let one = json!({"type": "function", "function": {"name": "b"}});
    check(one, &["b"], &["altered tool_choice", "dropped tool_choice"]);
}

#[test]
fn structured_answers_are_asked_for_by_schema() {
    let schema = json!({"type": "object", "properties": {"t": {"type": "integer"}}});
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "W", "schema": schema, "strict": true}});
    let (body, changes) = send(ask(json!({"response_format": format})), PLAIN);
    assert_eq!((&body["format"], changes.len()), (&schema, 0));
    let (body, _) = send(ask(json!({"response_format": {"type": "json_object"}})), PLAIN);
    assert_eq!(body["format"], "json");
}

#[test]
fn conversations_keep_pictures_thoughts_and_calls() {
    let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
    let picture = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}});
    let body = json!({"model": "m", "messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Look."}, picture, {"type": "text", "text": " Well?"}]},
        {"role": "assistant", "content": "I look.", "reasoning_content": "Hm.", "tool_calls": [call("c1", "{\"a\":1}"), call("c2", "")]},
        {"role": "tool", "tool_call_id": "c2", "content": "noon"},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "four"}]},
        {"role": "user", "content": ""}]});
    let (sent, changes) = send(asked(&body), PLAIN);
    assert_eq!(
        sent["messages"],
        json!([{"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Look. Well?", "images": ["iVBORw0KGgo="]},
            {"role": "assistant", "content": "I look.", "thinking": "Hm.", "tool_calls": [
                {"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}},
                {"id": "c2", "function": {"name": "f", "arguments": {}}}]},
            {"role": "tool", "content": "noon", "tool_name": "f", "tool_call_id": "c2"},
            {"role": "tool", "content": "four", "tool_name": "f", "tool_call_id": "c1"},
            {"role": "user", "content": ""}])
    );
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
    check(json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}));
    check(json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}));
    check(
        json!({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}),
    );
}

#[test]
fn a_text_is_gone_on_with_where_a_client_asks_for_that() {
    let client = Asked { dialect: Some(Dialect::OpenaiCompletions), ..Asked::default() };
    let body = br#"{"model":"m","prompt":"The sky is","max_tokens":5,"raw":true}"#;
    let call = crate::dialect::openai_completions::Server.decode(body, &client).unwrap();
    let (mut changes, spec) = (Changes::default(), spec());
    let mut cx = EncodeCx { spec: &spec, model: PLAIN, asked: &client, changes: &mut changes };
    let wire = Client.encode(&call, &mut cx).unwrap();
    let body: Value = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
    assert_eq!(wire.path, "/api/generate");
    assert_eq!(
        body,
        json!({"model": PLAIN, "prompt": "The sky is", "stream": false, "raw": true, "options": {"num_predict": 5}})
    );
    assert!(changes.is_empty());
}

#[test]
fn an_empty_text_ends_no_answer() {
    let request = |stop: Value| {
        asked(&json!({"model": "m", "stop": stop, "messages": [{"role": "user", "content": "q"}]}))
    };
    let (body, changes) = send(request(json!(["x", ""])), PLAIN);
    assert_eq!(body["options"]["stop"], json!(["x"]));
    assert_eq!(changes, ["dropped stop[1]"]);
    let (body, changes) = send(request(json!([""])), PLAIN);
    assert!(body["options"]["stop"].is_null(), "{body}");
    assert_eq!(changes, ["dropped stop[0]"]);
}
