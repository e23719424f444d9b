//! What we send.

use llm_types::chat::{ChatRequest, Image, Media, Message, Part, Role, Tool, ToolCall, ToolChoice, ToolKind};
use serde_json::{Value, json};

use super::*;

pub(super) fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        ..ToolCall::default()
    })
}

pub(super) fn picture() -> Image {
    Image::new(Media::from_url("data:image/png;base64,iVBORw0KGgo="))
}

/// `test-vectors.md` 1.
fn canonical() -> ChatRequest {
    let mut weather = Tool::function(
        "get_weather",
        "Weather by city",
        Some(raw(&json!({"type": "object", "properties": {"city": {"type": "string"},
            "unit": {"type": ["string", "null"], "enum": ["c", "f", null]}},
            "required": ["city"], "additionalProperties": false}))),
    );
    if let ToolKind::Function { strict, .. } = &mut weather.kind {
        *strict = Some(true);
    }
    let mut request = ChatRequest::new([
        Message::system("Be brief."),
        Message::new(Role::User, [Part::text("Picture and weather?"), Part::Image(picture())]),
        Message::new(
            Role::Assistant,
            [
                Part::text("Checking."),
                call("call_1", "get_weather", r#"{"city":"Oslo"}"#),
                call("call_2", "now", ""),
            ],
        ),
        Message::tool_result("call_1", r#"{"temp":4}"#),
        Message::tool_result("call_2", "noon"),
        Message::user("And tomorrow?"),
    ]);
    request.tooling.tools = vec![weather, Tool::function("now", "Time", None)];
    request.tooling.choice = Some(ToolChoice::Required);
    request.tooling.parallel = Some(false);
    request.limits.max_completion_tokens = Some(300);
    request.limits.stop = vec!["END".to_owned()];
    request.sampling.temperature = Some(0.2);
    request.sampling.seed = Some(7);
    request.identity.user = Some("u-1".to_owned());
    request
}

/// The body of `test-vectors.md` 1, Gemini 2.5, with one of its two forms of tools.
fn golden(weather_parameters: (&str, Value)) -> Value {
    let (form, schema) = weather_parameters;
    let mut weather = json!({"name": "get_weather", "description": "Weather by city"});
    weather[form] = schema;
    json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Picture and weather?"},
                {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}]},
            {"role": "model", "parts": [{"text": "Checking."},
                {"functionCall": {"name": "get_weather", "args": {"city": "Oslo"}}},
                {"functionCall": {"name": "now", "args": {}}}]},
            {"role": "user", "parts": [
                {"functionResponse": {"name": "get_weather", "response": {"temp": 4}}},
                {"functionResponse": {"name": "now", "response": {"content": "noon"}}}]},
            {"role": "user", "parts": [{"text": "And tomorrow?"}]}],
        "tools": [{"functionDeclarations": [weather, {"name": "now", "description": "Time"}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "generationConfig": {"maxOutputTokens": 300, "temperature": 0.2, "stopSequences": ["END"], "seed": 7}
    })
}

const CANONICAL_CHANGES: [&str; 3] =
    ["dropped tools[0].function.strict", "dropped parallel_tool_calls", "dropped user"];

#[test]
fn the_canonical_request_for_each_generation() {
    let plain = json!({"type": "object", "properties": {"city": {"type": "string"},
        "unit": {"type": ["string", "null"], "enum": ["c", "f", null]}},
        "required": ["city"], "additionalProperties": false});
    let (body, changes) = send(canonical(), "gemini-2.5-flash");
    assert_eq!(body, golden(("parametersJsonSchema", plain.clone())));
    assert_eq!(changes, CANONICAL_CHANGES);

    let subset = json!({"type": "OBJECT", "properties": {"city": {"type": "STRING"},
        "unit": {"type": "STRING", "enum": ["c", "f"], "nullable": true}}, "required": ["city"]});
    let (body, changes) = send(canonical(), "gemini-1.5-pro");
    assert_eq!(body, golden(("parameters", subset)));
    assert!(changes.contains(&"altered tools[0].function.parameters".to_owned()), "{changes:?}");

    let (body, changes) = send(canonical(), "gemini-3-pro-preview");
    let mut expect = golden(("parametersJsonSchema", plain));
    let parts = &mut expect["contents"][1]["parts"];
    parts[1]["functionCall"]["id"] = json!("call_1");
    parts[1]["thoughtSignature"] = json!("skip_thought_signature_validator");
    parts[2]["functionCall"]["id"] = json!("call_2");
    let results = &mut expect["contents"][2]["parts"];
    results[0]["functionResponse"]["id"] = json!("call_1");
    results[1]["functionResponse"]["id"] = json!("call_2");
    assert_eq!(body, expect);
    assert_eq!(changes, CANONICAL_CHANGES);
    insta::assert_snapshot!("canonical_gemini_3", serde_json::to_string_pretty(&body).unwrap());
}

#[test]
fn address_and_headers() {
    let check = |stream: bool, model: &str, expect: &str| {
        let mut request = ChatRequest::new([Message::user("hi")]);
        request.delivery.stream = stream;
        let (wire, _) = try_send(request, model).unwrap();
        assert_eq!(wire.path, expect);
        assert_eq!(wire.method, http::Method::POST);
        assert_eq!(wire.headers["content-type"], "application/json");
        assert_eq!(wire.headers.len(), 1);
    };
    check(false, "gemini-2.5-pro", "/v1beta/models/gemini-2.5-pro:generateContent");
    check(true, "models/gemini-2.5-pro", "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse");
}

/// The contents sent for these messages, and the changes.
pub(super) fn contents(messages: Vec<Message>, model: &str) -> (Value, Vec<String>) {
    let (mut body, changes) = send(ChatRequest::new(messages), model);
    (body["contents"].take(), changes)
}

pub(super) fn user(parts: Value) -> Value {
    json!({"role": "user", "parts": parts})
}
