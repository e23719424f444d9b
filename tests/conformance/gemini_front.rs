//! Gemini's API in front: its own recordings pass byte by byte, those of all others state the same.

use std::fmt::Write as _;

use llm_testkit::conformance::Case;
use llm_testkit::expect::gemini_content;
use llm_testkit::player::{Cut, Player, pieces};
use llm_testkit::{Recording, Recordings};
use serde_json::{Value, json};

use crate::fact::{booked, told};
use crate::lab::{Answer, Lab};
use crate::provider::deployment_for;
use crate::tally::recordings;

const WHOLE: &str = "generateContent";
const SSE: &str = "streamGenerateContent?alt=sse";
const LIST: &str = "streamGenerateContent";

async fn ask(lab: &Lab, verb: &str, body: &Value) -> Answer {
    lab.post(&format!("/v1beta/models/m:{verb}"), body).await
}

fn is_own(recording: &Recording) -> bool {
    recording.operation == "generateContent"
}

#[tokio::test]
async fn its_own_recordings_pass_byte_by_byte() {
    let lab = Lab::start().await;
    let mut failures = String::new();
    let (mut whole, mut streams) = (0, 0);
    for recording in recordings().filter(|one| is_own(one) && one.response.is_success()).iter() {
        let body = recording.request.json().unwrap();
        let mut checks = Vec::new();
        if let Some(text) = recording.response.sse() {
            streams += 1;
            for cut in [Cut::Whole, Cut::Events, Cut::EveryByte] {
                checks.push((SSE, cut, text.as_bytes().to_vec()));
                checks.push((LIST, cut, listed(text)));
            }
        } else {
            whole += 1;
            checks.push((WHOLE, Cut::Whole, recording.response.bytes().to_vec()));
        }
        for (verb, cut, expect) in checks {
            let player = Player::start(recording, cut).unwrap();
            lab.deploy(deployment_for(recording), player.addr());
            let answer = ask(&lab, verb, body).await;
            if answer.body != expect {
                let expect = String::from_utf8_lossy(&expect).into_owned();
                _ = writeln!(
                    failures,
                    "{recording} {verb} {cut:?}: expected {expect}\ngot {}",
                    answer.text()
                );
            }
            let received = player.received().unwrap();
            if received.json() != *body {
                _ = writeln!(failures, "{recording}: the body was changed: {}", received.text());
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    if Recordings::shared().unwrap().is_some() {
        assert!(whole >= 8 && streams >= 6, "{whole} answers and {streams} streams were played");
    }
}

/// The events of a stream as one JSON array, their JSON untouched.
fn listed(text: &str) -> Vec<u8> {
    let events = pieces(text, Cut::Events);
    let json = events.iter().map(|event| {
        let event = std::str::from_utf8(event).unwrap().trim();
        event.strip_prefix("data: ").unwrap().to_owned()
    });
    format!("[{}]", json.collect::<Vec<_>>().join("\r\n,")).into_bytes()
}

#[tokio::test]
async fn recordings_of_all_others_state_the_same() {
    let lab = Lab::start().await;
    let mut failures = String::new();
    let mut played = 0;
    for case in Case::all(&recordings()).iter().filter(|case| !is_own(&case.recording)) {
        let stream = case.recording.is_stream();
        let forms: &[(&str, Cut)] = if stream {
            &[(SSE, Cut::Events), (LIST, Cut::Events), (SSE, Cut::EveryByte), (LIST, Cut::EveryByte)]
        } else {
            &[(WHOLE, Cut::Whole)]
        };
        for (verb, cut) in forms {
            let player = Player::start(&case.recording, *cut).unwrap();
            lab.deploy(deployment_for(&case.recording), player.addr());
            let answer = ask(&lab, verb, &hello()).await;
            for problem in problems(case, &answer) {
                _ = writeln!(failures, "{} {verb} {cut:?}: {problem}", case.recording);
            }
            played += 1;
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert!(played > 10, "{played}");
}

fn hello() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]})
}

fn problems(case: &Case, answer: &Answer) -> Vec<String> {
    let actual = gemini_content(&answer.body);
    if !case.recording.response.is_success() {
        let missing = actual.error.is_none_or(|error| error.is_empty());
        return if missing { vec![format!("no error in {}", answer.text())] } else { Vec::new() };
    }
    let mut expect = told(case);
    for choice in &mut expect.choices {
        // There is no other place for a refusal.
        choice.text.push_str(&std::mem::take(&mut choice.refusal));
        choice.finish.get_or_insert_with(|| "stop".to_owned());
        for call in &mut choice.tool_calls {
            // Arguments that were cut are no object, and only objects are written.
            if call.arguments.is_string() {
                call.arguments = json!({"arguments": call.arguments.take()});
                choice.finish = Some("tool_calls".to_owned());
            }
        }
    }
    expect.usage = booked(case);
    if expect.error.is_some() && actual.error.is_some() {
        return Vec::new();
    }
    expect.differences(&actual)
}
