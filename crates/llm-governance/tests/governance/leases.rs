//! Several nodes on one ledger: crashes, late rows, hand-backs. What is spent, by anybody's books or by none, is never
//! more than the limit.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use llm_governance::lease::{Funding, Slice, SliceAsk};
use llm_governance::{
    Budget, BudgetWindow, Change, Charge, Directory, Error, Event, Gate, Grant, KeyId, Ledger, MemoryLedger,
    Now, Observer, Period, PriceBound, Refusal, Reservation,
};
use llm_types::PicoUsd;
use proptest::prelude::*;

use crate::harness::{Watch, costing, facts, key, pico, put_key, who, with_budgets};

const LIMIT: i128 = 100_000;
const HOUR: Duration = Duration::from_secs(3_600);

/// A gateway that pays from leases.
struct Node {
    name: Arc<str>,
    gate: Gate,
    open: Vec<(Grant, Reservation)>,
    /// Rows that are settled and journaled, but not in the ledger yet.
    journal: VecDeque<(Arc<str>, BudgetWindow, PicoUsd)>,
}

fn owner() -> Change {
    put_key(key("sk-1", with_budgets([Budget::hard(pico(LIMIT), Period::Total)])))
}

fn node(ledger: &Arc<MemoryLedger>, name: String, time: Duration) -> Node {
    let directory = Directory::leasing();
    directory.apply([owner()]).unwrap();
    let name: Arc<str> = name.into();
    let funding = Funding::new(Arc::clone(ledger) as Arc<dyn Ledger>, Arc::clone(&name), time);
    let watch = Arc::new(Watch::default()) as Arc<dyn Observer>;
    let gate = Gate::with(Arc::new(directory), watch, Some(funding));
    Node { name, gate, open: Vec::new(), journal: VecDeque::new() }
}

impl Node {
    fn start(&mut self, amount: i128) -> Result<(), Refusal> {
        let who = who(&self.gate, "sk-1", Now::read());
        let mut grant = self.gate.admit(&who, &costing(amount)).now_or_never().unwrap()?;
        let bound = PriceBound::fixed(pico(amount));
        let mut attempt = grant.attempt("p", Some(&bound)).now_or_never().unwrap()?;
        attempt.sent();
        self.open.push((grant, attempt));
        Ok(())
    }

    fn settle(&mut self, nth: usize, permille: u32) -> PicoUsd {
        if self.open.is_empty() {
            return PicoUsd::ZERO;
        }
        let (grant, attempt) = self.open.swap_remove(nth % self.open.len());
        let amount = pico(attempt.amount().pico() * i128::from(permille) / 1_000);
        let settled = attempt.settle(Charge::reported(amount));
        for window in settled.bookings {
            self.journal.push_back((Arc::clone(&self.name), window, amount));
        }
        grant.finish(0, Now::read());
        amount
    }

    fn write(&mut self, ledger: &MemoryLedger, rows: usize) {
        for (node, window, amount) in self.journal.drain(..rows.min(self.journal.len())) {
            ledger.book(&node, &window, amount);
        }
    }

    /// Its key is deleted and made again; or all that there is, as by a reload.
    fn come_again(&self, whole: bool) {
        let directory = self.gate.directory();
        if whole {
            directory.replace([]).unwrap();
            directory.replace([owner()]).unwrap();
        } else {
            directory.apply([Change::RemoveKey(KeyId::of_name("sk-1"))]).unwrap();
            directory.apply([owner()]).unwrap();
        }
    }

    fn held(&self) -> i128 {
        self.open.iter().map(|(_, attempt)| attempt.amount().pico()).sum()
    }
}

