//! Vectors and orders of documents.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_testkit::{Received, Script};
use serde_json::{Value, json};

use super::must;

/// How long vectors are that nobody has chosen the length of.
const USUAL: u64 = 8;

/// A vector for a text: its numbers fit into signed bytes too.
fn numbers(text: &str, length: &Value) -> Vec<i8> {
    let first = text.len() as u64;
    let length = length.as_u64().unwrap_or(USUAL);
    (0..length).map(|at| i8::try_from((first + at) % 100).unwrap()).collect()
}

fn texts(list: &Value) -> Result<Vec<String>, String> {
    let list = list.as_array().ok_or("there is no list of texts")?;
    list.iter()
        .map(|text| text.as_str().map(str::to_owned).ok_or_else(|| format!("{text} is no text")))
        .collect()
}

/// OpenAI's form, with the words for the length of vectors and for how numbers are written.
fn openai_form(request: &Received, length: &str, form: &str) -> Result<Script, String> {
    must(request.path().ends_with("/embeddings"), "another path")?;
    let body = request.json();
    must(body["model"].is_string() || request.path().contains("/deployments/"), "no model")?;
    must(length == "dimensions" || body.get("dimensions").is_none(), "it knows no `dimensions`")?;
    let vector = |text: &str| -> Result<Value, String> {
        let numbers = numbers(text, &body[length]);
        match body[form].as_str() {
            None | Some("float") => Ok(json!(numbers)),
            Some("base64") => {
                let bytes: Vec<u8> =
                    numbers.iter().flat_map(|number| f32::from(*number).to_le_bytes()).collect();
                Ok(STANDARD.encode(bytes).into())
            }
            Some(other) => Err(format!("{other}?")),
        }
    };
    let data = texts(&body["input"])?
        .into_iter()
        .enumerate()
        .map(|(index, text)| Ok(json!({"object": "embedding", "index": index, "embedding": vector(&text)?})));
    Ok(Script::json(
        &json!({"object": "list", "data": data.collect::<Result<Vec<_>, String>>()?, "model": "m",
        "usage": {"prompt_tokens": 6, "total_tokens": 6}}),
    ))
}

pub(super) fn openai(request: &Received) -> Result<Script, String> {
    openai_form(request, "dimensions", "encoding_format")
}

/// Mistral and Voyage.
pub(super) fn output_dimension(request: &Received) -> Result<Script, String> {
    openai_form(request, "output_dimension", "encoding_format")
}

/// Jina names the form of numbers otherwise.
pub(super) fn jina(request: &Received) -> Result<Script, String> {
    must(request.json().get("encoding_format").is_none(), "it knows no `encoding_format`")?;
    openai_form(request, "dimensions", "embedding_type")
}

/// Inputs, and results of another name (cloud.ibm.com/apidocs/watsonx-ai#text-embeddings).
pub(super) fn watsonx(request: &Received) -> Result<Script, String> {
    must(request.path() == "/ml/v1/text/embeddings", "another path")?;
    let body = request.json();
    must(body["model_id"].is_string() && body["project_id"] == "p", "no model or project")?;
    must(body.get("encoding_format").is_none() && body.get("dimensions").is_none(), "another member")?;
    let list: Vec<_> = texts(&body["inputs"])?
        .iter()
        .map(|text| json!({"embedding": numbers(text, &Value::Null)}))
        .collect();
    Ok(Script::json(&json!({"model_id": body["model_id"], "results": list, "input_token_count": 6})))
}

/// Signed bytes in base64.
pub(super) fn perplexity(request: &Received) -> Result<Script, String> {
    must(request.path() == "/v1/embeddings", "another path")?;
    let body = request.json();
    must(body["encoding_format"].as_str().is_none_or(|form| form == "base64_int8"), "another form")?;
    let data = texts(&body["input"])?.into_iter().enumerate().map(|(index, text)| {
        let bytes: Vec<u8> =
            numbers(&text, &body["dimensions"]).iter().map(|number| number.cast_unsigned()).collect();
        json!({"object": "embedding", "index": index, "embedding": STANDARD.encode(bytes)})
    });
    Ok(Script::json(&json!({"object": "list", "data": data.collect::<Vec<_>>(), "model": "m",
        "usage": {"prompt_tokens": 6, "total_tokens": 6}})))
}

pub(super) fn gemini(request: &Received) -> Result<Script, String> {
    must(request.path().ends_with(":batchEmbedContents"), "another path")?;
    let body = request.json();
    let list = body["requests"].as_array().ok_or("no requests")?;
    let one = |asked: &Value| {
        let text = asked.pointer("/content/parts/0/text").and_then(Value::as_str).ok_or("no text")?;
        Ok(json!({"values": numbers(text, &asked["outputDimensionality"])}))
    };
    let list = list.iter().map(one).collect::<Result<Vec<_>, String>>()?;
    Ok(Script::json(&json!({"embeddings": list})))
}

