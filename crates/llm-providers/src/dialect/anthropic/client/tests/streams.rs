//! Streams that no recording holds.

use llm_types::chat::Part;
use llm_types::{ErrorKind, Event, FinishKind, Flow, Op};
use serde_json::{Value, json};

use super::{Client, decode, events, gather, spec, sse, summary};
use crate::codec::{ClientCodec, DecodeCx, Memo, Seen};

fn start() -> Value {
    json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant",
        "model": "claude-x", "content": [], "usage": {"input_tokens": 10, "output_tokens": 1}}})
}

fn open(index: u32, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn delta(index: u32, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn close(index: u32) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

fn end(reason: &str) -> [Value; 2] {
    [
        json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null},
               "usage": {"output_tokens": 20}}),
        json!({"type": "message_stop"}),
    ]
}

fn stream(middle: &[Value], reason: &str) -> String {
    let mut all = vec![start()];
    all.extend_from_slice(middle);
    all.extend(end(reason));
    sse(&all)
}

fn input(index: u32, piece: &str) -> Value {
    delta(index, json!({"type": "input_json_delta", "partial_json": piece}))
}

#[test]
fn the_vector() {
    let stream = stream(
        &[
            json!({"type": "ping"}),
            open(0, json!({"type": "text", "text": ""})),
            delta(0, json!({"type": "text_delta", "text": "He"})),
            delta(0, json!({"type": "text_delta", "text": "llo"})),
            close(0),
            open(1, json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}})),
            input(1, ""),
            input(1, "{\"a\":"),
            input(1, "1}"),
            close(1),
        ],
        "tool_use",
    );
    let (events, error) = events(&stream, &Memo::default());
    assert!(error.is_none());
    insta::assert_snapshot!(events.join("\n"));
}

#[test]
fn a_call_without_input_has_an_empty_object() {
    let check = |initial: Value, pieces: &[&str], expect: &str| {
        let mut middle = vec![open(0, json!({"type": "tool_use", "id": "1", "name": "f", "input": initial}))];
        middle.extend(pieces.iter().map(|piece| input(0, piece)));
        middle.push(close(0));
        let reply = gather([stream(&middle, "tool_use").as_bytes()], &Memo::default()).unwrap();
        let calls: Vec<&str> = reply.tool_calls().map(|call| call.arguments.as_str()).collect();
        assert_eq!(calls, [expect]);
    };
    check(json!({}), &[], "{}");
    check(json!({}), &[""], "{}");
    check(json!({"x": 1}), &[], r#"{"x":1}"#);
    check(json!({}), &["", "{\"x\"", ":2}"], r#"{"x":2}"#);
}

/// Blocks of every kind, streamed.
fn rich() -> Vec<Value> {
    vec![
        open(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "T"})),
        delta(0, json!({"type": "signature_delta", "signature": "S"})),
        close(0),
        open(1, json!({"type": "redacted_thinking", "data": "R"})),
        close(1),
        open(2, json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}})),
        input(2, "{\"query\":"),
        input(2, "\"q\"}"),
        close(2),
        open(
            3,
            json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"url": "u"}]}),
        ),
        close(3),
        open(4, json!({"type": "text", "text": "", "citations": []})),
        delta(
            4,
            json!({"type": "citations_delta", "citation": {"type": "web_search_result_location", "url": "https://a", "title": "t", "cited_text": "c", "encrypted_index": "E"}}),
        ),
        delta(4, json!({"type": "text_delta", "text": "A"})),
        delta(4, json!({"type": "brand_new_delta", "x": 1})),
        close(4),
        open(
            5,
            json!({"type": "tool_use", "id": "toolu_1", "name": "sent", "input": {}, "caller": {"type": "direct"}}),
        ),
        input(5, "{\"x\":1}"),
        close(5),
        open(6, json!({"type": "compaction", "content": null})),
        delta(6, json!({"type": "compaction_delta", "content": "so "})),
        delta(6, json!({"type": "compaction_delta", "content": "far"})),
        close(6),
        json!({"type": "brand_new_event"}),
    ]
}

#[test]
fn a_stream_comes_to_the_same_as_its_unstreamed_twin() {
    let memo = Memo { tool_names: vec![("sent".to_owned(), "the.client's".to_owned())], ..Memo::default() };
    let twin = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": [
        {"type": "thinking", "thinking": "T", "signature": "S"},
        {"type": "redacted_thinking", "data": "R"},
        {"type": "server_tool_use", "input": {"query": "q"}, "id": "srvtoolu_1", "name": "web_search"},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"url": "u"}]},
        {"type": "text", "text": "A", "citations": [{"type": "web_search_result_location", "url": "https://a", "title": "t", "cited_text": "c", "encrypted_index": "E"}]},
        {"type": "tool_use", "id": "toolu_1", "name": "sent", "input": {"x": 1}, "caller": {"type": "direct"}},
        {"type": "compaction", "content": "so far"},
    ], "stop_reason": "pause_turn", "usage": {"input_tokens": 10, "output_tokens": 20}});
    // Of equal objects the order of members is not compared.
    let order = |text: String| {
        let line = |line: &str| match line.split_once('{') {
            Some((head, _)) if head.starts_with("opaque") => {
                let json: Value = serde_json::from_str(line.strip_prefix(head).unwrap()).unwrap();
                format!("{head}{json}")
            }
            _ => line.to_owned(),
        };
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    };
    let streamed = stream(&rich(), "pause_turn");
    let streamed = gather([streamed.as_bytes()], &memo).unwrap();
    let whole = decode(&twin.to_string(), &memo).unwrap();
    assert_eq!(order(summary(&streamed)), order(summary(&whole)));
}