#[derive(Debug, Clone)]
enum Op {
    Start(usize, i128),
    Settle(usize, usize, u32),
    Write(usize, usize),
    Tend(usize),
    HandBack(usize),
    /// The process is killed and started again; its journal survives.
    Crash(usize),
    Expire,
    /// The owner is removed, and may come back.
    Again(usize, bool),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let node = || 0..3_usize;
    let op = prop_oneof![
        10 => (node(), prop_oneof![1..3_000_i128, Just(20_000_i128)]).prop_map(|(node, amount)| Op::Start(node, amount)),
        8 => (node(), any::<usize>(), 0..=1_000_u32).prop_map(|(node, nth, share)| Op::Settle(node, nth, share)),
        5 => (node(), 0..6_usize).prop_map(|(node, rows)| Op::Write(node, rows)),
        2 => node().prop_map(Op::Tend),
        2 => node().prop_map(Op::HandBack),
        1 => node().prop_map(Op::Crash),
        1 => Just(Op::Expire),
        2 => (node(), any::<bool>()).prop_map(|(node, back)| Op::Again(node, back)),
    ];
    proptest::collection::vec(op, 1..200)
}

/// What has been billed for certain, and what was under way when a process was killed.
#[derive(Default)]
struct Truth {
    billed: i128,
    lost: i128,
}

fn crash(nodes: &mut [Node], nth: usize, ledger: &Arc<MemoryLedger>, life: usize, truth: &mut Truth) {
    let next = node(ledger, format!("{nth}.{life}"), HOUR);
    let mut dead = std::mem::replace(&mut nodes[nth], next);
    // What was under way may have been billed in full, and no row says so.
    truth.lost += dead.held();
    // The journal is replayed by the next life, under the name of the one that wrote it.
    nodes[nth].journal.append(&mut dead.journal);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nodes_together_never_spend_more_than_the_limit(ops in ops()) {
        let ledger = Arc::new(MemoryLedger::new(Duration::ZERO));
        let mut nodes: Vec<_> = (0..3).map(|nth| node(&ledger, format!("{nth}.0"), HOUR)).collect();
        let mut truth = Truth::default();
        for (life, op) in ops.into_iter().enumerate() {
            match op {
                Op::Start(nth, amount) => drop(nodes[nth].start(amount)),
                Op::Settle(node, nth, share) => truth.billed += nodes[node].settle(nth, share).pico(),
                Op::Write(nth, rows) => nodes[nth].write(&ledger, rows),
                Op::Tend(nth) => nodes[nth].gate.tend().now_or_never().unwrap().unwrap(),
                Op::HandBack(nth) => nodes[nth].gate.hand_back().now_or_never().unwrap().unwrap(),
                Op::Crash(nth) => crash(&mut nodes, nth, &ledger, life + 1, &mut truth),
                Op::Expire => drop(ledger.expire(Instant::now() + 2 * HOUR)),
                Op::Again(nth, whole) => nodes[nth].come_again(whole),
            }
            let held: i128 = nodes.iter().map(Node::held).sum();
            prop_assert!(truth.billed + truth.lost + held <= LIMIT);
            for window in ledger.windows() {
                let view = ledger.view(&window);
                prop_assert!(view.committed <= view.limit, "{view:?}");
                prop_assert!(view.spent <= pico(truth.billed));
            }
        }
        // Everything ends: each row arrives, each live node hands back, what the dead held is unknown.
        for node in &mut nodes {
            while !node.open.is_empty() {
                truth.billed += node.settle(0, 500).pico();
            }
            node.write(&ledger, usize::MAX);
            node.gate.hand_back().now_or_never().unwrap().unwrap();
        }
        ledger.expire(Instant::now() + 2 * HOUR);
        for window in ledger.windows() {
            let view = ledger.view(&window);
            prop_assert_eq!(view.spent, pico(truth.billed));
            prop_assert!(view.unknown >= pico(truth.lost), "{view:?} {}", truth.lost);
            prop_assert_eq!(view.committed.pico(), view.spent.pico() + view.unknown.pico());
            ledger.release_unknown(&window);
            prop_assert_eq!(ledger.view(&window).committed, view.spent);
        }
    }
}

