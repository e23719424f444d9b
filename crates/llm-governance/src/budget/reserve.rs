//! The decision: whether an attempt fits into every budget at once, and the hold that it then has.

use std::sync::Arc;

use jiff::Timestamp;
use llm_types::PicoUsd;
use parking_lot::MutexGuard;
use smallvec::SmallVec;

use super::account::{Accounts, State, tell};
use super::slot::{Events, Slot};
use super::{BudgetView, BudgetWindow, Need, Observer, PriceBound, Shortage};
use crate::now::Now;

type Guards<'a> = SmallVec<[MutexGuard<'a, State>; 6]>;

/// What an attempt holds: the same amount in each window of each of its budgets.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    pub(super) accounts: Accounts,
    pub(super) lines: SmallVec<[Line; 6]>,
    pub(super) amount: PicoUsd,
    /// Whether one of the budgets is hard.
    pub(super) hard: bool,
    /// The answer limit to send, where it had to be shortened.
    pub(super) clamped: Option<u64>,
}

/// One window that holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    /// Position among the accounts of the hold.
    pub(super) account: usize,
    /// The budget's number in its account.
    pub(super) slot: u32,
    pub(super) start: Timestamp,
}

/// Why nothing was reserved.
#[derive(Debug)]
pub(crate) enum Denied {
    /// This budget has too little.
    Exceeded(Box<BudgetView>, Box<[Arc<str>]>),
    /// There is no bound on what the attempt costs, and this budget is hard.
    Unbounded(Box<BudgetView>),
    /// This node has leased too little.
    Starved(Vec<Shortage>),
}

/// Reserves the bound in every window of every account, or nothing anywhere.
///
/// `accounts` are in their order, and those of `held` are among them. What is held is given back in the same moment;
/// when the attempt is denied it stays as it is. No bound (`None`) is denied by any hard budget and holds nothing in
/// soft ones.
pub(crate) fn reserve(
    accounts: Accounts,
    bound: Option<&PriceBound>,
    held: &mut Hold,
    now: Now,
    observer: &dyn Observer,
) -> Result<Hold, Denied> {
    let mut events = Events::new();
    let mut guards: Guards<'_> = accounts.iter().map(|account| account.lock()).collect();
    for slot in guards.iter_mut().flat_map(|state| &mut state.slots) {
        slot.roll(now, &mut events);
    }
    give_back(&accounts, &mut guards, held);
    let decided = decide(&accounts, &guards, bound, now);
    match decided {
        Ok((amount, clamped)) => {
            let lines = take(&mut guards, amount);
            let hard = guards.iter().flat_map(|state| &state.slots).any(Slot::is_hard);
            for slot in guards.iter_mut().flat_map(|state| &mut state.slots) {
                slot.tidy(&mut events);
            }
            drop(guards);
            *held = Hold::default();
            tell(&events, observer);
            Ok(Hold { accounts, lines, amount, hard, clamped })
        }
        Err(denied) => {
            take_again(&accounts, &mut guards, held);
            drop(guards);
            tell(&events, observer);
            Err(denied)
        }
    }
}

/// Holds nothing in every window of every account, whatever is left there: for what costs without having been let in.
pub(crate) fn attach(accounts: Accounts, now: Now, observer: &dyn Observer) -> Hold {
    let mut events = Events::new();
    let mut guards: Guards<'_> = accounts.iter().map(|account| account.lock()).collect();
    for slot in guards.iter_mut().flat_map(|state| &mut state.slots) {
        slot.roll(now, &mut events);
    }
    let amount = PicoUsd::ZERO;
    let lines = take(&mut guards, amount);
    let hard = guards.iter().flat_map(|state| &state.slots).any(Slot::is_hard);
    drop(guards);
    tell(&events, observer);
    Hold { accounts, lines, amount, hard, clamped: None }
}

