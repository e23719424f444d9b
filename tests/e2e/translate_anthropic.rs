//! OpenAI's API in front of Anthropic's.

use llm_testkit::{Script, Upstream, canned};
use serde_json::{Value, json};

use crate::harness::{Gateway, PROVIDER_KEY, anthropic, chat, model, streamed};
use crate::translate::{canonical, second_turn, streamed_arguments, streamed_finish, structured, weather};

fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start(&model("claude", &[anthropic(upstream)]))
}

/// An answer of these blocks.
fn message(content: Value, stop: &str) -> Script {
    let mut body = canned::anthropic_message(0);
    body["content"] = content;
    body["stop_reason"] = stop.into();
    body["usage"] = json!({"input_tokens": 10, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 5, "output_tokens": 20});
    Script::json(&body)
}

fn sent(upstream: &Upstream) -> Value {
    upstream.last_request().unwrap().json()
}

#[tokio::test]
async fn a_request_is_written_as_anthropic_wants_it() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    upstream.push(message(json!([{"type": "text", "text": "Rain."}]), "end_turn"));
    let reply = gateway.chat(&canonical("claude")).await;
    assert_eq!((reply.status, reply.content().as_str()), (200, "Rain."));
    let received = upstream.last_request().unwrap();
    assert_eq!((received.method.as_str(), received.target.as_str()), ("POST", "/v1/messages"));
    assert_eq!(received.header("x-api-key"), Some(PROVIDER_KEY));
    assert_eq!(received.header("authorization"), None);
    assert!(received.header("anthropic-version").is_some());

    let body = received.json();
    assert_eq!((&body["model"], &body["max_tokens"]), (&json!("claude-sonnet-4-5"), &json!(300)));
    assert_eq!((&body["temperature"], &body["stop_sequences"]), (&json!(0.2), &json!(["END"])));
    assert_eq!(body["tool_choice"]["type"], "any");
    assert!(body["system"].to_string().contains("Be brief."), "{body}");
    assert_eq!(body["tools"][0]["name"], "get_weather");
    assert_eq!(body["tools"][0]["input_schema"]["required"], json!(["city"]));
    let roles: Vec<&str> = body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    let [first, second, third] = [0, 1, 2].map(|index| &body["messages"][index]["content"]);
    let image = json!({"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="});
    assert_eq!((&first[1]["type"], &first[1]["source"]), (&json!("image"), &image));
    assert_eq!(second[0]["text"], "Checking.");
    assert_eq!(
        second[1],
        json!({"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Oslo"}})
    );
    assert_eq!(second[2]["input"], json!({}));
    assert_eq!((&third[0]["type"], &third[0]["tool_use_id"]), (&json!("tool_result"), &json!("call_1")));
    assert!(third[0]["content"].to_string().contains("temp"), "{third}");
    assert_eq!(third[1]["tool_use_id"], "call_2");
    assert_eq!(third[2]["text"], "And tomorrow?");
}

#[tokio::test]
async fn an_answer_is_written_as_openai_does() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    for (stop, finish) in [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("stop_sequence", "stop"),
        ("refusal", "content_filter"),
    ] {
        upstream.push(message(
            json!([{"type": "text", "text": "One. "}, {"type": "text", "text": "Two."}]),
            stop,
        ));
        let reply = gateway.chat(&chat("claude")).await;
        let body = reply.json();
        assert_eq!(body["object"], "chat.completion");
        assert_eq!(body["model"], canned::anthropic_message(0)["model"]);
        assert_eq!(body["choices"][0]["message"]["role"], "assistant");
        assert_eq!(reply.content(), "One. Two.");
        assert_eq!(body["choices"][0]["finish_reason"], finish, "{stop}");
        let usage = &body["usage"];
        let counts = ["prompt_tokens", "completion_tokens", "total_tokens"].map(|name| usage[name].as_u64());
        assert_eq!(counts, [Some(115), Some(20), Some(135)]);
        assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 100);
    }
}

#[tokio::test]
async fn a_tool_is_called_and_its_result_goes_back() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let mut request = chat("claude");
    request["tools"] = json!([weather()]);
    upstream.push(message(
        json!([
            {"type": "text", "text": "Let me see."},
            {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Oslo"}}
        ]),
        "tool_use",
    ));
    let answer = gateway.chat(&request).await.json();
    let choice = &answer["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("tool_calls"), &json!("Let me see."))
    );
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!((&call["id"], &call["function"]["name"]), (&json!("toolu_1"), &json!("get_weather")));
    let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments, json!({"city": "Oslo"}));

    upstream.push(message(json!([{"type": "text", "text": "It is 4 degrees."}]), "end_turn"));
    let reply = gateway.chat(&second_turn(&request, &answer, "4")).await;
    assert_eq!(reply.content(), "It is 4 degrees.");
    let messages = &sent(&upstream)["messages"];
    assert_eq!(messages[1]["content"][1]["id"], "toolu_1");
    assert_eq!(messages[2]["content"][0]["tool_use_id"], "toolu_1");
}

