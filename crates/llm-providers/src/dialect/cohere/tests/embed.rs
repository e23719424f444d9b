//! Vectors: requests of OpenAI's and Gemini's clients, answers, recordings.

use llm_testkit::Recordings;
use llm_types::{Call, Dialect, EmbedContent, EmbedInput, EmbedRequest, ErrorKind, Op, Output};
use serde_json::json;

use super::*;

fn asks(body: &Value) -> EmbedRequest {
    let asked = Asked { dialect: Some(Dialect::OpenaiMedia), ..Asked::of(Op::Embed) };
    match crate::dialect::openai_media::Server.decode(body.to_string().as_bytes(), &asked).unwrap() {
        Call::Embed(request) => *request,
        other => panic!("{other:?}"),
    }
}

fn sent(request: EmbedRequest) -> Result<(Value, String)> {
    let (mut changes, spec) = (Changes::default(), spec());
    let asked = Asked::of(Op::Embed);
    let mut cx = EncodeCx { spec: &spec, model: "embed-v4.0", asked: &asked, changes: &mut changes };
    let wire = Client.encode(&Call::Embed(Box::new(request)), &mut cx)?;
    assert_eq!(wire.path, "/v2/embed");
    Ok((serde_json::from_slice(&wire.body.to_bytes()).unwrap(), changes.header()))
}

fn vectors(body: &Value) -> Result<llm_types::Embeddings> {
    let (spec, memo) = (spec(), Memo::default());
    let cx = DecodeCx { spec: &spec, model: "m", memo: &memo };
    match Client.decode(Op::Embed, body.to_string().as_bytes(), &cx)? {
        Output::Embed(embeddings) => Ok(*embeddings),
        other => panic!("{other:?}"),
    }
}

#[test]
fn requests_are_put_into_its_words() {
    let base = |members: Value| {
        let mut body = json!({"model": "m", "input": ["a", "b"]});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        asks(&body)
    };
    let (body, lost) =
        sent(base(json!({"dimensions": 256, "encoding_format": "base64", "user": "u"}))).unwrap();
    assert_eq!(
        body,
        json!({"model": "embed-v4.0", "texts": ["a", "b"], "input_type": "search_document",
            "embedding_types": ["float"], "output_dimension": 256})
    );
    assert_eq!(lost, "dropped user (cohere has no counterpart)");
    let (body, lost) =
        sent(base(json!({"input_type": "search_query", "truncate": "START", "odd": 1}))).unwrap();
    assert_eq!((&body["input_type"], &body["truncate"]), (&json!("search_query"), &json!("START")));
    assert_eq!(lost, "dropped odd (cohere has no counterpart)");
    let mut request = base(json!({}));
    (request.task, request.truncate) = (Some("RETRIEVAL_QUERY".into()), Some(false));
    request.inputs[0].title = Some("t".into());
    let (body, lost) = sent(request).unwrap();
    assert_eq!((&body["input_type"], &body["truncate"]), (&json!("search_query"), &json!("NONE")));
    assert_eq!(lost, "dropped input[0].title (cohere has no counterpart)");
    let picture =
        json!({"content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]});
    let (body, _) = sent(base(json!({"input": ["a", picture]}))).unwrap();
    assert_eq!(body["inputs"], json!([{"content": [{"type": "text", "text": "a"}]}, picture]));
    let error = sent(base(json!({"input": [[1, 2]]}))).unwrap_err();
    assert_eq!((error.kind, error.param.as_deref()), (ErrorKind::BadRequest, Some("input[0]")));
    let foreign = EmbedInput { content: EmbedContent::Opaque(Dialect::Gemini, raw(&json!({}))), title: None };
    let request = EmbedRequest { inputs: vec![foreign], ..EmbedRequest::default() };
    assert_eq!(sent(request).unwrap_err().kind, ErrorKind::BadRequest);
}

#[test]
fn vectors_of_every_type_are_read() {
    let check = |embeddings: Value| {
        assert_eq!(vectors(&json!({"embeddings": embeddings})).unwrap().vectors, [[0.5, 2.0]])
    };
    check(json!({"float": [[0.5, 2.0]]}));
    check(json!({"base64": ["AAAAPwAAAEA="]}));
    check(json!([[0.5, 2.0]]));
    assert_eq!(vectors(&json!({"embeddings": {"int8": [[-3, 7]]}})).unwrap().vectors, [[-3.0, 7.0]]);
    for body in [json!({}), json!({"embeddings": {}}), json!({"embeddings": {"base64": ["AAA"]}})] {
        assert_eq!(vectors(&body).unwrap_err().kind, ErrorKind::UpstreamFormat, "{body}");
    }
    let units = json!({"billed_units": {"input_tokens": 3, "image_tokens": 9, "images": 1}});
    let usage = vectors(&json!({"embeddings": [[1.0]], "meta": units})).unwrap().usage.unwrap();
    assert_eq!((usage.input, usage.input_image, usage.units.input_images), (3, 9, 1));
}

#[test]
fn recorded_vectors_are_read() {
    let all = Recordings::load().unwrap().provider("cohere").operation("embeddings");
    for recording in all.iter() {
        if !recording.response.is_success() {
            let status = http::StatusCode::from_u16(recording.response.status).unwrap();
            let error = Client.decode_error(status, &http::HeaderMap::new(), &recording.response.bytes());
            assert_eq!(error.kind, ErrorKind::NotFound, "{recording}: {error}");
            continue;
        }
        let answer = recording.response.json().unwrap();
        let read = vectors(answer).unwrap_or_else(|error| panic!("{recording}: {error}"));
        let texts = recording.request.json().unwrap()["texts"].as_array().unwrap().len();
        assert_eq!(read.vectors.len(), texts, "{recording}");
        assert!(read.usage.as_ref().unwrap().input > 0, "{recording}");
        let bytes = recording.response.bytes();
        assert_eq!(Client.tap(Op::Embed, &bytes).unwrap().usage, read.usage, "{recording}");
    }
}
