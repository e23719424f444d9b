//! Gemini's API in front of Gemini's, OpenAI's and Anthropic's: whole answers.

use http::Method;
use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, Options, PROVIDER_KEY, Reply, anthropic, gemini, model, openai};

/// A gateway with one model of each kind, whose calls all end at one upstream.
pub(crate) fn gateway(upstream: &Upstream) -> Gateway {
    let models = [("flash", gemini(upstream)), ("gpt", openai(upstream)), ("claude", anthropic(upstream))];
    Gateway::start(&models.map(|(name, deployment)| model(name, &[deployment])).concat())
}

/// Posts to a verb of a model.
pub(crate) async fn post(gateway: &Gateway, path: &str, body: &Value) -> Reply {
    gateway.post(&format!("/v1beta/models/{path}")).body(body.to_string()).send().await
}

/// A request of every kind of content.
pub(crate) fn request() -> Value {
    json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Weather and time?"},
                {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}]},
            {"role": "model", "parts": [{"text": "Looking."},
                {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}},
                {"functionCall": {"name": "weather", "args": {"city": "Rome"}}}]},
            {"role": "user", "parts": [
                {"functionResponse": {"name": "weather", "response": {"temp": 4}}},
                {"functionResponse": {"name": "weather", "response": {"error": "no such city"}}},
                {"text": "And?"}]}],
        "tools": [{"functionDeclarations": [{"name": "weather", "description": "By city",
            "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}},
        "generationConfig": {"maxOutputTokens": 300, "temperature": 0.2, "stopSequences": ["END"]},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    })
}

pub(crate) fn sent(upstream: &Upstream) -> Value {
    upstream.last_request().unwrap().json()
}

/// The parts of the first candidate.
pub(crate) fn parts(body: &Value) -> &Vec<Value> {
    body["candidates"][0]["content"]["parts"].as_array().unwrap_or_else(|| panic!("no parts: {body}"))
}

#[tokio::test]
async fn the_same_dialect_passes_byte_for_byte() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let answer = "{ \"candidates\" : [ {\"content\": {\"parts\": [{\"text\": \"Hi\"}], \"role\": \"model\"}, \"x\": 1.0} ],\n \"usageMetadata\": {\"promptTokenCount\": 1} }";
    let body = "{ \"contents\" :[ {\"parts\":[{\"text\":\"Hi\"}]} ] , \"odd_member\": 1.50 }";
    for path in ["/v1beta/models/flash:generateContent", "/v1/models/flash:generateContent"] {
        upstream.push(Script::status(200).header("content-type", "application/json").body(answer));
        let reply = gateway.post(path).body(body).send().await;
        assert_eq!((reply.status, reply.text()), (200, answer), "{path}");
        assert_eq!(reply.header("x-gateway-changes"), "");
        assert_eq!(reply.header("x-gateway-provider"), "gemini");
        let received = upstream.last_request().unwrap();
        assert_eq!(received.path(), "/v1beta/models/gemini-2.5-flash:generateContent");
        assert_eq!(received.text(), body);
        assert_eq!(received.header("x-goog-api-key"), Some(PROVIDER_KEY));
    }
}

#[tokio::test]
async fn a_request_reaches_openai_in_its_words() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let calls = json!([{"id": "call_9", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Bern\"}"}}]);
    upstream.push(Script::json(&completion(
        json!({"role": "assistant", "content": null, "tool_calls": calls}),
        "tool_calls",
    )));
    let reply = post(&gateway, "gpt:generateContent", &request()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let body = sent(&upstream);
    assert_eq!(body["model"], "gpt-4o");
    let messages = body["messages"].as_array().unwrap();
    let roles: Vec<&str> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "tool", "user"]);
    let calls = messages[2]["tool_calls"].as_array().unwrap();
    let ids: Vec<&Value> = calls.iter().map(|call| &call["id"]).collect();
    assert_ne!(ids[0], ids[1], "two calls of one function need two ids");
    assert_eq!(vec![&messages[3]["tool_call_id"], &messages[4]["tool_call_id"]], ids);
    assert_eq!(messages[3]["content"], "{\"temp\":4}");
    assert_eq!(messages[4]["content"], "no such city");
    assert_eq!(messages[1]["content"][1]["image_url"]["url"], "data:image/png;base64,iVBORw0KGgo=");
    let schema = &body["tools"][0]["function"]["parameters"];
    assert_eq!(
        schema,
        &json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
    );
    assert_eq!(body["tool_choice"]["function"]["name"], "weather");
    assert_eq!((&body["max_completion_tokens"], &body["stop"]), (&json!(300), &json!(["END"])));
    assert!(reply.header("x-gateway-changes").contains("dropped safetySettings"), "{:?}", reply.headers);

    let body = reply.json();
    assert_eq!(body["candidates"][0]["finishReason"], "STOP");
    let call = json!({"functionCall": {"id": "call_9", "name": "weather", "args": {"city": "Bern"}}});
    assert_eq!(parts(&body), &[call]);
    assert_eq!(
        body["usageMetadata"],
        json!({"promptTokenCount": 20, "cachedContentTokenCount": 5, "candidatesTokenCount": 4,
            "thoughtsTokenCount": 6, "totalTokenCount": 30})
    );
    assert_eq!((&body["responseId"], &body["modelVersion"]), (&json!("chatcmpl-1"), &json!("gpt-4o-2024")));
}

