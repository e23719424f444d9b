//! Streams that no exchange shows.

use llm_types::chat::{Part, ToolCallKind};
use llm_types::{ErrorKind, FinishKind, Op};
use serde_json::{Value, json};

use super::{Client, facts, gather, sse};
use crate::codec::{ClientCodec as _, Seen};

fn created() -> Value {
    json!({"type": "response.created", "response": {"id": "resp_1", "model": "m", "created_at": 7, "service_tier": "auto", "status": "in_progress", "output": []}})
}

fn completed() -> Value {
    json!({"type": "response.completed", "response": {"id": "resp_1", "model": "m", "status": "completed", "output": [],
        "usage": {"input_tokens": 3, "output_tokens": 2}}})
}

fn stream(events: impl IntoIterator<Item = Value>) -> String {
    let all: Vec<Value> = std::iter::once(created()).chain(events).chain([completed()]).collect();
    sse(&all)
}

fn kinds(events: impl IntoIterator<Item = Value>) -> String {
    let text = stream(events);
    let reply = gather([text.as_bytes()]).unwrap();
    for cut in 0..=text.len() {
        let (head, tail) = text.as_bytes().split_at(cut);
        assert_eq!(facts(&gather([head, tail]).unwrap()), facts(&reply), "cut at {cut}");
    }
    let parts = reply.choices[0].parts.iter().map(|part| match part {
        Part::Text(text) => format!("text({})", text.text),
        Part::Refusal(refusal) => format!("refusal({})", refusal.text),
        Part::Reasoning(thoughts) => {
            format!("thoughts({};{})", thoughts.text, thoughts.signature.as_deref().unwrap_or("-"))
        }
        Part::ToolCall(call) => {
            let custom = if call.kind == ToolCallKind::Custom { "!" } else { "" };
            format!("call{custom}({},{},{})", call.id, call.name, call.arguments)
        }
        Part::Citation(source) => format!("source({})", source.url.as_deref().unwrap_or("-")),
        Part::Opaque(opaque) => format!("opaque({})", opaque.kind),
        other => panic!("{other:?}"),
    });
    let end = format!("{:?}", reply.finish().unwrap());
    parts.chain([end]).collect::<Vec<_>>().join(" ")
}

fn added(index: u32, item: Value) -> Value {
    json!({"type": "response.output_item.added", "output_index": index, "item": item})
}

fn done(index: u32, item: Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": index, "item": item})
}

fn delta(kind: &str, index: u32, text: &str) -> Value {
    json!({"type": format!("response.{kind}.delta"), "output_index": index, "content_index": 0, "delta": text})
}

fn message(text: &str) -> Value {
    json!({"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": text, "annotations": []}]})
}

#[test]
fn what_deltas_said_is_not_said_again() {
    let text = kinds([
        added(0, json!({"type": "message", "role": "assistant", "content": []})),
        delta("output_text", 0, "Hel"),
        delta("output_text", 0, "lo"),
        json!({"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hello"}),
        done(0, message("Hello")),
    ]);
    assert_eq!(text, "text(Hello) Stop");
}

#[test]
fn what_no_delta_said_is_read_where_it_stands() {
    let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{\"a\":1}"});
    let custom = json!({"type": "custom_tool_call", "call_id": "d", "name": "g", "input": "free"});
    let empty = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": ""});
    assert_eq!(kinds([done(0, message("Hi"))]), "text(Hi) Stop");
    assert_eq!(
        kinds([done(0, call.clone()), done(1, custom)]),
        "call(c,f,{\"a\":1}) call!(d,g,free) ToolCalls"
    );
    let arguments =
        json!({"type": "response.function_call_arguments.done", "output_index": 0, "arguments": "{}"});
    assert_eq!(kinds([added(0, empty.clone()), arguments]), "call(c,f,{}) ToolCalls");
    assert_eq!(kinds([added(0, empty), done(0, call)]), "call(c,f,{\"a\":1}) ToolCalls");
    let refusal =
        json!({"type": "response.refusal.done", "output_index": 0, "content_index": 0, "refusal": "no"});
    assert_eq!(kinds([refusal]), "refusal(no) Stop");
}

