//! Requests in the words of each provider, answers in all their spellings, recordings in both directions.

mod form;

use std::sync::Arc;

use http::StatusCode;
use llm_testkit::Recordings;
use llm_types::{
    Call, Changes, Dialect, ErrorKind, Op, Output, ProviderSpec, Ranking, RawValue, RerankDocument,
    RerankRequest, Result,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Client, Server};
use crate::codec::{Asked, ClientCodec, DecodeCx, EncodeCx, Memo, ReplyCx, ServerCodec};
use crate::table::ProviderTable;

fn row(name: &str) -> Arc<ProviderSpec> {
    Arc::clone(ProviderTable::builtin().get(name).unwrap())
}

fn asked() -> Asked {
    Asked { dialect: Some(Dialect::Rerank), ..Asked::of(Op::Rerank) }
}

fn decode(body: &Value) -> Result<RerankRequest> {
    match Server.decode(body.to_string().as_bytes(), &asked())? {
        Call::Rerank(request) => Ok(*request),
        other => panic!("{other:?}"),
    }
}

/// What is sent: path, body, changes, and what is left for the answer.
fn encode(request: RerankRequest, provider: &str) -> Result<(String, Value, Vec<String>, Memo)> {
    let (mut changes, asked, spec) = (Changes::default(), asked(), row(provider));
    let model = request.model.clone();
    let mut cx = EncodeCx { spec: &spec, model: &model, asked: &asked, changes: &mut changes };
    let wire = Client.encode(&Call::Rerank(Box::new(request)), &mut cx)?;
    let body = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
    let line = |change: &llm_types::Change| format!("{:?} {}", change.action, change.path).to_lowercase();
    Ok((wire.path, body, changes.list().iter().map(line).collect(), wire.memo))
}

fn read(body: &Value, memo: &Memo) -> Result<Ranking> {
    let spec = row("cohere");
    let cx = DecodeCx { spec: &spec, model: "m", memo };
    match Client.decode(Op::Rerank, body.to_string().as_bytes(), &cx)? {
        Output::Rerank(ranking) => Ok(*ranking),
        other => panic!("{other:?}"),
    }
}

/// What a client gets.
fn written(ranking: Ranking) -> Value {
    let cx = ReplyCx { model: "m".into(), id: "id-1".into(), ..ReplyCx::default() };
    serde_json::from_slice(&Server.encode(&Output::Rerank(Box::new(ranking)), &cx)).unwrap()
}

#[test]
fn each_provider_is_asked_in_its_own_words() {
    let request = || {
        decode(&json!({"model": "m", "query": "q", "documents": ["a", {"text": "b"}, {"title": "c", "text": "d"}],
            "top_n": 2, "return_documents": true, "rank_fields": ["title"], "max_chunks_per_doc": 3,
            "max_tokens_per_doc": 9, "truncation": true, "instruction": "i", "odd": 1}))
        .unwrap()
    };
    let check = |provider: &str, path: &str, expect: Value, lost: &[&str]| {
        let (at, body, changes, _) = encode(request(), provider).unwrap();
        assert_eq!((at.as_str(), &body), (path, &expect), "{provider}");
        let dropped: Vec<&str> = changes.iter().filter_map(|line| line.strip_prefix("dropped ")).collect();
        assert_eq!(dropped, lost, "{provider}");
    };
    let lines = json!(["a", "", "title: c"]);
    let objects = json!(["a", {"text": "b"}, {"title": "c", "text": "d"}]);
    check(
        "cohere",
        "/v2/rerank",
        json!({"model": "m", "query": "q", "documents": lines, "top_n": 2, "max_tokens_per_doc": 9, "odd": 1}),
        &["max_chunks_per_doc", "truncation", "instruction"],
    );
    check(
        "voyage",
        "/rerank",
        json!({"model": "m", "query": "q", "documents": lines, "top_k": 2, "truncation": true, "odd": 1}),
        &["max_chunks_per_doc", "max_tokens_per_doc", "instruction"],
    );
    check(
        "jina_ai",
        "/rerank",
        json!({"model": "m", "query": "q", "documents": objects, "top_n": 2, "max_doc_length": 9,
            "truncation": true, "odd": 1}),
        &["rank_fields", "max_chunks_per_doc", "instruction"],
    );
    check(
        "together_ai",
        "/rerank",
        json!({"model": "m", "query": "q", "documents": objects, "top_n": 2, "rank_fields": ["title"],
            "max_chunks_per_doc": 3, "max_tokens_per_doc": 9, "truncation": true, "instruction": "i", "odd": 1}),
        &[],
    );
    check(
        "tei",
        "/rerank",
        json!({"query": "q", "texts": lines, "truncate": true, "odd": 1}),
        &["max_chunks_per_doc", "max_tokens_per_doc", "instruction"],
    );
}

