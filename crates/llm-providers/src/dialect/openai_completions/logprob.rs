//! Log probabilities: parallel lists here, one object for each token in the neutral form.

use llm_types::Str;
use llm_types::chat::{LogProbs, TokenLogProb};

use super::super::scalar::{Count, OrNull};
use super::wire::{self, Top};

/// Reads them, if there are any. A probability that is not given (OpenAI gives none for the first token of
/// an echoed prompt) is not a number.
pub(super) fn read(wire: wire::LogProbs<'_>) -> Option<LogProbs> {
    let wire::LogProbs { tokens, token_logprobs, top_logprobs, text_offset: _, extra: _ } = wire;
    let mut logprobs = token_logprobs.unwrap_or_default().into_iter();
    let mut tops = top_logprobs.and_then(|tops| tops.0).unwrap_or_default().into_iter();
    let content: Vec<TokenLogProb> = tokens
        .unwrap_or_default()
        .into_iter()
        .map(|token| TokenLogProb {
            token: token.into_string(),
            logprob: logprobs.next().flatten().unwrap_or(f64::NAN),
            bytes: None,
            top: tops.next().flatten().unwrap_or_default().0.into_iter().map(likely).collect(),
        })
        .collect();
    (!content.is_empty()).then(|| LogProbs { content, refusal: Vec::new() })
}

fn likely((token, logprob): (Str<'_>, f64)) -> TokenLogProb {
    TokenLogProb { token: token.into_string(), logprob, ..TokenLogProb::default() }
}

/// Writes them. `offset` is where in the answer's text, in characters, the first token begins; it is moved
/// behind the last one.
pub(super) fn write<'a>(log_probs: &'a LogProbs, offset: &mut u64) -> wire::LogProbs<'a> {
    let LogProbs { content, refusal } = log_probs;
    let mut tokens = Vec::new();
    let mut token_logprobs = Vec::new();
    let mut offsets = Vec::new();
    let mut tops = Vec::new();
    for TokenLogProb { token, logprob, bytes: _, top } in content.iter().chain(refusal) {
        tokens.push(Str::from(token));
        token_logprobs.push(finite(*logprob));
        offsets.push(Count(*offset));
        *offset = offset.saturating_add(u64::try_from(token.chars().count()).unwrap_or(0));
        tops.push((!top.is_empty()).then(|| likeliest(top)));
    }
    let any = tops.iter().any(Option::is_some);
    wire::LogProbs {
        tokens: Some(tokens),
        token_logprobs: Some(token_logprobs),
        top_logprobs: Some(OrNull(any.then_some(tops))),
        text_offset: Some(offsets),
        ..wire::LogProbs::default()
    }
}

/// Two tokens may have one text, of which an object has room for one: the likelier.
fn likeliest(top: &[TokenLogProb]) -> Top<'_> {
    let mut out: Vec<(Str<'_>, f64)> = Vec::new();
    for TokenLogProb { token, logprob, bytes: _, top: _ } in top {
        if !out.iter().any(|(known, _)| known.as_str() == token) {
            // This is OpenAI's word for "not among the likeliest".
            out.push((Str::from(token), finite(*logprob).unwrap_or(-9999.0)));
        }
    }
    Top(out)
}

/// JSON has neither infinity nor what is not a number.
fn finite(logprob: f64) -> Option<f64> {
    logprob.is_finite().then_some(logprob)
}
