//! A budget's window in its table: its lock, and what is booked on it.

use std::collections::HashMap;

use jiff::Timestamp;
use llm_governance::{BudgetWindow, Mode};
use llm_types::PicoUsd;
use sqlx::{AnyConnection, Row as _};

use super::super::error::SqlError;
use super::super::money::{join, split, split_most};
use super::super::statement::{Row, Statement};

/// Rows of a statement.
const CHUNK: usize = 64;

/// What is booked on windows.
#[derive(Debug, Default)]
pub(in super::super) struct Booking {
    windows: HashMap<BudgetWindow, PicoUsd>,
}

impl Booking {
    /// Adds a row's cost to a window.
    pub(in super::super) fn add(&mut self, window: &BudgetWindow, cost: PicoUsd) {
        match self.windows.get_mut(window) {
            Some(sum) => *sum = sum.saturating_add(cost),
            None => drop(self.windows.insert(window.clone(), cost)),
        }
    }

    /// The windows in the order in which their locks are taken, everywhere.
    fn in_order(&self) -> Vec<(&BudgetWindow, &PicoUsd)> {
        let mut windows: Vec<_> = self.windows.iter().collect();
        windows.sort_by_cached_key(|(window, _)| (window.budget.to_string(), window.start));
        windows
    }
}

/// Takes a window's lock; says what was spent in it. A window that is new gets its row.
pub(super) async fn lock(
    on: &mut AnyConnection,
    window: &BudgetWindow,
    end: Timestamp,
    limit: PicoUsd,
) -> Result<PicoUsd, SqlError> {
    let (limit_m, limit_p) = split_most(limit);
    let mut sql = Statement::new(INSERT);
    sql.values(&[()], |row, ()| {
        bind(row, window, end)?;
        row.bind(limit_m)?.bind(limit_p)?.bind(0_i64)?.bind(0_i64)?;
        Ok(())
    })?;
    sql.push(
        " ON CONFLICT (budget, start_ms) DO UPDATE SET end_ms = excluded.end_ms, limit_m = excluded.limit_m, \
         limit_p = excluded.limit_p RETURNING used_m, used_p",
    );
    let rows = sql.fetch_all(on).await?;
    let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    Ok(join(row.try_get("used_m")?, row.try_get("used_p")?))
}

/// Takes a window's lock, if it is there.
pub(in super::super) async fn lock_known(
    on: &mut AnyConnection,
    window: &BudgetWindow,
) -> Result<(), SqlError> {
    sqlx::query("UPDATE budget_window SET end_ms = end_ms WHERE budget = $1 AND start_ms = $2")
        .bind(window.budget.to_string())
        .bind(window.start.as_millisecond())
        .execute(on)
        .await?;
    Ok(())
}

const INSERT: &str = "INSERT INTO budget_window (budget, start_ms, end_ms, scope, period, zone, mode, \
     limit_m, limit_p, used_m, used_p) VALUES ";

fn bind(row: &mut Row<'_>, window: &BudgetWindow, end: Timestamp) -> Result<(), SqlError> {
    let id = &window.budget;
    row.bind(id.to_string())?
        .bind(window.start.as_millisecond())?
        .bind(end.as_millisecond())?
        .bind(id.scope.to_string())?
        .bind(id.window.period.name())?
        .bind(id.window.zone.name())?
        .bind(id.mode.name())?;
    Ok(())
}

/// Books costs on their windows, and on the node's leases of them. Where a window is leased to the node, the locks
/// are taken in the order of the windows.
pub(in super::super) async fn book(
    on: &mut AnyConnection,
    node: &str,
    booking: &Booking,
    now: i64,
) -> Result<(), SqlError> {
    let windows = booking.in_order();
    for chunk in windows.chunks(CHUNK) {
        let mut sql = Statement::new(INSERT);
        sql.values(chunk, |row, (window, cost)| {
            let (used_m, used_p) = split(**cost)?;
            bind(row, window, window.budget.window.span(window.start).end)?;
            row.bind(0_i64)?.bind(0_i64)?.bind(used_m)?.bind(used_p)?;
            Ok(())
        })?;
        sql.push(
            " ON CONFLICT (budget, start_ms) DO UPDATE SET used_m = budget_window.used_m + excluded.used_m, \
             used_p = budget_window.used_p + excluded.used_p",
        );
        sql.execute(on).await?;
    }
    let hard: Vec<_> = windows.into_iter().filter(|(window, _)| window.budget.mode == Mode::Hard).collect();
    for chunk in hard.chunks(CHUNK) {
        let mut sql = Statement::new(
            "INSERT INTO lease (budget, start_ms, node, amount_m, amount_p, used_m, used_p, until_ms, \
             touched_ms) VALUES ",
        );
        sql.values(chunk, |row, (window, cost)| {
            let (used_m, used_p) = split(**cost)?;
            row.bind(window.budget.to_string())?.bind(window.start.as_millisecond())?.bind(node)?;
            row.bind(0_i64)?.bind(0_i64)?.bind(used_m)?.bind(used_p)?;
            row.bind(Option::<i64>::None)?.bind(now)?;
            Ok(())
        })?;
        sql.push(
            " ON CONFLICT (budget, start_ms, node) DO UPDATE SET used_m = lease.used_m + excluded.used_m, \
             used_p = lease.used_p + excluded.used_p, touched_ms = excluded.touched_ms",
        );
        sql.execute(on).await?;
    }
    Ok(())
}
