//! What the recordings show of a provider, each played through the whole gateway.

use llm_providers::name;
use llm_providers::table::ProviderTable;
use llm_testkit::Recording;
use llm_types::Op;

use super::{Mark, Matrix};
use crate::lab::Lab;
use crate::played::play;
use crate::provider::deployment_for;
use crate::tally::recordings;

/// Features of a conversation, by what a recording says that it shows.
const SHOWN: &[(&str, &str)] = &[
    ("system", "system"),
    ("multi_turn", "multi_turn"),
    ("stop", "stop"),
    ("length", "max_tokens"),
    ("tool_result", "tool_results"),
    ("parallel_tool_calls", "parallel_tools"),
    ("vision", "images"),
    ("document", "documents"),
    ("reasoning", "thinking"),
    ("cache", "caching"),
    ("logprobs", "logprobs"),
];

/// Plays every recording, and notes what those show that came out right. What is wrong with the others: a machine that was
/// too busy for one must not leave a cell empty.
pub(super) async fn run(lab: &Lab, matrix: &mut Matrix) -> Vec<String> {
    let mut problems = Vec::new();
    for recording in &recordings() {
        // Our own are written by hand, and Google's compatible address is no row.
        let own = recording.id.starts_with("own-");
        if own || (recording.provider == "gemini" && recording.operation == "chat") {
            continue;
        }
        let provider = row(recording);
        let Some(wrong) = play(lab, recording).await else { continue };
        if wrong.is_empty() {
            let op = operation(recording);
            for feature in features(recording) {
                matrix.note(&provider, (op, feature), Mark::Recorded);
            }
            if recording.operation == "responses" && recording.response.is_success() {
                for feature in responses(recording) {
                    matrix.note(&provider, (Op::Responses, feature), Mark::Recorded);
                }
            }
        }
        problems.extend(wrong.into_iter().map(|why| format!("{recording}: {why}")));
    }
    problems
}

/// The name of the row that stands for the recorded provider.
fn row(recording: &Recording) -> String {
    let deployment = deployment_for(recording);
    let (prefix, rest) = deployment.model.split_once('/').unwrap();
    let model = if rest.is_empty() { format!("{prefix}/m") } else { deployment.model.clone() };
    let found = name::resolve_at(ProviderTable::builtin(), &model, deployment.api_base.as_deref());
    found.map_or_else(|_| prefix.to_owned(), |(spec, _)| spec.name.clone())
}

fn operation(recording: &Recording) -> Op {
    match recording.operation.as_str() {
        "completions" => Op::Completion,
        "embeddings" => Op::Embed,
        "rerank" => Op::Rerank,
        "count_tokens" => Op::CountTokens,
        "moderations" => Op::Moderate,
        "images" if recording.request.path().ends_with("/edits") => Op::ImageEdit,
        "images" => Op::Image,
        "speech" => Op::Speech,
        "transcription" => Op::Transcribe,
        "translation" => Op::Translate,
        _ => Op::Chat,
    }
}

/// What it shows of the Responses API itself.
fn responses(recording: &Recording) -> Vec<&'static str> {
    let facts = llm_testkit::expect::facts(recording).unwrap_or_default();
    let mut out = vec![if recording.is_stream() { "stream" } else { "text" }];
    out.extend(facts.usage.is_some_and(|usage| usage.prompt > 0).then_some("usage"));
    let called = facts.choices.first().is_some_and(|choice| !choice.tool_calls.is_empty());
    out.extend(called.then_some("tools"));
    let asked = recording.request.json();
    out.extend(asked.is_some_and(|body| body["previous_response_id"].is_string()).then_some("state"));
    out
}

/// What it shows, by the names of the features.
fn features(recording: &Recording) -> Vec<&'static str> {
    if !recording.response.is_success() {
        return vec!["errors"];
    }
    let op = operation(recording);
    if op == Op::CountTokens {
        return vec!["prompt"];
    }
    if op != Op::Chat {
        // The first is the operation itself; what it used is told or not.
        let used = recording
            .response
            .json()
            .is_some_and(|body| body.get("usage").is_some() || body.get("meta").is_some());
        let usage = llm_conform::of(op).find(|feature| feature.name == "usage").filter(|_| used);
        return llm_conform::of(op).take(1).chain(usage).map(|feature| feature.name).collect();
    }
    let stream = recording.is_stream();
    let mut out = vec![if stream { "stream" } else { "text" }];
    let facts = llm_testkit::expect::facts(recording).unwrap_or_default();
    if facts.usage.is_some_and(|usage| usage.prompt > 0) {
        out.push(if stream { "stream_usage" } else { "usage" });
    }
    out.extend(SHOWN.iter().filter(|(shown, _)| recording.has(shown)).map(|(_, feature)| *feature));
    if facts.choices.first().is_some_and(|choice| !choice.tool_calls.is_empty()) {
        out.push(if stream { "stream_tools" } else { "tools" });
        out.extend(recording.has("tool_choice").then_some("tool_choice"));
    }
    if facts.choices.len() > 1 {
        out.push("n");
    }
    // Sampling is somewhere in the body; a schema too.
    let body = recording.request.json().map(ToString::to_string).unwrap_or_default();
    let says = |name: &str| body.contains(&format!("\"{name}\":"));
    out.extend(["temperature", "seed"].into_iter().filter(|name| says(name)));
    if recording.has("structured") {
        out.push(if body.to_lowercase().contains("schema") { "json_schema" } else { "json" });
    }
    out
}
