//! Streams of Gemini's API as one JSON array: without `alt=sse` its clients get the events so. The other form
//! is in `native` and `recording`, with the other fronts.

use std::fmt::Write as _;

use llm_testkit::conformance::Case;
use llm_testkit::player::{Cut, Player, pieces};
use llm_testkit::{Recording, Recordings};
use serde_json::{Value, json};

use crate::fact::told;
use crate::front::GEMINI;
use crate::lab::{Answer, Lab};
use crate::provider::deployment_for;
use crate::tally::recordings;

async fn ask(lab: &Lab, body: &Value) -> Answer {
    lab.post("/v1beta/models/m:streamGenerateContent", body).await
}

fn is_own(recording: &Recording) -> bool {
    recording.operation == "generateContent"
}

#[tokio::test]
async fn its_own_recordings_pass_byte_by_byte() {
    let lab = Lab::start().await;
    let mut failures = String::new();
    let mut streams = 0;
    for recording in recordings().filter(|one| is_own(one) && one.is_stream()).iter() {
        let body = recording.request.json().unwrap();
        streams += 1;
        for cut in [Cut::Whole, Cut::Events, Cut::EveryByte] {
            let expect = listed(recording.response.sse().unwrap());
            let player = Player::start(recording, cut).unwrap();
            lab.deploy(deployment_for(recording), player.addr());
            let answer = ask(&lab, body).await;
            if answer.body != expect {
                let expect = String::from_utf8_lossy(&expect).into_owned();
                _ = writeln!(failures, "{recording} {cut:?}: expected {expect}\ngot {}", answer.text());
            }
            let received = player.received().unwrap();
            if received.json() != *body {
                _ = writeln!(failures, "{recording}: the body was changed: {}", received.text());
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    if Recordings::shared().unwrap().is_some() {
        assert!(streams >= 6, "{streams} streams were played");
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
    let streams = recordings().filter(|one| !is_own(one) && one.is_stream());
    for case in &Case::all(&streams) {
        for cut in [Cut::Events, Cut::EveryByte] {
            let player = Player::start(&case.recording, cut).unwrap();
            lab.deploy_for(&case.recording, player.addr());
            let answer = ask(&lab, &hello()).await;
            for problem in told(&GEMINI, case).differences(&GEMINI.facts(&answer.body)) {
                _ = writeln!(failures, "{} {cut:?}: {problem}", case.recording);
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
