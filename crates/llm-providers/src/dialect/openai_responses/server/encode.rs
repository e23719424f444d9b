//! A whole answer.

use llm_types::Output;

use super::stream;
use crate::codec::ReplyCx;

/// The body of a whole answer.
pub(super) fn output(output: &Output, cx: &ReplyCx) -> Vec<u8> {
    match output.as_chat() {
        Some(reply) => stream::whole_reply(reply, cx),
        // No row asks for anything else.
        None => b"{}".to_vec(),
    }
}
