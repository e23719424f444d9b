//! Providers with a form of their own: where they are asked, in which words, and how their answers are read.

use http::{HeaderMap, HeaderValue};
use llm_types::{Secret, Usage};

use super::*;
use crate::target::{Target, TargetOptions};

fn env(name: &str) -> Option<String> {
    let pairs = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_BEARER_TOKEN_BEDROCK", "bedrock-key"),
        ("NVIDIA_API_KEY", "nv-key"),
        ("NVIDIA_NIM_API_BASE", "http://nim:8000/v1"),
        ("DEEPINFRA_API_KEY", "di-key"),
        ("WATSONX_TOKEN", "token"),
        ("WATSONX_REGION", "eu-de"),
        ("WATSONX_PROJECT_ID", "p-1"),
        ("VERTEXAI_PROJECT", "p-2"),
    ];
    pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
}

fn target(model: &str) -> Target {
    Target::new(&TargetOptions::new(model), ProviderTable::builtin(), &env).unwrap()
}

/// Address, body, changes, memo.
fn asked_of(target: &Target, request: &RerankRequest) -> (String, Value, Vec<String>, Memo) {
    let (mut changes, asked) = (Changes::default(), asked());
    assert!(target.spec().offers(Op::Rerank, target.model()), "{target:?}");
    assert_eq!(target.dialect_for(Op::Rerank, asked.dialect), Dialect::Rerank, "{target:?}");
    let mut cx =
        EncodeCx { spec: target.spec(), model: target.model(), asked: &asked, changes: &mut changes };
    let mut wire = Client.encode(&Call::Rerank(Box::new(request.clone())), &mut cx).unwrap();
    let body = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
    let memo = std::mem::take(&mut wire.memo);
    let uri = target.request(wire).unwrap().uri().to_string();
    let line = |change: &llm_types::Change| format!("{:?} {}", change.action, change.path).to_lowercase();
    (uri, body, changes.list().iter().map(line).collect(), memo)
}

fn answer(target: &Target, body: &Value, memo: &Memo) -> Result<Ranking> {
    let cx = DecodeCx { spec: target.spec(), model: target.model(), memo };
    match Client.decode(Op::Rerank, body.to_string().as_bytes(), &cx)? {
        Output::Rerank(ranking) => Ok(*ranking),
        other => panic!("{other:?}"),
    }
}

fn everything() -> RerankRequest {
    decode(&json!({"model": "m", "query": "q", "documents": ["a", {"title": "c", "text": "d"}, "b"],
        "top_n": 2, "return_documents": true, "max_chunks_per_doc": 3, "max_tokens_per_doc": 9, "truncation": true,
        "instruction": "i", "odd": 1}))
    .unwrap()
}

