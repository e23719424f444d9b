//! The Responses API in front of every dialect.

use llm_testkit::{Script, Upstream, canned};
use serde_json::{Value, json};

use crate::harness::{Gateway, PROVIDER_KEY, Reply, anthropic, gemini, model, openai};

/// A deployment that knows chat completions only.
pub(crate) fn chat_only(upstream: &Upstream) -> String {
    let base = format!("{}/v1", upstream.url());
    format!(
        "{{ model = \"mistral/mistral-medium-latest\", api_base = \"{base}\", api_key = \"{PROVIDER_KEY}\" }}"
    )
}

/// Asks, and reads the whole answer.
pub(crate) async fn ask(gateway: &Gateway, body: &Value) -> Reply {
    gateway.post("/v1/responses").body(body.to_string()).send().await
}

/// The last Response object of a stream.
pub(crate) fn last(reply: &Reply) -> Value {
    let events = reply.events();
    let last = events.last().unwrap_or_else(|| panic!("{}", reply.text()));
    last["response"].clone()
}

pub(crate) fn asking(model: &str) -> Value {
    json!({"model": model, "input": "Hello!"})
}

/// A whole answer as OpenAI writes it.
pub(crate) fn response(id: &str, output: &Value) -> Value {
    json!({"id": id, "object": "response", "created_at": 1_741_000_000, "status": "completed", "error": null,
        "incomplete_details": null, "instructions": null, "model": "gpt-4o-2024-08-06", "output": output,
        "parallel_tool_calls": true, "previous_response_id": null, "tool_choice": "auto", "tools": [], "metadata": {},
        "usage": {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 3,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 12}})
}

