//! A body that is in this dialect already, forwarded with as few edits as its provider needs.

use llm_types::{Edits, Head, Result, Segments};

use super::super::super::openai_chat::{ask_for_usage, is_for_gateway};
use crate::codec::EncodeCx;
use crate::quirk::Row;

/// The edited body.
pub(super) fn body(head: &Head, cx: &mut EncodeCx<'_>) -> Result<Segments> {
    let row = Row::new(cx.spec, cx.model, None);
    let mut edits = Edits::default();
    edits.set(head, "model", serde_json::to_vec(&*row.model()).unwrap_or_default());
    for member in head.members() {
        if is_for_gateway(member.name()) && !row.takes(member.name()) {
            edits.remove(head, member.name());
        }
    }
    row.apply(head, &mut edits, cx.changes);
    if head.read::<bool>("stream")?.unwrap_or(false) && !row.drops("stream_options") {
        ask_for_usage(head, &mut edits)?;
    }
    Ok(edits.apply(head))
}
