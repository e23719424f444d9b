//! Pieces that whole answers and streams have alike: citations, log probabilities.

use llm_types::chat::{Citation, LogProbs, TokenLogProb};
use llm_types::{Dialect, Raw};

use super::super::wire::{self, LogProb, Source, SourceDocument};

/// The citations of one stretch of the answer: one for each source. The provider's own form goes with the first.
pub(super) fn citations(raw: &Raw<'_>) -> Vec<Citation> {
    let read: wire::Citation<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    let wire::Citation { start, end, text: _, sources, content_index: _, kind: _, extra: _ } = read;
    let mut out: Vec<Citation> = sources.unwrap_or_default().iter().map(source).collect();
    if out.is_empty() {
        out.push(Citation::default());
    }
    for citation in &mut out {
        citation.start = start;
        citation.end = end;
    }
    if let Some(first) = out.first_mut() {
        first.native = Some((Dialect::Cohere, raw.0.clone().into_owned()));
    }
    out
}

/// A source: where it is, or what it is called here.
fn source(source: &Source<'_>) -> Citation {
    let Source { kind: _, id, document, tool_output, extra: _ } = source;
    let told = document.as_ref().or(tool_output.as_ref());
    let read = told.and_then(|raw| serde_json::from_str::<SourceDocument<'_>>(raw.get()).ok());
    let SourceDocument { title, url, extra: _ } = read.unwrap_or_default();
    let word = |word: Option<crate::dialect::scalar::Word<'_>>| {
        word.and_then(crate::dialect::scalar::Word::non_empty).map(std::borrow::Cow::into_owned)
    };
    let id = id.as_ref().map(|id| format!("source:{}", id.0));
    Citation { url: word(url).or(id), title: word(title), ..Citation::default() }
}

/// Log probabilities token by token. Of a text of several tokens the first has the text.
pub(super) fn logprobs(list: Vec<LogProb<'_>>) -> LogProbs {
    let mut content = Vec::with_capacity(list.len());
    for LogProb { text, token_ids: _, logprobs, extra: _ } in list {
        let mut text = text.unwrap_or_default().0.into_lossy().into_owned();
        for logprob in logprobs.unwrap_or_default() {
            content.push(TokenLogProb {
                token: std::mem::take(&mut text),
                logprob,
                ..TokenLogProb::default()
            });
        }
    }
    LogProbs { content, refusal: Vec::new() }
}
