//! What a row says of requests for vectors.

use super::{ProviderSpec, Quirks};
use crate::Op;

impl ProviderSpec {
    /// The most inputs of one request for vectors; `None`: any number.
    #[must_use]
    pub fn embed_inputs(&self, model: &str) -> Option<usize> {
        self.vector_quirks(model).filter_map(|quirks| quirks.embed_inputs).last().filter(|most| *most > 0)
    }

    /// Whether inputs of requests for vectors may be tokens.
    #[must_use]
    pub fn takes_tokens(&self, model: &str) -> bool {
        self.vector_quirks(model).filter_map(|quirks| quirks.token_inputs).last().unwrap_or_default()
    }

    /// What holds for requests for vectors: what the row says of itself, and of the dialect that they are asked in.
    fn vector_quirks<'a>(&'a self, model: &'a str) -> impl Iterator<Item = &'a Quirks> {
        let words = self.dialect_for(Op::Embed, None, model);
        let theirs = (words != self.dialect).then(|| self.quirks_in(words, model, None));
        self.quirks_for(model, None).chain(theirs.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dialect, ModelRule};

    #[test]
    fn what_holds_for_vectors_may_be_said_of_the_row_or_of_their_dialect() {
        let rule = |dialect, models: &str, quirks| ModelRule {
            models: vec![models.into()],
            dialect,
            quirks,
            ..ModelRule::default()
        };
        let tokens = |token_inputs| Quirks { token_inputs: Some(token_inputs), ..Quirks::default() };
        let spec = ProviderSpec {
            quirks: Quirks { embed_inputs: Some(100), ..Quirks::default() },
            rules: vec![
                rule(Some(Dialect::OpenaiMedia), "own-*", tokens(true)),
                rule(None, "old-*", tokens(true)),
                rule(Some(Dialect::OpenaiResponses), "*", tokens(true)),
                rule(
                    Some(Dialect::OpenaiMedia),
                    "small",
                    Quirks { embed_inputs: Some(8), ..Quirks::default() },
                ),
            ],
            ..ProviderSpec::default()
        };
        assert!(spec.takes_tokens("own-1") && spec.takes_tokens("old-1") && !spec.takes_tokens("x"));
        assert_eq!((spec.embed_inputs("x"), spec.embed_inputs("small")), (Some(100), Some(8)));
    }
}
