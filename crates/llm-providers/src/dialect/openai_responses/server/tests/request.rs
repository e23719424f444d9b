//! Requests as clients write them.

use llm_types::chat::{ChatRequest, Effort, Format, Media, Part, Role, ToolCallKind, ToolChoice, ToolKind};
use llm_types::{Call, Dialect, Head};
use serde_json::{Value, json};

use super::super::super::tests::recordings;
use super::Server;
use crate::codec::{Asked, ServerCodec};

fn read(body: &Value) -> ChatRequest {
    match Server.decode(body.to_string().as_bytes(), &Asked::default()) {
        Ok(Call::Chat(request)) => *request,
        other => panic!("{other:?} of {body}"),
    }
}

fn asking(members: Value) -> Value {
    let mut request = json!({"model": "m", "input": "Hi"});
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    request
}

#[test]
fn every_recorded_request_reads() {
    for recording in recordings() {
        let request = &recording.request;
        let call = read(request);
        assert_eq!(call.model, request["model"], "{}", recording.name);
        let calls = |kind: &str| {
            let items = request["input"].as_array().into_iter().flatten();
            items.filter(|item| item["type"] == kind).count()
        };
        let parts = || call.messages.iter().flat_map(|message| &message.parts);
        let found = parts().filter(|part| matches!(part, Part::ToolCall(_))).count();
        assert_eq!(found, calls("function_call") + calls("custom_tool_call"), "{}", recording.name);
        let found = parts().filter(|part| matches!(part, Part::ToolResult(_))).count();
        assert_eq!(found, calls("function_call_output"), "{}", recording.name);
        assert_eq!(
            call.tooling.tools.len(),
            request["tools"].as_array().map_or(0, Vec::len),
            "{}",
            recording.name
        );
        let head = Head::scan(request.to_string().into()).unwrap();
        let peek = Server.peek(&head, &Asked::default()).unwrap();
        assert_eq!(
            (peek.model.as_str(), peek.stream),
            (request["model"].as_str().unwrap(), call.delivery.stream)
        );
    }
}

#[test]
fn options_find_their_fields() {
    let request = read(&asking(json!({
        "instructions": "Be brief.", "temperature": 0.5, "top_p": 0.9, "max_output_tokens": 300, "top_logprobs": 2,
        "parallel_tool_calls": false, "store": false, "service_tier": "flex", "user": "u", "safety_identifier": "s",
        "prompt_cache_key": "k", "prompt_cache_retention": "24h", "metadata": {"a": "b"}, "truncation": "auto",
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs", "file_search_call.results"],
        "reasoning": {"effort": "high", "summary": "auto", "mode": "pro"}, "max_tool_calls": 3, "new_member": [1],
        "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "W", "schema": {"type": "object"}, "strict": true}},
        "stream": true, "stream_options": {"include_obfuscation": false}})));
    assert_eq!(request.messages[0].role, Role::System);
    assert_eq!(
        (request.messages[0].text().as_str(), request.messages[1].text().as_str()),
        ("Be brief.", "Hi")
    );
    assert_eq!((request.sampling.temperature, request.sampling.top_p), (Some(0.5), Some(0.9)));
    assert_eq!(request.limits.output_tokens(), Some(300));
    assert_eq!((request.output.logprobs, request.output.top_logprobs), (Some(true), Some(2)));
    assert_eq!(request.output.verbosity.as_deref(), Some("low"));
    let Some(Format::JsonSchema(schema)) = &request.output.format else { panic!("{:?}", request.output) };
    assert_eq!((schema.name.as_str(), schema.strict), ("W", Some(true)));
    assert_eq!(
        (request.reasoning.effort, request.reasoning.summary.as_deref()),
        (Some(Effort::High), Some("auto"))
    );
    assert_eq!((request.tooling.parallel, request.delivery.store), (Some(false), Some(false)));
    assert_eq!(request.delivery.include_obfuscation, Some(false));
    assert_eq!(request.cache.key.as_deref(), Some("k"));
    assert_eq!(
        (request.identity.user.as_deref(), request.identity.safety_identifier.as_deref()),
        (Some("u"), Some("s"))
    );
    let kept: Vec<(&str, &str)> = request.extra.iter().map(|(name, json)| (name, json.get())).collect();
    assert_eq!(
        kept,
        [
            ("new_member", "[1]"),
            ("truncation", "\"auto\""),
            ("max_tool_calls", "3"),
            ("include", "[\"file_search_call.results\"]"),
            ("reasoning", "{\"mode\":\"pro\"}"),
        ]
    );
    assert_eq!(request.origin, Some(Dialect::OpenaiResponses));
}

