//! The same dialect on both sides: what goes out is what the client sent but for the model's name, and what
//! comes back is what the provider sent, to the byte.

use std::fmt::Write as _;

use llm_testkit::player::{Cut, Player, pieces};
use llm_testkit::{Recording, Upstream};
use llm_types::Dialect;
use serde_json::{Value, json};

use crate::front::{FRONTS, Front, MODEL};
use crate::lab::Lab;
use crate::provider::deployment_for;
use crate::tally::recordings;

/// Providers that speak a front's dialect without rules of their own, and how many exchanges with them have
/// to be there, whole and streamed.
const NATIVE: &[(&str, &[&str], (usize, usize))] = &[
    ("chat", &["openai", "azure"], (3, 2)),
    ("messages", &["anthropic"], (3, 3)),
    ("responses", &["openai", "azure", "xai", "openrouter"], (3, 3)),
    ("generateContent", &["gemini", "vertex"], (3, 2)),
];

#[tokio::test]
async fn the_own_front_passes_byte_by_byte() {
    let lab = Lab::start().await;
    let mut failures = String::new();
    for front in FRONTS {
        let (_, providers, least) = NATIVE.iter().find(|(name, _, _)| *name == front.name).unwrap();
        let (mut whole, mut streams) = (0, 0);
        let own = recordings().operation(front.name).filter(|recording| {
            recording.response.is_success() && providers.contains(&recording.provider.as_str())
        });
        for recording in &own {
            *if recording.is_stream() { &mut streams } else { &mut whole } += 1;
            for problem in play(&lab, front, recording).await {
                _ = writeln!(failures, "{recording}: {problem}");
            }
        }
        assert!(whole >= least.0 && streams >= least.1, "{}: {whole} answers, {streams} streams", front.name);
    }
    assert!(failures.is_empty(), "\n{failures}");
}

async fn play(lab: &Lab, front: &'static Front, recording: &Recording) -> Vec<String> {
    let stream = recording.is_stream();
    let mut request = front.body(recording.request.json().unwrap(), false);
    // A client that asks for the usage gets the whole stream; one that does not misses its event.
    let chat = front.dialect == Dialect::OpenaiChat;
    let mut problems = Vec::new();
    for usage in if stream && chat { vec![true, false] } else { vec![true] } {
        if stream && chat {
            request["stream_options"] = json!({"include_usage": usage});
        }
        let player = Player::start(recording, Cut::Events).unwrap();
        lab.deploy_for(recording, player.addr());
        let answer = lab.call(front, &request, stream).await;
        let expect = answered(recording, usage);
        if answer.body != expect {
            let expect = String::from_utf8_lossy(&expect).into_owned();
            problems.push(format!("sent {expect}\ngot {}", answer.text()));
        }
        let changed = answer.headers.get("x-gateway-changes");
        problems.extend(changed.map(|changed| format!("changed: {changed:?}")));
        problems.extend(sent(front, &request, recording, player.upstream()));
    }
    problems
}

/// What a client must get: what the provider sends, without the event that has only the usage where the
/// client does not want it.
fn answered(recording: &Recording, usage: bool) -> Vec<u8> {
    let Some(text) = recording.response.sse() else { return recording.response.bytes().to_vec() };
    let mut events = pieces(text, Cut::Events);
    events.retain(|event| usage || !only_usage(event));
    events.concat()
}

fn only_usage(event: &[u8]) -> bool {
    let data = event.strip_prefix(b"data: ").unwrap_or_default();
    let Ok(chunk) = serde_json::from_slice::<Value>(data) else { return false };
    chunk["usage"].is_object() && chunk["choices"] == json!([])
}

/// How the body that reached the provider is another than the client's with the provider's name of the model.
fn sent(front: &Front, request: &Value, recording: &Recording, upstream: &Upstream) -> Option<String> {
    let received = upstream.last_request()?;
    let client = request.to_string();
    let model = deployment_for(recording).model;
    let model = model.split_once('/').map_or(model.as_str(), |(_, model)| model);
    let expect = client.replace(&format!("\"model\":\"{MODEL}\""), &format!("\"model\":\"{model}\""));
    if front.dialect == Dialect::OpenaiChat {
        // Rules of OpenAI's row change members here and there, and the usage is always asked for: the body
        // is compared in `recording`, member by member.
        return None;
    }
    let got = String::from_utf8_lossy(&received.body).into_owned();
    (got != expect).then(|| format!("the client sent {expect}\nthe provider got {got}"))
}
