//! Tools and the choice among them.

use std::borrow::Cow;

use llm_types::chat::{ChatRequest, Part, Tool, ToolChoice, Tooling, WebSearch};
use llm_types::{Dialect, Result};

use super::super::wire::{
    self, Choice, ClaudeChoice, Empty, Fields, InputSchema, NamedTool, Raw, SystemTool, ToolConfig, ToolSpec,
};
use super::message::Conversation;
use super::{Encoder, NO_COUNTERPART};
use crate::dialect::anthropic::schema::{self, Unfit};
use crate::dialect::name::Names;
use crate::dialect::offer::{Function, Offer, Offering};

/// The tool through which a structured answer is asked for where the model has no other way.
pub(super) const JSON_TOOL: &str = "json_tool_call";
/// The longest tool name.
const NAME_LIMIT: usize = 64;

/// Tools as they are sent.
#[derive(Debug, Default)]
pub(super) struct Tools<'r> {
    list: Vec<wire::Tool<'r>>,
    choice: Option<Choice<'r>>,
}

impl<'r> Tools<'r> {
    /// The wire form; `None`: there are no tools.
    pub(super) fn into_wire(self) -> Option<ToolConfig<'r>> {
        (!self.list.is_empty()).then_some(ToolConfig {
            tools: Some(self.list),
            choice: self.choice,
            ..ToolConfig::default()
        })
    }
}

