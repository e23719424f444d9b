//! Budgets as rows have them: what outlives a process.

use llm_types::PicoUsd;

use crate::budget::BudgetWindow;

/// What is booked in one window of one budget, over all nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    /// Which.
    pub window: BudgetWindow,
    /// The cost of its rows.
    pub spent: PicoUsd,
    /// What nodes that died may have spent beyond their rows: it counts as spent until it is known.
    pub unknown: PicoUsd,
}
