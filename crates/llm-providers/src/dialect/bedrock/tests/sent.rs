//! Recorded requests: what an OpenAI client says for the same is sent as the recorded client sent it.

use llm_testkit::{Recordings, conformance};
use serde_json::json;

use super::*;

/// What says the same: nothing in place of what is empty, schemas as JSON, no status where it is the usual one.
fn plain(body: &Value) -> Value {
    match body {
        Value::Object(members) => {
            let kept = members.iter().filter_map(|(name, value)| {
                let text = value.as_str().filter(|text| name == "schema" && text.starts_with('{'));
                let value = match text {
                    Some(text) => serde_json::from_str(text).unwrap(),
                    None => plain(value),
                };
                let is_usual = (name == "status" && value == "success")
                    || ((name == "system" || name == "inferenceConfig")
                        && (value == json!([]) || value == json!({})));
                (!is_usual).then(|| (name.clone(), value))
            });
            Value::Object(kept.collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(plain).collect()),
        // The recordings' numbers may have lost their spelling.
        Value::Number(number) => json!(number.as_f64()),
        other => other.clone(),
    }
}

#[test]
fn recorded_requests_are_sent_alike() {
    let recordings = Recordings::load().unwrap().provider("bedrock").operation("converse");
    let (mut seen, mut other, mut wrong) = (0, Vec::new(), Vec::new());
    for recording in &recordings {
        let body = recording.request.json().unwrap();
        // Documents with citations, guarded texts and tools of the service have no words in OpenAI's API.
        let request = conformance::convert(recording).unwrap();
        if !request.inexact.is_empty() {
            other.push(recording.id.clone());
            continue;
        }
        seen += 1;
        let path = recording.request.path().replace("%3A", ":");
        let (_, rest) = path.split_once("/model/").unwrap();
        let (model, verb) = rest.rsplit_once('/').unwrap();
        let mut request = asked(&request.body);
        request.delivery.stream = verb == "converse-stream";
        let (wire, changes) = try_send(request, model).unwrap();
        assert_eq!(wire.path.replace("%3A", ":"), path, "{recording}");
        let sent: Value = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
        let (mut sent, mut expect) = (plain(&sent), plain(body));
        // What Claude's grammar does not know of a schema became words, and is told.
        if changes.list().iter().any(|change| change.path.starts_with("response_format")) {
            for body in [&mut sent, &mut expect] {
                body.as_object_mut().unwrap().remove("outputConfig");
            }
        }
        if sent != expect {
            wrong.push(format!("{recording}: sent {sent}, recorded {expect}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if !recordings.is_empty() {
        assert!(seen >= 11 && other.len() <= 4, "{seen} {other:?}");
    }
}
