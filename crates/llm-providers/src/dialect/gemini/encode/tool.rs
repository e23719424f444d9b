//! Tools and the choice among them.

use std::borrow::Cow;

use llm_types::chat::{Tool, ToolChoice, ToolKind, Tooling, WebSearch};
use llm_types::{ApiError, Dialect, RawValue, Result, Str};

use super::name::Names;
use super::{Cx, NO_COUNTERPART, extra, option, wire};

/// Arguments of a function that stands for a tool with free text.
const FREE_TEXT: &str = r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#;
const SEARCH: &str = r#"{"googleSearch":{}}"#;
const GOOGLE_SEARCH: &str = "googleSearch";
/// Tools that look things up: models before Gemini 3 refuse them beside functions.
const LOOKUPS: &[&str] = &[
    GOOGLE_SEARCH,
    "googleSearchRetrieval",
    "enterpriseWebSearch",
    "googleMaps",
    "urlContext",
    "fileSearch",
];
/// Tools that the provider runs, by their member.
const HOSTED: &[&str] = &[
    GOOGLE_SEARCH,
    "googleSearchRetrieval",
    "enterpriseWebSearch",
    "codeExecution",
    "urlContext",
    "googleMaps",
    "computerUse",
    "fileSearch",
];

/// The tools as they are sent.
#[derive(Debug, Default)]
pub(super) struct Tools<'a> {
    pub(super) list: Vec<wire::Tool<'a>>,
    functions: usize,
    hosted: usize,
}

/// The tools on offer.
///
/// # Errors
/// When a tool is not what it should be.
pub(super) fn tools<'a>(
    tooling: &'a Tooling,
    search: Option<&'a WebSearch>,
    names: &mut Names<'a>,
    cx: &mut Cx<'_>,
) -> Result<Tools<'a>> {
    // `legacy` concerns the form of the client's answer only.
    let Tooling { tools, choice: _, parallel, legacy: _ } = tooling;
    let mut functions = Vec::new();
    let mut hosted: Vec<(String, wire::Tool<'a>)> = Vec::new();
    for (index, tool) in tools.iter().enumerate() {
        let Tool { kind, cache, extra } = tool;
        let place = Place { index };
        if cache.is_some() {
            cx.changes.dropped(place.path(".cache_control"), NO_COUNTERPART);
        }
        let declared = match kind {
            ToolKind::Function { name, description, parameters, strict } => {
                if *strict == Some(true) {
                    cx.changes.dropped(place.path(".function.strict"), NO_COUNTERPART);
                }
                Some(Declared { name, description: description.as_deref(), schema: parameters.as_deref() })
            }
            ToolKind::Custom { name, description, format } => {
                cx.changes.altered(place.path(""), "sent as a function with one text `input`");
                if format.is_some() {
                    cx.changes.dropped(place.path(".custom.format"), NO_COUNTERPART);
                }
                let schema = Some(constant(FREE_TEXT)?);
                Some(Declared { name, description: description.as_deref(), schema })
            }
            ToolKind::Hosted { dialect, kind, json } => {
                if let Some(tool) = provided((*dialect, kind), json, place, cx)? {
                    hosted.push((place.path(""), tool));
                }
                None
            }
        };
        let mut declaration = declared.map(|declared| declare(declared, place, names, cx)).transpose()?;
        for (name, value) in extra.iter() {
            match &mut declaration {
                Some(declaration) if cx.native && !is_named(name) => {
                    declaration.extra.push(name.into(), value);
                }
                _ => cx.changes.dropped(place.path(&format!(".{name}")), NO_COUNTERPART),
            }
        }
        functions.extend(declaration);
    }
    if let Some(search) = search {
        web_search(search, &mut hosted, cx)?;
    }
    if !functions.is_empty() && !cx.model.signs_calls() {
        hosted.retain(|(path, tool)| {
            let refused = is_any(tool, LOOKUPS);
            if refused {
                let why = format!("{} takes no search beside functions", cx.name);
                cx.changes.dropped(path.clone(), why);
            }
            !refused
        });
    }
    // One function can be called several times at once.
    if *parallel == Some(false) {
        cx.changes.dropped("parallel_tool_calls", NO_COUNTERPART);
    }
    let mut out = Tools { list: Vec::new(), functions: functions.len(), hosted: hosted.len() };
    out.list.extend(hosted.into_iter().map(|(_, tool)| tool));
    if !functions.is_empty() {
        out.list.push(wire::Tool { function_declarations: Some(functions.into()), ..wire::Tool::default() });
    }
    Ok(out)
}

#[derive(Debug, Clone, Copy)]
struct Place {
    index: usize,
}

impl Place {
    fn path(self, member: &str) -> String {
        format!("tools[{}]{member}", self.index)
    }
}

/// A function, or a tool that is sent as one.
#[derive(Debug, Clone, Copy)]
struct Declared<'a> {
    name: &'a str,
    description: Option<&'a str>,
    schema: Option<&'a RawValue>,
}