/// An answer of OpenAI's.
pub(crate) fn completion(message: Value, finish: &str) -> Value {
    json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-2024",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30,
            "prompt_tokens_details": {"cached_tokens": 5}, "completion_tokens_details": {"reasoning_tokens": 6}}})
}

#[tokio::test]
async fn anthropics_thoughts_go_there_and_back_signed() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let blocks = json!([
        {"type": "thinking", "thinking": "Hm.", "signature": "EqQB+/sig=="},
        {"type": "redacted_thinking", "data": "secret-bytes"},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bern"}}]);
    upstream.push(Script::json(&message(blocks.clone(), "tool_use")));
    let mut request = json!({"contents": [{"role": "user", "parts": [{"text": "Weather in Bern?"}]}],
        "tools": [{"functionDeclarations": [{"name": "weather", "parameters": {"type": "OBJECT", "properties": {}}}]}],
        "generationConfig": {"maxOutputTokens": 3000, "thinkingConfig": {"thinkingBudget": 1500, "includeThoughts": true}}});
    let reply = post(&gateway, "claude:generateContent", &request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(sent(&upstream)["thinking"]["budget_tokens"], 1500);
    let body = reply.json();
    let answered = parts(&body);
    assert_eq!((&answered[0]["text"], &answered[0]["thought"]), (&json!("Hm."), &json!(true)));

    // What Google's clients do: the turn goes back, signatures in the alphabet for URLs.
    let mut turn = body["candidates"][0]["content"].clone();
    for part in turn["parts"].as_array_mut().unwrap() {
        if let Some(signature) = part["thoughtSignature"].as_str() {
            part["thoughtSignature"] = signature.replace('+', "-").replace('/', "_").into();
        }
    }
    let result = json!({"role": "user", "parts": [{"functionResponse": {"id": "toolu_1", "name": "weather", "response": {"temp": 4}}}]});
    request["contents"].as_array_mut().unwrap().extend([turn, result]);
    upstream.push(Script::json(&message(json!([{"type": "text", "text": "4 degrees."}]), "end_turn")));
    let reply = post(&gateway, "claude:generateContent", &request).await;
    assert_eq!(parts(&reply.json())[0]["text"], "4 degrees.");
    let sent = sent(&upstream);
    assert_eq!(sent["messages"][1]["content"], blocks, "{sent}");
    assert_eq!(sent["messages"][2]["content"][0]["tool_use_id"], "toolu_1");

    // Another provider must not see them: Gemini would refuse what it did not sign.
    upstream.push(Script::json(
        &json!({"candidates": [{"content": {"parts": [{"text": "4."}]}, "finishReason": "STOP"}]}),
    ));
    let reply = post(&gateway, "flash:generateContent", &request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent = upstream.last_request().unwrap().text();
    assert!(!sent.contains("bGxtLXNlYWw6") && !sent.contains("EqQB"), "{sent}");
    assert!(reply.header("x-gateway-changes").contains("signature"), "{:?}", reply.headers);
}

/// An answer of Anthropic's.
pub(crate) fn message(blocks: Value, stop: &str) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": blocks,
        "stop_reason": stop, "stop_sequence": null, "usage": {"input_tokens": 10, "output_tokens": 5}})
}

#[tokio::test]
async fn structured_answers_are_asked_for_in_each_dialect() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let schema = json!({"type": "OBJECT", "properties": {"t": {"type": "INTEGER", "nullable": true}}, "required": ["t"]});
    let request = json!({"contents": [{"parts": [{"text": "t?"}]}],
        "generation_config": {"response_mime_type": "application/json", "response_schema": schema}});
    upstream.push(Script::json(&completion(json!({"role": "assistant", "content": "{\"t\":4}"}), "stop")));
    let reply = post(&gateway, "gpt:generateContent", &request).await;
    assert_eq!(parts(&reply.json()), &[json!({"text": "{\"t\":4}"})]);
    let format = sent(&upstream)["response_format"].clone();
    assert_eq!(format["type"], "json_schema");
    assert_eq!(format["json_schema"]["schema"]["properties"]["t"]["type"], json!(["integer", "null"]));

    upstream.push(Script::json(&message(json!([{"type": "text", "text": "{\"t\":4}"}]), "end_turn")));
    let reply = post(&gateway, "claude:generateContent", &request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(sent(&upstream).to_string().contains("\"t\""));
}