#[test]
fn what_cannot_be_read_exactly_is_kept() {
    let check = |members: Value, name: &str, expect: &str| {
        let request = read(&asking(members));
        assert_eq!(request.extra.get(name).map(|json| json.get()), Some(expect));
    };
    check(json!({"reasoning": {"effort": "vast"}}), "reasoning", r#"{"effort":"vast"}"#);
    check(
        json!({"text": {"format": {"type": "grammar", "definition": "x"}}}),
        "text",
        r#"{"format":{"type":"grammar","definition":"x"}}"#,
    );
    check(json!({"tool_choice": {"type": "web_search"}}), "tool_choice", r#"{"type":"web_search"}"#);
    check(json!({"background": true}), "background", "true");
    check(json!({"conversation": "conv_1"}), "conversation", "\"conv_1\"");
}

#[test]
fn items_become_turns() {
    let request = read(&json!({"model": "m", "input": [
        {"role": "developer", "content": "Rules."},
        {"role": "user", "content": [
            {"type": "input_text", "text": "Compare."},
            {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"},
            {"type": "input_file", "file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"},
            {"type": "input_file", "file_url": "https://a.example/b.pdf"},
            {"type": "input_image", "file_id": "file-1"}]},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "phase": "commentary",
            "content": [{"type": "output_text", "text": "One.", "annotations": []}, {"type": "refusal", "refusal": "Two."}]},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{\"a\":1}", "status": "completed"},
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_2", "name": "patch", "input": "*** Begin"},
        {"type": "function_call_output", "call_id": "call_1", "output": [
            {"type": "input_text", "text": "here"}, {"type": "input_image", "image_url": "https://a.example/c.png"}]},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": "done"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {"type": "item_reference", "id": "rs_9"},
        {"role": "user", "content": "And?"}]}));
    let roles: Vec<Role> = request.messages.iter().map(|message| message.role).collect();
    assert_eq!(
        roles,
        [Role::Developer, Role::User, Role::Assistant, Role::Tool, Role::Assistant, Role::User]
    );
    let [_, user, model, tool, searched, _] = &*request.messages else { panic!() };
    assert!(matches!(&user.parts[1], Part::Image(image)
        if matches!(&image.media, Media::Base64 { media_type, .. } if media_type == "image/png") && image.detail.as_deref() == Some("low")));
    assert!(matches!(&user.parts[2], Part::File(file) if file.filename.as_deref() == Some("a.pdf")));
    assert!(
        matches!(&user.parts[3], Part::File(file) if file.media == Media::Url("https://a.example/b.pdf".to_owned()))
    );
    assert!(
        matches!(&user.parts[4], Part::Image(image) if image.media == Media::FileId("file-1".to_owned()))
    );
    assert!(matches!(&model.parts[0], Part::Text(text) if text.extra.get("phase").is_some()));
    assert!(
        matches!(&model.parts[2], Part::ToolCall(call) if call.id == "call_1" && call.arguments == "{\"a\":1}")
    );
    assert!(
        matches!(&model.parts[3], Part::ToolCall(call) if call.kind == ToolCallKind::Custom && call.arguments == "*** Begin")
    );
    assert!(matches!(&tool.parts[0], Part::ToolResult(result) if result.parts.len() == 2));
    assert!(matches!(&tool.parts[1], Part::ToolResult(result) if result.call_id == "call_2"));
    assert!(matches!(&searched.parts[0], Part::Opaque(opaque) if opaque.kind == "web_search_call"));
    assert!(matches!(&searched.parts[1], Part::Opaque(opaque) if opaque.kind == "item_reference"));
}

#[test]
fn tools_and_choices() {
    let request = read(&asking(json!({"tools": [
        {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true, "defer_loading": true},
        {"type": "custom", "name": "patch", "format": {"type": "text"}},
        {"type": "web_search", "search_context_size": "low"}]})));
    let [function, custom, hosted] = &*request.tooling.tools else { panic!() };
    assert!(matches!(&function.kind, ToolKind::Function { name, strict: Some(true), .. } if name == "f"));
    assert!(function.extra.get("defer_loading").is_some());
    assert!(matches!(&custom.kind, ToolKind::Custom { name, format: Some(_), .. } if name == "patch"));
    assert!(
        matches!(&hosted.kind, ToolKind::Hosted { dialect: Dialect::OpenaiResponses, kind, .. } if kind == "web_search")
    );
    let choice = |json: Value| read(&asking(json!({"tool_choice": json}))).tooling.choice;
    assert_eq!(choice(json!("required")), Some(ToolChoice::Required));
    assert_eq!(choice(json!({"type": "function", "name": "f"})), Some(ToolChoice::Function("f".to_owned())));
    assert_eq!(choice(json!({"type": "custom", "name": "p"})), Some(ToolChoice::Custom("p".to_owned())));
    let allowed =
        json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]});
    assert_eq!(choice(allowed), Some(ToolChoice::Allowed { required: true, names: vec!["f".to_owned()] }));
}

#[test]
fn mistakes_are_named() {
    let check = |members: Value, param: &str| {
        let body = asking(members).to_string();
        let error = Server.decode(body.as_bytes(), &Asked::default()).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(param), "{body}: {error}");
    };
    check(json!({"input": [{"role": "robot", "content": "x"}]}), "input[0].role");
    check(json!({"input": [{"content": "x"}]}), "input[0].role");
    check(json!({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}), "input[0].call_id");
    check(
        json!({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}),
        "input[0].content[0].image_url",
    );
    check(json!({"tools": [{"type": "function"}]}), "tools[0].name");
    check(json!({"temperature": "hot"}), "temperature");
    let head = Head::scan(r#"{"input":"x"}"#.into()).unwrap();
    assert_eq!(Server.peek(&head, &Asked::default()).unwrap_err().param.as_deref(), Some("model"));
}