#[test]
fn any_cut_of_a_rich_stream_gives_the_same() {
    let stream = stream(&rich(), "end_turn");
    let memo = Memo::default();
    let expect = summary(&gather([stream.as_bytes()], &memo).unwrap());
    assert_eq!(summary(&gather(stream.as_bytes().chunks(1), &memo).unwrap()), expect);
    for cut in 0..=stream.len() {
        let (head, tail) = stream.as_bytes().split_at(cut);
        assert_eq!(summary(&gather([head, tail], &memo).unwrap()), expect, "cut at {cut}");
    }
}

#[test]
fn a_structured_answer_comes_out_of_its_tool() {
    let memo = Memo { json_tool: Some("json_tool_call"), ..Memo::default() };
    let check = |pieces: &[&str], expect: &str| {
        let mut middle =
            vec![open(0, json!({"type": "tool_use", "id": "1", "name": "json_tool_call", "input": {}}))];
        middle.extend(pieces.iter().map(|piece| input(0, piece)));
        middle.push(close(0));
        let reply = gather([stream(&middle, "tool_use").as_bytes()], &memo).unwrap();
        assert_eq!(reply.text(), expect);
        assert_eq!(reply.finish(), Some(FinishKind::Stop));
        assert_eq!(reply.tool_calls().count(), 0);
    };
    check(&["", "{\"t\"", ":1}"], r#"{"t":1}"#);
    check(&["{\"val", "ues\": [1", ",2]}"], "[1,2]");
    check(&[], "{}");
}

#[test]
fn a_character_cut_in_two_is_joined() {
    let stream = concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"x\"}}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\\ud83d\"}}   \n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"\\ude00b\\ud83d\"}}\n\n",
        "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n",
        "data: {\"type\":\"message_stop\"}\n\ndata: [DONE]\n\n",
    );
    let reply = gather([stream.as_bytes()], &Memo::default()).unwrap();
    assert_eq!(reply.text(), "a😀b\u{FFFD}");
}

#[test]
fn counts_are_merged() {
    let stream = sse(&[
        json!({"type": "message_start", "message": {"usage": {"input_tokens": 10, "output_tokens": 1,
            "cache_creation_input_tokens": 30, "cache_read_input_tokens": 7,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20}}}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"input_tokens": 15,
            "output_tokens": 20, "server_tool_use": {"web_search_requests": 1}}}),
        json!({"type": "message_stop"}),
    ]);
    let usage = gather([stream.as_bytes()], &Memo::default()).unwrap().usage.unwrap();
    assert_eq!((usage.input, usage.output, usage.cache_read), (15, 20, 7));
    assert_eq!((usage.cache_write_5m, usage.cache_write_1h, usage.queries), (10, 20, 1));
}

#[test]
fn errors_in_a_stream() {
    let check = |kind: &str, message: &str, expect: ErrorKind| {
        let error = json!({"type": "error", "error": {"type": kind, "message": message}});
        let (events, got) = events(&sse(&[start(), error]), &Memo::default());
        assert!(!events.is_empty());
        let got = got.unwrap();
        assert_eq!((got.kind, got.message.as_str()), (expect, message), "{kind}");
    };
    check("overloaded_error", "Overloaded", ErrorKind::Overloaded);
    check("api_error", "Internal server error", ErrorKind::Internal);
    check("rate_limit_error", "slow down", ErrorKind::RateLimit);
    check("timeout_error", "slow", ErrorKind::GatewayTimeout);
    check("invalid_request_error", "prompt is too long: 2 tokens > 1 maximum", ErrorKind::ContextWindow);
    check("brand_new_error", "hm", ErrorKind::Internal);
}

#[test]
fn an_error_after_half_an_event_is_still_that_error() {
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let half = "event: content_block_delta\ndata: {\"type\":\"content_block_del";
    for between in ["\n", "", "\n\n"] {
        let stream = format!("{}{half}{between}{error}", sse(&[start()]));
        let (_, got) = events(&stream, &Memo::default());
        let expect = if between == "\n\n" { ErrorKind::UpstreamFormat } else { ErrorKind::Overloaded };
        assert_eq!(got.unwrap().kind, expect, "{between:?}");
    }
    // Even when the connection closes without the blank line.
    let (_, got) = events(&format!("{}{}", sse(&[start()]), error.trim_end()), &Memo::default());
    assert_eq!(got.unwrap().kind, ErrorKind::Overloaded);
}

