//! Pictures: what a client asks for in OpenAI's words, as each provider is asked for it.

mod bedrock;
mod others;

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method};
use llm_types::{Call, Changes, Dialect, Images, Op, Output, Result, Upload};
use serde_json::{Value, json};

use crate::codec::{Asked, ClientCodec, DecodeCx, EncodeCx, Memo, ServerCodec as _};
use crate::dialect::{client, openai_images};
use crate::form::{self, Form};
use crate::table::ProviderTable;

/// A call as it goes out.
#[derive(Debug)]
struct Sent {
    path: String,
    /// The members of JSON, or the fields of a form; files as their text.
    body: Value,
    changes: String,
    memo: Memo,
}

fn name(model: &str) -> (&str, &str) {
    model.split_once('/').unwrap()
}

fn codec(model: &str, op: Op) -> (&'static dyn ClientCodec, std::sync::Arc<llm_types::ProviderSpec>) {
    let (provider, model) = name(model);
    let spec = ProviderTable::builtin().get(provider).unwrap().clone();
    let dialect = spec.dialect_for(op, Some(Dialect::OpenaiImages), model);
    (client(dialect).unwrap(), spec)
}

fn go(model: &str, body: &[u8], asked: &Asked) -> Result<Sent> {
    let mut call = openai_images::Server.decode_shared(&Bytes::copy_from_slice(body), asked)?;
    let (codec, spec) = codec(model, asked.op);
    let (_, model) = name(model);
    assert!(spec.offers(asked.op, model), "{} offers no {} for {model}", spec.name, asked.op);
    call.set_model(model);
    let mut changes = Changes::default();
    let mut cx = EncodeCx { spec: &spec, model, asked, changes: &mut changes };
    let wire = codec.encode(&call, &mut cx)?;
    assert_eq!(wire.method, Method::POST);
    let bytes = wire.body.to_bytes();
    let body = if form::is_form(&wire.headers) {
        let fields = form::read(&wire.headers, &bytes).unwrap();
        let field = |field: &form::Field| {
            (field.name.clone(), String::from_utf8_lossy(&field.file.data).into_owned())
        };
        json!(fields.iter().map(field).collect::<BTreeMap<_, _>>())
    } else {
        serde_json::from_slice(&bytes).unwrap()
    };
    Ok(Sent { path: wire.path, body, changes: changes.header(), memo: wire.memo })
}

/// New pictures.
fn make(model: &str, mut body: Value) -> Result<Sent> {
    body["model"] = json!("m");
    if body.get("prompt").is_none() {
        body["prompt"] = json!("a lighthouse");
    }
    let asked = Asked { dialect: Some(Dialect::OpenaiImages), ..Asked::of(Op::Image) };
    go(model, body.to_string().as_bytes(), &asked)
}

/// Changed or varied pictures, by a form; `image` and `mask` are files.
fn change(op: Op, model: &str, fields: &[(&str, &str)]) -> Result<Sent> {
    let mut form = Form::default();
    form.text("model", "m");
    for (name, text) in fields {
        if matches!(*name, "image" | "image[]" | "mask") {
            let file =
                Upload { kind: "image/png".to_owned(), ..Upload::new("a.png", text.as_bytes().to_vec()) };
            form.file(name, &file);
        } else {
            form.text(name, text);
        }
    }
    let (kind, body) = form.finish().unwrap();
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
    let asked = Asked { dialect: Some(Dialect::OpenaiImages), headers, ..Asked::of(op) };
    go(model, &body.to_bytes(), &asked)
}

fn edit(model: &str, fields: &[(&str, &str)]) -> Result<Sent> {
    change(Op::ImageEdit, model, fields)
}

/// An answer, read.
fn read(model: &str, sent: &Sent, body: &Value) -> Result<Images> {
    let (codec, spec) = codec(model, Op::Image);
    let cx = DecodeCx { spec: &spec, model: name(model).1, memo: &sent.memo };
    match codec.decode(Op::Image, body.to_string().as_bytes(), &cx)? {
        Output::Images(images) => Ok(*images),
        other => panic!("{other:?}"),
    }
}

/// The pictures of an answer in base64.
fn shown(images: &Images) -> Vec<&str> {
    images.data.iter().filter_map(|image| image.base64.as_deref()).collect()
}

/// Which member an error is about.
fn param<T: std::fmt::Debug>(result: Result<T>) -> Option<String> {
    result.unwrap_err().param.clone()
}

#[test]
fn a_form_s_numbers_are_numbers_and_its_texts_are_texts() {
    let fields = [
        ("prompt", "p"),
        ("image", "I"),
        ("seed", "7"),
        ("style_id", "007"),
        ("flag", "true"),
        ("box", "{\"a\": 1}"),
        ("word", "null"),
    ];
    let asked = |kind: HeaderValue| Asked {
        headers: HeaderMap::from_iter([(CONTENT_TYPE, kind)]),
        ..Asked::of(Op::ImageEdit)
    };
    let mut form = Form::default();
    form.text("model", "m");
    for (name, text) in fields {
        if name == "image" { form.file(name, &Upload::new("a", text)) } else { form.text(name, text) }
    }
    let (kind, body) = form.finish().unwrap();
    let Call::Image(request) = openai_images::Server.decode_shared(&body.to_bytes(), &asked(kind)).unwrap()
    else {
        panic!()
    };
    let json: Value = serde_json::to_value(&request.extra).unwrap();
    assert_eq!(json, json!({"seed": 7, "style_id": "007", "flag": true, "box": {"a": 1}, "word": "null"}));
    // To who takes a form they go as they came.
    let sent = edit("openai/gpt-image-1", &fields).unwrap();
    for (name, text) in fields {
        assert_eq!(sent.body[name], text);
    }
}

#[test]
fn an_edit_in_json_may_hold_its_mask() {
    let data = |text: &str| json!({"image_url": format!("data:image/png;base64,{text}")});
    let body = json!({"model": "m", "prompt": "p", "images": [data("SQ==")], "mask": data("TQ==")});
    let asked = Asked { dialect: Some(Dialect::OpenaiImages), ..Asked::of(Op::ImageEdit) };
    let sent = go("bedrock/amazon.nova-canvas-v1:0", body.to_string().as_bytes(), &asked).unwrap();
    assert_eq!(sent.body["inPaintingParams"], json!({"image": "SQ==", "maskImage": "TQ==", "text": "p"}));
    assert!(!sent.changes.contains("dropped"), "{}", sent.changes);
    // At an address nobody reads it.
    let mut elsewhere = body.clone();
    elsewhere["mask"] = json!({"image_url": "https://pictures.example/m.png"});
    let refused = go("bedrock/amazon.nova-canvas-v1:0", elsewhere.to_string().as_bytes(), &asked);
    assert_eq!(param(refused).as_deref(), Some("mask"));
}
