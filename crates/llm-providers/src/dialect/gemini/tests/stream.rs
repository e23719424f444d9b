//! Streams, wherever they are cut.

use llm_types::chat::Part;
use llm_types::{Delta, Event, FinishKind, Flow, PartStart};
use serde_json::{Value, json};

use super::*;
use crate::codec::Seen;

fn chunk(parts: Value, finish: Option<&str>) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if let Some(finish) = finish {
        candidate["finishReason"] = json!(finish);
    }
    json!({"candidates": [candidate], "modelVersion": "gemini-3-flash-preview", "responseId": "r"})
}

/// The events of a stream, one short line each.
fn events(stream: &str) -> Vec<String> {
    let spec = spec();
    let memo = Memo::default();
    let cx = DecodeCx { spec: &spec, model: "m", memo: &memo };
    let mut decoder = Client.decoder(Op::Chat, &cx);
    let mut lines = Vec::new();
    let mut sink = |event: Event<'_>| {
        lines.push(match event {
            Event::Start(_) => "start".to_owned(),
            Event::PartStart { choice, part, start } => {
                let kind = match start {
                    PartStart::Text => "text",
                    PartStart::Reasoning => "reasoning",
                    PartStart::ToolCall { .. } => "call",
                    _ => "other",
                };
                format!("{choice}.{part} {kind}")
            }
            Event::Delta { choice, part, delta } => match delta {
                Delta::Text(text) | Delta::Reasoning(text) | Delta::ToolArgs(text) => {
                    format!("{choice}.{part} + {text}")
                }
                Delta::Signature(text) => format!("{choice}.{part} signed {text}"),
                Delta::Citation(citation) => format!("{choice}.{part} cites {:?}", citation.start),
                other => format!("{choice}.{part} {other:?}"),
            },
            Event::PartEnd { choice, part } => format!("{choice}.{part} end"),
            Event::Usage(usage) => format!("usage {}", usage.total_tokens()),
            Event::Finish { choice, finish } => format!("{choice} {:?}", finish.kind),
            Event::Error(error) => format!("error {:?}", error.kind),
            Event::Opaque { .. } => "opaque".to_owned(),
        });
        Flow::Continue(())
    };
    let _ = decoder.feed(stream.as_bytes(), &mut sink).unwrap();
    decoder.finish(&mut sink).unwrap();
    lines
}

#[test]
fn a_call_and_then_an_empty_text() {
    let call = json!([{"functionCall": {"id": "c", "name": "get_weather", "args": {"location": "San Francisco"}},
        "thoughtSignature": "S"}]);
    let mut last = chunk(json!([{"text": ""}]), Some("STOP"));
    last["usageMetadata"] =
        json!({"promptTokenCount": 29, "candidatesTokenCount": 15, "thoughtsTokenCount": 804});
    let expect = [
        "start",
        "0.0 call",
        "0.0 signed S",
        r#"0.0 + {"location":"San Francisco"}"#,
        "0.0 end",
        "usage 848",
        "0 ToolCalls",
    ];
    assert_eq!(events(&sse(&[chunk(call, None), last])), expect);
}

#[test]
fn sources_come_before_their_text_ends() {
    let mut last = chunk(json!([{"text": " é"}]), Some("STOP"));
    last["candidates"][0]["groundingMetadata"] = json!({
        "groundingChunks": [{"web": {"uri": "u", "title": "t"}}],
        "groundingSupports": [{"segment": {"startIndex": 1, "endIndex": 4}, "groundingChunkIndices": [0]}]});
    let expect =
        ["start", "0.0 text", "0.0 + a", "0.0 +  é", "opaque", "0.0 cites Some(1)", "0.0 end", "0 Stop"];
    assert_eq!(events(&sse(&[chunk(json!([{"text": "a"}]), None), last])), expect);
}

#[test]
fn sources_behind_a_call_have_a_part_of_their_own() {
    let mut last = chunk(json!([{"functionCall": {"name": "f"}}]), Some("STOP"));
    last["candidates"][0]["groundingMetadata"] = json!({
        "groundingChunks": [{"web": {"uri": "u"}}],
        "groundingSupports": [{"segment": {"endIndex": 1}, "groundingChunkIndices": [0]}]});
    let lines = events(&sse(&[chunk(json!([{"text": "a"}]), None), last]));
    assert_eq!(lines[7..], ["opaque", "0.2 text", "0.2 cites None", "0.2 end", "0 ToolCalls"]);
}