/// How the names of all tools of a request are sent.
pub(super) fn names(request: &ChatRequest) -> Names {
    let own = request.tooling.tools.iter().filter_map(Tool::name);
    let calls = request.messages.iter().flat_map(|message| &message.parts).filter_map(|part| match part {
        Part::ToolCall(call) => Some(call.name.as_str()),
        _ => None,
    });
    let chosen = match &request.tooling.choice {
        Some(ToolChoice::Function(name) | ToolChoice::Custom(name)) => Some(name.as_str()),
        _ => None,
    };
    let reserved: &[Cow<'_, str>] =
        if request.output.format.is_some() { &[Cow::Borrowed(JSON_TOOL)] } else { &[] };
    Names::new(own.chain(chosen).chain(calls), reserved, NAME_LIMIT)
}

impl<'r> Encoder<'r, '_> {
    /// The tools on offer, the provider's own search included.
    ///
    /// # Errors
    /// When a schema is not an object.
    pub(super) fn tools(&mut self, tooling: &'r Tooling, search: Option<&'r WebSearch>) -> Result<Tools<'r>> {
        let mut out = Tools::default();
        for (index, tool) in tooling.tools.iter().enumerate() {
            if let Some(ToolChoice::Allowed { names, required: _ }) = &tooling.choice
                && !tool.name().is_some_and(|name| names.iter().any(|allowed| allowed == name))
            {
                self.changes.altered("tool_choice", "the tools that are not allowed are left out");
                continue;
            }
            let Some(sent) = self.tool(index, tool)? else { continue };
            out.list.push(sent);
            if let Some(point) = self.point(tool.cache.as_ref(), || format!("tools[{index}]")) {
                out.list.push(wire::Tool { cache_point: Some(point), ..wire::Tool::default() });
            }
        }
        if let Some(search) = search {
            out.list.extend(self.search(search));
        }
        Ok(out)
    }

    fn tool(&mut self, index: usize, tool: &'r Tool) -> Result<Option<wire::Tool<'r>>> {
        let mut offering =
            Offering { dialect: Dialect::Bedrock, no_counterpart: NO_COUNTERPART, changes: self.changes };
        let function = match offering.offer(index, tool)? {
            None => return Ok(None),
            Some(Offer::Own(tool)) => return Ok(Some(tool)),
            Some(Offer::Function(function)) => function,
        };
        let Function { name, description, parameters, strict } = function;
        let (sent, strict) = self.strict(index, parameters.map(Raw), strict);
        let spec = ToolSpec {
            name: Some(self.names.sent(name)),
            description: description.filter(|text| !text.is_empty()).map(Into::into),
            schema: schema_of(sent),
            strict,
            ..ToolSpec::default()
        };
        Ok(Some(wire::Tool { spec: Some(spec), ..wire::Tool::default() }))
    }

    /// The schema of a function and whether calls keep to it, as far as the model can.
    fn strict(
        &mut self,
        index: usize,
        schema: Option<Raw<'r>>,
        wanted: bool,
    ) -> (Option<Raw<'r>>, Option<bool>) {
        if wanted && !self.model.structured {
            self.changes.dropped(format!("tools[{index}].function.strict"), "this model cannot hold to it");
        }
        let strict = (wanted && self.model.structured).then_some(true);
        let filtered = match &schema {
            Some(sent) if strict.is_some() && self.model.facts().is_some() => schema::strict(&sent.0, None),
            _ => return (schema, strict),
        };
        match filtered {
            Ok(filtered) => {
                if filtered.weakened {
                    let path = format!("tools[{index}].function.parameters");
                    self.changes.altered(path, "constraints that `strict` excludes became words");
                }
                (if filtered.changed { Some(Raw::from(filtered.schema)) } else { schema }, strict)
            }
            Err(Unfit::Endless | Unfit::NotAnObject) => {
                let why = "its schema refers to itself or is too large";
                self.changes.dropped(format!("tools[{index}].function.strict"), why);
                (schema, None)
            }
        }
    }

    fn search(&mut self, search: &'r WebSearch) -> Option<wire::Tool<'r>> {
        let WebSearch { context_size, country, region, city, timezone } = search;
        let Some(name) = self.model.search else {
            self.changes.dropped("web_search_options", "this model does not search the web");
            return None;
        };
        if [context_size, country, region, city, timezone].iter().any(|part| part.is_some()) {
            self.changes.altered("web_search_options", "bedrock's search takes no options");
        }
        let system = SystemTool { name: Some(name.into()), ..SystemTool::default() };
        Some(wire::Tool { system: Some(system), ..wire::Tool::default() })
    }

    /// Settles the choice, and adds the tools that the gateway itself needs: `answer` for a structured answer, and
    /// a placeholder where the history has calls and no tool is left.
    pub(super) fn choose(
        &mut self,
        tooling: &'r Tooling,
        tools: &mut Tools<'r>,
        answer: Option<ToolSpec<'r>>,
        (conversation, thinks): (&Conversation<'r>, bool),
    ) {
        // How the client wrote its functions, and whether several may be called, is settled elsewhere.
        let Tooling { tools: _, choice, parallel: _, legacy: _ } = tooling;
        if choice.is_some() && tools.list.is_empty() {
            self.changes.dropped("tool_choice", "there are no tools to choose from");
        }
        let choice = choice.as_ref().filter(|_| !tools.list.is_empty());
        if matches!(choice, Some(ToolChoice::None)) {
            if conversation.uses_tools() {
                self.changes.dropped("tool_choice", "bedrock cannot forbid calls where the history has some");
            } else {
                self.changes.altered("tools", "left out: bedrock has no other way to forbid calls");
                tools.list.clear();
            }
        }
        let mut forced = match choice {
            None
            | Some(ToolChoice::Auto | ToolChoice::Allowed { required: false, .. } | ToolChoice::None) => None,
            Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. }) => Some(any()),
            Some(ToolChoice::Function(name) | ToolChoice::Custom(name)) => {
                let name = Some(self.names.sent(name));
                let tool = NamedTool { name, ..NamedTool::default() };
                Some(Choice { tool: Some(tool), ..Choice::default() })
            }
        };
        let can_force = !thinks && self.model.facts().is_none_or(|facts| facts.forced_tool);
        if forced.is_some() && !(can_force && self.model.choice) {
            self.changes.altered("tool_choice", "a call cannot be forced here: the model decides");
            forced = None;
        }
        let explicit = matches!(choice, Some(ToolChoice::Auto | ToolChoice::Allowed { .. }));
        if let Some(answer) = answer {
            if forced.as_ref().is_some_and(|choice| choice.any.is_some()) {
                self.changes
                    .altered("tool_choice", "the structured answer is one of the calls to choose from");
            }
            if forced.is_none() && can_force && self.model.choice {
                let tool = NamedTool { name: Some(JSON_TOOL.into()), ..NamedTool::default() };
                let only = Choice { tool: Some(tool), ..Choice::default() };
                forced = Some(if tools.list.is_empty() { only } else { any() });
            }
            tools.list.push(wire::Tool { spec: Some(answer), ..wire::Tool::default() });
        } else if tools.list.is_empty() && conversation.uses_tools() {
            self.changes.altered("tools", "a placeholder is sent: calls in the history need tools");
            tools.list.push(wire::Tool { spec: Some(placeholder()), ..wire::Tool::default() });
        }
        tools.choice = forced.or_else(|| (explicit && self.model.choice).then(auto));
    }

    /// Whether several tools may be called at once: only Claude can be told.
    pub(super) fn parallel(&mut self, tooling: &Tooling, tools: &mut Tools<'r>, fields: &mut Fields<'r>) {
        let Some(parallel) = tooling.parallel else { return };
        if tools.list.is_empty() {
            self.changes.dropped("parallel_tool_calls", "there are no tools to choose from");
        } else if self.model.facts().is_none() || fields.tool_choice.is_some() {
            let why = self.not_taken();
            self.changes.dropped("parallel_tool_calls", why);
        } else {
            // Its kind stands in `toolChoice`.
            tools.choice.get_or_insert_with(auto);
            fields.tool_choice =
                Some(ClaudeChoice { disable_parallel_tool_use: Some(!parallel), ..ClaudeChoice::default() });
        }
    }
}

fn any<'r>() -> Choice<'r> {
    Choice { any: Some(Empty::default()), ..Choice::default() }
}

fn auto<'r>() -> Choice<'r> {
    Choice { auto: Some(Empty::default()), ..Choice::default() }
}

/// A schema in its place.
pub(super) fn schema_of(json: Option<Raw<'_>>) -> Option<InputSchema<'_>> {
    Some(InputSchema { json, ..InputSchema::default() })
}

/// A tool that stands for those of an earlier turn.
fn placeholder<'r>() -> ToolSpec<'r> {
    ToolSpec {
        name: Some("unavailable".into()),
        description: Some("Stands for tools of earlier turns. It cannot be called.".into()),
        schema: schema_of(schema::empty_input().map(Raw::from)),
        ..ToolSpec::default()
    }
}
