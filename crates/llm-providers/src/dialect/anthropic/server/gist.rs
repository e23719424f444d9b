//! Where a message's request says what it is like.

use std::borrow::Cow;

use llm_types::{Capabilities, Head};
use memchr::memmem;

use crate::gist::{Gist, Places, Plain};

const PLACES: Places = Places {
    prompt: &["system", "messages"],
    max_output: &["max_tokens"],
    tools: &["tools"],
    uses: &[
        ("source", "\"image\"", Capabilities::IMAGE_INPUT),
        ("source", "\"document\"", Capabilities::FILE_INPUT),
    ],
};

/// What coding agents put before the session in `metadata.user_id`.
const SESSION: &[u8] = b"_session_";

pub(super) const PLAIN: Plain = Plain {
    prompt: &["system", "messages"],
    keys: &["role", "content", "type", "text"],
    members: &[
        "model",
        "stream",
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "metadata",
    ],
};

pub(super) fn gist(head: &Head) -> Gist<'_> {
    Gist { session: head.get("metadata").and_then(session), ..PLACES.gist(head) }
}

pub(super) fn uses(head: &Head) -> Capabilities {
    PLACES.uses(head)
}

fn session(metadata: &[u8]) -> Option<Cow<'_, [u8]>> {
    let rest = metadata.get(memmem::find(metadata, SESSION)? + SESSION.len()..)?;
    let end = rest.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-')?;
    rest.get(..end).filter(|id| !id.is_empty()).map(Cow::Borrowed)
}
