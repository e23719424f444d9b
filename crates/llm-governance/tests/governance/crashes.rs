//! Any order of attempts, ends, crashes and clock steps over a ledger: what was billed, with a row or without one, is
//! never more than a limit, in any window of any budget. When all is over, rows are what is spent, and what no row tells
//! of is unknown.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use llm_governance::lease::Funding;
use llm_governance::{
    BudgetWindow, Charge, Directory, Facts, Gate, Grant, Ledger, MemoryLedger, Mode, Now, PriceBound,
    Reservation,
};
use llm_types::PicoUsd;
use proptest::prelude::*;

use crate::harness::{Watch, at, pico, who};
use crate::interleavings::{KEYS, MODELS, PROVIDERS, bounds, clocks, contents};

const NODES: usize = 2;
const HOUR: Duration = Duration::from_secs(3_600);

thread_local! {
    static NOW: Cell<Option<Now>> = const { Cell::new(None) };
}

/// The clock of all nodes of a test.
fn clock() -> Now {
    NOW.get().unwrap_or_else(Now::read)
}

#[derive(Debug, Clone)]
enum Op {
    Start {
        node: usize,
        key: usize,
        model: usize,
        provider: usize,
        bound: PriceBound,
        sent: bool,
    },
    Settle {
        node: usize,
        nth: usize,
        permille: u32,
    },
    /// Nothing was sent.
    Cancel {
        node: usize,
        nth: usize,
    },
    Write {
        node: usize,
        rows: usize,
    },
    Tend(usize),
    HandBack(usize),
    /// The process is killed and started again; its journal survives.
    Crash(usize),
    Expire,
    Clock(i64),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let node = || 0..NODES;
    let op = prop_oneof![
        10 => (node(), 0..KEYS, 0..2_usize, 0..2_usize, bounds(), prop::bool::weighted(0.8)).prop_map(
            |(node, key, model, provider, bound, sent)| Op::Start { node, key, model, provider, bound, sent }
        ),
        7 => (node(), any::<usize>(), 0..=1_000_u32)
            .prop_map(|(node, nth, permille)| Op::Settle { node, nth, permille }),
        2 => (node(), any::<usize>()).prop_map(|(node, nth)| Op::Cancel { node, nth }),
        5 => (node(), 0..6_usize).prop_map(|(node, rows)| Op::Write { node, rows }),
        2 => node().prop_map(Op::Tend),
        2 => node().prop_map(Op::HandBack),
        2 => node().prop_map(Op::Crash),
        1 => Just(Op::Expire),
        3 => clocks().prop_map(Op::Clock),
    ];
    proptest::collection::vec(op, 1..120)
}

/// An attempt and its request; whether it was sent.
type Open = (Grant, Reservation, bool);

struct Node {
    name: Arc<str>,
    gate: Gate,
    open: Vec<Open>,
    /// Rows that are settled and journaled, but not in the ledger yet.
    journal: VecDeque<(Arc<str>, BudgetWindow, PicoUsd)>,
}

impl Node {
    fn new(ledger: &Arc<MemoryLedger>, name: String) -> Self {
        let directory = Directory::leasing();
        directory.apply(contents()).unwrap();
        let name: Arc<str> = name.into();
        let funding = Funding::new(Arc::clone(ledger) as Arc<dyn Ledger>, Arc::clone(&name), HOUR);
        let gate = Gate::on_clock(Arc::new(directory), Arc::new(Watch::default()), Some(funding), clock);
        Self { name, gate, open: Vec::new(), journal: VecDeque::new() }
    }

    fn start(&mut self, (key, model, provider): (usize, usize, usize), bound: PriceBound, sent: bool) {
        let who = who(&self.gate, &format!("sk-{key}"), clock());
        let model = MODELS[model];
        let facts = Facts { model, alias_of: None, route: "/", tags: &[], tokens: 0, bound: None };
        let Ok(mut grant) = self.gate.enter(&who, &facts).now_or_never().unwrap() else { return };
        let attempt = grant.attempt(PROVIDERS[provider], Some(&bound)).now_or_never().unwrap();
        if let Ok(mut attempt) = attempt {
            if sent {
                attempt.sent();
            }
            self.open.push((grant, attempt, sent));
        }
    }

    fn take(&mut self, nth: usize, sent: bool) -> Option<(Grant, Reservation)> {
        let fit: Vec<_> = (0..self.open.len()).filter(|at| self.open[*at].2 == sent).collect();
        let at = *fit.get(nth.checked_rem(fit.len())?)?;
        let (grant, attempt, _) = self.open.swap_remove(at);
        Some((grant, attempt))
    }

    fn write(&mut self, ledger: &MemoryLedger, rows: usize) {
        for (node, window, amount) in self.journal.drain(..rows.min(self.journal.len())) {
            ledger.book(&node, &window, amount);
        }
    }
}

