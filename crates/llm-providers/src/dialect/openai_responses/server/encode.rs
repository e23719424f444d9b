//! A whole answer.

use llm_types::Output;

use super::{stream, thought};
use crate::codec::ReplyCx;

/// The body of a whole answer.
pub(super) fn output(output: &Output, cx: &ReplyCx) -> Vec<u8> {
    match output.as_chat() {
        Some(reply) => {
            let body = stream::whole_reply(reply, cx);
            let marked = cx.mark.as_ref().and_then(|mark| thought::mark(&body, mark));
            marked.map_or(body, Into::into)
        }
        // No row asks for anything else.
        None => b"{}".to_vec(),
    }
}