#[test]
fn each_form_is_written_where_its_provider_has_it() {
    let check = |model: &str, uri: &str, expect: Value, lost: &[&str]| {
        let (at, body, changes, _) = asked_of(&target(model), &everything());
        assert_eq!((at.as_str(), &body), (uri, &expect), "{model}");
        let dropped: Vec<&str> = changes.iter().filter_map(|line| line.strip_prefix("dropped ")).collect();
        assert_eq!(dropped, lost, "{model}");
    };
    let text = |text: &str| json!({"text": text});
    let source = |text: &str| json!({"type": "INLINE", "inlineDocumentSource": {"type": "TEXT", "textDocument": {"text": text}}});
    let json = json!({"type": "INLINE", "inlineDocumentSource": {"type": "JSON", "jsonDocument": {"title": "c", "text": "d"}}});
    let bedrock = |arn: &str, fields: Value| {
        json!({"queries": [{"type": "TEXT", "textQuery": {"text": "q"}}], "sources": [source("a"), json, source("b")],
            "rerankingConfiguration": {"type": "BEDROCK_RERANKING_MODEL", "bedrockRerankingConfiguration": {
                "numberOfResults": 2, "modelConfiguration": {"modelArn": arn, "additionalModelRequestFields": fields}}}})
    };
    check(
        "bedrock/cohere.rerank-v3-5:0",
        "https://bedrock-agent-runtime.eu-west-1.amazonaws.com/rerank",
        bedrock(
            "arn:aws:bedrock:eu-west-1::foundation-model/cohere.rerank-v3-5:0",
            json!({"max_tokens_per_doc": 9, "odd": 1}),
        ),
        &["max_chunks_per_doc", "truncation", "instruction"],
    );
    check(
        "bedrock/us-gov-west-1/amazon.rerank-v1:0",
        "https://bedrock-agent-runtime.us-gov-west-1.amazonaws.com/rerank",
        bedrock(
            "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/amazon.rerank-v1:0",
            json!({"odd": 1}),
        ),
        &["max_chunks_per_doc", "max_tokens_per_doc", "truncation", "instruction"],
    );
    let arn = "arn:aws:bedrock:us-west-2::foundation-model/amazon.rerank-v1:0";
    check(
        &format!("bedrock/{arn}"),
        "https://bedrock-agent-runtime.us-west-2.amazonaws.com/rerank",
        bedrock(arn, json!({"odd": 1})),
        &["max_chunks_per_doc", "max_tokens_per_doc", "truncation", "instruction"],
    );
    let lines = "text: d\ntitle: c";
    let passages = |model: &str| {
        json!({"model": model, "query": {"text": "q"}, "passages": [text("a"), text(lines), text("b")],
            "truncate": "END", "odd": 1})
    };
    let lost = ["max_chunks_per_doc", "max_tokens_per_doc", "instruction"];
    check(
        "nvidia_nim/nvidia/llama-3_2-nv-rerankqa-1b-v2",
        "https://ai.api.nvidia.com/v1/retrieval/nvidia/llama-3_2-nv-rerankqa-1b-v2/reranking",
        passages("nvidia/llama-3_2-nv-rerankqa-1b-v2"),
        &lost,
    );
    check("nvidia_nim/ranking/nvidia/r-1b", "http://nim:8000/v1/ranking", passages("nvidia/r-1b"), &lost);
    check(
        "deepinfra/Qwen/Qwen3-Reranker-0.6B",
        "https://api.deepinfra.com/v1/inference/Qwen/Qwen3-Reranker-0.6B",
        json!({"queries": ["q", "q", "q"], "documents": ["a", lines, "b"], "instruction": "i", "odd": 1}),
        &["max_chunks_per_doc", "max_tokens_per_doc", "truncation"],
    );
    check(
        "vertex_ai/semantic-ranker-default-004",
        "https://discoveryengine.googleapis.com/v1/projects/p-2/locations/global/rankingConfigs/default_config:rank",
        json!({"model": "semantic-ranker-default-004", "query": "q", "topN": 2, "ignoreRecordDetailsInResponse": true,
            "records": [{"id": "0", "content": "a"}, {"id": "1", "content": lines}, {"id": "2", "content": "b"}], "odd": 1}),
        &["max_chunks_per_doc", "max_tokens_per_doc", "truncation", "instruction"],
    );
    check(
        "watsonx/cross-encoder/ms-marco-minilm-l-12-v2",
        "https://eu-de.ml.cloud.ibm.com/ml/v1/text/rerank?version=2024-03-13",
        json!({"model_id": "cross-encoder/ms-marco-minilm-l-12-v2", "query": "q", "project_id": "p-1",
            "inputs": [text("a"), text(lines), text("b")],
            "parameters": {"truncate_input_tokens": 9, "return_options": {"top_n": 2}}, "odd": 1}),
        &["max_chunks_per_doc", "truncation", "instruction"],
    );
}