#[tokio::test]
async fn errors_have_googles_shape() {
    let upstream = Upstream::start().unwrap();
    let config = |name: &str, deployment| {
        model(name, &[deployment]).replace("deployments", "retries = 0\ndeployments")
    };
    let gateway =
        Gateway::start(&[config("flash", gemini(&upstream)), config("gpt", openai(&upstream))].concat());
    let hello = json!({"contents": [{"parts": [{"text": "Hi"}]}]});
    let check = |reply: &Reply, status: u16, word: &str, says: &str| {
        assert_eq!(reply.status, status, "{}", reply.text());
        let error = reply.json()["error"].clone();
        assert_eq!((&error["code"], &error["status"]), (&json!(status), &json!(word)), "{error}");
        assert!(error["message"].as_str().unwrap().contains(says), "{error}");
        assert!(error["details"].is_array(), "{error}");
    };
    let body = json!({"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3s"}]}});
    upstream.push(Script::status(429).json_body(&body));
    let reply = post(&gateway, "flash:generateContent", &hello).await;
    check(&reply, 429, "RESOURCE_EXHAUSTED", "slow down");
    assert_eq!(reply.header("retry-after"), "3");
    assert_eq!(reply.json()["error"]["details"], body["error"]["details"]);

    upstream.push(Script::status(400).json_body(&json!({"error": {"message": "too long", "type": "invalid_request_error", "code": "context_length_exceeded"}})));
    check(
        &post(&gateway, "gpt:streamGenerateContent?alt=sse", &hello).await,
        400,
        "INVALID_ARGUMENT",
        "too long",
    );

    check(&post(&gateway, "flsh:generateContent", &hello).await, 404, "NOT_FOUND", "did you mean `flash`");
    let wrong =
        json!({"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": {"temperature": "hot"}});
    let reply = post(&gateway, "gpt:generateContent", &wrong).await;
    check(&reply, 400, "INVALID_ARGUMENT", "generationConfig");
    let fields: Vec<Value> = reply.json()["error"]["details"].as_array().unwrap().clone();
    assert!(
        fields.iter().any(|detail| detail["fieldViolations"][0]["field"] == "generationConfig"),
        "{fields:?}"
    );
    check(&post(&gateway, "gpt:generateContent", &json!({})).await, 400, "INVALID_ARGUMENT", "contents");
    let reply = gateway.get("/v1beta/models/flash:generateContent").await;
    check(&reply, 405, "INVALID_ARGUMENT", "POST");
    upstream.push(Script::close_on_accept());
    check(&post(&gateway, "gpt:generateContent", &hello).await, 502, "UNAVAILABLE", "");
}

#[tokio::test]
async fn a_key_in_the_query_is_ours_alone() {
    let upstream = Upstream::start().unwrap();
    let config = format!(
        "[auth]\nmaster_key = \"sk-gateway-master\"\n{}{}",
        model("flash", &[gemini(&upstream)]),
        model("gpt", &[openai(&upstream)])
    );
    let gateway = Options::config(config).with_args(&[]).env("RUST_LOG", "trace").start();
    let hello = json!({"contents": [{"parts": [{"text": "Hi"}]}]});
    let answer = json!({"candidates": [{"content": {"parts": [{"text": "Yo"}]}, "finishReason": "STOP"}]});
    for path in [
        "flash:generateContent?key=sk-gateway-master",
        "flash:generateContent?alt=json&key=sk%2Dgateway-master",
    ] {
        upstream.push(Script::json(&answer));
        let reply = post(&gateway, path, &hello).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        let received = upstream.last_request().unwrap();
        assert!(!received.target.contains("key"), "{}", received.target);
        assert_eq!(received.header("x-goog-api-key"), Some(PROVIDER_KEY));
    }
    upstream.push(Script::json(&answer));
    let reply =
        gateway.post("/v1beta/models/flash:generateContent").header("x-goog-api-key", "sk-gateway-master");
    assert_eq!(reply.body(hello.to_string()).send().await.status, 200);
    for path in ["flash:generateContent", "flash:generateContent?key=sk-other"] {
        let reply = post(&gateway, path, &hello).await;
        assert_eq!(reply.status, 401);
        assert_eq!(reply.json()["error"]["status"], "UNAUTHENTICATED");
        assert!(!reply.text().contains("sk-other"));
    }
    assert_eq!(gateway.get("/v1beta/models").await.status, 401);
    assert_eq!(gateway.get("/v1beta/models?key=sk-gateway-master").await.status, 200);
    assert!(!gateway.logs().contains("sk-gateway-master"), "{}", gateway.logs());
}

