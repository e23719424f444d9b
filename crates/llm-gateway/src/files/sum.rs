//! What a batch comes to.

use llm_types::{PicoUsd, Usage};

/// What the answers of a batch used and cost.
#[derive(Debug, Default)]
pub(super) struct Sum {
    pub(super) usage: Usage,
    pub(super) cost: PicoUsd,
    /// Some answers did not say what they used, or nobody knows its price.
    pub(super) incomplete: bool,
}

impl Sum {
    /// Where nobody can know any more.
    pub(super) fn at_most(bound: Option<PicoUsd>) -> Self {
        let usage = Usage { estimated: true, ..Usage::default() };
        Self { usage, cost: bound.unwrap_or(PicoUsd::ZERO), incomplete: true }
    }

    /// Where nobody knows, and nobody is held to it.
    pub(super) fn unknown() -> Self {
        Self::at_most(None)
    }
}
