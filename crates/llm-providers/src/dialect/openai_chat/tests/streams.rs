//! Streams: what compatible providers send, and what OpenAI's clients get.

use llm_types::chat::{Citation, Part, ToolCallKind};
use llm_types::{ApiError, Delta, ErrorKind, Event, FinishKind, Flow, PartStart, ProviderSpec, Start, Usage};
use serde_json::Value;

use super::super::{Client, Server};
use super::{decode, gather, plain, restream, row};
use crate::codec::{ClientCodec as _, ReplyCx, Seen, ServerCodec as _};

fn sse(chunks: &[&str]) -> String {
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect()
}

/// A stream of these deltas of choice 0, with its end.
fn deltas(deltas: &[&str], finish: &str) -> String {
    let chunk = |delta: &str, finish: &str| {
        format!(
            r#"{{"id":"c","model":"m","created":7,"choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]}}"#
        )
    };
    let mut chunks: Vec<String> = deltas.iter().map(|delta| chunk(delta, "null")).collect();
    chunks.push(chunk("{}", finish));
    chunks.push("[DONE]".into());
    sse(&chunks.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Text, thoughts, calls and finish of a stream.
fn summary(stream: &str, spec: &ProviderSpec) -> String {
    match gather([stream.as_bytes()], spec) {
        Err(error) => format!("{:?}: {}", error.kind, error.message),
        Ok(reply) => {
            let mut out = format!("{:?}", reply.text());
            if !reply.reasoning().is_empty() {
                out += &format!(" thought {:?}", reply.reasoning());
            }
            for call in reply.tool_calls() {
                let id =
                    if call.id.len() == 37 && call.id.starts_with("call_") { "minted" } else { &call.id };
                out += &format!(" {}({}) {id}", call.name, call.arguments);
            }
            let finish = reply.choices.first().and_then(|choice| choice.finish.clone()).unwrap();
            out += &format!(" {:?}", finish.kind);
            if let Some(native) = finish.native {
                out += &format!(" {native}");
            }
            out
        }
    }
}

#[test]
fn deviations_of_compatible_providers_are_normalised() {
    let check = |given: &[&str], finish: &str, expect: &str| {
        assert_eq!(summary(&deltas(given, finish), &plain()), expect, "{given:?}");
    };
    check(&[r#"{"role":"assistant","content":null}"#, r#"{"content":"a"}"#], r#""stop""#, r#""a" Stop"#);
    check(
        &[r#"{"content":"a","role":"assistant"}"#, r#"{"content":"b","role":"assistant"}"#],
        "\"\"",
        r#""ab" Stop"#,
    );
    check(&[r#"{"content":"a"}"#], r#""model_length""#, r#""a" Length model_length"#);
    check(&[r#"{"content":"a"}"#], r#""sensitive""#, r#""a" ContentFilter sensitive"#);
    check(&[r#"{"content":"a"}"#], r#""eos""#, r#""a" Stop eos"#);
    check(
        &[r#"{"content":"a"}"#],
        r#""network_error""#,
        "Api: the upstream gave up on its answer: retry, or ask another model",
    );
    check(
        &[r#"{"reasoning":"t","content":""}"#, r#"{"content":"a","reasoning":null}"#],
        "null",
        r#""a" thought "t" Stop"#,
    );
    check(&[r#"{"reasoning_content":"t","reasoning":"t"}"#], "null", r#""" thought "t" Stop"#);
    check(
        &[
            r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]}]}"#,
            r#"{"content":[{"type":"text","text":"a"}]}"#,
        ],
        r#""stop""#,
        r#""a" thought "t" Stop"#,
    );
    check(&[r#"{"content":"\ud83d"}"#, r#"{"content":"\ude00!"}"#], r#""stop""#, r#""😀!" Stop"#);
    check(&[r#"{"content":"\ud83d"}"#], r#""stop""#, "\"\u{FFFD}\" Stop");
}

#[test]
fn tool_calls_of_every_form_are_told_apart() {
    let check = |given: &[&str], finish: &str, expect: &str| {
        assert_eq!(summary(&deltas(given, finish), &plain()), expect, "{given:?}");
    };
    // Complete, without type, index and id; the provider says `stop`.
    check(
        &[
            r#"{"tool_calls":[{"function":{"name":"f","arguments":"{}"}},{"function":{"name":"g","arguments":{"a":1}}}]}"#,
        ],
        r#""stop""#,
        r#""" f({}) minted g({"a":1}) minted ToolCalls"#,
    );
    // Later fragments with empty id and name; indexes from 1.
    check(
        &[
            r#"{"tool_calls":[{"index":1,"id":"x","type":"function","function":{"name":"f","arguments":""}}]}"#,
            r#"{"tool_calls":[{"index":1,"id":"","function":{"name":"","arguments":"{\"a\""}}]}"#,
            r#"{"tool_calls":[{"index":1,"id":"","type":"function","function":{"name":null,"arguments":":1}"}}]}"#,
            r#"{"tool_calls":null}"#,
        ],
        r#""tool_calls""#,
        r#""" f({"a":1}) x ToolCalls"#,
    );
    // Two complete calls under one index.
    check(
        &[
            r#"{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{}"}}]}"#,
            r#"{"tool_calls":[{"index":0,"id":"y","function":{"name":"g","arguments":"{}"}}]}"#,
        ],
        "null",
        r#""" f({}) x g({}) y ToolCalls"#,
    );
    // Interleaved calls, and a name that comes late.
    check(
        &[
            r#"{"tool_calls":[{"index":0,"id":"x","function":{"name":"f"}}]}"#,
            r#"{"tool_calls":[{"index":1,"id":"y","function":{"arguments":"{"}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}"#,
            r#"{"tool_calls":[{"index":1,"function":{"name":"g","arguments":"}"}}]}"#,
        ],
        "null",
        r#""" f({}) x g({}) y ToolCalls"#,
    );
    check(
        &[r#"{"function_call":{"name":"f","arguments":"{"}}"#, r#"{"function_call":{"arguments":"}"}}"#],
        r#""function_call""#,
        r#""" f({}) minted ToolCalls"#,
    );
    check(
        &[r#"{"tool_calls":[{"index":0,"id":"x","type":"custom","custom":{"name":"c","input":"raw"}}]}"#],
        "null",
        r#""" c(raw) x ToolCalls"#,
    );
}

#[test]
fn text_amid_the_arguments_of_a_call_waits_for_their_end() {
    let stream = deltas(
        &[
            r#"{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":""}}]}"#,
            r#"{"content":"\n"}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}"#,
            r#"{"content":"A"}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}"#,
            r#"{"content":"B"}"#,
        ],
        r#""tool_calls""#,
    );
    assert_eq!(summary(&stream, &plain()), r#""\nAB" f({"a":1}) x ToolCalls"#);
    let out = restream(&stream, &plain(), ReplyCx::default());
    assert!(!out.contains(r#""arguments":"{}""#), "{out}");
}

#[test]
fn thoughts_in_the_text_are_split_off() {
    let spec = row("name = \"p\"\nquirks = { reply = [\"think_tags\"] }");
    let stream =
        deltas(&[r#"{"content":"<thi"}"#, r#"{"content":"nk>a</th"}"#, r#"{"content":"ink>b"}"#], "null");
    assert_eq!(summary(&stream, &spec), r#""b" thought "a" Stop"#);
    assert_eq!(summary(&stream, &plain()), r#""<think>a</think>b" Stop"#);
}

#[test]
fn content_behind_the_finish_reason_still_counts() {
    let stream = sse(&[
        r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
        r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"stop"}]}"#,
    ]);
    assert_eq!(summary(&stream, &plain()), r#""ab" Stop"#);
}

#[test]
fn a_stream_is_complete_when_each_of_its_choices_is() {
    let chunk = |index: u8, finish: &str| {
        format!(
            r#"{{"id":"c","choices":[{{"index":{index},"delta":{{"content":"a"}},"finish_reason":{finish}}}]}}"#
        )
    };
    let check = |chunks: &[String], expect: bool| {
        let stream = sse(&chunks.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(gather([stream.as_bytes()], &plain()).is_ok(), expect, "{stream}");
        let mut tap = Client.stream_tap(llm_types::Op::Chat);
        for event in stream.split_inclusive("\n\n") {
            tap.see(event.as_bytes());
        }
        assert_eq!(tap.is_done(), expect, "{stream}");
    };
    let (open, stop) = ("null", "\"stop\"");
    check(&[chunk(0, open), chunk(0, stop)], true);
    check(&[chunk(0, open), chunk(1, open), chunk(0, stop)], false);
    check(&[chunk(0, open), chunk(1, open), chunk(0, stop), chunk(1, stop)], true);
    check(&[chunk(0, stop), chunk(1, open)], false);
    check(&[chunk(1, stop)], true);
    check(&[chunk(0, open), "[DONE]".to_owned()], true);
}

#[test]
fn failures_inside_a_stream_are_classified() {
    let start = r#"{"id":"c","choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    let check = |bad: &str, kind: ErrorKind| {
        let stream = format!("{}{bad}", sse(&[start]));
        let error = gather([stream.as_bytes()], &plain()).unwrap_err();
        assert_eq!(error.kind, kind, "{bad}: {error}");
        let mut tap = Client.stream_tap(llm_types::Op::Chat);
        let seen = tap.see(bad.as_bytes());
        assert!(matches!(&seen, Seen::Error(error) if error.kind == kind), "{bad}: {seen:?}");
    };
    check("data: {\"error\":{\"message\":\"slow\",\"type\":\"x\",\"code\":429}}\n\n", ErrorKind::RateLimit);
    check(
        "event: error\ndata: {\"error\":{\"message\":\"no\",\"status_code\":400}}\n\n",
        ErrorKind::BadRequest,
    );
    check(
        "data: {\"error\":{\"code\":502,\"message\":\"down\"},\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"error\"}]}\n\n",
        ErrorKind::BadGateway,
    );
    check(
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"error\":{\"message\":\"full\",\"type\":\"overloaded_error\"}}]}\n\n",
        ErrorKind::Overloaded,
    );
    let garbage = format!("{}data: {{nope\n\n", sse(&[start]));
    assert_eq!(gather([garbage.as_bytes()], &plain()).unwrap_err().kind, ErrorKind::UpstreamFormat);
    assert_eq!(gather([sse(&[start]).as_bytes()], &plain()).unwrap_err().kind, ErrorKind::Connection);
}

#[test]
fn usage_is_taken_from_wherever_it_stands() {
    let check = |last: &str, spec: &ProviderSpec, expect: Usage| {
        let stream = sse(&[
            r#"{"id":"c","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}],"usage":null}"#,
            last,
            "[DONE]",
        ]);
        assert_eq!(gather([stream.as_bytes()], spec).unwrap().usage, Some(expect), "{last}");
    };
    let usage = |input, cache_read, output, reasoning| Usage {
        input,
        cache_read,
        output,
        reasoning,
        ..Usage::default()
    };
    let spec = plain();
    check(
        r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":3},"completion_tokens_details":{"reasoning_tokens":1}}}"#,
        &spec,
        usage(7, 3, 3, 1),
    );
    check(
        r#"{"choices":[],"x_groq":{"usage":{"prompt_tokens":10,"completion_tokens":4}}}"#,
        &spec,
        usage(10, 0, 4, 0),
    );
    check(
        r#"{"choices":[{"index":0,"delta":{},"usage":{"prompt_tokens":10,"completion_tokens":4}}]}"#,
        &spec,
        usage(10, 0, 4, 0),
    );
    check(
        r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":4,"prompt_cache_hit_tokens":9,"prompt_tokens_details":null}}"#,
        &spec,
        usage(1, 9, 4, 0),
    );
    check(
        r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":4,"cached_tokens":2,"reasoning_tokens":3}}"#,
        &spec,
        usage(8, 2, 1, 3),
    );
    // More cached than asked: the sum stays what was billed.
    check(
        r#"{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":4,"cached_tokens":20}}"#,
        &spec,
        usage(0, 10, 4, 0),
    );
    let outside = row("name = \"xai\"\nquirks = { reply = [\"reasoning_outside\"] }");
    check(
        r#"{"choices":[],"usage":{"prompt_tokens":291,"completion_tokens":26,"total_tokens":513,"completion_tokens_details":{"reasoning_tokens":196}}}"#,
        &outside,
        usage(291, 0, 26, 196),
    );
}

#[test]
fn a_tap_tells_content_usage_and_end() {
    let mut tap = Client.stream_tap(llm_types::Op::Chat);
    let mut see = |event: &str| {
        let seen = format!("{:?}", tap.see(format!("{event}\n\n").as_bytes()));
        (seen, tap.is_done())
    };
    let mut check =
        |event: &str, expect: &str, done: bool| assert_eq!(see(event), (expect.to_owned(), done), "{event}");
    check(": keepalive", "Quiet", false);
    check(r#"data: {"choices":[],"prompt_filter_results":[]}"#, "Quiet", false);
    check(
        r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"usage":null}"#,
        "Quiet",
        false,
    );
    check(
        r#"data: {"choices":[{"index":0,"delta":{"content":"\"error\": {\"usage\":{"},"finish_reason":null}],"usage": null}"#,
        "Content",
        false,
    );
    check(
        r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#,
        "Content",
        true,
    );
    check(r#"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#, "Usage", true);
    check("data: [DONE]", "Done", true);
    assert_eq!(tap.usage().unwrap().total_tokens(), 5);
}

/// Writes events as the server half does.
fn encode(cx: ReplyCx, events: Vec<Event<'_>>) -> String {
    let mut encoder = Server.encoder(cx);
    for event in events {
        let _ = encoder.event(event);
    }
    encoder.finish();
    String::from_utf8(encoder.take().to_vec()).unwrap()
}

fn cx(include_usage: bool) -> ReplyCx {
    ReplyCx {
        include_usage,
        model: "asked".into(),
        id: "chatcmpl-1".into(),
        created: 7,
        ..ReplyCx::default()
    }
}

fn tool(part: u32, id: &'static str, kind: ToolCallKind) -> Event<'static> {
    let start = PartStart::ToolCall { id: id.into(), name: "f".into(), kind };
    Event::PartStart { choice: 0, part, start }
}

fn delta(part: u32, delta: Delta<'static>) -> Event<'static> {
    Event::Delta { choice: 0, part, delta }
}

fn finish(kind: FinishKind) -> Event<'static> {
    Event::Finish { choice: 0, finish: kind.into() }
}

/// The deltas (or what else is in the choice) of a written stream, one per line.
fn short(stream: &str) -> String {
    let mut out = String::new();
    for line in stream.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let Ok(chunk) = serde_json::from_str::<Value>(line) else {
            out += &format!("{line}\n");
            continue;
        };
        match chunk["choices"].get(0) {
            Some(choice) => out += &format!("{} {}\n", choice["delta"], choice["finish_reason"]),
            None => out += &format!("{chunk}\n"),
        }
    }
    out
}

/// `providers/test-vectors.md` §4, the Anthropic stream.
#[test]
fn a_translated_stream_has_the_chunks_that_clients_expect() {
    let events = vec![
        Event::Start(Start { id: "msg_1".into(), model: "claude".into(), ..Start::default() }),
        Event::PartStart { choice: 0, part: 0, start: PartStart::Text },
        delta(0, Delta::Text("He".into())),
        delta(0, Delta::Text("llo\n\"\u{1}".into())),
        Event::PartEnd { choice: 0, part: 0 },
        tool(1, "toolu_1", ToolCallKind::Function),
        delta(1, Delta::ToolArgs("".into())),
        delta(1, Delta::ToolArgs("{\"a\":".into())),
        delta(1, Delta::ToolArgs("1}".into())),
        Event::PartEnd { choice: 0, part: 1 },
        tool(2, "toolu_2", ToolCallKind::Function),
        Event::PartEnd { choice: 0, part: 2 },
        Event::Usage(Usage { input: 10, output: 20, ..Usage::default() }),
        finish(FinishKind::ToolCalls),
    ];
    insta::assert_snapshot!(encode(cx(true), events));
}

#[test]
fn thoughts_signatures_and_native_words_reach_the_client() {
    let events = vec![
        Event::PartStart { choice: 0, part: 0, start: PartStart::Reasoning },
        delta(0, Delta::Reasoning("T".into())),
        delta(0, Delta::Signature("S".into())),
        Event::PartEnd { choice: 0, part: 0 },
        Event::PartStart { choice: 0, part: 1, start: PartStart::Reasoning },
        delta(1, Delta::Redacted("R".into())),
        Event::PartEnd { choice: 0, part: 1 },
        tool(2, "x", ToolCallKind::Custom),
        delta(2, Delta::Signature("G".into())),
        delta(2, Delta::ToolArgs("raw".into())),
        Event::PartEnd { choice: 0, part: 2 },
        Event::PartStart { choice: 0, part: 3, start: PartStart::Text },
        delta(3, Delta::Text("é[1]".into())),
        delta(
            3,
            Delta::Citation(std::borrow::Cow::Owned(Citation {
                url: Some("u".into()),
                ..Citation::default()
            })),
        ),
        Event::PartStart { choice: 0, part: 4, start: PartStart::Image { media_type: "image/png".into() } },
        delta(4, Delta::Data("AA".into())),
        delta(4, Delta::Data("==".into())),
        Event::PartEnd { choice: 0, part: 4 },
        Event::Finish {
            choice: 0,
            finish: llm_types::Finish { native: Some("pause_turn".into()), ..FinishKind::Stop.into() },
        },
        Event::Usage(Usage::default()),
    ];
    insta::assert_snapshot!(short(&encode(cx(false), events)));
}

#[test]
fn deprecated_functions_are_answered_in_their_form() {
    let events = vec![
        tool(0, "x", ToolCallKind::Function),
        delta(0, Delta::ToolArgs("{\"a\":1}".into())),
        Event::PartEnd { choice: 0, part: 0 },
        finish(FinishKind::Stop),
    ];
    insta::assert_snapshot!(short(&encode(ReplyCx { legacy_functions: true, ..cx(false) }, events)));
}

#[test]
fn a_failure_is_the_last_event() {
    let mut encoder = Server.encoder(cx(true));
    let error = ApiError::upstream(ErrorKind::Overloaded, "too much to do");
    assert_eq!(encoder.event(Event::Error(error)), Flow::Break(()));
    encoder.finish();
    assert_eq!(
        encoder.take(),
        "data: {\"error\":{\"message\":\"too much to do\",\"type\":\"overloaded_error\",\"param\":null,\"code\":\"overloaded\"}}\n\n"
    );
}

#[test]
fn members_of_the_same_dialect_pass_and_padding_does_not() {
    let stream = sse(&[
        r#"{"id":"","model":"","choices":[],"prompt_filter_results":[1]}"#,
        r#"{"id":"c","model":"m","created":7,"provider":"P","obfuscation":"x","p":"y","choices":[{"index":0,"delta":{"content":"a"},"native_finish_reason":null}]}"#,
        r#"{"id":"c","model":"m","created":7,"provider":"P","choices":[{"index":0,"delta":{},"finish_reason":"stop","native_finish_reason":"STOP"}]}"#,
        "[DONE]",
    ]);
    insta::assert_snapshot!(restream(&stream, &plain(), cx(false)));
}

#[test]
fn sources_are_found_by_their_marks() {
    let body = r#"{"choices":[{"message":{"content":"a[2]."}}],"citations":["u1","u2"],"search_results":[{"title":"T","url":"u2"}]}"#;
    let reply = decode(body, &plain()).unwrap();
    let [Part::Text(_), Part::Citation(source)] = &*reply.choices[0].parts else {
        panic!("{:?}", reply.choices[0].parts);
    };
    assert_eq!((source.url.as_deref(), source.title.as_deref()), (Some("u2"), Some("T")));
    assert_eq!((source.start, source.end), (Some(1), Some(4)));
    assert!(reply.extra.get("citations").is_some() && reply.extra.get("search_results").is_some());
}
