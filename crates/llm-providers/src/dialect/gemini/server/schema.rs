//! Schemas in the OpenAPI subset as JSON Schema.
//!
//! The subset writes types in capitals (or as numbers), `nullable` for a union with `null`, and counts as
//! texts. Names of properties are the caller's own and stay, and so does their order: a model writes its
//! answer in it.

use llm_types::{ApiError, Extra, RawValue, Result, Str, wire_struct};
use serde::Serialize;

use super::super::encode::camel;

/// The deepest nesting that is read; what is deeper stays as it is.
const DEPTH_LIMIT: usize = 64;
/// Names of `Type` by number.
const TYPES: &[&str] = &["", "string", "number", "integer", "boolean", "array", "object", "null"];
/// Keywords that are also written in snake_case.
const KEYWORDS: &[&str] = &[
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
    "anyOf",
    "propertyOrdering",
    "additionalProperties",
    "prefixItems",
];
/// Keywords that count; protocol buffers write such numbers as texts.
const COUNTS: &[&str] = &["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"];

wire_struct! {
    /// An object of which nothing is known.
    struct Object<'a> {}
}

/// The schema as JSON Schema.
///
/// # Errors
/// When it is not an object.
pub(super) fn json_schema(schema: &RawValue) -> Result<Box<RawValue>> {
    object(schema, 0).ok_or_else(|| ApiError::bad_request("a schema must be a JSON object"))
}

fn raw(value: &impl Serialize) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(value).ok()
}

fn is_object(json: &RawValue) -> bool {
    json.get().starts_with('{')
}

/// A schema; what is none, or lies too deep, stays as it is.
fn convert(schema: &RawValue, depth: usize) -> Box<RawValue> {
    let deep = depth > DEPTH_LIMIT || !is_object(schema);
    let converted = if deep { None } else { object(schema, depth) };
    converted.unwrap_or_else(|| schema.to_owned())
}

fn object(schema: &RawValue, depth: usize) -> Option<Box<RawValue>> {
    let members: Object<'_> = serde_json::from_str(schema.get()).ok()?;
    let mut out = Extra::default();
    let mut nullable = false;
    for (name, value) in members.extra.iter() {
        let spelled = camel(name);
        let name = if KEYWORDS.contains(&spelled.as_str()) { spelled.as_str() } else { name };
        let value = match name {
            "nullable" => {
                nullable = value.get() == "true";
                continue;
            }
            // Says what `enum` beside it says.
            "format" if value.get() == "\"enum\"" => continue,
            "type" => kind(value),
            "properties" | "$defs" | "definitions" => each_member(value, depth + 1),
            "items" | "additionalProperties" => Some(convert(value, depth + 1)),
            "anyOf" | "oneOf" | "allOf" | "prefixItems" => each(value, |one| convert(one, depth + 1)),
            count if COUNTS.contains(&count) => number(value),
            _ => None,
        }
        .unwrap_or_else(|| value.to_owned());
        out.set(name, value);
    }
    if nullable {
        allow_null(&mut out);
    }
    raw(&out)
}

fn each_member(map: &RawValue, depth: usize) -> Option<Box<RawValue>> {
    let members: Object<'_> = serde_json::from_str(map.get()).ok()?;
    let mut out = Extra::default();
    for (name, schema) in members.extra.iter() {
        out.set(name, convert(schema, depth));
    }
    raw(&out)
}

fn list(json: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(json.get()).ok()
}

fn each(json: &RawValue, convert: impl Fn(&RawValue) -> Box<RawValue>) -> Option<Box<RawValue>> {
    let converted: Vec<Box<RawValue>> = list(json)?.into_iter().map(convert).collect();
    raw(&converted)
}

/// The name of a type in lower case.
fn kind(json: &RawValue) -> Option<Box<RawValue>> {
    if let Some(name) = text(json) {
        return raw(&name.to_lowercase());
    }
    if let Ok(index) = json.get().parse::<usize>() {
        return TYPES.get(index).filter(|name| !name.is_empty()).and_then(raw);
    }
    each(json, |one| kind(one).unwrap_or_else(|| one.to_owned()))
}

fn text(json: &RawValue) -> Option<String> {
    serde_json::from_str::<Str<'_>>(json.get()).ok().map(Str::into_string)
}

/// A number, also where it is written as a text.
fn number(json: &RawValue) -> Option<Box<RawValue>> {
    raw(&text(json)?.parse::<u64>().ok()?)
}

fn allow_null(schema: &mut Extra) {
    if let Some(values) = schema.get("enum").and_then(|values| with(values, "null")) {
        schema.set("enum", values);
    }
    if let Some(kinds) = schema.get("type") {
        let both = match text(kinds) {
            Some(kind) => raw(&[kind.as_str(), "null"]),
            None => with(kinds, "\"null\""),
        };
        if let Some(both) = both {
            schema.set("type", both);
        }
    } else if let Some(choices) = schema.get("anyOf").and_then(|choices| with(choices, "{\"type\":\"null\"}"))
    {
        schema.set("anyOf", choices);
    }
}

/// The list with one more value, unless it has it.
fn with(json: &RawValue, value: &str) -> Option<Box<RawValue>> {
    let mut values = list(json)?;
    let more: Box<RawValue> = RawValue::from_string(value.to_owned()).ok()?;
    if !values.iter().any(|one| one.get() == value) {
        values.push(&more);
    }
    raw(&values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn the_subset_becomes_json_schema() {
        let check = |schema: Value, expect: Value| {
            let raw = serde_json::value::to_raw_value(&schema).unwrap();
            let out: Value = serde_json::from_str(json_schema(&raw).unwrap().get()).unwrap();
            assert_eq!(out, expect, "{schema}");
        };
        check(
            json!({"type": "OBJECT", "properties": {"type": {"type": "STRING", "nullable": true},
                "min_items": {"type": 3}}, "required": ["type"], "propertyOrdering": ["type"]}),
            json!({"type": "object", "properties": {"type": {"type": ["string", "null"]},
                "min_items": {"type": "integer"}}, "required": ["type"], "propertyOrdering": ["type"]}),
        );
        check(
            json!({"type": "ARRAY", "items": {"type": "STRING", "format": "enum", "enum": ["a"], "nullable": true},
                "min_items": "2", "maxItems": 3}),
            json!({"type": "array", "items": {"type": ["string", "null"], "enum": ["a", null]},
                "minItems": 2, "maxItems": 3}),
        );
        check(
            json!({"any_of": [{"type": "NUMBER"}], "nullable": true}),
            json!({"anyOf": [{"type": "number"}, {"type": "null"}]}),
        );
        let plain =
            json!({"type": "object", "additionalProperties": false, "properties": {"a": {"$ref": "#"}}});
        check(plain.clone(), plain);
        let ordered =
            RawValue::from_string(r#"{"type":"OBJECT","properties":{"z":{},"a":{}}}"#.to_owned()).unwrap();
        let expect = r#"{"type":"object","properties":{"z":{},"a":{}}}"#;
        assert_eq!(json_schema(&ordered).unwrap().get(), expect);
        assert!(json_schema(&RawValue::from_string("[]".to_owned()).unwrap()).is_err());
    }
}
