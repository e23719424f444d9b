//! JSON Schema as the Messages API takes it.
//!
//! Structured output is compiled into a grammar that knows only a part of JSON Schema. What it does not
//! know is said in words instead (`description`), so that the model still sees it. Schemas are open
//! trees, which is why this one file works on `Value`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use llm_types::RawValue;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Keywords that the grammar does not know.
const REMOVED: &[&str] = &[
    "minItems",
    "maxItems",
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
    "prefixItems",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedProperties",
    "if",
    "then",
    "else",
    "not",
];

/// The deepest nesting that inlining may reach; a schema that refers to itself has no end.
const DEPTH_LIMIT: usize = 64;
/// The most nodes that a filtered schema may have.
const NODE_LIMIT: usize = 20_000;

/// A schema in another form.
#[derive(Debug)]
pub(in crate::dialect) struct Filtered {
    /// The schema.
    pub(in crate::dialect) schema: Box<RawValue>,
    /// Whether constraints became words.
    pub(in crate::dialect) weakened: bool,
    /// Whether anything is different at all.
    pub(in crate::dialect) changed: bool,
}

/// Why a schema cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect) enum Unfit {
    /// It is not a JSON object.
    NotAnObject,
    /// It is too large, or refers to itself.
    Endless,
}

/// The schema of a structured answer, or of a strict tool.
pub(in crate::dialect) fn strict(schema: &RawValue, description: Option<&str>) -> Result<Filtered, Unfit> {
    let root: Value = serde_json::from_str(schema.get()).map_err(|_| Unfit::NotAnObject)?;
    if !root.is_object() {
        return Err(Unfit::NotAnObject);
    }
    let mut filter = Filter { root: &root, weakened: false, nodes: 0 };
    let mut out = filter.schema(&root, 0)?;
    if let (Some(object), Some(description)) = (out.as_object_mut(), description)
        && !object.contains_key("description")
    {
        object.insert("description".to_owned(), Value::from(description));
    }
    let weakened = filter.weakened;
    let schema = serde_json::value::to_raw_value(&out).map_err(|_| Unfit::NotAnObject)?;
    Ok(Filtered { schema, weakened, changed: out != root })
}

struct Filter<'s> {
    root: &'s Value,
    weakened: bool,
    nodes: usize,
}

impl Filter<'_> {
    fn schema(&mut self, schema: &Value, depth: usize) -> Result<Value, Unfit> {
        self.nodes += 1;
        if depth > DEPTH_LIMIT || self.nodes > NODE_LIMIT {
            return Err(Unfit::Endless);
        }
        let Value::Object(object) = schema else {
            return Ok(schema.clone());
        };
        if let Some(target) = object.get("$ref").and_then(Value::as_str) {
            return self.reference(target, object, depth);
        }
        let mut out = Map::new();
        let mut notes = Vec::new();
        for (name, value) in object {
            match name.as_str() {
                "$defs" | "definitions" => {}
                "properties" => {
                    out.insert(name.clone(), self.each_member(value, depth)?);
                }
                "items" | "additionalItems" => {
                    out.insert(name.clone(), self.schema(value, depth + 1)?);
                }
                "anyOf" | "allOf" => {
                    out.insert(name.clone(), self.each_item(value, depth)?);
                }
                "oneOf" => {
                    out.insert("anyOf".to_owned(), self.each_item(value, depth)?);
                }
                removed if REMOVED.contains(&removed) => notes.push(note(removed, value)),
                _ => {
                    self.nodes += weight(value);
                    out.insert(name.clone(), value.clone());
                }
            }
        }
        if has_type(&out, "object") || out.contains_key("properties") {
            let open = out.insert("additionalProperties".to_owned(), Value::Bool(false));
            self.weakened |= open.is_some_and(|open| open != Value::Bool(false));
        }
        if enum_contradicts_type(&out) {
            out.remove("type");
        }
        if !notes.is_empty() {
            self.weakened = true;
            describe(&mut out, &notes);
        }
        Ok(Value::Object(out))
    }

    /// What `$ref` points at, in its place. Of the members beside `$ref` the words are kept.
    fn reference(&mut self, target: &str, beside: &Map<String, Value>, depth: usize) -> Result<Value, Unfit> {
        let found = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
        let Some(found) = found else {
            // A schema kept elsewhere: the provider is to say what it thinks of it.
            return Ok(Value::Object(beside.clone()));
        };
        let mut out = self.schema(found, depth + 1)?;
        if let Some(object) = out.as_object_mut() {
            for (name, value) in beside.iter().filter(|(name, _)| *name == "description" || *name == "title")
            {
                object.insert(name.clone(), value.clone());
            }
        }
        Ok(out)
    }

    fn each_member(&mut self, members: &Value, depth: usize) -> Result<Value, Unfit> {
        let Value::Object(members) = members else {
            return Ok(members.clone());
        };
        let mut out = Map::new();
        for (name, schema) in members {
            out.insert(name.clone(), self.schema(schema, depth + 1)?);
        }
        Ok(Value::Object(out))
    }

    fn each_item(&mut self, items: &Value, depth: usize) -> Result<Value, Unfit> {
        let Value::Array(items) = items else {
            return Ok(items.clone());
        };
        items.iter().map(|schema| self.schema(schema, depth + 1)).collect::<Result<_, _>>().map(Value::Array)
    }
}

