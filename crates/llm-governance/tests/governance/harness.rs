//! A directory in few words, and an observer that remembers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use jiff::Timestamp;
use llm_governance::{
    Budget, BudgetWindow, Change, Directory, Event, Facts, Gate, Group, Key, KeyHash, KeyId, Mode, Now,
    Observer, PriceBound, Principal, Scope, Settled, Terms,
};
use llm_types::PicoUsd;

/// Remembers what it was told.
#[derive(Debug, Default)]
pub(crate) struct Watch(Mutex<Vec<Event>>);

impl Observer for Watch {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Watch {
    /// What it was told since it was asked last.
    pub(crate) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

pub(crate) fn pico(pico: i128) -> PicoUsd {
    PicoUsd::from_pico(pico)
}

pub(crate) fn at(wall: &str) -> Now {
    Now { wall: wall.parse::<Timestamp>().unwrap(), steady: Instant::now() }
}

/// A key that is called by its secret, with these terms.
pub(crate) fn key(secret: &str, terms: Terms) -> Key {
    Key { terms: Arc::new(terms), ..Key::new(KeyId::of_name(secret), KeyHash::of(secret)) }
}

pub(crate) fn put_key(key: Key) -> Change {
    Change::PutKey(Box::new(key))
}

pub(crate) fn put(scope: &str, terms: Terms) -> Change {
    Change::Put(scope.parse().unwrap(), Box::new(Group::new(terms)))
}

pub(crate) fn with_budgets(budgets: impl IntoIterator<Item = Budget>) -> Terms {
    Terms { budgets: budgets.into_iter().collect(), ..Terms::default() }
}

/// A gate that tells a watch.
pub(crate) fn gate(changes: impl IntoIterator<Item = Change>) -> (Gate, Arc<Watch>) {
    let directory = Directory::new();
    directory.apply(changes).unwrap();
    let watch = Arc::new(Watch::default());
    let gate = Gate::with(Arc::new(directory), Arc::clone(&watch) as Arc<dyn Observer>, None);
    (gate, watch)
}

pub(crate) fn who(gate: &Gate, secret: &str, now: Now) -> Principal {
    gate.directory().authenticate(secret, None, now).unwrap()
}

/// A chat that can cost so much.
pub(crate) fn facts(bound: Option<PriceBound>) -> Facts<'static> {
    Facts { model: "m", alias_of: None, route: "/v1/chat/completions", tags: &[], tokens: 0, bound }
}

pub(crate) fn costing(amount: i128) -> Facts<'static> {
    facts(Some(PriceBound::fixed(pico(amount))))
}

/// Settled and reserved of the only budget of a scope.
pub(crate) fn stand(gate: &Gate, scope: &str, now: Now) -> (i128, i128) {
    let views = gate.budgets(&scope.parse::<Scope>().unwrap(), now);
    assert_eq!(views.len(), 1, "{views:?}");
    (views[0].settled.pico(), views[0].reserved.pico())
}

/// What rows say was spent in each window.
#[derive(Debug, Default)]
pub(crate) struct Rows(HashMap<BudgetWindow, PicoUsd>);

impl Rows {
    pub(crate) fn add(&mut self, settled: &Settled) {
        for window in &settled.bookings {
            let sum = self.0.entry(window.clone()).or_default();
            *sum = sum.checked_add(settled.amount).unwrap();
        }
    }

    /// Also those of attempts that nobody settled.
    pub(crate) fn add_abandoned(&mut self, events: &[Event]) {
        for event in events {
            if let Event::Abandoned(settled) = event {
                self.add(settled);
            }
        }
    }

    pub(crate) fn take(&mut self, window: &BudgetWindow) -> PicoUsd {
        self.0.remove(window).unwrap_or_default()
    }

    /// Nothing is left but nothings.
    pub(crate) fn assert_empty(&self) {
        let left: Vec<_> = self.0.iter().filter(|(_, sum)| !sum.is_zero()).collect();
        assert!(left.is_empty(), "rows of windows that no budget knows: {left:?}");
    }
}

/// After quiescence: nothing is reserved, and what is settled is the sum of the rows.
pub(crate) fn assert_books_balance(gate: &Gate, mut rows: Rows, closed: &[Event], now: Now) {
    for event in closed {
        if let Event::Closed { budget, settled, .. } = event {
            assert_eq!(rows.take(budget), *settled, "{budget:?}");
        }
    }
    for view in gate.all_budgets(now) {
        assert_eq!((view.reserved, view.reserved_earlier), (pico(0), pico(0)), "{view:?}");
        let window = BudgetWindow { budget: Arc::clone(&view.id), start: view.span.start };
        assert_eq!(rows.take(&window), view.settled, "{view:?}");
    }
    rows.assert_empty();
}

/// At any instant: no hard budget has more settled and reserved than its limit and what overran it.
pub(crate) fn assert_within_limits(gate: &Gate, now: Now) {
    for view in gate.all_budgets(now).iter().filter(|view| view.id.mode == Mode::Hard) {
        let taken = view.settled.checked_add(view.reserved).unwrap();
        let most = view.limit.checked_add(view.overrun).unwrap();
        assert!(taken <= most, "{view:?}");
    }
}
