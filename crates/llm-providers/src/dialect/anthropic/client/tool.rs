//! Tools and the choice among them.

use std::borrow::Cow;

use llm_types::chat::{CacheControl, ChatRequest, Part, Tool, ToolChoice, ToolKind, Tooling, WebSearch};
use llm_types::{ApiError, Dialect, RawValue, Result, Str, wire_struct};

use super::super::schema::{self, Input, Unfit};
use super::super::wire::{self, McpServer, McpTools, Raw, ToolDef, UserLocation};
use super::beta;
use super::encoder::{Encoder, NO_COUNTERPART, breakpoint};
use super::part::word;
use crate::dialect::custom;
use crate::dialect::name::Names;

/// The tool through which a structured answer is asked for where the API has no field for it.
pub(super) const JSON_TOOL: &str = "json_tool_call";
/// The longest tool name.
const NAME_LIMIT: usize = 128;
/// What the API calls its own search.
const WEB_SEARCH: &str = "web_search";
/// Members of a tool that any client may set.
const KNOWN: &[&str] = &["defer_loading", "allowed_callers", "input_examples", "eager_input_streaming"];

/// A tool, and which of the client's it was.
#[derive(Debug)]
pub(super) struct Offered<'r> {
    /// The tool.
    pub(super) tool: wire::Tool<'r>,
    /// Its place among the client's; `None`: it is the gateway's own.
    pub(super) index: Option<usize>,
}

/// Tools as they are sent.
#[derive(Debug, Default)]
pub(super) struct Tools<'r> {
    /// The tools.
    pub(super) list: Vec<Offered<'r>>,
    /// Tool servers among them.
    pub(super) servers: Vec<Raw<'r>>,
    /// How many of them hold a cache breakpoint that cannot be taken away.
    pub(super) cached: usize,
}

wire_struct! {
    struct Hosted<'a> {
        kind as "type": Str<'a>,
        name: Str<'a>,
        cache_control: wire::CacheControl<'a>,
    }
}

wire_struct! {
    struct OpenaiMcp<'a> {
        kind as "type": Str<'a>,
        server_url: Str<'a>,
        server_label: Str<'a>,
        authorization: Str<'a>,
        allowed_tools: Vec<Str<'a>>,
        require_approval: Raw<'a>,
        headers: Raw<'a>,
        server_description: Raw<'a>,
    }
}

/// How the names of all tools of a request are sent.
pub(super) fn names(request: &ChatRequest) -> Names {
    let tools = &request.tooling.tools;
    let own = tools.iter().filter_map(Tool::name);
    let calls = request.messages.iter().flat_map(|message| &message.parts).filter_map(|part| match part {
        Part::ToolCall(call) => Some(call.name.as_str()),
        _ => None,
    });
    let chosen = match &request.tooling.choice {
        Some(ToolChoice::Function(name) | ToolChoice::Custom(name)) => Some(name.as_str()),
        _ => None,
    };
    let mut reserved: Vec<Cow<'_, str>> = tools.iter().filter_map(hosted_name).collect();
    if request.web_search.is_some() {
        reserved.push(WEB_SEARCH.into());
    }
    if request.output.format.is_some() {
        reserved.push(JSON_TOOL.into());
    }
    Names::new(own.chain(chosen).chain(calls), &reserved, NAME_LIMIT)
}

fn hosted_name(tool: &Tool) -> Option<Cow<'_, str>> {
    match &tool.kind {
        ToolKind::Hosted { dialect: Dialect::Anthropic, json, .. } => {
            serde_json::from_str::<Hosted<'_>>(json.get()).ok()?.name.map(|name| name.0)
        }
        _ => None,
    }
}

