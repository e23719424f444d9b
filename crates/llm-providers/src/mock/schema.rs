//! The smallest value that a JSON Schema allows.
//!
//! Schemas come from clients: references may run in circles and nest without end, so depth and size are
//! bounded. At a bound the value is `null`. Keywords that need a search to satisfy (`pattern`, `not`,
//! `if`) are not looked at.

use llm_types::RawValue;
use serde_json::{Map, Value, json};

/// How deep values may nest.
const DEPTH: usize = 24;
/// How many values one example may have.
const VALUES: usize = 2000;
/// The longest text or list that is made to satisfy a minimum.
const LENGTH: u64 = 256;

/// An example of a schema, as JSON text; `{}` without a schema.
pub(super) fn example(schema: Option<&RawValue>) -> String {
    let schema = schema.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    match schema {
        Some(root) => Maker { root: &root, left: VALUES }.value(&root, 0).to_string(),
        None => "{}".to_owned(),
    }
}

/// An object of one text.
pub(super) fn object(name: &str, text: &str) -> String {
    json!({ name: text }).to_string()
}

struct Maker<'s> {
    root: &'s Value,
    left: usize,
}

impl<'s> Maker<'s> {
    fn value(&mut self, schema: &'s Value, depth: usize) -> Value {
        let Some(left) = self.left.checked_sub(1).filter(|_| depth < DEPTH) else {
            return Value::Null;
        };
        self.left = left;
        let Value::Object(schema) = schema else {
            return json!({});
        };
        if let Some(fixed) = fixed(schema) {
            return fixed.clone();
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|at| self.find(at)) {
            return self.value(target, depth + 1);
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(Value::Array(options)) = schema.get(key) {
                let simplest = options.iter().find(|option| is_plain(option)).or(options.first());
                if let Some(option) = simplest.filter(|_| !schema.contains_key("properties")) {
                    return self.value(option, depth + 1);
                }
            }
        }
        match type_of(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, depth),
            "string" => Value::String(text(schema)),
            "integer" => whole(schema),
            "number" => number(schema),
            "boolean" => Value::Bool(true),
            _ => Value::Null,
        }
    }

    fn object(&mut self, schema: &'s Map<String, Value>, depth: usize) -> Value {
        let mut out = Map::new();
        self.members(schema, depth, &mut out);
        if let Some(Value::Array(all)) = schema.get("allOf") {
            for part in all {
                let target = part.get("$ref").and_then(Value::as_str).and_then(|at| self.find(at));
                if let Some(part) = target.unwrap_or(part).as_object() {
                    self.members(part, depth, &mut out);
                }
            }
        }
        Value::Object(out)
    }

    fn members(&mut self, schema: &'s Map<String, Value>, depth: usize, out: &mut Map<String, Value>) {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            if out.contains_key(name) || self.left == 0 {
                continue;
            }
            let member = schema.get("properties").and_then(|properties| properties.get(name));
            let value = member.map_or(Value::Null, |member| self.value(member, depth + 1));
            out.insert(name.to_owned(), value);
        }
    }

    fn array(&mut self, schema: &'s Map<String, Value>, depth: usize) -> Value {
        let fixed = schema.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let least = usize::try_from(least(schema, "minItems")).unwrap_or_default();
        let mut items = Vec::new();
        while items.len() < least {
            let item = fixed.get(items.len()).or_else(|| schema.get("items"));
            items.push(item.map_or(Value::Null, |item| self.value(item, depth + 1)));
        }
        Value::Array(items)
    }

    /// What a reference within the document (`#/$defs/x`) points to.
    fn find(&self, reference: &str) -> Option<&'s Value> {
        self.root.pointer(reference.strip_prefix('#')?)
    }
}

/// A value that the schema names itself.
fn fixed(schema: &Map<String, Value>) -> Option<&Value> {
    let first = |key: &str| schema.get(key).and_then(Value::as_array).and_then(|list| list.first());
    schema
        .get("const")
        .or_else(|| first("enum"))
        .or_else(|| schema.get("default"))
        .or_else(|| first("examples"))
}

/// Whether a schema leads nowhere further.
fn is_plain(schema: &Value) -> bool {
    let nested = ["$ref", "anyOf", "oneOf", "allOf", "properties", "items"];
    schema.as_object().is_some_and(|schema| !nested.iter().any(|key| schema.contains_key(*key)))
}

fn type_of(schema: &Map<String, Value>) -> &str {
    match schema.get("type") {
        Some(Value::String(name)) => name,
        Some(Value::Array(names)) => {
            let names = || names.iter().filter_map(Value::as_str);
            names().find(|name| *name != "null").or_else(|| names().next()).unwrap_or("null")
        }
        _ if schema.contains_key("items") || schema.contains_key("prefixItems") => "array",
        _ => "object",
    }
}

fn least(schema: &Map<String, Value>, key: &str) -> u64 {
    schema.get(key).and_then(Value::as_u64).unwrap_or_default().min(LENGTH)
}

fn text(schema: &Map<String, Value>) -> String {
    let known = match schema.get("format").and_then(Value::as_str) {
        Some("date") => "2025-01-01",
        Some("date-time") => "2025-01-01T00:00:00Z",
        Some("time") => "00:00:00Z",
        Some("duration") => "PT1S",
        Some("email") => "demo@example.com",
        Some("hostname") => "example.com",
        Some("ipv4") => "192.0.2.1",
        Some("ipv6") => "2001:db8::1",
        Some("uri" | "url") => "https://example.com/",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        _ => "demo",
    };
    let most = schema.get("maxLength").and_then(Value::as_u64).unwrap_or(u64::MAX);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let least = usize::try_from(least(schema, "minLength")).unwrap_or_default();
    let known: String = known.chars().take(most).collect();
    let missing = least.saturating_sub(known.chars().count());
    known + &"x".repeat(missing)
}

