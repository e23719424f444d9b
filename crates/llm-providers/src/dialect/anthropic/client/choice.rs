//! Which tools the model may or must call.
//!
//! The API has one field for it, which also has to serve structured answers on models that know no
//! other way, and which thinking restricts.

use llm_types::chat::{ToolChoice, Tooling};

use super::super::wire;
use super::encoder::Encoder;
use super::message::Conversation;
use super::thinking::Plan;
use super::tool::{self, JSON_TOOL, Offered, Tools};

impl<'r> Encoder<'r, '_> {
    /// Settles the choice, and adds the tools that the gateway itself needs: `answer` for a structured
    /// answer, and a placeholder where the history has calls and no tool is left.
    pub(super) fn choose(
        &mut self,
        tooling: &'r Tooling,
        tools: &mut Tools<'r>,
        answer: Option<Offered<'r>>,
        (conversation, plan): (&Conversation<'r>, &Plan),
    ) -> Option<wire::ToolChoice<'r>> {
        let calls = if plan.thinks() || !self.facts.forced_tool { Calls::Free } else { Calls::Forced };
        let choice = self.tool_choice(tooling, tools.list.len(), calls);
        if let Some(answer) = answer {
            let kind = choice.as_ref().and_then(|choice| choice.kind.as_ref());
            if kind.is_some_and(|kind| kind.as_str() == "any") {
                self.changes
                    .altered("tool_choice", "the structured answer is one of the calls to choose from");
            }
            let choice = json_choice(choice, tools.list.is_empty(), calls);
            tools.list.push(answer);
            return choice;
        }
        if tools.list.is_empty() && conversation.uses_tools() {
            self.changes.altered("tools", "a placeholder is sent: calls in the history need tools");
            tools.list.push(tool::placeholder());
            return Some(wire::ToolChoice { kind: Some("none".into()), ..wire::ToolChoice::default() });
        }
        choice
    }

    /// The choice among the client's tools.
    fn tool_choice(
        &mut self,
        tooling: &'r Tooling,
        offered: usize,
        calls: Calls,
    ) -> Option<wire::ToolChoice<'r>> {
        // How the client wrote its functions matters to its front only.
        let Tooling { tools: _, choice, parallel, legacy: _ } = tooling;
        if offered == 0 {
            self.refuse_without_tools(choice.as_ref().map(|_| "tool_choice"));
            self.refuse_without_tools(parallel.map(|_| "parallel_tool_calls"));
            return None;
        }
        let (mut kind, mut name) = match choice {
            None => (parallel.map(|_| "auto"), None),
            Some(ToolChoice::Auto | ToolChoice::Allowed { required: false, .. }) => (Some("auto"), None),
            Some(ToolChoice::None) => (Some("none"), None),
            Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. }) => (Some("any"), None),
            Some(ToolChoice::Function(name) | ToolChoice::Custom(name)) => {
                (Some("tool"), Some(self.names.sent(name)))
            }
        };
        if matches!(kind, Some("any" | "tool")) && calls == Calls::Free {
            self.changes.altered("tool_choice", "a call cannot be forced here: the model decides");
            (kind, name) = (Some("auto"), None);
        }
        if kind == Some("none") && parallel.is_some() {
            self.changes.dropped("parallel_tool_calls", "no tool is to be called");
        }
        Some(wire::ToolChoice {
            kind: Some(kind?.into()),
            name,
            disable_parallel_tool_use: parallel.filter(|_| kind != Some("none")).map(|parallel| !parallel),
            ..wire::ToolChoice::default()
        })
    }

    fn refuse_without_tools(&mut self, path: Option<&'static str>) {
        if let Some(path) = path {
            self.changes.dropped(path, "there are no tools to choose from");
        }
    }
}

/// Whether tool calls may be forced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Calls {
    /// They may.
    Forced,
    /// The model decides.
    Free,
}

/// The choice when a structured answer is asked for through a tool: that one, or one of all.
fn json_choice<'r>(
    asked: Option<wire::ToolChoice<'r>>,
    alone: bool,
    calls: Calls,
) -> Option<wire::ToolChoice<'r>> {
    let asked_kind = asked.as_ref().and_then(|choice| choice.kind.as_ref()).map(|kind| kind.as_str());
    if matches!(asked_kind, Some("any" | "tool")) {
        return asked;
    }
    let only_json = alone || asked_kind == Some("none");
    let (kind, name) = match calls {
        Calls::Free => ("auto", None),
        Calls::Forced if only_json => ("tool", Some(JSON_TOOL.into())),
        Calls::Forced => ("any", None),
    };
    Some(wire::ToolChoice { kind: Some(kind.into()), name, ..asked.unwrap_or_default() })
}
