//! One budget as it stands: its present window, and earlier ones that still have attempts under way.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use llm_types::PicoUsd;
use smallvec::SmallVec;

use super::event::THRESHOLDS;
use super::fund::{Fund, Funds};
use super::{Budget, BudgetId, BudgetWindow, Event, Mode};
use crate::now::Now;
use crate::window::Span;

/// Events of one step, most often none.
pub(super) type Events = SmallVec<[Event; 1]>;

/// What has been counted in one window.
#[derive(Debug, Clone)]
pub(super) struct Count {
    pub(super) span: Span,
    pub(super) settled: PicoUsd,
    pub(super) reserved: PicoUsd,
    pub(super) overrun: PicoUsd,
    /// What other nodes have spent, as far as the store has told: this one too, in earlier lives.
    pub(super) elsewhere: PicoUsd,
    /// What nodes that died may have spent beyond their rows, when the store was asked last.
    pub(super) unknown: PicoUsd,
    /// The store has told.
    asked: bool,
    /// Which thresholds have been told, bit by bit.
    told: u8,
    pub(super) fund: Fund,
}

impl Count {
    fn new(span: Span, funds: Funds) -> Self {
        let zero = PicoUsd::ZERO;
        let fund = Fund::new(funds);
        Self {
            span,
            settled: zero,
            reserved: zero,
            overrun: zero,
            elsewhere: zero,
            unknown: zero,
            asked: false,
            told: 0,
            fund,
        }
    }

    /// Settled and reserved.
    pub(super) fn taken(&self) -> PicoUsd {
        self.settled.saturating_add(self.reserved)
    }

    /// The thresholds that spend has reached.
    fn reached(&self, limit: PicoUsd) -> u8 {
        Self::reached_by(self.spent(), limit)
    }

    fn reached_by(spent: PicoUsd, limit: PicoUsd) -> u8 {
        let spent = spent.saturating_mul(100);
        let bits = THRESHOLDS.iter().enumerate();
        let reached = bits.filter(|(_, percent)| spent >= limit.saturating_mul(u64::from(**percent)));
        reached.fold(0, |bits, (nth, _)| bits | 1 << nth)
    }

    fn spent(&self) -> PicoUsd {
        self.settled.saturating_add(self.elsewhere)
    }
}

/// One budget as it stands.
#[derive(Debug)]
pub(super) struct Slot {
    /// Its number within the account, which is not used twice.
    pub(super) nth: u32,
    pub(super) id: Arc<BudgetId>,
    pub(super) budget: Budget,
    pub(super) current: Count,
    /// Windows that are over, with attempts under way or money leased.
    pub(super) earlier: Vec<Count>,
    funds: Funds,
}

impl Slot {
    pub(super) fn new(nth: u32, id: BudgetId, budget: Budget, funds: Funds, now: Now) -> Self {
        let funds = funds_of(budget.mode, funds);
        let current = Count::new(budget.window.span(now.wall), funds);
        Self { nth, id: Arc::new(id), budget, current, earlier: Vec::new(), funds }
    }

    /// Goes on to the window of this moment; never back.
    pub(super) fn roll(&mut self, now: Now, events: &mut Events) {
        if now.wall < self.current.span.end {
            return;
        }
        let next = Count::new(self.budget.window.span(now.wall), self.funds);
        let over = std::mem::replace(&mut self.current, next);
        self.retire(over, events);
    }

    /// The money left here; below zero once it is overrun.
    pub(super) fn room(&self, now: Instant) -> PicoUsd {
        let Self { budget, current, .. } = self;
        let allowance = current.fund.allowance(budget.limit, now);
        allowance.saturating_sub(current.taken())
    }

    /// The money left here and in the store; `None`: that is not known.
    pub(super) fn reach(&self, now: Instant) -> Option<PicoUsd> {
        let Self { budget, current, .. } = self;
        Some(current.fund.reach(budget.limit, now)?.saturating_sub(current.taken()))
    }

    pub(super) fn is_hard(&self) -> bool {
        self.budget.mode == Mode::Hard
    }

    /// The window that starts there.
    pub(super) fn count(&mut self, start: Timestamp) -> Option<&mut Count> {
        if self.current.span.start == start {
            return Some(&mut self.current);
        }
        self.earlier.iter_mut().find(|count| count.span.start == start)
    }

    /// Books what an attempt cost for which `held` was reserved.
    pub(super) fn settle(&mut self, start: Timestamp, held: PicoUsd, cost: PicoUsd, events: &mut Events) {
        let (id, limit, hard) = (Arc::clone(&self.id), self.budget.limit, self.is_hard());
        let Some(count) = self.count(start) else { return };
        count.reserved = count.reserved.saturating_sub(held);
        count.settled = count.settled.saturating_add(cost);
        if cost > held {
            let by = cost.saturating_sub(held);
            count.overrun = count.overrun.saturating_add(by);
            // A soft budget lets in what nothing bounds: that this costs something is no news.
            if hard {
                events.push(Event::Overrun { budget: BudgetWindow { budget: Arc::clone(&id), start }, by });
            }
        }
        tell(count, &id, limit, events);
        self.tidy(events);
    }

    /// Takes note of what other nodes have spent. What was spent before this one asked for the first time was told
    /// when it was.
    pub(super) fn note_elsewhere(&mut self, start: Timestamp, elsewhere: PicoUsd, events: &mut Events) {
        let (id, limit) = (Arc::clone(&self.id), self.budget.limit);
        if let Some(count) = self.count(start) {
            if !std::mem::replace(&mut count.asked, true) {
                count.told |= Count::reached_by(elsewhere, limit);
            }
            count.elsewhere = elsewhere;
            tell(count, &id, limit, events);
        }
    }

