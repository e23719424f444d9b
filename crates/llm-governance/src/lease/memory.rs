//! The reference of the ledger's rules, in memory: what a store does in SQL, and what tests compare with.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use llm_types::PicoUsd;
use parking_lot::Mutex;

use super::{Ledger, Slice, SliceAsk, slice};
use crate::budget::BudgetWindow;
use crate::error::Error;

/// A ledger that forgets when the process ends.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    grace: Duration,
    windows: Mutex<HashMap<BudgetWindow, Window>>,
}

#[derive(Debug, Default)]
struct Window {
    limit: PicoUsd,
    leases: HashMap<Arc<str>, Lease>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Lease {
    amount: PicoUsd,
    used: PicoUsd,
    unknown: PicoUsd,
    /// `None`: it has expired.
    until: Option<Instant>,
}

impl Window {
    fn committed(&self) -> PicoUsd {
        self.sum(|lease| lease.amount.max(lease.used))
    }

    fn sum(&self, of: impl Fn(&Lease) -> PicoUsd) -> PicoUsd {
        self.leases.values().map(of).fold(PicoUsd::ZERO, PicoUsd::saturating_add)
    }
}

/// How a window stands over all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LedgerView {
    /// The limit as last heard of.
    pub limit: PicoUsd,
    /// What rows say.
    pub spent: PicoUsd,
    /// What nodes may have spent that were not heard of again.
    pub unknown: PicoUsd,
    /// All that is spent or may yet be.
    pub committed: PicoUsd,
}

impl MemoryLedger {
    /// One that charges a lease as unknown when it is over for `grace` (the longest that a request takes, and some
    /// for clocks).
    #[must_use]
    pub fn new(grace: Duration) -> Self {
        Self { grace, windows: Mutex::default() }
    }

    /// Grants a slice; what [`Ledger::acquire`] does, at a time of the caller's choice.
    pub fn acquire_at(&self, ask: &SliceAsk, now: Instant) -> Slice {
        let mut windows = self.windows.lock();
        let window = windows.entry(ask.window.clone()).or_default();
        window.limit = ask.limit;
        if let Some(lease) = window.leases.get_mut(&ask.node) {
            lease.amount = lease.amount.min(ask.held.max(lease.used));
        }
        let left = ask.limit.saturating_sub(window.committed());
        let granted = slice(left, ask);
        let spent = window.sum(|lease| lease.used);
        let lease = window.leases.entry(Arc::clone(&ask.node)).or_default();
        lease.amount = lease.amount.saturating_add(granted);
        // The node is back: it knows what it has spent.
        lease.unknown = PicoUsd::ZERO;
        lease.until = Some(now + ask.time);
        let (amount, elsewhere) = (lease.amount, spent.saturating_sub(lease.used));
        let left = left.saturating_sub(granted).max(PicoUsd::ZERO);
        let unknown = window.sum(|lease| lease.unknown);
        Slice { amount, dry: granted < ask.missing, left, elsewhere, unknown }
    }

    /// Books a row's cost, once for each row.
    pub fn book(&self, node: &Arc<str>, window: &BudgetWindow, cost: PicoUsd) {
        let mut windows = self.windows.lock();
        let lease = windows.entry(window.clone()).or_default().leases.entry(Arc::clone(node)).or_default();
        lease.used = lease.used.saturating_add(cost);
        // A row that comes late tells what was unknown.
        lease.unknown = lease.unknown.saturating_sub(cost).max(PicoUsd::ZERO);
    }

    /// Charges leases that are over as unknown; says how many.
    pub fn expire(&self, now: Instant) -> usize {
        let mut expired = 0;
        for lease in self.windows.lock().values_mut().flat_map(|window| window.leases.values_mut()) {
            if lease.until.is_some_and(|until| until + self.grace <= now) {
                lease.until = None;
                lease.unknown = lease.amount.saturating_sub(lease.used).max(PicoUsd::ZERO);
                expired += usize::from(!lease.unknown.is_zero());
            }
        }
        expired
    }

    /// Gives unknown spend back to its budget, as an administrator may who knows that it was none; says how much.
    pub fn release_unknown(&self, window: &BudgetWindow) -> PicoUsd {
        let mut windows = self.windows.lock();
        let leases = windows.get_mut(window).into_iter().flat_map(|window| window.leases.values_mut());
        leases.fold(PicoUsd::ZERO, |sum, lease| {
            let unknown = std::mem::take(&mut lease.unknown);
            lease.amount = lease.amount.saturating_sub(unknown);
            sum.saturating_add(unknown)
        })
    }

    /// How a window stands.
    #[must_use]
    pub fn view(&self, window: &BudgetWindow) -> LedgerView {
        self.windows.lock().get(window).map_or_else(LedgerView::default, |window| LedgerView {
            limit: window.limit,
            spent: window.sum(|lease| lease.used),
            unknown: window.sum(|lease| lease.unknown),
            committed: window.committed(),
        })
    }

    /// The windows that anything was leased of.
    #[must_use]
    pub fn windows(&self) -> Vec<BudgetWindow> {
        self.windows.lock().keys().cloned().collect()
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn acquire(&self, ask: &SliceAsk) -> Result<Slice, Error> {
        Ok(self.acquire_at(ask, Instant::now()))
    }

    async fn hand_back(&self, node: &str, window: &BudgetWindow, keep: PicoUsd) -> Result<(), Error> {
        let mut windows = self.windows.lock();
        if let Some(lease) = windows.get_mut(window).and_then(|window| window.leases.get_mut(node)) {
            lease.amount = lease.amount.min(keep).max(lease.used);
            // A lease that has expired stays so until it is acquired again: else nothing would end it once more.
            lease.unknown = lease.unknown.min(lease.amount.saturating_sub(lease.used));
        }
        Ok(())
    }
}