pub(crate) fn said(text: &str) -> Value {
    json!({"id": "msg_1", "type": "message", "status": "completed", "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]})
}

fn claude(content: &Value, stop: &str) -> Value {
    let mut body = canned::anthropic_message(0);
    body["content"] = content.clone();
    body["stop_reason"] = stop.into();
    body
}

fn flash(parts: &Value) -> Value {
    json!({"responseId": "r-1", "modelVersion": "gemini-2.5-flash",
        "candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 29, "candidatesTokenCount": 15, "totalTokenCount": 44}})
}

fn completion(message: &Value, finish: &str) -> Value {
    let mut body = canned::openai_completion(0);
    body["choices"][0]["message"] = message.clone();
    body["choices"][0]["finish_reason"] = finish.into();
    body
}

#[tokio::test]
async fn openai_gets_and_gives_the_bytes_as_they_are() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    let answer = "{ \"id\":\"resp_1\",\"object\" : \"response\",\"status\":\"completed\", \"output\":[ ],\"x\":1.0,\"usage\":null }\n";
    upstream.push(Script::status(200).header("content-type", "application/json").body(answer));
    let body = "{ \"input\" :\"Hi\" , \"model\":\"smart\",\"tools\":[ {\"type\":\"web_search\"} ],\"store\":true,\"new\":1.0 }";
    let reply = gateway.post("/v1/responses").body(body).send().await;
    assert_eq!((reply.status, reply.text()), (200, answer));
    let received = upstream.last_request().unwrap();
    assert_eq!(
        (received.path(), received.header("authorization")),
        ("/v1/responses", Some(&*format!("Bearer {PROVIDER_KEY}")))
    );
    assert_eq!(received.text(), body.replace("\"smart\"", "\"gpt-4o\""));
    assert_eq!(reply.header("x-gateway-changes"), "");

    let events = [
        ": hello\n\n".to_owned(),
        "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\"},\"sequence_number\":0}\n\n".to_owned(),
        "event: response.output_text.delta\r\ndata:{\"type\":\"response.output_text.delta\", \"delta\":\"Hi\"}\r\n\r\n".to_owned(),
        format!("event: response.completed\ndata: {{\"type\":\"response.completed\",\"response\":{}}}\n\n", response("resp_1", &json!([]))),
    ];
    let whole = events.concat();
    upstream.push(Script::sse(events));
    upstream.push(Script::sse(whole.as_bytes().chunks(7).map(<[u8]>::to_vec)));
    for _ in 0..2 {
        let mut request = asking("smart");
        request["stream"] = true.into();
        let reply = ask(&gateway, &request).await;
        assert!(reply.header("content-type").starts_with("text/event-stream"));
        assert_eq!(reply.text(), whole);
    }
}

#[tokio::test]
async fn the_same_conversation_reaches_every_dialect() {
    let upstream = Upstream::start().unwrap();
    let request = |model: &str| {
        json!({"model": model, "instructions": "Be brief.", "max_output_tokens": 300, "temperature": 0.2, "store": false,
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "Picture and weather?"},
                    {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}]},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Checking."}]},
                {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{\"city\":\"Oslo\"}"},
                {"type": "function_call", "call_id": "call_2", "name": "get_weather", "arguments": "{\"city\":\"Rome\"}"},
                {"type": "function_call_output", "call_id": "call_1", "output": "4"},
                {"type": "function_call_output", "call_id": "call_2", "output": "19"},
                {"role": "user", "content": "And tomorrow?"}],
            "text": {"format": {"type": "json_schema", "name": "W", "strict": true,
                "schema": {"type": "object", "properties": {"t": {"type": "integer"}}, "required": ["t"], "additionalProperties": false}}},
            "tools": [{"type": "function", "name": "get_weather", "description": "Weather", "strict": false,
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}]})
    };
    let config = [
        model("claude", &[anthropic(&upstream)]),
        model("flash", &[gemini(&upstream)]),
        model("chat", &[chat_only(&upstream)]),
    ];
    let gateway = Gateway::start(&config.concat());
    upstream.push(Script::json(&claude(&json!([{"type": "text", "text": "{\"t\":4}"}]), "end_turn")));
    upstream.push(Script::json(&flash(&json!([{"text": "{\"t\":4}"}]))));
    upstream.push(Script::json(&completion(&json!({"role": "assistant", "content": "{\"t\":4}"}), "stop")));
    for name in ["claude", "flash", "chat"] {
        let reply = ask(&gateway, &request(name)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let body = reply.json();
        assert_eq!((&body["object"], &body["status"]), (&json!("response"), &json!("completed")));
        assert_eq!(body["output"][0]["content"][0]["text"], "{\"t\":4}", "{name}: {body}");
        assert_eq!(body["instructions"], "Be brief.");
        assert_eq!(body["tools"], request(name)["tools"]);
        assert!(body["usage"]["input_tokens"].as_u64() > Some(0), "{body}");
        let sent = upstream.last_request().unwrap().text();
        for word in
            ["Be brief.", "iVBORw0KGgo=", "Checking.", "Oslo", "Rome", "19", "And tomorrow?", "get_weather"]
        {
            assert!(sent.contains(word), "{name}: no `{word}` in {sent}");
        }
    }
}

#[tokio::test]
async fn a_stream_holds_every_item_and_ends_with_all_of_them() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("chat", &[chat_only(&upstream)]));
    let chunk = |delta: Value, finish: Value| {
        json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let call = |index: u32, id: &str, arguments: &str| json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": "f", "arguments": arguments}}]});
    upstream.push(Script::openai_sse(&[
        chunk(json!({"role": "assistant", "content": "Both."}), Value::Null),
        chunk(call(0, "callaaaa1", "{\"a\":1}"), Value::Null),
        chunk(call(1, "callaaaa2", "{\"b\":2}"), Value::Null),
        chunk(json!({}), json!("tool_calls")),
    ]));
    let mut request = asking("chat");
    request["stream"] = true.into();
    let reply = ask(&gateway, &request).await;
    let events = reply.events();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    let added = events.iter().filter(|event| event["type"] == "response.output_item.added");
    let indices: Vec<&Value> = added.map(|event| &event["output_index"]).collect();
    assert_eq!(indices, [0, 1, 2]);
    let end = last(&reply);
    assert_eq!(end["output"][0]["content"][0]["text"], "Both.");
    assert_eq!(
        (&end["output"][1]["call_id"], &end["output"][2]["arguments"]),
        (&json!("callaaaa1"), &json!("{\"b\":2}"))
    );
}

