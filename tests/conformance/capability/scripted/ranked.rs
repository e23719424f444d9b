//! Orders of documents in forms of their own (embeddings-rerank.md, bedrock-converse.md).

use llm_testkit::{Received, Script};
use serde_json::{Value, json};

use super::must;
use super::vectors::ordered;

/// The texts of documents that are objects, under this name.
fn texts(list: &Value, name: &str) -> Result<(), String> {
    let all = list.as_array().ok_or("no list of documents")?;
    must(!all.is_empty() && all.iter().all(|one| one[name].is_string()), format!("a document has no {name}"))
}

/// NVIDIA's: passages, and scores without a bound.
pub(super) fn passages(request: &Received) -> Result<Script, String> {
    let path = request.path();
    must(path == "/v1/retrieval/nvidia/llama-3.2-nv-rerankqa-1b-v2/reranking", "another path")?;
    let body = request.json();
    must(body["model"].is_string() && body.pointer("/query/text").is_some(), "no model, or no query")?;
    must(body.get("top_n").is_none() && body.get("documents").is_none(), "it knows neither word")?;
    texts(&body["passages"], "text")?;
    let list = ordered(&body["passages"], &body["top_k"])?;
    let list: Vec<_> =
        list.iter().map(|(index, score)| json!({"index": index, "logit": score * 20.0 - 10.0})).collect();
    Ok(Script::json(&json!({"rankings": list})))
}

/// DeepInfra's: the query once for each document, and a bare list of scores.
pub(super) fn queries(request: &Received) -> Result<Script, String> {
    must(request.path() == "/v1/inference/Qwen/Qwen3-Reranker-8B", "another path")?;
    let body = request.json();
    let count = |name: &str| body[name].as_array().map(Vec::len).ok_or(format!("no {name}"));
    must(count("queries")? == count("documents")?, "it wants a query for each document")?;
    must(body.get("top_n").is_none() && body.get("query").is_none(), "it knows neither word")?;
    let mut scores = vec![0.0; count("documents")?];
    for (index, score) in ordered(&body["documents"], &Value::Null)? {
        scores[index] = score;
    }
    Ok(Script::json(&json!({"scores": scores, "input_tokens": 20, "request_id": "r"})))
}

/// IBM's.
pub(super) fn inputs(request: &Received) -> Result<Script, String> {
    must(request.path() == "/ml/v1/text/rerank", "another path")?;
    must(request.query().starts_with("version="), "no version")?;
    let body = request.json();
    must(body["model_id"].is_string() && body["query"].is_string(), "no model_id, or no query")?;
    must(body.get("model").is_none() && body.get("documents").is_none(), "it knows neither word")?;
    texts(&body["inputs"], "text")?;
    let most = body.pointer("/parameters/return_options/top_n").unwrap_or(&Value::Null);
    let list = ordered(&body["inputs"], most)?;
    let list: Vec<_> = list.iter().map(|(index, score)| json!({"index": index, "score": score})).collect();
    Ok(Script::json(&json!({"model_id": body["model_id"], "results": list, "input_token_count": 20})))
}

/// Amazon's, of a service beside.
pub(super) fn sources(request: &Received) -> Result<Script, String> {
    must(request.path() == "/rerank", "another path")?;
    let body = request.json();
    must(body.pointer("/queries/0/textQuery/text").is_some_and(Value::is_string), "no query")?;
    let sources = body["sources"].as_array().ok_or("no sources")?;
    let inline = |one: &Value| one["type"] == "INLINE" && one["inlineDocumentSource"].is_object();
    must(sources.iter().all(inline), "a source lies elsewhere")?;
    let asked = &body["rerankingConfiguration"]["bedrockRerankingConfiguration"];
    let arn = asked.pointer("/modelConfiguration/modelArn").and_then(Value::as_str);
    must(arn == Some("arn:aws:bedrock:us-east-1::foundation-model/cohere.rerank-v3-5:0"), "another model")?;
    let list = ordered(&body["sources"], &asked["numberOfResults"])?;
    let list: Vec<_> =
        list.iter().map(|(index, score)| json!({"index": index, "relevanceScore": score})).collect();
    Ok(Script::json(&json!({"results": list})))
}

/// Google's: the place of a document is its id.
pub(super) fn records(request: &Received) -> Result<Script, String> {
    let path = request.path();
    must(
        path == "/v1/projects/p/locations/global/rankingConfigs/default_config:rank",
        format!("another path: {path}"),
    )?;
    let body = request.json();
    must(
        body["query"].is_string() && body["model"] == "semantic-ranker-default-004",
        "no query, or no model",
    )?;
    texts(&body["records"], "content")?;
    let list = ordered(&body["records"], &body["topN"])?;
    let list: Vec<_> = list
        .iter()
        .map(|(index, score)| json!({"id": body["records"][index]["id"], "score": score}))
        .collect();
    Ok(Script::json(&json!({"records": list})))
}
