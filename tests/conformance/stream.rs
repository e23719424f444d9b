//! Streams that are cut where it hurts: within an event, within a character, before their end.

use std::fmt::Write as _;

use llm_testkit::conformance::Case;
use llm_testkit::player::{Cut, cuts, pieces};
use llm_testkit::{Facts, Script, Upstream};
use serde_json::{Value, json};

use crate::fact::{booked, told};
use crate::front::{CHAT, FRONTS, Front, says_complete};
use crate::lab::{Lab, deployment};
use crate::pipe::Pipe;
use crate::tally::recordings;

/// A stream is cut in two in about so many places for OpenAI's clients, a short one at every byte, and in so
/// many for those of the other fronts. All get it in single bytes besides, which cuts it everywhere at once.
const CUTS: [usize; 2] = [60, 4];

fn streams() -> Vec<Case> {
    // Those of binary messages are in `bedrock`.
    Case::all(&recordings().filter(|recording| recording.response.stream().is_some()))
}

/// The stream's text and the way that it goes to a client of this front.
fn opened<'c>(front: &'static Front, case: &'c Case) -> (&'c str, Pipe) {
    (case.recording.response.stream().unwrap_or_default(), Pipe::of(front, &case.recording))
}

#[test]
fn a_cut_anywhere_changes_nothing() {
    let mut failures = String::new();
    for front in FRONTS {
        for case in streams() {
            let (text, pipe) = opened(front, &case);
            let mut expect = told(front, &case);
            // Two ways of counting that the books do not follow.
            expect.usage = booked(&case);
            let whole = pipe.run([text.as_bytes()]).unwrap();
            let problems = expect.differences(&front.facts(&whole));
            let mut note = |at: usize, problems: Vec<String>| {
                for problem in problems {
                    let name = &case.recording;
                    _ = writeln!(failures, "{name} for {} cut at {at}: {problem}", front.name);
                }
            };
            note(0, problems);
            if text.len() < 20_000 {
                let bytes = pipe.run(text.as_bytes().chunks(1)).unwrap();
                if bytes != whole {
                    note(usize::MAX, expect.differences(&front.facts(&bytes)));
                }
            }
            for at in cuts_of(front, text) {
                let (before, after) = text.as_bytes().split_at(at);
                match pipe.run([before, after]) {
                    // The same bytes state the same; others may differ in an id that was made up.
                    Ok(cut) if cut == whole => {}
                    Ok(cut) => note(at, expect.differences(&front.facts(&cut))),
                    Err(error) => note(at, vec![error.to_string()]),
                }
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

/// Where a stream is cut in two. Some put the whole answer into the event with the usage, which is cut as
/// finely again.
fn cuts_of(front: &Front, text: &str) -> Vec<usize> {
    if front.name != CHAT.name {
        return (0..=text.len()).step_by(text.len().div_ceil(CUTS[1]).max(1)).collect();
    }
    let start = text.rfind("\"usage").and_then(|at| text.get(..at)?.rfind("\n\n")).map_or(0, |at| at + 2);
    let last = text.get(start..).unwrap_or_default();
    let fine = cuts(last.as_bytes(), CUTS[0] / 2).into_iter().map(|at| start + at);
    cuts(text.as_bytes(), CUTS[0]).into_iter().chain(fine).collect()
}

#[test]
fn a_stream_that_ends_early_is_an_error() {
    let mut failures = String::new();
    let mut seen = 0;
    for front in FRONTS {
        for case in streams() {
            let (text, pipe) = opened(front, &case);
            for early in beginnings(&case, text) {
                seen += 1;
                let shown = String::from_utf8_lossy(&pipe.told([early.as_bytes()])).into_owned();
                if !is_broken(front, &shown) {
                    let last = early.get(early.len().saturating_sub(200)..).unwrap_or(&early);
                    let name = &case.recording;
                    _ = writeln!(failures, "{name} for {}: clean after {last:?}: {shown}", front.name);
                }
            }
        }
    }
    assert!(seen > 20, "streams were cut short {seen} times");
    assert!(failures.is_empty(), "\n{failures}");
}

/// Whether a client is told of an error and cannot take the stream for complete.
pub(crate) fn is_broken(front: &Front, stream: &str) -> bool {
    let error = front.facts(stream.as_bytes()).error;
    error.is_some_and(|error| !error.is_empty()) && !front.ends(stream)
}

#[tokio::test]
async fn a_client_never_takes_a_stream_that_ended_early_for_a_whole_one() {
    let lab = Lab::start().await;
    let upstream = Upstream::start().unwrap();
    let mut failures = String::new();
    for front in FRONTS {
        for case in streams() {
            let (text, _) = opened(front, &case);
            let Some(request) = case.request_at(front.name) else { continue };
            lab.deploy_for(&case.recording, upstream.addr());
            // OpenAI's clients see every beginning, the others every fifth.
            let step = if front.name == CHAT.name { 1 } else { 5 };
            for early in beginnings(&case, text).into_iter().step_by(step) {
                upstream.push(Script::sse(pieces(&early, Cut::Events)));
                let answer = lab.call(front, &front.body(&request, true), true).await;
                let error = front.facts(&answer.body).error;
                if error.is_none_or(|error| error.is_empty()) || front.ends(&answer.text()) {
                    let (name, front) = (&case.recording, front.name);
                    let said = answer.text();
                    _ = writeln!(failures, "{name} at {front} after {} bytes: {said}", early.len());
                }
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert_eq!(upstream.unscripted(), 0);
}

/// The stream's beginnings, event by event, as long as they do not say that the answer is complete.
fn beginnings(case: &Case, text: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut so_far = String::new();
    for event in pieces(text, Cut::Events) {
        so_far.push_str(&String::from_utf8_lossy(&event));
        if says_complete(&case.recording.operation, &so_far) {
            break;
        }
        out.push(so_far.clone());
    }
    out
}

/// The two halves of a lemon: JSON writes it as two escapes, and some servers cut between them.
const HALVES: [&str; 2] = ["\\ud83c", "\\udf4b"];

#[test]
fn halves_of_a_character_are_joined() {
    let check = |model: &str, stream: String, expect: fn(&Facts) -> String| {
        for cut in [Cut::Whole, Cut::Events, Cut::EveryByte] {
            let cut = pieces(&stream, cut);
            let answer = Pipe::new(&CHAT, &deployment(model)).run(cut.iter().map(Vec::as_slice)).unwrap();
            assert_eq!(expect(&CHAT.facts(&answer)), "a🍋b", "{model}: {stream}");
        }
    };
    let text: fn(&Facts) -> String = |facts| facts.choices[0].text.clone();
    let thought: fn(&Facts) -> String = |facts| facts.choices[0].reasoning.clone();
    let argument: fn(&Facts) -> String =
        |facts| facts.choices[0].tool_calls[0].arguments["x"].as_str().unwrap_or_default().to_owned();
    for model in ["groq/m", "mistral/m", "hosted_vllm/m"] {
        check(model, openai_halves(|half| json!({"content": half})), text);
        check(model, openai_halves(|half| json!({"reasoning_content": half})), thought);
    }
    check("anthropic/m", anthropic_halves("text", "text_delta", "text"), text);
    check("anthropic/m", anthropic_halves("thinking", "thinking_delta", "thinking"), thought);
    check("anthropic/m", anthropic_halves("tool_use", "input_json_delta", "partial_json"), argument);
    check("gemini/gemini-2.5-flash", gemini_halves(|half| json!({"text": half})), text);
    check("gemini/gemini-2.5-flash", gemini_halves(|half| json!({"text": half, "thought": true})), thought);
}

/// `a`, half a lemon, the other half, `b`: no Rust string can hold a half, so marks stand for them.
fn halves() -> [&'static str; 2] {
    ["aHALF0", "HALF1b"]
}

fn with_halves(text: &str) -> String {
    text.replace("HALF0", HALVES[0]).replace("HALF1", HALVES[1])
}

fn openai_halves(delta: fn(&str) -> Value) -> String {
    let chunk = |delta: Value, finish: Value| {
        let choices = json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
        let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices});
        format!("data: {chunk}\n\n")
    };
    let [first, second] = halves().map(|half| chunk(delta(half), Value::Null));
    with_halves(&format!("{first}{second}{}data: [DONE]\n\n", chunk(json!({}), json!("stop"))))
}

fn anthropic_halves(block: &str, delta: &str, member: &str) -> String {
    let event =
        |value: Value| format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap_or_default());
    let tool = block == "tool_use";
    let start = if tool {
        json!({"type": block, "id": "toolu_1", "name": "f", "input": {}})
    } else {
        json!({"type": block, member: ""})
    };
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": null, "usage": {"input_tokens": 1, "output_tokens": 1}});
    let mut out = event(json!({"type": "message_start", "message": message}));
    out += &event(json!({"type": "content_block_start", "index": 0, "content_block": start}));
    let [first, second] = halves();
    let pieces = if tool {
        [format!("{{\"x\":\"{first}"), format!("{second}\"}}")]
    } else {
        [first.to_owned(), second.to_owned()]
    };
    for piece in pieces {
        let delta = json!({"type": delta, member: piece});
        out += &event(json!({"type": "content_block_delta", "index": 0, "delta": delta}));
    }
    out += &event(json!({"type": "content_block_stop", "index": 0}));
    let end = json!({"stop_reason": if tool { "tool_use" } else { "end_turn" }});
    out += &event(json!({"type": "message_delta", "delta": end, "usage": {"output_tokens": 5}}));
    out += &event(json!({"type": "message_stop"}));
    with_halves(&out)
}

fn gemini_halves(part: fn(&str) -> Value) -> String {
    let chunk = |part: Value, finish: Value| {
        let candidate =
            json!({"index": 0, "content": {"role": "model", "parts": [part]}, "finishReason": finish});
        format!("data: {}\n\n", json!({"candidates": [candidate], "modelVersion": "m"}))
    };
    let [first, second] = halves();
    with_halves(&(chunk(part(first), Value::Null) + &chunk(part(second), json!("STOP"))))
}
