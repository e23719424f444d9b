//! Sources of an answer.
//!
//! The provider says which bytes of the text a source supports; the neutral form counts characters. Both
//! come at the end of a stream, so that a source waits here until its text is complete.

use std::collections::{BTreeMap, HashSet};

use llm_types::RawValue;
use llm_types::chat::Citation;

use super::super::wire::{Grounding, Span, Support};
use super::usage::Lookups;

/// The most sources of one answer.
const LIMIT: usize = 1024;

/// A source and the bytes that it supports.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Source {
    start: usize,
    end: usize,
    url: Option<String>,
    title: Option<String>,
}

/// The sources of one answer.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// Where the sources are, by their number.
    places: Vec<(Option<String>, Option<String>)>,
    waiting: Vec<Source>,
    /// Chunks may repeat what earlier ones said.
    seen: HashSet<Source>,
    lookups: Lookups,
}

impl Sources {
    /// Reads `groundingMetadata`. What cannot be read is not a reason to lose the answer.
    pub(super) fn ground(&mut self, json: &RawValue) {
        let Ok(grounding) = serde_json::from_str::<Grounding<'_>>(json.get()) else { return };
        let queries = grounding.web_search_queries.map_or(0, |queries| queries.len());
        self.lookups.queries = self.lookups.queries.max(queries);
        self.lookups.grounded |= queries > 0 || grounding.search_entry_point.is_some();
        if let Some(chunks) = grounding.grounding_chunks.filter(|chunks| !chunks.is_empty()) {
            self.lookups.grounded |= chunks.iter().any(|chunk| chunk.maps.is_some());
            self.places.clear();
            for chunk in chunks.into_iter().take(LIMIT) {
                let place = chunk.web.or(chunk.maps).or(chunk.retrieved_context).unwrap_or_default();
                let url = place.uri.map(llm_types::Str::into_string);
                self.places.push((url, place.title.map(llm_types::Str::into_string)));
            }
        }
        for support in grounding.grounding_supports.unwrap_or_default() {
            self.support(support);
        }
    }

    fn support(&mut self, support: Support<'_>) {
        let segment = support.segment.unwrap_or_default();
        let places = support.grounding_chunk_indices.unwrap_or_default();
        let mut known = places.iter().filter_map(|index| self.places.get(*index));
        let Some((url, title)) = known.find(|(url, _)| url.is_some()).cloned() else { return };
        let start = segment.start_index.unwrap_or_default();
        self.add(Source { start, end: segment.end_index.unwrap_or(start), url, title });
    }

    /// Reads `citationMetadata`: sources that the answer repeats.
    pub(super) fn recite(&mut self, json: &RawValue) {
        let Ok(span) = serde_json::from_str::<Span<'_>>(json.get()) else { return };
        let all = span.citation_sources.into_iter().chain(span.citations).flatten();
        for source in all.filter(|source| source.uri.is_some()) {
            let start = source.start_index.unwrap_or_default();
            self.add(Source {
                start,
                end: source.end_index.unwrap_or(start),
                url: source.uri.map(llm_types::Str::into_string),
                title: source.title.map(llm_types::Str::into_string),
            });
        }
    }

    fn add(&mut self, source: Source) {
        if self.seen.len() < LIMIT && self.seen.insert(source.clone()) {
            self.waiting.push(source);
        }
    }

    /// What was looked up so far.
    pub(super) fn lookups(&self) -> Lookups {
        self.lookups
    }

    /// The sources that wait, for the text part that begins `before` bytes into the answer's text.
    pub(super) fn take(&mut self, text: &str, before: usize) -> Vec<Citation> {
        let waiting = std::mem::take(&mut self.waiting);
        let ends = waiting.iter().flat_map(|source| [source.start, source.end]);
        let chars = characters(text, ends.map(|end| end.saturating_sub(before)).collect());
        let place = |byte: usize| chars.get(&byte.checked_sub(before)?).copied();
        let citation = |source: Source| Citation {
            start: place(source.start),
            end: place(source.start).and(place(source.end)),
            url: source.url,
            title: source.title,
            quote: None,
            native: None,
        };
        waiting.into_iter().map(citation).collect()
    }

    /// Whether sources wait for a text.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

/// How many characters begin before each of these bytes. One pass: a hostile answer may name a long
/// text's end a thousand times.
fn characters(text: &str, mut bytes: Vec<usize>) -> BTreeMap<usize, u64> {
    bytes.sort_unstable();
    let mut chars = text.char_indices().peekable();
    let mut count = 0_u64;
    let mut out = BTreeMap::new();
    for byte in bytes {
        while chars.next_if(|(at, _)| *at < byte).is_some() {
            count += 1;
        }
        out.insert(byte, count);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn bytes_become_characters() {
        let json = r#"{"groundingChunks":[{"image":{}},{"web":{"uri":"u","title":"t"}}],
            "groundingSupports":[{"segment":{"endIndex":5},"groundingChunkIndices":[0,1]},
            {"segment":{"startIndex":5,"endIndex":99},"groundingChunkIndices":[1]},
            {"segment":{"endIndex":1},"groundingChunkIndices":[7]}]}"#;
        let mut sources = Sources::default();
        sources.ground(&raw(json));
        sources.ground(&raw(json));
        let spans: Vec<_> =
            sources.take("19 °C", 0).into_iter().map(|c| (c.start, c.end, c.url, c.title)).collect();
        let source = || (Some("u".to_owned()), Some("t".to_owned()));
        let ((u1, t1), (u2, t2)) = (source(), source());
        assert_eq!(spans, [(Some(0), Some(4), u1, t1), (Some(4), Some(5), u2, t2)]);
        assert!(!sources.is_waiting());
    }

    #[test]
    fn a_source_of_an_earlier_text_has_no_place_in_a_later_one() {
        let mut sources = Sources::default();
        sources.recite(&raw(
            r#"{"citationSources":[{"startIndex":1,"endIndex":3,"uri":"a"},{"startIndex":6,"endIndex":8,"uri":"b"}]}"#,
        ));
        let spans: Vec<_> = sources.take("xyz", 5).into_iter().map(|c| (c.start, c.end)).collect();
        assert_eq!(spans, [(None, None), (Some(1), Some(3))]);
    }

    #[test]
    fn lookups_are_seen() {
        let check = |json: &str, expect: Lookups| {
            let mut sources = Sources::default();
            sources.ground(&raw(json));
            assert_eq!(sources.lookups(), expect, "{json}");
        };
        check(r#"{"webSearchQueries":["a","b"]}"#, Lookups { grounded: true, queries: 2 });
        check(r#"{"searchEntryPoint":{}}"#, Lookups { grounded: true, queries: 0 });
        check(r#"{"groundingChunks":[{"maps":{"uri":"u"}}]}"#, Lookups { grounded: true, queries: 0 });
        check(r#"{"groundingChunks":[{"web":{"uri":"u"}}]}"#, Lookups::default());
        check(r#"{"groundingChunks":7}"#, Lookups::default());
    }
}
