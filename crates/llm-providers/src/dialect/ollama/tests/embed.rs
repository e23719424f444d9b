//! Vectors: requests of OpenAI's and Gemini's clients, answers.

use llm_types::{Call, Dialect, EmbedContent, EmbedInput, EmbedRequest, ErrorKind, Op, Output};
use serde_json::json;

use super::*;

fn sent(request: EmbedRequest) -> Result<(Value, String)> {
    let (mut changes, spec) = (Changes::default(), spec());
    let asked = Asked::of(Op::Embed);
    let mut cx = EncodeCx { spec: &spec, model: "all-minilm", asked: &asked, changes: &mut changes };
    let wire = Client.encode(&Call::Embed(Box::new(request)), &mut cx)?;
    assert_eq!(wire.path, "/api/embed");
    Ok((serde_json::from_slice(&wire.body.to_bytes()).unwrap(), changes.header()))
}

fn asks(members: Value) -> EmbedRequest {
    let mut body = json!({"model": "m", "input": ["a", "b"]});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let asked = Asked { dialect: Some(Dialect::OpenaiMedia), ..Asked::of(Op::Embed) };
    match crate::dialect::openai_media::Server.decode(body.to_string().as_bytes(), &asked).unwrap() {
        Call::Embed(request) => *request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn requests_are_put_into_its_words() {
    let (body, lost) = sent(asks(json!({"dimensions": 64, "encoding_format": "base64", "user": "u",
        "num_ctx": 512, "keep_alive": "5m", "truncate": false, "odd": 1})))
    .unwrap();
    assert_eq!(
        body,
        json!({"model": "all-minilm", "input": ["a", "b"], "dimensions": 64, "options": {"num_ctx": 512},
            "keep_alive": "5m", "truncate": false})
    );
    assert_eq!(lost, "dropped user (ollama has no counterpart); dropped odd (ollama has no counterpart)");
    let mut request = asks(json!({"options": {"num_gpu": 1}}));
    (request.task, request.truncate) = (Some("RETRIEVAL_QUERY".into()), Some(true));
    let (body, lost) = sent(request).unwrap();
    assert_eq!((&body["options"], &body["truncate"]), (&json!({"num_gpu": 1}), &json!(true)));
    assert_eq!(lost, "dropped task (ollama has no counterpart)");
    let error = sent(asks(json!({"input": [[1, 2]]}))).unwrap_err();
    assert_eq!((error.kind, error.param.as_deref()), (ErrorKind::BadRequest, Some("input[0]")));
    let foreign = EmbedInput { content: EmbedContent::Opaque(Dialect::Gemini, raw(&json!({}))), title: None };
    let request = EmbedRequest { inputs: vec![foreign], ..EmbedRequest::default() };
    assert_eq!(sent(request).unwrap_err().kind, ErrorKind::BadRequest);
}

#[test]
fn vectors_are_read() {
    let (spec, memo) = (spec(), Memo::default());
    let cx = DecodeCx { spec: &spec, model: "m", memo: &memo };
    let body = br#"{"model":"all-minilm","embeddings":[[0.5,2]],"total_duration":1,"prompt_eval_count":8}"#;
    let Output::Embed(read) = Client.decode(Op::Embed, body, &cx).unwrap() else { panic!() };
    assert_eq!((read.vectors, read.model.as_str()), (vec![vec![0.5, 2.0]], "all-minilm"));
    assert_eq!(read.usage.as_ref().unwrap().input, 8);
    assert_eq!(Client.tap(Op::Embed, body).unwrap().usage, read.usage);
    for body in ["{}", "", "[]"] {
        let error = Client.decode(Op::Embed, body.as_bytes(), &cx).unwrap_err();
        assert_eq!(error.kind, ErrorKind::UpstreamFormat, "{body}");
    }
}
