//! JSON Schema cut down to the OpenAPI subset that models before Gemini 2 take.
//!
//! They refuse a keyword that they do not know, so that references are put in place, unions with `null`
//! become `nullable`, and what has no counterpart is left out and named to the caller
//! (<https://ai.google.dev/api/caching#Schema>).

use std::collections::BTreeSet;

use llm_types::{ApiError, RawValue, Result};
use serde_json::{Map, Value, json};

/// The most schemas that one schema may unfold into: references multiply.
const NODE_LIMIT: usize = 10_000;
/// The deepest nesting that is sent.
const DEPTH_LIMIT: usize = 32;

/// Keywords that mean the same there.
const KEPT: &[&str] = &[
    "title",
    "description",
    "nullable",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "default",
    "propertyOrdering",
];
/// Keywords that are worked in or say nothing about the value.
const WORKED_IN: &[&str] = &[
    "type",
    "enum",
    "const",
    "format",
    "properties",
    "required",
    "items",
    "prefixItems",
    "anyOf",
    "oneOf",
    "allOf",
    "$ref",
    "$defs",
    "definitions",
    "$schema",
    "$id",
    "$comment",
];
const FORMATS: &[&str] = &["enum", "date-time", "float", "double", "int32", "int64"];

/// A schema in the OpenAPI subset.
#[derive(Debug)]
pub(super) struct Subset {
    /// The schema; `None`: an object without properties, which these models refuse.
    pub(super) json: Option<Box<RawValue>>,
    /// Keywords that had to be left out.
    pub(super) lost: BTreeSet<String>,
}

/// Cuts a JSON Schema down to the subset.
///
/// # Errors
/// When it is not an object, or its references unfold without end.
pub(super) fn subset(schema: &RawValue) -> Result<Subset> {
    let root: Value = serde_json::from_str(schema.get())
        .map_err(|error| ApiError::bad_request(format!("a schema is not valid JSON: {error}")))?;
    if !root.is_object() {
        return Err(ApiError::bad_request("a schema must be a JSON object"));
    }
    let mut cut = Cut { root: &root, refs: Vec::new(), lost: BTreeSet::new(), nodes: 0 };
    let out = cut.schema(&root, 0)?;
    let empty = out.get("type").is_some_and(|kind| kind == "OBJECT") && out.get("properties").is_none();
    let json = serde_json::value::to_raw_value(&out)
        .map_err(|error| ApiError::bad_request(format!("a schema cannot be written as JSON: {error}")))?;
    Ok(Subset { json: (!empty).then_some(json), lost: cut.lost })
}

struct Cut<'a> {
    root: &'a Value,
    refs: Vec<&'a str>,
    lost: BTreeSet<String>,
    nodes: usize,
}

impl<'a> Cut<'a> {
    fn schema(&mut self, schema: &'a Value, depth: usize) -> Result<Value> {
        self.nodes += 1;
        if self.nodes > NODE_LIMIT {
            return Err(ApiError::bad_request(
                "a schema unfolds into more than 10000 parts: use fewer references",
            ));
        }
        let Some(members) = schema.as_object() else {
            return Ok(json!({"type": "OBJECT"}));
        };
        if depth > DEPTH_LIMIT {
            self.lost.insert("nesting beyond 32 levels".to_owned());
            return Ok(json!({"type": "OBJECT"}));
        }
        if let Some(name) = members.get("$ref").and_then(Value::as_str) {
            return self.reference(name, members, depth);
        }
        let mut out = self.plain(members);
        self.object(members, &mut out, depth)?;
        self.array(members, &mut out, depth)?;
        self.all_of(members, &mut out, depth)?;
        self.any_of(members, &mut out, depth)?;
        self.types(members, &mut out);
        self.enums(members, &mut out);
        Ok(Value::Object(out))
    }

    /// A reference is replaced by what it names; one that leads back into itself by any object.
    fn reference(&mut self, name: &'a str, members: &'a Map<String, Value>, depth: usize) -> Result<Value> {
        let target = name.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
        let Some(target) = target.filter(|_| !self.refs.contains(&name)) else {
            self.lost.insert("$ref".to_owned());
            return Ok(json!({"type": "OBJECT"}));
        };
        self.refs.push(name);
        let out = self.schema(target, depth + 1);
        self.refs.pop();
        let mut out = out?;
        if let (Some(out), Some(text)) = (out.as_object_mut(), members.get("description")) {
            out.insert("description".to_owned(), text.clone());
        }
        Ok(out)
    }

    /// Keywords of the schema itself.
    fn plain(&mut self, members: &Map<String, Value>) -> Map<String, Value> {
        let mut out = Map::new();
        for (name, value) in members {
            let known_format = name == "format" && FORMATS.iter().any(|format| value == format);
            if known_format || KEPT.contains(&name.as_str()) {
                out.insert(name.clone(), value.clone());
            } else if name == "format" || !WORKED_IN.contains(&name.as_str()) {
                self.lost.insert(name.clone());
            }
        }
        out
    }

