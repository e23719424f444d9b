//! Two JSON requests that say the same are made equal.
//!
//! A recorded request is one valid spelling of many. What is levelled here is spelling only: null and
//! absent, `1.0` and `1`, a string and a list of one text part, snake and camel case, JSON within a
//! string. Everything else that differs is a difference.

use serde_json::{Map, Number, Value};

/// Members that say nothing when they hold their default.
const DEFAULTS: [(&str, &str); 4] =
    [("stream", "false"), ("thought", "false"), ("instructions", ""), ("type", "message")];
/// Objects that say nothing when they are empty. Others do: `"googleSearch": {}`.
const EMPTY: [&str; 2] = ["generation_config", "metadata"];

/// The common spelling.
#[must_use]
pub fn normalise(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(whole(number)),
        Value::Array(items) => Value::Array(items.iter().map(normalise).collect()),
        Value::Object(members) => Value::Object(object(members)),
        other => other.clone(),
    }
}

fn object(members: &Map<String, Value>) -> Map<String, Value> {
    let mut out = Map::new();
    for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
        let name = snake(name);
        let value = match (name.as_str(), value) {
            ("content" | "system" | "output", Value::Array(parts)) => {
                single_text(parts).unwrap_or_else(|| normalise(value))
            }
            ("arguments", Value::String(text)) => {
                serde_json::from_str(text).map_or_else(|_| value.clone(), |parsed: Value| normalise(&parsed))
            }
            // Gemini spells schema types in capitals or not.
            ("type", Value::String(text)) if text.chars().all(|c| c.is_ascii_uppercase()) => {
                Value::String(text.to_ascii_lowercase())
            }
            _ => normalise(value),
        };
        let default = DEFAULTS.iter().any(|(known, default)| *known == name && says(default, &value));
        let empty = EMPTY.contains(&name.as_str()) && value.as_object().is_some_and(Map::is_empty);
        if !default && !empty {
            out.insert(name, value);
        }
    }
    out
}

/// Whether a value is this word, or this truth.
fn says(word: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => text == word,
        Value::Bool(truth) => word.parse() == Ok(*truth),
        _ => false,
    }
}

/// A list of one part that is a text and nothing more is that text.
fn single_text(parts: &[Value]) -> Option<Value> {
    let [Value::Object(part)] = parts else { return None };
    let text = matches!(part.get("type")?.as_str()?, "text" | "input_text" | "output_text");
    let plain = part.len() == 2 && text;
    plain.then(|| part.get("text").cloned()).flatten()
}

/// `1.0` as `1`. Fractions stay.
fn whole(number: &Number) -> Number {
    match number.as_f64() {
        Some(value) if !number.is_i64() && !number.is_u64() && value.fract().abs() < f64::EPSILON => {
            let text = format!("{value:.0}");
            text.parse::<i64>().map_or_else(|_| number.clone(), Number::from)
        }
        _ => number.clone(),
    }
}

fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            if !out.is_empty() && !out.ends_with('_') {
                out.push('_');
            }
            out.push(c.to_ascii_lowercase());
        } else {
            out.push(c);
        }
    }
    out
}

/// Where two values differ once they are normalised: one line each, with the path.
#[must_use]
pub fn differences(expect: &Value, actual: &Value) -> Vec<String> {
    let mut out = Vec::new();
    compare("", &normalise(expect), &normalise(actual), &mut out);
    out
}

fn compare(path: &str, expect: &Value, actual: &Value, out: &mut Vec<String>) {
    let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (expect, actual) {
        (Value::Object(expect), Value::Object(actual)) => {
            for (name, value) in expect {
                match actual.get(name) {
                    Some(other) => compare(&at(name), value, other, out),
                    None => out.push(format!("{}: missing, expected {value}", at(name))),
                }
            }
            let more = actual.iter().filter(|(name, _)| !expect.contains_key(*name));
            out.extend(more.map(|(name, value)| format!("{}: not expected, got {value}", at(name))));
        }
        (Value::Array(expect), Value::Array(actual)) if expect.len() == actual.len() => {
            for (index, (value, other)) in expect.iter().zip(actual).enumerate() {
                compare(&at(&index.to_string()), value, other, out);
            }
        }
        _ if expect == actual => {}
        _ => out.push(format!("{path}: expected {expect}, got {actual}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn spellings_are_levelled() {
        let check = |one: Value, other: Value| assert_eq!(differences(&one, &other), Vec::<String>::new());
        check(json!({"a": null, "b": 1.0}), json!({"b": 1}));
        check(json!({"content": [{"type": "text", "text": "x"}]}), json!({"content": "x"}));
        check(
            json!({"generationConfig": {"maxOutputTokens": 5}}),
            json!({"generation_config": {"max_output_tokens": 5}}),
        );
        check(json!({"generationConfig": {}, "stream": false}), json!({}));
        check(json!({"arguments": "{\"a\": 1}"}), json!({"arguments": "{\"a\":1.0}"}));
        check(json!({"type": "OBJECT"}), json!({"type": "object"}));
        let item =
            json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]});
        check(item, json!({"role": "user", "content": "x"}));
        check(json!({"instructions": ""}), json!({}));
    }

    #[test]
    fn meaning_is_not() {
        let check = |one: Value, other: Value, expect: &str| assert_eq!(differences(&one, &other), [expect]);
        check(json!({"a": {"b": [1, 2]}}), json!({"a": {"b": [1, 3]}}), "a.b.1: expected 2, got 3");
        check(json!({"a": 1.5}), json!({"a": 1}), "a: expected 1.5, got 1");
        check(json!({"a": 1}), json!({}), "a: missing, expected 1");
        check(json!({"tools": []}), json!({"tools": [], "x": {}}), "x: not expected, got {}");
        check(json!({"a": [1]}), json!({"a": [1, 2]}), "a: expected [1], got [1,2]");
        let cached =
            json!({"content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]});
        assert_eq!(differences(&cached, &json!({"content": "x"})).len(), 1);
    }
}
