//! Tools on offer.

use llm_types::chat::{Tool, ToolKind, WebSearch};
use llm_types::{Dialect, RawValue, Str, wire_struct};

use super::super::wire::{self, Custom, Function, Raw};
use super::encode::Writer;
use crate::dialect::path::Path;

/// Tools that OpenAI runs. Clients of chat completions send them for models that are reached this way:
/// that API has none of them itself.
const HOSTED: [&str; 15] = [
    "web_search",
    "web_search_2025_08_26",
    "web_search_preview",
    "web_search_preview_2025_03_11",
    "file_search",
    "code_interpreter",
    "image_generation",
    "computer",
    "computer_use_preview",
    "mcp",
    "local_shell",
    "shell",
    "apply_patch",
    "tool_search",
    "namespace",
];

wire_struct! {
    /// The provider's own web search.
    struct SearchTool<'a> {
        kind as "type": Str<'a>,
        search_context_size: Str<'a>,
        user_location: Place<'a>,
    }
}

wire_struct! {
    /// Where the asker is.
    struct Place<'a> {
        kind as "type": Str<'a>,
        country: Str<'a>,
        region: Str<'a>,
        city: Str<'a>,
        timezone: Str<'a>,
    }
}

/// All tools that this API takes.
pub(super) fn tools<'a>(writer: &mut Writer<'_, '_>, tools: &'a [Tool]) -> Vec<wire::Tool<'a>> {
    let root = Path::Root;
    let list = root.key("tools");
    tools.iter().enumerate().filter_map(|(index, one)| tool(writer, one, &list.index(index))).collect()
}

fn tool<'a>(writer: &mut Writer<'_, '_>, tool: &'a Tool, path: &Path<'_>) -> Option<wire::Tool<'a>> {
    let Tool { kind, cache, extra } = tool;
    writer.cache(cache.as_ref(), path);
    match kind {
        ToolKind::Function { name, description, parameters, strict } => {
            Some(wire::Tool::Function(Function {
                kind: Some(Str::from("function")),
                name: Some(Str::from(name)),
                description: description.as_ref().map(Str::from),
                parameters: Some(parameters.as_deref().map_or_else(no_arguments, Raw::from)),
                // Left out it would mean true here, and false everywhere else.
                // Other APIs do not hold to the schema unless asked to, this one does.
                strict: strict.or((!writer.said).then_some(false)),
                extra: writer.extras(extra, path, &[]),
            }))
        }
        ToolKind::Custom { name, description, format } => Some(wire::Tool::Custom(Custom {
            kind: Some(Str::from("custom")),
            name: Some(Str::from(name)),
            description: description.as_ref().map(Str::from),
            format: format.as_deref().and_then(self::format),
            extra: writer.extras(extra, path, &[]),
        })),
        ToolKind::Hosted { dialect, kind, json } => {
            let known = *dialect == Dialect::OpenaiChat && HOSTED.contains(&kind.as_str());
            if *dialect == Dialect::OpenaiResponses || known {
                return Some(wire::Tool::Hosted(Str::from(kind), Raw::from(&**json)));
            }
            writer.changes.dropped(path.to_string(), format!("`{kind}` is a tool of the {dialect} dialect"));
            None
        }
    }
}

/// A schema that takes no arguments: the member itself is required.
fn no_arguments<'a>() -> Raw<'a> {
    let schema = RawValue::from_string(r#"{"type":"object","properties":{}}"#.to_owned());
    Raw::from(schema.unwrap_or_default())
}

wire_struct! {
    /// The grammar of a custom tool's input: chat completions keep it in an object of its own.
    struct CustomFormat<'a> {
        kind as "type": Str<'a>,
        grammar: Raw<'a>,
    }
}

wire_struct! {
    /// The same, flat.
    struct FlatFormat<'a> {
        kind as "type": Str<'a>,
        syntax: Str<'a>,
        definition: Str<'a>,
    }
}

fn format(json: &RawValue) -> Option<Raw<'_>> {
    let read: Option<CustomFormat<'_>> = serde_json::from_str(json.get()).ok();
    let Some(grammar) = read.and_then(|format| format.grammar) else {
        return Some(Raw::from(json));
    };
    let mut flat: FlatFormat<'_> = serde_json::from_str(grammar.get()).ok()?;
    flat.kind = Some(Str::from("grammar"));
    serde_json::value::to_raw_value(&flat).ok().map(Raw::from)
}

/// The tool that stands for `web_search_options`.
pub(super) fn web_search<'a>(search: &WebSearch) -> wire::Tool<'a> {
    const KIND: &str = "web_search";
    let WebSearch { context_size, country, region, city, timezone } = search;
    let placed = [country, region, city, timezone].iter().any(|part| part.is_some());
    let tool = SearchTool {
        kind: Some(Str::from(KIND)),
        search_context_size: context_size.as_ref().map(Str::from),
        user_location: placed.then(|| Place {
            kind: Some(Str::from("approximate")),
            country: country.as_ref().map(Str::from),
            region: region.as_ref().map(Str::from),
            city: city.as_ref().map(Str::from),
            timezone: timezone.as_ref().map(Str::from),
            ..Place::default()
        }),
        ..SearchTool::default()
    };
    let json = serde_json::value::to_raw_value(&tool).unwrap_or_default();
    wire::Tool::Hosted(Str::from(KIND), Raw::from(json))
}
