//! What a request says itself of who is asked after a failure, beside its own list.

use std::sync::Arc;

use llm_types::ErrorKind;

use super::{Plan, Target};

impl<T> Plan<'_, T> {
    /// Names where it goes when its prompt does not fit a model, instead of wherever else it would.
    pub fn fall_back_when_too_long(&mut self, models: Vec<Arc<str>>) {
        self.too_long = Some(models);
    }

    /// Allows at most so many retries in each group, where the policy allows more. It falls back all the same.
    pub fn bound_retries(&mut self, retries: u32) {
        self.attempts.limit_retries(retries);
        self.retries = Some(retries);
    }

    /// The models of its own for this failure.
    pub(super) fn own_chain(&self, kind: ErrorKind) -> Option<&[Arc<str>]> {
        self.too_long.as_deref().filter(|_| kind == ErrorKind::ContextWindow)
    }

    /// Those of them that nothing was heard of yet.
    pub(super) fn own_targets(&self) -> Option<Vec<Target>> {
        let chain = self.own_chain(self.attempts.chain_kind())?;
        Some(self.fresh(chain.iter().map(|model| self.resolve(model, None))))
    }

    /// The most retries in each group, as far as the request bounds them.
    pub(super) fn most_retries(&self) -> Option<u32> {
        self.most.into_iter().chain(self.retries).min()
    }
}