    /// Takes note of what is booked in all, this node's own rows among it: those that are still on their way count
    /// here alone, so that what is left for others is a little low for a moment, and never too high.
    pub(super) fn note_booked(&mut self, start: Timestamp, booked: PicoUsd, events: &mut Events) {
        if let Some(count) = self.count(start) {
            let elsewhere = booked.saturating_sub(count.settled).max(count.elsewhere);
            self.note_elsewhere(start, elsewhere, events);
        }
    }

    /// Gives back what was reserved.
    pub(super) fn release(&mut self, start: Timestamp, held: PicoUsd, events: &mut Events) {
        if let Some(count) = self.count(start) {
            count.reserved = count.reserved.saturating_sub(held);
        }
        self.tidy(events);
    }

    /// What was reserved is leased under another name from now on.
    pub(super) fn hand_over(&mut self, start: Timestamp, held: PicoUsd, events: &mut Events) {
        if let Some(count) = self.count(start) {
            count.reserved = count.reserved.saturating_sub(held);
            if let Fund::Leased { amount, .. } = &mut count.fund {
                *amount = amount.saturating_sub(held);
            }
        }
        self.tidy(events);
    }

    /// Another limit or mode. Thresholds that are no longer reached will be told again.
    pub(super) fn set(&mut self, id: BudgetId, budget: &Budget, funds: Funds) {
        if *self.id != id {
            self.id = Arc::new(id);
            self.funds = funds_of(budget.mode, funds);
            self.current.fund = Fund::new(self.funds);
        }
        if self.budget.limit != budget.limit {
            self.current.fund.ask_again();
        }
        if budget.limit < self.budget.limit {
            let taken = self.current.taken();
            self.current.fund.lower(taken);
        }
        self.budget = budget.clone();
        self.current.told &= self.current.reached(budget.limit);
    }

    /// Whether the ledger has leased it something.
    pub(super) fn is_leased(&self) -> bool {
        let is_leased = |count: &Count| matches!(count.fund, Fund::Leased { until: Some(_), .. });
        is_leased(&self.current) || self.earlier.iter().any(is_leased)
    }

    /// Drops windows that are over and have nothing under way.
    pub(super) fn tidy(&mut self, events: &mut Events) {
        if self.earlier.is_empty() {
            return;
        }
        let earlier = std::mem::take(&mut self.earlier);
        for count in earlier {
            self.retire(count, events);
        }
    }

    fn retire(&mut self, count: Count, events: &mut Events) {
        if matches!(count.fund, Fund::Leased { until: Some(_), .. }) || !count.reserved.is_zero() {
            self.earlier.push(count);
            return;
        }
        let Count { span, settled, overrun, .. } = count;
        if !settled.is_zero() {
            let budget = BudgetWindow { budget: Arc::clone(&self.id), start: span.start };
            events.push(Event::Closed { budget, settled, overrun });
        }
    }

    /// The lease of a window that is over has been handed back.
    pub(super) fn unlease(&mut self, start: Timestamp, events: &mut Events) {
        if let Some(count) = self.count(start) {
            count.fund = Fund::new(Funds::Leased);
        }
        self.tidy(events);
    }

    pub(super) fn view(&self) -> BudgetView {
        let Self { id, budget, current, earlier, .. } = self;
        let open = earlier.iter().map(|count| count.reserved);
        BudgetView {
            id: Arc::clone(id),
            limit: budget.limit,
            span: current.span,
            settled: current.settled,
            reserved: current.reserved,
            overrun: current.overrun,
            elsewhere: current.elsewhere,
            unknown: current.unknown,
            leased: match current.fund {
                Fund::Whole => None,
                Fund::Leased { amount, .. } => Some(amount),
            },
            reserved_earlier: open.fold(PicoUsd::ZERO, PicoUsd::saturating_add),
        }
    }
}

/// Soft budgets refuse nothing, so there is nothing to lease.
fn funds_of(mode: Mode, funds: Funds) -> Funds {
    if mode == Mode::Hard { funds } else { Funds::Own }
}

fn tell(count: &mut Count, id: &Arc<BudgetId>, limit: PicoUsd, events: &mut Events) {
    let news = count.reached(limit) & !count.told;
    if news == 0 {
        return;
    }
    count.told |= news;
    for (nth, percent) in THRESHOLDS.into_iter().enumerate().filter(|(nth, _)| news & 1 << nth != 0) {
        debug_assert!(nth < 8, "one bit each");
        let budget = BudgetWindow { budget: Arc::clone(id), start: count.span.start };
        events.push(Event::Threshold { budget, percent, spent: count.spent(), limit });
    }
}

/// How a budget stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetView {
    /// Which.
    pub id: Arc<BudgetId>,
    /// What may be spent.
    pub limit: PicoUsd,
    /// In which window.
    pub span: Span,
    /// What is spent, by this node.
    pub settled: PicoUsd,
    /// What attempts under way may yet cost.
    pub reserved: PicoUsd,
    /// The part of `settled` that had not been reserved.
    pub overrun: PicoUsd,
    /// What other nodes have spent, as far as it is known.
    pub elsewhere: PicoUsd,
    /// What nodes that died may have spent beyond their rows, when the store was asked last.
    pub unknown: PicoUsd,
    /// What this node has leased of it; `None` where it needs no lease.
    pub leased: Option<PicoUsd>,
    /// What attempts of earlier windows may yet cost.
    pub reserved_earlier: PicoUsd,
}
