//! Recorded vectors and orders of documents through the whole gateway: an OpenAI client asks for the vectors, a client
//! of `/v1/rerank` for the order, and the recorded provider answers in its own words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_testkit::Recording;
use llm_testkit::player::{Cut, Player};
use serde_json::{Value, json};

use crate::lab::{Answer, Lab, reported};
use crate::provider::{address, deployment_for};
use crate::tally::recordings;

/// Recordings whose path is another than ours, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("https://api.cohere.com/v1/embed", "the first version of Cohere's API"),
    ("https://cohere.recorded/v1/embed", "the first version of Cohere's API"),
    (".services.ai.azure.com/openai/v1/embeddings", "Foundry's models are asked at `/models` here"),
    ("https://llamacpp.recorded/v1/rerank", "compatible servers have the path without a version too"),
];

/// Recordings whose request is sent in other words than it was recorded, and why.
const OTHERWISE: &[(&str, &str)] = &[
    (
        "azure/embeddings-error-401-4364cb",
        "the path names the deployment; what the body calls it is the client's business",
    ),
    ("mistral/embeddings-error-400-c3ef1d", "one input more than it takes: in parts it gets no such request"),
    ("cohere/embeddings-error-404-019352", "the first version of Cohere's API knows no types"),
];

/// What the recorded client sent.
fn asked_of(recording: &Recording) -> &Value {
    recording.request.json().unwrap()
}

