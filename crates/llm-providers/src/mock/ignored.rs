//! What of a request the built-in provider does not even look at.
//!
//! Options that change how a model draws its words are for nothing here, and are not named: there is no model. A member,
//! a part or a tool that it does not know may be a mistake, and every other provider would say so.

use llm_types::chat::{Part, ToolKind};
use llm_types::{Call, Changes};

const WHY: &str = "the built-in provider does not know it";

/// Records what of a call has no meaning for the built-in provider.
pub fn ignored(call: &Call, changes: &mut Changes) {
    let Some(request) = call.conversation() else { return };
    if request.output.logprobs == Some(true) {
        changes.dropped("logprobs", "the built-in provider draws no words");
    }
    for (name, _) in request.extra.iter() {
        changes.dropped(name.to_owned(), WHY);
    }
    for (index, tool) in request.tooling.tools.iter().enumerate() {
        if let ToolKind::Hosted { kind, .. } = &tool.kind {
            changes.dropped(format!("tools[{index}]"), format!("the built-in provider runs no `{kind}`"));
        }
    }
    for (index, message) in request.messages.iter().enumerate() {
        for (name, _) in message.extra.iter() {
            changes.dropped(format!("messages[{index}].{name}"), WHY);
        }
        for (at, part) in message.parts.iter().enumerate() {
            if let Part::Opaque(opaque) = part {
                let path = format!("messages[{index}].content[{at}]");
                changes.dropped(path, format!("the built-in provider does not know `{}`", opaque.kind));
            }
        }
    }
}
