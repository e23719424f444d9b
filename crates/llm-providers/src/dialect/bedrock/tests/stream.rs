//! Streams, wherever they are cut.

use llm_types::{ErrorKind, FinishKind};
use serde_json::json;

use super::*;
use crate::codec::Seen;

fn delta(index: u32, delta: Value) -> (&'static str, Value) {
    ("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta, "p": "abc"}))
}

fn begin(index: u32, start: Value) -> (&'static str, Value) {
    ("contentBlockStart", json!({"contentBlockIndex": index, "start": start}))
}

fn end(index: u32) -> (&'static str, Value) {
    ("contentBlockStop", json!({"contentBlockIndex": index}))
}

fn stop(reason: &str) -> (&'static str, Value) {
    ("messageStop", json!({"stopReason": reason}))
}

fn usage() -> (&'static str, Value) {
    (
        "metadata",
        json!({"usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}, "metrics": {}, "p": "a"}),
    )
}

fn rich() -> Vec<u8> {
    stream(&[
        ("messageStart", json!({"role": "assistant"})),
        delta(0, json!({"reasoningContent": {"text": "Th"}})),
        delta(0, json!({"reasoningContent": {"text": "ink"}})),
        delta(0, json!({"reasoningContent": {"signature": "S"}})),
        end(0),
        delta(1, json!({"citation": {"title": "facts"}})),
        delta(1, json!({"text": "Hé"})),
        delta(1, json!({"text": ""})),
        end(1),
        begin(2, json!({"toolUse": {"toolUseId": "t1", "name": "f"}})),
        delta(2, json!({"toolUse": {"input": "{\"a\":"}})),
        delta(2, json!({"toolUse": {"input": "1}"}})),
        end(2),
        begin(3, json!({"toolUse": {"toolUseId": "t2", "name": "g"}})),
        end(3),
        begin(
            4,
            json!({"toolUse": {"toolUseId": "t3", "name": "nova_code_interpreter", "type": "server_tool_use"}}),
        ),
        delta(4, json!({"toolUse": {"input": "{\"snippet\":\"1\"}"}})),
        end(4),
        begin(5, json!({"toolResult": {"toolUseId": "t3", "status": "success"}})),
        delta(5, json!({"toolResult": [{"json": {"stdOut": "1"}}]})),
        end(5),
        ("somethingNew", json!({"x": 1})),
        stop("tool_use"),
        usage(),
    ])
}

#[test]
fn any_cut_gives_the_same_answer() {
    let stream = rich();
    let memo = Memo::default();
    let whole = gather([stream.as_slice()], &memo).unwrap();
    assert_eq!((whole.text().as_str(), whole.reasoning().as_str()), ("Hé", "Think"));
    let calls: Vec<_> = whole.tool_calls().map(|call| (call.id.as_str(), call.arguments.as_str())).collect();
    assert_eq!(calls, [("t1", "{\"a\":1}"), ("t2", "{}")]);
    assert_eq!(
        (whole.finish(), whole.usage.as_ref().unwrap().total_tokens()),
        (Some(FinishKind::ToolCalls), 7)
    );
    let opaque: Vec<_> = whole.choices[0]
        .parts
        .iter()
        .filter_map(|part| match part {
            llm_types::chat::Part::Opaque(opaque) => {
                Some(serde_json::from_str::<Value>(opaque.json.get()).unwrap())
            }
            _ => None,
        })
        .collect();
    assert_eq!(opaque[0]["toolUse"]["input"], json!({"snippet": "1"}));
    assert_eq!(opaque[1]["toolResult"]["content"], json!([{"json": {"stdOut": "1"}}]));
    let shown = format!("{whole:?}");
    for cut in 0..=stream.len() {
        let (a, b) = stream.split_at(cut);
        assert_eq!(format!("{:?}", gather([a, b], &memo).unwrap()), shown, "cut at {cut}");
    }
    assert_eq!(format!("{:?}", gather(stream.chunks(1), &memo).unwrap()), shown);
}

#[test]
fn a_stream_that_ends_early_or_has_a_flipped_bit_is_an_error() {
    let (stream, memo) = (rich(), Memo::default());
    // Without the usage, which is the last message, the answer is complete all the same.
    let last = stream.len() - super::stream(&[usage()]).len();
    for end in (0..stream.len()).filter(|end| *end != last) {
        let error = gather([&stream[..end]], &memo).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Connection, "{end}");
    }
    assert_eq!(gather([&stream[..last]], &memo).unwrap().usage, None);
    for bit in (0..stream.len() * 8).step_by(7) {
        let mut flipped = stream.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(gather([flipped.as_slice()], &memo).is_err(), "bit {bit}");
    }
}

#[test]
fn structured_answers_are_unwrapped_as_they_come() {
    let memo = Memo { json_tool: Some("json_tool_call"), ..Memo::default() };
    let bytes = stream(&[
        begin(0, json!({"toolUse": {"toolUseId": "t", "name": "json_tool_call"}})),
        delta(0, json!({"toolUse": {"input": "{\"values\":"}})),
        delta(0, json!({"toolUse": {"input": "[1]}"}})),
        end(0),
        stop("tool_use"),
        usage(),
    ]);
    let reply = gather([bytes.as_slice()], &memo).unwrap();
    assert_eq!((reply.text().as_str(), reply.finish()), ("[1]", Some(FinishKind::Stop)));
}

#[test]
fn exceptions_end_a_stream() {
    let check = |name: &str, said: &str, expect: ErrorKind| {
        let mut bytes =
            stream(&[("messageStart", json!({"role": "assistant"})), delta(0, json!({"text": "a"}))]);
        bytes.extend(message("exception", name, &json!({"message": said})));
        bytes.extend(stream(&[delta(0, json!({"text": "b"}))]));
        let error = gather([bytes.as_slice()], &Memo::default()).unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (expect, said), "{name}");
    };
    check("throttlingException", "Too many tokens, please wait", ErrorKind::RateLimit);
    check("internalServerException", "m", ErrorKind::Internal);
    check("modelStreamErrorException", "m", ErrorKind::Internal);
    check("serviceUnavailableException", "m", ErrorKind::Unavailable);
    check("modelTimeoutException", "m", ErrorKind::Timeout);
    check("validationException", "Input is too long", ErrorKind::ContextWindow);
    check("validationException", "m", ErrorKind::BadRequest);
}

#[test]
fn halves_of_a_character_are_joined() {
    // No Rust string can hold a half.
    let piece = |text: &str| format!("{{\"contentBlockIndex\":0,\"delta\":{{\"text\":\"{text}\"}}}}");
    let mut bytes = Vec::new();
    for half in ["a\\ud83c", "\\udf4bb"] {
        bytes.extend(framed("event", "contentBlockDelta", &piece(half)));
    }
    bytes.extend(stream(&[end(0), stop("end_turn"), usage()]));
    assert_eq!(gather([bytes.as_slice()], &Memo::default()).unwrap().text(), "a🍋b");
}

#[test]
fn taps_watch_without_reading() {
    let mut tap = Client.stream_tap(Op::Chat);
    let mut see = |bytes: &[u8]| tap.see(bytes);
    assert!(matches!(see(&stream(&[("messageStart", json!({}))])), Seen::Quiet));
    assert!(matches!(see(&stream(&[delta(0, json!({"text": "a"}))])), Seen::Content));
    assert!(matches!(see(&message("exception", "throttlingException", &json!({}))), Seen::Failed(_)));
    assert!(matches!(see(&[0; 12]), Seen::Error(_)));
    assert!(matches!(see(&stream(&[usage()])), Seen::Done));
    assert!(tap.is_done());
    assert_eq!(tap.usage().unwrap().total_tokens(), 7);
}

#[test]
fn of_a_model_in_its_own_words_the_last_piece_tells_what_was_used() {
    let mut tap = Client.stream_tap(Op::Chat);
    let chunk = |inner: Value| {
        let bytes = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, inner.to_string());
        stream(&[("chunk", json!({"bytes": bytes, "p": "ab"}))])
    };
    assert!(matches!(tap.see(&chunk(json!({"outputText": "Hi"}))), Seen::Content));
    assert_eq!(tap.usage(), None);
    let counts = json!({"inputTokenCount": 5, "outputTokenCount": 2, "cacheReadInputTokenCount": 4});
    let last = json!({"outputText": "", "amazon-bedrock-invocationMetrics": counts});
    assert!(matches!(tap.see(&chunk(last)), Seen::Content));
    let usage = tap.usage().unwrap();
    assert_eq!((usage.input, usage.cache_read, usage.output), (5, 4, 2));
}

