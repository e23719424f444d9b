//! The conversation.
//!
//! User and model take turns: neighbours of one side become one turn, results of tools stand first in theirs, and
//! some families take nothing beside them or want the user to begin. What is put between is a single dot.

use llm_types::chat::{Message, Role};
use llm_types::{ApiError, Result};

use super::super::model::Beside;
use super::super::wire::{self, Block, Text};
use super::{Encoder, NO_COUNTERPART};

/// Stands where the service wants some text and there is none.
const FILLER: &str = ".";

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The application.
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
}

#[derive(Debug)]
struct Turn<'r> {
    side: Side,
    blocks: Vec<Block<'r>>,
}

/// A whole conversation.
#[derive(Debug, Default)]
pub(super) struct Conversation<'r> {
    system: Vec<Block<'r>>,
    turns: Vec<Turn<'r>>,
}

/// A block of text.
pub(super) fn text(words: &str) -> Block<'_> {
    Block { text: Some(Text::from(words)), ..Block::default() }
}

impl<'r> Encoder<'r, '_> {
    /// Encodes all messages.
    ///
    /// # Errors
    /// When there is nothing to answer, or a part cannot be expressed.
    pub(super) fn conversation(&mut self, messages: &'r [Message]) -> Result<Conversation<'r>> {
        let mut out = Conversation::default();
        let is_system = |message: &Message| matches!(message.role, Role::System | Role::Developer);
        let leading = messages.iter().take_while(|message| is_system(message)).count();
        for (index, message) in messages.iter().enumerate() {
            let Message { role, parts: _, name, extra } = message;
            let (side, own) = match role {
                Role::System | Role::Developer if index < leading => (Side::System, Side::System),
                Role::System | Role::Developer => {
                    let why = "instructions inside the conversation are sent as the user's text";
                    self.changes.altered(format!("messages[{index}].role"), why);
                    (Side::User, Side::System)
                }
                Role::User | Role::Tool => (Side::User, Side::User),
                Role::Assistant => (Side::Assistant, Side::Assistant),
            };
            if name.is_some() {
                self.changes.dropped(format!("messages[{index}].name"), NO_COUNTERPART);
            }
            for (name, _) in extra.iter() {
                self.changes.dropped(format!("messages[{index}].{name}"), NO_COUNTERPART);
            }
            let mut blocks = self.blocks(index, message, own)?;
            match side {
                Side::System => out.system.append(&mut blocks),
                side => out.add(side, blocks),
            }
        }
        if out.turns.is_empty() {
            let message = "there is nothing to answer: send a user message with content";
            return Err(ApiError::bad_request(message).with_param("messages"));
        }
        self.arrange(&mut out);
        Ok(out)
    }

    /// Puts the turns into the form that the model takes.
    fn arrange(&mut self, conversation: &mut Conversation<'r>) {
        let first = conversation.turns.first().map(|turn| turn.side);
        if first == Some(Side::Assistant) && !self.model.assistant_first {
            self.changes.altered("messages", "a user's turn is put first: the model may not begin");
            conversation.turns.insert(0, Turn { side: Side::User, blocks: vec![text(FILLER)] });
        }
        let mut out = Vec::with_capacity(conversation.turns.len());
        for mut turn in std::mem::take(&mut conversation.turns) {
            sort(&mut turn);
            let results = turn.blocks.iter().take_while(|block| block.tool_result.is_some()).count();
            let alone = turn.side == Side::User && self.model.beside == Beside::Nothing;
            if alone && results > 0 && results < turn.blocks.len() {
                let rest = turn.blocks.split_off(results);
                self.changes
                    .altered("messages", "what stands beside results of tools is sent in a turn behind them");
                out.push(turn);
                out.push(Turn { side: Side::Assistant, blocks: vec![text(FILLER)] });
                turn = Turn { side: Side::User, blocks: rest };
            }
            let has_text = turn.blocks.iter().any(|block| block.text.is_some());
            if turn.side == Side::User
                && !has_text
                && turn.blocks.iter().any(|block| block.document.is_some())
            {
                turn.blocks.push(text(FILLER));
            }
            out.push(turn);
        }
        conversation.turns = out;
    }
}