#[test]
fn each_form_s_answer_is_an_order() {
    let check = |model: &str, body: Value, used: (u64, u64)| {
        let target = target(model);
        let (_, _, _, memo) = asked_of(&target, &everything());
        let ranking = answer(&target, &body, &memo).unwrap();
        let usage = ranking.usage.clone().unwrap_or_default();
        assert_eq!((usage.queries, usage.prompt_tokens()), used, "{model}");
        let told = written(ranking);
        let expect = json!([{"index": 2, "relevance_score": 0.75, "document": {"text": "b"}},
            {"index": 1, "relevance_score": -0.5, "document": {"title": "c", "text": "d"}}]);
        assert_eq!(told["results"], expect, "{model}");
        let empty = answer(&target, &json!({"detail": "no such model"}), &memo).unwrap_err();
        assert_eq!(empty.kind, ErrorKind::UpstreamFormat, "{model}");
    };
    check(
        "bedrock/cohere.rerank-v3-5:0",
        json!({"results": [{"index": 1, "relevanceScore": -0.5}, {"index": 2, "relevanceScore": 0.75,
            "document": {"type": "TEXT", "textDocument": {"text": "b"}}}]}),
        (1, 0),
    );
    check(
        "nvidia_nim/nvidia/llama-3_2-nv-rerankqa-1b-v2",
        json!({"rankings": [{"index": 2, "logit": 0.75}, {"index": 1, "logit": -0.5}, {"index": 0, "logit": -3}],
            "usage": {"prompt_tokens": 7, "total_tokens": 7}}),
        (0, 7),
    );
    check(
        "deepinfra/Qwen/Qwen3-Reranker-0.6B",
        json!({"scores": [-3.0, -0.5, 0.75], "input_tokens": 8, "request_id": "r",
            "inference_status": {"status": "succeeded", "cost": 0.000_000_1}}),
        (0, 8),
    );
    check(
        "vertex_ai/semantic-ranker-default-004",
        json!({"records": [{"id": "1", "score": -0.5}, {"id": "2", "score": 0.75}]}),
        (1, 0),
    );
    check(
        "watsonx/cross-encoder/ms-marco-minilm-l-12-v2",
        json!({"model_id": "m", "results": [{"index": 1, "score": -0.5}, {"index": 2, "score": 0.75}],
            "input_token_count": 9}),
        (0, 9),
    );
}

#[test]
fn searches_are_counted_in_hundreds_of_pieces() {
    let check = |model: &str, documents: Vec<String>, expect: u64| {
        let (_, _, _, memo) = asked_of(&target(model), &RerankRequest::new("q", documents));
        let Some(Usage { queries, estimated: true, .. }) = memo.used() else { panic!("{memo:?}") };
        assert_eq!(*queries, expect, "{model}");
    };
    let bedrock = "bedrock/amazon.rerank-v1:0";
    check(bedrock, vec!["a".to_owned()], 1);
    check(bedrock, vec!["a".to_owned(); 101], 2);
    // Four pieces of 512 tokens each.
    check(bedrock, vec!["a".repeat(8_000); 100], 4);
    check("vertex_ai/semantic-ranker-default-004", vec!["a".repeat(8_000); 101], 2);
}

#[test]
fn a_region_is_needed_where_the_model_is_named_by_it() {
    let options = TargetOptions {
        api_base: Some("http://127.0.0.1:9".to_owned()),
        api_key: Some(Secret::new("k")),
        ..TargetOptions::new("bedrock/amazon.rerank-v1:0")
    };
    let target = Target::new(&options, ProviderTable::builtin(), &|_| None).unwrap();
    let (mut changes, asked) = (Changes::default(), asked());
    let mut cx =
        EncodeCx { spec: target.spec(), model: target.model(), asked: &asked, changes: &mut changes };
    let error = Client.encode(&Call::Rerank(Box::new(everything())), &mut cx).unwrap_err();
    assert!(error.message.contains("no region"), "{error}");
    assert!(!target.spec().offers(Op::Chat, target.model()));
    let other = super::form::target("bedrock/amazon.nova-lite-v1:0");
    assert!(!other.spec().offers(Op::Rerank, other.model()) && other.spec().offers(Op::Chat, other.model()));
}

#[test]
fn amazon_names_its_errors_in_a_header() {
    let mut headers = HeaderMap::new();
    headers.insert("x-amzn-errortype", HeaderValue::from_static("ThrottlingException:http://x"));
    let error = Client.decode_error(StatusCode::BAD_REQUEST, &headers, br#"{"message":"slow down"}"#);
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::RateLimit, "slow down"));
}
