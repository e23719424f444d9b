//! Anthropic's API in front of OpenAI's.

use llm_testkit::{Script, Upstream, canned};
use serde_json::{Value, json};

use crate::harness::{Gateway, PROVIDER_KEY, model, openai};
use crate::messages::{MESSAGES, coding_agent, gathered, message, post};

fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start(&model("gpt", &[openai(upstream)]))
}

/// An answer with this message.
fn completion(message: Value, finish: &str) -> Value {
    let mut body = canned::openai_completion(0);
    body["choices"][0]["message"] = message;
    body["choices"][0]["finish_reason"] = finish.into();
    body["usage"] = json!({
        "prompt_tokens": 115, "completion_tokens": 20, "total_tokens": 135,
        "prompt_tokens_details": {"cached_tokens": 100}, "completion_tokens_details": {"reasoning_tokens": 5}
    });
    body
}

fn sent(upstream: &Upstream) -> Value {
    upstream.last_request().unwrap().json()
}

#[tokio::test]
async fn a_request_is_written_as_openai_wants_it() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    upstream.push(Script::json(&completion(json!({"role": "assistant", "content": "Rain."}), "stop")));
    let tool = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let body = json!({
        "model": "gpt",
        "max_tokens": 300,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "Picture and weather?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
            ]},
            {"role": "assistant", "content": [
                {"type": "text", "text": "Checking."},
                {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Oslo"}},
                {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}}
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "{\"temp\":4}"},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": [{"type": "text", "text": "noon"}]},
                {"type": "text", "text": "And tomorrow?"}
            ]}
        ],
        "tools": [{"name": "get_weather", "description": "Weather by city", "input_schema": tool}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        "temperature": 0.2,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u-1"}
    });
    let reply = post(&gateway, MESSAGES, &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let received = upstream.last_request().unwrap();
    assert_eq!(received.target, "/v1/chat/completions");
    assert_eq!(received.header("authorization"), Some(&*format!("Bearer {PROVIDER_KEY}")));
    assert_eq!(received.header("anthropic-version"), None);
    let body = received.json();
    let roles: Vec<&str> = body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "tool", "user"]);
    let image = &body["messages"][1]["content"][1]["image_url"]["url"];
    assert_eq!(image, "data:image/png;base64,iVBORw0KGgo=");
    let calls = body["messages"][2]["tool_calls"].clone();
    assert_eq!((&calls[0]["id"], &calls[0]["function"]["name"]), (&json!("toolu_1"), &json!("get_weather")));
    assert_eq!(calls[0]["function"]["arguments"], r#"{"city":"Oslo"}"#);
    assert_eq!(body["messages"][3]["tool_call_id"], "toolu_1");
    assert_eq!(body["messages"][4]["content"], "noon");
    assert_eq!((&body["tool_choice"], &body["parallel_tool_calls"]), (&json!("required"), &json!(false)));
    assert_eq!(body["tools"][0]["function"]["parameters"], tool);
    assert_eq!((&body["stop"], &body["user"]), (&json!(["END"]), &json!("u-1")));
    let limit = body.get("max_completion_tokens").or(body.get("max_tokens"));
    assert_eq!(limit, Some(&json!(300)));
}

#[tokio::test]
async fn an_answer_is_written_as_anthropic_does() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let text = json!({"role": "assistant", "content": "Rain."});
    let call = |id: &str, city: &str| json!({"id": id, "type": "function", "function": {"name": "w", "arguments": json!({"c": city}).to_string()}});
    let calls = json!({"role": "assistant", "content": null, "tool_calls": [call("call_1", "Oslo"), call("call_2", "Bergen")]});
    for (answer, finish, reason) in [
        (&text, "stop", "end_turn"),
        (&text, "length", "max_tokens"),
        (&text, "content_filter", "refusal"),
        (&calls, "tool_calls", "tool_use"),
        (&calls, "stop", "tool_use"),
    ] {
        upstream.push(Script::json(&completion(answer.clone(), finish)));
        let reply = post(&gateway, MESSAGES, &message("gpt")).await;
        let body = reply.json();
        assert!(body["id"].as_str().unwrap().starts_with("msg_"), "{body}");
        assert_eq!((&body["type"], &body["role"]), (&json!("message"), &json!("assistant")));
        assert_eq!(body["model"], canned::openai_completion(0)["model"]);
        assert_eq!((&body["stop_reason"], &body["stop_sequence"]), (&json!(reason), &Value::Null));
        let usage = &body["usage"];
        let counts =
            ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens"];
        assert_eq!(counts.map(|name| usage[name].as_u64()), [Some(15), Some(100), Some(0), Some(20)]);
        let content = if answer == &text {
            json!([{"type": "text", "text": "Rain."}])
        } else {
            json!([
                {"type": "tool_use", "id": "call_1", "name": "w", "input": {"c": "Oslo"}},
                {"type": "tool_use", "id": "call_2", "name": "w", "input": {"c": "Bergen"}}
            ])
        };
        assert_eq!(body["content"], content);
    }
}

