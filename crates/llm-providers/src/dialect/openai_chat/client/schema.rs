//! Schemas without `additionalProperties`, for providers that refuse it in the parameters of tools.

use llm_types::RawValue;
use serde_json::Value;

const MEMBER: &str = "additionalProperties";
/// Members whose values are no schemas.
const VALUES: [&str; 4] = ["enum", "const", "default", "examples"];
/// Members that hold schemas by names of somebody's own.
const NAMED: [&str; 5] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/// The same schema without it; `None`: it has none.
pub(super) fn opened(schema: &RawValue) -> Option<Box<RawValue>> {
    if !schema.get().contains(MEMBER) {
        return None;
    }
    let mut value: Value = serde_json::from_str(schema.get()).ok()?;
    if !open(&mut value) {
        return None;
    }
    serde_json::value::to_raw_value(&value).ok()
}

/// Whether something was taken out. How deep it goes is bounded by what read it.
fn open(schema: &mut Value) -> bool {
    match schema {
        Value::Array(schemas) => open_all(schemas.iter_mut()),
        Value::Object(members) => {
            let mut any = members.remove(MEMBER).is_some();
            for (name, value) in members {
                any |= match value {
                    _ if VALUES.contains(&name.as_str()) => false,
                    Value::Object(named) if NAMED.contains(&name.as_str()) => open_all(named.values_mut()),
                    value => open(value),
                };
            }
            any
        }
        _ => false,
    }
}

fn open_all<'s>(schemas: impl Iterator<Item = &'s mut Value>) -> bool {
    schemas.map(open).filter(|any| *any).count() > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_keyword_is_taken_out() {
        let check = |schema: Value, expect: Option<Value>| {
            let raw = serde_json::value::to_raw_value(&schema).unwrap();
            let found = opened(&raw).map(|raw| serde_json::from_str::<Value>(raw.get()).unwrap());
            assert_eq!(found, expect, "{schema}");
        };
        check(json!({"type": "object"}), None);
        check(
            json!({"type": "object", "additionalProperties": false, "properties": {"a": {"type": "string"}}}),
            Some(json!({"type": "object", "properties": {"a": {"type": "string"}}})),
        );
        check(
            json!({"properties": {"a": {"items": {"additionalProperties": {"type": "string"}}}}, "$defs": {"b": {
                "anyOf": [{"additionalProperties": true, "type": "object"}, {"type": "null"}]}}}),
            Some(
                json!({"properties": {"a": {"items": {}}}, "$defs": {"b": {"anyOf": [{"type": "object"}, {"type": "null"}]}}}),
            ),
        );
        // A property of that name, and values.
        check(json!({"properties": {"additionalProperties": {"type": "string"}}}), None);
        check(json!({"enum": [{"additionalProperties": 1}], "default": {"additionalProperties": 1}}), None);
    }
}
