//! Why an answer ended, and what was used.

use llm_types::{Finish, FinishKind, Usage};

use super::super::wire::Reply;
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

/// The counts; `None`: there are none. Of a prompt that was read before some servers tell nothing.
pub(super) fn usage(reply: &Reply<'_>) -> Option<Usage> {
    let (prompt, answer) = (reply.prompt_eval_count, reply.eval_count);
    if prompt.is_none() && answer.is_none() {
        return None;
    }
    let count = |count: Option<Count>| count.map(|Count(count)| count).unwrap_or_default();
    Some(Usage { input: count(prompt), output: count(answer), ..Usage::default() })
}