/// What was billed in a window: with rows, and of attempts that were under way when a process was killed.
#[derive(Debug, Default, Clone, Copy)]
struct Billed {
    told: i128,
    lost: i128,
}

struct World {
    ledger: Arc<MemoryLedger>,
    nodes: Vec<Node>,
    billed: HashMap<BudgetWindow, Billed>,
    lives: usize,
}

impl World {
    fn new() -> Self {
        NOW.set(Some(at("2026-03-01T12:00:00Z")));
        let ledger = Arc::new(MemoryLedger::new(Duration::ZERO));
        let nodes = (0..NODES).map(|nth| Node::new(&ledger, format!("{nth}.0"))).collect();
        Self { ledger, nodes, billed: HashMap::new(), lives: 0 }
    }

    fn step(&mut self, op: Op) {
        let ledger = Arc::clone(&self.ledger);
        match op {
            Op::Start { node, key, model, provider, bound, sent } => {
                self.nodes[node].start((key, model, provider), bound, sent);
            }
            Op::Settle { node, nth, permille } => self.settle(node, nth, permille),
            Op::Cancel { node, nth } => {
                if let Some((_grant, attempt)) = self.nodes[node].take(nth, false) {
                    attempt.release();
                }
            }
            Op::Write { node, rows } => self.nodes[node].write(&ledger, rows),
            Op::Tend(node) => self.nodes[node].gate.tend().now_or_never().unwrap().unwrap(),
            Op::HandBack(node) => self.nodes[node].gate.hand_back().now_or_never().unwrap().unwrap(),
            Op::Crash(node) => self.crash(node),
            Op::Expire => drop(ledger.expire(Instant::now() + 2 * HOUR)),
            Op::Clock(seconds) => {
                let mut now = clock();
                now.wall = now.wall.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
                now.steady += Duration::from_millis(1);
                NOW.set(Some(now));
            }
        }
    }

    fn settle(&mut self, node: usize, nth: usize, permille: u32) {
        let Some((grant, attempt)) = self.nodes[node].take(nth, true) else { return };
        let amount = pico(attempt.amount().pico() * i128::from(permille) / 1_000);
        let settled = attempt.settle(Charge::reported(amount));
        for window in settled.bookings {
            self.billed.entry(window.clone()).or_default().told += amount.pico();
            let name = Arc::clone(&self.nodes[node].name);
            self.nodes[node].journal.push_back((name, window, amount));
        }
        grant.finish(0, clock());
    }

    fn crash(&mut self, node: usize) {
        self.lives += 1;
        let next = Node::new(&self.ledger, format!("{node}.{}", self.lives));
        let mut dead = std::mem::replace(&mut self.nodes[node], next);
        // What was under way may have been billed in full, and no row says so: the dead one alone could have told in which
        // windows.
        for (_grant, attempt, _) in dead.open.drain(..).filter(|(.., sent)| *sent) {
            let amount = attempt.amount();
            for window in attempt.settle(Charge::reported(amount)).bookings {
                self.billed.entry(window).or_default().lost += amount.pico();
            }
        }
        // The journal is replayed by the next life, under the name of the one that wrote it.
        self.nodes[node].journal.append(&mut dead.journal);
    }

    fn hard(&self) -> impl Iterator<Item = (&BudgetWindow, Billed)> {
        let all = self.billed.iter().map(|(window, billed)| (window, *billed));
        all.filter(|(window, _)| window.budget.mode == Mode::Hard)
    }

    fn check(&self) {
        for (window, billed) in self.hard() {
            let view = self.ledger.view(window);
            assert!(billed.told + billed.lost <= view.limit.pico(), "{window}: {billed:?} of {view:?}");
            assert!(view.committed <= view.limit, "{window}: {view:?}");
        }
    }

    fn end(mut self) {
        (0..NODES).for_each(|node| self.crash(node));
        let ledger = Arc::clone(&self.ledger);
        self.nodes.iter_mut().for_each(|node| node.write(&ledger, usize::MAX));
        let _leases = ledger.expire(Instant::now() + 2 * HOUR);
        self.check();
        for (window, billed) in self.hard() {
            let view = ledger.view(window);
            assert_eq!(view.spent, pico(billed.told), "{window}");
            assert!(view.unknown >= pico(billed.lost), "{window}: {billed:?} {view:?}");
            assert_eq!(view.committed, view.spent.saturating_add(view.unknown), "{window}");
            assert_eq!(ledger.release_unknown(window), view.unknown, "{window}");
            assert_eq!(ledger.view(window).committed, view.spent, "{window}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_crash_makes_budgets_refuse_early_and_never_late(ops in ops()) {
        let mut world = World::new();
        for op in ops {
            world.step(op);
            world.check();
        }
        world.end();
    }
}