#[tokio::test]
async fn vectors_of_every_provider_reach_an_openai_client() {
    let lab = Lab::start().await;
    let mut problems = Vec::new();
    for recording in recordings().operation("embeddings").iter() {
        let told = play_one(&lab, recording).await;
        problems.extend(told.into_iter().map(|problem| format!("{recording}: {problem}")));
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[tokio::test]
async fn orders_of_every_provider_reach_a_client() {
    let lab = Lab::start().await;
    let mut problems = Vec::new();
    for recording in recordings().operation("rerank").iter() {
        let told = play_one(&lab, recording).await;
        problems.extend(told.into_iter().map(|problem| format!("{recording}: {problem}")));
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

/// Plays a recording of either.
pub(crate) async fn play_one(lab: &Lab, recording: &Recording) -> Vec<String> {
    match recording.operation.as_str() {
        "embeddings" => play(lab, recording, "/v1/embeddings", &vectors_asked(recording), vectors).await,
        _ => play(lab, recording, "/v1/rerank", recording.request.json().unwrap(), order).await,
    }
}

/// Plays one recording, and says what is wrong. `read` reads what an answer of any provider holds.
async fn play(
    lab: &Lab,
    recording: &Recording,
    path: &str,
    asked: &Value,
    read: fn(&Value) -> Vec<Vec<f64>>,
) -> Vec<String> {
    let player = Player::start(recording, Cut::Whole).unwrap();
    lab.deploy(deployment_for(recording), player.addr());
    let mut request = asked.clone();
    request["model"] = "m".into();
    let answer = lab.post(path, &request).await;
    let mut problems = Vec::new();
    let got: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let recorded = recording.response.json().unwrap();
    if recording.response.is_success() {
        if answer.status != 200 {
            return vec![format!("{} {}", answer.status, answer.text())];
        }
        let got_there = if recording.operation == "embeddings" { written(&got, asked) } else { read(&got) };
        if !alike(&got_there, &read(recorded)) || got_there.is_empty() {
            problems.push("what it holds is not what was recorded".to_owned());
        }
        let total = recorded.pointer("/usage/total_tokens").and_then(Value::as_u64);
        let rows = lab.booked();
        let booked = rows.first().and_then(|row| reported(row)).map(llm_types::Usage::total_tokens);
        if total.is_some_and(|total| booked != Some(total)) {
            problems.push(format!("books: {booked:?}, and {total:?} was recorded"));
        }
    } else {
        problems.extend(failed(recording, &answer, &got));
        let _ = lab.booked();
    }
    let Some(received) = player.received() else {
        problems.push("no request came".to_owned());
        return problems;
    };
    let elsewhere = ELSEWHERE.iter().any(|(end, _)| recording.request.url.ends_with(end));
    let otherwise = OTHERWISE.iter().any(|(name, _)| *name == recording.to_string());
    if !otherwise {
        let differences = llm_testkit::conformance::differences(asked_of(recording), &received.json());
        problems.extend(differences.into_iter().map(|problem| format!("request: {problem}")));
    }
    if !elsewhere && received.path() != address(recording).path {
        problems.push(format!("path {}, and not {}", received.path(), address(recording).path));
    }
    problems
}

fn failed(recording: &Recording, answer: &Answer, got: &Value) -> Option<String> {
    let said = llm_testkit::expect::error_message(recording.response.json().unwrap());
    let shown = got.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
    let right =
        answer.status.as_u16() == recording.response.status && !said.is_empty() && shown.contains(&said);
    (!right).then(|| format!("{} {shown:?} for {said:?}", answer.status))
}

/// What an OpenAI client sends to get a recorded request for vectors.
fn vectors_asked(recording: &Recording) -> Value {
    let body = recording.request.json().unwrap();
    let texts = |list: &str, text: &str| -> Value {
        let items = body[list].as_array().into_iter().flatten();
        items.map(|item| item.pointer(text).cloned().unwrap_or_default()).collect()
    };
    let mut out = match recording.provider.as_str() {
        "gemini" => {
            let first = &body["requests"][0];
            json!({"input": texts("requests", "/content/parts/0/text"), "dimensions": first["output_dimensionality"]})
        }
        "vertex" => json!({"input": texts("instances", "/content"),
            "dimensions": body.pointer("/parameters/outputDimensionality")}),
        "bedrock" if body["inputText"].is_string() => json!({"input": [body["inputText"]]}),
        "bedrock" => {
            json!({"input": body["texts"], "input_type": body["input_type"], "truncate": body["truncate"]})
        }
        "cohere" => json!({"input": body["texts"], "input_type": body["input_type"],
            "embedding_types": body["embedding_types"], "truncate": body["truncate"]}),
        _ => body.clone(),
    };
    if let Some(members) = out.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    out
}

/// The vectors of an answer, whoever gave it.
fn vectors(body: &Value) -> Vec<Vec<f64>> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    // Titan makes one.
    if let Some(one) = body.get("embedding") {
        return vec![numbers(one)];
    }
    for (place, vector) in
        [("/data", "/embedding"), ("/predictions", "/embeddings/values"), ("/embeddings", "/values")]
    {
        let items = body.pointer(place).map(list).unwrap_or_default();
        let found: Vec<_> = items.iter().filter_map(|item| item.pointer(vector)).map(numbers).collect();
        if !found.is_empty() {
            return found;
        }
    }
    let typed = ["/embeddings/float", "/embeddings/int8", "/embeddings"];
    let found = typed.iter().map(|place| body.pointer(place).map(list).unwrap_or_default());
    found.into_iter().find(|list| !list.is_empty()).unwrap_or_default().iter().map(numbers).collect()
}

/// The vectors of an answer in the form that an OpenAI client has asked for, and in no other.
fn written(body: &Value, asked: &Value) -> Vec<Vec<f64>> {
    let packed = asked["encoding_format"] == "base64";
    let one = |item: &Value| match &item["embedding"] {
        Value::Array(list) if !packed => list.iter().filter_map(Value::as_f64).collect(),
        Value::String(text) if packed => floats(&STANDARD.decode(text).unwrap()),
        _ => Vec::new(),
    };
    body["data"].as_array().into_iter().flatten().map(one).collect()
}

fn floats(bytes: &[u8]) -> Vec<f64> {
    let (fours, rest) = bytes.as_chunks::<4>();
    assert!(rest.is_empty(), "no list of floats");
    fours.iter().map(|four| f32::from_le_bytes(*four).into()).collect()
}

/// One recorded vector: a list, or base64 of floats or (Perplexity) of signed bytes.
fn numbers(vector: &Value) -> Vec<f64> {
    let Some(text) = vector.as_str() else {
        return vector.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    };
    let bytes = STANDARD.decode(text).unwrap();
    let floats = floats(&bytes);
    // No vector of a model has such numbers: its bytes are something else.
    if floats.iter().all(|number| number.abs() < 100.0) {
        return floats;
    }
    bytes.iter().map(|byte| f64::from(byte.cast_signed())).collect()
}

/// The order of documents of an answer: places and scores.
fn order(body: &Value) -> Vec<Vec<f64>> {
    let list = ["results", "data"].iter().find_map(|name| body[name].as_array());
    let pair = |item: &Value| {
        [numbers(&json!([item["index"]])), numbers(&json!([item["relevance_score"]]))].concat()
    };
    list.into_iter().flatten().map(pair).collect()
}

fn alike(one: &[Vec<f64>], other: &[Vec<f64>]) -> bool {
    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-5 * b.abs().max(1.0);
    one.len() == other.len()
        && one.iter().zip(other).all(|(a, b)| a.len() == b.len() && a.iter().zip(b).all(near))
}