/// Puts the blocks of a turn into the order that the service demands: thoughts, then text, then calls; and results
/// of tools before what else the user says. A mark of the cache goes with the block before it.
fn sort(turn: &mut Turn<'_>) {
    let rank = |block: &Block<'_>| match turn.side {
        Side::User => u8::from(block.tool_result.is_none()),
        _ if block.reasoning.is_some() => 0,
        _ if block.tool_use.is_some() => 2,
        _ => 1,
    };
    // What the service ran itself stands where it came.
    let served = |block: &Block<'_>| block.tool_result.is_some() || !block.extra.is_empty();
    if turn.side == Side::Assistant && turn.blocks.iter().any(served) {
        return;
    }
    let mut last = 0;
    let mut ranked = Vec::with_capacity(turn.blocks.len());
    for block in std::mem::take(&mut turn.blocks) {
        if block.cache_point.is_none() {
            last = rank(&block);
        }
        ranked.push((last, block));
    }
    let thoughts_first = ranked.first().is_some_and(|(rank, _)| *rank == 0);
    if turn.side == Side::Assistant && thoughts_first {
        // Thoughts may come in between: only text behind calls has to move.
        let first_call = ranked.iter().position(|(rank, _)| *rank == 2);
        if let Some(tail) = first_call.and_then(|first| ranked.get_mut(first..)) {
            tail.sort_by_key(|(rank, _)| *rank == 2);
        }
    } else {
        ranked.sort_by_key(|(rank, _)| *rank);
    }
    turn.blocks = ranked.into_iter().map(|(_, block)| block).collect();
}

impl<'r> Conversation<'r> {
    /// Whether tools were called or answered in it.
    pub(super) fn uses_tools(&self) -> bool {
        self.blocks().any(|block| block.tool_use.is_some() || block.tool_result.is_some())
    }

    /// Whether it ends with the beginning of the answer.
    pub(super) fn is_prefilled(&self) -> bool {
        self.turns.last().is_some_and(|turn| turn.side == Side::Assistant)
    }

    /// Whether the last calls of tools came without the thoughts that a thinking model would have had.
    pub(super) fn lacks_thoughts(&self) -> bool {
        let last = self.turns.iter().rfind(|turn| turn.side == Side::Assistant);
        let calls = last.is_some_and(|turn| turn.blocks.iter().any(|block| block.tool_use.is_some()));
        calls && !self.blocks().any(|block| block.reasoning.is_some())
    }

    /// The blocks of the last turn of the user.
    pub(super) fn last_user(&mut self) -> Option<&mut Vec<Block<'r>>> {
        self.turns.iter_mut().rfind(|turn| turn.side == Side::User).map(|turn| &mut turn.blocks)
    }

    /// The wire form: the instructions, and the turns.
    pub(super) fn into_wire(self) -> (Option<Vec<Block<'r>>>, Vec<wire::Message<'r>>) {
        let turns = self.turns.into_iter().map(|turn| wire::Message {
            role: Some(if turn.side == Side::Assistant { "assistant" } else { "user" }.into()),
            content: Some(turn.blocks),
            ..wire::Message::default()
        });
        ((!self.system.is_empty()).then_some(self.system), turns.collect())
    }

    fn blocks(&self) -> impl Iterator<Item = &Block<'r>> {
        self.turns.iter().flat_map(|turn| &turn.blocks)
    }

    fn add(&mut self, side: Side, mut blocks: Vec<Block<'r>>) {
        match self.turns.last_mut() {
            _ if blocks.is_empty() => {}
            Some(last) if last.side == side => last.blocks.append(&mut blocks),
            _ => self.turns.push(Turn { side, blocks }),
        }
    }
}
