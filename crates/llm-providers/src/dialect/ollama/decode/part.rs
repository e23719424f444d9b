//! Pieces that whole answers and streams have alike: calls, log probabilities.

use std::borrow::Cow;

use llm_types::chat::{LogProbs, TokenLogProb, ToolCall, ToolCallKind};
use uuid::Uuid;

use super::super::wire::{self, LogProb};
use crate::codec::Memo;
use crate::dialect::custom;

/// A call. One without an id is given one: what answers it has to name it.
pub(super) fn called(call: wire::Call<'_>, memo: &Memo) -> ToolCall {
    let wire::Call { id, function, extra } = call;
    let wire::Called { index: _, name, arguments, extra: _ } = function.unwrap_or_default();
    let name = name.unwrap_or_default().into_string();
    let kind = memo.call_kind(&name);
    let arguments = arguments.as_ref().map_or("{}", |raw| raw.get());
    // As a text, where a server writes the object as one.
    let text: Cow<'_, str> = match serde_json::from_str::<llm_types::Str<'_>>(arguments) {
        Ok(text) if text.as_str().is_empty() => Cow::Borrowed("{}"),
        Ok(text) => text.0,
        Err(_) => Cow::Borrowed(arguments),
    };
    let arguments = match kind {
        ToolCallKind::Custom => custom::input(&text).into_owned(),
        _ => text.into_owned(),
    };
    let id = id.filter(|id| !id.as_str().is_empty());
    let id = id.map_or_else(|| format!("call_{}", Uuid::new_v4().simple()), llm_types::Str::into_string);
    ToolCall { id, name, arguments, kind, extra: extra.to_extra(), ..ToolCall::default() }
}

/// Log probabilities token by token.
pub(super) fn logprobs(list: Vec<LogProb<'_>>) -> LogProbs {
    LogProbs { content: list.into_iter().map(token).collect(), refusal: Vec::new() }
}

fn token(one: LogProb<'_>) -> TokenLogProb {
    let LogProb { token, logprob, bytes, top_logprobs, extra: _ } = one;
    let top = top_logprobs.unwrap_or_default().into_iter().map(|top| {
        let LogProb { token, logprob, bytes, top_logprobs: _, extra: _ } = top;
        TokenLogProb { token: text(token), logprob: logprob.unwrap_or_default(), bytes, top: Vec::new() }
    });
    TokenLogProb { token: text(token), logprob: logprob.unwrap_or_default(), bytes, top: top.collect() }
}

fn text(text: Option<wire::Text<'_>>) -> String {
    text.unwrap_or_default().0.into_lossy().into_owned()
}