#[test]
fn answers_are_read_in_all_their_spellings() {
    let ask = |top_n, return_documents| {
        let mut request = RerankRequest::new("q", ["a", "b", "c"]);
        (request.top_n, request.return_documents) = (top_n, return_documents);
        encode(request, "cohere").unwrap().3
    };
    let check = |answer: Value, usage: (u64, u64)| {
        let ranking = read(&answer, &ask(Some(2), None)).unwrap();
        let order: Vec<_> = ranking.results.iter().map(|ranked| (ranked.index, ranked.score)).collect();
        assert_eq!(order, [(2, 0.75), (0, 0.5)], "{answer}");
        let used = ranking.usage.map(|usage| (usage.queries, usage.prompt_tokens())).unwrap_or_default();
        assert_eq!(used, usage, "{answer}");
    };
    let list = |score: &str, document: Value| json!([{"index": 0, score: 0.5}, {"index": 1, score: 0.25}, {"index": 2, score: 0.75, "document": document}]);
    let score = "relevance_score";
    check(
        json!({"id": "x", "results": list(score, json!(null)), "meta": {"billed_units": {"search_units": 3.0}}}),
        (3, 0),
    );
    check(
        json!({"object": "list", "data": list(score, json!("c")), "usage": {"total_tokens": 7}, "model": "m"}),
        (0, 7),
    );
    check(
        json!({"results": list(score, json!({"text": "c"})), "usage": {"prompt_tokens": 5, "total_tokens": 5}}),
        (0, 5),
    );
    check(json!({"results": list(score, json!(null)), "meta": {"tokens": {"input_tokens": 4}}}), (0, 4));
    check(list("score", json!(null)), (0, 0));

    // Documents are in the answer where the client wants them, and only there.
    let answer = json!({"results": list(score, json!({"text": "c"}))});
    let shown = |memo: &Memo| written(read(&answer, memo).unwrap())["results"].clone();
    let all = shown(&ask(None, Some(true)));
    assert_eq!(all[0], json!({"index": 2, "relevance_score": 0.75, "document": {"text": "c"}}));
    assert_eq!(all[1]["document"], json!({"text": "a"}));
    assert!(shown(&ask(None, Some(false)))[0].get("document").is_none());
    assert_eq!(shown(&ask(None, None))[0]["document"], json!({"text": "c"}));
}

