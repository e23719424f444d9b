//! Tools and the choice among them on their way out.

use llm_types::Dialect;
use llm_types::chat::{ChatRequest, Message, Part, Role, Tool, ToolCall, ToolChoice, ToolKind, WebSearch};
use serde_json::{Value, json};

use super::*;

fn hosted(dialect: Dialect, kind: &str, json: Value) -> Tool {
    let kind = ToolKind::Hosted { dialect, kind: kind.to_owned(), json: raw(&json) };
    Tool { kind, cache: None, extra: llm_types::Extra::default() }
}

fn with_tools(tools: Vec<Tool>) -> ChatRequest {
    let mut request = ChatRequest::new([Message::user("q")]);
    request.tooling.tools = tools;
    request
}

#[test]
fn tools_that_the_provider_runs() {
    let check = |tool: Tool, expect: Value, changed: &[&str]| {
        let (body, changes) = send(with_tools(vec![tool]), "gemini-2.5-flash");
        assert_eq!(body["tools"], expect);
        assert_eq!(changes, changed);
    };
    let code = json!({"codeExecution": {}});
    check(hosted(Dialect::Gemini, "codeExecution", code.clone()), json!([code]), &[]);
    let url = json!({"url_context": {}});
    check(hosted(Dialect::OpenaiChat, "", url.clone()), json!([url]), &[]);
    let search = json!([{"googleSearch": {}}]);
    let preview = json!({"type": "web_search_preview"});
    check(hosted(Dialect::OpenaiChat, "web_search_preview", preview), search, &["altered tools[0]"]);
    let bash = json!({"type": "bash_20250124", "name": "bash"});
    check(hosted(Dialect::Anthropic, "bash_20250124", bash), Value::Null, &["dropped tools[0]"]);
}

#[test]
fn search_and_functions() {
    let request = || {
        let mut request = with_tools(vec![Tool::function("f", "d", None)]);
        request.web_search = Some(WebSearch {
            context_size: Some("low".to_owned()),
            city: Some("Oslo".to_owned()),
            ..WebSearch::default()
        });
        request
    };
    let lost = [
        "dropped web_search_options.search_context_size",
        "dropped web_search_options.user_location",
        "dropped web_search_options",
    ];
    let (body, changes) = send(request(), "gemini-2.5-flash");
    assert_eq!(body["tools"], json!([{"functionDeclarations": [{"name": "f", "description": "d"}]}]));
    assert_eq!(changes, lost);

    let (body, changes) = send(request(), "gemini-3-flash-preview");
    assert_eq!(body["tools"][0], json!({"googleSearch": {}}));
    assert_eq!(body["toolConfig"], json!({"includeServerSideToolInvocations": true}));
    assert_eq!(changes, lost[..2]);
}

#[test]
fn tool_choice() {
    let check = |choice: ToolChoice, expect: Value| {
        let mut request = with_tools(vec![Tool::function("f/1", "d", None)]);
        request.tooling.choice = Some(choice.clone());
        let (body, _) = send(request, "gemini-2.5-flash");
        assert_eq!(body["toolConfig"]["functionCallingConfig"], expect, "{choice:?}");
    };
    let name = || "f/1".to_owned();
    check(ToolChoice::Auto, json!({"mode": "AUTO"}));
    check(ToolChoice::None, json!({"mode": "NONE"}));
    check(ToolChoice::Required, json!({"mode": "ANY"}));
    check(ToolChoice::Function(name()), json!({"mode": "ANY", "allowedFunctionNames": ["f_1"]}));
    check(ToolChoice::Custom(name()), json!({"mode": "ANY", "allowedFunctionNames": ["f_1"]}));
    let allowed = |required| ToolChoice::Allowed { required, names: vec![name()] };
    check(allowed(true), json!({"mode": "ANY", "allowedFunctionNames": ["f_1"]}));
    check(allowed(false), json!({"mode": "VALIDATED", "allowedFunctionNames": ["f_1"]}));

    let mut request = with_tools(vec![]);
    request.tooling.choice = Some(ToolChoice::Required);
    let (body, changes) = send(request, "gemini-2.5-flash");
    assert_eq!(body["toolConfig"], Value::Null);
    assert_eq!(changes, ["dropped tool_choice"]);
}

#[test]
fn rewritten_names_come_back() {
    let call = Part::ToolCall(ToolCall { name: "a b".to_owned(), ..ToolCall::default() });
    let mut request = with_tools(vec![Tool::function("a b", "d", None)]);
    request.messages.push(Message::new(Role::Assistant, [call]));
    let (wire, changes) = try_send(request, "gemini-2.5-flash").unwrap();
    let body: Value = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
    assert_eq!(body["tools"][0]["functionDeclarations"][0]["name"], "a_b");
    assert_eq!(body["contents"][1]["parts"][0]["functionCall"]["name"], "a_b");
    assert_eq!(changes.list().len(), 1);

    let answer = json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "a_b"}}]}}]});
    let reply = read_as(answer.to_string().as_bytes(), "m", &wire.memo).unwrap();
    assert_eq!(reply.tool_calls().next().unwrap().name, "a b");
}

#[test]
fn custom_tools_are_functions_of_one_text() {
    let kind = ToolKind::Custom {
        name: "sh".to_owned(),
        description: Some("d".to_owned()),
        format: Some(raw(&json!({"type": "grammar"}))),
    };
    let tool = Tool { kind, cache: None, extra: llm_types::Extra::default() };
    let (body, changes) = send(with_tools(vec![tool]), "gemini-2.5-flash");
    let schema = &body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"];
    assert_eq!(schema["properties"], json!({"input": {"type": "string"}}));
    assert_eq!(changes, ["altered tools[0]", "dropped tools[0].custom.format"]);
}