#[tokio::test]
async fn what_only_openai_can_do_is_refused_elsewhere() {
    let upstream = Upstream::start().unwrap();
    let config =
        [model("claude", &[anthropic(&upstream)]), model("both", &[anthropic(&upstream), openai(&upstream)])];
    let gateway = Gateway::start(&config.concat());
    for (member, value, param) in [
        ("tools", json!([{"type": "web_search"}]), "tools[0]"),
        (
            "tools",
            json!([{"type": "function", "name": "f"}, {"type": "code_interpreter", "container": {"type": "auto"}}]),
            "tools[1]",
        ),
        ("previous_response_id", json!("resp_1"), "previous_response_id"),
        ("background", json!(true), "background"),
        ("store", json!(true), "store"),
        ("conversation", json!("conv_1"), "conversation"),
        ("prompt", json!({"id": "pmpt_1"}), "prompt"),
    ] {
        let mut request = asking("claude");
        request[member] = value.clone();
        let error = ask(&gateway, &request).await.error(400);
        assert_eq!((error.code.as_str(), error.param.as_str()), ("unsupported_parameter", param));
        assert_eq!(upstream.requests().len(), 0);
    }
    // Where one deployment can do it, that one does, every time.
    for _ in 0..3 {
        upstream.push_for("/v1/responses", Script::json(&response("resp_1", &json!([said("Found.")]))));
        let mut request = asking("both");
        request["tools"] = json!([{"type": "web_search"}]);
        let reply = ask(&gateway, &request).await;
        assert_eq!((reply.status, reply.header("x-gateway-provider")), (200, "openai"), "{}", reply.text());
    }
}

#[tokio::test]
async fn what_is_lost_is_told() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("claude", &[anthropic(&upstream)]));
    upstream.push(Script::json(&claude(&json!([{"type": "text", "text": "Hi"}]), "end_turn")));
    let mut request = asking("claude");
    request["truncation"] = "auto".into();
    request["new_member"] = 1.into();
    request["include"] = json!(["reasoning.encrypted_content"]);
    request["store"] = false.into();
    let reply = ask(&gateway, &request).await;
    let changes = reply.header("x-gateway-changes");
    assert!(changes.contains("dropped truncation") && changes.contains("dropped new_member"), "{changes}");
    assert!(!changes.contains("include") && !changes.contains("store"), "{changes}");
}

#[tokio::test]
async fn failures_have_openai_s_shape() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("claude", &[anthropic(&upstream)]));
    let error = ask(&gateway, &json!({"model": "claude"})).await.error(400);
    assert_eq!(error.param, "input");
    let error = ask(&gateway, &json!({"input": "Hi"})).await.error(400);
    assert_eq!(error.param, "model");
    let error = ask(&gateway, &asking("nobody")).await.error(404);
    assert_eq!(error.code, "model_not_found");
    let failure =
        json!({"type": "error", "error": {"type": "invalid_request_error", "message": "messages: too many"}});
    upstream.push(Script::status(400).json_body(&failure));
    ask(&gateway, &asking("claude")).await.error(400).says(&["too many"]);
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_a_failure() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("claude", &[anthropic(&upstream)]));
    let mut events: Vec<String> = canned::anthropic_stream(5);
    events.truncate(4);
    upstream.push(Script::sse(events));
    let mut request = asking("claude");
    request["stream"] = true.into();
    let reply = ask(&gateway, &request).await;
    let events = reply.events();
    let [.., failed, error] = &*events else { panic!("{}", reply.text()) };
    assert_eq!(
        (&failed["type"], &failed["response"]["status"]),
        (&json!("response.failed"), &json!("failed"))
    );
    assert_eq!(error["type"], "error");
    assert!(error["error"]["message"].is_string(), "{error}");
    assert!(!reply.text().contains("response.completed"));
}
