//! The same dialect at Vertex AI: the model in the path, the version in the body.

use llm_types::chat::{Image, Media, Message};
use llm_types::{Dialect, Head};
use serde_json::json;

use super::*;
use crate::codec::WireRequest;
use crate::name::resolve;
use crate::table::ProviderTable;

const MODEL: &str = "claude-sonnet-4-5@20250929";

fn at_vertex(
    op: Op,
    betas: &'static str,
    send: impl FnOnce(&mut EncodeCx<'_>) -> Result<WireRequest>,
) -> Result<(WireRequest, Value, Vec<String>)> {
    let (spec, model) = resolve(ProviderTable::builtin(), &format!("vertex_ai/{MODEL}")).unwrap();
    assert_eq!((spec.name.as_str(), spec.dialect, model.as_str()), ("vertex_ai", Dialect::Anthropic, MODEL));
    let mut asked = Asked { dialect: Some(Dialect::Anthropic), ..Asked::of(op) };
    if !betas.is_empty() {
        asked.headers.insert("anthropic-beta", betas.parse().unwrap());
    }
    let mut changes = Changes::default();
    let wire = send(&mut EncodeCx { spec: &spec, model: &model, asked: &asked, changes: &mut changes })?;
    let body = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
    assert!(wire.headers.get("anthropic-version").is_none());
    let why = changes.list().iter().map(|change| format!("{} {}", change.path, change.why)).collect();
    Ok((wire, body, why))
}

#[test]
fn calls_have_the_model_in_the_path_whichever_way_they_go() {
    let models = "/publishers/anthropic/models";
    for (op, stream, expect) in [
        (Op::Chat, false, format!("{models}/{MODEL}:rawPredict")),
        (Op::Chat, true, format!("{models}/{MODEL}:streamRawPredict")),
        (Op::CountTokens, false, format!("{models}/count-tokens:rawPredict")),
    ] {
        let mut request = ChatRequest::new([Message::user("Hi")]);
        request.delivery.stream = stream;
        let call = match op {
            Op::Chat => Call::from(request),
            _ => Call::CountTokens(Box::new(request)),
        };
        let written = at_vertex(op, "", |cx| Client.encode(&call, cx)).unwrap();
        let mut own =
            json!({"model": "smart", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]});
        if stream {
            own["stream"] = json!(true);
        }
        let head = Head::scan(own.to_string().into()).unwrap();
        let spliced = at_vertex(op, "", |cx| Ok(Client.splice(&head, cx)?.unwrap())).unwrap();
        for (wire, body, lost) in [written, spliced] {
            assert_eq!(wire.path, expect);
            assert_eq!(body["anthropic_version"], "vertex-2023-10-16");
            let model = (op == Op::CountTokens).then_some(MODEL);
            assert_eq!(body.get("model").and_then(Value::as_str), model, "{body}");
            assert_eq!(body.get("stream"), stream.then_some(&json!(true)));
            assert!(lost.is_empty(), "{lost:?}");
        }
    }
}

#[test]
fn betas_that_it_does_not_know_are_left_out() {
    let head = Head::scan(r#"{"model":"m","messages":[]}"#.into()).unwrap();
    let betas = "context-1m-2025-08-07,files-api-2025-04-14,advanced-tool-use-2025-11-20";
    let (wire, _, lost) = at_vertex(Op::Chat, betas, |cx| Ok(Client.splice(&head, cx)?.unwrap())).unwrap();
    assert_eq!(wire.headers["anthropic-beta"], "context-1m-2025-08-07,tool-search-tool-2025-10-19");
    assert_eq!(lost, ["anthropic-beta Vertex AI does not know files-api-2025-04-14"]);
}

#[test]
fn nobody_fetches_pictures() {
    let image = Image::new(Media::Url("https://example.com/a.png".to_owned()));
    let mut message = Message::user("Look.");
    message.parts.push(Part::Image(image));
    let call = Call::from(ChatRequest::new([message]));
    let error = at_vertex(Op::Chat, "", |cx| Client.encode(&call, cx)).unwrap_err();
    assert!(error.message.contains("send the content as base64"), "{error}");
}
