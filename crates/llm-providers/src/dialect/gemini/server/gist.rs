//! Where a request to generate content says what it is like.

use llm_types::{Capabilities, Head};

use crate::gist::{Gist, Places, number};

const PLACES: Places = Places {
    prompt: &["systemInstruction", "contents"],
    max_output: &[],
    tools: &["tools"],
    uses: &[
        ("mimeType", "\"image/", Capabilities::IMAGE_INPUT),
        ("mimeType", "\"audio/", Capabilities::AUDIO_INPUT),
        ("mimeType", "\"application/pdf\"", Capabilities::FILE_INPUT),
        ("mime_type", "\"image/", Capabilities::IMAGE_INPUT),
        ("mime_type", "\"audio/", Capabilities::AUDIO_INPUT),
        ("mime_type", "\"application/pdf\"", Capabilities::FILE_INPUT),
    ],
};

pub(super) fn gist(head: &Head) -> Gist<'_> {
    let mut gist = PLACES.gist(head);
    if let Ok(Some(config)) = head.nested("generationConfig") {
        gist.max_output = config.get("maxOutputTokens").and_then(number);
        if config.get("responseSchema").or_else(|| config.get("responseJsonSchema")).is_some() {
            gist.capabilities = gist.capabilities.and(Capabilities::JSON_SCHEMA);
        }
    }
    gist
}
