//! Where a response's request says what it is like.

use llm_types::{Capabilities, Head};

use crate::gist::{Gist, Places, string};

const PLACES: Places = Places {
    prompt: &["instructions", "input"],
    max_output: &["max_output_tokens"],
    tools: &["tools"],
    uses: &[
        ("image_url", "", Capabilities::IMAGE_INPUT),
        ("file_id", "\"input_image\"", Capabilities::IMAGE_INPUT),
        ("input_audio", "", Capabilities::AUDIO_INPUT),
        ("file_data", "", Capabilities::FILE_INPUT),
        ("file_url", "", Capabilities::FILE_INPUT),
        ("file_id", "\"input_file\"", Capabilities::FILE_INPUT),
    ],
};

pub(super) fn gist(head: &Head) -> Gist<'_> {
    let mut gist = PLACES.gist(head);
    gist.session = head.get("prompt_cache_key").and_then(string);
    gist
}

pub(super) fn uses(head: &Head) -> Capabilities {
    let uses = PLACES.uses(head);
    if head.mentions("text", "schema") { uses.and(Capabilities::JSON_SCHEMA) } else { uses }
}
