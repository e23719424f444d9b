//! A body that is in this dialect already, forwarded with as few edits as its provider needs.

use bytes::Bytes;
use llm_types::chat::SEAL;
use llm_types::{ApiError, Dialect, Edits, ErrorKind, Head, Result, Segments, Str};
use memchr::memmem;

use crate::codec::EncodeCx;
use crate::quirk::Row;

/// The edited body; `None` if it has to be written anew.
pub(super) fn body(head: &Head, cx: &mut EncodeCx<'_>) -> Result<Option<Segments>> {
    if is_sealed(head) {
        return Ok(None);
    }
    let effort = match head.mentions("reasoning", "effort") {
        true => head
            .nested("reasoning")?
            .and_then(|reasoning| reasoning.read::<Str<'_>>("effort").ok()?.map(Str::into_string)),
        false => None,
    };
    let row = Row::of(Dialect::OpenaiResponses, cx.spec, cx.model, effort.as_deref());
    let mut edits = Edits::default();
    let model = serde_json::to_vec(&*row.model()).map_err(|error| {
        ApiError::new(ErrorKind::Internal, "the model name cannot be written").with_source(error)
    })?;
    if head.get("model") != Some(&model) {
        edits.set(head, "model", Bytes::from(model));
    }
    row.apply(head, &mut edits, cx.changes);
    Ok(Some(edits.apply(head)))
}

/// Whether the input holds thoughts that another dialect's provider sealed: this one would refuse them.
fn is_sealed(head: &Head) -> bool {
    head.mentions("input", "encrypted_content")
        && head
            .get("input")
            .is_some_and(|input| memmem::find(input, format!("\"{SEAL}").as_bytes()).is_some())
}
