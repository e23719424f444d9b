//! Every front onto every dialect: what goes out for a client's request, and what comes back to it.
//!
//! There is one snapshot per pair and direction. The bodies go through the neutral form also where the two
//! sides speak one dialect and the gateway would edit the client's bytes: that way is taken as soon as
//! somebody wants to look at the request.

use std::fmt::Write as _;

use bytes::Bytes;
use llm_types::{Dialect, Result};
use serde_json::Value;

use crate::compact::{compact, settled};
use crate::fixture::{Answer, answers, conversations};
use crate::front::{FRONTS, Front, says_complete};
use crate::golden::golden;
use crate::order::disorder;
use crate::pipe::Pipe;
use crate::stream::is_broken;

/// A provider of each dialect that is called: the name of its wire API, and a model.
pub(crate) const UPSTREAMS: &[(&str, Dialect, &str)] = &[
    ("chat", Dialect::OpenaiChat, "openai/gpt-4o"),
    ("messages", Dialect::Anthropic, "anthropic/claude-sonnet-4-5"),
    ("responses", Dialect::OpenaiResponses, "openai/gpt-5.2"),
    ("generateContent", Dialect::Gemini, "gemini/gemini-3-flash-preview"),
];

/// Providers of dialects that no client speaks.
const CALLED_ONLY: &[(&str, Dialect, &str)] = &[
    ("chat_v2", Dialect::Cohere, "cohere/command-a-reasoning-08-2025"),
    ("ollama_chat", Dialect::Ollama, "ollama/qwen3"),
];

/// Providers of dialects that no client speaks, for conversations with tools. Bedrock's streams are binary.
pub(crate) const TOOLS_ONLY: &[(&str, Dialect, &str)] = &[
    ("chat_v2", Dialect::Cohere, "cohere/command-a-03-2025"),
    ("ollama_chat", Dialect::Ollama, "ollama/qwen3"),
    ("converse", Dialect::Bedrock, "bedrock/us-east-1/us.anthropic.claude-sonnet-4-5"),
];

/// Calls `check` for each pair of a front and an upstream.
pub(crate) fn pairs(mut check: impl FnMut(&'static Front, &'static str, &dyn Fn() -> Pipe)) {
    for front in FRONTS {
        for (operation, dialect, model) in UPSTREAMS.iter().chain(CALLED_ONLY) {
            check(front, operation, &|| Pipe::to(front, *dialect, model));
        }
    }
}

#[test]
fn requests_of_every_front_in_every_dialect() {
    let mut failures = String::new();
    pairs(|front, operation, pipe| {
        let mut out = String::new();
        for conversation in conversations() {
            let Some(request) = conversation.request(front) else { continue };
            _ = write!(out, "## {}\n\n{}\n\n", conversation.name, sent(&mut pipe(), front, request));
        }
        golden(&mut failures, &format!("requests-{}-to-{operation}", front.name), out.trim_end());
    });
    assert!(failures.is_empty(), "these snapshots differ:\n{failures}");
}

/// What is sent for a request: path, headers of the dialect, changes and body.
fn sent(pipe: &mut Pipe, front: &Front, request: &Value) -> String {
    let (wire, changes) = match pipe.ask(&front.body(request, false), false) {
        Ok(sent) => sent,
        Err(error) => return format!("refused: {error}"),
    };
    let mut out = format!("{} {}\n", wire.method, wire.path);
    for (name, value) in wire.headers.iter().filter(|(name, _)| *name != "content-type") {
        _ = writeln!(out, "{name}: {}", value.to_str().unwrap());
    }
    for change in changes.list() {
        _ = writeln!(out, "{:?}: {} ({})", change.action, change.path, change.why);
    }
    let body: Value = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
    out + &settled(&compact(&body))
}

#[test]
fn answers_of_every_dialect_for_every_front() {
    let mut failures = String::new();
    pairs(|front, operation, pipe| {
        let mut out = String::new();
        for answer in answers().iter().filter(|answer| answer.whole(operation).is_some()) {
            let pipe = asked(front, pipe);
            _ = write!(out, "## {}, whole\n\n{}\n\n", answer.name, whole(&pipe, front, operation, answer));
            let events = answer.stream(operation).unwrap();
            let stream = pipe.told(events.iter().map(Vec::as_slice));
            let shown = shown(std::str::from_utf8(&stream).unwrap());
            _ = write!(out, "## {}, stream\n\n{shown}\n\n", answer.name);
        }
        let name = format!("answers-{}-from-{operation}", front.name);
        golden(&mut failures, &name, settled(&out).trim_end());
    });
    assert!(failures.is_empty(), "these snapshots differ:\n{failures}");
}

/// A way over which a request went that offers the tools of the answers.
pub(crate) fn asked(front: &'static Front, pipe: &dyn Fn() -> Pipe) -> Pipe {
    let mut pipe = pipe();
    let conversations = conversations();
    let with_tools = |name: &str| conversations.iter().find(|one| one.name == name)?.request(front);
    for name in ["custom_tool", "text"] {
        if let Some(request) = with_tools(name)
            && pipe.ask(&front.body(request, false), false).is_ok()
        {
            break;
        }
    }
    pipe
}

fn whole(pipe: &Pipe, front: &Front, operation: &str, answer: &Answer) -> String {
    let body = answer.whole(operation).unwrap();
    let (status, body) = match answer.status(operation) {
        200 => (200, pipe.whole(&body).unwrap()),
        status => pipe.error(status, &body),
    };
    let json: Value = serde_json::from_slice(&body).unwrap();
    let text = compact(&json);
    assert!(front.facts(&body).error.is_some() == (status != 200), "{}: {text}", answer.name);
    if status == 200 { text } else { format!("{status}\n{text}") }
}

