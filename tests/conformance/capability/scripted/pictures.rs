//! Pictures that are made and changed (images.md, and the pages that the rows name).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_testkit::{Received, Script};
use serde_json::{Value, json};

use super::must;
use crate::media;

/// What comes for a picture.
const MADE: &str = "YQ==";

fn is_png(data: &str) -> bool {
    STANDARD.decode(data).is_ok_and(|data| data.starts_with(b"\x89PNG"))
}

/// OpenAI's answer.
fn data() -> Script {
    Script::json(&json!({"created": 1, "data": [{"b64_json": MADE}]}))
}

fn said(body: &Value) -> Result<(), String> {
    must(body["prompt"].as_str().is_some_and(|prompt| !prompt.is_empty()), "no prompt")
}

/// OpenAI's form, wherever its base is.
pub(super) fn openai_made(request: &Received) -> Result<Script, String> {
    must(request.path().ends_with("/images/generations"), "another path")?;
    let body = request.json();
    must(body["model"].is_string() || request.path().contains("/deployments/"), "no model")?;
    said(&body)?;
    Ok(data())
}

/// The same, which says where its pictures lie.
pub(super) fn openai_named(request: &Received) -> Result<Script, String> {
    openai_made(request)?;
    Ok(Script::json(&json!({"created": 1, "data": [{"url": "https://pictures.example/1.png"}]})))
}

/// A form with a picture in a file of this name, and its texts.
fn form(request: &Received, file: &str) -> Result<Vec<(String, String)>, String> {
    let fields = media::fields(request.header("content-type").unwrap_or_default(), &request.body);
    let is_it = |name: &str| name == file || name == format!("{file}[]");
    let shown = |(name, of_file, data): &(String, Option<String>, Vec<u8>)| {
        is_it(name) && of_file.is_some() && data.starts_with(b"\x89PNG")
    };
    must(fields.iter().any(shown), "no picture")?;
    Ok(texts(fields))
}

type Field = (String, Option<String>, Vec<u8>);

fn texts(fields: Vec<Field>) -> Vec<(String, String)> {
    let texts = fields.into_iter().filter(|(_, file, _)| file.is_none());
    texts.map(|(name, _, text)| (name, String::from_utf8(text).unwrap())).collect()
}

fn has(fields: &[(String, String)], wanted: &str) -> Result<(), String> {
    must(fields.iter().any(|(name, text)| name == wanted && !text.is_empty()), format!("no {wanted}"))
}

pub(super) fn openai_changed(request: &Received) -> Result<Script, String> {
    must(request.path().ends_with("/images/edits"), "another path")?;
    let fields = form(request, "image")?;
    must(has(&fields, "model").is_ok() || request.path().contains("/deployments/"), "no model")?;
    has(&fields, "prompt")?;
    Ok(data())
}

/// A picture within JSON.
pub(super) fn xai_changed(request: &Received) -> Result<Script, String> {
    must(request.path() == "/v1/images/edits", "another path")?;
    let body = request.json();
    said(&body)?;
    must(body.pointer("/image/type") == Some(&json!("image_url")), "no kind of a picture")?;
    held(body.pointer("/image/url"))?;
    Ok(data())
}

/// A request for new pictures that refers to one.
pub(super) fn together_changed(request: &Received) -> Result<Script, String> {
    must(request.path() == "/v1/images/generations", "another path")?;
    let body = request.json();
    said(&body)?;
    held(body.get("image_url"))?;
    Ok(data())
}

/// A picture that an address holds itself.
fn held(address: Option<&Value>) -> Result<(), String> {
    let data = address.and_then(Value::as_str).and_then(|url| url.strip_prefix("data:image/png;base64,"));
    must(data.is_some_and(is_png), "no picture")
}

pub(super) fn recraft_changed(request: &Received) -> Result<Script, String> {
    must(request.path() == "/v1/images/imageToImage", "another path")?;
    let fields = form(request, "image")?;
    has(&fields, "prompt")?;
    has(&fields, "strength")?;
    Ok(data())
}

/// Fireworks names its model by the path.
pub(super) fn fireworks_made(request: &Received) -> Result<Script, String> {
    let (path, body) = (request.path(), request.json());
    must(path.ends_with("/flux-1-schnell-fp8/text_to_image"), format!("another path: {path}"))?;
    said(&body)?;
    must(body.get("model").is_none() && body.get("n").is_none(), "it knows neither word")?;
    must(request.header("accept") == Some("application/json"), "no JSON is asked for")?;
    Ok(Script::json(&json!({"id": "1", "base64": [MADE], "finishReason": "SUCCESS", "seed": 1})))
}

