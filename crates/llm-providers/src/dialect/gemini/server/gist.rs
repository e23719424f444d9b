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
    }
    gist
}

pub(super) fn uses(head: &Head) -> Capabilities {
    let uses = PLACES.uses(head);
    let schemas = ["responseSchema", "responseJsonSchema"];
    match head.nested("generationConfig") {
        Ok(Some(config)) if schemas.iter().any(|name| config.get(name).is_some()) => {
            uses.and(Capabilities::JSON_SCHEMA)
        }
        _ => uses,
    }
}
