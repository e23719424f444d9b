//! Custom tools at providers that know functions only.
//!
//! Such a tool goes out as a function with one text, `input`. The client must not see that: what it gets
//! back is a call of its custom tool with the plain text.

use std::borrow::Cow;
use std::collections::HashMap;

use llm_types::chat::{ToolCallKind, ToolKind, Tooling};
use llm_types::{Changes, Raw, RawValue, Str, wire_struct};
use serde_json::value::to_raw_value;

wire_struct! {
    /// The arguments of a function that stands for a custom tool.
    struct Arguments<'a> {
        input: Str<'a>,
    }
}

/// The names of the custom tools on offer, for the decoder of the call.
pub(super) fn names(tooling: &Tooling) -> Vec<String> {
    let custom = tooling.tools.iter().filter_map(|tool| match &tool.kind {
        ToolKind::Custom { name, .. } => Some(name.clone()),
        ToolKind::Function { .. } | ToolKind::Hosted { .. } => None,
    });
    custom.collect()
}

/// The schema of a function that stands for a custom tool.
pub(super) fn schema() -> Option<Box<RawValue>> {
    const TEXT: &str = r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}"#;
    RawValue::from_string(TEXT.to_owned()).ok()
}

/// The arguments of a call as the object that a provider demands: free text as its `input`, none at all as an empty
/// object. What is no object is sent as a text within one, and told, with its `path`.
pub(super) fn object<'a>(
    kind: ToolCallKind,
    arguments: &'a str,
    changes: &mut Changes,
    path: impl FnOnce() -> String,
) -> Option<Raw<'a>> {
    let within = |name: &str| to_raw_value(&HashMap::from([(name, arguments)])).ok().map(Raw::from);
    if kind == ToolCallKind::Custom {
        return within("input");
    }
    let text = if arguments.trim().is_empty() { "{}" } else { arguments };
    let object = serde_json::from_str::<&RawValue>(text).ok().filter(|raw| raw.get().starts_with('{'));
    object.map(Raw::from).or_else(|| {
        changes.altered(path(), "not a JSON object: sent as one with the text");
        within("arguments")
    })
}

/// The free text in such arguments; what a model put there instead stays as it is.
pub(super) fn input(arguments: &str) -> Cow<'_, str> {
    match serde_json::from_str(arguments) {
        Ok(Arguments { input: Some(text), extra }) if extra.is_empty() => Cow::Owned(text.into_string()),
        Ok(Arguments { input: None, extra }) if extra.is_empty() => Cow::Borrowed(""),
        _ => Cow::Borrowed(arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_become_an_object() {
        let check = |kind: ToolCallKind, arguments: &str, expect: &str, told: bool| {
            let mut changes = Changes::default();
            let raw = object(kind, arguments, &mut changes, || "at".to_owned()).unwrap();
            assert_eq!((raw.get(), !changes.is_empty()), (expect, told), "{arguments}");
        };
        check(ToolCallKind::Function, r#"{"a": 1}"#, r#"{"a": 1}"#, false);
        check(ToolCallKind::LegacyFunction, " ", "{}", false);
        check(ToolCallKind::Function, "[1]", r#"{"arguments":"[1]"}"#, true);
        check(ToolCallKind::Function, r#"{"cut"#, r#"{"arguments":"{\"cut"}"#, true);
        check(ToolCallKind::Custom, r#"{"a":1}"#, r#"{"input":"{\"a\":1}"}"#, false);
    }

    #[test]
    fn free_text_is_taken_out_of_its_object() {
        let check = |arguments: &str, expect: &str| assert_eq!(input(arguments), expect, "{arguments}");
        check(r#"{"input":"a \"b\"\n"}"#, "a \"b\"\n");
        check("{}", "");
        check(r#"{"input":1}"#, r#"{"input":1}"#);
        check(r#"{"input":"x","more":1}"#, r#"{"input":"x","more":1}"#);
        check(r#"{"text":"x"}"#, r#"{"text":"x"}"#);
        check("cut {", "cut {");
    }
}
