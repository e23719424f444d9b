//! Prompt-cache breakpoints: the API takes four.
//!
//! The last ones are kept, because a cached prefix holds everything before its breakpoint.

use super::super::wire;
use super::encoder::Encoder;
use super::message::Conversation;
use super::tool::Offered;

/// The most breakpoints of one request.
const LIMIT: usize = 4;

impl<'r> Encoder<'r, '_> {
    /// Drops the earliest breakpoints beyond the limit; `fixed` are taken already.
    pub(super) fn limit_breakpoints(
        &mut self,
        fixed: usize,
        tools: &mut [Offered<'r>],
        conversation: &mut Conversation<'r>,
    ) {
        let in_tools = tools.iter_mut().filter_map(|offered| tool_slot(offered)).count();
        let in_messages = conversation.placed_mut().filter_map(|placed| placed.block.cache_slot());
        let in_messages = in_messages.filter(|slot| slot.is_some()).count();
        let mut surplus = (fixed + in_tools + in_messages).saturating_sub(LIMIT);
        let why = "anthropic takes four cache breakpoints: the last ones are kept";
        for offered in tools {
            if surplus == 0 {
                return;
            }
            let index = offered.index;
            if let Some(slot) = tool_slot(offered) {
                *slot = None;
                surplus -= 1;
                self.changes.dropped(format!("tools[{}].cache_control", index.unwrap_or_default()), why);
            }
        }
        for placed in conversation.placed_mut() {
            if surplus == 0 {
                return;
            }
            let path = placed.at.path();
            if let Some(slot) = placed.block.cache_slot()
                && slot.take().is_some()
            {
                surplus -= 1;
                self.changes.dropped(format!("{path}.cache_control"), why);
            }
        }
    }
}

/// The breakpoint of a tool that has one.
fn tool_slot<'t, 'r>(offered: &'t mut Offered<'r>) -> Option<&'t mut Option<wire::CacheControl<'r>>> {
    match &mut offered.tool {
        wire::Tool::Def(def) if def.cache_control.is_some() => Some(&mut def.cache_control),
        wire::Tool::Def(_) | wire::Tool::Hosted(_) => None,
    }
}
