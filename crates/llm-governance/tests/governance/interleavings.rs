//! Any order of admissions, attempts, ends, clock steps and changes: no hard budget is ever exceeded, and
//! when all is over the books balance to the pico-dollar. Crashes are in `crashes.rs`, for they need somebody who remembers.

use llm_governance::{
    Budget, BudgetView, Change, Charge, Facts, Gate, Grant, Group, Mode, Now, Period, PriceBound,
    Reservation, Scope, Terms, Window,
};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

use crate::harness::{Rows, Watch, assert_books_balance, at, gate, key, pico, put_key, who, with_budgets};

pub(crate) const MODELS: [&str; 2] = ["m", "n"];
pub(crate) const PROVIDERS: [&str; 2] = ["p", "q"];
pub(crate) const KEYS: usize = 4;

#[derive(Debug, Clone)]
enum Op {
    Admit { key: usize, model: usize, tag: bool, bound: PriceBound },
    Attempt { grant: usize, provider: usize, bound: PriceBound },
    Sent(usize),
    Received(usize, u32),
    Settle(usize, u32),
    Release(usize),
    Drop(usize),
    DropGrant(usize),
    Clock(i64),
    Change { key: usize, limit: i128 },
}

pub(crate) fn bounds() -> impl Strategy<Value = PriceBound> {
    let clamps = prop_oneof![Just(None), Just(Some(1)), Just(Some(20))];
    (0..400_i128, 0..12_i128, 0..60_u64, clamps).prop_map(|(fixed, each, output_tokens, clamp_to)| {
        PriceBound { fixed: pico(fixed), per_output_token: pico(each), output_tokens, clamp_to }
    })
}

/// Steps of which some cross windows, and some go back.
pub(crate) fn clocks() -> impl Strategy<Value = i64> {
    prop_oneof![4 => -100_000..100_000_i64, 1 => Just(86_400), 1 => Just(2_700_000), 1 => Just(-2_700_000)]
}

/// `most` is how much of its hold an attempt may cost, in permille.
fn ops(most: u32) -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        8 => (0..KEYS, 0..2_usize, any::<bool>(), bounds())
            .prop_map(|(key, model, tag, bound)| Op::Admit { key, model, tag, bound }),
        8 => (any::<usize>(), 0..2_usize, bounds())
            .prop_map(|(grant, provider, bound)| Op::Attempt { grant, provider, bound }),
        5 => any::<usize>().prop_map(Op::Sent),
        3 => (any::<usize>(), 0..=most).prop_map(|(nth, share)| Op::Received(nth, share)),
        5 => (any::<usize>(), 0..=most).prop_map(|(nth, share)| Op::Settle(nth, share)),
        2 => any::<usize>().prop_map(Op::Release),
        3 => any::<usize>().prop_map(Op::Drop),
        3 => any::<usize>().prop_map(Op::DropGrant),
        3 => clocks().prop_map(Op::Clock),
        1 => (0..KEYS, 500..3_000_i128).prop_map(|(key, limit)| Op::Change { key, limit }),
    ];
    proptest::collection::vec(op, 1..120)
}

fn hard(limit: i128, period: Period, zone: &str) -> Budget {
    let window = Window { period, zone: zone.parse().unwrap() };
    Budget::new(pico(limit), window, Mode::Hard)
}

fn key_change(nth: usize, limit: i128) -> Change {
    let soft = Budget::new(pico(300), Window::utc(Period::Month), Mode::Soft);
    let budgets = [hard(limit, Period::Day, "UTC"), hard(3 * limit, Period::Week, "Asia/Tokyo"), soft];
    let mut key = key(&format!("sk-{nth}"), with_budgets(budgets));
    key.team = Some(if nth < 3 { "t" } else { "u" }.into());
    key.user = (nth == 0).then(|| "someone".into());
    put_key(key)
}

/// Four keys in two teams of one organisation, with budgets everywhere.
pub(crate) fn contents() -> impl Iterator<Item = Change> {
    let team = |limit| {
        let mut team = Group::new(with_budgets([hard(limit, Period::Day, "America/Havana")]));
        team.organisation = Some("o".into());
        Box::new(team)
    };
    let group = |scope: &str, terms: Terms| Change::Put(scope.parse().unwrap(), Box::new(Group::new(terms)));
    let groups = [
        Change::Put(Scope::Team("t".into()), team(2_000)),
        Change::Put(Scope::Team("u".into()), team(1_000)),
        group("organisation:o", with_budgets([hard(2_500, Period::Week, "UTC")])),
        group("global", with_budgets([hard(9_000, Period::Total, "UTC"), hard(4_000, Period::Month, "UTC")])),
        group("user:someone", with_budgets([hard(1_200, Period::Day, "UTC")])),
        group("tag:batch", with_budgets([hard(700, Period::Day, "UTC")])),
        group("model:m", with_budgets([hard(1_700, Period::Day, "UTC")])),
        group("provider:p", with_budgets([hard(900, Period::Day, "UTC")])),
    ];
    groups.into_iter().chain((0..KEYS).map(|nth| key_change(nth, 1_000)))
}

