//! Messages: system blocks, turns, the order of blocks, parts of every kind.

use llm_types::chat::{
    Audio, CacheControl, ChatRequest, Citation, File, Image, Media, Message, Opaque, Part, Reasoning,
    Refusal, Role, Text, ToolCall, ToolCallKind, ToolResult,
};
use llm_types::{Dialect, ErrorKind};
use serde_json::{Value, json};

use super::{encode, raw, try_encode};

const MODEL: &str = "claude-sonnet-4-5";

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        ..ToolCall::default()
    })
}

fn thought(text: &str, signature: Option<&str>, redacted: Option<&str>) -> Part {
    Part::Reasoning(Reasoning {
        text: text.to_owned(),
        signature: signature.map(str::to_owned),
        redacted: redacted.map(str::to_owned),
        ..Reasoning::default()
    })
}

fn opaque(dialect: Dialect, json: &str) -> Part {
    Part::Opaque(Opaque { dialect, kind: "server_tool_use".to_owned(), json: raw(json) })
}

/// The messages of the body and the changes.
#[track_caller]
fn check(messages: Vec<Message>, model: &str, expect: Value, changed: &[&str]) {
    let sent = encode(&ChatRequest::new(messages), model);
    assert_eq!(sent.body["messages"], expect);
    assert_eq!(sent.changed(), changed);
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": [{"type": "text", "text": text}]})
}

