//! The canonical request and answer.

use llm_types::chat::{
    ChatRequest, Image, Media, Message, Part, Role, Text, Tool, ToolCall, ToolChoice, ToolKind,
};
use serde_json::json;

use super::{encode, raw};

/// The canonical request of the test vectors.
pub(super) fn canonical() -> ChatRequest {
    let png = Media::Base64 { media_type: "image/png".to_owned(), data: "iVBORw0KGgo=".to_owned() };
    let call = |id: &str, name: &str, arguments: &str| {
        Part::ToolCall(ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
            ..ToolCall::default()
        })
    };
    let mut request = ChatRequest::new([
        Message::system("Be brief."),
        Message::new(Role::User, [Part::text("Picture and weather?"), Part::Image(Image::new(png))]),
        Message::new(
            Role::Assistant,
            [
                Part::Text(Text::new("Checking.")),
                call("call_1", "get_weather", r#"{"city":"Oslo"}"#),
                call("call_2", "now", ""),
            ],
        ),
        Message::tool_result("call_1", r#"{"temp":4}"#),
        Message::tool_result("call_2", "noon"),
        Message::user("And tomorrow?"),
    ]);
    let schema = r#"{"type":"object","properties":{"city":{"type":"string"},"unit":{"type":["string","null"],"enum":["c","f",null]}},"required":["city"],"additionalProperties":false}"#;
    let mut weather = Tool::function("get_weather", "Weather by city", Some(raw(schema)));
    if let ToolKind::Function { strict, .. } = &mut weather.kind {
        *strict = Some(true);
    }
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

#[test]
fn the_canonical_request() {
    let sent = encode(&canonical(), "claude-sonnet-4-5");
    insta::assert_json_snapshot!(sent.body);
    assert_eq!(sent.changed(), ["dropped seed"]);
    assert_eq!(sent.betas(), None);
    assert!(sent.memo.tool_names.is_empty() && sent.memo.json_tool.is_none());
}

#[test]
fn the_canonical_request_for_a_model_that_cannot_be_strict() {
    let strict = encode(&canonical(), "claude-sonnet-4-5");
    let sent = encode(&canonical(), "claude-sonnet-4-20250514");
    let mut expect = strict.body;
    expect["model"] = json!("claude-sonnet-4-20250514");
    expect["tools"][0].as_object_mut().unwrap().remove("strict");
    assert_eq!(sent.body, expect);
    assert_eq!(sent.changed(), ["dropped tools[0].function.strict", "dropped seed"]);
}
