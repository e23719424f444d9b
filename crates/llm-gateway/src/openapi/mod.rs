//! `GET /openapi.json`: what can be asked of the gateway, for programs.
//!
//! The schemas are those of the types that read bodies and write answers, so that document and behaviour cannot part.
//! Every admin action has to describe itself here before it compiles.

mod admin;
mod inference;

use std::sync::OnceLock;

use llm_admin::parameter::Parameter;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// Where schemas are kept in the document.
const SCHEMAS: &str = "/components/schemas";

/// The document.
pub(crate) fn document() -> &'static str {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    DOCUMENT.get_or_init(|| Writer::new().document().to_string())
}

/// The schema of a type, or a reference to it.
type Of = fn(&mut SchemaGenerator) -> Schema;

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Something that can be asked.
#[derive(Debug)]
struct Operation {
    /// Unique in the document.
    id: String,
    tag: &'static str,
    summary: &'static str,
    /// Names of the path's and the query's parameters.
    path: Vec<&'static str>,
    query: Vec<Parameter>,
    body: Option<Value>,
    status: &'static str,
    answer: Value,
}

/// Puts the document together.
struct Writer {
    bodies: SchemaGenerator,
    answers: SchemaGenerator,
    paths: Map<String, Value>,
}

impl Writer {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = SCHEMAS.into();
                settings.meta_schema = None;
            })
        };
        Self {
            bodies: settings().for_deserialize().into_generator(),
            answers: settings().for_serialize().into_generator(),
            paths: Map::new(),
        }
    }

    fn body(&mut self, of: Of) -> Value {
        of(&mut self.bodies).to_value()
    }

    fn answer(&mut self, of: Of) -> Value {
        of(&mut self.answers).to_value()
    }

    fn add(&mut self, path: &str, method: &http::Method, operation: Operation) {
        let Operation { id, tag, summary, path: names, query, body, status, answer } = operation;
        let in_path = names.iter().map(|name| {
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 } })
        });
        let in_query = query.iter().map(|Parameter { name, about, kind }| {
            json!({ "name": name, "in": "query", "description": about, "schema": kind.schema() })
        });
        let parameters: Vec<_> = in_path.chain(in_query).collect();
        let mut value = json!({
            "operationId": id,
            "tags": [tag],
            "summary": summary,
            "parameters": parameters,
            "responses": {
                status: { "description": "Done.", "content": answer },
                "default": { "$ref": "#/components/responses/Error" },
            },
        });
        if let (Some(body), Some(members)) = (body, value.as_object_mut()) {
            let content = json!({ "application/json": { "schema": body } });
            members.insert("requestBody".to_owned(), json!({ "content": content }));
        }
        let entry = self.paths.entry(path).or_insert_with(|| json!({}));
        if let Some(methods) = entry.as_object_mut() {
            methods.insert(method.as_str().to_ascii_lowercase(), value);
        }
    }

    fn document(mut self) -> Value {
        inference::write(&mut self);
        admin::write(&mut self);
        let mut schemas = self.bodies.take_definitions(true);
        schemas.extend(self.answers.take_definitions(true));
        schemas.insert("Error".to_owned(), error());
        let error = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } });
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "AI gateway",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "Models of many providers behind one API, and what administers it.",
            },
            "servers": [{ "url": "/" }],
            "security": [{ "bearer": [] }, { "x-api-key": [] }],
            "paths": self.paths,
            "components": {
                "schemas": schemas,
                "responses": { "Error": { "description": "It was refused or failed.", "content": error } },
                "securitySchemes": {
                    "bearer": { "type": "http", "scheme": "bearer" },
                    "x-api-key": { "type": "apiKey", "in": "header", "name": "x-api-key" },
                },
            },
        })
    }
}

/// The shape of failures.
fn error() -> Value {
    json!({
        "type": "object",
        "required": ["error"],
        "properties": { "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": { "type": "string" },
                "type": { "type": "string" },
                "param": { "type": ["string", "null"], "description": "The member or parameter at fault." },
                "code": { "type": ["string", "null"] },
            },
        } },
    })
}

/// A body or an answer in JSON.
fn json_of(schema: Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_lead_somewhere_and_ids_are_unique() {
        let document: Value = serde_json::from_str(document()).unwrap();
        let mut references = Vec::new();
        fn collect(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(members) => {
                    found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                    members.values().for_each(|value| collect(value, found));
                }
                Value::Array(items) => items.iter().for_each(|value| collect(value, found)),
                _ => {}
            }
        }
        collect(&document, &mut references);
        assert!(references.len() > 50, "{}", references.len());
        for reference in &references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        let mut ids: Vec<_> = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|methods| methods.as_object().unwrap().values())
            .map(|operation| operation["operationId"].as_str().unwrap().to_owned())
            .collect();
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count);
        for path in
            ["/v1/chat/completions", "/v1/messages", "/admin/v1/keys/{id}/rotate", "/admin/v1/budgets"]
        {
            assert!(document["paths"][path].is_object(), "{path}");
        }
        let form = &document["components"]["schemas"]["KeyForm"];
        assert_eq!(form["additionalProperties"], false, "{form}");
        assert!(document["components"]["schemas"]["KeyView"]["properties"]["budgets"].is_object());
    }
}
