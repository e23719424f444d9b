//! What we send.

use llm_types::chat::{
    Audio, CacheControl, ChatRequest, Citation, File, Image, Media, Message, Opaque, Part, Reasoning,
    Refusal, Role, Text, Tool, ToolCall, ToolCallKind, ToolChoice, ToolKind, ToolResult, WebSearch,
};
use llm_types::{Dialect, ErrorKind};
use serde_json::{Value, json};

use super::*;

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        ..ToolCall::default()
    })
}

fn picture() -> Image {
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
fn contents(messages: Vec<Message>, model: &str) -> (Value, Vec<String>) {
    let (mut body, changes) = send(ChatRequest::new(messages), model);
    (body["contents"].take(), changes)
}

fn user(parts: Value) -> Value {
    json!({"role": "user", "parts": parts})
}

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

fn result(parts: Vec<Part>) -> ToolResult {
    ToolResult { call_id: "1".to_owned(), parts, ..ToolResult::default() }
}

fn after_call(result: ToolResult) -> Vec<Message> {
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
fn media_by_address() {
    let check = |media: Media, media_type: Option<&str>, expect: Value| {
        let file = File {
            media,
            filename: None,
            media_type: media_type.map(str::to_owned),
            cache: None,
            extra: llm_types::Extra::default(),
        };
        let (body, _) = contents(vec![Message::new(Role::User, [Part::File(file)])], "gemini-2.5-flash");
        assert_eq!(body[0]["parts"][0]["fileData"], expect);
    };
    let files = "https://generativelanguage.googleapis.com/v1beta/files/abc";
    let url = |url: &str| Media::Url(url.to_owned());
    check(url(files), None, json!({"fileUri": files}));
    check(url(files), Some("image/jpg"), json!({"fileUri": files, "mimeType": "image/jpeg"}));
    check(url("gs://b/a.pdf"), None, json!({"fileUri": "gs://b/a.pdf", "mimeType": "application/pdf"}));
    check(url("https://youtu.be/x"), None, json!({"fileUri": "https://youtu.be/x", "mimeType": "video/mp4"}));
    check(Media::FileId("files/abc".to_owned()), None, json!({"fileUri": files}));

    let image = Part::Image(Image::new(url("https://example.com/a.png")));
    let request = ChatRequest::new([Message::user("q"), Message::new(Role::User, [Part::text("x"), image])]);
    let error = try_send(request, "gemini-2.5-flash").unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    assert_eq!(error.param.as_deref(), Some("messages[1].content[1]"));
    assert!(error.message.contains("base64 or a Files API URI"), "{error}");
}

#[test]
fn sound_and_video() {
    let audio = Audio {
        media: Some(Media::Base64 { media_type: String::new(), data: "AAAA".to_owned() }),
        format: Some("mp3".to_owned()),
        ..Audio::default()
    };
    let spoken = Audio { id: Some("a1".to_owned()), transcript: Some("hi".to_owned()), ..Audio::default() };
    let forgotten = Audio { id: Some("a2".to_owned()), ..Audio::default() };
    let mut video = File {
        media: Media::Url("gs://b/a.mp4".to_owned()),
        filename: None,
        media_type: None,
        cache: None,
        extra: llm_types::Extra::default(),
    };
    video.extra.set("video_metadata", raw(&json!({"fps": 2, "startOffset": "2s"})));
    let messages = vec![
        Message::new(Role::User, [Part::Audio(audio), Part::File(video)]),
        Message::new(Role::Assistant, [Part::Audio(spoken), Part::Audio(forgotten)]),
    ];
    let (body, changes) = contents(messages, "gemini-2.5-flash");
    assert_eq!(body[0]["parts"][0]["inlineData"]["mimeType"], "audio/mp3");
    assert_eq!(body[0]["parts"][1]["videoMetadata"], json!({"fps": 2, "startOffset": "2s"}));
    assert_eq!(body[1]["parts"], json!([{"text": "hi"}]));
    let expect =
        ["altered messages[1].content[0]", "dropped messages[1].audio.id", "dropped messages[1].audio"];
    assert_eq!(changes, expect);
}

#[test]
fn sound_that_a_model_made_goes_back_as_it_came() {
    let data = json!({"mimeType": "audio/L16;rate=24000", "data": "AQID"});
    let answer =
        json!({"candidates": [{"content": {"parts": [{"inlineData": data}]}, "finishReason": "STOP"}]});
    let parts = read(&answer).unwrap().choices.remove(0).parts;
    let audio = match &parts[0] {
        Part::Audio(audio) => audio.clone(),
        other => panic!("{other:?}"),
    };
    let messages = vec![Message::user("q"), Message::new(Role::Assistant, [Part::Audio(audio)])];
    let (body, changes) = contents(messages, "gemini-2.5-flash");
    assert_eq!(body[1]["parts"], json!([{"inlineData": data}]));
    assert!(changes.is_empty(), "{changes:?}");
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
fn detail_is_said_per_picture_or_once() {
    let pictures = |details: &[&str]| {
        let image = |detail: &&str| Part::Image(Image { detail: Some((*detail).to_owned()), ..picture() });
        ChatRequest::new([Message::new(Role::User, details.iter().map(image))])
    };
    let (body, _) = send(pictures(&["low", "auto", "ultra_high"]), "gemini-3-pro-preview");
    let levels = body["contents"][0]["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["mediaResolution"]["level"].clone());
    let expect = [json!("MEDIA_RESOLUTION_LOW"), Value::Null, json!("MEDIA_RESOLUTION_ULTRA_HIGH")];
    assert_eq!(levels.collect::<Vec<_>>(), expect);

    let (body, changes) = send(pictures(&["low", "high"]), "gemini-2.5-flash");
    assert_eq!(body["generationConfig"], json!({"mediaResolution": "MEDIA_RESOLUTION_HIGH"}));
    assert_eq!(changes, ["altered messages[0].content[1].image_url.detail"]);

    let (_, changes) = send(pictures(&["low", "odd"]), "gemini-1.5-flash");
    let path = |part: u32| format!("dropped messages[0].content[{part}].image_url.detail");
    assert_eq!(changes, [path(0), path(1)]);
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
