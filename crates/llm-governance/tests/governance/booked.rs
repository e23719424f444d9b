//! What was spent before this life, and by others: soft budgets hear of it from the rows.

use llm_governance::{Budget, BudgetWindow, Charge, Event, Mode, Now, PriceBound, Scope, Window};
use llm_types::PicoUsd;

use crate::harness::*;

const NOON: &str = "2026-03-01T12:00:00Z";

struct Stand {
    gate: llm_governance::Gate,
    watch: std::sync::Arc<Watch>,
}

impl Stand {
    fn start() -> Self {
        let soft = Budget::new(pico(100), Window::utc(llm_governance::Period::Day), Mode::Soft);
        let (gate, watch) = gate([put_key(key("sk-1", with_budgets([soft])))]);
        Self { gate, watch }
    }

    fn spend(&self, amount: i128, now: Now) {
        let who = who(&self.gate, "sk-1", now);
        let mut grant = self.gate.try_admit(&who, &costing(amount), now).unwrap();
        let bound = PriceBound::fixed(pico(amount));
        grant.try_attempt("p", Some(&bound), now).unwrap().settle(Charge::reported(pico(amount)));
    }

    fn window(&self, now: Now) -> BudgetWindow {
        let scope = Scope::Key(who(&self.gate, "sk-1", now).key_id().unwrap());
        let view = self.gate.budgets(&scope, now).pop().unwrap();
        BudgetWindow { budget: view.id, start: view.span.start }
    }

    fn elsewhere(&self, now: Now) -> PicoUsd {
        self.gate.budgets(&self.window(now).budget.scope, now).pop().unwrap().elsewhere
    }

    fn told(&self) -> Vec<(u8, i128)> {
        let event = |event| match event {
            Event::Threshold { percent, spent, .. } => Some((percent, spent.pico())),
            _ => None,
        };
        self.watch.take().into_iter().filter_map(event).collect()
    }
}

#[test]
fn what_an_earlier_life_has_spent_counts_and_is_not_told_again() {
    let (stand, now) = (Stand::start(), at(NOON));
    stand.spend(10, now);
    // 55 were booked before, and then those 10.
    stand.gate.note_booked(&stand.window(now), pico(65));
    assert_eq!((stand.elsewhere(now), stand.told()), (pico(55), vec![]));
    stand.spend(14, now);
    assert_eq!(stand.told(), []);
    stand.spend(1, now);
    assert_eq!(stand.told(), [(80, 80)]);
    // Rows that are on their way are no reason to forget what others have spent, and the same sum is no news.
    for booked in [79, 80] {
        stand.gate.note_booked(&stand.window(now), pico(booked));
        assert_eq!((stand.elsewhere(now), stand.told()), (pico(55), vec![]));
    }
    // What others spend meanwhile is.
    stand.gate.note_booked(&stand.window(now), pico(101));
    assert_eq!((stand.elsewhere(now), stand.told()), (pico(76), vec![(100, 101)]));
    // Another window begins with nothing, and everything is told in it.
    let later = at("2026-03-02T00:00:00Z");
    stand.spend(50, later);
    assert_eq!((stand.elsewhere(later), stand.told()), (PicoUsd::ZERO, vec![(50, 50)]));
    stand.spend(50, later);
    assert_eq!(stand.told(), [(80, 100), (100, 100)]);
}
