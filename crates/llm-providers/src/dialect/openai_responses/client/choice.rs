//! Which tools the model may or must call.

use llm_types::Str;
use llm_types::chat::{Tool, ToolChoice, ToolKind};

use super::super::wire::{Choice, ChoiceObject};

/// `tool_choice`.
pub(super) fn choice<'a>(choice: &'a ToolChoice, tools: &[Tool]) -> Choice<'a> {
    let word = |word: &'static str| Choice::Word(Str::from(word));
    match choice {
        ToolChoice::Auto => word("auto"),
        ToolChoice::None => word("none"),
        ToolChoice::Required => word("required"),
        ToolChoice::Function(name) => Choice::Object(named("function", name)),
        ToolChoice::Custom(name) => Choice::Object(named("custom", name)),
        ToolChoice::Allowed { required, names } => Choice::Object(ChoiceObject {
            kind: Some(Str::from("allowed_tools")),
            mode: Some(Str::from(if *required { "required" } else { "auto" })),
            tools: Some(names.iter().map(|name| named(kind_of(name, tools), name)).collect()),
            ..ChoiceObject::default()
        }),
    }
}

fn kind_of(name: &str, tools: &[Tool]) -> &'static str {
    let tool = tools.iter().find(|tool| tool.name() == Some(name));
    match tool.map(|tool| &tool.kind) {
        Some(ToolKind::Custom { .. }) => "custom",
        _ => "function",
    }
}

fn named<'a>(kind: &'static str, name: &'a str) -> ChoiceObject<'a> {
    ChoiceObject { kind: Some(Str::from(kind)), name: Some(Str::from(name)), ..ChoiceObject::default() }
}
