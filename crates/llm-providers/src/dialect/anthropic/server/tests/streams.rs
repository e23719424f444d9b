//! Streamed answers, written.

use llm_testkit::player::cuts;
use llm_testkit::{exchanges, is_complete};
use llm_types::chat::{Citation, Opaque, ToolCallKind};
use llm_types::{
    ApiError, Delta, Dialect, ErrorKind, Event, Extra, Finish, FinishKind, Op, PartStart, Reply,
    ReplyBuilder, Start, Usage,
};
use serde_json::{Map, Value, json};

use super::{Server, cx, raw, spec};
use crate::codec::{DecodeCx, Memo, ServerCodec};
use crate::dialect::client;

/// What a client gets of these events.
fn written(events: Vec<Event<'static>>, upstream: Option<Dialect>) -> String {
    let mut encoder = Server.encoder(cx(upstream));
    for event in events {
        let _ = encoder.event(event);
    }
    encoder.finish();
    String::from_utf8(encoder.take().to_vec()).unwrap()
}

/// What a client gets of a provider's stream that comes in these pieces.
fn through<'p>(dialect: Dialect, pieces: impl IntoIterator<Item = &'p [u8]>) -> String {
    let (memo, row) = (Memo::default(), spec(dialect));
    let at = DecodeCx { spec: &row, model: "m", memo: &memo };
    let mut decoder = client(dialect).unwrap().decoder(Op::Chat, &at);
    let mut encoder = Server.encoder(cx(Some(dialect)));
    let mut out = Vec::new();
    for piece in pieces {
        let _ = decoder.feed(piece, &mut *encoder).unwrap();
        out.extend_from_slice(&encoder.take());
    }
    decoder.finish(&mut *encoder).unwrap();
    encoder.finish();
    out.extend_from_slice(&encoder.take());
    String::from_utf8(out).unwrap()
}

fn events(stream: &str) -> Vec<Value> {
    let mut out = Vec::new();
    for block in stream.split_terminator("\n\n") {
        let (name, data) = block.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
        let data: Value = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"));
        assert_eq!(data["type"], name);
        out.push(data);
    }
    out
}

/// The message that a stream sends. Every rule of the order is asserted on the way.
fn gathered(stream: &str) -> Value {
    let events = events(stream);
    let [start, blocks @ .., end, stop] = events.as_slice() else { panic!("{stream}") };
    assert_eq!((&start["type"], &stop["type"]), (&json!("message_start"), &json!("message_stop")));
    let mut message = start["message"].clone();
    assert_eq!(message["content"], json!([]));
    assert_eq!((&message["stop_reason"], &message["stop_sequence"]), (&Value::Null, &Value::Null));
    let mut content: Vec<Value> = Vec::new();
    let (mut open, mut input) = (None, String::new());
    for event in blocks {
        let index = event["index"].as_u64().unwrap();
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert_eq!((open, index), (None, content.len() as u64), "one after the other");
                open = Some(index);
                content.push(event["content_block"].clone());
            }
            "content_block_delta" => {
                assert_eq!(open, Some(index));
                grow(content.last_mut().unwrap(), &event["delta"], &mut input);
            }
            "content_block_stop" => {
                assert_eq!(open.take(), Some(index));
                if content.last().unwrap()["type"] == "tool_use" && !input.is_empty() {
                    let input = std::mem::take(&mut input);
                    content.last_mut().unwrap()["input"] =
                        serde_json::from_str(&input).unwrap_or(json!(input));
                }
            }
            other => panic!("{other} amid the blocks"),
        }
    }
    assert_eq!(open, None);
    assert_eq!(end["type"], "message_delta");
    message["content"] = content.into();
    for (name, value) in end["delta"].as_object().unwrap() {
        message[name] = value.clone();
    }
    for (name, value) in end["usage"].as_object().unwrap() {
        message["usage"][name] = value.clone();
    }
    message
}

fn grow(block: &mut Value, delta: &Value, input: &mut String) {
    let (kind, name) = match delta["type"].as_str().unwrap() {
        "text_delta" => ("text", "text"),
        "thinking_delta" => ("thinking", "thinking"),
        "signature_delta" => ("thinking", "signature"),
        "citations_delta" => {
            assert_eq!(block["type"], "text");
            let members: &mut Map<String, Value> = block.as_object_mut().unwrap();
            let list = members.entry("citations").or_insert(json!([])).as_array_mut().unwrap();
            return list.push(delta["citation"].clone());
        }
        "input_json_delta" => {
            assert_eq!(block["type"], "tool_use");
            return input.push_str(delta["partial_json"].as_str().unwrap());
        }
        other => panic!("{other}"),
    };
    assert_eq!(block["type"], kind);
    let more = delta[name].as_str().unwrap();
    assert!(!more.is_empty());
    block[name] = json!(block[name].as_str().unwrap().to_owned() + more);
}