#[test]
fn two_nodes_use_up_a_budget_nearly_to_its_end() {
    let ledger = Arc::new(MemoryLedger::new(HOUR));
    let mut nodes = [node(&ledger, "a".into(), HOUR), node(&ledger, "b".into(), HOUR)];
    let mut count = 0;
    // In turns, until neither gets more.
    let mut refused = [false; 2];
    for nth in (0..2).cycle() {
        match nodes[nth].start(1_000) {
            Ok(()) => count += 1,
            Err(refusal) => {
                assert_eq!(refusal.error.status().as_u16(), 402, "{}", refusal.error);
                refused[nth] = true;
            }
        }
        if refused == [true; 2] {
            break;
        }
    }
    assert!((95..=100).contains(&count), "{count} of 100");
}

#[test]
fn the_last_money_goes_to_a_shorter_answer() {
    let ledger = Arc::new(MemoryLedger::new(HOUR));
    let mut one = node(&ledger, "a".into(), HOUR);
    let two = node(&ledger, "b".into(), HOUR);
    one.start(LIMIT - 300).unwrap();
    let ask = |node: &Node, bound| {
        let who = who(&node.gate, "sk-1", Now::read());
        node.gate.admit(&who, &facts(Some(bound))).now_or_never().unwrap()
    };
    let bound =
        PriceBound { fixed: pico(100), per_output_token: pico(10), output_tokens: 1_000, clamp_to: Some(1) };
    // Whoever cannot do with less takes nothing from whoever can.
    let refused = ask(&two, PriceBound { clamp_to: None, ..bound }).unwrap_err();
    assert_eq!(refused.error.status().as_u16(), 402);
    assert_eq!(ask(&one, bound).unwrap().output_limit(), Some(20));
}

#[test]
fn who_asks_for_too_much_is_in_nobodys_way() {
    let ledger = Arc::new(MemoryLedger::new(HOUR));
    let mut node = node(&ledger, "a".into(), HOUR);
    let status = |refused: Refusal| refused.error.status().as_u16();
    assert_eq!(node.start(LIMIT + 1).map_err(status), Err(402));
    node.start(LIMIT - 1_000).unwrap();
    assert_eq!(node.start(1_001).map_err(status), Err(402));
    node.start(1_000).unwrap();
    assert_eq!(node.start(1).map_err(status), Err(402));
    // More money is there at once.
    let more = with_budgets([Budget::hard(pico(2 * LIMIT), Period::Total)]);
    node.gate.directory().apply([put_key(key("sk-1", more))]).unwrap();
    node.start(1_000).unwrap();
}

impl Node {
    fn limit(&self, limit: i128) {
        let terms = with_budgets([Budget::hard(pico(limit), Period::Total)]);
        self.gate.directory().apply([put_key(key("sk-1", terms))]).unwrap();
    }
}

#[test]
fn a_lower_limit_holds_for_what_is_leased_already() {
    let ledger = Arc::new(MemoryLedger::new(HOUR));
    let mut one = node(&ledger, "a".into(), HOUR);
    let mut two = node(&ledger, "b".into(), HOUR);
    // Each gets a slice that is larger than what is left under the lower limit.
    one.start(1_000).unwrap();
    two.start(1_000).unwrap();
    assert!(ledger.view(&ledger.windows()[0]).committed > pico(6_000));
    one.limit(5_000);
    two.limit(5_000);
    // Refused early, until the other has given back what it may not spend, and never late.
    let mut started = 2;
    for _ in 0..20 {
        started += i128::from(one.start(1_000).is_ok()) + i128::from(two.start(1_000).is_ok());
        one.gate.tend().now_or_never().unwrap().unwrap();
        two.gate.tend().now_or_never().unwrap().unwrap();
        assert!(started <= 5, "{started} thousand of 5");
    }
    // Who had too little is not asked for half a second.
    std::thread::sleep(Duration::from_millis(600));
    for node in [&mut one, &mut two] {
        while node.start(1_000).is_ok() {
            started += 1;
        }
    }
    assert_eq!(started, 5, "and all of it");
    assert_eq!(ledger.view(&ledger.windows()[0]).committed, pico(5_000));
    // Below what is spent nothing is left; what is raised again is there at once.
    one.limit(100);
    assert!(one.start(1).is_err());
    one.limit(7_000);
    two.limit(7_000);
    one.start(2_000).unwrap();
    assert!(one.start(1).is_err());
}