    fn object(
        &mut self,
        members: &'a Map<String, Value>,
        out: &mut Map<String, Value>,
        depth: usize,
    ) -> Result<()> {
        let Some(properties) = members.get("properties").and_then(Value::as_object) else {
            return Ok(());
        };
        let mut kept = Map::new();
        for (name, schema) in properties {
            kept.insert(name.clone(), self.schema(schema, depth + 1)?);
        }
        if let Some(required) = members.get("required").and_then(Value::as_array) {
            let known = |name: &&Value| name.as_str().is_some_and(|name| kept.contains_key(name));
            let required: Vec<Value> = required.iter().filter(known).cloned().collect();
            if !required.is_empty() {
                out.insert("required".to_owned(), Value::Array(required));
            }
        }
        if !kept.is_empty() {
            out.insert("properties".to_owned(), Value::Object(kept));
            out.insert("type".to_owned(), json!("OBJECT"));
        }
        Ok(())
    }

    fn array(
        &mut self,
        members: &'a Map<String, Value>,
        out: &mut Map<String, Value>,
        depth: usize,
    ) -> Result<()> {
        if let Some(items) = members.get("items") {
            out.insert("items".to_owned(), self.schema(items, depth + 1)?);
        } else if let Some(places) = members.get("prefixItems").and_then(Value::as_array) {
            self.lost.insert("prefixItems".to_owned());
            let any = places.iter().map(|place| self.schema(place, depth + 1)).collect::<Result<Vec<_>>>()?;
            out.insert("items".to_owned(), json!({"anyOf": any}));
        }
        Ok(())
    }

    /// All of several schemas: their members side by side, properties joined.
    fn all_of(
        &mut self,
        members: &'a Map<String, Value>,
        out: &mut Map<String, Value>,
        depth: usize,
    ) -> Result<()> {
        for schema in members.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            let Value::Object(more) = self.schema(schema, depth + 1)? else { continue };
            for (name, value) in more {
                match (out.get_mut(&name), value) {
                    (Some(Value::Object(have)), Value::Object(value)) => have.extend(value),
                    (Some(Value::Array(have)), Value::Array(value)) => have.extend(value),
                    (Some(_), _) => {}
                    (None, value) => {
                        out.insert(name, value);
                    }
                }
            }
        }
        Ok(())
    }

    /// One of several schemas; `null` among them makes the others nullable.
    fn any_of(
        &mut self,
        members: &'a Map<String, Value>,
        out: &mut Map<String, Value>,
        depth: usize,
    ) -> Result<()> {
        let list = members.get("anyOf").or_else(|| members.get("oneOf")).and_then(Value::as_array);
        let Some(list) = list else { return Ok(()) };
        let mut kept = Vec::new();
        for schema in list {
            if schema.get("type").is_some_and(|kind| kind == "null") {
                out.insert("nullable".to_owned(), json!(true));
            } else {
                kept.push(self.schema(schema, depth + 1)?);
            }
        }
        match <[Value; 1]>::try_from(kept) {
            Ok([Value::Object(only)]) => {
                for (name, value) in only {
                    out.entry(name).or_insert(value);
                }
            }
            Ok([_]) => {}
            Err(kept) => {
                out.insert("anyOf".to_owned(), Value::Array(kept));
            }
        }
        Ok(())
    }

    /// The type in upper case; several become a union.
    fn types(&mut self, members: &Map<String, Value>, out: &mut Map<String, Value>) {
        let words: Vec<&str> = match members.get("type") {
            Some(Value::String(word)) => vec![word],
            Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if words.contains(&"null") {
            out.insert("nullable".to_owned(), json!(true));
        }
        let kinds: Vec<String> =
            words.iter().filter(|word| **word != "null").map(|word| word.to_uppercase()).collect();
        match kinds.as_slice() {
            [] => {}
            [kind] => {
                out.insert("type".to_owned(), json!(kind));
            }
            several => {
                let union: Vec<Value> = several.iter().map(|kind| typed(kind, out)).collect();
                for name in ["items", "properties", "required", "type"] {
                    out.remove(name);
                }
                out.insert("anyOf".to_owned(), Value::Array(union));
            }
        }
        if out.get("type").is_some_and(|kind| kind == "ARRAY") && !out.contains_key("items") {
            out.insert("items".to_owned(), json!({"type": "OBJECT"}));
        }
    }

    /// Allowed values: these models know them for text only, and not the empty text.
    fn enums(&mut self, members: &Map<String, Value>, out: &mut Map<String, Value>) {
        let one = members.get("const").map(std::slice::from_ref);
        let list = members.get("enum").and_then(Value::as_array).map(Vec::as_slice).or(one);
        let Some(list) = list else { return };
        if list.iter().any(Value::is_null) {
            out.insert("nullable".to_owned(), json!(true));
        }
        let is_word = |value: &&Value| value.as_str().is_some_and(|word| !word.is_empty());
        let words: Vec<Value> = list.iter().filter(is_word).cloned().collect();
        if words.len() < list.iter().filter(|value| !value.is_null()).count() {
            self.lost.insert("enum".to_owned());
        }
        if !words.is_empty() && out.get("type").is_none_or(|kind| kind == "STRING") {
            out.insert("type".to_owned(), json!("STRING"));
            out.insert("enum".to_owned(), Value::Array(words));
        }
    }
}

