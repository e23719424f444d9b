//! Providers that make pictures like one (images.md): a form goes in, whatever goes out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use http_body_util::Full;
use llm_testkit::{Received, Script, Upstream};
use llm_types::Op;
use serde_json::{Value, json};

use super::Features;
use crate::capability::scripted::deploy;
use crate::capability::{Mark, Matrix};
use crate::lab::Lab;

pub(super) const FEATURES: Features = &[
    ("picture", "a picture brings one like it"),
    ("n", "several at once"),
    ("usage", "what was made is booked, by the number of pictures"),
];

/// Who makes them.
pub(super) const MODELS: &[&str] =
    &["openai/dall-e-2", "bedrock/amazon.nova-canvas-v1:0", "litellm_proxy/dall-e-2"];

/// A red square, as a PNG.
const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAKklEQVR42mO4IydHU8QwasGoBaMWjFowasGoBaMWjFowasGoBaMWDBULAJI2YD30P/0LAAAAAElFTkSuQmCC";
/// What is between the fields of a form.
const BOUNDARY: &str = "between-the-fields";

fn answer(request: &Received) -> Script {
    let made = |count: usize| vec!["YQ=="; count];
    if request.path().ends_with("/images/variations") && holds_picture(&request.body) {
        let text = String::from_utf8_lossy(&request.body);
        let several = text.contains("name=\"n\"\r\n\r\n2\r\n");
        let data: Vec<Value> =
            made(1 + usize::from(several)).iter().map(|data| json!({"b64_json": data})).collect();
        return Script::json(&json!({"created": 1, "data": data}));
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let like = body["imageVariationParams"]["images"] == json!([PICTURE]);
    if request.path().ends_with("/invoke") && body["taskType"] == "IMAGE_VARIATION" && like {
        let count = body["imageGenerationConfig"]["numberOfImages"].as_u64().unwrap_or(1);
        return Script::json(&json!({"images": made(usize::try_from(count).unwrap())}));
    }
    Script::status(500).json_body(&json!({"error": {"message": format!("{}?", request.target)}}))
}

/// Whether the picture lies in a form, as a file with its bytes.
fn holds_picture(form: &[u8]) -> bool {
    let picture = STANDARD.decode(PICTURE).unwrap();
    form.windows(picture.len()).any(|window| window == picture)
}

/// Asks each. What is wrong.
pub(super) async fn run(lab: &Lab, matrix: &mut Matrix) -> Vec<String> {
    let mut problems = Vec::new();
    for model in MODELS {
        let provider = model.split_once('/').unwrap().0;
        let upstream = Upstream::start().unwrap();
        upstream.on("/*", answer);
        deploy(lab, model, &upstream);
        for (feature, _) in FEATURES {
            match asked(lab, feature).await {
                Ok(()) => matrix.note(provider, (Op::ImageVariation, feature), Mark::Reference),
                Err(why) => problems.push(format!("{model}: image_variation {feature}: {why}")),
            }
        }
    }
    problems
}

async fn asked(lab: &Lab, feature: &str) -> Result<(), String> {
    let count = if feature == "picture" { 1 } else { 2 };
    let _ = lab.booked();
    let answer = lab.send(form(lab, count)).await;
    let shown: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let data = shown["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    let right =
        answer.status == 200 && data.len() == count && data.iter().all(|one| one["b64_json"] == "YQ==");
    if !right {
        return Err(answer.text());
    }
    if feature == "usage" {
        let rows = lab.booked();
        let pictures: Vec<_> = rows.iter().map(|row| row.usage.units.images).collect();
        return if pictures == [2] { Ok(()) } else { Err(format!("booked as {pictures:?}")) };
    }
    Ok(())
}

fn form(lab: &Lab, count: usize) -> Request<Full<bytes::Bytes>> {
    let mut body = Vec::new();
    let fields =
        [("model", "m".to_owned()), ("n", count.to_string()), ("response_format", "b64_json".to_owned())];
    for (name, value) in fields {
        let field =
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend(field.bytes());
    }
    let head =
        "Content-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\nContent-Type: image/png";
    body.extend(format!("--{BOUNDARY}\r\n{head}\r\n\r\n").bytes());
    body.extend(STANDARD.decode(PICTURE).unwrap());
    body.extend(format!("\r\n--{BOUNDARY}--\r\n").bytes());
    Request::post(format!("{}/v1/images/variations", lab.origin()))
        .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .body(Full::from(body))
        .unwrap()
}
