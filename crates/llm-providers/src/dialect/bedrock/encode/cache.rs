//! Marks up to which the prompt is cached: four at most, of which the last are kept, because what is cached up
//! to a mark holds everything before it.

use llm_types::chat::{CacheControl, CacheOptions, ChatRequest, Part, ToolResult};

use super::super::model::{Caches, Model};
use super::super::wire::{Block, CachePoint};
use super::message::Conversation;
use super::{Encoder, NO_COUNTERPART};

/// The most marks of one request.
const LIMIT: usize = 4;

/// How many of the marks to come are left out.
#[derive(Debug, Default)]
pub(super) struct Points {
    surplus: usize,
}

impl Points {
    /// Counts what a request marks.
    pub(super) fn of(request: &ChatRequest, model: Model) -> Self {
        if model.caches == Caches::Never {
            return Self::default();
        }
        let tools = request.tooling.tools.iter().filter(|tool| tool.cache.is_some()).count();
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        let parts = parts.filter(|part| mark(part).is_some()).count();
        let whole = usize::from(request.cache.control.is_some());
        Self { surplus: (tools + parts + whole).saturating_sub(LIMIT) }
    }
}

/// The mark behind a part.
fn mark(part: &Part) -> Option<&CacheControl> {
    match part {
        Part::Text(text) if text.text.trim().is_empty() => None,
        Part::Text(text) => text.cache.as_ref(),
        Part::Image(image) => image.cache.as_ref(),
        Part::Audio(audio) => audio.cache.as_ref(),
        Part::File(file) => file.cache.as_ref(),
        Part::ToolCall(call) => call.cache.as_ref(),
        Part::ToolResult(result) => of_result(result),
        Part::Refusal(_) | Part::Reasoning(_) | Part::Citation(_) | Part::Opaque(_) => None,
    }
}

/// The mark behind a result: its own, or one inside it.
pub(super) fn of_result(result: &ToolResult) -> Option<&CacheControl> {
    result.cache.as_ref().or_else(|| result.parts.iter().rev().find_map(mark))
}

impl<'r> Encoder<'r, '_> {
    /// A mark in its wire form, if the model takes it; `path` is where it stands.
    pub(super) fn point(
        &mut self,
        cache: Option<&'r CacheControl>,
        path: impl Fn() -> String,
    ) -> Option<CachePoint<'r>> {
        let CacheControl { kind: _, ttl } = cache?;
        let at = || match path() {
            path if path.is_empty() => "cache_control".to_owned(),
            path => format!("{path}.cache_control"),
        };
        if self.model.caches == Caches::Never {
            let why = self.not_taken();
            self.changes.dropped(at(), why);
            return None;
        }
        if self.points.surplus > 0 {
            self.points.surplus -= 1;
            self.changes.dropped(at(), "bedrock takes four cache points: the last ones are kept");
            return None;
        }
        let ttl = ttl.as_deref().filter(|_| self.model.caches == Caches::Timed);
        if cache.is_some_and(|cache| cache.ttl.is_some()) && ttl.is_none() {
            let why = self.not_taken();
            self.changes.dropped(format!("{}.ttl", at()), why);
        }
        Some(CachePoint { kind: Some("default".into()), ttl: ttl.map(Into::into), ..CachePoint::default() })
    }

    /// Prompt caching beside the marks. A whole prompt is cached by a mark at its end.
    pub(super) fn caching(&mut self, cache: &'r CacheOptions, conversation: &mut Conversation<'r>) {
        let CacheOptions { key, retention, options, control } = cache;
        self.refuse(key.as_ref(), "prompt_cache_key");
        self.refuse(retention.as_ref(), "prompt_cache_retention");
        self.refuse(options.as_ref(), "prompt_cache_options");
        if let Some(point) = self.point(control.as_ref(), String::new) {
            let block = Block { cache_point: Some(point), ..Block::default() };
            match conversation.last_user() {
                Some(blocks) => blocks.push(block),
                None => self.changes.dropped("cache_control", NO_COUNTERPART),
            }
        }
    }
}
