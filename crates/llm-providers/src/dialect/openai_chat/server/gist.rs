//! Where a chat completion's request says what it is like.

use std::borrow::Cow;

use llm_types::{Capabilities, Head};

use crate::gist::{Gist, Places, Plain, string};

const PLACES: Places = Places {
    prompt: &["messages"],
    max_output: &["max_completion_tokens", "max_tokens"],
    tools: &["tools", "functions"],
    uses: &[
        ("image_url", "", Capabilities::IMAGE_INPUT),
        ("input_audio", "", Capabilities::AUDIO_INPUT),
        ("file", "", Capabilities::FILE_INPUT),
    ],
};

pub(super) const PLAIN: Plain = Plain {
    prompt: &["messages"],
    keys: &["role", "content", "type", "text", "name"],
    members: &[
        "model",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "stop",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "user",
        "metadata",
        "reasoning_effort",
        "prompt_cache_key",
        "safety_identifier",
    ],
};

pub(super) fn gist(head: &Head) -> Gist<'_> {
    let mut gist = PLACES.gist(head);
    gist.session = head.get("prompt_cache_key").and_then(string).or_else(|| session(head));
    gist
}

pub(super) fn uses(head: &Head) -> Capabilities {
    let mut uses = PLACES.uses(head);
    if head.mentions("response_format", "json_schema") {
        uses = uses.and(Capabilities::JSON_SCHEMA);
    }
    if head.mentions("audio", "voice") {
        uses = uses.and(Capabilities::AUDIO_OUTPUT);
    }
    uses
}

/// `metadata.session_id`, as clients of other gateways send it.
fn session(head: &Head) -> Option<Cow<'_, [u8]>> {
    if !head.mentions("metadata", "session_id") {
        return None;
    }
    let metadata = head.nested("metadata").ok()??;
    string(metadata.get("session_id")?).map(|id| Cow::Owned(id.into_owned()))
}
