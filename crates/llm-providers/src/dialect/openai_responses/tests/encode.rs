//! Requests of the neutral form, as they are sent.

use llm_types::chat::{
    AudioOutput, ChatRequest, Delivery, Effort, File, Format, Image, JsonSchema, Media, Message, Opaque,
    Part, Reasoning, Refusal, Role, Sealed, Text, Thinking, Tool, ToolCall, ToolCallKind, ToolChoice,
    ToolKind, ToolResult, WebSearch,
};
use llm_types::{Dialect, ErrorKind, Extra};
use serde_json::{Value, json};

use super::{encode, encode_at, plain, raw, row};

fn assistant(parts: impl IntoIterator<Item = Part>) -> Message {
    Message::new(Role::Assistant, parts)
}

fn call(id: &str, kind: ToolCallKind, arguments: &str) -> Part {
    let (id, name, arguments) = (id.to_owned(), "f".to_owned(), arguments.to_owned());
    Part::ToolCall(ToolCall { id, name, arguments, kind, ..ToolCall::default() })
}

fn result(call_id: &str, parts: Vec<Part>) -> Message {
    let result = ToolResult { call_id: call_id.to_owned(), parts, ..ToolResult::default() };
    Message::new(Role::Tool, [Part::ToolResult(result)])
}

fn picture() -> Part {
    let media = Media::Base64 { media_type: "image/png".into(), data: "AA==".into() };
    Part::Image(Image { detail: Some("low".into()), ..Image::new(media) })
}

#[test]
fn a_conversation_becomes_items_in_order() {
    let sealed = Sealed { dialect: Dialect::OpenaiResponses, id: "rs_1", data: "gAAA" }.write();
    let thoughts = Reasoning { text: "hm".into(), signature: Some(sealed), ..Reasoning::default() };
    let request = ChatRequest::new([
        Message::system("Be brief."),
        Message::new(Role::Developer, [Part::text("In French.")]),
        Message::user("Hi"),
        assistant([
            Part::Reasoning(thoughts),
            Part::text("Wait."),
            call("c1", ToolCallKind::Function, ""),
            call("c2", ToolCallKind::Custom, "free"),
        ]),
        result("c1", vec![Part::text("1"), picture()]),
        result("c2", vec![Part::text("2")]),
        assistant([Part::Refusal(Refusal { text: "No.".into() })]),
        Message::new(Role::User, [Part::text("a"), picture()]),
    ]);
    let (body, changes) = encode(request);
    let picture = json!({"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"});
    assert_eq!(body["instructions"], "Be brief.");
    assert_eq!(
        body["input"],
        json!([
            {"role": "developer", "content": "In French."},
            {"role": "user", "content": "Hi"},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "gAAA"},
            {"role": "assistant", "content": "Wait."},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "f", "input": "free"},
            {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "1"}, picture]},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": "2"},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            {"role": "user", "content": [{"type": "input_text", "text": "a"}, picture]},
        ])
    );
    assert_eq!(body["store"], false);
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]));
    assert_eq!(changes, "");
}

#[test]
fn what_is_not_one_plain_text_stays_a_message() {
    let two = Message::new(Role::System, [Part::text("a"), Part::text("b")]);
    let (body, _) = encode(ChatRequest::new([two, Message::user("Hi")]));
    assert_eq!(body.get("instructions"), None);
    assert_eq!(body["input"][0]["role"], "system");
    assert_eq!(body["input"][0]["content"][1], json!({"type": "input_text", "text": "b"}));
    // A row that takes no instructions gets the message at its place.
    let spec = row("name = \"xai\"\nquirks = { drop = [\"instructions\"] }");
    let request = ChatRequest::new([Message::system("s"), Message::user("Hi")]);
    let (body, changes) = encode_at(request, &spec, "m").unwrap();
    assert_eq!(body["input"][0], json!({"role": "system", "content": "s"}));
    assert_eq!((body.get("instructions"), &*changes), (None, ""));
}

