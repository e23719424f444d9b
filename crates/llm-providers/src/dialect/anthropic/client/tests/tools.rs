//! Tools, names and the choice among them; structured answers through a tool.

use llm_types::chat::{
    CacheControl, ChatRequest, Format, JsonSchema, Message, Part, Role, Tool, ToolCall, ToolChoice, ToolKind,
    WebSearch,
};
use llm_types::{Dialect, Extra};
use serde_json::{Value, json};

use super::{encode, raw, try_encode};

const MODEL: &str = "claude-sonnet-4-5";

fn ask(tools: Vec<Tool>) -> ChatRequest {
    let mut request = ChatRequest::new([Message::user("Hi")]);
    request.tooling.tools = tools;
    request
}

fn function(name: &str, parameters: Option<&str>) -> Tool {
    Tool::function(name, "d", parameters.map(raw))
}

fn tool(kind: ToolKind) -> Tool {
    Tool { kind, cache: None, extra: Extra::default() }
}

fn hosted(dialect: Dialect, kind: &str, json: &str) -> Tool {
    tool(ToolKind::Hosted { dialect, kind: kind.to_owned(), json: raw(json) })
}

#[test]
fn names_are_the_same_in_tools_history_and_choice() {
    let mut request = ask(vec![function("a.b", None), function("a_b", None)]);
    request.messages.push(Message::new(
        Role::Assistant,
        [Part::ToolCall(ToolCall { id: "1".into(), name: "a.b".into(), ..ToolCall::default() })],
    ));
    request.messages.push(Message::tool_result("1", "x"));
    request.tooling.choice = Some(ToolChoice::Function("a.b".to_owned()));
    let sent = encode(&request, MODEL);
    assert_eq!(sent.body["tools"][0]["name"], "a_b_2");
    assert_eq!(sent.body["tools"][1]["name"], "a_b");
    assert_eq!(sent.body["messages"][1]["content"][0]["name"], "a_b_2");
    assert_eq!(sent.body["tool_choice"], json!({"type": "tool", "name": "a_b_2"}));
    assert_eq!(sent.memo.client_name("a_b_2"), "a.b");
    assert!(sent.changes.is_empty());
}

#[test]
fn choices() {
    let check =
        |choice: Option<ToolChoice>, parallel: Option<bool>, model: &str, expect: Value, changed: &[&str]| {
            let mut request = ask(vec![function("f", None), function("g", None)]);
            request.tooling.choice = choice.clone();
            request.tooling.parallel = parallel;
            let sent = encode(&request, model);
            assert_eq!(sent.body.get("tool_choice").cloned().unwrap_or(Value::Null), expect, "{choice:?}");
            assert_eq!(sent.changed(), changed, "{choice:?}");
        };
    let named = || Some(ToolChoice::Custom("f".to_owned()));
    check(None, None, MODEL, Value::Null, &[]);
    check(None, Some(false), MODEL, json!({"type": "auto", "disable_parallel_tool_use": true}), &[]);
    check(Some(ToolChoice::Auto), None, MODEL, json!({"type": "auto"}), &[]);
    check(
        Some(ToolChoice::Required),
        Some(true),
        MODEL,
        json!({"type": "any", "disable_parallel_tool_use": false}),
        &[],
    );
    check(named(), None, MODEL, json!({"type": "tool", "name": "f"}), &[]);
    check(
        Some(ToolChoice::None),
        Some(false),
        MODEL,
        json!({"type": "none"}),
        &["dropped parallel_tool_calls"],
    );
    check(named(), None, "claude-fable-5-1", json!({"type": "auto"}), &["altered tool_choice"]);
}

#[test]
fn allowed_tools_are_the_only_ones_offered() {
    let mut request = ask(vec![function("f", None), function("g", None)]);
    request.tooling.choice = Some(ToolChoice::Allowed { required: true, names: vec!["g".to_owned()] });
    let sent = encode(&request, MODEL);
    assert_eq!(sent.body["tools"].as_array().unwrap().len(), 1);
    assert_eq!(sent.body["tools"][0]["name"], "g");
    assert_eq!(sent.body["tool_choice"], json!({"type": "any"}));
    assert_eq!(sent.changed(), ["altered tool_choice"]);
}

