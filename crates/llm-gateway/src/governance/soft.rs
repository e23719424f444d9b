//! What soft budgets have spent elsewhere: before this start, and at other gateways.
//!
//! They lease nothing, so no ledger tells. Now and then the store is asked what is booked on those that are in use;
//! until then a budget counts from zero. Nothing that refuses depends on it.

use llm_governance::{BudgetView, BudgetWindow, Mode, Now, Scope};
use llm_types::Result;

use super::{Governance, refused};

impl Governance {
    /// Asks the store.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) async fn note_soft(&self) -> Result<()> {
        let now = Now::read();
        let soft = |view: &BudgetView| view.id.mode == Mode::Soft;
        let views: Vec<_> = self.gate().all_budgets(now).into_iter().filter(soft).collect();
        let mut scopes: Vec<Scope> = views.iter().map(|view| view.id.scope.clone()).collect();
        scopes.sort_unstable();
        scopes.dedup();
        if scopes.is_empty() {
            return Ok(());
        }
        let booked = self.reports().booked(&scopes, now.wall).await.map_err(refused)?.unwrap_or_default();
        for BudgetView { id, span, .. } in views {
            let same = |window: &BudgetWindow| {
                window.budget == id && window.start.as_millisecond() == span.start.as_millisecond()
            };
            let found = booked.iter().find(|booked| same(&booked.window));
            let spent = found.map(|booked| booked.spent.saturating_add(booked.unknown)).unwrap_or_default();
            self.gate().note_booked(&BudgetWindow { budget: id, start: span.start }, spent);
        }
        Ok(())
    }
}