fn start(part: u32, start: PartStart<'static>) -> Event<'static> {
    Event::PartStart { choice: 0, part, start }
}

fn call(part: u32, id: &'static str) -> Event<'static> {
    let kind = ToolCallKind::Function;
    start(part, PartStart::ToolCall { id: id.into(), name: format!("f{part}").into(), kind })
}

fn delta(part: u32, delta: Delta<'static>) -> Event<'static> {
    Event::Delta { choice: 0, part, delta }
}

fn args(part: u32, text: &'static str) -> Event<'static> {
    delta(part, Delta::ToolArgs(text.into()))
}

fn end(part: u32) -> Event<'static> {
    Event::PartEnd { choice: 0, part }
}

fn finish(kind: FinishKind) -> Event<'static> {
    Event::Finish { choice: 0, finish: Finish::from(kind) }
}

fn begin() -> Event<'static> {
    Event::Start(Start { id: "chatcmpl-1".into(), model: "gpt".into(), ..Start::default() })
}

fn used(input: u64, output: u64) -> Event<'static> {
    Event::Usage(Usage { input, output, ..Usage::default() })
}

#[test]
fn the_events_of_an_answer_with_everything() {
    let citation = Citation { url: Some("https://a".into()), ..Citation::default() };
    let stream = written(
        vec![
            begin(),
            used(10, 1),
            start(0, PartStart::Reasoning),
            delta(0, Delta::Reasoning("Let me ".into())),
            delta(0, Delta::Reasoning("see.".into())),
            delta(0, Delta::Signature("S".into())),
            end(0),
            start(1, PartStart::Reasoning),
            delta(1, Delta::Redacted("D".into())),
            end(1),
            start(2, PartStart::Text),
            delta(2, Delta::Text("Rain \"here\"\n".into())),
            delta(2, Delta::Citation(std::borrow::Cow::Owned(citation))),
            end(2),
            call(3, "call_1"),
            args(3, "{\"city\":"),
            args(3, "\"Oslo\"}"),
            end(3),
            call(4, "call_2"),
            end(4),
            finish(FinishKind::ToolCalls),
            used(10, 25),
        ],
        None,
    );
    insta::assert_snapshot!(stream);
    gathered(&stream);
}

#[test]
fn calls_that_come_at_once_go_out_one_after_the_other() {
    let whole = |message: &Value| -> Vec<(String, Value)> {
        let blocks = message["content"].as_array().unwrap().iter();
        blocks.map(|block| (block["id"].as_str().unwrap_or("-").to_owned(), block["input"].clone())).collect()
    };
    let check = |events: Vec<Event<'static>>| {
        let stream = written([vec![begin()], events, vec![finish(FinishKind::ToolCalls)]].concat(), None);
        let expect = [("a", json!({"x": 1})), ("b", json!({"y": 2})), ("c", json!({}))];
        let expect = expect.map(|(id, input)| (id.to_owned(), input));
        assert_eq!(whole(&gathered(&stream)), expect, "{stream}");
    };
    // Interleaved piece by piece, all ended at the end.
    check(vec![
        call(0, "a"),
        call(1, "b"),
        args(0, "{\"x\""),
        args(1, "{\"y\""),
        call(2, "c"),
        args(0, ":1}"),
        args(1, ":2}"),
        end(0),
        end(1),
        end(2),
    ]);
    // Ended in another order.
    check(vec![
        call(0, "a"),
        args(0, "{\"x\":"),
        call(1, "b"),
        args(1, "{\"y\":2}"),
        end(1),
        call(2, "c"),
        end(2),
        args(0, "1}"),
        end(0),
    ]);
    // Never ended.
    check(vec![
        call(0, "a"),
        args(0, "{\"x\":1"),
        call(1, "b"),
        args(1, "{\"y\":2}"),
        args(0, "}"),
        call(2, "c"),
    ]);
}

