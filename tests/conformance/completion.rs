//! Recorded text completions through their own front: bytes go through where the provider's may, and state
//! the same where they are written anew.

use llm_testkit::player::{Cut, Player};
use llm_testkit::{Recording, Script, Upstream};
use serde_json::{Value, json};

use crate::lab::{Answer, Lab, deployment, reported};
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

/// Plays one recording; a fault is a panic.
pub(crate) async fn play(lab: &Lab, recording: &Recording, cut: Cut) {
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

#[tokio::test]
async fn ollama_goes_on_with_a_text_in_its_own_words() {
    let lab = Lab::start().await;
    let upstream = Upstream::start().unwrap();
    lab.deploy(deployment("ollama/qwen3"), upstream.addr());
    let line = |text: &str, more: Value| {
        let mut line = json!({"model": "qwen3", "response": text, "done": false});
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line
    };
    let end = json!({"done": true, "done_reason": "length", "prompt_eval_count": 4, "eval_count": 2});
    upstream.push(Script::json(&line(" blue.", end.clone())));
    let lines = [line(" bl", json!({})), line("ue.", json!({})), line("", end)];
    let lines: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
    upstream.push(Script::status(200).header("content-type", "application/x-ndjson").chunk(lines.concat()));
    let asked = json!({"model": "m", "prompt": "The sky is", "max_tokens": 2, "num_ctx": 512});
    let whole = lab.post(PATH, &asked).await;
    let got: Value = serde_json::from_slice(&whole.body).unwrap();
    let choice = (&got["choices"][0]["text"], &got["choices"][0]["finish_reason"]);
    assert_eq!(choice, (&json!(" blue."), &json!("length")), "{got}");
    assert_eq!(got["usage"]["total_tokens"], 6);
    let sent = upstream.last_request().unwrap();
    assert_eq!(sent.path(), "/api/generate");
    let options = json!({"num_predict": 2, "num_ctx": 512});
    assert_eq!(
        sent.json(),
        json!({"model": "qwen3", "prompt": "The sky is", "stream": false, "options": options})
    );
    let mut streamed = asked;
    streamed["stream"] = true.into();
    let answer = lab.post(PATH, &streamed).await;
    let events = llm_testkit::sse::json_events(&answer.text());
    let text: String = events.iter().filter_map(|event| event["choices"][0]["text"].as_str()).collect();
    assert_eq!(text, " blue.", "{}", answer.text());
    assert!(answer.text().ends_with("data: [DONE]\n\n"));
    assert_eq!(lab.booked().len(), 2);
}
