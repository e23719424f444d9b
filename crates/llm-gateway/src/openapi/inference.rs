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
    files(writer);
}

/// Files and batches; a file is sent as a form.
fn files(writer: &mut Writer) {
    let batch = json!({
        "type": "object",
        "required": ["input_file_id", "endpoint", "completion_window"],
        "properties": {
            "input_file_id": { "type": "string" },
            "endpoint": { "type": "string" },
            "completion_window": { "type": "string" },
            "metadata": { "type": "object", "additionalProperties": { "type": "string" } },
        },
        "additionalProperties": true,
    });
    let object = || json_of(json!({ "type": "object" }));
    let bytes = json!({ "application/octet-stream": { "schema": { "type": "string", "format": "binary" } } });
    let (get, post) = (Method::GET, Method::POST);
    let rows = [
        ("/v1/files", &post, "upload_file", "Send a file, as a form with `file` and `purpose`.", object()),
        ("/v1/files", &get, "list_files", "The files of this key.", object()),
        ("/v1/files/{id}", &get, "get_file", "A file, without what it holds.", object()),
        ("/v1/files/{id}", &Method::DELETE, "delete_file", "Delete a file.", object()),
        ("/v1/files/{id}/content", &get, "get_file_content", "What a file holds.", bytes),
        (
            "/v1/batches",
            &post,
            "create_batch",
            "Have the requests of a file answered within a day.",
            object(),
        ),
        ("/v1/batches", &get, "list_batches", "The batches of this key.", object()),
        ("/v1/batches/{id}", &get, "get_batch", "How a batch stands.", object()),
        ("/v1/batches/{id}/cancel", &post, "cancel_batch", "Cancel a batch.", object()),
    ];
    for (path, method, id, summary, answer) in rows {
        let operation = Operation {
            id: id.to_owned(),
            tag: "files",
            summary,
            path: if path.contains("{id}") { vec!["id"] } else { Vec::new() },
            query: Vec::new(),
            body: (id == "create_batch").then(|| batch.clone()),
            status: "200",
            answer,
        };
        writer.add(path, method, operation);
    }
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