#[test]
fn an_answer_that_is_only_in_the_last_event_is_read_there() {
    let mut last = completed();
    last["response"]["output"] =
        json!([message("Hi"), {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]);
    let reply = gather([sse(&[created(), last]).as_bytes()]).unwrap();
    assert_eq!((reply.text(), reply.finish()), ("Hi".to_owned(), Some(FinishKind::ToolCalls)));
}

#[test]
fn summaries_are_one_text_and_copies_of_them_are_left_out() {
    let summary = |index: u32, text: &str| json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": index, "delta": text});
    let thoughts = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "E",
        "summary": [{"type": "summary_text", "text": "ab"}, {"type": "summary_text", "text": "c"}]});
    let begun =
        added(0, json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "partial"}));
    let events = [
        begun,
        summary(0, "a"),
        summary(0, "b"),
        summary(1, "c"),
        delta("reasoning_text", 0, "x"),
        done(0, thoughts),
    ];
    assert_eq!(kinds(events), "thoughts(ab\n\nc;sealed:openai_responses:rs_1:E) Stop");
    let quiet = json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "E"});
    assert_eq!(kinds([done(0, quiet)]), "thoughts(;sealed:openai_responses:rs_1:E) Stop");
    let nothing = json!({"type": "reasoning", "id": "rs_1", "summary": []});
    assert_eq!(kinds([done(0, nothing), done(1, message("Hi"))]), "text(Hi) Stop");
}

#[test]
fn items_that_overlap_become_parts_that_do_not() {
    let thoughts = json!({"type": "reasoning", "id": "r", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]});
    let text = kinds([
        delta("reasoning_text", 0, "hm"),
        delta("output_text", 1, "4"),
        done(1, message("4")),
        done(0, thoughts),
    ]);
    assert_eq!(text, "thoughts(hm;-) text(4) Stop");
    let call = |id: &str| json!({"type": "function_call", "call_id": id, "name": "f", "arguments": ""});
    let parallel = kinds([
        added(0, call("a")),
        added(1, call("b")),
        delta("function_call_arguments", 1, "{\"b\""),
        delta("function_call_arguments", 0, "{}"),
        delta("function_call_arguments", 1, ":1}"),
    ]);
    assert_eq!(parallel, "call(a,f,{}) call(b,f,{\"b\":1}) ToolCalls");
    let torn = [added(0, call("a")), delta("output_text", 1, "x"), delta("function_call_arguments", 0, "{}")];
    assert_eq!(gather([stream(torn).as_bytes()]).unwrap_err().kind, ErrorKind::UpstreamFormat);
}

#[test]
fn sources_come_once() {
    let source = |url: &str| json!({"type": "url_citation", "url": url, "title": "t", "start_index": 0, "end_index": 1});
    let event = json!({"type": "response.output_text.annotation.added", "output_index": 0, "content_index": 0, "annotation": source("https://a")});
    let mut whole = message("x");
    whole["content"][0]["annotations"] = json!([source("https://a"), source("https://b")]);
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed"});
    let events = [delta("output_text", 0, "x"), event, done(0, whole), done(1, search)];
    assert_eq!(kinds(events), "text(x) source(https://a) source(https://b) opaque(web_search_call) Stop");
}

#[test]
fn a_character_cut_in_two_is_one() {
    let half = |text: &str| {
        format!(
            "data: {{\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"{text}\"}}\n\n"
        )
    };
    let read = |middle: &str| {
        gather([sse(&[created()]).as_bytes(), middle.as_bytes(), sse(&[completed()]).as_bytes()])
            .unwrap()
            .text()
    };
    assert_eq!(read(&(half("a\\ud83d") + &half("\\ude00b"))), "a😀b");
    assert_eq!(read(&half("a\\ud83d")), "a\u{FFFD}");
    let call = added(0, json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}));
    let piece = |text: &str| half(text).replace("output_text", "function_call_arguments");
    let middle = sse(&[call]) + &piece("\\ud83d") + &piece("\\ude00");
    let reply = gather([(sse(&[created()]) + &middle + &sse(&[completed()])).as_bytes()]).unwrap();
    assert_eq!(reply.tool_calls().next().unwrap().arguments, "😀");
}

#[test]
fn log_probabilities_come_with_their_texts() {
    let mut event = delta("output_text", 0, "x");
    event["logprobs"] = json!([{"token": "x", "logprob": -0.25, "bytes": [120], "top_logprobs": []}]);
    let reply = gather([stream([event]).as_bytes()]).unwrap();
    assert_eq!(reply.choices[0].logprobs.as_ref().unwrap().content[0].token, "x");
}

