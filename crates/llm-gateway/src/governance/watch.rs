//! Who is told of what happens to budgets: the log.

use llm_governance::{Event, Observer};

/// Tells the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watcher;

impl Observer for Watcher {
    fn event(&self, event: &Event) {
        match event {
            Event::Threshold { budget, percent, spent, limit } => {
                tracing::warn!(budget = %budget.budget, percent, %spent, %limit, "a budget is used up to a threshold");
            }
            Event::Overrun { budget, by } => {
                tracing::warn!(budget = %budget.budget, %by, "a provider billed more than was reserved");
            }
            Event::Abandoned(settled) => tracing::debug!(?settled, "an attempt was given up"),
            Event::Closed { budget, settled, overrun } => {
                tracing::debug!(budget = %budget.budget, %settled, %overrun, "a budget's window is over");
            }
            _ => {}
        }
    }
}
