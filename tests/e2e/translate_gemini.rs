//! OpenAI's API in front of Gemini's.

use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, PROVIDER_KEY, chat, gemini, model, streamed};
use crate::translate::{canonical, second_turn, streamed_arguments, streamed_finish, structured, weather};

fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start(&model("flash", &[gemini(upstream)]))
}

/// An answer of these parts, or one event of a stream.
fn answer(parts: Value, finish: Value) -> Value {
    json!({
        "candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": finish, "index": 0}],
        "usageMetadata": {
            "promptTokenCount": 29,
            "candidatesTokenCount": 15,
            "thoughtsTokenCount": 804,
            "totalTokenCount": 848
        },
        "modelVersion": "gemini-2.5-flash",
        "responseId": "r-1"
    })
}

fn stream(events: &[Value]) -> Script {
    Script::sse(events.iter().map(|event| format!("data: {event}\r\n\r\n")))
}

fn sent(upstream: &Upstream) -> Value {
    upstream.last_request().unwrap().json()
}

#[tokio::test]
async fn a_request_is_written_as_gemini_wants_it() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    upstream.push(Script::json(&answer(json!([{"text": "Rain."}]), json!("STOP"))));
    let reply = gateway.chat(&canonical("flash")).await;
    assert_eq!((reply.status, reply.content().as_str()), (200, "Rain."), "{}", reply.text());
    let received = upstream.last_request().unwrap();
    assert_eq!(received.path(), "/v1beta/models/gemini-2.5-flash:generateContent");
    assert_eq!(received.header("x-goog-api-key"), Some(PROVIDER_KEY));
    assert!(!received.target.contains(PROVIDER_KEY), "a key in the URL");

    let body = received.json();
    assert_eq!(body["systemInstruction"]["parts"][0]["text"], "Be brief.");
    let config = &body["generationConfig"];
    assert_eq!((&config["maxOutputTokens"], &config["temperature"]), (&json!(300), &json!(0.2)));
    assert_eq!(config["stopSequences"], json!(["END"]));
    assert_eq!(body["toolConfig"]["functionCallingConfig"]["mode"], "ANY");
    assert_eq!(body["tools"][0]["functionDeclarations"][0]["name"], "get_weather");
    let contents = body["contents"].as_array().unwrap();
    assert_eq!(
        contents[0]["parts"][1]["inlineData"],
        json!({"mimeType": "image/png", "data": "iVBORw0KGgo="})
    );
    assert_eq!(contents[1]["role"], "model");
    assert_eq!(contents[1]["parts"][0]["text"], "Checking.");
    let call = &contents[1]["parts"][1]["functionCall"];
    assert_eq!((&call["name"], &call["args"]), (&json!("get_weather"), &json!({"city": "Oslo"})));
    let responses: Vec<&Value> = contents
        .iter()
        .flat_map(|content| content["parts"].as_array().unwrap())
        .filter_map(|part| part.get("functionResponse"))
        .collect();
    let names: Vec<&Value> = responses.iter().map(|response| &response["name"]).collect();
    assert_eq!(names, [&json!("get_weather"), &json!("now")]);
    assert_eq!(responses[0]["response"], json!({"temp": 4}));
    assert_eq!(
        contents.last().unwrap()["parts"].as_array().unwrap().last().unwrap()["text"],
        "And tomorrow?"
    );
}

#[tokio::test]
async fn an_answer_is_written_as_openai_does() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    for (reason, finish) in [("STOP", "stop"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter")] {
        let parts = json!([{"text": "Thinking.", "thought": true}, {"text": "One. "}, {"text": "Two."}]);
        upstream.push(Script::json(&answer(parts, json!(reason))));
        let reply = gateway.chat(&chat("flash")).await;
        let body = reply.json();
        assert_eq!(
            (body["object"].as_str(), reply.content().as_str()),
            (Some("chat.completion"), "One. Two.")
        );
        assert_eq!(body["choices"][0]["message"]["reasoning_content"], "Thinking.");
        assert_eq!(body["choices"][0]["finish_reason"], finish, "{reason}");
        let usage = &body["usage"];
        let counts = ["prompt_tokens", "completion_tokens", "total_tokens"].map(|name| usage[name].as_u64());
        assert_eq!(counts, [Some(29), Some(819), Some(848)]);
        assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 804);
    }
}

