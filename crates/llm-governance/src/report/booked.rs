//! Budgets as rows have them: what outlives a process.

use jiff::Timestamp;
use llm_types::PicoUsd;

use crate::budget::BudgetWindow;

/// What is booked in one window of one budget, over all nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    /// Which.
    pub window: BudgetWindow,
    /// The cost of its rows.
    pub spent: PicoUsd,
    /// What nodes that died, or were not heard of to the end of their leases, may have spent beyond their rows: nobody
    /// spends it until it is known.
    pub unknown: PicoUsd,
    /// What is held for batches that are under way.
    pub held: PicoUsd,
}

/// What was released of a budget, and what could not be yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Released {
    /// What may be spent again.
    pub amount: PicoUsd,
    /// What nodes have left whose leases are over, and which may yet be heard of: it is released when they may no more.
    pub waiting: PicoUsd,
    /// When that is, where it is known.
    pub until: Option<Timestamp>,
}
