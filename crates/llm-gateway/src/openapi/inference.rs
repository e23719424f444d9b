//! Routes that answer with models, as far as they are the gateway's own: bodies are the dialects', whose vendors
//! describe them.

use http::Method;
use llm_types::Op;
use serde_json::{Value, json};

use super::{Operation, Writer, json_of};
use crate::front;

pub(super) fn write(writer: &mut Writer) {
    for (path, op, names) in front::described() {
        let (summary, tag) = match op {
            Op::Chat => ("Ask a model.", "inference"),
            Op::Embed => ("Turn texts into vectors.", "inference"),
            Op::Rerank => ("Order documents by how well they answer a query.", "inference"),
            Op::CountTokens => ("Count the tokens of a request.", "inference"),
            Op::Transcribe => ("Write down what is said.", "inference"),
            Op::Translate => ("Write down in English what is said.", "inference"),
            Op::Speech => ("Say a text.", "inference"),
            Op::Image => ("Make pictures.", "inference"),
            Op::ImageEdit => ("Change pictures.", "inference"),
            Op::Moderate => ("Tell whether content is against a policy.", "inference"),
            _ => ("Call a model.", "inference"),
        };
        let mut answer = json_of(json!({ "type": "object" }));
        if op == Op::Chat
            && let Some(kinds) = answer.as_object_mut()
        {
            kinds.insert("text/event-stream".to_owned(), json!({ "schema": { "type": "string" } }));
        }
        let required: &[&str] = if names.is_empty() { &["model"] } else { &[] };
        let body = json!({
            "type": "object",
            "required": required,
            "properties": { "model": { "type": "string" }, "stream": { "type": "boolean" } },
            "additionalProperties": true,
        });
        let id = path.trim_start_matches('/').replace(['/', ':', '{', '}'], "_");
        let operation = Operation {
            id: format!("post_{id}"),
            tag,
            summary,
            path: names,
            query: Vec::new(),
            body: Some(body),
            status: "200",
            answer,
        };
        writer.add(&path, &Method::POST, operation);
    }
    models(writer);
}

fn models(writer: &mut Writer) {
    let model = json!({
        "type": "object",
        "required": ["id"],
        "properties": { "id": { "type": "string" }, "object": { "type": "string" }, "owned_by": { "type": "string" } },
    });
    let list = json!({ "type": "object", "properties": { "data": { "type": "array", "items": model } } });
    let get = |id: &str, summary, path, answer: &Value| Operation {
        id: id.to_owned(),
        tag: "models",
        summary,
        path,
        query: Vec::new(),
        body: None,
        status: "200",
        answer: json_of(answer.clone()),
    };
    writer.add(
        "/v1/models",
        &Method::GET,
        get("list_models", "The models that may be called.", vec![], &list),
    );
    let one = get("get_model", "One of them.", vec!["id"], &model);
    writer.add("/v1/models/{id}", &Method::GET, one);
}
