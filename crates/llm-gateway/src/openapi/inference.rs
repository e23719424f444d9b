//! Routes that answer with models, as far as they are the gateway's own: bodies are the dialects', whose vendors
//! describe them.

use http::Method;
use llm_admin::parameter::{Parameter, text};
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
            Op::ImageVariation => ("Make pictures like another.", "inference"),
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
    others(writer);
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

/// A route whose bodies somebody else describes, or that has none.
struct Other {
    method: Method,
    path: &'static str,
    summary: &'static str,
    tag: &'static str,
    /// Parameters of the path.
    names: &'static [&'static str],
    query: &'static [Parameter],
    status: &'static str,
}

fn other(method: Method, path: &'static str, summary: &'static str) -> Other {
    Other { method, path, summary, tag: "inference", names: &["id"], query: &[], status: "200" }
}

fn own(method: Method) -> Other {
    let summary = "Call a provider's own API: docs/own-api.md.";
    Other { tag: "own APIs", names: &["provider", "path"], ..other(method, "/v1/{provider}/{path}", summary) }
}

fn health(path: &'static str, summary: &'static str) -> Other {
    Other { tag: "operations", names: &[], ..other(Method::GET, path, summary) }
}

/// Every route that is no front, no list of models and none of the admin API's.
fn all_others() -> [Other; 15] {
    let google = "The models that may be called, as Google lists them.";
    [
        other(Method::GET, "/v1/responses/{id}", "A stored response."),
        other(Method::DELETE, "/v1/responses/{id}", "Delete a stored response."),
        other(Method::POST, "/v1/responses/{id}/cancel", "Stop a response in the background."),
        other(Method::GET, "/v1/responses/{id}/input_items", "What a stored response was asked."),
        Other {
            names: &[],
            query: &MODEL,
            status: "101",
            ..other(Method::GET, "/v1/realtime", "A session over a WebSocket.")
        },
        own(Method::GET),
        own(Method::POST),
        own(Method::PUT),
        own(Method::PATCH),
        own(Method::DELETE),
        own(Method::HEAD),
        health("/health/live", "Whether the process lives; needs no key."),
        health("/health/ready", "Whether it takes requests; needs no key."),
        Other { names: &[], ..other(Method::GET, "/v1beta/models", google) },
        other(Method::GET, "/v1beta/models/{id}", "One of them."),
    ]
}

/// Which model a session is with.
const MODEL: [Parameter; 1] = [text("model", "The model.")];

fn others(writer: &mut Writer) {
    for Other { method, path, summary, tag, names, query, status } in all_others() {
        let id = format!("{}{}", method.as_str().to_ascii_lowercase(), path.replace('/', "_"));
        let operation = Operation {
            id: id.replace(['{', '}'], ""),
            tag,
            summary,
            path: names.to_vec(),
            query: query.to_vec(),
            body: None,
            status,
            answer: json!({ "*/*": {} }),
        };
        writer.add(path, &method, operation);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::{Route, route};

    /// All that the document has, with something in the place of each parameter.
    fn documented() -> Vec<(Method, String, String)> {
        let document: Value = serde_json::from_str(crate::openapi::document()).unwrap();
        let mut all = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                let filled = path.replace("{provider}", "openai").replace("{path}", "x/y");
                let filled = filled.replace("{id}", "abc").replace("{model}", "m");
                all.push((method.to_uppercase().parse().unwrap(), filled, path.clone()));
            }
        }
        all
    }

    #[test]
    fn what_is_documented_is_served_and_what_is_served_is_documented() {
        let documented = documented();
        // Each kind of route: adding one here needs its rows in the document.
        let kind = |route: &Route<'_>| match route {
            Route::Inference(..) => "inference",
            Route::Kept(..) => "kept",
            Route::Files(_) => "files",
            Route::Realtime => "realtime",
            Route::Through(..) => "through",
            Route::Models(_) => "models",
            Route::Model(..) => "model",
            Route::Live => "live",
            Route::Ready => "ready",
            Route::Admin => "admin",
        };
        let kinds: std::collections::BTreeSet<_> = documented
            .iter()
            .map(|(method, filled, path)| match route(method, filled) {
                Ok(route) => kind(&route),
                Err(refused) => panic!("{method} {path}: {}", refused.error),
            })
            .collect();
        let expect = [
            "admin",
            "files",
            "inference",
            "kept",
            "live",
            "model",
            "models",
            "ready",
            "realtime",
            "through",
        ];
        assert_eq!(Vec::from_iter(kinds), expect);
        let has =
            |method: &Method, path: &str| documented.iter().any(|(m, _, p)| (m, &**p) == (method, path));
        for row in crate::admin::rows() {
            let path = row.tail.map_or(row.head.to_owned(), |tail| format!("{}{{id}}{tail}", row.head));
            assert!(has(&row.method, &path), "{} {path}", row.method);
        }
        for (path, ..) in front::described() {
            assert!(has(&Method::POST, &path), "{path}");
        }
        for path in
            ["/v1/files", "/v1/files/{id}", "/v1/batches", "/v1/batches/{id}", "/v1/batches/{id}/cancel"]
        {
            for method in [Method::GET, Method::POST, Method::DELETE] {
                let served = matches!(route(&method, &path.replace("{id}", "abc")), Ok(Route::Files(_)));
                assert_eq!(served, has(&method, path), "{method} {path}");
            }
        }
        for below in ["", "/cancel", "/input_items"] {
            for method in [Method::GET, Method::POST, Method::DELETE] {
                let served =
                    matches!(route(&method, &format!("/v1/responses/abc{below}")), Ok(Route::Kept(..)));
                let path = format!("/v1/responses/{{id}}{below}");
                assert_eq!(served, has(&method, &path), "{method} {path}");
            }
        }
    }
}
