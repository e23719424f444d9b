//! Bodies in one spelling, so that two that mean the same are equal.

use serde_json::{Map, Value, json};

/// Members whose content is the caller's own.
const FOREIGN: &[&str] = &["args", "response"];
/// Members that hold a schema: both dialects of it come to one.
const SCHEMAS: &[&str] = &["parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema"];

/// A body in one spelling: camelCase, nothing that says nothing, one form of schemas.
pub(super) fn normal(body: &Value) -> Value {
    match body {
        Value::Array(list) => Value::Array(list.iter().map(normal).collect()),
        Value::Object(members) => Value::Object(members.iter().filter_map(|(n, v)| member(n, v)).collect()),
        other => other.clone(),
    }
}

fn member(name: &str, value: &Value) -> Option<(String, Value)> {
    let name = camel(name);
    let idle =
        value.is_null() || (matches!(name.as_str(), "thought" | "includeThoughts") && *value == json!(false));
    if idle {
        return None;
    }
    Some(match name.as_str() {
        foreign if FOREIGN.contains(&foreign) => (name, value.clone()),
        schema if SCHEMAS.contains(&schema) => {
            let name = if schema.starts_with("param") { "parameters" } else { "responseSchema" };
            (name.to_owned(), lower(value))
        }
        "systemInstruction" => {
            // Its role means nothing; clients send "user", "model" or none.
            let mut value = normal(value);
            value.as_object_mut().unwrap().remove("role");
            (name, value)
        }
        "generationConfig" if normal(value) == json!({}) => return None,
        _ => (name, normal(value)),
    })
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap().to_owned();
    words.fold(first, |out, word| {
        let (head, tail) = word.split_at(1);
        out + &head.to_uppercase() + tail
    })
}

/// A schema with its types in lower case.
fn lower(schema: &Value) -> Value {
    match schema {
        Value::Array(list) => Value::Array(list.iter().map(lower).collect()),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| match value {
                Value::String(word) if name == "type" => (name.clone(), json!(word.to_lowercase())),
                Value::Number(number) if name == "type" => {
                    let types = ["", "string", "number", "integer", "boolean", "array", "object"];
                    (name.clone(), json!(types[usize::try_from(number.as_u64().unwrap()).unwrap()]))
                }
                value => (name.clone(), lower(value)),
            })
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}