/// How much a copied value counts: inlining may copy it many times.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() / 64,
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

fn has_type(schema: &Map<String, Value>, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(kind)) => kind == name,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == name),
        _ => false,
    }
}

/// Whether one of the `enum` values is of none of the types in `type`.
fn enum_contradicts_type(schema: &Map<String, Value>) -> bool {
    let Some(Value::Array(values)) = schema.get("enum") else {
        return false;
    };
    schema.contains_key("type")
        && !values.iter().all(|value| kinds(value).iter().any(|k| has_type(schema, k)))
}

fn kinds(value: &Value) -> &'static [&'static str] {
    match value {
        Value::Null => &["null"],
        Value::Bool(_) => &["boolean"],
        Value::Number(number) if number.is_f64() => &["number"],
        Value::Number(_) => &["integer", "number"],
        Value::String(_) => &["string"],
        Value::Array(_) => &["array"],
        Value::Object(_) => &["object"],
    }
}

/// `minLength` and 3 as `min length: 3`.
fn note(keyword: &str, value: &Value) -> String {
    let mut out = String::new();
    for c in keyword.chars() {
        if c.is_ascii_uppercase() {
            out.push(' ');
        }
        out.push(c.to_ascii_lowercase());
    }
    for (short, long) in [("min ", "minimum "), ("max ", "maximum ")] {
        if let Some(rest) = out.strip_prefix(short) {
            out = format!("{long}{rest}");
        }
    }
    if matches!(out.as_str(), "minimum" | "maximum") {
        out.push_str(" value");
    }
    let _ = write!(out, ": {value}");
    out
}

fn describe(schema: &mut Map<String, Value>, notes: &[String]) {
    let words = format!("Note: {}.", notes.join(", "));
    let text = match schema.get("description").and_then(Value::as_str) {
        Some(before) if !before.is_empty() => format!("{before} {words}"),
        _ => words,
    };
    schema.insert("description".to_owned(), Value::String(text));
}

/// The few facts that decide whether a tool's schema can go out as it came.
#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    properties: Option<&'a RawValue>,
}

/// What had to be done to a tool's schema.
#[derive(Debug)]
pub(in crate::dialect) enum Input {
    /// Nothing.
    AsItIs,
    /// `type` or `properties` was missing and was added, which means the same.
    Completed(Box<RawValue>),
    /// It is not the schema of an object: it became that of the member [`WRAPPED`].
    Wrapped(Box<RawValue>),
}

/// The member that a schema is put under which is not that of an object.
pub(in crate::dialect) const WRAPPED: &str = "values";

/// The schema of a tool without arguments.
pub(in crate::dialect) fn empty_input() -> Option<Box<RawValue>> {
    raw(&json!({"type": "object", "properties": {}}))
}

/// A tool's schema: the API demands one of type `object`.
pub(in crate::dialect) fn input(schema: &RawValue) -> Result<Input, Unfit> {
    if !schema.get().starts_with('{') {
        return Err(Unfit::NotAnObject);
    }
    let shape: Shape<'_> = serde_json::from_str(schema.get()).map_err(|_| Unfit::NotAnObject)?;
    match (shape.kind.map(RawValue::get), shape.properties) {
        (Some("\"object\""), Some(_)) => Ok(Input::AsItIs),
        (None | Some("null" | "\"object\""), _) => {
            let mut object: Map<String, Value> =
                serde_json::from_str(schema.get()).map_err(|_| Unfit::NotAnObject)?;
            object.insert("type".to_owned(), Value::from("object"));
            object.entry("properties").or_insert_with(|| json!({}));
            raw(&object).map(Input::Completed).ok_or(Unfit::NotAnObject)
        }
        _ => wrap(schema).map(Input::Wrapped).ok_or(Unfit::NotAnObject),
    }
}