fn declare<'a>(
    declared: Declared<'a>,
    place: Place,
    names: &mut Names<'a>,
    cx: &mut Cx<'_>,
) -> Result<wire::FunctionDeclaration<'a>> {
    let Declared { name, description, schema } = declared;
    let sent = names.sent(name);
    if sent.as_str() != name {
        let why = format!("gemini takes no such name: sent as {}", sent.as_str());
        cx.changes.altered(place.path(".function.name"), why);
    }
    let mut out = wire::FunctionDeclaration {
        name: Some(sent),
        description: description.map(Str::from),
        ..wire::FunctionDeclaration::default()
    };
    if let Some(schema) = schema.filter(|schema| schema.get() != "null") {
        if cx.model.json_schema {
            out.parameters_json_schema = Some(schema.into());
        } else {
            let path = Cow::Owned(place.path(".function.parameters"));
            out.parameters = option::subset(schema, path, cx)?;
        }
    }
    Ok(out)
}

/// A tool that the provider runs: its own as it came, another's web search as its own.
fn provided<'a>(
    (dialect, kind): (Dialect, &str),
    json: &'a RawValue,
    place: Place,
    cx: &mut Cx<'_>,
) -> Result<Option<wire::Tool<'a>>> {
    let tool: wire::Tool<'a> = serde_json::from_str(json.get()).map_err(|error| {
        ApiError::bad_request(format!("a tool is not what it should be: {error}")).with_param(place.path(""))
    })?;
    // Clients of other dialects write this one's tools as they are: `{"googleSearch": {}}`.
    if dialect == Dialect::Gemini || is_any(&tool, HOSTED) {
        return Ok(Some(tool));
    }
    if kind.starts_with("web_search") {
        cx.changes.altered(place.path(""), "sent as googleSearch, without its settings");
        return google_search().map(Some);
    }
    cx.changes.dropped(place.path(""), format!("{kind} is known to {dialect} only"));
    Ok(None)
}

fn web_search<'a>(
    search: &WebSearch,
    hosted: &mut Vec<(String, wire::Tool<'a>)>,
    cx: &mut Cx<'_>,
) -> Result<()> {
    const PATH: &str = "web_search_options";
    let WebSearch { context_size, country, region, city, timezone } = search;
    if context_size.is_some() {
        cx.changes.dropped("web_search_options.search_context_size", NO_COUNTERPART);
    }
    if [country, region, city, timezone].into_iter().any(Option::is_some) {
        cx.changes.dropped("web_search_options.user_location", NO_COUNTERPART);
    }
    if !hosted.iter().any(|(_, tool)| is_any(tool, &[GOOGLE_SEARCH])) {
        hosted.push((PATH.to_owned(), google_search()?));
    }
    Ok(())
}

/// Whether a declaration has a field of this name, which an unknown member may not repeat.
fn is_named(name: &str) -> bool {
    ["name", "description", "parameters", "parametersJsonSchema"].contains(&extra::camel(name).as_str())
}

fn is_any(tool: &wire::Tool<'_>, names: &[&str]) -> bool {
    tool.extra.iter().any(|(name, _)| names.contains(&extra::camel(name).as_str()))
}

fn google_search<'a>() -> Result<wire::Tool<'a>> {
    serde_json::from_str(SEARCH).map_err(unreadable)
}

fn constant(json: &'static str) -> Result<&'static RawValue> {
    serde_json::from_str(json).map_err(unreadable)
}

fn unreadable(error: serde_json::Error) -> ApiError {
    ApiError::bad_request("a tool cannot be written as JSON").with_source(error)
}

/// Which functions the model may or must call. The provider refuses it where there are no functions.
pub(super) fn config<'a>(
    tooling: &'a Tooling,
    tools: &Tools<'a>,
    names: &mut Names<'a>,
    cx: &mut Cx<'_>,
) -> Option<wire::ToolConfig<'a>> {
    // A client of this dialect says itself what it wants.
    let mixed = !cx.own && tools.functions > 0 && tools.hosted > 0 && cx.host.asks_for_server_side_calls();
    let mut config = wire::ToolConfig {
        include_server_side_tool_invocations: (mixed && cx.model.signs_calls()).then_some(true),
        ..wire::ToolConfig::default()
    };
    if let Some(choice) = &tooling.choice {
        if tools.functions > 0 {
            config.function_calling_config = Some(allowed(choice, names));
        } else if !matches!(choice, ToolChoice::Auto | ToolChoice::None) {
            cx.changes.dropped("tool_choice", "there is no function to choose");
        }
    }
    let set =
        config.function_calling_config.is_some() || config.include_server_side_tool_invocations.is_some();
    set.then_some(config)
}

fn allowed<'a>(choice: &'a ToolChoice, names: &mut Names<'a>) -> wire::AllowedCalls<'a> {
    let mut only: Vec<Str<'a>> = Vec::new();
    let mode = match choice {
        ToolChoice::Auto => "AUTO",
        ToolChoice::None => "NONE",
        ToolChoice::Required => "ANY",
        ToolChoice::Function(name) | ToolChoice::Custom(name) => {
            only.push(names.sent(name));
            "ANY"
        }
        ToolChoice::Allowed { required, names: allowed } => {
            only.extend(allowed.iter().map(|name| names.sent(name)));
            if *required { "ANY" } else { "VALIDATED" }
        }
    };
    wire::AllowedCalls {
        mode: Some(Str::from(mode)),
        allowed_function_names: (!only.is_empty()).then_some(wire::List(only)),
        ..wire::AllowedCalls::default()
    }
}
