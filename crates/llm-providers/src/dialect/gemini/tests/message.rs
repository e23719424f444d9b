//! Turns, thoughts, calls and their results on their way out.

use llm_types::chat::{
    CacheControl, ChatRequest, Citation, Message, Opaque, Part, Reasoning, Refusal, Role, Text, ToolCall,
    ToolCallKind, ToolResult,
};
use llm_types::{Dialect, ErrorKind};
use serde_json::{Value, json};

use super::encode::*;
use super::*;

#[test]
fn neighbours_of_one_speaker_become_one_turn() {
    let messages = vec![
        Message::user("a"),
        Message::user("b"),
        Message::assistant("c"),
        Message::new(Role::Assistant, []),
        Message::user("d"),
    ];
    let (body, changes) = contents(messages, "gemini-2.5-flash");
    let model = json!({"role": "model", "parts": [{"text": "c"}, {"text": ""}]});
    assert_eq!(
        body,
        json!([user(json!([{"text": "a"}, {"text": "b"}])), model, user(json!([{"text": "d"}]))])
    );
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn instructions_stand_apart() {
    let messages =
        [Message::system("a"), Message::user("b"), Message::new(Role::Developer, [Part::text("c")])];
    let (body, changes) = send(ChatRequest::new(messages.clone()), "gemini-2.5-flash");
    assert_eq!(body["systemInstruction"], json!({"parts": [{"text": "a"}, {"text": "c"}]}));
    assert_eq!(body["contents"], json!([user(json!([{"text": "b"}]))]));
    assert_eq!(changes, ["altered messages[2]"]);

    let (body, changes) = send(ChatRequest::new(messages), "gemma-3-27b-it");
    assert_eq!(body["systemInstruction"], Value::Null);
    assert_eq!(body["contents"], json!([user(json!([{"text": "a"}, {"text": "b"}, {"text": "c"}]))]));
    assert_eq!(changes, ["altered messages[0].role", "altered messages[2].role"]);

    let (body, _) = send(ChatRequest::new([Message::system("a")]), "gemini-2.5-flash");
    assert_eq!(body["contents"], json!([user(json!([{"text": "."}]))]));

    let picture = Message::new(Role::System, [Part::Image(picture())]);
    let (_, changes) = send(ChatRequest::new([picture, Message::user("b")]), "gemini-2.5-flash");
    assert_eq!(changes, ["dropped messages[0].content[0]"]);

    let error = try_send(ChatRequest::default(), "gemini-2.5-flash").unwrap_err();
    assert_eq!((error.kind, error.param.as_deref()), (ErrorKind::BadRequest, Some("messages")));
}

#[test]
fn old_models_need_text_beside_a_picture() {
    let message = || vec![Message::new(Role::User, [Part::Image(picture())])];
    let (body, _) = contents(message(), "gemini-1.5-flash");
    assert_eq!(body[0]["parts"][1], json!({"text": " "}));
    let (body, _) = contents(message(), "gemini-2.5-flash");
    assert_eq!(body[0]["parts"].as_array().unwrap().len(), 1);
}

fn signed(id: &str, signature: Option<&str>) -> Part {
    Part::ToolCall(ToolCall {
        id: id.to_owned(),
        name: "f".to_owned(),
        signature: signature.map(str::to_owned),
        ..ToolCall::default()
    })
}

#[test]
fn signatures_stay_on_their_part_and_the_first_call_has_one() {
    let check = |parts: Vec<Part>, model: &str, expect: &[Option<&str>]| {
        let messages = vec![Message::user("a"), Message::new(Role::Assistant, parts)];
        let (body, _) = contents(messages, model);
        let sent = body[1]["parts"].as_array().unwrap().iter().map(|p| p["thoughtSignature"].as_str());
        assert_eq!(sent.collect::<Vec<_>>(), expect, "{model}");
    };
    let skip = Some("skip_thought_signature_validator");
    let (g2, g3) = ("gemini-2.5-flash", "gemini-3-flash-preview");
    check(vec![signed("1", None), signed("2", None)], g3, &[skip, None]);
    check(vec![signed("1", None), signed("2", None)], g2, &[None, None]);
    check(vec![signed("1", Some("S")), signed("2", None)], g3, &[Some("S"), None]);
    check(vec![signed("1__thought__S", None)], g3, &[Some("S")]);
    let text = Part::Text(Text { text: "t".to_owned(), signature: Some("T".to_owned()), ..Text::default() });
    check(vec![text], g3, &[Some("T")]);
    let thought = |signature: &str| {
        Part::Reasoning(Reasoning {
            text: "hm".to_owned(),
            signature: Some(signature.to_owned()),
            ..Reasoning::default()
        })
    };
    check(vec![thought("R"), signed("1", Some("S"))], g3, &[Some("R"), Some("S")]);
    check(vec![thought("S"), signed("1", Some("S"))], g3, &[None, Some("S")]);
}

#[test]
fn thoughts_go_back_as_thoughts() {
    let redacted = Part::Reasoning(Reasoning { redacted: Some("x".to_owned()), ..Reasoning::default() });
    let plain = Part::Reasoning(Reasoning { text: "hm".to_owned(), ..Reasoning::default() });
    let message = Message::new(Role::Assistant, [plain, redacted, Part::text("a")]);
    let (body, changes) = contents(vec![Message::user("q"), message], "gemini-2.5-pro");
    assert_eq!(body[1]["parts"], json!([{"text": "hm", "thought": true}, {"text": "a"}]));
    assert_eq!(changes, ["dropped messages[1].content[1]"]);
}

pub(super) fn result(parts: Vec<Part>) -> ToolResult {
    ToolResult { call_id: "1".to_owned(), parts, ..ToolResult::default() }
}

pub(super) fn after_call(result: ToolResult) -> Vec<Message> {
    vec![
        Message::user("q"),
        Message::new(Role::Assistant, [signed("1", None)]),
        Message::new(Role::Tool, [Part::ToolResult(result)]),
    ]
}

#[test]
fn results_are_objects() {
    let check = |text: &str, is_error: Option<bool>, expect: Value| {
        let result = ToolResult { is_error, ..result(vec![Part::text(text)]) };
        let (body, changes) = contents(after_call(result), "gemini-2.5-flash");
        assert_eq!(body[2]["parts"][0]["functionResponse"]["response"], expect, "{text}");
        assert!(changes.is_empty(), "{changes:?}");
    };
    check(r#" {"a": 1} "#, None, json!({"a": 1}));
    check("[1]", None, json!({"content": "[1]"}));
    check("null", None, json!({"content": "null"}));
    check("", None, json!({"content": ""}));
    check("{broken", None, json!({"content": "{broken"}));
    check("no", Some(true), json!({"error": "no"}));
    check(r#"{"a":1}"#, Some(true), json!({"error": r#"{"a":1}"#}));
    check("yes", Some(false), json!({"content": "yes"}));
}

#[test]
fn pictures_in_results() {
    let parts = || vec![Part::text("see"), Part::Image(picture())];
    let blob = json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}});
    let (body, changes) = contents(after_call(result(parts())), "gemini-3-flash-preview");
    let response = &body[2]["parts"][0]["functionResponse"];
    assert_eq!(response["parts"], json!([blob]));
    assert_eq!(response["response"], json!({"content": "see"}));
    assert!(changes.is_empty(), "{changes:?}");

    let mut messages = after_call(result(parts()));
    messages.push(Message::user("well?"));
    let (body, changes) = contents(messages, "gemini-2.5-flash");
    assert_eq!(body[2]["parts"].as_array().unwrap().len(), 1);
    assert_eq!(body[3], user(json!([blob, {"text": "well?"}])));
    assert_eq!(changes, ["altered messages[2].content[0]"]);
}