pub(super) fn vertex(request: &Received) -> Result<Script, String> {
    must(request.path().ends_with(":predict"), "another path")?;
    let body = request.json();
    let one = |asked: &Value| {
        let text = asked["content"].as_str().ok_or("no content")?;
        let length = body.pointer("/parameters/outputDimensionality").unwrap_or(&Value::Null);
        Ok(
            json!({"embeddings": {"values": numbers(text, length), "statistics": {"token_count": 3, "truncated": false}}}),
        )
    };
    let list = body["instances"].as_array().ok_or("no instances")?;
    let list = list.iter().map(one).collect::<Result<Vec<_>, String>>()?;
    Ok(Script::json(&json!({"predictions": list})))
}

pub(super) fn cohere(request: &Received) -> Result<Script, String> {
    must(request.path() == "/v2/embed", "another path")?;
    let body = request.json();
    must(body["embedding_types"] == json!(["float"]) && body["input_type"].is_string(), "types are missing")?;
    let list: Vec<_> =
        texts(&body["texts"])?.iter().map(|text| numbers(text, &body["output_dimension"])).collect();
    Ok(Script::json(&json!({"id": "e", "embeddings": {"float": list}, "texts": body["texts"],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 6}}})))
}

/// HuggingFace's router: a bare list.
pub(super) fn pipeline(request: &Received) -> Result<Script, String> {
    must(request.path() == "/hf-inference/models/BAAI/bge-m3/pipeline/feature-extraction", "another path")?;
    let body = request.json();
    must(body.get("input").is_none() && body.get("dimensions").is_none(), "it knows neither word")?;
    let list: Vec<_> = texts(&body["inputs"])?.iter().map(|text| numbers(text, &Value::Null)).collect();
    Ok(Script::json(&json!(list)))
}

/// An endpoint of SageMaker that runs such a pipeline.
pub(super) fn endpoint(request: &Received) -> Result<Script, String> {
    must(request.path() == "/endpoints/m/invocations", "another path")?;
    let body = request.json();
    must(body.get("input").is_none() && body.get("model").is_none(), "it knows neither word")?;
    let list: Vec<_> = texts(&body["inputs"])?.iter().map(|text| numbers(text, &Value::Null)).collect();
    Ok(Script::json(&json!({"embedding": list})))
}

pub(super) fn ollama(request: &Received) -> Result<Script, String> {
    must(request.path() == "/api/embed", "another path")?;
    let body = request.json();
    let list: Vec<_> = texts(&body["input"])?.iter().map(|text| numbers(text, &body["dimensions"])).collect();
    Ok(Script::json(&json!({"model": "m", "embeddings": list, "total_duration": 1, "prompt_eval_count": 6})))
}

/// One text at a time.
pub(super) fn titan(request: &Received) -> Result<Script, String> {
    must(request.path().ends_with("/invoke"), "another path")?;
    let body = request.json();
    let text = body["inputText"].as_str().ok_or("no inputText")?;
    Ok(Script::json(&json!({"embedding": numbers(text, &body["dimensions"]), "inputTextTokenCount": 3})))
}

/// What a server says of an order: places and scores, the best first.
pub(super) fn ordered(documents: &Value, most: &Value) -> Result<Vec<(usize, f64)>, String> {
    let count = documents.as_array().ok_or("no documents")?.len();
    let most = most.as_u64().map_or(count, |most| usize::try_from(most).unwrap());
    Ok([(1, 0.9), (0, 0.2), (2, 0.1)].into_iter().filter(|(index, _)| *index < count).take(most).collect())
}

/// Cohere's form, at any path that ends so.
pub(super) fn rerank(request: &Received) -> Result<Script, String> {
    must(request.path().ends_with("/rerank"), "another path")?;
    let body = request.json();
    must(body["query"].is_string() && body["model"].is_string(), "no query, or no model")?;
    let list = ordered(&body["documents"], &body["top_n"])?;
    let list: Vec<_> =
        list.iter().map(|(index, score)| json!({"index": index, "relevance_score": score})).collect();
    Ok(Script::json(&json!({"id": "r", "results": list, "meta": {"billed_units": {"search_units": 1}}})))
}

/// Voyage's words.
pub(super) fn top_k(request: &Received) -> Result<Script, String> {
    must(request.path().ends_with("/rerank"), "another path")?;
    let body = request.json();
    must(body.get("top_n").is_none(), "it knows no `top_n`")?;
    let list = ordered(&body["documents"], &body["top_k"])?;
    let list: Vec<_> =
        list.iter().map(|(index, score)| json!({"index": index, "relevance_score": score})).collect();
    Ok(Script::json(&json!({"object": "list", "data": list, "model": "m", "usage": {"total_tokens": 20}})))
}

/// HuggingFace's servers: all documents are told, in a bare list.
pub(super) fn texts_ranked(request: &Received) -> Result<Script, String> {
    must(request.path().ends_with("/rerank"), "another path")?;
    let body = request.json();
    must(body.get("documents").is_none() && body.get("top_n").is_none(), "it knows neither word")?;
    let list = ordered(&body["texts"], &Value::Null)?;
    Ok(Script::json(
        &list.iter().map(|(index, score)| json!({"index": index, "score": score})).collect::<Value>(),
    ))
}
