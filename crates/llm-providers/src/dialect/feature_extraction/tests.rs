//! Requests to pipelines, and the forms of their answers.

use llm_types::{Call, Changes, Dialect, EmbedContent, EmbedInput, EmbedRequest, Op, Output, Secret};
use serde_json::{Value, json};

use super::Client;
use crate::codec::{Asked, ClientCodec as _, DecodeCx, EncodeCx, Memo};
use crate::table::ProviderTable;
use crate::target::{Target, TargetOptions};

fn at(api_base: Option<&str>) -> Target {
    let options = TargetOptions {
        api_key: Some(Secret::new("k")),
        api_base: api_base.map(str::to_owned),
        ..TargetOptions::new("huggingface/BAAI/bge-m3")
    };
    Target::new(&options, ProviderTable::builtin(), &|_| None).unwrap()
}

#[test]
fn the_router_has_pipelines_and_servers_of_ones_own_have_openais_form() {
    let target = at(None);
    assert_eq!(target.dialect_for(Op::Embed, None), Dialect::FeatureExtraction);
    assert_eq!(target.dialect_for(Op::Chat, None), Dialect::OpenaiChat);
    let own = at(Some("https://x.endpoints.huggingface.cloud"));
    assert_eq!(own.dialect_for(Op::Embed, None), Dialect::OpenaiMedia);
    let inputs = ["a", "b"].map(EmbedInput::text).to_vec();
    let mut request = EmbedRequest { inputs, dimensions: Some(3), ..EmbedRequest::default() };
    request.extra.set_json("normalize", &true).unwrap();
    let (asked, mut changes) = (Asked::of(Op::Embed), Changes::default());
    let mut cx =
        EncodeCx { spec: target.spec(), model: target.model(), asked: &asked, changes: &mut changes };
    let wire = Client.encode(&Call::Embed(Box::new(request.clone())), &mut cx).unwrap();
    let body: Value = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
    assert_eq!(body, json!({"inputs": ["a", "b"], "normalize": true}));
    assert_eq!(changes.list().iter().map(|change| &*change.path).collect::<Vec<_>>(), ["dimensions"]);
    let sent = target.request(wire).unwrap();
    let expect = "https://router.huggingface.co/hf-inference/models/BAAI/bge-m3/pipeline/feature-extraction";
    assert_eq!(sent.uri().to_string(), expect);
    request.inputs = vec![EmbedInput { content: EmbedContent::Tokens(vec![1]), title: None }];
    let mut changes = Changes::default();
    let mut cx =
        EncodeCx { spec: target.spec(), model: target.model(), asked: &asked, changes: &mut changes };
    let error = Client.encode(&Call::Embed(Box::new(request)), &mut cx).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("input[0]"));
}

#[test]
fn vectors_are_those_of_texts() {
    let spec = ProviderTable::builtin().get("huggingface").unwrap();
    let memo = Memo::default();
    let cx = DecodeCx { spec, model: "m", memo: &memo };
    let read = |body: Value| match Client.decode(Op::Embed, body.to_string().as_bytes(), &cx) {
        Ok(Output::Embed(found)) => Some(found.vectors),
        _ => None,
    };
    assert_eq!(read(json!([[1.0, 2.0], [3.0, 4.0]])), Some(vec![vec![1.0, 2.0], vec![3.0, 4.0]]));
    assert_eq!(read(json!([1.0, 2.0])), Some(vec![vec![1.0, 2.0]]));
    assert_eq!(read(json!({"embedding": [[1.0], [3.0]]})), Some(vec![vec![1.0], vec![3.0]]));
    assert_eq!(read(json!({"embedding": {"embedding": [1.0]}})), None);
    // One vector for each token.
    assert_eq!(
        read(json!([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]]])),
        Some(vec![vec![2.0, 3.0], vec![5.0, 6.0]])
    );
    assert_eq!(read(json!([[[1.0, 2.0], [3.0]]])), None);
    assert_eq!(read(json!({"error": "no"})), None);
    let error = Client.decode_error(
        http::StatusCode::NOT_FOUND,
        &http::HeaderMap::new(),
        br#"{"error":"Model BAAI/x does not exist"}"#,
    );
    assert!(error.message.contains("does not exist"), "{error}");
}
