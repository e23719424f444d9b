//! Pictures: requests and answers, as recorded.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use llm_testkit::{exchanges, is_complete};
use llm_types::{Changes, Dialect, ErrorKind, Head, Op, Output, ProviderSpec};
use serde_json::{Value, json};

use super::{Client, Server};
use crate::codec::{Asked, ClientCodec, DecodeCx, EncodeCx, Memo, ReplyCx, ServerCodec};
use crate::table::ProviderTable;

fn row(name: &str) -> ProviderSpec {
    ProviderTable::builtin().get(name).unwrap().as_ref().clone()
}

fn asked(op: Op) -> Asked {
    Asked { dialect: Some(Dialect::OpenaiImages), ..Asked::of(op) }
}

#[test]
fn recorded_exchanges_are_understood() {
    let mut read = 0;
    for (name, all) in exchanges("images", &["openai", "xai"]) {
        let spec = row(all["provider"].as_str().unwrap());
        let body = &all["request"]["body"];
        let edit = all["request"]["url"].as_str().unwrap().ends_with("/edits");
        let asked = asked(if edit { Op::ImageEdit } else { Op::Image });
        let model = body["model"].as_str().unwrap();
        let head = Head::scan(Bytes::from(body.to_string())).unwrap();
        let mut changes = Changes::default();
        let mut cx = EncodeCx { spec: &spec, model, asked: &asked, changes: &mut changes };
        let wire = Client.splice(&head, &mut cx).unwrap().unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&wire.body.to_bytes()).unwrap(), *body, "{name}");
        assert!(all["request"]["url"].as_str().unwrap().ends_with(&*wire.path), "{name}: {}", wire.path);
        let status =
            StatusCode::from_u16(u16::try_from(all["response"]["status"].as_u64().unwrap()).unwrap())
                .unwrap();
        let answer = all["response"]["body"].to_string();
        read += 1;
        if !status.is_success() {
            let error = Client.decode_error(status, &HeaderMap::new(), answer.as_bytes());
            assert_eq!((error.kind, error.param.as_deref()), (ErrorKind::BadRequest, Some("url")), "{name}");
            continue;
        }
        if !edit {
            let call = Server.decode(body.to_string().as_bytes(), &asked).unwrap();
            let again = Client
                .encode(&call, &mut EncodeCx { spec: &spec, model, asked: &asked, changes: &mut changes })
                .unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&again.body.to_bytes()).unwrap(), *body, "{name}");
        }
        let memo = Memo::default();
        let cx = DecodeCx { spec: &spec, model, memo: &memo };
        let Output::Images(images) = Client.decode(Op::Image, answer.as_bytes(), &cx).unwrap() else {
            panic!()
        };
        assert_eq!(images.data.len(), all["response"]["body"]["data"].as_array().unwrap().len(), "{name}");
        let usage = images.usage.as_ref().unwrap();
        match name.as_str() {
            "openai/images-basic-53aa3c" => {
                assert_eq!((usage.input, usage.output_image, usage.output), (14, 272, 0))
            }
            _ => assert_eq!(usage.stated.map(|usd| usd.to_string()).as_deref(), Some("0.07"), "{name}"),
        }
        assert_eq!(Client.tap(Op::Image, answer.as_bytes()).unwrap().usage.as_ref(), Some(usage), "{name}");
        let written = Server.encode(&Output::Images(images), &ReplyCx::default());
        let written: Value = serde_json::from_slice(&written).unwrap();
        assert_eq!(written["data"][0]["b64_json"], all["response"]["body"]["data"][0]["b64_json"], "{name}");
    }
    assert!(!is_complete() || read == 3, "{read}");
}

#[test]
fn what_is_held_back_is_no_picture() {
    let (spec, memo) = (row("xai"), Memo::default());
    let cx = DecodeCx { spec: &spec, model: "m", memo: &memo };
    let body = json!({"data": [{"url": "", "respect_moderation": false}]}).to_string();
    assert_eq!(Client.decode(Op::Image, body.as_bytes(), &cx).unwrap_err().kind, ErrorKind::ContentPolicy);
    assert_eq!(Client.tap(Op::Image, body.as_bytes()).unwrap_err().kind, ErrorKind::ContentPolicy);
    for body in ["{}", "[]", "x"] {
        assert_eq!(
            Client.decode(Op::Image, body.as_bytes(), &cx).unwrap_err().kind,
            ErrorKind::UpstreamFormat
        );
    }
}
