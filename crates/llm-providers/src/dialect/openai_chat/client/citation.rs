//! Sources of an answer: OpenAI's annotations, and Perplexity's list with `[n]` marks in the text.

use llm_types::chat::Citation;
use llm_types::{Dialect, RawValue, wire_struct};

use super::super::wire::{Annotation, Lossy, UrlCitation, Written};

/// The most sources that are read of one answer.
const LIMIT: usize = 256;

wire_struct! {
    /// An entry of `search_results`.
    struct SearchResult<'a> {
        title: Lossy<'a>,
        url: Lossy<'a>,
    }
}

/// One annotation. What is not a web source is known in its own form only.
pub(super) fn annotation(raw: &RawValue) -> Citation {
    let native = Some((Dialect::OpenaiChat, raw.to_owned()));
    let read = serde_json::from_str::<Annotation<'_>>(raw.get()).ok();
    let Some(UrlCitation { start_index, end_index, url, title, content, extra: _ }) =
        read.and_then(|annotation| annotation.url_citation)
    else {
        return Citation { native, ..Citation::default() };
    };
    let text = |text: Option<Lossy<'_>>| text.and_then(|text| text.non_empty().map(str::to_owned));
    Citation {
        url: text(url),
        title: text(title),
        start: start_index.map(|count| count.0),
        end: end_index.map(|count| count.0),
        quote: text(content),
        native,
    }
}

/// Perplexity's sources of one answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Sources {
    list: Vec<(String, Option<String>)>,
}

impl Sources {
    /// Reads `citations` (addresses) and `search_results` (addresses with titles).
    pub(super) fn read(citations: Option<&Written<'_>>, results: Option<&Written<'_>>) -> Self {
        let results: Vec<SearchResult<'_>> =
            results.and_then(|json| serde_json::from_str(json.get()).ok()).unwrap_or_default();
        let own = |text: &Option<Lossy<'_>>| text.as_ref().and_then(Lossy::non_empty).map(str::to_owned);
        let titled: Vec<(String, Option<String>)> = results
            .iter()
            .take(LIMIT)
            .filter_map(|result| Some((own(&result.url)?, own(&result.title))))
            .collect();
        let urls: Vec<Lossy<'_>> =
            citations.and_then(|json| serde_json::from_str(json.get()).ok()).unwrap_or_default();
        if urls.is_empty() {
            return Self { list: titled };
        }
        let title =
            |url: &str| titled.iter().find(|(known, _)| known == url).and_then(|(_, title)| title.clone());
        let list = urls.iter().take(LIMIT).map(|url| (url.0.clone().into_owned(), title(&url.0))).collect();
        Self { list }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// A source for each `[n]` in `text`, with the place of the mark.
    pub(super) fn cited(&self, text: &str) -> Vec<Citation> {
        let mut marks = Marks::default();
        let mut found = Vec::new();
        for c in text.chars() {
            found.extend(marks.push(c).and_then(|mark| self.at(mark)));
            if found.len() == LIMIT {
                break;
            }
        }
        found
    }

    /// The source that a mark names.
    pub(super) fn at(&self, mark: Mark) -> Option<Citation> {
        let (url, title) = self.list.get(mark.number.checked_sub(1)?)?;
        Some(Citation {
            url: Some(url.clone()),
            title: title.clone(),
            start: Some(mark.start),
            end: Some(mark.end),
            ..Citation::default()
        })
    }
}

/// `[n]` at a place of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    number: usize,
    start: u64,
    end: u64,
}

/// Finds marks in a text that comes in pieces.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks {
    at: u64,
    open: Option<(u64, usize)>,
}

impl Marks {
    /// Takes the next character.
    pub(super) fn push(&mut self, c: char) -> Option<Mark> {
        let at = self.at;
        self.at += 1;
        match (c, self.open) {
            ('[', _) => self.open = Some((at, 0)),
            (']', Some((start, number))) => {
                self.open = None;
                return (number > 0).then_some(Mark { number, start, end: at + 1 });
            }
            (digit, Some((start, number))) if digit.is_ascii_digit() && number < 1000 => {
                let digit = usize::try_from(digit.to_digit(10).unwrap_or(0)).unwrap_or(0);
                self.open = Some((start, number * 10 + digit));
            }
            _ => self.open = None,
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_name_their_source_and_place() {
        let sources =
            Sources { list: vec![("https://a".into(), None), ("https://b".into(), Some("B".into()))] };
        let found = sources.cited("é [2], x[1][9] [a] [] [1");
        let places: Vec<_> = found.iter().map(|c| (c.url.as_deref().unwrap(), c.start, c.end)).collect();
        assert_eq!(places, [("https://b", Some(2), Some(5)), ("https://a", Some(8), Some(11))]);
        assert_eq!(found[0].title.as_deref(), Some("B"));
    }
}