/// One branch of a union of types, with the members that only this type has.
fn typed(kind: &str, from: &Map<String, Value>) -> Value {
    let mut out = Map::from_iter([("type".to_owned(), json!(kind))]);
    let names: &[&str] = match kind {
        "ARRAY" => &["items"],
        "OBJECT" => &["properties", "required"],
        _ => &[],
    };
    for name in names {
        if let Some(value) = from.get(*name) {
            out.insert((*name).to_owned(), value.clone());
        }
    }
    if kind == "ARRAY" {
        out.entry("items").or_insert_with(|| json!({"type": "OBJECT"}));
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(schema: Value) -> (Value, Vec<String>) {
        let raw = serde_json::value::to_raw_value(&schema).unwrap();
        let subset = subset(&raw).unwrap();
        let json = subset.json.map_or(Value::Null, |json| serde_json::from_str(json.get()).unwrap());
        (json, subset.lost.into_iter().collect())
    }

    #[test]
    fn keywords_are_cut_to_the_subset() {
        let check = |schema: Value, expect: Value, lost: &[&str]| {
            let (json, dropped) = cut(schema.clone());
            assert_eq!(json, expect, "{schema}");
            assert_eq!(dropped, lost, "{schema}");
        };
        let object = |property: Value| json!({"type": "object", "properties": {"p": property}});
        let expect = |property: Value| json!({"type": "OBJECT", "properties": {"p": property}});
        check(
            object(json!({"type": ["string", "null"], "enum": ["c", "f", null]})),
            expect(json!({"type": "STRING", "nullable": true, "enum": ["c", "f"]})),
            &[],
        );
        check(
            object(json!({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]})),
            expect(json!({"type": "INTEGER", "minimum": 1, "nullable": true})),
            &[],
        );
        check(
            object(json!({"type": ["string", "array"]})),
            expect(json!({"anyOf": [{"type": "STRING"}, {"type": "ARRAY", "items": {"type": "OBJECT"}}]})),
            &[],
        );
        check(object(json!({"const": "x"})), expect(json!({"type": "STRING", "enum": ["x"]})), &[]);
        check(
            object(json!({"type": "integer", "enum": [1, 2]})),
            expect(json!({"type": "INTEGER"})),
            &["enum"],
        );
        check(
            object(json!({"type": "string", "format": "email"})),
            expect(json!({"type": "STRING"})),
            &["format"],
        );
        check(
            object(json!({"type": "array"})),
            expect(json!({"type": "ARRAY", "items": {"type": "OBJECT"}})),
            &[],
        );
        check(
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "b"],
                "additionalProperties": false, "$schema": "x"}),
            json!({"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "required": ["a"]}),
            &["additionalProperties"],
        );
        check(json!({"type": "object", "properties": {}}), Value::Null, &[]);
        check(
            object(json!({"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}},
                {"properties": {"b": {"type": "number"}}}]})),
            expect(json!({"type": "OBJECT",
                "properties": {"a": {"type": "STRING"}, "b": {"type": "NUMBER"}}})),
            &[],
        );
    }

    #[test]
    fn references_are_put_in_place_and_end() {
        let (json, lost) = cut(json!({
            "type": "object",
            "properties": {"n": {"$ref": "#/$defs/node", "description": "first"}},
            "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
        }));
        let next = json!({"type": "OBJECT"});
        let node = json!({"type": "OBJECT", "properties": {"next": next}, "description": "first"});
        assert_eq!(json, json!({"type": "OBJECT", "properties": {"n": node}}));
        assert_eq!(lost, ["$ref"]);
    }

    #[test]
    fn references_that_multiply_are_refused() {
        let mut defs = Map::new();
        for level in 0..20 {
            let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
            defs.insert(format!("d{level}"), json!({"type": "object", "properties": {"a": next, "b": next}}));
        }
        defs.insert("d20".to_owned(), json!({"type": "string"}));
        let schema = json!({"$ref": "#/$defs/d0", "$defs": defs});
        let raw = serde_json::value::to_raw_value(&schema).unwrap();
        assert!(subset(&raw).unwrap_err().message.contains("10000"));
    }
}