#[test]
fn a_result_needs_its_call() {
    let messages = [Message::user("q"), Message::tool_result("nope", "x")];
    let error = try_send(ChatRequest::new(messages), "gemini-2.5-flash").unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    assert_eq!(error.param.as_deref(), Some("messages[1].tool_call_id"));

    let named = ToolResult { call_id: "x".to_owned(), name: Some("g".to_owned()), ..ToolResult::default() };
    let messages = vec![Message::user("q"), Message::new(Role::Tool, [Part::ToolResult(named)])];
    let (body, _) = contents(messages, "gemini-2.5-flash");
    assert_eq!(body[1]["parts"][0]["functionResponse"]["name"], "g");
}

#[test]
fn arguments_are_objects() {
    let check = |kind: ToolCallKind, arguments: &str, expect: Value, changed: bool| {
        let call = ToolCall { kind, ..ToolCall::default() };
        let call = ToolCall { name: "f".to_owned(), arguments: arguments.to_owned(), ..call };
        let messages = vec![Message::user("q"), Message::new(Role::Assistant, [Part::ToolCall(call)])];
        let (body, changes) = contents(messages, "gemini-2.5-flash");
        assert_eq!(body[1]["parts"][0]["functionCall"]["args"], expect, "{arguments}");
        assert_eq!(!changes.is_empty(), changed, "{changes:?}");
    };
    check(ToolCallKind::Function, "", json!({}), false);
    check(ToolCallKind::Function, " ", json!({}), false);
    check(ToolCallKind::Function, r#"{"a":1}"#, json!({"a": 1}), false);
    check(ToolCallKind::Function, r#"{"a":"#, json!({"arguments": r#"{"a":"#}), true);
    check(ToolCallKind::Function, "[1]", json!({"arguments": "[1]"}), true);
    check(ToolCallKind::Custom, "free", json!({"input": "free"}), false);
}

#[test]
fn deprecated_function_messages_have_names_and_no_ids() {
    let call = |name: &str| {
        let kind = ToolCallKind::LegacyFunction;
        Part::ToolCall(ToolCall { name: name.to_owned(), kind, ..ToolCall::default() })
    };
    let result = |name: &str| {
        let result = ToolResult { name: Some(name.to_owned()), ..ToolResult::default() };
        Message::new(Role::Tool, [Part::ToolResult(result)])
    };
    let messages = vec![
        Message::user("q"),
        Message::new(Role::Assistant, [call("f"), call("g")]),
        result("f"),
        result("g"),
    ];
    let (body, _) = contents(messages, "gemini-3-flash-preview");
    let names: Vec<_> =
        body[2]["parts"].as_array().unwrap().iter().map(|p| &p["functionResponse"]["name"]).collect();
    assert_eq!(names, ["f", "g"]);
}

#[test]
fn opaque_parts_go_back_to_their_dialect_only() {
    let part = json!({"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "S"});
    let opaque =
        |dialect| Part::Opaque(Opaque { dialect, kind: "executableCode".to_owned(), json: raw(&part) });
    let message = Message::new(Role::Assistant, [opaque(Dialect::Gemini), opaque(Dialect::Anthropic)]);
    let (body, changes) = contents(vec![Message::user("q"), message], "gemini-2.5-flash");
    assert_eq!(body[1]["parts"], json!([part]));
    assert_eq!(changes, ["dropped messages[1].content[1]"]);
}

#[test]
fn what_has_no_counterpart_in_a_message_is_recorded() {
    let cache = Some(CacheControl { kind: "ephemeral".to_owned(), ttl: None });
    let mut text = Text { text: "a".to_owned(), cache, ..Text::default() };
    text.extra.set("odd", raw(&json!(1)));
    let mut message = Message::new(Role::User, [Part::Text(text)]);
    message.name = Some("bob".to_owned());
    message.extra.set("more", raw(&json!(1)));
    let assistant = Message::new(
        Role::Assistant,
        [Part::Refusal(Refusal { text: "no".to_owned() }), Part::Citation(Citation::default())],
    );
    let mut request = ChatRequest::new([message, assistant]);
    request.origin = Some(Dialect::OpenaiChat);
    let (body, changes) = send(request, "gemini-2.5-flash");
    assert_eq!(body["contents"][1]["parts"], json!([{"text": "no"}]));
    let expect = [
        "dropped messages[0].name",
        "dropped messages[0].more",
        "dropped messages[0].content[0].cache_control",
        "dropped messages[0].content[0].odd",
        "altered messages[1].content[0]",
        "dropped messages[1].content[1]",
    ];
    assert_eq!(changes, expect);
}
