//! Documents in order without a model: by the share of the query's words that they hold.

use std::collections::HashSet;

use llm_types::{Ranked, Ranking, RerankDocument, RerankRequest, Result, Usage};

use crate::estimate;

/// The documents, those first that hold most of the query's words.
///
/// # Errors
/// [`llm_types::ErrorKind::NotFound`] for a model that there is not.
pub(super) fn rerank(request: &RerankRequest) -> Result<Ranking> {
    super::model(&request.model)?;
    let wanted = words(&request.query);
    let asked = estimate::tokens(&request.query);
    let mut input = 0_u64;
    let mut results: Vec<Ranked> = Vec::with_capacity(request.documents.len());
    for (index, document) in request.documents.iter().enumerate() {
        let text = text(document);
        input = input.saturating_add(asked).saturating_add(estimate::tokens(text));
        let held = words(text);
        let found = u32::try_from(wanted.intersection(&held).count()).unwrap_or(u32::MAX);
        let all = u32::try_from(wanted.len().max(1)).unwrap_or(u32::MAX);
        let repeated = (request.return_documents == Some(true)).then(|| document.clone());
        let score = f64::from(found) / f64::from(all);
        results.push(Ranked { index, score, document: repeated, extra: llm_types::Extra::default() });
    }
    results.sort_by(|one, other| other.score.total_cmp(&one.score));
    if let Some(top_n) = request.top_n {
        results.truncate(usize::try_from(top_n).unwrap_or(usize::MAX));
    }
    let usage = Usage { input, queries: 1, estimated: true, ..Usage::default() };
    Ok(Ranking { model: request.model.clone(), results, usage: Some(usage), ..Ranking::default() })
}

fn text(document: &RerankDocument) -> &str {
    match document {
        RerankDocument::Text(text) => text,
        RerankDocument::Object(json) => json.get(),
    }
}

fn words(text: &str) -> HashSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}