#[test]
fn options_find_their_places() {
    let mut request = ChatRequest::new([Message::user("Hi")]);
    request.sampling.temperature = Some(0.5);
    request.limits.max_completion_tokens = Some(300);
    request.reasoning.effort = Some(Effort::High);
    request.reasoning.summary = Some("detailed".into());
    request.output.verbosity = Some("low".into());
    request.output.logprobs = Some(true);
    request.output.top_logprobs = Some(3);
    request.output.format = Some(Format::JsonSchema(JsonSchema {
        schema: Some(raw(r#"{"type":"object"}"#)),
        strict: Some(true),
        ..JsonSchema::default()
    }));
    request.delivery = Delivery {
        stream: true,
        include_usage: Some(true),
        include_obfuscation: Some(false),
        service_tier: Some("flex".into()),
        store: None,
    };
    request.cache.key = Some("k".into());
    request.identity.user = Some("u".into());
    request.tooling.parallel = Some(false);
    let (body, changes) = encode(request);
    let expect = json!({
        "model": "m", "input": [{"role": "user", "content": "Hi"}], "parallel_tool_calls": false,
        "text": {"format": {"type": "json_schema", "name": "response", "schema": {"type": "object"}, "strict": true}, "verbosity": "low"},
        "reasoning": {"effort": "high", "summary": "detailed"}, "max_output_tokens": 300, "temperature": 0.5, "top_logprobs": 3,
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content"], "store": false, "stream": true,
        "stream_options": {"include_obfuscation": false}, "prompt_cache_key": "k", "user": "u", "service_tier": "flex",
    });
    assert_eq!(body, expect);
    assert_eq!(changes, "");
}

#[test]
fn tools_are_flat_and_not_strict_unless_asked() {
    let mut request = ChatRequest::new([Message::user("Hi")]);
    let kind = ToolKind::Custom {
        name: "g".into(),
        description: None,
        format: Some(raw(r#"{"type":"grammar","grammar":{"syntax":"lark","definition":"start: x"}}"#)),
    };
    let hosted = |dialect, kind: &str, json: &str| Tool {
        kind: ToolKind::Hosted { dialect, kind: kind.into(), json: raw(json) },
        cache: None,
        extra: Extra::default(),
    };
    request.tooling.tools = vec![
        Tool::function("f", "d", None),
        Tool { kind, cache: None, extra: Extra::default() },
        hosted(Dialect::OpenaiResponses, "mcp", r#"{"type":"mcp","server_label":"s"}"#),
        hosted(
            Dialect::OpenaiChat,
            "code_interpreter",
            r#"{"type":"code_interpreter","container":{"type":"auto"}}"#,
        ),
        hosted(Dialect::Anthropic, "bash_20250124", r#"{"type":"bash_20250124"}"#),
    ];
    request.web_search = Some(WebSearch {
        context_size: Some("low".into()),
        city: Some("Oslo".into()),
        ..WebSearch::default()
    });
    request.tooling.choice =
        Some(ToolChoice::Allowed { required: true, names: vec!["f".into(), "g".into()] });
    let (body, changes) = encode(request);
    assert_eq!(
        body["tools"],
        json!([
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}, "strict": false},
            {"type": "custom", "name": "g", "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
            {"type": "mcp", "server_label": "s"},
            {"type": "code_interpreter", "container": {"type": "auto"}},
            {"type": "web_search", "search_context_size": "low", "user_location": {"type": "approximate", "city": "Oslo"}},
        ])
    );
    let allowed = json!([{"type": "function", "name": "f"}, {"type": "custom", "name": "g"}]);
    assert_eq!(body["tool_choice"], json!({"type": "allowed_tools", "mode": "required", "tools": allowed}));
    assert_eq!(changes, "dropped tools[4] (`bash_20250124` is a tool of the anthropic dialect)");
}

#[test]
fn choices_of_one_tool() {
    let check = |choice, expect: Value| {
        let mut request = ChatRequest::new([Message::user("Hi")]);
        request.tooling.choice = Some(choice);
        assert_eq!(encode(request).0["tool_choice"], expect);
    };
    check(ToolChoice::Auto, json!("auto"));
    check(ToolChoice::None, json!("none"));
    check(ToolChoice::Required, json!("required"));
    check(ToolChoice::Function("f".into()), json!({"type": "function", "name": "f"}));
    check(ToolChoice::Custom("g".into()), json!({"type": "custom", "name": "g"}));
}

#[test]
fn files_go_by_id_address_or_data() {
    let check = |media, filename: Option<&str>, media_type: Option<&str>, expect: Value, changes: &str| {
        let file = File {
            media,
            filename: filename.map(Into::into),
            media_type: media_type.map(Into::into),
            cache: None,
            extra: Extra::default(),
        };
        let (body, changed) = encode(ChatRequest::new([Message::new(Role::User, [Part::File(file)])]));
        assert_eq!(body["input"][0]["content"][0], expect);
        assert_eq!(changed, changes);
    };
    let base64 = |media_type: &str| Media::Base64 { media_type: media_type.into(), data: "AA==".into() };
    check(Media::FileId("file_1".into()), None, None, json!({"type": "input_file", "file_id": "file_1"}), "");
    check(
        Media::Url("https://a/b.pdf".into()),
        Some("b.pdf"),
        None,
        json!({"type": "input_file", "file_url": "https://a/b.pdf"}),
        "dropped messages[0].content[0].filename (a name goes with inline data only)",
    );
    check(
        base64(""),
        None,
        Some("text/csv"),
        json!({"type": "input_file", "file_data": "data:text/csv;base64,AA==", "filename": "file.csv"}),
        "",
    );
    check(
        Media::Text("hi".into()),
        None,
        None,
        json!({"type": "input_file", "file_data": "data:text/plain;base64,aGk=", "filename": "file.txt"}),
        "",
    );
}

#[test]
fn what_would_lose_its_meaning_is_refused() {
    let check = |set: fn(&mut ChatRequest), param: &str| {
        let mut request = ChatRequest::new([Message::user("Hi")]);
        set(&mut request);
        let error = encode_at(request, &plain(), "m").unwrap_err();
        assert_eq!(error.param.as_deref(), Some(param), "{error}");
        assert!(matches!(error.kind, ErrorKind::UnsupportedParam | ErrorKind::BadRequest));
    };
    check(|request| request.output.n = Some(2), "n");
    check(|request| request.output.audio = Some(AudioOutput::default()), "modalities");
    check(|request| request.output.modalities = vec!["text".into(), "audio".into()], "modalities");
    check(
        |request| {
            let media = Media::Url("https://a/b.mp4".into());
            let media_type = Some("video/mp4".into());
            let film = File { media, filename: None, media_type, cache: None, extra: Extra::default() };
            request.messages[0].parts.push(Part::File(film));
        },
        "messages[0].content[1]",
    );
}

#[test]
fn an_effort_is_said_in_the_words_of_the_row() {
    let spec = row("name = \"p\"\nquirks = { words = { \"reasoning.effort\" = { minimal = \"low\" } } }");
    let check = |effort, thinking, expect: Value, changes: &str| {
        let mut request = ChatRequest::new([Message::user("Hi")]);
        request.reasoning.effort = effort;
        request.reasoning.thinking = thinking;
        let (body, changed) = encode_at(request, &spec, "m").unwrap();
        assert_eq!((&body["reasoning"], &*changed), (&expect, changes));
    };
    check(Some(Effort::Max), None, json!({"effort": "max"}), "");
    check(Some(Effort::Minimal), None, json!({"effort": "low"}), "altered reasoning_effort (p says `low`)");
    check(
        None,
        Some(Thinking::Enabled { budget_tokens: Some(5000) }),
        json!({"effort": "high", "summary": "auto"}),
        "altered thinking (sent as an effort: high)",
    );
    check(
        None,
        Some(Thinking::Disabled),
        json!({"effort": "none"}),
        "altered thinking (sent as an effort: none)",
    );
    check(None, None, Value::Null, "");
}

#[test]
fn thoughts_go_back_to_whoever_sealed_them() {
    let thoughts = |text: &str, signature: Option<String>| {
        let reasoning = Reasoning { text: text.into(), signature, ..Reasoning::default() };
        ChatRequest::new([Message::user("Hi"), assistant([Part::Reasoning(reasoning), Part::text("a")])])
    };
    let (body, changes) = encode(thoughts("hm", Some("EqQB".into())));
    assert_eq!(body["input"].as_array().map(Vec::len), Some(2), "{body}");
    let foreign = "dropped messages[1].content[0].signature (the thoughts are sealed by another provider)";
    assert_eq!(changes, foreign);
    let (_, changes) = encode(thoughts("hm", None));
    let why = "the Responses API takes back thoughts that it encrypted only";
    assert_eq!(changes, format!("dropped messages[1].content[0] ({why})"));
    // DeepSeek wants its own back as text (recordings/deepseek/responses-stream-*-tool-result).
    let spec = row("name = \"deepseek\"\nquirks = { messages = [\"replay_reasoning\"] }");
    let (body, changes) = encode_at(thoughts("hm", None), &spec, "m").unwrap();
    let expect =
        json!({"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]});
    assert_eq!((&body["input"][1], &*changes), (&expect, ""));
}

#[test]
fn pieces_of_this_dialect_go_back_as_they_came() {
    let item = r#"{"type":"web_search_call","id":"ws_1","status":"completed"}"#;
    let opaque = |dialect, kind: &str, json: &str| {
        Part::Opaque(Opaque { dialect, kind: kind.into(), json: raw(json) })
    };
    let mut phased = Text::new("Let me see.");
    phased.extra.set("phase", raw("\"commentary\""));
    let (body, changes) = encode(ChatRequest::new([
        Message::user("Hi"),
        assistant([
            Part::Text(phased),
            opaque(Dialect::OpenaiResponses, "web_search_call", item),
            opaque(Dialect::Anthropic, "server_tool_use", "{}"),
            Part::text("Done."),
        ]),
    ]));
    let item: Value = serde_json::from_str(item).unwrap();
    let said = json!({"role": "assistant", "content": "Let me see.", "phase": "commentary"});
    assert_eq!(body["input"][1], said);
    assert_eq!(body["input"][2], item);
    assert_eq!(body["input"][3], json!({"role": "assistant", "content": "Done."}));
    assert!(changes.contains("dropped messages[1].content[2]"), "{changes}");
}

#[test]
fn members_without_a_field_go_on_to_the_same_dialect_only() {
    let mut request = ChatRequest::new([Message::user("Hi")]);
    request.reasoning.effort = Some(Effort::Low);
    request.origin = Some(Dialect::OpenaiResponses);
    request.delivery.store = Some(false);
    for (name, json) in [
        ("include", r#"["reasoning.encrypted_content","file_search_call.results"]"#),
        ("reasoning", r#"{"context":"all_turns"}"#),
        ("truncation", "\"auto\""),
        ("tool_choice", r#"{"type":"web_search"}"#),
        ("store", "true"),
    ] {
        request.extra.set(name, raw(json));
    }
    let (body, changes) = encode(request.clone());
    assert_eq!(body["include"], json!(["reasoning.encrypted_content", "file_search_call.results"]));
    assert_eq!(body["reasoning"], json!({"effort": "low", "context": "all_turns"}));
    assert_eq!((&body["truncation"], &body["tool_choice"]), (&json!("auto"), &json!({"type": "web_search"})));
    assert_eq!(changes, "dropped store (it is given twice)");
    request.origin = Some(Dialect::OpenaiChat);
    request.extra = Extra::default();
    request.extra.set("x", raw("1"));
    request.extra.set("fallbacks", raw("[]"));
    let (body, changes) = encode(request);
    assert_eq!(body.get("x"), None);
    assert_eq!(changes, "dropped x (the Responses API has no counterpart)");
}