#[test]
fn what_is_no_order_is_an_error() {
    let check = |answer: Value, kind: ErrorKind| {
        assert_eq!(read(&answer, &Memo::default()).unwrap_err().kind, kind, "{answer}");
    };
    check(json!({}), ErrorKind::UpstreamFormat);
    check(json!({"results": [{"index": 0}]}), ErrorKind::UpstreamFormat);
    check(json!({"results": [{"relevance_score": 1.0}]}), ErrorKind::UpstreamFormat);
    check(json!("text"), ErrorKind::UpstreamFormat);
    let error = read(&json!({"error": {"message": "no such model", "code": 404}}), &Memo::default());
    assert!(error.unwrap_err().message.contains("no such model"));
    let detail =
        Client.decode_error(StatusCode::BAD_REQUEST, &http::HeaderMap::new(), br#"{"detail":"bad query"}"#);
    assert_eq!((detail.kind, detail.message.as_str()), (ErrorKind::BadRequest, "bad query"));
    let cohere = Client.decode_error(
        StatusCode::UNAUTHORIZED,
        &http::HeaderMap::new(),
        br#"{"id":"1","message":"invalid api token"}"#,
    );
    assert_eq!((cohere.kind, cohere.message.as_str()), (ErrorKind::Auth, "invalid api token"));
}

#[test]
fn requests_that_say_too_little_are_refused_by_the_member_at_fault() {
    let check = |body: Value, param: &str| {
        assert_eq!(decode(&body).unwrap_err().param.as_deref(), Some(param), "{body}");
    };
    check(json!({"query": "q", "documents": ["a"]}), "model");
    check(json!({"model": "m", "documents": ["a"]}), "query");
    check(json!({"model": "m", "query": "q"}), "documents");
    check(json!({"model": "m", "query": "q", "documents": []}), "documents");
    check(json!({"model": "m", "query": "q", "documents": ["a", 7]}), "documents[1]");
}

#[test]
fn recorded_exchanges_go_through_in_both_directions() {
    let all = Recordings::load().unwrap().operation("rerank");
    for recording in all.iter() {
        let provider = match recording.provider.as_str() {
            "llamacpp" => "hosted_vllm",
            other => other,
        };
        let body = recording.request.json().unwrap();
        let (path, sent, changes, memo) = encode(decode(body).unwrap(), provider).unwrap();
        assert!(recording.request.path().ends_with(&path), "{recording}: {path}");
        let mut expect = body.clone();
        expect.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        assert_eq!((&sent, changes), (&expect, Vec::new()), "{recording}");

        let answer = recording.response.json().unwrap();
        let told = written(read(answer, &memo).unwrap());
        let results = answer.get("results").or(answer.get("data")).unwrap().as_array().unwrap();
        let told_results = told["results"].as_array().unwrap();
        assert_eq!(told_results.len(), results.len(), "{recording}");
        for (told, recorded) in told_results.iter().zip(results) {
            assert_eq!(told["index"], recorded["index"], "{recording}");
            assert_eq!(told["relevance_score"], recorded["relevance_score"], "{recording}");
        }
        let units = answer.pointer("/meta/billed_units/search_units");
        assert_eq!(told.pointer("/meta/billed_units/search_units"), units, "{recording}");
        assert_eq!(told.pointer("/usage/total_tokens"), answer.pointer("/usage/total_tokens"), "{recording}");
        assert_eq!(told.pointer("/meta/api_version"), answer.pointer("/meta/api_version"), "{recording}");
        // A gateway behind a gateway says the same.
        assert_eq!(written(read(&told, &memo).unwrap()), told, "{recording}");
        let bytes = answer.to_string();
        let tapped = Client.tap(Op::Rerank, bytes.as_bytes()).unwrap();
        assert_eq!(tapped.usage, read(answer, &memo).unwrap().usage, "{recording}");
    }
}

/// A field: how it is set, where it is in the body, its path in the changes.
type Field = (fn(&mut RerankRequest), &'static str, &'static str);

const FIELDS: &[Field] = &[
    (|r| r.top_n = Some(2), "top_n top_k", "here"),
    // Done here, whatever the provider does.
    (|r| r.return_documents = Some(true), "", "here"),
    (|r| r.rank_fields = vec!["f".into()], "rank_fields", "rank_fields"),
    (|r| r.max_chunks_per_doc = Some(3), "max_chunks_per_doc", "max_chunks_per_doc"),
    (|r| r.max_tokens_per_doc = Some(3), "max_tokens_per_doc max_doc_length", "max_tokens_per_doc"),
    (|r| r.truncate = Some(false), "truncation truncate", "truncation"),
    (|r| r.instruction = Some("i".into()), "instruction", "instruction"),
    (|r| r.extra.set("odd", RawValue::from_string("1".to_owned()).unwrap()), "odd", "odd"),
    (
        |r| r.documents.push(RerankDocument::Object(RawValue::from_string("{\"f\":1}".to_owned()).unwrap())),
        "documents texts",
        "documents",
    ),
];

proptest! {
    #[test]
    fn every_field_is_sent_or_recorded(
        chosen in proptest::collection::vec(any::<bool>(), FIELDS.len()),
        provider in proptest::sample::select(&["cohere", "voyage", "jina_ai", "together_ai", "tei", "infinity", "openrouter"][..]),
        native in any::<bool>(),
    ) {
        let mut request = RerankRequest::new("q", ["a"]);
        request.origin = (!native).then_some(Dialect::Gemini);
        let fields: Vec<&Field> = FIELDS.iter().zip(&chosen).filter(|(_, on)| **on).map(|(field, _)| field).collect();
        for (set, _, _) in &fields {
            set(&mut request);
        }
        let (_, body, changes, memo) = encode(request, provider).unwrap();
        for (_, names, path) in &fields {
            let sent = names.split(' ').any(|name| body.get(name).is_some());
            let told = changes.iter().any(|line| line.split_once(' ').is_some_and(|(_, at)| at.starts_with(path)));
            let here = *path == "here" && memo.ordering.is_some();
            prop_assert!(sent || told || here, "{path} is lost at {provider}: {body} {changes:?}");
        }
    }
}
