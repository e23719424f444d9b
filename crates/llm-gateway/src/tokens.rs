//! How many tokens a prompt is: counted where the vocabulary of the model is published, else estimated.
//!
//! One place for everybody who asks: clients that count, operators that estimate.

use llm_providers::estimate;
use llm_types::{Call, Result, TokenCount};

/// The longest body whose prompt is counted on the way of a request, in bytes: about 10 ms.
#[cfg(feature = "tokenizers")]
const SHORT: usize = 96 * 1024;

/// How many tokens the prompt of a call is for a model, by the provider's own name. `Some` body length: others wait
/// for this thread, so that only short ones are counted.
///
/// # Errors
/// When the call has no conversation to count.
pub(crate) fn count(model: &str, call: &Call, hurry: Option<usize>) -> Result<TokenCount> {
    match exact(model, call, hurry) {
        Some(input) => Ok(TokenCount { input, ..TokenCount::default() }),
        None => estimate::count(call),
    }
}

/// How many tokens a text of an answer is for a model.
pub(crate) fn of_text(model: &str, text: &str) -> u64 {
    exact_text(model, text).unwrap_or_else(|| estimate::prose(text))
}

#[cfg(feature = "tokenizers")]
fn exact_text(model: &str, text: &str) -> Option<u64> {
    let own = model.rsplit_once('/').map_or(model, |(_, own)| own);
    llm_cost::tokenizer::Vocabulary::of(own)?.count(text)
}

#[cfg(not(feature = "tokenizers"))]
fn exact_text(_: &str, _: &str) -> Option<u64> {
    None
}

#[cfg(feature = "tokenizers")]
fn exact(model: &str, call: &Call, hurry: Option<usize>) -> Option<u64> {
    if hurry.is_some_and(|length| length > SHORT) {
        return None;
    }
    // Routers of several makers' models name the maker first.
    let own = model.rsplit_once('/').map_or(model, |(_, own)| own);
    llm_cost::tokenizer::count_prompt(own, call.conversation()?)
}

#[cfg(not(feature = "tokenizers"))]
fn exact(_: &str, _: &Call, _: Option<usize>) -> Option<u64> {
    None
}

#[cfg(all(test, feature = "tokenizers"))]
mod tests {
    use llm_types::chat::{ChatRequest, Message};

    use super::*;

    #[test]
    fn published_vocabularies_are_counted_and_others_estimated() {
        let call = Call::from(ChatRequest::new([Message::user("Reply with exactly: cobalt")]));
        let check = |model: &str, hurry, expect: (u64, bool)| {
            let count = count(model, &call, hurry).unwrap();
            assert_eq!((count.input, count.estimated), expect, "{model} {hurry:?}");
        };
        assert_eq!(of_text("openai/gpt-4o-mini", "Reply with exactly: cobalt"), 5);
        assert_eq!(of_text("claude-haiku-4-5", "Reply with exactly: cobalt"), 7);
        check("gpt-4o-mini", None, (12, false));
        check("openai/gpt-4o-mini", Some(SHORT), (12, false));
        check("gpt-4o-mini", Some(SHORT + 1), (14, true));
        check("claude-haiku-4-5", None, (14, true));
    }
}
