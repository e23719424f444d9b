//! Why an answer ended, and what was used.

use llm_types::{Finish, FinishKind, Usage};

use super::super::wire::Reply;
use crate::codec::Memo;
use crate::dialect::scalar::Count;

/// Why an answer ended. That tools were called is seen in the answer: the word is `stop` then too.
pub(super) fn finish(reason: &str, called: bool) -> Finish {
    let (kind, keep) = match reason {
        "length" => (FinishKind::Length, false),
        _ if called => (FinishKind::ToolCalls, false),
        "" | "stop" => (FinishKind::Stop, false),
        _ => (FinishKind::Stop, true),
    };
    Finish { kind, native: keep.then(|| reason.to_owned()), stop_sequence: None }
}

/// The counts; `None`: there are none. Of a prompt that was read before some servers tell nothing: then it is as long as
/// the request is taken to be.
pub(super) fn usage(reply: &Reply<'_>, memo: &Memo) -> Option<Usage> {
    let (prompt, answer) = (reply.prompt_eval_count, reply.eval_count);
    if prompt.is_none() && answer.is_none() {
        return None;
    }
    let count = |count: Option<Count>| count.map(|Count(count)| count).unwrap_or_default();
    let (input, estimated) = match (prompt, memo.prompt) {
        (None, Some(taken)) => (taken, true),
        (told, _) => (count(told), false),
    };
    Some(Usage { input, output: count(answer), estimated, ..Usage::default() })
}