#[test]
fn a_choice_without_tools_is_recorded() {
    let mut request = ask(vec![]);
    request.tooling.choice = Some(ToolChoice::Required);
    request.tooling.parallel = Some(true);
    let sent = encode(&request, MODEL);
    assert_eq!(sent.body.get("tool_choice"), None);
    assert_eq!(sent.changed(), ["dropped tool_choice", "dropped parallel_tool_calls"]);
}

#[test]
fn kinds_of_tools() {
    let mut strict =
        function("s", Some(r#"{"type":"object","properties":{"n":{"type":"integer","minimum":1}}}"#));
    if let ToolKind::Function { strict, .. } = &mut strict.kind {
        *strict = Some(true);
    }
    strict.extra.set("eager_input_streaming", raw("true"));
    strict.extra.set("other", raw("1"));
    let mut request = ask(vec![
        strict,
        tool(ToolKind::Custom {
            name: "c".to_owned(),
            description: None,
            format: Some(raw(r#"{"type":"text"}"#)),
        }),
        hosted(
            Dialect::Anthropic,
            "computer_20250124",
            r#"{"type":"computer_20250124","name":"computer","display_width_px":1,"display_height_px":2}"#,
        ),
        hosted(Dialect::Gemini, "googleSearch", "{}"),
        hosted(
            Dialect::OpenaiChat,
            "mcp",
            r#"{"type":"mcp","server_url":"https://m","server_label":"m","authorization":"t","allowed_tools":["x"],"require_approval":"always"}"#,
        ),
        function("bad", Some(r#"{"type":"array"}"#)),
    ]);
    request.origin = Some(Dialect::OpenaiChat);
    let sent = encode(&request, MODEL);
    assert_eq!(
        sent.body["tools"],
        json!([
            {"type": "custom", "name": "s", "description": "d", "strict": true, "eager_input_streaming": true,
             "input_schema": {"type": "object", "additionalProperties": false, "properties": {
                "n": {"type": "integer", "description": "Note: minimum value: 1."}}}},
            {"type": "custom", "name": "c", "input_schema": {"type": "object", "required": ["input"],
             "additionalProperties": false, "properties": {"input": {"type": "string"}}}},
            {"type": "computer_20250124", "name": "computer", "display_width_px": 1, "display_height_px": 2},
            {"type": "custom", "name": "bad", "description": "d", "input_schema": {"type": "object",
             "properties": {"values": {"type": "array"}}, "required": ["values"]}},
        ])
    );
    assert_eq!(
        sent.body["mcp_servers"],
        json!([{"type": "url", "url": "https://m", "name": "m", "authorization_token": "t",
                "tool_configuration": {"allowed_tools": ["x"]}}])
    );
    assert_eq!(
        sent.betas(),
        Some("fine-grained-tool-streaming-2025-05-14,computer-use-2025-01-24,mcp-client-2025-04-04")
    );
    assert_eq!(
        sent.changed(),
        [
            "altered tools[0].function.parameters",
            "dropped tools[0].other",
            "altered tools[1]",
            "dropped tools[1].custom.format",
            "dropped tools[3]",
            "dropped tools[4].require_approval",
            "altered tools[5].function.parameters",
        ]
    );
    let error = try_encode(&ask(vec![function("f", Some("[1]"))]), MODEL).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("tools[0].function.parameters"));
}

#[test]
fn a_breakpoint_on_a_hosted_tool_is_kept() {
    let mut search = hosted(
        Dialect::Anthropic,
        "web_search_20250305",
        r#"{"type":"web_search_20250305","name":"web_search"}"#,
    );
    search.cache = Some(CacheControl { kind: "ephemeral".to_owned(), ttl: None });
    let sent = encode(&ask(vec![search]), MODEL);
    assert_eq!(sent.body["tools"][0]["cache_control"], json!({"type": "ephemeral"}));
    assert!(sent.changes.is_empty());
}

#[test]
fn web_search() {
    let check = |search: WebSearch, expect: Value, changed: &[&str]| {
        let mut request = ask(vec![function("web_search", None)]);
        request.web_search = Some(search);
        let sent = encode(&request, MODEL);
        assert_eq!(sent.body["tools"][0]["name"], "web_search_2", "the client's own tool gives way");
        assert_eq!(sent.body["tools"][1], expect);
        assert_eq!(sent.changed(), changed);
    };
    let plain = json!({"type": "web_search_20250305", "name": "web_search"});
    check(WebSearch::default(), plain.clone(), &[]);
    let full = WebSearch {
        context_size: Some("high".to_owned()),
        country: Some("NO".to_owned()),
        city: Some("Oslo".to_owned()),
        ..WebSearch::default()
    };
    let mut expect = plain.clone();
    expect["max_uses"] = json!(10);
    expect["user_location"] = json!({"type": "approximate", "city": "Oslo", "country": "NO"});
    check(full, expect, &[]);
    let odd = WebSearch { context_size: Some("huge".to_owned()), ..WebSearch::default() };
    check(odd, plain, &["dropped web_search_options.search_context_size"]);
}

#[test]
fn calls_in_the_history_need_some_tool() {
    let mut request = ask(vec![]);
    request.messages.push(Message::new(
        Role::Assistant,
        [Part::ToolCall(ToolCall { id: "1".into(), name: "f".into(), ..ToolCall::default() })],
    ));
    request.messages.push(Message::tool_result("1", "x"));
    let sent = encode(&request, MODEL);
    assert_eq!(sent.body["tools"].as_array().unwrap().len(), 1);
    assert_eq!(sent.body["tool_choice"], json!({"type": "none"}));
    assert_eq!(sent.changed(), ["altered tools"]);
}

fn schema(json: &str) -> Format {
    Format::JsonSchema(JsonSchema {
        name: "W".to_owned(),
        schema: Some(raw(json)),
        strict: Some(true),
        ..JsonSchema::default()
    })
}

const S: &str = r#"{"type":"object","properties":{"t":{"type":"integer","minimum":0,"maximum":50}},"required":["t"],"additionalProperties":false}"#;

#[test]
fn structured_answers_natively() {
    let mut request = ask(vec![]);
    request.output.format = Some(schema(S));
    let sent = encode(&request, MODEL);
    assert_eq!(
        sent.body["output_config"],
        json!({"format": {"type": "json_schema", "schema": {
            "type": "object",
            "properties": {"t": {"type": "integer", "description": "Note: maximum value: 50, minimum value: 0."}},
            "required": ["t"],
            "additionalProperties": false,
        }}})
    );
    assert_eq!(sent.memo.json_tool, None);
    assert_eq!(sent.changed(), ["altered response_format.json_schema.schema"]);
    request.output.format = Some(schema(r##"{"type":"object","properties":{"next":{"$ref":"#"}}}"##));
    assert!(try_encode(&request, MODEL).unwrap_err().message.contains("refers to itself"));
    request.output.format = Some(Format::JsonObject);
    assert_eq!(encode(&request, MODEL).changed(), ["altered response_format"]);
}

#[test]
fn structured_answers_through_a_tool() {
    let old = "claude-sonnet-4-20250514";
    let check = |tools: Vec<Tool>, choice: Option<ToolChoice>, thinks: bool, expect: Value| {
        let mut request = ask(tools);
        request.output.format = Some(schema(S));
        request.tooling.choice = choice;
        request.reasoning.effort = thinks.then_some(llm_types::chat::Effort::Low);
        let sent = encode(&request, old);
        let tools = sent.body["tools"].as_array().unwrap();
        assert_eq!(tools.last().unwrap()["name"], "json_tool_call");
        assert_eq!(tools.last().unwrap()["input_schema"], serde_json::from_str::<Value>(S).unwrap());
        assert_eq!(sent.body["tool_choice"], expect);
        assert_eq!(sent.memo.json_tool, Some("json_tool_call"));
        assert!(sent.changed().contains(&"altered response_format".to_owned()));
        assert_eq!(sent.body.get("output_config"), None);
    };
    let only = || json!({"type": "tool", "name": "json_tool_call"});
    check(vec![], None, false, only());
    check(vec![], None, true, json!({"type": "auto"}));
    check(vec![function("f", None)], None, false, json!({"type": "any"}));
    check(vec![function("f", None)], Some(ToolChoice::None), false, only());
    let named = Some(ToolChoice::Function("f".to_owned()));
    check(vec![function("f", None)], named, false, json!({"type": "tool", "name": "f"}));
    // A client's tool of the same name gives way.
    let mut request = ask(vec![function("json_tool_call", None)]);
    request.output.format = Some(schema(r#"{"type":"array"}"#));
    let sent = encode(&request, old);
    assert_eq!(sent.body["tools"][0]["name"], "json_tool_call_2");
    assert_eq!(sent.body["tools"][1]["input_schema"]["required"], json!(["values"]));
}