/// The amount to reserve and the shortened answer limit.
fn decide(
    accounts: &Accounts,
    guards: &Guards<'_>,
    bound: Option<&PriceBound>,
    now: Now,
) -> Result<(PicoUsd, Option<u64>), Denied> {
    let slots = || guards.iter().flat_map(|state| &state.slots).filter(|slot| slot.is_hard());
    let Some(bound) = bound else {
        return match slots().next() {
            Some(slot) => Err(Denied::Unbounded(Box::new(slot.view()))),
            None => Ok((PicoUsd::ZERO, None)),
        };
    };
    let total = bound.total();
    // Most requests fit, and need no more than one look.
    if slots().all(|slot| slot.room(now.steady) >= total) {
        return Ok((total, None));
    }
    // Where it is not known what the store may add, only the others say how much is affordable.
    let known = slots().filter_map(|slot| Some((slot, slot.reach(now.steady)?)));
    let tightest = known.min_by_key(|(_, reach)| *reach);
    let (tokens, amount) = match tightest.map(|(slot, reach)| (slot, bound.affordable(reach))) {
        None => (bound.output_tokens, total),
        Some((_, Some(tokens))) => (tokens, bound.with_output(tokens)),
        Some((slot, None)) => {
            let fallbacks = slot.budget.fallbacks.as_slice().into();
            return Err(Denied::Exceeded(Box::new(slot.view()), fallbacks));
        }
    };
    let need = Need { whole: amount, least: bound.least().min(amount) };
    let missing = shortages(accounts, guards, need, now);
    if !missing.is_empty() {
        return Err(Denied::Starved(missing));
    }
    Ok((amount, (tokens < bound.output_tokens).then_some(tokens)))
}

fn shortages(accounts: &Accounts, guards: &Guards<'_>, need: Need, now: Now) -> Vec<Shortage> {
    let mut found = Vec::new();
    for (account, state) in accounts.iter().zip(guards) {
        for slot in state.slots.iter().filter(|slot| slot.is_hard() && slot.room(now.steady) < need.whole) {
            let window = window(slot);
            let (account, limit) = (Arc::clone(account), slot.budget.limit);
            found.push(Shortage { account, window, span: slot.current.span, limit, need });
        }
    }
    found
}

fn window(slot: &Slot) -> BudgetWindow {
    BudgetWindow { budget: Arc::clone(&slot.id), start: slot.current.span.start }
}

fn take(guards: &mut Guards<'_>, amount: PicoUsd) -> SmallVec<[Line; 6]> {
    let mut lines = SmallVec::new();
    for (account, state) in guards.iter_mut().enumerate() {
        for slot in &mut state.slots {
            let count = &mut slot.current;
            count.reserved = count.reserved.saturating_add(amount);
            lines.push(Line { account, slot: slot.nth, start: count.span.start });
        }
    }
    lines
}

/// Takes what is held out of the accounts that are locked.
fn give_back(accounts: &Accounts, guards: &mut Guards<'_>, held: &Hold) {
    each_locked(accounts, guards, held, PicoUsd::saturating_sub);
}

fn take_again(accounts: &Accounts, guards: &mut Guards<'_>, held: &Hold) {
    each_locked(accounts, guards, held, PicoUsd::saturating_add);
}

fn each_locked(
    accounts: &Accounts,
    guards: &mut Guards<'_>,
    held: &Hold,
    change: impl Fn(PicoUsd, PicoUsd) -> PicoUsd,
) {
    for line in &held.lines {
        let Some(order) = held.accounts.get(line.account).map(|account| account.order()) else { continue };
        let position = accounts.iter().position(|account| account.order() == order);
        let Some(state) = position.and_then(|position| guards.get_mut(position)) else { continue };
        let slot = state.all().find(|slot| slot.nth == line.slot);
        if let Some(count) = slot.and_then(|slot| slot.count(line.start)) {
            count.reserved = change(count.reserved, held.amount);
        }
    }
}

impl Hold {
    /// The answer limit to send, where it had to be shortened.
    pub(crate) fn clamped(&self) -> Option<u64> {
        self.clamped
    }

    /// The windows that it is in.
    pub(super) fn windows(&self) -> Vec<BudgetWindow> {
        let mut windows = Vec::with_capacity(self.lines.len());
        for (nth, account) in self.accounts.iter().enumerate() {
            let mut state = account.lock();
            for line in self.lines.iter().filter(|line| line.account == nth) {
                if let Some(slot) = state.all().find(|slot| slot.nth == line.slot) {
                    windows.push(BudgetWindow { budget: Arc::clone(&slot.id), start: line.start });
                }
            }
        }
        windows
    }

    /// Gives everything back.
    pub(crate) fn release(self, observer: &dyn Observer) {
        self.each(observer, |slot, line, amount, events| slot.release(line.start, amount, events));
    }

    pub(super) fn each(
        self,
        observer: &dyn Observer,
        mut run: impl FnMut(&mut Slot, &Line, PicoUsd, &mut Events),
    ) {
        let mut events = Events::new();
        for (nth, account) in self.accounts.iter().enumerate() {
            let mut lines = self.lines.iter().filter(|line| line.account == nth).peekable();
            if lines.peek().is_none() {
                continue;
            }
            let mut state = account.lock();
            for line in lines {
                if let Some(slot) = state.all().find(|slot| slot.nth == line.slot) {
                    run(slot, line, self.amount, &mut events);
                }
            }
        }
        tell(&events, observer);
    }
}
