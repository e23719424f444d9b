//! The conversation: neutral messages to system blocks and turns.
//!
//! The API knows two sides that take turns, wants the results of tools at the very beginning of the turn
//! after their calls, thoughts at the beginning of an assistant's turn and calls at its end. Clients of
//! other APIs order things otherwise, so turns are merged and sorted, and never more than needed.

use llm_types::chat::{Message, Part, Role};
use llm_types::{ApiError, Extra, Members, Result};

use super::super::wire::{Block, Content, Message as WireMessage};
use super::encoder::{Encoder, NO_COUNTERPART};
use super::part::word;
use crate::dialect::at::At;

/// Whose part it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Instructions.
    System,
    /// The asker, tools included.
    User,
    /// The model.
    Assistant,
}

/// A block, and the part of the request that it was.
#[derive(Debug)]
pub(super) struct Placed<'r> {
    /// The block.
    pub(super) block: Block<'r>,
    /// The part.
    pub(super) at: At,
}

/// One turn.
#[derive(Debug)]
pub(super) struct Turn<'r> {
    side: Side,
    blocks: Vec<Placed<'r>>,
    extra: Members<'r>,
}

/// A whole conversation.
#[derive(Debug, Default)]
pub(super) struct Conversation<'r> {
    /// The instructions at its beginning.
    pub(super) system: Vec<Placed<'r>>,
    turns: Vec<Turn<'r>>,
}

impl<'r> Encoder<'r, '_> {
    /// Encodes all messages.
    ///
    /// # Errors
    /// When there is nothing to answer, or a part cannot be expressed.
    pub(super) fn conversation(&mut self, messages: &'r [Message]) -> Result<Conversation<'r>> {
        let mut out = Conversation::default();
        self.prefill = prefill(messages);
        let is_system = |message: &Message| matches!(message.role, Role::System | Role::Developer);
        let leading = messages.iter().take_while(|message| is_system(message)).count();
        for (index, message) in messages.iter().enumerate() {
            let Message { role, parts: _, name, extra } = message;
            let after_user = out.turns.last().is_some_and(|turn| turn.side != Side::Assistant);
            let side = match role {
                Role::System | Role::Developer if index < leading => Side::System,
                Role::System | Role::Developer if self.facts.mid_system && after_user => Side::System,
                Role::System | Role::Developer => {
                    self.changes.altered(
                        format!("messages[{index}].role"),
                        "instructions inside the conversation are sent as the user's text",
                    );
                    Side::User
                }
                Role::User | Role::Tool => Side::User,
                Role::Assistant => Side::Assistant,
            };
            // What may stand in a message follows from its own role, not from the side it is sent on.
            let own = if is_system(message) { Side::System } else { side };
            let mut blocks = self.blocks(index, message, own)?;
            if name.is_some() {
                self.changes.dropped(format!("messages[{index}].name"), NO_COUNTERPART);
            }
            let members = self.message_members(index, extra, &mut blocks);
            if index < leading {
                out.system.append(&mut blocks);
            } else if !blocks.is_empty() {
                out.add(side, blocks, members);
            }
        }
        if out.turns.iter().all(|turn| turn.side == Side::System) {
            return Err(ApiError::bad_request(
                "there is nothing to answer: send a user message with content",
            )
            .with_param("messages"));
        }
        out.sort();
        Ok(out)
    }

    /// Members of a message: a cache breakpoint goes to its last block.
    fn message_members(&mut self, index: usize, extra: &'r Extra, blocks: &mut [Placed<'r>]) -> Members<'r> {
        let mut members = self.members(extra, &["cache_control", "prefix"], || format!("messages[{index}]"));
        if let Some(cache) = members.remove("cache_control") {
            let slot = blocks.last_mut().and_then(|placed| placed.block.cache_slot());
            match (slot, serde_json::from_str(cache.get())) {
                (Some(slot), Ok(cache)) => *slot = Some(cache),
                _ => self.changes.dropped(format!("messages[{index}].cache_control"), NO_COUNTERPART),
            }
        }
        if members.remove("prefix").is_some() {
            self.changes.altered(
                format!("messages[{index}].prefix"),
                "anthropic always goes on from a last assistant message and does not repeat it",
            );
        }
        members
    }
}