#[tokio::test]
async fn signed_thoughts_survive_the_second_turn() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let mut request = chat("claude");
    request["tools"] = json!([weather()]);
    request["reasoning_effort"] = "low".into();
    let thoughts = json!({"type": "thinking", "thinking": "The user wants weather.", "signature": "EqQBCgIYAhIM+sig/=="});
    let hidden = json!({"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix/"});
    upstream.push(message(
        json!([thoughts, hidden, {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Oslo"}}]),
        "tool_use",
    ));
    let answer = gateway.chat(&request).await.json();
    assert_eq!(sent(&upstream)["thinking"]["type"], "enabled");
    assert_eq!(answer["choices"][0]["message"]["reasoning_content"], "The user wants weather.");

    upstream.push(message(json!([{"type": "text", "text": "4 degrees."}]), "end_turn"));
    assert_eq!(gateway.chat(&second_turn(&request, &answer, "4")).await.status, 200);
    let content = sent(&upstream)["messages"][1]["content"].clone();
    assert_eq!((&content[0], &content[1]), (&thoughts, &hidden), "{content}");
    assert_eq!(content[2]["type"], "tool_use");
}

#[tokio::test]
async fn a_stream_of_text_is_written_as_openai_does() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    for usage in [false, true] {
        upstream.push(Script::sse(canned::anthropic_stream(6)));
        let mut request = streamed("claude");
        if usage {
            request["stream_options"] = json!({"include_usage": true});
        }
        let reply = gateway.stream(&request).await.whole().await;
        assert_eq!(reply.header("x-gateway-provider"), "anthropic");
        let events = reply.events();
        assert_eq!(events.first().unwrap()["choices"][0]["delta"]["role"], "assistant");
        assert_eq!(reply.streamed_content(), "The harbour opens at six, and ");
        assert_eq!(streamed_finish(&events), "stop");
        assert!(reply.text().ends_with("data: [DONE]\n\n"));
        for event in &events {
            assert_eq!(event["object"], "chat.completion.chunk");
            assert_eq!((&event["id"], &event["created"]), (&events[0]["id"], &events[0]["created"]));
        }
        let last = events.last().unwrap();
        let total = last["usage"]["total_tokens"].as_u64();
        assert_eq!(total, usage.then_some(139), "{last}");
    }
    assert_eq!(sent(&upstream)["stream"], true);
}

#[tokio::test]
async fn a_stream_with_thoughts_and_a_tool_call_is_complete() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let mut start = canned::anthropic_message(0);
    start["content"] = json!([]);
    let delta =
        |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let block = |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let stop = |index: u64| json!({"type": "content_block_stop", "index": index});
    upstream.push(Script::anthropic_sse(&[
        json!({"type": "message_start", "message": start}),
        block(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "Hm"})),
        delta(0, json!({"type": "thinking_delta", "thinking": "m."})),
        delta(0, json!({"type": "signature_delta", "signature": "c2lnbmVk"})),
        stop(0),
        block(1, json!({"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}})),
        delta(1, json!({"type": "input_json_delta", "partial_json": ""})),
        delta(1, json!({"type": "input_json_delta", "partial_json": "{\"ci"})),
        delta(1, json!({"type": "input_json_delta", "partial_json": "ty\":\"Oslo\"}"})),
        stop(1),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 20}}),
        json!({"type": "message_stop"}),
    ]));
    let mut request = streamed("claude");
    request["tools"] = json!([weather()]);
    let reply = gateway.stream(&request).await.whole().await;
    let events = reply.events();
    let thoughts: String = events
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["reasoning_content"].as_str())
        .collect();
    assert_eq!(thoughts, "Hmm.");
    assert!(reply.text().contains("\"c2lnbmVk\""), "the signature is lost: {}", reply.text());
    assert_eq!(streamed_arguments(&events, 0), json!({"city": "Oslo"}));
    let ids = events.iter().filter_map(|event| event["choices"][0]["delta"]["tool_calls"][0]["id"].as_str());
    assert_eq!(ids.collect::<Vec<_>>(), ["toolu_1"]);
    assert_eq!(streamed_finish(&events), "tool_calls");
}

#[tokio::test]
async fn an_answer_by_a_schema_is_asked_for_in_anthropics_words() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    upstream.push(message(json!([{"type": "text", "text": "{\"t\":4}"}]), "end_turn"));
    let reply = gateway.chat(&structured("claude")).await;
    assert_eq!(reply.content(), "{\"t\":4}");
    let format = sent(&upstream)["output_config"]["format"].clone();
    assert_eq!((&format["type"], &format["schema"]["required"]), (&json!("json_schema"), &json!(["t"])));
}

#[tokio::test]
async fn errors_are_told_in_openais_shape() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(
        &model("claude", &[anthropic(&upstream)]).replace("deployments", "retries = 0\ndeployments"),
    );
    for (status, kind, text, expect, code) in [
        (400, "invalid_request_error", "max_tokens: too large", 400, ""),
        (
            400,
            "invalid_request_error",
            "prompt is too long: 210000 tokens > 200000 maximum",
            400,
            "context_length_exceeded",
        ),
        (401, "authentication_error", "invalid x-api-key", 401, "invalid_api_key"),
        (404, "not_found_error", "model: claude-x", 404, "model_not_found"),
        (429, "rate_limit_error", "slow down", 429, "rate_limit_exceeded"),
        (529, "overloaded_error", "Overloaded", 503, "overloaded"),
    ] {
        let body = json!({"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_1"});
        upstream.push(Script::status(status).json_body(&body));
        let error = gateway.chat(&chat("claude")).await.error(expect);
        error.says(&[text]);
        assert_eq!(error.code, code, "{error:?}");
    }
}