#[test]
fn a_lease_that_has_ended_pays_for_nothing() {
    let ledger = Arc::new(MemoryLedger::new(HOUR));
    let mut node = node(&ledger, "a".into(), Duration::ZERO);
    let refused = node.start(1_000).unwrap_err();
    let error = &refused.error;
    assert_eq!((error.status().as_u16(), error.public_code()), (503, Some("budget_unavailable")));
    assert!(error.retry_after.is_some());
}

/// A ledger that cannot be reached.
#[derive(Debug)]
struct Away;

#[async_trait::async_trait]
impl Ledger for Away {
    async fn acquire(&self, _: &SliceAsk) -> Result<Slice, Error> {
        Err(Error::Store("connection refused".into()))
    }

    async fn hand_back(&self, _: &str, _: &BudgetWindow, _: PicoUsd) -> Result<(), Error> {
        Err(Error::Store("connection refused".into()))
    }
}

#[test]
fn without_the_store_a_node_spends_what_it_has_leased_and_then_says_so() {
    let directory = Arc::new(Directory::leasing());
    let soft = Budget { mode: llm_governance::Mode::Soft, ..Budget::hard(pico(10), Period::Day) };
    let hard = Budget::hard(pico(LIMIT), Period::Total);
    let keys = [
        put_key(key("sk-hard", with_budgets([hard]))),
        put_key(key("sk-soft", with_budgets([soft]))),
        put_key(key("sk-none", with_budgets([]))),
    ];
    directory.apply(keys).unwrap();
    let watch = Arc::new(Watch::default()) as Arc<dyn Observer>;
    let gate = Gate::with(directory, watch, Some(Funding::new(Arc::new(Away), "a", HOUR)));
    let status = |secret: &str| {
        let who = who(&gate, secret, Now::read());
        let found = gate.admit(&who, &costing(1_000)).now_or_never().unwrap();
        found.map(drop).map_err(|refused| refused.error.public_code().map(str::to_owned))
    };
    assert_eq!(status("sk-hard"), Err(Some("budget_unavailable".to_owned())));
    assert_eq!((status("sk-soft"), status("sk-none")), (Ok(()), Ok(())));
}

#[test]
fn the_lease_of_a_window_that_is_over_goes_back_with_its_last_attempt() {
    let ledger = Arc::new(MemoryLedger::new(HOUR));
    let directory = Directory::leasing();
    directory.apply([put_key(key("sk-1", with_budgets([Budget::hard(pico(LIMIT), Period::Day)])))]).unwrap();
    let watch = Arc::new(Watch::default());
    let funding = Funding::new(Arc::clone(&ledger) as Arc<dyn Ledger>, "a", HOUR);
    let gate = Gate::with(Arc::new(directory), Arc::clone(&watch) as Arc<dyn Observer>, Some(funding));
    let who = who(&gate, "sk-1", Now::read());
    let mut grant = gate.admit(&who, &costing(1_000)).now_or_never().unwrap().unwrap();
    let bound = PriceBound::fixed(pico(1_000));
    let mut attempt = grant.attempt("p", Some(&bound)).now_or_never().unwrap().unwrap();
    attempt.sent();
    let [window] = &ledger.windows()[..] else { panic!("one window") };
    assert_eq!(ledger.view(window).committed, pico(5_000));
    // The day after: the attempt still holds what it has of the day before.
    let views = gate.all_budgets(Now::read().after(24 * HOUR));
    assert_eq!((views[0].reserved, views[0].reserved_earlier), (pico(0), pico(1_000)));
    gate.tend().now_or_never().unwrap().unwrap();
    assert!(ledger.view(window).committed >= pico(1_000));
    let settled = attempt.settle(Charge::reported(pico(400)));
    assert_eq!(settled.bookings.as_slice(), std::slice::from_ref(window));
    ledger.book(&"a".into(), window, pico(400));
    gate.tend().now_or_never().unwrap().unwrap();
    assert_eq!((ledger.view(window).committed, ledger.view(window).spent), (pico(400), pico(400)));
    assert!(
        watch
            .take()
            .iter()
            .any(|event| matches!(event, Event::Closed { settled, .. } if *settled == pico(400)))
    );
}

