//! What was used.
//!
//! Cohere tells two counts. `tokens` is what the model read and wrote, with a template of Cohere's own: five hundred for
//! one word. `billed_units` is what is paid. Clients are told the first, as of any other provider; the second is what
//! the bill is made of. Cached tokens are most of all the template, and are within the first.

use llm_types::{Billed, Usage};

use super::super::wire::{self, Units};
use crate::dialect::scalar::Count;

fn count(count: Option<Count>) -> u64 {
    count.map(|Count(count)| count).unwrap_or_default()
}

/// The counts; `None`: there are none.
pub(super) fn usage(counts: &wire::Usage<'_>) -> Option<Usage> {
    let wire::Usage { billed, tokens, cached, extra: _ } = counts;
    let counted = tokens.as_ref().or(billed.as_ref())?;
    let Units { input, output, searches: _, extra: _ } = counted;
    let (input, output) = (count(*input), count(*output));
    let cached = count(*cached).min(input);
    let queries = billed.as_ref().map(|billed| count(billed.searches)).unwrap_or_default();
    let paid =
        billed.as_ref().map(|billed| Billed { input: count(billed.input), output: count(billed.output) });
    Some(Usage {
        input: input - cached,
        cache_read: cached,
        output,
        queries,
        billed: paid,
        ..Usage::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_what_was_read_and_the_bill_what_is_paid() {
        let counts = r#"{"billed_units":{"input_tokens":11.0,"output_tokens":3},"cached_tokens":448,
            "tokens":{"input_tokens":506,"output_tokens":4}}"#;
        let read = usage(&serde_json::from_str(counts).unwrap()).unwrap();
        assert_eq!((read.prompt_tokens(), read.cache_read, read.completion_tokens()), (506, 448, 4));
        assert_eq!(read.billed, Some(Billed { input: 11, output: 3 }));
        let none: wire::Usage<'_> = serde_json::from_str("{}").unwrap();
        assert_eq!(usage(&none), None);
    }
}
