//! Every recording is played through the whole gateway, in both directions, or named with the reason why it is not.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use llm_testkit::conformance::Case;
use llm_testkit::{Cut, Recording};

use crate::lab::Lab;
use crate::tally::recordings;
use crate::{completion, media, operation, recording};

/// Recordings that are not played, by provider and file name, and why.
pub(crate) const NAMED: &[(&str, &str)] = &[];

/// Plays a recording: a client asks, the recorded provider answers. What is wrong with the answer, with what was sent and
/// with what was booked; `None`: nobody knows how to play it.
pub(crate) async fn play(lab: &Lab, recording: &Recording) -> Option<Vec<String>> {
    Some(match recording.operation.as_str() {
        "chat" | "responses" | "messages" | "generateContent" | "chat_v2" | "ollama_chat" | "converse" => {
            let case = Case::new(recording)?;
            recording::play(lab, &case, Cut::Events, &mut BTreeSet::new()).await
        }
        "completions" => {
            completion::play(lab, recording, Cut::Events).await;
            Vec::new()
        }
        "embeddings" | "rerank" => operation::play_one(lab, recording).await,
        "count_tokens" | "moderations" | "images" | "speech" | "transcription" | "translation" => {
            media::play(lab, recording).await
        }
        _ => return None,
    })
}

#[tokio::test]
async fn every_recording_is_played_or_named() {
    let lab = Lab::start().await;
    let (mut failures, mut played, mut seen) = (String::new(), 0, BTreeSet::new());
    for recording in &recordings() {
        let name = recording.to_string();
        seen.insert(name.clone());
        if let Some((_, why)) = NAMED.iter().find(|(named, _)| *named == name) {
            println!("{name}: {why}");
            continue;
        }
        match play(&lab, recording).await {
            Some(problems) => problems.iter().for_each(|problem| _ = writeln!(failures, "{name}: {problem}")),
            None => _ = writeln!(failures, "{name}: {} is neither played nor named", recording.operation),
        }
        played += 1;
    }
    if llm_testkit::is_complete() {
        for (named, _) in NAMED.iter().filter(|(named, _)| !seen.contains(*named)) {
            _ = writeln!(failures, "{named} is named and is no recording");
        }
    }
    println!("{played} recordings are played, {} are named", NAMED.len());
    assert!(failures.is_empty(), "\n{failures}");
}