/// The schema of the tool through which a structured answer is asked for. Its decoder unwraps a sole
/// `values`, so a schema whose answers may look like that is wrapped as well.
pub(in crate::dialect) fn answer_input(schema: &RawValue) -> Result<Input, Unfit> {
    #[derive(Deserialize)]
    struct Members {
        #[serde(default)]
        properties: Map<String, Value>,
        #[serde(default)]
        required: BTreeSet<String>,
    }
    let fixed = input(schema)?;
    let members: Option<Members> = serde_json::from_str(schema.get()).ok();
    let alone = members.is_none_or(|members| {
        members.properties.contains_key(WRAPPED) && !members.required.iter().any(|name| name != WRAPPED)
    });
    match fixed {
        Input::AsItIs | Input::Completed(_) if alone => {
            wrap(schema).map(Input::Wrapped).ok_or(Unfit::NotAnObject)
        }
        fixed => Ok(fixed),
    }
}

fn wrap(schema: &RawValue) -> Option<Box<RawValue>> {
    let mut inner: Value = serde_json::from_str(schema.get()).ok()?;
    // References are from the root, so the definitions move up with it.
    let definitions = ["$defs", "definitions"].map(|name| {
        inner.as_object_mut().and_then(|object| object.remove(name)).map(|value| (name.to_owned(), value))
    });
    let mut outer = Map::from_iter(definitions.into_iter().flatten());
    outer.insert("type".to_owned(), Value::from("object"));
    outer.insert("properties".to_owned(), json!({WRAPPED: inner}));
    outer.insert("required".to_owned(), json!([WRAPPED]));
    raw(&outer)
}

fn raw(value: &impl serde::Serialize) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn unknown_constraints_become_words() {
        let check = |input: &str, expect: Value, weakened: bool| {
            let out = strict(&value(input), None).unwrap();
            assert_eq!(serde_json::from_str::<Value>(out.schema.get()).unwrap(), expect, "{input}");
            assert_eq!(out.weakened, weakened, "{input}");
        };
        check(
            r#"{"type":"object","properties":{"t":{"type":"integer","minimum":0,"maximum":50}},"required":["t"],"additionalProperties":false}"#,
            json!({"type":"object","properties":{"t":{"type":"integer","description":"Note: maximum value: 50, minimum value: 0."}},"required":["t"],"additionalProperties":false}),
            true,
        );
        check(
            r#"{"type":"object","properties":{"a":{"oneOf":[{"type":"string"},{"type":"null"}]}}}"#,
            json!({"type":"object","additionalProperties":false,"properties":{"a":{"anyOf":[{"type":"string"},{"type":"null"}]}}}),
            false,
        );
        check(
            r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"object","properties":{"minimum":{"type":"string","minLength":2}}}}}"##,
            json!({"type":"object","additionalProperties":false,"properties":{"a":{"type":"object","additionalProperties":false,"properties":{"minimum":{"type":"string","description":"Note: minimum length: 2."}}}}}),
            true,
        );
        check(r#"{"type":"string","enum":["a",null]}"#, json!({"enum":["a",null]}), false);
        check(
            r#"{"type":["string","null"],"enum":["a",null]}"#,
            json!({"type":["string","null"],"enum":["a",null]}),
            false,
        );
    }

    #[test]
    fn a_schema_without_end_is_refused() {
        let own = r##"{"type":"object","properties":{"next":{"$ref":"#"}}}"##;
        assert_eq!(strict(&value(own), None).unwrap_err(), Unfit::Endless);
        let wide =
            r##"{"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"}]}}}"##;
        assert_eq!(strict(&value(wide), None).unwrap_err(), Unfit::Endless);
        assert_eq!(strict(&value("[1]"), None).unwrap_err(), Unfit::NotAnObject);
    }

    #[test]
    fn tool_schemas_are_of_objects() {
        let check = |json: &str, expect: Option<&str>| {
            let got = match input(&value(json)).unwrap() {
                Input::AsItIs => None,
                Input::Completed(raw) | Input::Wrapped(raw) => Some(raw.get().to_owned()),
            };
            assert_eq!(got.as_deref(), expect, "{json}");
        };
        check(r#"{"properties":{},"type":"object"}"#, None);
        check("{}", Some(r#"{"properties":{},"type":"object"}"#));
        check(r#"{"type":"object"}"#, Some(r#"{"properties":{},"type":"object"}"#));
        check(
            r#"{"type":"string"}"#,
            Some(r#"{"properties":{"values":{"type":"string"}},"required":["values"],"type":"object"}"#),
        );
        assert!(input(&value("3")).is_err());
        assert!(input(&value("[1]")).is_err());
    }

    #[test]
    fn an_answer_that_could_look_wrapped_is_wrapped() {
        let wrapped = |json: &str| matches!(answer_input(&value(json)).unwrap(), Input::Wrapped(_));
        assert!(wrapped(r#"{"type":"array"}"#));
        assert!(wrapped(r#"{"type":"object","properties":{"values":{"type":"array"}}}"#));
        assert!(!wrapped(r#"{"type":"object","properties":{"values":{},"n":{}},"required":["values","n"]}"#));
        assert!(!wrapped(r#"{"type":"object","properties":{"a":{}}}"#));
    }
}
