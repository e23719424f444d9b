//! Bedrock: what must be sent where a recorded client sent this, and streams of binary messages that are cut, broken off
//! or damaged.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_testkit::conformance::{self, Case};
use llm_testkit::{Recording, Script, Upstream, event_stream};
use serde_json::{Map, Value, json};

use crate::fact::{booked, told};
use crate::front::{CHAT, FRONTS};
use crate::lab::Lab;
use crate::pipe::Pipe;
use crate::stream::is_broken;
use crate::tally::recordings;

fn streams() -> Vec<Case> {
    Case::all(&recordings().filter(|recording| recording.response.is_binary_stream()))
}

/// How a body that was sent differs from the recorded one, but for what an OpenAI client cannot say.
pub(crate) fn differences(case: &Case, sent: &Value) -> Vec<String> {
    let lost = |what: &str| case.inexact.contains(&what);
    let mut expect = case.recording.request.json().cloned().unwrap_or_default();
    if lost("a tool that runs at the provider")
        && let Some(tools) = expect.pointer_mut("/toolConfig/tools").and_then(Value::as_array_mut)
    {
        tools.retain(|tool| tool.get("toolSpec").is_some());
    }
    for message in expect["messages"].as_array_mut().into_iter().flatten() {
        for block in message["content"].as_array_mut().into_iter().flatten() {
            if let Some(guarded) = block.pointer("/guardContent/text/text").cloned() {
                *block = json!({"text": guarded});
            }
            let Some(document) = block.get_mut("document") else { continue };
            document.as_object_mut().unwrap().remove("citations");
            // A file of OpenAI's is base64.
            if let Some(text) = document.pointer("/source/text").and_then(Value::as_str) {
                document["source"] = json!({"bytes": STANDARD.encode(text)});
            }
        }
    }
    conformance::differences(&plain(&expect), &plain(sent))
}

/// What says the same: nothing in place of what is empty, no status where it is the usual one, and of a schema that it is
/// there: what Claude's grammar does not know of one becomes words.
fn plain(body: &Value) -> Value {
    match body {
        Value::Object(members) => {
            let kept = members.iter().filter_map(|(name, value)| {
                let value =
                    if name == "schema" && value.is_string() { json!("a schema") } else { plain(value) };
                let usual = (name == "status" && value == "success")
                    || (["system", "inferenceConfig"].contains(&name.as_str())
                        && (value == json!([]) || value == json!({})));
                (!usual).then(|| (name.clone(), value))
            });
            Value::Object(kept.collect::<Map<_, _>>())
        }
        Value::Array(list) => Value::Array(list.iter().map(plain).collect()),
        // The recordings' numbers may have lost their spelling.
        Value::Number(number) => json!(number.as_f64()),
        other => other.clone(),
    }
}

#[test]
fn a_cut_anywhere_changes_nothing() {
    let mut failures = String::new();
    for front in FRONTS {
        for case in streams() {
            let (bytes, pipe) = (case.recording.response.bytes(), Pipe::of(front, &case.recording));
            let mut expect = told(front, &case);
            expect.usage = booked(&case);
            let whole = pipe.run([&*bytes]).unwrap();
            let mut note = |at: &str, problems: Vec<String>| {
                for problem in problems {
                    _ = writeln!(failures, "{} for {} cut at {at}: {problem}", case.recording, front.name);
                }
            };
            note("none", expect.differences(&front.facts(&whole)));
            let single = pipe.run(bytes.chunks(1)).unwrap();
            note("every byte", expect.differences(&front.facts(&single)));
            for at in (0..bytes.len()).step_by(bytes.len().div_ceil(40)) {
                let (before, after) = bytes.split_at(at);
                match pipe.run([before, after]) {
                    Ok(cut) if cut == whole => {}
                    Ok(cut) => note(&at.to_string(), expect.differences(&front.facts(&cut))),
                    Err(error) => note(&at.to_string(), vec![error.to_string()]),
                }
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn a_stream_that_ends_early_is_an_error() {
    let mut failures = String::new();
    for front in FRONTS {
        for case in streams() {
            let messages = event_stream::messages(&case.recording.response.bytes());
            let stop = messages.iter().position(|message| {
                !event_stream::events(message).iter().all(|event| event.get("messageStop").is_none())
            });
            let pipe = Pipe::of(front, &case.recording);
            for until in 0..stop.unwrap() {
                let early = messages[..until].concat();
                let shown = String::from_utf8_lossy(&pipe.told([&early[..]])).into_owned();
                if !is_broken(front, &shown) {
                    _ = writeln!(failures, "{} for {} after {until}: {shown}", case.recording, front.name);
                }
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

/// A stream with one bit turned.
fn flipped(recording: &Recording, bit: usize) -> Vec<u8> {
    let mut bytes = recording.response.bytes().to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

#[tokio::test]
async fn a_client_is_told_of_a_flipped_bit() {
    let lab = Lab::start().await;
    let upstream = Upstream::start().unwrap();
    let mut failures = String::new();
    for front in FRONTS {
        for case in streams() {
            let Some(request) = case.request_at(front.name) else { continue };
            lab.deploy_for(&case.recording, upstream.addr());
            let bits = case.recording.response.bytes().len() * 8;
            let step = bits.div_ceil(if front.name == CHAT.name { 23 } else { 7 });
            for bit in (3..bits).step_by(step) {
                let kind = "application/vnd.amazon.eventstream";
                let script = Script::status(200).header("content-type", kind);
                upstream.push(script.chunk(flipped(&case.recording, bit)));
                let answer = lab.call(front, &front.body(&request, true), true).await;
                let told = front.facts(&answer.body).error.is_some_and(|error| !error.is_empty());
                if !told || front.ends(&answer.text()) {
                    _ = writeln!(
                        failures,
                        "{} at {}, bit {bit}: {}",
                        case.recording,
                        front.name,
                        answer.text()
                    );
                }
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert_eq!(upstream.unscripted(), 0);
}