fn whole(schema: &Map<String, Value>) -> Value {
    let int = |key: &str| schema.get(key).and_then(Value::as_i64);
    let above = |key: &str| int(key).and_then(|bound| bound.checked_add(1));
    let below = |key: &str| int(key).and_then(|bound| bound.checked_sub(1));
    let low = int("minimum").or_else(|| above("exclusiveMinimum"));
    let high = int("maximum").or_else(|| below("exclusiveMaximum"));
    let value = match (low, high) {
        (Some(low), _) => low.max(1),
        (None, Some(high)) => high.min(1),
        (None, None) => 1,
    };
    let value = high.map_or(value, |high| value.min(high));
    match int("multipleOf").filter(|step| *step > 0) {
        Some(step) => {
            let rest = value.rem_euclid(step);
            json!(if rest == 0 { value } else { value.saturating_add(step - rest) })
        }
        None => json!(value),
    }
}

fn number(schema: &Map<String, Value>) -> Value {
    let float = |key: &str| schema.get(key).and_then(Value::as_f64);
    // Between two bounds the middle is allowed, whether they are themselves or not.
    let low = float("minimum").or_else(|| float("exclusiveMinimum"));
    let high = float("maximum").or_else(|| float("exclusiveMaximum"));
    let value = match (low, high) {
        (Some(low), Some(high)) => low.midpoint(high),
        (Some(low), None) => (low + 1.0).max(1.0),
        (None, Some(high)) => (high - 1.0).min(1.0),
        (None, None) => 1.0,
    };
    json!(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: &str, expect: &str) {
        let raw = RawValue::from_string(schema.to_owned()).unwrap();
        assert_eq!(example(Some(&raw)), expect, "{schema}");
    }

    #[test]
    fn required_members_are_made_and_others_left_out() {
        check(
            r#"{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer","minimum":3},
                "unit":{"enum":["c","f"]},"note":{"type":"string"}},"required":["city","days","unit"]}"#,
            r#"{"city":"demo","days":3,"unit":"c"}"#,
        );
        check(
            r#"{"properties":{"a":{"type":["null","boolean"]}},"required":["a","b"]}"#,
            r#"{"a":true,"b":null}"#,
        );
        check(r#"{"type":"object","properties":{}}"#, "{}");
        check("{}", "{}");
        check("true", "{}");
    }

    #[test]
    fn bounds_are_kept() {
        check(r#"{"type":"array","items":{"type":"number"},"minItems":2}"#, "[1.0,1.0]");
        check(r#"{"type":"array","items":{"type":"number"}}"#, "[]");
        check(r#"{"type":"array","prefixItems":[{"const":1},{"const":"x"}],"minItems":2}"#, r#"[1,"x"]"#);
        check(r#"{"type":"string","minLength":6}"#, r#""demoxx""#);
        check(r#"{"type":"string","maxLength":2}"#, r#""de""#);
        check(r#"{"type":"string","format":"date"}"#, r#""2025-01-01""#);
        check(r#"{"type":"integer","maximum":-5}"#, "-5");
        check(r#"{"type":"integer","exclusiveMinimum":9}"#, "10");
        check(r#"{"type":"integer","minimum":5,"multipleOf":4}"#, "8");
        check(r#"{"type":"number","minimum":0,"maximum":1}"#, "0.5");
        check(r#"{"type":"number","exclusiveMaximum":0}"#, "-1.0");
        check(r#"{"type":"number","exclusiveMinimum":0,"maximum":0.5}"#, "0.25");
    }

    #[test]
    fn references_and_choices_are_followed() {
        check(
            r##"{"$defs":{"p":{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"]}},
                "type":"object","properties":{"p":{"$ref":"#/$defs/p"}},"required":["p"]}"##,
            r#"{"p":{"x":1}}"#,
        );
        check(r#"{"anyOf":[{"type":"object","properties":{}},{"type":"null"}]}"#, "null");
        check(
            r#"{"allOf":[{"properties":{"a":{"const":1}},"required":["a"]},{"properties":{"b":{"const":2}},"required":["b"]}]}"#,
            r#"{"a":1,"b":2}"#,
        );
    }

    #[test]
    fn schemas_without_an_end_are_bounded() {
        let circle = r##"{"$defs":{"n":{"type":"object","properties":{"a":{"$ref":"#/$defs/n"},"b":{"$ref":"#/$defs/n"}},
            "required":["a","b"]}},"$ref":"#/$defs/n"}"##;
        let raw = RawValue::from_string(circle.to_owned()).unwrap();
        let text = example(Some(&raw));
        assert!(text.len() < 64 * 1024, "{}", text.len());
        assert!(serde_json::from_str::<Value>(&text).unwrap().is_object());
        check(r##"{"$ref":"#"}"##, "null");
        check(r##"{"$ref":"https://elsewhere.example/schema"}"##, "{}");
        let huge = RawValue::from_string(r#"{"type":"string","minLength":99999999999}"#.to_owned()).unwrap();
        assert!(example(Some(&huge)).len() < 300);
    }
}