/// At any instant: no hard budget has more settled and reserved than its limit and what overran it. Where its limit was
/// made less than that, it gets no more but by overruns.
fn assert_step(before: Option<&BudgetView>, view: &BudgetView) {
    if view.id.mode == Mode::Soft {
        return;
    }
    let taken = |view: &BudgetView| view.settled.pico() + view.reserved.pico();
    let within = taken(view) <= view.limit.pico() + view.overrun.pico();
    let no_more = before
        .is_some_and(|before| taken(view) - view.overrun.pico() <= taken(before) - before.overrun.pico());
    assert!(within || no_more, "{before:?} became {view:?}");
}

struct Play {
    gate: Gate,
    watch: Arc<Watch>,
    now: Now,
    grants: Vec<Grant>,
    attempts: Vec<Reservation>,
    rows: Rows,
    events: Vec<llm_governance::Event>,
}

fn part(amount: llm_types::PicoUsd, permille: u32) -> llm_types::PicoUsd {
    pico(amount.pico() * i128::from(permille) / 1_000)
}

fn pick<T>(list: &mut Vec<T>, nth: usize) -> Option<T> {
    (!list.is_empty()).then(|| list.swap_remove(nth % list.len()))
}

impl Play {
    fn new() -> Self {
        let (gate, watch) = gate(contents());
        let (grants, attempts) = (Vec::new(), Vec::new());
        let now = at("2026-03-01T12:00:00Z");
        Self { gate, watch, now, grants, attempts, rows: Rows::default(), events: Vec::new() }
    }

    /// Does something, and holds the budgets against what they were before: nothing takes more than a limit leaves, also
    /// where a change has made that less than what was taken.
    fn step(&mut self, op: Op) {
        // Clocks may pass into another window, which begins with nothing.
        let before = self.gate.all_budgets(self.now);
        self.play(op);
        for view in self.gate.all_budgets(self.now) {
            let same = |before: &&BudgetView| before.id == view.id && before.span == view.span;
            assert_step(before.iter().find(same), &view);
        }
        let events = self.watch.take();
        self.rows.add_abandoned(&events);
        self.events.extend(events);
    }

    fn play(&mut self, op: Op) {
        match op {
            Op::Admit { key, model, tag, bound } => {
                let who = who(&self.gate, &format!("sk-{key}"), self.now);
                let tags: &[Arc<str>] = if tag { &["batch".into()] } else { &[] };
                let (model, bound) = (MODELS[model], Some(bound));
                let facts = Facts { model, alias_of: None, route: "/", tags, tokens: 0, bound };
                self.grants.extend(self.gate.try_admit(&who, &facts, self.now).ok());
            }
            Op::Attempt { grant, provider, bound } if !self.grants.is_empty() => {
                let nth = grant % self.grants.len();
                let attempt = self.grants[nth].try_attempt(PROVIDERS[provider], Some(&bound), self.now);
                self.attempts.extend(attempt.ok());
            }
            Op::Attempt { .. } => {}
            Op::Sent(nth) => {
                if let Some(mut attempt) = pick(&mut self.attempts, nth) {
                    attempt.sent();
                    self.attempts.push(attempt);
                }
            }
            Op::Received(nth, share) => {
                if let Some(mut attempt) = pick(&mut self.attempts, nth) {
                    attempt.received(part(attempt.amount(), share));
                    self.attempts.push(attempt);
                }
            }
            Op::Settle(nth, share) => {
                if let Some(attempt) = pick(&mut self.attempts, nth) {
                    let amount = part(attempt.amount(), share);
                    self.rows.add(&attempt.settle(Charge::reported(amount)));
                }
            }
            Op::Release(nth) => {
                if let Some(attempt) = pick(&mut self.attempts, nth) {
                    attempt.release();
                }
            }
            Op::Drop(nth) => drop(pick(&mut self.attempts, nth)),
            Op::DropGrant(nth) => drop(pick(&mut self.grants, nth)),
            Op::Clock(seconds) => {
                self.now.wall = self.now.wall.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
                self.now.steady += Duration::from_millis(1);
            }
            Op::Change { key, limit } => self.gate.directory().apply([key_change(key, limit)]).unwrap(),
        }
    }

    fn end(mut self) {
        self.grants.clear();
        self.attempts.clear();
        // Windows end when somebody looks.
        let _looked = self.gate.all_budgets(self.now);
        self.step(Op::Clock(0));
        assert_books_balance(&self.gate, self.rows, &self.events, self.now);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_hard_budget_is_exceeded_and_the_books_balance(ops in ops(1_000)) {
        let mut play = Play::new();
        for op in ops {
            play.step(op);
            let views = play.gate.all_budgets(play.now);
            prop_assert!(views.iter().filter(|view| view.id.mode == Mode::Hard).all(|view| view.overrun.is_zero()));
        }
        play.end();
    }

    /// Costs above the bound: only what overran is above the limit.
    #[test]
    fn only_overruns_pass_a_limit(ops in ops(3_000)) {
        let mut play = Play::new();
        for op in ops {
            play.step(op);
        }
        play.end();
    }
}
