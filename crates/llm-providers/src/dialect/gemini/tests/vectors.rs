//! Vectors: recorded exchanges, what is read and what is written.

use llm_testkit::is_complete;
use llm_types::{EmbedContent, EmbedInput, EmbedRequest, Output};
use serde_json::{Value, json};

use super::recording::recordings_of;
use super::*;
use crate::codec::{ReplyCx, ReplyForm};

fn decode(body: &Value) -> Result<EmbedRequest> {
    match Server.decode(body.to_string().as_bytes(), &asked(Op::Embed, "m"))? {
        Call::Embed(request) => Ok(*request),
        other => panic!("{other:?}"),
    }
}

fn encode(request: EmbedRequest, model: &str) -> Result<(Value, Vec<String>)> {
    let (spec, asked) = (spec(), asked(Op::Embed, "m"));
    let mut changes = Changes::default();
    let mut cx = EncodeCx { spec: &spec, model, asked: &asked, changes: &mut changes };
    let wire = Client.encode(&Call::Embed(Box::new(request)), &mut cx)?;
    assert_eq!(wire.path, format!("/v1beta/models/{model}:batchEmbedContents"));
    let lost = changes.list().iter().map(|change| change.path.to_string()).collect();
    Ok((serde_json::from_slice(&wire.body.to_bytes()).unwrap(), lost))
}

fn read_vectors(body: &Value) -> Result<llm_types::Embeddings> {
    let (spec, memo) = (spec(), Memo::default());
    let cx = DecodeCx { spec: &spec, model: "gemini-embedding-001", memo: &memo };
    match Client.decode(Op::Embed, body.to_string().as_bytes(), &cx)? {
        Output::Embed(embeddings) => Ok(*embeddings),
        other => panic!("{other:?}"),
    }
}

#[test]
fn recorded_exchanges_are_understood() {
    let mut seen = 0;
    for recording in recordings_of("embeddings", &["gemini"]) {
        let body = &recording.request["body"];
        let request = decode(body).unwrap();
        let (again, lost) = encode(request, &recording.model()).unwrap();
        assert_eq!(again, super::convert::normal(body), "{}", recording.name);
        assert!(lost.is_empty(), "{}: {lost:?}", recording.name);
        let answer = &recording.response["body"];
        if !recording.status().is_success() {
            let error =
                Client.decode_error(recording.status(), &Default::default(), answer.to_string().as_bytes());
            assert_eq!(error.kind, ErrorKind::NotFound);
            continue;
        }
        let vectors = read_vectors(answer).unwrap();
        let expect = answer["embeddings"].as_array().unwrap();
        assert_eq!(vectors.vectors.len(), expect.len());
        for (vector, expect) in vectors.vectors.iter().zip(expect) {
            let expect = expect["values"].as_array().unwrap();
            assert_eq!(vector.len(), expect.len());
            let close =
                vector.iter().zip(expect).all(|(a, b)| (f64::from(*a) - b.as_f64().unwrap()).abs() < 1e-6);
            assert!(close, "{}", recording.name);
        }
        let counted = answer["usageMetadata"]["promptTokenCount"].as_u64();
        assert_eq!(vectors.usage.as_ref().map(llm_types::Usage::prompt_tokens), counted);
        let answer = answer.to_string();
        let tapped = Client.tap(Op::Embed, answer.as_bytes()).unwrap();
        assert_eq!(tapped.usage, vectors.usage);
        let cx = ReplyCx { form: ReplyForm::List, ..ReplyCx::default() };
        let written: Value =
            serde_json::from_slice(&Server.encode(&Output::Embed(Box::new(vectors)), &cx)).unwrap();
        assert_eq!(written["embeddings"].as_array().unwrap().len(), expect.len());
        seen += 1;
    }
    assert!(!is_complete() || seen >= 2, "{seen}");
}