#[tokio::test]
async fn tokens_are_counted_natively_and_estimated_elsewhere() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let body = json!({"generateContentRequest": {"model": "models/flash", "contents": [{"parts": [{"text": "How many?"}]}]}});
    let answer = json!({"totalTokens": 31, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 31}]});
    upstream.push(Script::json(&answer));
    let reply = post(&gateway, "flash:countTokens", &body).await;
    assert_eq!((reply.status, reply.json()), (200, answer));
    let received = upstream.last_request().unwrap();
    assert_eq!(received.path(), "/v1beta/models/gemini-2.5-flash:countTokens");
    assert_eq!(received.json()["generateContentRequest"]["model"], "models/gemini-2.5-flash");
    let before = upstream.requests().len();
    let reply = post(&gateway, "gpt:countTokens", &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.json()["totalTokens"].as_u64().unwrap() > 0);
    assert_eq!(upstream.requests().len(), before, "an estimate asks nobody");
}

#[tokio::test]
async fn what_gemini_has_cached_needs_gemini() {
    let (upstream, other) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    let both = model("both", &[openai(&other), gemini(&upstream), anthropic(&other)]);
    let models = [("flash", gemini(&upstream)), ("gpt", openai(&other)), ("claude", anthropic(&other))];
    let models = models.map(|(name, deployment)| model(name, &[deployment])).concat();
    let gateway = Gateway::start(&(models + &both));
    let body = json!({"cachedContent": "cachedContents/x", "contents": [{"parts": [{"text": "Hi"}]}]});
    for path in ["gpt:generateContent", "claude:streamGenerateContent?alt=sse", "claude:countTokens"] {
        let body = match path.contains("count") {
            true => {
                json!({"generateContentRequest": {"model": "models/claude", "cachedContent": "x", "contents": []}})
            }
            false => body.clone(),
        };
        let reply = post(&gateway, path, &body).await;
        let error = reply.json()["error"].clone();
        assert_eq!((reply.status, &error["status"]), (400, &json!("INVALID_ARGUMENT")), "{path}: {error}");
        assert!(error["message"].as_str().unwrap().contains("`cachedContent` needs a provider"), "{error}");
    }
    let answer = json!({"candidates": [{"content": {"parts": [{"text": "Yo"}]}, "finishReason": "STOP"}]});
    upstream.always(Script::json(&answer));
    // Where one of several can, it is the one that is asked.
    for path in
        ["flash:generateContent", "both:generateContent", "both:generateContent", "both:generateContent"]
    {
        assert_eq!(post(&gateway, path, &body).await.status, 200, "{path}");
        assert_eq!(sent(&upstream), body);
    }
    assert_eq!(other.requests().len(), 0);
}

#[tokio::test]
async fn models_are_listed_as_gemini_does() {
    let upstream = Upstream::start().unwrap();
    let gateway = gateway(&upstream);
    let list = gateway.get("/v1beta/models?pageSize=10").await.json();
    let names: Vec<&str> =
        list["models"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["models/flash", "models/gpt", "models/claude"]);
    let one = gateway.get("/v1beta/models/flash").await.json();
    assert_eq!((&one["name"], &one["displayName"]), (&json!("models/flash"), &json!("flash")));
    let methods = one["supportedGenerationMethods"].as_array().unwrap();
    for method in ["generateContent", "streamGenerateContent", "countTokens", "embedContent"] {
        assert!(methods.contains(&json!(method)), "{methods:?}");
    }
    let claude = gateway.get("/v1beta/models/claude").await.json();
    assert!(!claude["supportedGenerationMethods"].as_array().unwrap().contains(&json!("embedContent")));
    let missing = gateway.call(Method::GET, "/v1beta/models/flsh").send().await;
    assert_eq!((missing.status, missing.json()["error"]["status"].clone()), (404, json!("NOT_FOUND")));
    assert_eq!(gateway.get("/v1/models").await.json()["object"], "list");
    // Google's newer clients ask below `/v1`, and say who they are.
    for path in ["/v1/models", "/v1/models/flash"] {
        let reply = gateway
            .call(Method::GET, path)
            .header("x-goog-api-client", "google-genai-sdk/3.4.0")
            .send()
            .await;
        assert!(reply.text().contains("\"models/flash\""), "{}", reply.text());
    }
}
