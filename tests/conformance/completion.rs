//! Recorded text completions through their own front: bytes go through where the provider's may, and state
//! the same where they are written anew.

use llm_testkit::Recording;
use llm_testkit::player::{Cut, Player};
use serde_json::{Value, json};

use crate::lab::{Answer, Lab, reported};
use crate::provider::{address, auth, deployment_for};
use crate::tally::recordings;

const PATH: &str = "/v1/completions";

#[tokio::test]
async fn text_completions_play_through_their_own_front() {
    let lab = Lab::start().await;
    let recordings = recordings().operation("completions");
    for recording in recordings.iter() {
        for cut in [Cut::Events, Cut::Whole, Cut::EveryByte] {
            play(&lab, recording, cut).await;
        }
    }
}

async fn play(lab: &Lab, recording: &Recording, cut: Cut) {
    let player = Player::start(recording, cut).unwrap();
    lab.deploy(deployment_for(recording), player.addr());
    let mut request = recording.request.json().unwrap().clone();
    request["model"] = "m".into();
    let answer = lab.post(PATH, &request).await;
    let recorded = &recording.response;
    if recording.provider == "openai" && recorded.is_success() {
        assert_eq!(answer.text(), String::from_utf8_lossy(&recorded.bytes()), "{recording}");
    } else {
        states_the_same(recording, &answer);
    }
    is_booked(lab, recording);
    let received = player.received().unwrap();
    let (name, value) = auth(recording);
    assert_eq!(received.header(name), Some(value.as_str()), "{recording}");
    assert_eq!(received.path(), address(recording).path, "{recording}");
    let mut sent = received.json();
    if recording.is_stream() {
        assert_eq!(sent["stream_options"], json!({"include_usage": true}), "{recording}");
        sent.as_object_mut().unwrap().remove("stream_options");
    }
    assert_eq!(&sent, recording.request.json().unwrap(), "{recording}");
}

fn states_the_same(recording: &Recording, answer: &Answer) {
    let recorded = recording.response.json().unwrap();
    let got: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status.as_u16(), recording.response.status, "{recording}: {got}");
    let said = ["/id", "/created", "/model", "/choices/0/text", "/choices/0/finish_reason", "/error/param"];
    let counted = ["/usage/prompt_tokens", "/usage/completion_tokens", "/usage/total_tokens"];
    for pointer in said.into_iter().chain(counted) {
        assert_eq!(got.pointer(pointer), recorded.pointer(pointer), "{recording} {pointer}");
    }
    if let Some(message) = recorded.pointer("/error/message").and_then(Value::as_str) {
        let shown = got.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
        assert!(shown.contains(message), "{recording}: {shown}");
    } else {
        assert_eq!(got.get("object"), recorded.get("object"), "{recording}");
    }
}

fn is_booked(lab: &Lab, recording: &Recording) {
    let total = recording.response.json().and_then(|body| body.pointer("/usage/total_tokens")?.as_u64());
    let booked = match lab.booked().as_slice() {
        [row] if row.error.is_none() => reported(row).map(llm_types::Usage::total_tokens),
        [row] if !recording.response.is_success() && row.cost.is_zero() => None,
        other => panic!("{recording}: {other:?}"),
    };
    assert_eq!(booked, total, "{recording}");
}
