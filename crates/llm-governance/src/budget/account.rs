//! All budgets of one owner behind one lock.
//!
//! Accounts have a place in one order. Whoever needs several locks them in that order, so that nobody waits in a
//! circle and a decision over all of them is one moment; requests that share no account do not meet.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use llm_types::PicoUsd;
use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;

use super::fund::{Dry, Fund, Funds};
use super::slot::{Count, Events, Slot};
use super::{Budget, BudgetId, BudgetView, BudgetWindow, Need, Observer};
use crate::now::Now;
use crate::scope::Scope;
use crate::window::Span;

/// Accounts of a request that need no allocation.
pub(crate) type Accounts = SmallVec<[Arc<Account>; 6]>;

/// Puts accounts into the order in which they are locked, each once.
pub(crate) fn by_order(accounts: &mut Accounts) {
    accounts.sort_unstable_by_key(|account| account.order);
    accounts.dedup_by_key(|account| account.order);
}

static NEXT: AtomicU64 = AtomicU64::new(0);

/// All budgets of one owner.
#[derive(Debug)]
pub(crate) struct Account {
    order: u64,
    scope: Scope,
    funds: Funds,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    revision: u64,
    next: u32,
    pub(super) slots: SmallVec<[Slot; 1]>,
    /// Budgets that are gone, and whose leases the ledger still has: should they come back, they have spent what they
    /// have spent.
    former: Vec<Slot>,
}

impl State {
    /// Every budget that something may be booked on.
    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.iter_mut().chain(&mut self.former)
    }
}

/// A lease that the store should hear about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) window: BudgetWindow,
    pub(crate) end: Timestamp,
    pub(crate) limit: PicoUsd,
    pub(crate) what: Duty,
}

/// What a lease needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    /// It is in use and ends soon.
    Renew {
        /// How large it is here.
        held: PicoUsd,
    },
    /// Only this much of it is needed; the rest was taken out of it already.
    Return {
        keep: PicoUsd,
        /// Nothing more will be spent.
        over: bool,
    },
}