#[test]
fn kinds_alternate_and_candidates_interleave() {
    let two = |first: Value, second: Value, finish: Option<&str>| {
        let mut out = chunk(first, finish);
        let mut other = out["candidates"][0].clone();
        other["content"]["parts"] = second;
        other["index"] = json!(1);
        out["candidates"].as_array_mut().unwrap().push(other);
        out
    };
    let thought = json!([{"text": "t", "thought": true}]);
    let stream = sse(&[
        two(thought.clone(), json!([{"text": "x"}]), None),
        two(json!([{"text": "a"}]), json!([{"text": "y"}]), None),
        two(thought, json!([]), Some("MAX_TOKENS")),
    ]);
    let reply = gather(&[stream.as_bytes()]).unwrap();
    let kinds: Vec<_> =
        reply.choices[0].parts.iter().map(|part| matches!(part, Part::Reasoning(_))).collect();
    assert_eq!(kinds, [true, false, true]);
    assert_eq!(Part::text_of(&reply.choices[1].parts), "xy");
    assert_eq!(reply.choices[1].finish.as_ref().unwrap().kind, FinishKind::Length);
}

#[test]
fn a_stop_in_every_chunk_does_not_end_the_answer() {
    let stream =
        sse(&[chunk(json!([{"text": "a"}]), Some("STOP")), chunk(json!([{"text": "b"}]), Some("STOP"))]);
    let reply = gather(&[stream.as_bytes()]).unwrap();
    assert_eq!((reply.text().as_str(), reply.choices.len()), ("ab", 1));
}

#[test]
fn half_a_character_waits_for_the_other_half() {
    let stream = r#"data: {"candidates":[{"content":{"parts":[{"text":"a\ud83d"}]}}]}

data: {"candidates":[{"content":{"parts":[{"text":"\ude00b\ud83d"}]},"finishReason":"STOP"}]}

"#;
    assert_eq!(gather(&[stream.as_bytes()]).unwrap().text(), "a😀b\u{FFFD}");
}

#[test]
fn errors_in_a_stream_end_it() {
    let error =
        json!({"error": {"code": 429, "message": "Resource exhausted", "status": "RESOURCE_EXHAUSTED"}});
    for error in [error.clone(), json!([error])] {
        let stream = sse(&[chunk(json!([{"text": "a"}]), None), error, chunk(json!([{"text": "b"}]), None)]);
        assert_eq!(events(&stream), ["start", "0.0 text", "0.0 + a", "error RateLimit"]);
        fails_with(gather(&[stream.as_bytes()]), ErrorKind::RateLimit);
    }
}

#[test]
fn streams_that_end_too_early_are_errors() {
    let unfinished = sse(&[chunk(json!([{"text": "a"}]), None)]);
    let mut only_usage = chunk(json!([]), Some("STOP"));
    only_usage.as_object_mut().unwrap().remove("candidates");
    for stream in ["", ": ping\n\n", unfinished.as_str(), &sse(&[only_usage])] {
        let error = fails_with(gather(&[stream.as_bytes()]), ErrorKind::Connection);
        assert_eq!(error.message, "the upstream's stream ended before it was complete");
    }
    fails_with(gather(&[b"data: nonsense\n\n"]), ErrorKind::UpstreamFormat);
}

#[test]
fn taps_watch_without_reading() {
    let mut tap = Client.stream_tap(Op::Chat);
    let event = |value: &Value| sse(std::slice::from_ref(value));
    let mut see = |value: &Value| tap.see(event(value).as_bytes());
    assert!(matches!(see(&chunk(json!([{"text": ""}]), None)), Seen::Quiet));
    assert!(matches!(see(&chunk(json!([{"text": "a"}]), None)), Seen::Content));
    assert!(!tap.is_done());
    let mut last = chunk(json!([]), Some("STOP"));
    last["usageMetadata"] = json!({"promptTokenCount": 1, "candidatesTokenCount": 2});
    assert!(matches!(tap.see(event(&last).as_bytes()), Seen::Content));
    assert!(tap.is_done());
    assert_eq!(tap.usage().unwrap().total_tokens(), 3);
    let error = json!({"error": {"code": 500, "message": "m", "status": "INTERNAL"}});
    let seen = tap.see(event(&error).as_bytes());
    assert!(matches!(seen, Seen::Failed(error) if error.kind == ErrorKind::Internal));
    // Its clients do not read a list.
    let seen = tap.see(event(&json!([error])).as_bytes());
    assert!(matches!(seen, Seen::Error(error) if error.kind == ErrorKind::Internal));
    assert!(matches!(tap.see(b": comment\n\n"), Seen::Quiet));
}