#[test]
fn nonsense_is_an_error_and_not_a_panic() {
    let check = |middle: &[Value]| {
        let (_, error) = events(&stream(middle, "end_turn"), &Memo::default());
        assert_eq!(error.unwrap().kind, ErrorKind::UpstreamFormat, "{middle:?}");
    };
    check(&[delta(0, json!({"type": "text_delta", "text": "x"}))]);
    check(&[open(0, json!({"type": "text"})), delta(3, json!({"type": "text_delta", "text": "x"}))]);
    check(&[json!({"type": "content_block_start", "index": 0})]);
    check(&[open(0, json!(5))]);
    check(&[open(0, json!({"type": "server_tool_use", "input": {}})), input(0, "{\"broken"), close(0)]);
    let (_, error) = events("data: nonsense\n\n", &Memo::default());
    assert_eq!(error.unwrap().kind, ErrorKind::UpstreamFormat);
}

#[test]
fn the_taker_can_stop_at_any_event() {
    let stream = stream(&rich(), "end_turn");
    let memo = Memo::default();
    let spec = spec();
    let (all, _) = events(&stream, &memo);
    for stop in 1..=all.len() {
        let mut decoder = Client.decoder(Op::Chat, &DecodeCx { spec: &spec, model: "m", memo: &memo });
        let mut seen = 0;
        let mut sink = |_: Event<'_>| {
            seen += 1;
            if seen == stop { Flow::Break(()) } else { Flow::Continue(()) }
        };
        let flow = decoder.feed(stream.as_bytes(), &mut sink).unwrap();
        assert!(flow.is_break(), "{stop}");
        assert_eq!(seen, stop);
    }
}

#[test]
fn a_call_without_a_name_is_no_structured_answer() {
    let middle = [open(0, json!({"type": "tool_use", "id": "1", "input": {}})), close(0)];
    let reply = gather([stream(&middle, "tool_use").as_bytes()], &Memo::default()).unwrap();
    assert_eq!((reply.tool_calls().count(), reply.finish()), (1, Some(FinishKind::ToolCalls)));
}

#[test]
fn parts_do_not_overlap() {
    // A block that is never closed ends where the next begins.
    let middle =
        [open(0, json!({"type": "text", "text": "A"})), open(1, json!({"type": "text", "text": "B"}))];
    let (events, error) = events(&stream(&middle, "end_turn"), &Memo::default());
    assert!(error.is_none());
    let kinds: Vec<&str> = events.iter().map(|event| event.split([' ', '(']).next().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "Start",
            "Usage",
            "PartStart",
            "Delta",
            "PartEnd",
            "PartStart",
            "Delta",
            "Usage",
            "PartEnd",
            "Finish"
        ]
    );
}

#[test]
fn taps() {
    let mut tap = Client.stream_tap(Op::Chat);
    let mut see = |event: Value| {
        let text = sse(&[event]);
        format!("{:?}", tap.see(text.as_bytes()))
    };
    assert_eq!(see(start()), "Quiet");
    assert_eq!(see(json!({"type": "ping"})), "Quiet");
    assert_eq!(see(open(0, json!({"type": "text", "text": ""}))), "Quiet");
    assert_eq!(see(delta(0, json!({"type": "text_delta", "text": ""}))), "Quiet");
    assert_eq!(see(delta(0, json!({"type": "text_delta", "text": "x"}))), "Content");
    assert_eq!(see(open(1, json!({"type": "tool_use", "id": "1", "name": "f", "input": {}}))), "Content");
    assert_eq!(see(input(1, "")), "Quiet");
    let [finish, stop] = end("end_turn");
    assert_eq!(see(finish), "Content");
    assert_eq!(see(stop), "Done");
    assert!(tap.is_done());
    let usage = tap.usage().unwrap();
    assert_eq!((usage.input, usage.output), (10, 20));
    let mut tap = Client.stream_tap(Op::Chat);
    let error =
        sse(&[json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})]);
    assert!(matches!(tap.see(error.as_bytes()), Seen::Failed(error) if error.kind == ErrorKind::Overloaded));
    assert!(matches!(tap.see(b"data: {\"type\":\"message_stop\"}\n\n"), Seen::Done));
    assert!(matches!(tap.see(b": comment\n\n"), Seen::Quiet));
}

#[test]
fn text_parts_keep_their_number_across_blocks() {
    let reply = gather([stream(&rich(), "end_turn").as_bytes()], &Memo::default()).unwrap();
    let kinds: Vec<&str> = reply.choices[0]
        .parts
        .iter()
        .map(|part| match part {
            Part::Reasoning(_) => "thought",
            Part::Opaque(_) => "opaque",
            Part::Text(_) => "text",
            Part::Citation(_) => "citation",
            Part::ToolCall(_) => "call",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds, ["thought", "thought", "opaque", "opaque", "text", "citation", "call", "opaque"]);
}
