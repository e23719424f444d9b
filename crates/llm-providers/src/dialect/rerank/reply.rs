//! Answers, in all their spellings.

use http::{HeaderMap, StatusCode};
use llm_types::{ApiError, Dialect, ErrorKind, Extra, Ranked, Ranking, Result, Str, Usage};

use super::document;
use super::wire::{Counts, Facts, Item, Meta, Reply, Tokens, Units};
use crate::codec::{ClientCodec as _, Ordering, Tapped};
use crate::dialect::openai_chat;
use crate::dialect::scalar::Count;
use crate::dialect::stated::stated;

/// Reads an answer in Cohere's form or one of its spellings, and does what the request asked of it.
///
/// # Errors
/// When it holds no results; the contained error when the provider put one into a 200.
pub(super) fn read(body: &[u8], ordering: Option<&Ordering>) -> Result<Ranking> {
    Ok(finished(ranking(body)?, ordering))
}

/// Does what the request asked of its answer.
pub(super) fn finished(mut out: Ranking, ordering: Option<&Ordering>) -> Ranking {
    out.results.sort_by(|one, other| other.score.total_cmp(&one.score));
    let Some(Ordering { top_n, documents, bare }) = ordering else { return out };
    if let Some(top_n) = top_n {
        out.results.truncate(usize::try_from(*top_n).unwrap_or(usize::MAX));
    }
    for ranked in &mut out.results {
        match documents.get(ranked.index) {
            Some(document) => ranked.document = Some(document.clone()),
            None if *bare => ranked.document = None,
            None => {}
        }
    }
    out
}

fn ranking(body: &[u8]) -> Result<Ranking> {
    if body.trim_ascii_start().starts_with(b"[") {
        // HuggingFace's servers send the bare list.
        let list: Vec<Item<'_>> = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
        let results = list.into_iter().map(ranked).collect::<Result<_>>()?;
        return Ok(Ranking { results, origin: Some(Dialect::Rerank), ..Ranking::default() });
    }
    let reply: Reply<'_> = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    let Reply { id, model, object: _, results, meta, usage: counts, error, extra } = reply;
    if error.is_some() {
        // Some put an error into a 200; its body says what it is.
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return Err(openai_chat::Client.decode_error(status, &HeaderMap::new(), body));
    }
    let results = results.ok_or_else(|| wrong("`results` is missing"))?;
    let usage = usage(meta.as_ref(), counts.as_ref());
    let mut extra = extra.to_extra();
    if let Some(Meta { extra: more, .. }) = &meta
        && !more.is_empty()
    {
        // Writing members that were read cannot fail.
        let _ = extra.set_json("meta", more);
    }
    Ok(Ranking {
        id: id.map(Str::into_string).unwrap_or_default(),
        model: model.map(Str::into_string).unwrap_or_default(),
        results: results.into_iter().map(ranked).collect::<Result<_>>()?,
        usage,
        origin: Some(Dialect::Rerank),
        extra,
    })
}

fn ranked(item: Item<'_>) -> Result<Ranked> {
    let Item { index, score, document, extra } = item;
    Ok(Ranked {
        index: index.ok_or_else(|| wrong("a result has no `index`"))?,
        score: score.ok_or_else(|| wrong("a result has no score"))?,
        document: document.as_ref().and_then(document::repeated),
        extra: extra.to_extra(),
    })
}

/// What was used: searches at Cohere, tokens elsewhere.
pub(super) fn usage(meta: Option<&Meta<'_>>, counts: Option<&Counts<'_>>) -> Option<Usage> {
    let count = |count: &Option<Count>| count.map(|Count(count)| count);
    let paid = meta.and_then(|meta| meta.billed_units.as_ref());
    let paid = |part: fn(&Units<'_>) -> Option<Count>| paid.and_then(part).map(|Count(count)| count);
    let tokens = meta.and_then(|meta| meta.tokens.as_ref());
    let of = |part: fn(&Tokens<'_>) -> Option<Count>| tokens.and_then(part).map(|Count(count)| count);
    let said = counts.and_then(|counts| count(&counts.prompt_tokens).or(count(&counts.total_tokens)));
    let searches = counts.and_then(|counts| count(&counts.search_units));
    let queries = paid(|paid| paid.search_units).or(searches);
    let input = of(|tokens| tokens.input).or(paid(|paid| paid.total_tokens)).or(said);
    let stated = counts.and_then(|counts| stated(&counts.extra));
    (queries.is_some() || input.is_some() || stated.is_some()).then(|| Usage {
        input: input.unwrap_or_default(),
        output: of(|tokens| tokens.output).unwrap_or_default(),
        queries: queries.unwrap_or_default(),
        stated,
        ..Usage::default()
    })
}

/// Reads what an answer used.
///
/// # Errors
/// When it is not one.
pub(super) fn tapped(body: &[u8]) -> Result<Tapped<'_>> {
    if body.trim_ascii_start().starts_with(b"[") {
        return ranking(body).map(|_| Tapped::default());
    }
    let facts: Facts<'_> = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    let usage = usage(facts.meta.as_ref(), facts.usage.as_ref());
    Ok(Tapped { usage, model: facts.model.map(|model| model.0) })
}

/// The members that stand in `meta` beside what is counted.
pub(super) fn noted(extra: &mut Extra) -> Option<Box<llm_types::RawValue>> {
    extra.remove("meta")
}

pub(super) fn malformed(error: &serde_json::Error) -> ApiError {
    wrong(&error.to_string())
}

pub(super) fn wrong(why: &str) -> ApiError {
    ApiError::upstream(ErrorKind::UpstreamFormat, format!("the upstream's answer holds no order: {why}"))
}
