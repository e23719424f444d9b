//! Custom tools at providers that know functions only.
//!
//! Such a tool goes out as a function with one text, `input`. The client must not see that: what it gets
//! back is a call of its custom tool with the plain text.

use std::borrow::Cow;

use llm_types::chat::{ToolKind, Tooling};
use llm_types::{Str, wire_struct};

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