pub(super) fn stability_made(request: &Received) -> Result<Script, String> {
    must(request.path() == "/v2beta/stable-image/generate/core", "another path")?;
    let fields = texts(media::fields(request.header("content-type").unwrap_or_default(), &request.body));
    has(&fields, "prompt")?;
    stability(request)
}

pub(super) fn stability_changed(request: &Received) -> Result<Script, String> {
    must(request.path() == "/v2beta/stable-image/control/structure", "another path")?;
    has(&form(request, "image")?, "prompt")?;
    stability(request)
}

fn stability(request: &Received) -> Result<Script, String> {
    must(request.header("accept") == Some("application/json"), "no JSON is asked for")?;
    Ok(Script::json(&json!({"image": MADE, "finish_reason": "SUCCESS", "seed": 1})))
}

/// A turn of a conversation, with a picture in it where one is to be changed.
fn turn(request: &Received, changed: bool) -> Result<Script, String> {
    must(request.path().ends_with(":generateContent"), "another path")?;
    let body = request.json();
    let modalities = body.pointer("/generationConfig/responseModalities").and_then(Value::as_array);
    must(modalities.is_some_and(|all| all.contains(&json!("IMAGE"))), "no picture is asked for")?;
    let parts = body.pointer("/contents/0/parts").and_then(Value::as_array).ok_or("no parts")?;
    must(parts.iter().any(|part| part["text"].is_string()), "no words")?;
    let shown = |part: &Value| part.pointer("/inlineData/data").and_then(Value::as_str).is_some_and(is_png);
    must(parts.iter().any(shown) == changed, "a picture too many, or none")?;
    let part = json!({"inlineData": {"mimeType": "image/png", "data": MADE}});
    Ok(Script::json(
        &json!({"candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 1290, "totalTokenCount": 1294}}),
    ))
}

pub(super) fn gemini_made(request: &Received) -> Result<Script, String> {
    turn(request, false)
}

pub(super) fn gemini_changed(request: &Received) -> Result<Script, String> {
    turn(request, true)
}

pub(super) fn imagen_made(request: &Received) -> Result<Script, String> {
    must(request.path().ends_with(":predict"), "another path")?;
    let body = request.json();
    must(body.pointer("/instances/0/prompt").is_some_and(Value::is_string), "no prompt")?;
    Ok(Script::json(&json!({"predictions": [{"bytesBase64Encoded": MADE, "mimeType": "image/png"}]})))
}

/// Amazon's own models.
fn invoked(request: &Received) -> Result<Value, String> {
    must(request.path().ends_with("/invoke"), "another path")?;
    Ok(request.json())
}

pub(super) fn canvas_made(request: &Received) -> Result<Script, String> {
    let body = invoked(request)?;
    must(body["taskType"] == "TEXT_IMAGE", "another task")?;
    must(body.pointer("/textToImageParams/text").is_some_and(Value::is_string), "no text")?;
    Ok(Script::json(&json!({"images": [MADE]})))
}

pub(super) fn canvas_changed(request: &Received) -> Result<Script, String> {
    let body = invoked(request)?;
    must(body["taskType"] == "IMAGE_VARIATION", "another task")?;
    let params = &body["imageVariationParams"];
    must(params["text"].is_string(), "no text")?;
    must(params.pointer("/images/0").and_then(Value::as_str).is_some_and(is_png), "no picture")?;
    Ok(Script::json(&json!({"images": [MADE]})))
}

/// Pictures like another one, as many as are asked for.
pub(super) fn openai_varied(request: &Received) -> Result<Script, String> {
    must(request.path().ends_with("/images/variations"), "another path")?;
    let fields = form(request, "image")?;
    must(has(&fields, "prompt").is_err(), "it takes no words")?;
    let several = fields.iter().any(|(name, text)| name == "n" && text == "2");
    let data = vec![json!({"b64_json": MADE}); 1 + usize::from(several)];
    Ok(Script::json(&json!({"created": 1, "data": data})))
}

pub(super) fn canvas_varied(request: &Received) -> Result<Script, String> {
    let body = invoked(request)?;
    must(body["taskType"] == "IMAGE_VARIATION", "another task")?;
    let params = &body["imageVariationParams"];
    must(params.get("text").is_none(), "it takes no words")?;
    must(params.pointer("/images/0").and_then(Value::as_str).is_some_and(is_png), "no picture")?;
    let count = body["imageGenerationConfig"]["numberOfImages"].as_u64().unwrap_or(1);
    Ok(Script::json(&json!({"images": vec![MADE; usize::try_from(count).unwrap()]})))
}
