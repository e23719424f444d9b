//! What an owner has spent: in all, and in the windows of its budgets.

use jiff::Timestamp;
use llm_governance::report::Booked;
use llm_governance::{BudgetWindow, Mode, Now, Scope, Span, Terms};
use llm_types::{PicoUsd, Result};
use schemars::JsonSchema;
use serde::Serialize;

use super::terms::{WindowWord, budget_id, dollars};
use crate::registry::{Registry, refused};

/// What an owner has spent.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SpendView {
    /// In all, in dollars. Without a store: since the gateway started.
    pub total_usd: String,
    /// In the windows of its budgets, as of now.
    pub windows: Vec<WindowView>,
}

/// What is spent in a window.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WindowView {
    /// The budget.
    pub budget_id: String,
    /// When it starts again.
    window: WindowWord,
    /// Where days end.
    time_zone: String,
    /// Whether it refuses.
    hard: bool,
    /// What may be spent, in dollars.
    limit_usd: String,
    /// What is spent, in dollars.
    spent_usd: String,
    /// What requests under way may yet cost, in dollars.
    reserved_usd: String,
    /// What gateways that were killed may have spent beyond what is written down, in dollars: nobody spends it until it
    /// is released.
    unknown_usd: String,
    /// What is left, in dollars: the limit without what is spent, reserved and unknown.
    left_usd: String,
    /// When the window began; `null`: it has always been.
    start: Option<String>,
    /// When it ends; `null`: never.
    end: Option<String>,
}

/// What is booked on the budgets of owners; nothing where counters know all there is.
///
/// # Errors
/// 503 where the store cannot be read.
pub async fn booked(governance: &Registry, scopes: &[Scope]) -> Result<Vec<Booked>> {
    if scopes.is_empty() {
        return Ok(Vec::new());
    }
    let booked = governance.reports().booked(scopes, Now::read().wall).await.map_err(refused)?;
    Ok(booked.unwrap_or_default())
}

/// The windows of an owner's budgets; those that nothing was spent of are there too. What is booked counts where it
/// is more than what was counted here, as it is after a restart.
pub fn windows(governance: &Registry, scope: &Scope, terms: &Terms, booked: &[Booked]) -> Vec<WindowView> {
    if terms.budgets.is_empty() {
        return Vec::new();
    }
    let now = Now::read();
    let used = governance.gate().budgets(scope, now);
    let view = |budget: &llm_governance::Budget| {
        let id = budget_id(scope, budget);
        let used = used.iter().find(|used| used.id.window == id.window && used.id.mode == id.mode);
        let span = used.map_or_else(|| budget.window.span(now.wall), |used| used.span);
        let (spent, reserved) = used.map_or((PicoUsd::ZERO, PicoUsd::ZERO), |used| {
            (used.settled.saturating_add(used.elsewhere), used.reserved)
        });
        let kept = booked.iter().find(|booked| {
            let BudgetWindow { budget, start } = &booked.window;
            **budget == id && start.as_millisecond() == span.start.as_millisecond()
        });
        let (booked, unknown) = kept.map(|kept| (kept.spent, kept.unknown)).unwrap_or_default();
        let reserved = reserved.saturating_add(kept.map(|kept| kept.held).unwrap_or_default());
        let spent = spent.max(booked);
        let taken = spent.saturating_add(reserved).saturating_add(unknown);
        let left = budget.limit.saturating_sub(taken).max(PicoUsd::ZERO);
        let Span { start, end } = span;
        WindowView {
            budget_id: id.to_string(),
            window: budget.window.period.into(),
            time_zone: budget.window.zone.name().to_owned(),
            hard: budget.mode == Mode::Hard,
            limit_usd: dollars(budget.limit),
            spent_usd: dollars(spent),
            reserved_usd: dollars(reserved),
            unknown_usd: dollars(unknown),
            left_usd: dollars(left),
            start: (start != Timestamp::MIN).then(|| start.to_string()),
            end: (end != Timestamp::MAX).then(|| end.to_string()),
        }
    };
    terms.budgets.iter().map(view).collect()
}

/// What an owner has spent.
///
/// # Errors
/// 503 where the store cannot be read.
pub async fn spend(governance: &Registry, scope: &Scope, terms: &Terms) -> Result<SpendView> {
    let total = governance.reports().spent(scope).await.map_err(refused)?;
    let booked = match terms.budgets.is_empty() {
        true => Vec::new(),
        false => booked(governance, std::slice::from_ref(scope)).await?,
    };
    Ok(SpendView { total_usd: dollars(total), windows: windows(governance, scope, terms, &booked) })
}