impl<'r> Encoder<'r, '_> {
    /// The tools on offer, the provider's own search included.
    ///
    /// # Errors
    /// When a schema is not an object.
    pub(super) fn tools(&mut self, tooling: &'r Tooling, search: Option<&'r WebSearch>) -> Result<Tools<'r>> {
        let mut out = Tools::default();
        for (index, tool) in tooling.tools.iter().enumerate() {
            if !self.is_allowed(tool, tooling.choice.as_ref()) {
                self.changes.altered("tool_choice", "the tools that are not allowed are left out");
                continue;
            }
            if let Some(tool) = self.tool(index, tool, &mut out)? {
                out.list.push(Offered { tool, index: Some(index) });
            }
        }
        if let Some(search) = search {
            let has_search = tooling.tools.iter().filter_map(hosted_name).any(|name| name == WEB_SEARCH);
            if has_search {
                self.changes.dropped("web_search_options", "a web search tool is given as well");
            } else {
                out.list.push(Offered { tool: self.web_search(search), index: None });
            }
        }
        Ok(out)
    }

    fn is_allowed(&self, tool: &Tool, choice: Option<&ToolChoice>) -> bool {
        let Some(ToolChoice::Allowed { names, required: _ }) = choice else {
            return true;
        };
        let name = tool.name().map(Cow::Borrowed).or_else(|| hosted_name(tool));
        name.is_some_and(|name| names.iter().any(|allowed| *allowed == name))
    }

    fn tool(&mut self, index: usize, tool: &'r Tool, out: &mut Tools<'r>) -> Result<Option<wire::Tool<'r>>> {
        let Tool { kind, cache, extra } = tool;
        let mut def = match kind {
            ToolKind::Hosted { dialect, kind, json } => {
                // Its members, a breakpoint included, are in its own JSON.
                let tool = self.hosted(index, (*dialect, kind, json), &mut out.servers);
                let tool = tool.map(|tool| with_breakpoint(tool, cache.as_ref(), &mut out.cached));
                return Ok(tool.map(wire::Tool::Hosted));
            }
            ToolKind::Function { name, description, parameters, strict } => ToolDef {
                name: Some(self.names.sent(name)),
                description: description.as_ref().map(Into::into),
                ..self.function(index, parameters.as_deref(), *strict)?
            },
            ToolKind::Custom { name, description, format } => {
                self.changes.altered(format!("tools[{index}]"), "sent as a function with one text, `input`");
                if format.is_some() {
                    self.changes.dropped(format!("tools[{index}].custom.format"), NO_COUNTERPART);
                }
                ToolDef {
                    name: Some(self.names.sent(name)),
                    description: description.as_ref().map(Into::into),
                    input_schema: custom::schema().map(Raw::from),
                    ..ToolDef::default()
                }
            }
        };
        def.kind = word("custom");
        def.cache_control = breakpoint(cache.as_ref());
        def.extra = self.members(extra, KNOWN, || format!("tools[{index}]"));
        if def.cache_control.is_some() && def.extra.get("defer_loading").is_some_and(|v| v.get() == "true") {
            def.cache_control = None;
            self.changes.dropped(
                format!("tools[{index}].cache_control"),
                "a tool that is loaded later cannot be cached",
            );
        }
        self.betas.add_tool_members(extra);
        Ok(Some(wire::Tool::Def(Box::new(def))))
    }

    /// Schema and `strict` of a function.
    fn function(
        &mut self,
        index: usize,
        parameters: Option<&'r RawValue>,
        strict: Option<bool>,
    ) -> Result<ToolDef<'r>> {
        let path = || format!("tools[{index}].function.parameters");
        let mut strict = strict;
        if !self.facts.json_schema && strict.take() == Some(true) {
            self.changes.dropped(format!("tools[{index}].function.strict"), "this model cannot hold to it");
        }
        let Some(parameters) = parameters.filter(|raw| raw.get() != "null") else {
            let input_schema = schema::empty_input().map(Raw::from);
            return Ok(ToolDef { input_schema, strict, ..ToolDef::default() });
        };
        let input = schema::input(parameters).map_err(|_| {
            ApiError::bad_request("a tool's parameters must be a JSON Schema object").with_param(path())
        })?;
        let mut input_schema = match input {
            Input::AsItIs => Raw::from(parameters),
            Input::Completed(schema) => Raw::from(schema),
            Input::Wrapped(schema) => {
                self.changes.altered(path(), "not the schema of an object: sent under the member `values`");
                Raw::from(schema)
            }
        };
        if strict == Some(true) {
            match schema::strict(&input_schema.0, None) {
                Ok(filtered) if filtered.changed => {
                    if filtered.weakened {
                        self.changes.altered(path(), "constraints that `strict` excludes became words");
                    }
                    input_schema = Raw::from(filtered.schema);
                }
                Ok(_) => {}
                Err(Unfit::Endless | Unfit::NotAnObject) => {
                    let why = "its schema refers to itself or is too large";
                    self.changes.dropped(format!("tools[{index}].function.strict"), why);
                    strict = None;
                }
            }
        }
        Ok(ToolDef { input_schema: Some(input_schema), strict, ..ToolDef::default() })
    }

    fn hosted(
        &mut self,
        index: usize,
        (dialect, kind, json): (Dialect, &'r str, &'r RawValue),
        servers: &mut Vec<Raw<'r>>,
    ) -> Option<&'r RawValue> {
        match (dialect, kind) {
            (Dialect::Anthropic, kind) => {
                self.betas.add_tool(kind);
                Some(json)
            }
            (Dialect::OpenaiChat, "mcp") => {
                let server = self.tool_server(index, json);
                match server {
                    Some(server) => servers.push(server),
                    None => self.changes.dropped(format!("tools[{index}]"), "it names no server_url"),
                }
                None
            }
            (dialect, kind) => {
                let why = format!("`{kind}` is run by providers of the {dialect} dialect only");
                self.changes.dropped(format!("tools[{index}]"), why);
                None
            }
        }
    }

    /// OpenAI's `mcp` tool as an entry of `mcp_servers`.
    fn tool_server(&mut self, index: usize, json: &'r RawValue) -> Option<Raw<'r>> {
        let OpenaiMcp {
            kind: _,
            server_url,
            server_label,
            authorization,
            allowed_tools,
            require_approval,
            headers,
            server_description,
            extra,
        } = serde_json::from_str(json.get()).ok()?;
        let left = [
            ("require_approval", require_approval.is_some_and(|raw| raw.get() != "\"never\"")),
            ("headers", headers.is_some()),
            ("server_description", server_description.is_some()),
        ];
        let unknown = extra.iter().map(|(name, _)| name);
        for name in left.into_iter().filter_map(|(name, set)| set.then_some(name)).chain(unknown) {
            self.changes.dropped(format!("tools[{index}].{name}"), NO_COUNTERPART);
        }
        self.betas.add(beta::MCP);
        let server = McpServer {
            kind: word("url"),
            url: Some(server_url?),
            name: server_label,
            authorization_token: authorization,
            tool_configuration: allowed_tools
                .map(|tools| McpTools { allowed_tools: Some(tools), ..McpTools::default() }),
            ..McpServer::default()
        };
        serde_json::value::to_raw_value(&server).ok().map(Raw::from)
    }

    fn web_search(&mut self, search: &'r WebSearch) -> wire::Tool<'r> {
        let WebSearch { context_size, country, region, city, timezone } = search;
        let max_uses = match context_size.as_deref() {
            Some("low") => Some(1),
            Some("medium") => Some(5),
            Some("high") => Some(10),
            Some(_) => {
                self.changes.dropped("web_search_options.search_context_size", NO_COUNTERPART);
                None
            }
            None => None,
        };
        let location = [country, region, city, timezone].iter().any(|part| part.is_some());
        let text = |part: &'r Option<String>| part.as_ref().map(Into::into);
        wire::Tool::Def(Box::new(ToolDef {
            kind: word("web_search_20250305"),
            name: word(WEB_SEARCH),
            max_uses,
            user_location: location.then(|| UserLocation {
                kind: word("approximate"),
                city: text(city),
                region: text(region),
                country: text(country),
                timezone: text(timezone),
                ..UserLocation::default()
            }),
            ..ToolDef::default()
        }))
    }
}

/// A hosted tool with its cache breakpoint, counted.
fn with_breakpoint<'r>(json: &'r RawValue, cache: Option<&CacheControl>, cached: &mut usize) -> Raw<'r> {
    let Ok(mut tool) = serde_json::from_str::<Hosted<'_>>(json.get()) else {
        return json.into();
    };
    if tool.cache_control.is_some() {
        *cached += 1;
        return json.into();
    }
    tool.cache_control = breakpoint(cache);
    if tool.cache_control.is_none() {
        return json.into();
    }
    match serde_json::value::to_raw_value(&tool) {
        Ok(with) => {
            *cached += 1;
            Raw::from(with)
        }
        Err(_) => json.into(),
    }
}

/// A tool that stands for those of an earlier turn: the API wants `tools` when calls are in the history.
pub(super) fn placeholder<'r>() -> Offered<'r> {
    let def = ToolDef {
        kind: word("custom"),
        name: word("unavailable"),
        description: word("Stands for tools of earlier turns. It cannot be called."),
        input_schema: schema::empty_input().map(Raw::from),
        ..ToolDef::default()
    };
    Offered { tool: wire::Tool::Def(Box::new(def)), index: None }
}
