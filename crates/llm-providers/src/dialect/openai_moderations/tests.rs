//! Verdicts: requests and answers, as recorded.

use llm_testkit::exchanges;
use llm_types::{Changes, Dialect, ErrorKind, Op};
use serde_json::Value;

use super::{Client, Server};
use crate::codec::{Asked, ClientCodec, DecodeCx, EncodeCx, Memo, ReplyCx, ServerCodec};
use crate::table::ProviderTable;

#[test]
fn recorded_exchanges_are_understood() {
    let spec = ProviderTable::builtin().get("openai").unwrap().as_ref().clone();
    let asked = Asked { dialect: Some(Dialect::OpenaiModerations), ..Asked::of(Op::Moderate) };
    for (name, all) in exchanges("moderations", &["openai"]) {
        let body = &all["request"]["body"];
        let call = Server.decode(body.to_string().as_bytes(), &asked).unwrap();
        let (mut changes, model) = (Changes::default(), call.model().to_owned());
        let mut cx = EncodeCx { spec: &spec, model: &model, asked: &asked, changes: &mut changes };
        let wire = Client.encode(&call, &mut cx).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&wire.body.to_bytes()).unwrap(), *body, "{name}");
        assert!(changes.is_empty() && wire.path == "/moderations", "{name}");
        let answer = &all["response"]["body"];
        let memo = Memo::default();
        let cx = DecodeCx { spec: &spec, model: &model, memo: &memo };
        let output = Client.decode(Op::Moderate, answer.to_string().as_bytes(), &cx).unwrap();
        let written: Value = serde_json::from_slice(&Server.encode(&output, &ReplyCx::default())).unwrap();
        assert_eq!(written, *answer, "{name}");
    }
    let memo = Memo::default();
    let cx = DecodeCx { spec: &spec, model: "m", memo: &memo };
    assert_eq!(Client.decode(Op::Moderate, b"{}", &cx).unwrap_err().kind, ErrorKind::UpstreamFormat);
}

#[test]
fn what_a_provider_tells_beside_the_verdicts_is_told_on() {
    let spec = ProviderTable::builtin().get("mistral").unwrap().as_ref().clone();
    let memo = Memo::default();
    let cx = DecodeCx { spec: &spec, model: "m", memo: &memo };
    let answer = serde_json::json!({"id": "1", "model": "m", "results": [{"categories": {"pii": true}, "category_scores": {"pii": 0.9}}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7}, "object": "moderation"});
    let output = Client.decode(Op::Moderate, answer.to_string().as_bytes(), &cx).unwrap();
    assert_eq!(output.usage().map(llm_types::Usage::total_tokens), Some(7));
    let written: Value = serde_json::from_slice(&Server.encode(&output, &ReplyCx::default())).unwrap();
    assert_eq!((&written["usage"], &written["object"]), (&answer["usage"], &answer["object"]));
    assert_eq!(written["results"][0]["flagged"], true);
}

#[test]
fn who_judges_texts_alone_gets_the_parts_as_one() {
    let asked = Asked { dialect: Some(Dialect::OpenaiModerations), ..Asked::of(Op::Moderate) };
    let sent = |provider: &str, input: Value| {
        let spec = ProviderTable::builtin().get(provider).unwrap();
        let mut changes = Changes::default();
        let mut cx = EncodeCx { spec, model: "m", asked: &asked, changes: &mut changes };
        let body = serde_json::json!({"model": "m", "input": input}).to_string();
        let wire = Client.encode(&Server.decode(body.as_bytes(), &asked).unwrap(), &mut cx)?;
        Ok::<_, llm_types::ApiError>(
            serde_json::from_slice::<Value>(&wire.body.to_bytes()).unwrap()["input"].clone(),
        )
    };
    let texts = serde_json::json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
    assert_eq!(sent("mistral", texts.clone()).unwrap(), "a\nb");
    assert_eq!(sent("openai", texts.clone()).unwrap(), texts);
    assert_eq!(sent("mistral", serde_json::json!(["a", "b"])).unwrap(), serde_json::json!(["a", "b"]));
    let picture = serde_json::json!([{"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}]);
    let error = sent("mistral", picture).unwrap_err();
    assert_eq!((error.kind, error.param.as_deref()), (ErrorKind::BadRequest, Some("input")));
    assert!(error.message.contains("texts alone"), "{error}");
}