#[test]
fn titles_and_tasks_have_their_places() {
    let one = |text: &str, title: Option<&str>| json!({"model": "models/x", "content": {"parts": [{"text": text}]}, "title": title, "taskType": "RETRIEVAL_DOCUMENT", "new": 1});
    let request = decode(&json!({"requests": [one("a", Some("A")), one("b", None)]})).unwrap();
    assert_eq!(request.task.as_deref(), Some("RETRIEVAL_DOCUMENT"));
    let titles: Vec<Option<&str>> = request.inputs.iter().map(|input| input.title.as_deref()).collect();
    assert_eq!(titles, [Some("A"), None]);
    let (body, lost) = encode(request, "gemini-embedding-001").unwrap();
    assert_eq!((&body["requests"][0]["title"], &body["requests"][1]["new"]), (&json!("A"), &json!(1)));
    assert!(lost.is_empty());
    let mut second = one("b", None);
    second["taskType"] = json!("CLUSTERING");
    let error = decode(&json!({"requests": [one("a", None), second]})).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("requests[1]"));
    assert_eq!(decode(&json!({})).unwrap_err().param.as_deref(), Some("content"));
    assert_eq!(decode(&json!({"requests": 1})).unwrap_err().kind, ErrorKind::BadRequest);
}

#[test]
fn what_is_no_text_is_this_dialects_alone() {
    let content =
        json!({"parts": [{"text": "a"}, {"inlineData": {"mimeType": "image/png", "data": "AA=="}}]});
    let request = decode(&json!({"content": content, "outputDimensionality": 8})).unwrap();
    assert_eq!(request.dimensions, Some(8));
    assert!(matches!(&request.inputs[0].content, EmbedContent::Opaque(llm_types::Dialect::Gemini, _)));
    let (body, _) = encode(request, "gemini-embedding-2").unwrap();
    assert_eq!(body["requests"][0]["content"], content);
    let tokens = EmbedInput { content: EmbedContent::Tokens(vec![1]), title: None };
    let error = encode(EmbedRequest { inputs: vec![tokens], ..EmbedRequest::default() }, "m").unwrap_err();
    assert_eq!((error.kind, error.param.as_deref()), (ErrorKind::BadRequest, Some("input[0]")));
    let foreign = EmbedRequest {
        inputs: vec![EmbedInput::text("a")],
        truncate: Some(true),
        user: Some("u".into()),
        origin: Some(llm_types::Dialect::OpenaiMedia),
        ..EmbedRequest::default()
    };
    assert_eq!(encode(foreign, "m").unwrap().1, ["truncate", "user"]);
}

#[test]
fn what_holds_no_vectors_is_an_error() {
    assert_eq!(read_vectors(&json!({})).unwrap_err().kind, ErrorKind::UpstreamFormat);
    assert_eq!(read_vectors(&json!({"embeddings": 1})).unwrap_err().kind, ErrorKind::UpstreamFormat);
    let error = json!({"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}});
    assert_eq!(read_vectors(&error).unwrap_err().kind, ErrorKind::RateLimit);
    assert_eq!(Client.tap(Op::Embed, error.to_string().as_bytes()).unwrap_err().kind, ErrorKind::RateLimit);
}

#[test]
fn what_vectors_are_for_is_read_from_clients_of_openais_dialect() {
    let check = |members: &[(&str, &str)], expect: &Value, lost: &[&str]| {
        let mut request = EmbedRequest {
            inputs: vec![EmbedInput::text("a")],
            origin: Some(llm_types::Dialect::OpenaiMedia),
            ..EmbedRequest::default()
        };
        for (name, word) in members {
            request.extra.set_json(*name, word).unwrap();
        }
        let (body, dropped) = encode(request, "gemini-embedding-001").unwrap();
        assert_eq!(
            (
                &body["requests"][0]["taskType"],
                dropped.iter().map(String::as_str).collect::<Vec<_>>().as_slice()
            ),
            (expect, lost),
            "{members:?}"
        );
    };
    check(&[("input_type", "query")], &json!("RETRIEVAL_QUERY"), &[]);
    check(&[("task_type", "CLUSTERING")], &json!("CLUSTERING"), &[]);
    check(&[("task_type", "CLUSTERING"), ("input_type", "query")], &json!("CLUSTERING"), &["input_type"]);
    check(&[("input_type", "of some kind")], &Value::Null, &["input_type"]);
}