#[tokio::test]
async fn a_signed_tool_call_and_its_result_go_back() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let mut request = chat("flash");
    request["tools"] = json!([weather()]);
    let parts = json!([{
        "functionCall": {"name": "get_weather", "args": {"city": "Oslo"}},
        "thoughtSignature": "CpUBAdHtim9+sig="
    }]);
    upstream.push(Script::json(&answer(parts, json!("STOP"))));
    let reply = gateway.chat(&request).await.json();
    let choice = &reply["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!(call["function"]["name"], "get_weather");

    upstream.push(Script::json(&answer(json!([{"text": "4 degrees."}]), json!("STOP"))));
    let second = gateway.chat(&second_turn(&request, &reply, "{\"temp\": 4}")).await;
    assert_eq!(second.content(), "4 degrees.");
    let contents = sent(&upstream)["contents"].clone();
    assert_eq!(contents[1]["parts"][0]["thoughtSignature"], "CpUBAdHtim9+sig=", "{contents}");
    let response = &contents[2]["parts"][0]["functionResponse"];
    assert_eq!((&response["name"], &response["response"]), (&json!("get_weather"), &json!({"temp": 4})));
}

#[tokio::test]
async fn a_stream_is_written_as_openai_does() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    upstream.push(stream(&[
        answer(json!([{"text": "Let me ", "thought": true}]), Value::Null),
        answer(json!([{"text": "The boats "}]), Value::Null),
        answer(json!([{"text": "come in."}]), Value::Null),
        answer(json!([{"text": ""}]), json!("STOP")),
    ]));
    let mut request = streamed("flash");
    request["stream_options"] = json!({"include_usage": true});
    let reply = gateway.stream(&request).await.whole().await;
    let received = upstream.last_request().unwrap();
    assert_eq!(received.path(), "/v1beta/models/gemini-2.5-flash:streamGenerateContent");
    assert_eq!(received.query(), "alt=sse");
    assert_eq!(reply.streamed_content(), "The boats come in.");
    let events = reply.events();
    assert_eq!(streamed_finish(&events), "stop");
    assert_eq!(events.last().unwrap()["usage"]["total_tokens"], 848);
    // Gemini says no word of the kind.
    assert!(reply.text().ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_streamed_tool_call_is_complete_and_signed() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let call = json!([{"functionCall": {"name": "get_weather", "args": {"city": "Oslo"}}, "thoughtSignature": "c2lnbmVk"}]);
    upstream.push(stream(&[answer(call, Value::Null), answer(json!([{"text": ""}]), json!("STOP"))]));
    let mut request = streamed("flash");
    request["tools"] = json!([weather()]);
    let reply = gateway.stream(&request).await.whole().await;
    let events = reply.events();
    assert_eq!(streamed_arguments(&events, 0), json!({"city": "Oslo"}));
    assert_eq!(streamed_finish(&events), "tool_calls");
    assert!(reply.text().contains("\"c2lnbmVk\""), "the signature is lost: {}", reply.text());
}

#[tokio::test]
async fn a_stream_without_a_finish_is_no_clean_end() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    upstream.push(stream(&[answer(json!([{"text": "The boats "}]), Value::Null)]));
    let reply = gateway.stream(&streamed("flash")).await.whole().await;
    assert!(reply.events().last().unwrap()["error"]["message"].is_string(), "{}", reply.text());
    assert!(!reply.text().contains("[DONE]"));
}

#[tokio::test]
async fn an_answer_by_a_schema_is_asked_for_in_geminis_words() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    upstream.push(Script::json(&answer(json!([{"text": "{\"t\":4}"}]), json!("STOP"))));
    assert_eq!(gateway.chat(&structured("flash")).await.content(), "{\"t\":4}");
    let config = sent(&upstream)["generationConfig"].clone();
    assert_eq!(config["responseMimeType"], "application/json");
    let schema = config.get("responseJsonSchema").or_else(|| config.get("responseSchema")).unwrap();
    assert_eq!(schema["required"], json!(["t"]));
}

#[tokio::test]
async fn errors_are_told_in_openais_shape() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(
        &model("flash", &[gemini(&upstream)]).replace("deployments", "retries = 0\ndeployments"),
    );
    for (status, word, text, expect, kind) in [
        (400, "INVALID_ARGUMENT", "a field is wrong", 400, "invalid_request_error"),
        (
            400,
            "INVALID_ARGUMENT",
            "API key not valid. Please pass a valid API key.",
            401,
            "authentication_error",
        ),
        (404, "NOT_FOUND", "models/x is not found", 404, "invalid_request_error"),
        (429, "RESOURCE_EXHAUSTED", "slow down", 429, "rate_limit_error"),
        (503, "UNAVAILABLE", "The model is overloaded.", 503, ""),
    ] {
        let body = json!({"error": {"code": status, "message": text, "status": word}});
        upstream.push(Script::status(status).json_body(&body));
        let error = gateway.chat(&chat("flash")).await.error(expect);
        error.says(&[text]);
        if !kind.is_empty() {
            assert_eq!(error.kind, kind, "{error:?}");
        }
    }
}