#[test]
fn a_complete_call_lets_the_next_one_stream() {
    let mut encoder = Server.encoder(cx(None));
    for event in [begin(), call(0, "a"), args(0, "{\"x\":1}"), call(1, "b"), args(1, "{\"y\"")] {
        let _ = encoder.event(event);
    }
    let so_far = String::from_utf8(encoder.take().to_vec()).unwrap();
    assert!(so_far.contains(r#""partial_json":"{\"y\"""#), "{so_far}");
}

#[test]
fn there_are_no_empty_blocks() {
    let stream = written(
        vec![
            begin(),
            start(0, PartStart::Text),
            delta(0, Delta::Text("".into())),
            end(0),
            start(1, PartStart::Reasoning),
            end(1),
            start(2, PartStart::Text),
            delta(2, Delta::Text("a".into())),
            end(2),
            finish(FinishKind::Stop),
        ],
        None,
    );
    assert_eq!(gathered(&stream)["content"], json!([{"type": "text", "text": "a"}]));
}

#[test]
fn parts_without_a_block_of_their_own_travel_too() {
    let opaque = Opaque { dialect: Dialect::Gemini, kind: "k".into(), json: raw("{\"a\":1}") };
    let own = Opaque {
        dialect: Dialect::Anthropic,
        kind: "server_tool_use".into(),
        json: raw("{\"type\":\"server_tool_use\"}"),
    };
    let custom = PartStart::ToolCall { id: "c".into(), name: "f".into(), kind: ToolCallKind::Custom };
    let stream = written(
        vec![
            begin(),
            start(0, PartStart::Refusal),
            delta(0, Delta::Refusal("no".into())),
            end(0),
            start(1, PartStart::Image { media_type: "image/png".into() }),
            delta(1, Delta::Data("AA".into())),
            delta(1, Delta::Data("BB".into())),
            end(1),
            start(2, PartStart::Audio { id: "x".into() }),
            delta(2, Delta::Data("CC".into())),
            delta(2, Delta::Transcript("said".into())),
            end(2),
            start(3, PartStart::Opaque(std::borrow::Cow::Owned(opaque))),
            end(3),
            start(4, PartStart::Opaque(std::borrow::Cow::Owned(own))),
            end(4),
            start(5, custom),
            args(5, "free \"text\""),
            end(5),
            start(6, PartStart::Reasoning),
            delta(6, Delta::Reasoning("x".into())),
            delta(6, Delta::Signature("S".into())),
            end(6),
            start(7, PartStart::ToolCall { id: "d".into(), name: "g".into(), kind: ToolCallKind::Function }),
            delta(7, Delta::Signature("s+/=".into())),
            args(7, "{}"),
            end(7),
            finish(FinishKind::Stop),
        ],
        Some(Dialect::Gemini),
    );
    let message = gathered(&stream);
    assert_eq!(
        message["content"],
        json!([
            {"type": "text", "text": "no"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AABB"}},
            {"type": "text", "text": "said"},
            {"type": "redacted_thinking", "data": "sealed:gemini:part.k:{\"a\":1}"},
            {"type": "server_tool_use"},
            {"type": "tool_use", "id": "c", "name": "f", "input": {"input": "free \"text\""}},
            {"type": "thinking", "thinking": "x", "signature": "sealed:gemini::S"},
            {"type": "tool_use", "id": "d__thought__s-_", "name": "g", "input": {}}
        ])
    );
    assert_eq!(message["stop_reason"], "refusal");
}

#[test]
fn only_the_first_choice_and_anthropic_s_own_members_go_out() {
    let mut members = Extra::default();
    members.set("stop_details", raw("{\"category\":\"x\"}"));
    members.set("context_management", raw("{\"applied_edits\":[]}"));
    let opaque =
        |dialect| Event::Opaque { choice: None, dialect, members: std::borrow::Cow::Owned(members.clone()) };
    let second = Event::PartStart { choice: 1, part: 0, start: PartStart::Text };
    let other = Event::Delta { choice: 1, part: 0, delta: Delta::Text("b".into()) };
    let text = [start(0, PartStart::Text), delta(0, Delta::Text("a".into())), second, other];
    let with = |dialect| {
        let events = [vec![begin()], text.to_vec(), vec![opaque(dialect), finish(FinishKind::Stop)]].concat();
        gathered(&written(events, None))
    };
    let message = with(Dialect::Anthropic);
    assert_eq!(message["content"], json!([{"type": "text", "text": "a"}]));
    assert_eq!(message["stop_details"], json!({"category": "x"}));
    assert_eq!(with(Dialect::OpenaiChat).get("stop_details"), None);
}

#[test]
fn an_error_ends_the_stream_without_an_end() {
    let mut encoder = Server.encoder(cx(None));
    for event in [begin(), start(0, PartStart::Text), delta(0, Delta::Text("a".into()))] {
        let _ = encoder.event(event);
    }
    let mut error = ApiError::upstream(ErrorKind::Overloaded, "busy");
    error.request_id = Some("r".into());
    encoder.fail(&error);
    encoder.finish();
    let out = String::from_utf8(encoder.take().to_vec()).unwrap();
    let last = r#"event: error
data: {"type":"error","error":{"type":"overloaded_error","message":"busy"},"request_id":"r"}

"#;
    assert!(out.ends_with(last), "{out}");
    assert!(!out.contains("message_stop"));
}

#[test]
fn a_stream_that_passed_gets_its_last_event_only() {
    let mut encoder = Server.encoder(cx(None));
    encoder.finish();
    assert_eq!(encoder.take(), "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    assert_eq!(
        Server.keepalive(crate::codec::ReplyForm::default()),
        b"event: ping\ndata: {\"type\":\"ping\"}\n\n"
    );
}

/// The neutral answer of a stream.
fn read(dialect: Dialect, stream: &str) -> Reply {
    let (memo, row) = (Memo::default(), spec(dialect));
    let at = DecodeCx { spec: &row, model: "m", memo: &memo };
    let mut decoder = client(dialect).unwrap().decoder(Op::Chat, &at);
    let mut builder = ReplyBuilder::default();
    let _ = decoder.feed(stream.as_bytes(), &mut builder).unwrap();
    decoder.finish(&mut builder).unwrap();
    builder.finish().unwrap()
}

/// What two readings of one answer must agree on.
#[derive(Debug, PartialEq)]
struct Facts {
    text: String,
    reasoning: String,
    calls: Vec<(String, Value)>,
    finish: Option<FinishKind>,
    tokens: (u64, u64),
}

fn facts(reply: &Reply) -> Facts {
    let calls = reply.tool_calls().map(|call| {
        let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
        (call.name.clone(), serde_json::from_str(arguments).unwrap_or(Value::Null))
    });
    let usage = reply.usage.clone().unwrap_or_default();
    Facts {
        text: reply.text(),
        reasoning: reply.reasoning(),
        calls: calls.collect(),
        finish: reply.finish(),
        tokens: (usage.prompt_tokens(), usage.completion_tokens()),
    }
}

#[test]
fn recorded_streams_of_every_provider_keep_their_facts_wherever_they_are_cut() {
    let folders = [
        ("anthropic", "messages", Dialect::Anthropic),
        ("openai", "chat", Dialect::OpenaiChat),
        ("openai", "responses", Dialect::OpenaiResponses),
        ("gemini", "generateContent", Dialect::Gemini),
    ];
    for (folder, operation, dialect) in folders {
        let mut seen = 0;
        for (name, recording) in exchanges(operation, &[folder]) {
            let Some(stream) = recording["response"]["sse"].as_str() else { continue };
            if recording["response"]["status"] != 200 {
                continue;
            }
            let bytes = stream.as_bytes();
            let whole = through(dialect, [bytes]);
            gathered(&whole);
            let mut expect = facts(&read(dialect, stream));
            let got = facts(&read(Dialect::Anthropic, &whole));
            if expect.finish == Some(FinishKind::Stop) && got.finish == Some(FinishKind::ContentFilter) {
                // A refusal in words is told as one.
                assert!(name.contains("refusal"), "{name}");
                expect.finish = got.finish;
                expect.text.clone_from(&got.text);
            }
            assert_eq!(got, expect, "{name}");
            // Ids that are made here differ from one reading to the next.
            if whole == through(dialect, [bytes]) {
                assert_eq!(through(dialect, bytes.chunks(1)), whole, "{name}");
                for cut in cuts(bytes, 400) {
                    let (head, tail) = bytes.split_at(cut);
                    assert_eq!(through(dialect, [head, tail]), whole, "{name} cut at {cut}");
                }
            }
            seen += 1;
        }
        assert!(!is_complete() || seen >= 3, "{folder}: {seen}");
    }
}