#[test]
fn the_end_says_why() {
    let check = |kind: &str, response: Value, expect: FinishKind| {
        let mut last = json!({"type": format!("response.{kind}"), "response": response});
        last["response"]["output"] = json!([]);
        let text = sse(&[created(), delta("output_text", 0, "x"), last]);
        assert_eq!(gather([text.as_bytes()]).unwrap().finish(), Some(expect), "{kind}");
    };
    check("completed", json!({}), FinishKind::Stop);
    check("incomplete", json!({"incomplete_details": {"reason": "max_output_tokens"}}), FinishKind::Length);
    check(
        "incomplete",
        json!({"incomplete_details": {"reason": "content_filter"}}),
        FinishKind::ContentFilter,
    );
}

#[test]
fn failures_in_a_stream() {
    let check = |event: Value, kind: ErrorKind, words: &str| {
        let text = sse(&[created(), event.clone()]);
        let error = gather([text.as_bytes()]).unwrap_err();
        assert_eq!(error.kind, kind, "{event}");
        assert!(error.message.contains(words), "{error}");
        let mut tap = Client.stream_tap(Op::Chat);
        let seen = tap.see(sse(std::slice::from_ref(&event)).as_bytes());
        assert!(matches!(&seen, Seen::Failed(error) if error.kind == kind), "{event} {seen:?}");
        assert!(!tap.is_done());
    };
    let failed = |code: &str| json!({"type": "response.failed", "response": {"status": "failed", "error": {"code": code, "message": "it broke"}}});
    check(failed("server_error"), ErrorKind::Internal, "it broke");
    check(failed("rate_limit_exceeded"), ErrorKind::RateLimit, "it broke");
    check(json!({"type": "response.failed", "response": {"status": "failed"}}), ErrorKind::Api, "gave up");
    let flat = json!({"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": null, "sequence_number": 3});
    check(flat, ErrorKind::RateLimit, "slow down");
    let nested = json!({"type": "error", "error": {"code": "context_length_exceeded", "type": "invalid_request_error", "message": "too long"}});
    check(nested, ErrorKind::ContextWindow, "too long");
}

#[test]
fn an_error_of_a_proxy_is_one() {
    let text =
        sse(&[created()]) + "data: {\"error\":{\"message\":\"upstream is overloaded\",\"code\":503}}\n\n";
    let error = gather([text.as_bytes()]).unwrap_err();
    assert!(error.message.contains("overloaded"), "{error}");
    let mut tap = Client.stream_tap(Op::Chat);
    assert!(matches!(tap.see(b"data: {\"error\":{\"message\":\"x\"}}\n\n"), Seen::Error(_)));
    assert!(matches!(tap.see(b": keepalive\n\n"), Seen::Quiet));
    assert!(matches!(tap.see(b"data: [DONE]\n\n"), Seen::Quiet));
}

#[test]
fn events_that_are_not_read_may_look_as_they_like() {
    let odd = [
        json!({"type": "response.image_generation_call.partial_image", "output_index": 0, "delta": {"x": 1}}),
        json!({"type": "response.brand_new", "item": 7, "output_index": "a"}),
        json!({"type": "keepalive", "sequence_number": 9}),
    ];
    assert_eq!(kinds(odd.into_iter().chain([done(0, message("Hi"))])), "text(Hi) Stop");
    let broken = json!({"type": "response.output_text.delta", "output_index": 0, "delta": {"x": 1}});
    assert_eq!(gather([stream([broken]).as_bytes()]).unwrap_err().kind, ErrorKind::UpstreamFormat);
}

#[test]
fn a_tap_tells_content_from_what_comes_before() {
    let check = |event: Value, content: bool| {
        let mut tap = Client.stream_tap(Op::Chat);
        let text = sse(std::slice::from_ref(&event));
        let bare: String = text.lines().skip(1).map(|line| format!("{line}\n")).collect();
        for text in [text, bare] {
            let seen = tap.see(text.as_bytes());
            assert_eq!(matches!(seen, Seen::Content), content, "{event} {seen:?}");
        }
    };
    check(created(), false);
    check(added(0, json!({"type": "message", "content": []})), false);
    check(added(0, json!({"type": "reasoning", "summary": []})), false);
    check(added(0, json!({"type": "function_call", "name": "f"})), true);
    check(added(0, json!({"type": "web_search_call"})), true);
    check(delta("output_text", 0, ""), false);
    check(delta("output_text", 0, "x"), true);
    check(delta("reasoning_summary_text", 0, "x"), true);
    check(json!({"type": "response.output_text.done", "text": "x"}), true);
}