/// The last text of a conversation that ends with the beginning of the answer.
fn prefill(messages: &[Message]) -> Option<At> {
    let last = messages.last().filter(|last| last.role == Role::Assistant)?;
    matches!(last.parts.last()?, Part::Text(_))
        .then(|| At { message: messages.len() - 1, part: last.parts.len() - 1 })
}

/// Puts the blocks of a user's turn into the order that the API demands: results first.
fn sort_user(blocks: &mut [Placed<'_>]) {
    blocks.sort_by_key(|placed| !matches!(placed.block, Block::ToolResult(_)));
}

/// Puts the blocks of an assistant's turn into the order that the API demands: thoughts first, text
/// before calls. What is in order stays as it is (thoughts may come in between), and so does a turn with
/// blocks of server tools, whose order is part of what was signed.
fn sort_assistant(blocks: &mut [Placed<'_>]) {
    let thought = |placed: &Placed<'_>| matches!(placed.block, Block::Thinking(_) | Block::Redacted(_));
    if blocks.iter().any(|placed| matches!(placed.block, Block::Other(..))) {
        return;
    }
    if !blocks.first().is_some_and(thought) {
        blocks.sort_by_key(|placed| !thought(placed));
    }
    let first_call = blocks.iter().position(|placed| matches!(placed.block, Block::ToolUse(_)));
    if let Some(tail) = first_call.and_then(|first| blocks.get_mut(first..)) {
        tail.sort_by_key(|placed| !matches!(placed.block, Block::Text(_)));
    }
}

impl<'r> Conversation<'r> {
    /// Whether tools were called or answered in it.
    pub(super) fn uses_tools(&self) -> bool {
        self.blocks().any(|block| matches!(block, Block::ToolUse(_) | Block::ToolResult(_)))
    }

    /// Whether it ends with the beginning of the answer.
    pub(super) fn is_prefilled(&self) -> bool {
        self.turns.last().is_some_and(|turn| {
            turn.side == Side::Assistant
                && turn.blocks.iter().all(|placed| matches!(placed.block, Block::Text(_)))
        })
    }

    /// Whether the last calls of tools came without the thoughts that a thinking model would have had.
    pub(super) fn lacks_thoughts(&self) -> bool {
        let thought = |block: &Block<'_>| matches!(block, Block::Thinking(_) | Block::Redacted(_));
        let last = self.turns.iter().rfind(|turn| turn.side == Side::Assistant);
        let calls = last
            .is_some_and(|turn| turn.blocks.iter().any(|placed| matches!(placed.block, Block::ToolUse(_))));
        calls && !self.blocks().any(thought)
    }

    /// All blocks that may carry a cache breakpoint, in the order of the prompt.
    pub(super) fn placed_mut(&mut self) -> impl Iterator<Item = &mut Placed<'r>> {
        self.system.iter_mut().chain(self.turns.iter_mut().flat_map(|turn| &mut turn.blocks))
    }

    /// The wire form: the instructions, and the turns.
    pub(super) fn into_wire(self) -> (Option<Content<'r>>, Vec<WireMessage<'r>>) {
        let blocks = |placed: Vec<Placed<'r>>| {
            Content::Blocks(placed.into_iter().map(|placed| placed.block).collect())
        };
        let system = (!self.system.is_empty()).then(|| blocks(self.system));
        let turns = self.turns.into_iter().map(|turn| WireMessage {
            role: word(match turn.side {
                Side::System => "system",
                Side::User => "user",
                Side::Assistant => "assistant",
            }),
            content: Some(blocks(turn.blocks)),
            extra: turn.extra,
        });
        (system, turns.collect())
    }

    fn blocks(&self) -> impl Iterator<Item = &Block<'r>> {
        self.turns.iter().flat_map(|turn| &turn.blocks).map(|placed| &placed.block)
    }

    fn sort(&mut self) {
        for turn in &mut self.turns {
            match turn.side {
                Side::User => sort_user(&mut turn.blocks),
                Side::Assistant => sort_assistant(&mut turn.blocks),
                Side::System => {}
            }
        }
    }

    fn add(&mut self, side: Side, mut blocks: Vec<Placed<'r>>, extra: Members<'r>) {
        match self.turns.last_mut() {
            Some(last) if last.side == side => {
                last.blocks.append(&mut blocks);
                for (name, value) in extra.iter() {
                    if last.extra.get(name).is_none() {
                        last.extra.push(name.to_owned().into(), value);
                    }
                }
            }
            _ => self.turns.push(Turn { side, blocks, extra }),
        }
    }
}