/// What of a response is shown in its stream: the rest stands in the whole answer.
const TELLING: [&str; 6] = ["id", "status", "output", "usage", "error", "incomplete_details"];

/// A stream as it is read best: the data of each event. An event's name must be its data's type.
fn shown(stream: &str) -> String {
    let mut out = String::new();
    for event in llm_testkit::sse::events(stream) {
        let mut data: Option<Value> = serde_json::from_str(&event.data).ok();
        let kind = data.as_ref().and_then(|data| data["type"].as_str());
        assert!(event.name.is_empty() || Some(event.name.as_str()) == kind, "{event:?}");
        match data.as_mut().and_then(|data| data.get_mut("response")?.as_object_mut()) {
            Some(response) => {
                response.retain(|name, value| TELLING.contains(&name.as_str()) && !value.is_null());
                out += &data.unwrap_or_default().to_string();
            }
            None => out += &event.data,
        }
        out.push('\n');
    }
    out.trim_end().to_owned()
}

#[test]
fn each_front_is_told_the_same() {
    let mut failures = String::new();
    let mut seen = 0;
    pairs(|front, operation, pipe| {
        for answer in answers().iter().filter(|answer| answer.status(operation) == 200) {
            let Some(mut expect) = answer.facts(operation) else { continue };
            front.sayable(&mut expect, false);
            seen += 1;
            let pipe = asked(front, pipe);
            let whole = pipe.whole(&answer.whole(operation).unwrap()).unwrap();
            let stream = pipe.told(answer.stream(operation).unwrap().iter().map(Vec::as_slice));
            for (what, actual) in [("whole", &whole[..]), ("stream", &stream[..])] {
                for problem in expect.differences(&front.facts(actual)) {
                    let name = &answer.name;
                    _ = writeln!(failures, "{operation} to {}, {name}, {what}: {problem}", front.name);
                }
            }
            for problem in disorder(front, &String::from_utf8_lossy(&stream)) {
                _ = writeln!(failures, "{operation} to {}, {}: {problem}", front.name, answer.name);
            }
            if !front.ends(&String::from_utf8_lossy(&stream)) {
                _ = writeln!(failures, "{operation} to {}, {}: no clean end", front.name, answer.name);
            }
        }
    });
    assert!(seen >= 6 * FRONTS.len(), "{seen} answers were read");
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn the_fixtures_of_all_dialects_state_the_same() {
    for answer in answers() {
        let stated: Vec<_> = UPSTREAMS
            .iter()
            .chain(CALLED_ONLY)
            .filter_map(|(operation, _, _)| Some((operation, answer.facts(operation)?)))
            .collect();
        for (operation, facts) in &stated {
            let problems = stated[0].1.differences(facts);
            assert_eq!(problems, Vec::<String>::new(), "{}: {operation}", answer.name);
            if answer.status(operation) == 200 {
                let stream = answer.stream(operation).unwrap().concat();
                let problems = facts.differences(&llm_testkit::expect::reply(operation, &stream));
                assert_eq!(problems, Vec::<String>::new(), "{}: the stream of {operation}", answer.name);
            }
        }
    }
}

/// In how many places a stream is cut in two, beside its way in single bytes.
const CUTS: usize = 60;

#[test]
fn a_cut_at_every_byte_changes_nothing() {
    let mut failures = String::new();
    pairs(|front, operation, pipe| {
        for answer in answers().iter().filter(|answer| answer.status(operation) == 200) {
            let Some(events) = answer.stream(operation) else { continue };
            let text = events.concat();
            let pipe = asked(front, pipe);
            let whole = pipe.run([&text[..]]).unwrap();
            let facts = front.facts(&whole);
            let mut check = |cut: &dyn std::fmt::Debug, got: Result<Bytes>| {
                let same = got.as_ref().is_ok_and(|got| *got == whole || front.facts(got) == facts);
                if !same {
                    let name = &answer.name;
                    _ = writeln!(failures, "{operation} to {}, {name} cut at {cut:?}: {got:?}", front.name);
                }
            };
            check(&"every byte", pipe.run(text.chunks(1)));
            for at in (1..text.len()).step_by(text.len().div_ceil(CUTS)) {
                let (before, after) = text.split_at(at);
                check(&at, pipe.run([before, after]));
            }
        }
    });
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn an_answer_that_breaks_off_is_an_error_at_every_front() {
    let mut failures = String::new();
    pairs(|front, operation, pipe| {
        for answer in answers() {
            let Some(events) = answer.stream(operation) else { continue };
            let whole = String::from_utf8(events.concat()).unwrap();
            let pipe = asked(front, pipe);
            for until in 0..=events.len() {
                let early = String::from_utf8(events[..until].concat()).unwrap();
                let complete = says_complete(operation, &early);
                // What comes after the last word may be missing.
                if complete && early != whole {
                    continue;
                }
                let shown = String::from_utf8_lossy(&pipe.told([early.as_bytes()])).into_owned();
                if is_broken(front, &shown) == complete {
                    let name = &answer.name;
                    _ = writeln!(failures, "{operation} to {}, {name}, {until}: {shown}", front.name);
                }
            }
        }
    });
    assert!(failures.is_empty(), "\n{failures}");
}