#[test]
fn thoughts_that_nova_writes_into_its_text_are_thoughts_wherever_they_are_cut() {
    let gather = |bytes: &[u8]| {
        let (spec, memo) = (spec(), Memo::default());
        let cx = DecodeCx { spec: &spec, model: "us.amazon.nova-lite-v1:0", memo: &memo };
        let mut decoder = Client.decoder(Op::Chat, &cx);
        let mut builder = ReplyBuilder::default();
        let _ = decoder.feed(bytes, &mut builder).unwrap();
        decoder.finish(&mut builder).unwrap();
        builder.finish().unwrap()
    };
    let check = |content: &str, thoughts: &str, text: &str| {
        let cuts = (0..=content.len()).filter(|cut| content.is_char_boundary(*cut));
        for (before, after) in cuts.map(|cut| content.split_at(cut)) {
            let reply = gather(&stream(&[
                ("messageStart", json!({"role": "assistant"})),
                delta(0, json!({"text": before})),
                delta(0, json!({"text": after})),
                end(0),
                begin(1, json!({"toolUse": {"toolUseId": "t1", "name": "f"}})),
                delta(1, json!({"toolUse": {"input": "{}"}})),
                end(1),
                stop("tool_use"),
                usage(),
            ]));
            assert_eq!(
                (reply.reasoning().as_str(), reply.text().as_str()),
                (thoughts, text),
                "{before}|{after}"
            );
            assert_eq!(reply.tool_calls().count(), 1);
        }
    };
    check("<thinking>Hm. é</thinking>\nRed.", "Hm. é", "\nRed.");
    check("<thinking>Hm </thin", "Hm </thin", "");
    check("Red </thinking>.", "", "Red </thinking>.");
    check("<thin", "", "<thin");
}