fn chunk(delta: Value, finish: Value) -> Value {
    json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

#[tokio::test]
async fn interleaved_calls_are_streamed_one_after_the_other() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let open = |index: u32, id: &str| json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": id, "arguments": ""}}]});
    let piece =
        |index: u32, text: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]});
    let usage = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": [],
        "usage": {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29, "prompt_tokens_details": {"cached_tokens": 5}}});
    upstream.push(Script::openai_sse(&[
        chunk(json!({"role": "assistant", "content": ""}), Value::Null),
        chunk(json!({"reasoning_content": "Two "}), Value::Null),
        chunk(json!({"reasoning_content": "cities."}), Value::Null),
        chunk(json!({"content": "Let me see."}), Value::Null),
        chunk(open(0, "a"), Value::Null),
        chunk(open(1, "b"), Value::Null),
        chunk(piece(1, "{\"y\":"), Value::Null),
        chunk(piece(0, "{\"x\":"), Value::Null),
        chunk(piece(1, "2}"), Value::Null),
        chunk(piece(0, "1}"), Value::Null),
        chunk(json!({}), json!("tool_calls")),
        usage,
    ]));
    let mut body = message("gpt");
    body["stream"] = true.into();
    let reply = post(&gateway, MESSAGES, &body).await;
    let message = gathered(reply.text());
    assert_eq!(
        message["content"],
        json!([
            {"type": "thinking", "thinking": "Two cities.", "signature": ""},
            {"type": "text", "text": "Let me see."},
            {"type": "tool_use", "id": "a", "name": "a", "input": {"x": 1}},
            {"type": "tool_use", "id": "b", "name": "b", "input": {"y": 2}}
        ])
    );
    assert_eq!(message["stop_reason"], "tool_use");
    let usage = &message["usage"];
    let counts =
        ["input_tokens", "cache_read_input_tokens", "output_tokens"].map(|name| usage[name].as_u64());
    assert_eq!(counts, [Some(15), Some(5), Some(9)]);
    assert_eq!(sent(&upstream)["stream_options"], json!({"include_usage": true}));
}

#[tokio::test]
async fn pieces_leave_as_they_come() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let gate = llm_testkit::Gate::new();
    let events = canned::openai_stream(3, canned::IncludeUsage::Yes);
    let (first, rest) = events.split_at(2);
    let script = rest.iter().cloned().fold(Script::sse(first.to_vec()).gate(&gate), Script::chunk);
    upstream.push(script);
    let mut body = message("gpt");
    body["stream"] = true.into();
    let mut stream = gateway.post(MESSAGES).body(body.to_string()).open().await;
    let begun = stream.until("text_delta").await;
    assert!(begun.contains("message_start") && begun.contains("The "), "{begun}");
    gate.open();
    let rest = stream.whole().await;
    assert!(rest.text().ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
}

#[tokio::test]
async fn a_coding_agent_works_on_openai_and_is_told_what_was_lost() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    upstream.push(Script::sse(canned::openai_stream(3, canned::IncludeUsage::Yes)));
    let reply = post(&gateway, MESSAGES, &coding_agent("gpt")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    gathered(reply.text());
    let changes = reply.header("x-gateway-changes");
    // Signed thoughts cannot go to another provider, and who cannot prune a history must say so.
    for lost in ["thinking_blocks", "context_management"] {
        assert!(changes.contains(lost), "no {lost} in {changes}");
    }
    let body = sent(&upstream);
    assert_eq!(body["tools"].as_array().unwrap().len(), 24);
    let messages = body["messages"].as_array().unwrap();
    let roles: Vec<&str> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(
        roles,
        ["system", "user", "assistant", "tool", "tool", "assistant", "tool", "tool", "user"],
        "{body}"
    );
    let system = messages[0]["content"].to_string();
    assert!(system.contains("coding agent") && system.contains("branch: main"), "{system}");
    // The picture that a tool returned is there, wherever the provider takes it.
    assert!(body.to_string().contains("data:image/png;base64,iVBORw0KGgo"), "{body}");
}

#[tokio::test]
async fn thoughts_of_a_provider_that_signs_nothing_go_back_to_it() {
    let upstream = Upstream::start().unwrap();
    let base = format!("{}/v1", upstream.url());
    let row = format!("{{ model = \"deepseek/deepseek-reasoner\", api_base = \"{base}\", api_key = \"k\" }}");
    let gateway = Gateway::start(&model("deep", &[row]));
    let call = json!({"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let answer =
        json!({"role": "assistant", "content": "", "reasoning_content": "Hm.", "tool_calls": [call]});
    upstream.push(Script::json(&completion(answer, "tool_calls")));
    upstream.push(Script::json(&completion(json!({"role": "assistant", "content": "Done."}), "stop")));
    let mut body = message("deep");
    body["tools"] = json!([{"name": "f", "input_schema": {"type": "object"}}]);
    let first = post(&gateway, MESSAGES, &body).await.json();
    assert_eq!(first["content"][0], json!({"type": "thinking", "thinking": "Hm.", "signature": ""}));
    body["messages"].as_array_mut().unwrap().extend([
        json!({"role": "assistant", "content": first["content"]}),
        json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "ok"}]}),
    ]);
    let second = post(&gateway, MESSAGES, &body).await;
    assert_eq!(second.json()["content"][0]["text"], "Done.");
    assert_eq!(sent(&upstream)["messages"][1]["reasoning_content"], "Hm.");
}
