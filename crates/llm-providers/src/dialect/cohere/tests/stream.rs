//! Streams, wherever they are cut.

use llm_types::chat::Part;
use llm_types::{ErrorKind, FinishKind};
use serde_json::json;

use super::*;
use crate::codec::Seen;

fn end(reason: &str) -> Value {
    json!({"type": "message-end", "delta": {"finish_reason": reason,
        "usage": {"billed_units": {"input_tokens": 1, "output_tokens": 2}, "tokens": {"input_tokens": 10, "output_tokens": 3}}}})
}

fn text(index: u32, kind: &str, words: &str) -> Value {
    let member = if kind.ends_with("thinking") { "thinking" } else { "text" };
    let mut content = json!({member: words});
    if !kind.starts_with("delta") {
        content["type"] = member.into();
    }
    let event = if kind.starts_with("delta") { "content-delta" } else { "content-start" };
    json!({"type": event, "index": index, "delta": {"message": {"content": content}}})
}

fn call(index: u32, id: &str, name: &str) -> Value {
    json!({"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls":
        {"id": id, "type": "function", "function": {"name": name, "arguments": ""}}}}})
}

fn arguments(index: u32, piece: &str) -> Value {
    json!({"type": "tool-call-delta", "index": index, "delta": {"message": {"tool_calls": {"function": {"arguments": piece}}}}})
}

fn all() -> Vec<Value> {
    let plan = |words: &str| json!({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": words}}});
    let cited = json!({"type": "citation-start", "index": 0, "delta": {"message": {"citations":
        {"start": 0, "end": 2, "text": "A ü", "sources": [{"type": "document", "id": "d1", "document": {"title": "One"}}]}}}});
    vec![
        json!({"type": "message-start", "id": "i", "delta": {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}}),
        text(0, "thinking", ""),
        text(0, "delta thinking", "T"),
        json!({"type": "content-end", "index": 0}),
        text(1, "text", ""),
        text(1, "delta", "A "),
        text(1, "delta", "ü"),
        json!({"type": "content-end", "index": 1}),
        cited,
        json!({"type": "citation-end", "index": 0}),
        plan("I "),
        plan("look."),
        call(0, "c1", "f"),
        arguments(0, "{\"a\""),
        arguments(0, ":1}"),
        json!({"type": "tool-call-end", "index": 0}),
        call(1, "c2", "g"),
        json!({"type": "tool-call-end", "index": 1}),
        json!({"type": "debug", "prompt": "p"}),
        end("TOOL_CALL"),
    ]
}

fn told(reply: &Reply) -> String {
    let part = |part: &Part| match part {
        Part::Reasoning(thoughts) => format!("thought {}", thoughts.text),
        Part::Text(text) => format!("text {}", text.text),
        Part::Citation(cited) => format!("cited {:?}", cited.title),
        Part::ToolCall(call) => format!("{} {} {}", call.id, call.name, call.arguments),
        other => panic!("{other:?}"),
    };
    reply.choices[0].parts.iter().map(part).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_stream_gives_the_same_wherever_it_is_cut() {
    let stream = stream(&all()) + "data: [DONE]\n\n";
    let whole = gather([stream.as_bytes()], &Memo::default()).unwrap();
    assert_eq!(
        told(&whole),
        "thought T; text A ü; cited Some(\"One\"); thought I look.; c1 f {\"a\":1}; c2 g {}"
    );
    assert_eq!((whole.id.as_str(), whole.finish()), ("i", Some(FinishKind::ToolCalls)));
    let usage = whole.usage.as_ref().unwrap();
    assert_eq!((usage.total_tokens(), usage.billed.unwrap().output), (13, 2));
    let shown = format!("{whole:?}");
    let one = gather(stream.as_bytes().chunks(1), &Memo::default()).unwrap();
    assert_eq!(format!("{one:?}"), shown);
    for at in 0..stream.len() {
        let (before, after) = stream.as_bytes().split_at(at);
        assert_eq!(format!("{:?}", gather([before, after], &Memo::default()).unwrap()), shown, "cut at {at}");
    }
}

#[test]
fn a_stream_that_ends_early_is_an_error() {
    let events = all();
    for until in 0..events.len() {
        let cut = stream(&events[..until]);
        assert_eq!(
            gather([cut.as_bytes()], &Memo::default()).unwrap_err().kind,
            ErrorKind::Connection,
            "{until}"
        );
    }
    let done = stream(&events[..5]) + "data: [DONE]\n\n";
    assert_eq!(gather([done.as_bytes()], &Memo::default()).unwrap_err().kind, ErrorKind::Connection);
}

#[test]
fn a_failure_inside_is_told() {
    let check = |last: Value, kind: ErrorKind, words: &str| {
        let stream = stream(&[text(0, "text", "A"), last]);
        let error = gather([stream.as_bytes()], &Memo::default()).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(words), "{error}");
    };
    let failed =
        json!({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "the GPU is gone"}});
    check(failed, ErrorKind::Internal, "the GPU is gone");
    check(end("TIMEOUT"), ErrorKind::Timeout, "TIMEOUT");
    check(
        json!({"type": "", "message": "internal trouble", "id": "x"}),
        ErrorKind::Internal,
        "internal trouble",
    );
    let garbage = "event: content-delta\ndata: {\"type\":\n\n";
    assert_eq!(gather([garbage.as_bytes()], &Memo::default()).unwrap_err().kind, ErrorKind::UpstreamFormat);
}

#[test]
fn custom_tools_get_their_text_back() {
    let memo = Memo {
        custom_tools: vec!["free.text".into()],
        tool_names: vec![("free_text".into(), "free.text".into())],
        ..Memo::default()
    };
    let stream = stream(&[
        call(0, "c", "free_text"),
        arguments(0, "{\"input\":"),
        arguments(0, "\"hi\"}"),
        end("TOOL_CALL"),
    ]);
    let reply = gather(stream.as_bytes().chunks(3), &memo).unwrap();
    assert_eq!(told(&reply), "c free.text hi");
}

#[test]
fn a_tap_sees_content_usage_and_the_end() {
    let mut tap = Client.stream_tap(Op::Chat);
    let mut content = 0;
    for event in all() {
        match tap.see(stream(&[event]).as_bytes()) {
            Seen::Content => content += 1,
            Seen::Quiet | Seen::Done => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(content, 9);
    assert!(tap.is_done());
    assert_eq!(tap.usage().unwrap().total_tokens(), 13);
    let failed = stream(&[end("ERROR")]);
    assert!(matches!(Client.stream_tap(Op::Chat).see(failed.as_bytes()), Seen::Failed(_)));
    assert!(matches!(Client.stream_tap(Op::Chat).see(b"data: {\n\n"), Seen::Error(_)));
}
