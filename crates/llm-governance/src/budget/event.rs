//! What whoever watches over budgets is told.
//!
//! Observers are called after the locks are gone, on the thread of the request: they must be quick and hand on what
//! takes time.

use std::fmt::Debug;

use llm_types::PicoUsd;

use super::{BudgetWindow, Settled};

/// Shares of a limit, in per cent, whose passing is told.
pub const THRESHOLDS: [u8; 3] = [50, 80, 100];

/// Something about a budget.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Spend has reached a share of the limit: told once for each share and window.
    Threshold {
        /// Where.
        budget: BudgetWindow,
        /// 50, 80 or 100.
        percent: u8,
        /// What is spent, other nodes' spend included as far as it is known.
        spent: PicoUsd,
        /// The limit.
        limit: PicoUsd,
    },
    /// An attempt cost more than was reserved for it; the true amount is booked.
    Overrun {
        /// Where.
        budget: BudgetWindow,
        /// How much more.
        by: PicoUsd,
    },
    /// An attempt that was sent ended without being settled: what is booked is what was received, or all that was
    /// reserved.
    Abandoned(Settled),
    /// A window is over and its last attempt settled.
    Closed {
        /// Where.
        budget: BudgetWindow,
        /// What was spent here in it.
        settled: PicoUsd,
        /// The part of it that had not been reserved.
        overrun: PicoUsd,
    },
}

/// Is told what happens to budgets. Must neither block nor fail.
pub trait Observer: Debug + Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event);
}

/// Wants to know nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Observer for Quiet {
    fn event(&self, _: &Event) {}
}