/// Counts how often it is asked, and takes its time.
#[derive(Debug)]
struct Slow(Arc<MemoryLedger>, AtomicUsize);

#[async_trait::async_trait]
impl Ledger for Slow {
    async fn acquire(&self, ask: &SliceAsk) -> Result<Slice, Error> {
        self.1.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        self.0.acquire(ask).await
    }

    async fn hand_back(&self, node: &str, window: &BudgetWindow, keep: PicoUsd) -> Result<(), Error> {
        self.0.hand_back(node, window, keep).await
    }
}

/// A ledger that lets everybody wait in vain, and counts them.
#[derive(Debug, Default)]
struct Hanging(AtomicUsize);

#[async_trait::async_trait]
impl Ledger for Hanging {
    async fn acquire(&self, _: &SliceAsk) -> Result<Slice, Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(120));
        Err(Error::Store("timed out".into()))
    }

    async fn hand_back(&self, _: &str, _: &BudgetWindow, _: PicoUsd) -> Result<(), Error> {
        Err(Error::Store("timed out".into()))
    }
}

#[test]
fn nobody_waits_for_a_store_that_another_has_just_waited_for_in_vain() {
    let ledger = Arc::new(Hanging::default());
    let directory = Directory::leasing();
    let terms = || with_budgets([Budget::hard(pico(LIMIT), Period::Total)]);
    directory.apply([put_key(key("sk-1", terms())), put_key(key("sk-2", terms()))]).unwrap();
    let funding = Funding::new(Arc::clone(&ledger) as Arc<dyn Ledger>, "a", HOUR);
    let gate = Gate::with(Arc::new(directory), Arc::new(Watch::default()), Some(funding));
    for secret in ["sk-1", "sk-1", "sk-2", "sk-1", "sk-2"] {
        let who = who(&gate, secret, Now::read());
        let refused = gate.admit(&who, &costing(1_000)).now_or_never().unwrap().unwrap_err();
        assert_eq!(refused.error.public_code(), Some("budget_unavailable"));
    }
    assert_eq!(ledger.0.load(Ordering::Relaxed), 1);
}

/// Two nodes, eight threads, 1,000 requests for money for 100.
#[test]
fn nodes_under_load_share_a_budget_and_ask_seldom() {
    let ledger = Arc::new(MemoryLedger::new(HOUR));
    let slow = Arc::new(Slow(Arc::clone(&ledger), AtomicUsize::new(0)));
    let gates: Vec<_> = ["a", "b"]
        .map(|name| {
            let directory = Directory::leasing();
            let budget = Budget::hard(pico(LIMIT), Period::Total);
            directory.apply([put_key(key("sk-1", with_budgets([budget])))]).unwrap();
            let funding = Funding::new(Arc::clone(&slow) as Arc<dyn Ledger>, name, HOUR);
            Gate::with(Arc::new(directory), Arc::new(Watch::default()), Some(funding))
        })
        .into();
    let grants: Vec<Grant> = std::thread::scope(|scope| {
        let worker = |nth: usize| {
            let gate = &gates[nth % 2];
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let who = who(gate, "sk-1", Now::read());
                let all = (0..125).filter_map(|_| runtime.block_on(gate.admit(&who, &costing(1_000))).ok());
                all.collect::<Vec<_>>()
            }
        };
        let workers: Vec<_> = (0..8).map(|nth| scope.spawn(worker(nth))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!((95..=100).contains(&grants.len()), "{} of 100", grants.len());
    let asked = slow.1.load(Ordering::Relaxed);
    assert!(asked <= 100, "asked {asked} times");
}
