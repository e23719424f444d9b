//! How windows and leases stand, for administrators and for tests.

use std::sync::Arc;

use jiff::Timestamp;
use llm_governance::lease::LedgerView;
use llm_governance::{BudgetId, BudgetWindow, Error, Mode, Period, Scope, Window};
use llm_types::PicoUsd;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::super::batch::HOLDER;
use super::super::error::SqlError;
use super::super::money::join;
use super::super::statement::Statement;
use super::super::store::SqlStore;
use super::Lease;

/// One window of one budget over all nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowView {
    /// Which.
    pub window: BudgetWindow,
    /// When it ends.
    pub end: Timestamp,
    /// Its limit, spend and leases. The limit of a soft budget is not kept here: it is zero.
    pub view: LedgerView,
    /// What is left of leases that are over, whose gateways may yet be heard of: it is not charged as unknown yet, and
    /// nobody spends it.
    pub ending: PicoUsd,
    /// When the last of those leases was over.
    pub ended: Option<Timestamp>,
    /// What is held for batches that are under way.
    pub held: PicoUsd,
}

/// What one life of a node has leased of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseView {
    /// The node's life.
    pub node: String,
    /// Which window.
    pub window: BudgetWindow,
    /// All that was leased.
    pub amount: PicoUsd,
    /// What rows say was spent of it.
    pub used: PicoUsd,
    /// When it ends by itself; `None`: it has.
    pub until: Option<Timestamp>,
    /// What it may have spent beyond `used`, where it has ended.
    pub unknown: PicoUsd,
}

/// Owners of a statement.
const CHUNK: usize = 200;

const WINDOWS: &str = "SELECT w.budget, w.start_ms, w.end_ms, w.scope, w.period, w.zone, w.mode, w.limit_m, w.limit_p, \
     w.used_m AS spent_m, w.used_p AS spent_p, l.node, l.amount_m, l.amount_p, l.used_m, l.used_p, l.until_ms \
     FROM budget_window w LEFT JOIN lease l ON l.budget = w.budget AND l.start_ms = w.start_ms";

impl SqlStore {
    /// How a window stands over all nodes.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn window(&self, window: &BudgetWindow) -> Result<LedgerView, SqlError> {
        let mut sql = Statement::new(WINDOWS);
        sql.push(" WHERE w.budget = ").bind(window.budget.to_string())?;
        sql.push(" AND w.start_ms = ").bind(window.start.as_millisecond())?;
        let found = views(&self.fetch(sql).await?, window.start)?;
        Ok(found.first().map(|found| found.view).unwrap_or_default())
    }

    /// The windows of an owner's budgets which a moment is in.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn windows(&self, scope: &Scope, at: Timestamp) -> Result<Vec<WindowView>, SqlError> {
        self.windows_of(std::slice::from_ref(scope), at).await
    }

    /// The windows of the budgets of several owners which a moment is in.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn windows_of(&self, scopes: &[Scope], at: Timestamp) -> Result<Vec<WindowView>, SqlError> {
        let mut found = Vec::new();
        for part in scopes.chunks(CHUNK) {
            let mut sql = Statement::new(WINDOWS);
            sql.push(" WHERE w.scope IN (");
            for (nth, scope) in part.iter().enumerate() {
                sql.push(if nth == 0 { "" } else { ", " }).bind(scope.to_string())?;
            }
            sql.push(") AND w.start_ms <= ").bind(at.as_millisecond())?;
            sql.push(" AND w.end_ms > ").bind(at.as_millisecond())?;
            sql.push(" ORDER BY w.budget, w.start_ms");
            found.extend(views(&self.fetch(sql).await?, at)?);
        }
        Ok(found)
    }

    /// The leases of an owner's budgets, or of all, which a moment is in: at most 10,000.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn leases(&self, scope: Option<&Scope>, at: Timestamp) -> Result<Vec<LeaseView>, SqlError> {
        let mut sql = Statement::new(WINDOWS);
        sql.push(" WHERE l.node IS NOT NULL AND w.start_ms <= ").bind(at.as_millisecond())?;
        sql.push(" AND w.end_ms > ").bind(at.as_millisecond())?;
        if let Some(scope) = scope {
            sql.push(" AND w.scope = ").bind(scope.to_string())?;
        }
        sql.push(" ORDER BY w.budget, w.start_ms, l.node LIMIT 10000");
        let lease = |row: &AnyRow| {
            let lease = Lease::read(row)?;
            let until: Option<i64> = row.try_get("until_ms")?;
            Ok(LeaseView {
                node: row.try_get("node")?,
                window: window(row)?,
                amount: lease.amount,
                used: lease.used,
                until: until.and_then(|until| Timestamp::from_millisecond(until).ok()),
                unknown: if until.is_none() { lease.open() } else { PicoUsd::ZERO },
            })
        };
        self.fetch(sql).await?.iter().map(lease).collect()
    }
}

/// Windows as of a moment, from rows that each hold a window and one of its leases, the rows of a window together.
fn views(rows: &[AnyRow], at: Timestamp) -> Result<Vec<WindowView>, SqlError> {
    let mut views: Vec<WindowView> = Vec::new();
    for row in rows {
        let window = window(row)?;
        if views.last().is_none_or(|last| last.window != window) {
            let spent = join(row.try_get("spent_m")?, row.try_get("spent_p")?);
            let limit = join(row.try_get("limit_m")?, row.try_get("limit_p")?);
            let view = LedgerView { limit, spent, unknown: PicoUsd::ZERO, committed: spent };
            let end = moment(row.try_get("end_ms")?);
            let (ending, held) = Default::default();
            views.push(WindowView { window, end, view, ending, ended: None, held });
        }
        let node: Option<String> = row.try_get("node")?;
        if let (Some(node), Some(last)) = (node, views.last_mut()) {
            let open = Lease::read(row)?.open();
            last.view.committed = last.view.committed.saturating_add(open);
            match row.try_get::<Option<i64>, _>("until_ms")? {
                None => last.view.unknown = last.view.unknown.saturating_add(open),
                Some(until) if until <= at.as_millisecond() => {
                    last.ending = last.ending.saturating_add(open);
                    last.ended = last.ended.max(Some(moment(until)).filter(|_| !open.is_zero()));
                }
                Some(_) if node.starts_with(HOLDER) => last.held = last.held.saturating_add(open),
                Some(_) => {}
            }
        }
    }
    Ok(views)
}

fn window(row: &AnyRow) -> Result<BudgetWindow, SqlError> {
    let text = |column| row.try_get::<String, _>(column);
    let unread = |error: Error| SqlError::unreadable("budget")(error.into());
    let period = match &*text("period")? {
        "day" => Period::Day,
        "week" => Period::Week,
        "month" => Period::Month,
        _ => Period::Total,
    };
    let mode = if text("mode")? == Mode::Soft.name() { Mode::Soft } else { Mode::Hard };
    let zone = text("zone")?.parse().map_err(unread)?;
    let scope = text("scope")?.parse().map_err(unread)?;
    let budget = Arc::new(BudgetId { scope, window: Window { period, zone }, mode });
    Ok(BudgetWindow { budget, start: moment(row.try_get("start_ms")?) })
}

/// A moment; what is beyond time is at its end.
fn moment(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 { Timestamp::MIN } else { Timestamp::MAX })
}