#[test]
fn leading_instructions_go_to_system() {
    let developer = Message::new(
        Role::Developer,
        [Part::text("B"), Part::Text(Text { cache: Some(hour()), ..Text::new("C") }), Part::text("")],
    );
    let request = ChatRequest::new([Message::system("A"), developer, Message::user("Hi")]);
    let sent = encode(&request, MODEL);
    assert_eq!(
        sent.body["system"],
        json!([
            {"type": "text", "text": "A"},
            {"type": "text", "text": "B"},
            {"type": "text", "text": "C", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ])
    );
    assert_eq!(sent.body["messages"], json!([user("Hi")]));
    assert!(sent.changes.is_empty());
}

fn hour() -> CacheControl {
    CacheControl { kind: "ephemeral".to_owned(), ttl: Some("1h".to_owned()) }
}

#[test]
fn later_instructions_stay_in_their_place() {
    let messages = || {
        vec![
            Message::user("1"),
            Message::system("S"),
            Message::user("2"),
            Message::assistant("3"),
            Message::user("4"),
        ]
    };
    let tail = [json!({"role": "assistant", "content": [{"type": "text", "text": "3"}]}), user("4")];
    check(
        messages(),
        MODEL,
        json!([
            {"role": "user", "content": [
                {"type": "text", "text": "1"}, {"type": "text", "text": "S"}, {"type": "text", "text": "2"},
            ]},
            tail[0], tail[1],
        ]),
        &["altered messages[1].role"],
    );
    check(
        messages(),
        "claude-opus-4-8",
        json!([
            user("1"),
            {"role": "system", "content": [{"type": "text", "text": "S"}]},
            user("2"),
            tail[0], tail[1],
        ]),
        &[],
    );
    check(
        vec![Message::user("1"), Message::assistant("2"), Message::system("S")],
        "claude-opus-4-8",
        json!([user("1"), {"role": "assistant", "content": [{"type": "text", "text": "2"}]}, user("S")]),
        &["altered messages[2].role"],
    );
}

#[test]
fn results_come_first_and_answer_their_calls() {
    let image = Media::Base64 { media_type: "image/png".to_owned(), data: "AA".to_owned() };
    let failed = Part::ToolResult(ToolResult {
        call_id: "b:2".to_owned(),
        parts: vec![Part::text("oh"), Part::Image(Image::new(image))],
        is_error: Some(true),
        ..ToolResult::default()
    });
    check(
        vec![
            Message::user("Hi"),
            Message::new(
                Role::Assistant,
                [call("a", "f", "{ \"x\" : 1 }"), call("b:2", "f", ""), Part::text("T")],
            ),
            Message::user("meanwhile"),
            Message::tool_result("a", "1"),
            Message::new(Role::Tool, [failed]),
            Message::tool_result("a", "again"),
        ],
        MODEL,
        json!([
            user("Hi"),
            {"role": "assistant", "content": [
                {"type": "text", "text": "T"},
                {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
                {"type": "tool_use", "id": "b_2", "name": "f", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "1"},
                {"type": "tool_result", "tool_use_id": "b_2", "is_error": true, "content": [
                    {"type": "text", "text": "oh"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
                ]},
                {"type": "text", "text": "meanwhile"},
            ]},
        ]),
        &["dropped messages[5].content[0]", "altered tools"],
    );
}

#[test]
fn legacy_calls_get_ids_that_their_results_share() {
    let legacy = |name: &str| {
        Part::ToolCall(ToolCall {
            name: name.to_owned(),
            arguments: "{}".to_owned(),
            kind: ToolCallKind::LegacyFunction,
            ..ToolCall::default()
        })
    };
    let result = |name: &str| {
        Message::new(
            Role::Tool,
            [Part::ToolResult(ToolResult {
                name: Some(name.to_owned()),
                parts: vec![Part::text(name)],
                ..ToolResult::default()
            })],
        )
    };
    let sent = encode(
        &ChatRequest::new([
            Message::user("Hi"),
            Message::new(Role::Assistant, [legacy("f")]),
            result("f"),
            Message::new(Role::Assistant, [legacy("g"), legacy("f")]),
            result("f"),
            result("g"),
        ]),
        MODEL,
    );
    let ids: Vec<&str> = sent.body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|message| message["content"].as_array().unwrap())
        .filter_map(|block| block["id"].as_str().or(block["tool_use_id"].as_str()))
        .collect();
    assert_eq!(ids, ["call_0", "call_0", "call_1", "call_2", "call_2", "call_1"]);
    assert_eq!(sent.changed(), ["altered tools"]);
}

#[test]
fn arguments_become_objects() {
    let check = |arguments: &str, input: Value, altered: bool| {
        let sent = encode(
            &ChatRequest::new([
                Message::user("Hi"),
                Message::new(Role::Assistant, [call("a", "f", arguments)]),
                Message::tool_result("a", "1"),
            ]),
            MODEL,
        );
        assert_eq!(sent.body["messages"][1]["content"][0]["input"], input, "{arguments}");
        let change = "altered messages[1].content[0].arguments".to_owned();
        assert_eq!(sent.changed().contains(&change), altered, "{arguments}");
    };
    check("", json!({}), false);
    check("  ", json!({}), false);
    check("{\"a\":[1]}", json!({"a": [1]}), false);
    check("{\"a\":", json!({"arguments": "{\"a\":"}), true);
    check("[1]", json!({"arguments": "[1]"}), true);
    check("hello", json!({"arguments": "hello"}), true);
}

#[test]
fn thoughts_go_back_signed_and_first() {
    let block = |text: &str| json!({"type": "text", "text": text});
    let signed = json!({"type": "thinking", "thinking": "T", "signature": "S"});
    let tool = json!({"type": "tool_use", "id": "a", "name": "f", "input": {}});
    let check = |parts: Vec<Part>, expect: Value, changed: &[&str]| {
        let sent = encode(
            &ChatRequest::new([
                Message::user("Hi"),
                Message::new(Role::Assistant, parts),
                Message::tool_result("a", "1"),
            ]),
            MODEL,
        );
        assert_eq!(sent.body["messages"][1]["content"], expect);
        let changes: Vec<String> = sent.changed().into_iter().filter(|c| c != "altered tools").collect();
        assert_eq!(changes, changed);
    };
    let tool_part = || call("a", "f", "");
    check(
        vec![Part::text("A"), tool_part(), thought("T", Some("S"), None)],
        json!([signed, block("A"), tool]),
        &[],
    );
    check(
        vec![thought("", None, Some("R")), Part::text("A"), thought("T", Some("S"), None), tool_part()],
        json!([{"type": "redacted_thinking", "data": "R"}, block("A"), signed, tool]),
        &[],
    );
    check(
        vec![thought("T", None, None), Part::text("A"), tool_part()],
        json!([block("A"), tool]),
        &["dropped messages[1].content[0]"],
    );
    let server = r#"{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}"#;
    check(
        vec![
            Part::text("A"),
            opaque(Dialect::Anthropic, server),
            opaque(Dialect::Gemini, "{}"),
            thought("T", Some("S"), None),
            tool_part(),
        ],
        json!([block("A"), serde_json::from_str::<Value>(server).unwrap(), signed, tool]),
        &["dropped messages[1].content[2]"],
    );
}

#[test]
fn parts_without_a_place_are_recorded() {
    let cited = Part::Citation(Citation {
        native: Some((Dialect::Anthropic, raw(r#"{"type":"char_location","cited_text":"x"}"#))),
        ..Citation::default()
    });
    check(
        vec![
            Message { name: Some("ann".to_owned()), ..Message::user("Hi") },
            Message::new(
                Role::Assistant,
                [
                    Part::text("A"),
                    cited,
                    Part::Citation(Citation { url: Some("https://a".to_owned()), ..Citation::default() }),
                    Part::Refusal(Refusal { text: "no".to_owned() }),
                    Part::Audio(Audio { transcript: Some("said".to_owned()), ..Audio::default() }),
                    Part::Audio(Audio { id: Some("audio_1".to_owned()), ..Audio::default() }),
                    Part::Text(Text { signature: Some("g".to_owned()), ..Text::new("B") }),
                ],
            ),
            Message::user("  "),
            Message::user("?"),
        ],
        MODEL,
        json!([
            user("Hi"),
            {"role": "assistant", "content": [
                {"type": "text", "text": "A", "citations": [{"type": "char_location", "cited_text": "x"}]},
                {"type": "text", "text": "no"},
                {"type": "text", "text": "said"},
                {"type": "text", "text": "B"},
            ]},
            user("?"),
        ]),
        &[
            "dropped messages[0].name",
            "dropped messages[1].content[2]",
            "altered messages[1].content[3]",
            "altered messages[1].content[4]",
            "dropped messages[1].content[5]",
            "dropped messages[1].content[6].signature",
            "dropped messages[2].content[0]",
        ],
    );
}

#[test]
fn media() {
    let file = |media: Media, filename: Option<&str>| {
        Part::File(File {
            media,
            filename: filename.map(str::to_owned),
            media_type: None,
            cache: None,
            extra: llm_types::Extra::default(),
        })
    };
    let base64 = |media_type: &str, data: &str| Media::Base64 {
        media_type: media_type.to_owned(),
        data: data.to_owned(),
    };
    let mut detailed = Image::new(Media::Url("https://a/b.png".to_owned()));
    detailed.detail = Some("high".to_owned());
    check(
        vec![Message::new(
            Role::User,
            [
                Part::Image(detailed),
                Part::Image(Image::new(base64("application/pdf", "JVBERi0="))),
                file(base64("application/pdf", "JVBERi0="), Some("a.pdf")),
                file(Media::FileId("file_1".to_owned()), None),
                file(Media::FileId("file_2".to_owned()), Some("b.pdf")),
            ],
        )],
        MODEL,
        json!([{"role": "user", "content": [
            {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}, "title": "a.pdf"},
            {"type": "container_upload", "file_id": "file_1"},
            {"type": "document", "source": {"type": "file", "file_id": "file_2"}, "title": "b.pdf"},
        ]}]),
        &["dropped messages[0].content[0].image_url.detail"],
    );
    let request = ChatRequest::new([Message::new(Role::User, [file(Media::FileId("f".to_owned()), None)])]);
    let sent = encode(&request, MODEL);
    assert_eq!(sent.betas(), Some("files-api-2025-04-14,code-execution-2025-05-22"));
}

#[test]
fn what_cannot_be_expressed_is_refused_with_advice() {
    let check = |messages: Vec<Message>, model: &str, param: &str, advice: &str| {
        let error = try_encode(&ChatRequest::new(messages), model).unwrap_err();
        assert_eq!(error.kind, ErrorKind::BadRequest);
        assert_eq!(error.param.as_deref(), Some(param), "{error}");
        assert!(error.message.contains(advice), "{error}");
    };
    let audio = Part::Audio(Audio {
        media: Some(Media::Base64 { media_type: "audio/wav".into(), data: "AA".into() }),
        ..Audio::default()
    });
    let http = Part::Image(Image::new(Media::Url("http://a/b.png".to_owned())));
    check(vec![], MODEL, "messages", "send a user message");
    check(vec![Message::system("S")], MODEL, "messages", "send a user message");
    check(vec![Message::user("")], MODEL, "messages", "send a user message");
    check(vec![Message::new(Role::User, [audio])], MODEL, "messages[0].content[0]", "choose another model");
    check(vec![Message::new(Role::User, [http])], MODEL, "messages[0].content[0]", "https");
    let prefilled = || vec![Message::user("Hi"), Message::assistant("I")];
    check(prefilled(), "claude-opus-4-6", "messages", "end with a user message");
}

#[test]
fn a_begun_answer_ends_without_white_space() {
    check(
        vec![Message::user("Hi"), Message::assistant("I think \n")],
        MODEL,
        json!([user("Hi"), {"role": "assistant", "content": [{"type": "text", "text": "I think"}]}]),
        &["altered messages[1].content[0]"],
    );
}

#[test]
fn the_last_four_breakpoints_are_kept() {
    let cached = |text: &str| {
        let cache = Some(CacheControl { kind: "ephemeral".to_owned(), ttl: None });
        Part::Text(Text { cache, ..Text::new(text) })
    };
    let mut request = ChatRequest::new([
        Message::new(Role::System, [cached("S")]),
        Message::new(Role::User, ["1", "2", "3", "4"].map(cached)),
    ]);
    let mut tool = llm_types::chat::Tool::function("f", "d", None);
    tool.cache = Some(hour());
    request.tooling.tools = vec![tool];
    let count = |body: &Value| body.to_string().matches("cache_control").count();
    let sent = encode(&request, MODEL);
    assert_eq!(count(&sent.body), 4);
    assert_eq!(
        sent.changed(),
        ["dropped tools[0].cache_control", "dropped messages[0].content[0].cache_control"]
    );
    request.cache.control = Some(hour());
    let sent = encode(&request, MODEL);
    assert_eq!(sent.body["cache_control"], json!({"type": "ephemeral", "ttl": "1h"}));
    assert_eq!(count(&sent.body), 4);
    assert_eq!(sent.body["messages"][0]["content"][0].get("cache_control"), None);
}
