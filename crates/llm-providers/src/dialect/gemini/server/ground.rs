//! Sources of an answer as `groundingMetadata`.
//!
//! The neutral form counts characters of the text part that a source belongs to, this dialect bytes of the
//! whole text.

use llm_types::chat::{Citation, Part};
use llm_types::{Dialect, RawValue};
use serde::Serialize;

/// The most sources that are written.
const LIMIT: usize = 1024;

/// Sources of one answer.
#[derive(Debug, Default)]
pub(super) struct Grounds {
    /// Address and title.
    places: Vec<(String, String)>,
    supports: Vec<Support>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Support {
    segment: Segment,
    grounding_chunk_indices: [usize; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Segment {
    start_index: usize,
    end_index: usize,
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    grounding_chunks: Vec<Chunk<'a>>,
    grounding_supports: &'a [Support],
}

#[derive(Serialize)]
struct Chunk<'a> {
    web: Web<'a>,
}

#[derive(Serialize)]
struct Web<'a> {
    uri: &'a str,
    title: &'a str,
}

impl Grounds {
    /// Adds a source of `text`, which begins `before` bytes into the answer's text. One without an address
    /// has no place in this form.
    pub(super) fn cite(&mut self, citation: &Citation, text: &str, before: usize) {
        let Citation { url, title, start, end, quote: _, native: _ } = citation;
        let Some(url) = url.as_deref().filter(|_| self.supports.len() < LIMIT) else { return };
        let title = title.as_deref().unwrap_or_default();
        let place = self.places.iter().position(|(known, of)| known == url && of == title);
        let index = place.unwrap_or_else(|| {
            self.places.push((url.to_owned(), title.to_owned()));
            self.places.len() - 1
        });
        let byte = |chars: u64| {
            let chars = usize::try_from(chars).unwrap_or(usize::MAX);
            text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at)
        };
        let from = start.map_or(0, byte);
        let to = end.map_or(text.len(), byte).max(from);
        let words = text.get(from..to).unwrap_or_default().to_owned();
        self.supports.push(Support {
            segment: Segment { start_index: before + from, end_index: before + to, text: words },
            grounding_chunk_indices: [index],
        });
    }

    /// The sources in the parts of a whole answer.
    pub(super) fn of(parts: &[Part]) -> Self {
        let mut grounds = Self::default();
        let (mut text, mut before) = ("", 0);
        for part in parts {
            match part {
                Part::Text(next) => {
                    before += text.len();
                    text = &next.text;
                }
                Part::Citation(citation) => grounds.cite(citation, text, before),
                _ => {}
            }
        }
        grounds
    }

    /// `groundingMetadata`; `None`: there is no source.
    pub(super) fn json(&self) -> Option<Box<RawValue>> {
        if self.places.is_empty() {
            return None;
        }
        let grounding_chunks =
            self.places.iter().map(|(uri, title)| Chunk { web: Web { uri, title } }).collect();
        let metadata = Metadata { grounding_chunks, grounding_supports: &self.supports };
        serde_json::value::to_raw_value(&metadata).ok()
    }
}

/// Whether the members of an answer hold its sources already, in this dialect's own form.
pub(super) fn is_told<'m>(origin: Option<Dialect>, mut names: impl Iterator<Item = &'m str>) -> bool {
    origin == Some(Dialect::Gemini)
        && names.any(|name| matches!(name, "groundingMetadata" | "citationMetadata"))
}
