//! What keeps translation honest and the request path fast.
//!
//! A new field of the neutral form must not compile until each encoder has decided about it, so an encoder
//! may not skip fields with `..`. Untyped JSON, `flatten` and `untagged` cost five times the time and two
//! hundred times the allocations of typed reading, so they stay out of the dialects; JSON Schema is untyped
//! by nature and may use them in files of its own.

use std::collections::BTreeSet;

use super::text::{before_tests, code_only, line_at, words};
use super::{Problem, Source};

const DIALECTS: &str = "crates/llm-providers/src/dialect/";
const NEUTRAL: &str = "crates/llm-types/src/";

/// The names of the neutral structs.
pub(super) fn neutral_types(sources: &[Source]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in sources.iter().filter(|source| source.path.starts_with(NEUTRAL) && source.is_rust()) {
        for line in source.text.lines() {
            let Some(rest) = line.trim_start().strip_prefix("pub struct ") else { continue };
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            names.insert(name);
        }
    }
    names
}

pub(super) fn check(source: &Source, neutral: &BTreeSet<String>) -> Vec<Problem> {
    let Some(inside) = source.path.strip_prefix(DIALECTS) else {
        return Vec::new();
    };
    if source.is_test() {
        return Vec::new();
    }
    let code = code_only(before_tests(&source.text));
    let mut problems = Vec::new();
    if inside.contains("encode") {
        for name in neutral {
            for at in skipping(&code, name) {
                let message = format!(
                    "skips fields of `{name}` with `..`: name them all, so that a new one is handled"
                );
                problems.push(Problem::new(&source.path, line_at(&code, at), message));
            }
        }
    }
    let file = inside.rsplit('/').next().unwrap_or(inside);
    if !file.starts_with("schema") && !inside.contains("/schema/") {
        for (at, what) in untyped(&code) {
            let message = format!("uses {what}: write typed wire structs (JSON Schema goes into schema*.rs)");
            problems.push(Problem::new(&source.path, line_at(&code, at), message));
        }
    }
    problems
}

/// Where a pattern of this struct ends in `..`. A literal with a base (`..base`) is not a pattern.
fn skipping(code: &str, name: &str) -> Vec<usize> {
    let skips = |at: &usize| {
        let Some(body) = code.get(at + name.len()..).and_then(|rest| rest.trim_start().strip_prefix('{'))
        else {
            return false;
        };
        let mut depth = 0_usize;
        for (here, c) in body.char_indices() {
            match c {
                '{' | '(' | '[' => depth += 1,
                '}' if depth == 0 => {
                    let inside = body.get(..here).unwrap_or_default().trim_end();
                    let before = inside.strip_suffix("..").map(str::trim_end);
                    return before.is_some_and(|before| before.is_empty() || before.ends_with(','));
                }
                '}' | ')' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        false
    };
    words(code, name).filter(skips).collect()
}

/// Where untyped JSON is used, and by what name.
fn untyped(code: &str) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices("serde_json::") {
        let rest = code.get(start + "serde_json::".len()..).unwrap_or_default();
        let group = rest.strip_prefix('{').and_then(|group| group.split('}').next()).unwrap_or_default();
        let own: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if own == "Value" || own == "json" || words(group, "Value").next().is_some() {
            found.push((start, "`serde_json::Value`"));
        }
    }
    for (start, _) in code.match_indices("serde(") {
        let inside = code.get(start..).and_then(|rest| rest.split(")]").next()).unwrap_or_default();
        for (word, what) in [("flatten", "`serde(flatten)`"), ("untagged", "`serde(untagged)`")] {
            if words(inside, word).next().is_some() {
                found.push((start, what));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let types =
            source("crates/llm-types/src/chat.rs", "pub struct ChatRequest {\n}\npub struct Limits;\n");
        check(&source(path, text), &neutral_types(&[types])).into_iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn encoders_name_every_field() {
        let check = |text: &str, expect: &[usize]| {
            assert_eq!(lines("crates/llm-providers/src/dialect/a/encode.rs", text), expect, "{text}");
        };
        check("let ChatRequest { model, messages } = request;", &[]);
        check("let ChatRequest { model, .. } = request;", &[1]);
        check("let ChatRequest { .. } = request;", &[1]);
        check("let ChatRequest {\n    model,\n    limits: Limits { max, .. },\n} = request;", &[3]);
        check("let ChatRequest {\n    model: Some((a, ..)),\n    ..\n} = request;", &[1]);
        check("let a = Limits { max: 1, ..Limits::default() };", &[]);
        check("let MyLimits { max, .. } = own;", &[]);
        check("// let Limits { max, .. } = x;", &[]);
        check("fn f(x: &Limits) { let Other { a, .. } = x; }", &[]);
        check("#[cfg(test)]\nmod tests {\n let Limits { max, .. } = x;\n}", &[]);
    }

    #[test]
    fn other_files_may_skip() {
        let text = "let Limits { max, .. } = x;";
        assert!(lines("crates/llm-providers/src/dialect/a/decode.rs", text).is_empty());
        assert!(lines("crates/llm-gateway/src/encode.rs", text).is_empty());
        assert!(lines("crates/llm-providers/src/dialect/a/encode/tests.rs", text).is_empty());
    }

    #[test]
    fn dialects_are_typed() {
        let check = |text: &str, count| {
            let path = "crates/llm-providers/src/dialect/a/wire.rs";
            assert_eq!(lines(path, text).len(), count, "{text}");
            assert!(lines("crates/llm-providers/src/dialect/a/schema.rs", text).is_empty());
            assert!(lines("crates/llm-providers/src/dialect/a/schema_fold.rs", text).is_empty());
        };
        check("use serde_json::Value;", 1);
        check("use serde_json::{Map, Value};", 1);
        check("fn f(v: &serde_json::Value) {}", 1);
        check("let v = serde_json::json!({});", 1);
        check("use serde_json::value::RawValue;", 0);
        check("use serde_json::{from_slice, value::RawValue};", 0);
        check("#[serde(flatten)]", 1);
        check("#[serde(default, flatten)]", 1);
        check("#[serde(untagged)]", 1);
        check("#[serde(rename = \"flatten\")]", 0);
        check("x.iter().flatten()", 0);
        check("// serde_json::Value is slow", 0);
    }
}