impl Account {
    pub(crate) fn new(scope: Scope, funds: Funds) -> Self {
        let state = State { revision: 0, next: 0, slots: SmallVec::new(), former: Vec::new() };
        let order = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { order, scope, funds, state: Mutex::new(state) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Its place in the order.
    pub(crate) fn order(&self) -> u64 {
        self.order
    }

    /// Gives it these budgets, unless it has newer ones. What is counted stays, for each budget that stays.
    pub(crate) fn configure(&self, budgets: &[Budget], revision: u64, now: Now) {
        let mut state = self.lock();
        let State { revision: own, next, slots, former } = &mut *state;
        if revision <= *own {
            return;
        }
        *own = revision;
        let mut before: SmallVec<[Slot; 1]> = std::mem::take(slots);
        for budget in budgets {
            let same = before.iter().position(|slot| slot.budget.is_same(budget));
            // A budget that was soft and is hard now has spent what it has spent.
            let turned = || {
                let is_left = |slot: &Slot| !budgets.iter().any(|budget| budget.is_same(&slot.budget));
                before.iter().position(|slot| slot.budget.window == budget.window && is_left(slot))
            };
            let (window, mode) = (budget.window.clone(), budget.mode);
            let id = BudgetId { scope: self.scope.clone(), window, mode };
            if let Some(position) = same.or_else(turned) {
                let mut slot = before.swap_remove(position);
                slot.set(id, budget, self.funds);
                slots.push(slot);
                continue;
            }
            if let Some(position) = former.iter().position(|slot| slot.budget.is_same(budget)) {
                let mut slot = former.swap_remove(position);
                slot.set(id, budget, self.funds);
                slots.push(slot);
                continue;
            }
            slots.push(Slot::new(*next, id, budget.clone(), self.funds, now));
            *next = next.wrapping_add(1);
        }
        former.extend(before.into_iter().filter(Slot::is_leased));
    }

    /// Its owner is gone, as of this revision; whether a ledger still has leases of it, so that it must be remembered.
    pub(crate) fn leave(&self, revision: u64) -> bool {
        let mut state = self.lock();
        if state.revision > revision {
            return true;
        }
        let State { revision: own, slots, former, .. } = &mut *state;
        *own = revision;
        former.extend(std::mem::take(slots).into_iter().filter(Slot::is_leased));
        !former.is_empty()
    }

    /// Whether there is nothing to be remembered of it.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.slots.is_empty() && state.former.is_empty()
    }

    /// How its budgets stand.
    pub(crate) fn views(&self, now: Now, observer: &dyn Observer) -> Vec<BudgetView> {
        let mut events = Events::new();
        let mut state = self.lock();
        state.slots.iter_mut().for_each(|slot| slot.roll(now, &mut events));
        let views = state.slots.iter().map(Slot::view).collect();
        drop(state);
        tell(&events, observer);
        views
    }

    /// Does something to one budget, by its name.
    fn with<R>(
        &self,
        window: &BudgetWindow,
        observer: &dyn Observer,
        run: impl FnOnce(&mut Slot, &mut Events) -> R,
    ) -> Option<R> {
        let mut events = Events::new();
        let mut state = self.lock();
        let slot = state.all().find(|slot| slot.id == window.budget);
        let result = slot.map(|slot| run(slot, &mut events));
        drop(state);
        tell(&events, observer);
        result
    }

    /// The store has granted: the whole lease is now `amount`, until `until`; where `dry`, it had less than asked.
    pub(crate) fn fund(&self, window: &BudgetWindow, grant: Granted, observer: &dyn Observer) {
        let Granted { amount, held, until, dry, elsewhere, unknown } = grant;
        self.with(window, observer, |slot, events| {
            if let Some(count) = slot.count(window.start) {
                // The limit may have become lower since the store was asked.
                let mut lowered = matches!(count.fund, Fund::Leased { amount, .. } if amount < held);
                lowered &= amount > count.taken();
                let amount = if lowered { count.taken() } else { amount };
                count.fund = Fund::Leased { amount, until: Some(until), dry, excess: lowered };
                count.unknown = unknown;
            }
            slot.note_elsewhere(window.start, elsewhere, events);
        });
    }

    /// How much larger the lease has to be for an attempt that needs so much; zero: it only has to last longer.
    /// `None`: it is enough by now, or the store has no more. And how large it is here.
    pub(crate) fn missing(&self, window: &BudgetWindow, need: Need, now: Now) -> Option<(Need, PicoUsd)> {
        let state = self.lock();
        let slot = state.slots.iter().find(|slot| slot.id == window.budget)?;
        let Count { span, fund, .. } = &slot.current;
        let Fund::Leased { amount, .. } = fund else { return None };
        let in_vain = || slot.reach(now.steady).is_some_and(|reach| reach < need.whole);
        if span.start != window.start || slot.room(now.steady) >= need.whole || in_vain() {
            return None;
        }
        let taken = slot.current.taken();
        let missing = |need| taken.saturating_add(need).saturating_sub(*amount).max(PicoUsd::ZERO);
        Some((Need { whole: missing(need.whole), least: missing(need.least) }, *amount))
    }

    /// What other nodes have spent in a window.
    pub(crate) fn note_elsewhere(&self, window: &BudgetWindow, spent: PicoUsd, observer: &dyn Observer) {
        self.with(window, observer, |slot, events| slot.note_elsewhere(window.start, spent, events));
    }

    /// What is booked in a window, by this node and others.
    pub(crate) fn note_booked(&self, window: &BudgetWindow, booked: PicoUsd, observer: &dyn Observer) {
        self.with(window, observer, |slot, events| slot.note_booked(window.start, booked, events));
    }

    /// The lease of a window that is over is handed back.
    pub(crate) fn unlease(&self, window: &BudgetWindow, observer: &dyn Observer) {
        self.with(window, observer, |slot, events| slot.unlease(window.start, events));
    }

    /// The leases that the store should hear about: in use and ending within `soon`, idle, or of windows that are
    /// over. What is to be returned is taken out here and now, before the store is told: a message that is lost
    /// costs room, and never money.
    pub(crate) fn due(&self, now: Now, soon: Duration, all: Returning, observer: &dyn Observer) -> Vec<Due> {
        let mut events = Events::new();
        let mut due = Vec::new();
        let mut state = self.lock();
        for slot in state.all() {
            slot.roll(now, &mut events);
            let window = |start: Timestamp| BudgetWindow { budget: Arc::clone(&slot.id), start };
            let over = slot.earlier.iter_mut().map(|count| (count, true));
            for (count, over) in over.chain([(&mut slot.current, false)]) {
                let Span { start, end } = count.span;
                if let Some(what) = duty(count, over, all, now.steady + soon) {
                    due.push(Due { window: window(start), end, limit: slot.budget.limit, what });
                }
            }
        }
        state.former.retain(Slot::is_leased);
        drop(state);
        tell(&events, observer);
        due
    }
}

/// Which leases of present windows go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returning {
    /// Those that nothing is reserved on and that end soon.
    Idle,
    /// All: the node stops.
    All,
}

fn duty(count: &mut Count, over: bool, all: Returning, soon: Instant) -> Option<Duty> {
    let taken = count.taken();
    let (settled, idle) = (count.settled, count.reserved.is_zero());
    let Fund::Leased { amount, until: Some(until), excess, .. } = &mut count.fund else { return None };
    let excess = std::mem::take(excess);
    let ends = *until <= soon;
    let keep = taken.min(*amount);
    if over {
        *amount = keep;
        return if idle {
            Some(Duty::Return { keep: settled, over: true })
        } else {
            ends.then_some(Duty::Renew { held: keep })
        };
    }
    match all {
        Returning::Idle if ends && !idle => Some(Duty::Renew { held: *amount }),
        Returning::Idle if !excess && (!ends || *amount == keep) => None,
        Returning::Idle | Returning::All => {
            *amount = keep;
            Some(Duty::Return { keep, over: false })
        }
    }
}

/// What the store has granted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Granted {
    pub(crate) amount: PicoUsd,
    /// How large it was here when the store was asked.
    pub(crate) held: PicoUsd,
    pub(crate) until: Instant,
    pub(crate) dry: Option<Dry>,
    pub(crate) elsewhere: PicoUsd,
    pub(crate) unknown: PicoUsd,
}

pub(super) fn tell(events: &Events, observer: &dyn Observer) {
    events.iter().for_each(|event| observer.event(event));
}
