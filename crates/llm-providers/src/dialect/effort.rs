//! What an effort means where a model's thoughts have a budget of tokens.

use llm_types::chat::Effort;

/// The least that a model is let think, in tokens.
pub(crate) const MIN_BUDGET: u64 = 1024;

/// The budget that an effort means, in tokens.
pub(crate) fn budget_of(effort: Effort) -> u64 {
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => MIN_BUDGET,
        Effort::Medium => 2048,
        Effort::High => 4096,
        Effort::XHigh => 8192,
        Effort::Max => 16_384,
    }
}
