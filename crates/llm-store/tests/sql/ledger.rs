//! Leases: the rules of the reference in memory, step by step, and money that two gateways share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use llm_governance::lease::{Slice, SliceAsk};
use llm_governance::report::{AuditFilter, PageAsk, Released};
use llm_governance::{
    Budget, BudgetWindow, Change, Group, KeyStore as _, Ledger as _, MemoryLedger, Mode, Period,
    Reports as _, Scope, Terms,
};
use llm_store::{RowWriter, SqlReports, SqlStore};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::harness::{Place, SOON, both, pico, row, running, window};

both!(
    the_rules_are_those_of_the_reference,
    two_gateways_never_get_more_than_the_limit,
    the_stores_own_limit_wins,
    what_a_dead_node_held_is_unknown_until_somebody_releases_it,
    what_cannot_be_released_yet_is_told,
);

const LIMIT: i128 = 1_000_000;
const NODES: [&str; 3] = ["n1", "n2", "n3"];

#[derive(Debug, Clone)]
enum Step {
    Acquire { node: usize, missing: i128, least: i128, long: bool },
    Book { node: usize, cost: i128 },
    HandBack { node: usize, keep: i128 },
    Expire,
    Release,
}

fn step() -> impl Strategy<Value = Step> {
    let node = 0..NODES.len();
    prop_oneof![
        4 => (node.clone(), 0..LIMIT / 2, 0..LIMIT / 4, any::<bool>())
            .prop_map(|(node, missing, least, long)| Step::Acquire { node, missing, least, long }),
        3 => (node.clone(), 0..LIMIT / 5).prop_map(|(node, cost)| Step::Book { node, cost }),
        2 => (node, 0..LIMIT / 2).prop_map(|(node, keep)| Step::HandBack { node, keep }),
        1 => Just(Step::Expire),
        1 => Just(Step::Release),
    ]
}

fn ask(node: &str, window: &BudgetWindow, missing: i128, least: i128) -> SliceAsk {
    SliceAsk {
        node: node.into(),
        window: window.clone(),
        end: window.budget.window.span(window.start).end,
        limit: pico(LIMIT),
        fixed: false,
        held: pico(i128::MAX),
        missing: pico(missing),
        least: pico(least),
        time: Duration::from_secs(3600),
    }
}

/// The store and the reference, side by side.
struct Pair {
    store: SqlStore,
    writers: Vec<RowWriter>,
    memory: MemoryLedger,
    window: BudgetWindow,
    rows: u32,
}

impl Pair {
    async fn take(&mut self, step: &Step) {
        let Self { store, writers, memory, window, rows } = self;
        match *step {
            Step::Acquire { node, missing, least, long } => {
                let time = if long { Duration::from_secs(3600) } else { Duration::ZERO };
                let ask = SliceAsk { time, ..ask(NODES[node], window, missing, least) };
                let slice = store.acquire(&ask).await.unwrap();
                assert_eq!(slice, memory.acquire_at(&ask, Instant::now()));
            }
            Step::Book { node, cost } => {
                *rows += 1;
                let mut row = row(&window.budget.scope.to_string(), *rows, cost);
                row.bookings = [window.clone()].into_iter().collect();
                drop(writers[node].try_append(&row));
                assert!(writers[node].flush(SOON).await);
                memory.book(&NODES[node].into(), window, pico(cost));
            }
            Step::HandBack { node, keep } => {
                store.hand_back(NODES[node], window, pico(keep)).await.unwrap();
                memory.hand_back(NODES[node], window, pico(keep)).await.unwrap();
            }
            Step::Expire => {
                let expired = store.expire(Duration::ZERO).await.unwrap();
                assert_eq!(usize::try_from(expired).unwrap(), memory.expire(Instant::now()));
            }
            Step::Release => {
                let released = store.release_unknown(window, "root").await.unwrap();
                assert_eq!(released, memory.release_unknown(window));
            }
        }
        let (mut view, mut expect) = (store.window(window).await.unwrap(), memory.view(window));
        // A window that nobody has asked for has no limit yet; rows alone are not told one.
        (view.limit, expect.limit) = (pico(0), pico(0));
        assert_eq!(view, expect);
    }
}

async fn the_rules_are_those_of_the_reference(place: Place) {
    let store = place.open().await;
    let (writers, _tasks): (Vec<_>, Vec<_>) = NODES
        .iter()
        .map(|node| {
            let mut options = place.options(node);
            options.folder = place.dir.path().join(node);
            options.collect = Duration::ZERO;
            running(&store, options)
        })
        .unzip();
    let mut runner = TestRunner::default();
    for case in 0..12 {
        let steps = prop::collection::vec(step(), 1..30).new_tree(&mut runner).unwrap().current();
        println!("{steps:?}");
        let scope = Scope::Team(format!("case {case}").into());
        let window = window(scope, Mode::Hard, row("r", 1, 0).time);
        let (writers, memory) = (writers.clone(), MemoryLedger::new(Duration::ZERO));
        let mut pair = Pair { store: store.clone(), writers, memory, window, rows: 0 };
        for step in &steps {
            pair.take(step).await;
        }
        // Nothing of this case is to expire in the next one.
        pair.take(&Step::Expire).await;
    }
}

async fn two_gateways_never_get_more_than_the_limit(place: Place) {
    let stores = [place.open().await, place.open().await];
    let window = window(Scope::Global, Mode::Hard, row("r", 1, 0).time);
    let tasks: Vec<_> = (0..8)
        .map(|nth| {
            let (store, window) = (stores[nth % 2].clone(), window.clone());
            tokio::spawn(async move {
                let node = format!("n{nth}");
                let mut last = None;
                for _ in 0..20 {
                    last = Some(store.acquire(&ask(&node, &window, 10_000, 1)).await.unwrap());
                }
                last.unwrap()
            })
        })
        .collect();
    let mut sum = pico(0);
    for task in tasks {
        sum = sum.saturating_add(task.await.unwrap().amount);
    }
    assert_eq!(sum, pico(LIMIT), "all of it, and no more");
    let view = stores[0].window(&window).await.unwrap();
    assert_eq!((view.committed, view.limit, view.spent), (pico(LIMIT), pico(LIMIT), pico(0)));
    assert_eq!(stores[1].leases(Some(&Scope::Global), window.start).await.unwrap().len(), 8);
}

async fn the_stores_own_limit_wins(place: Place) {
    let store = place.open().await;
    let team = Scope::Team("search".into());
    let window = window(team.clone(), Mode::Hard, row("r", 1, 0).time);
    let budgets = vec![Budget::hard(pico(300), Period::Day)];
    let group =
        Group { terms: Arc::new(Terms { budgets, ..Terms::default() }), ..Group::new(Terms::default()) };
    store.keep(&Change::Put(team, Box::new(group)), "root").await.unwrap();
    // The node has not heard yet, and asks as if there were a million.
    let slice = store.acquire(&ask("n1", &window, 500, 100)).await.unwrap();
    let none = pico(0);
    assert_eq!(slice, Slice { amount: pico(300), dry: true, left: none, elsewhere: none, unknown: none });
    assert_eq!(store.window(&window).await.unwrap().limit, pico(300));
    // What the node may spend no more is the store's again, but for what is booked.
    let less = SliceAsk { held: pico(100), ..ask("n1", &window, 0, 0) };
    assert_eq!(store.acquire(&less).await.unwrap().amount, pico(100));
    assert_eq!(store.window(&window).await.unwrap().committed, pico(100));
    // A limit that the node's configuration has wins over it, lower or higher.
    let fixed =
        |limit, missing| SliceAsk { fixed: true, limit: pico(limit), ..ask("n2", &window, missing, 1) };
    assert_eq!(store.acquire(&fixed(150, 100)).await.unwrap().amount, pico(50));
    assert_eq!(store.acquire(&fixed(1_000, 400)).await.unwrap().amount, pico(450));
}

async fn what_a_dead_node_held_is_unknown_until_somebody_releases_it(place: Place) {
    let store = place.open().await;
    let (writer, _task) = place.writer(&store, "n1");
    let window = window(Scope::Team("search".into()), Mode::Hard, row("r", 1, 0).time);
    let asked = SliceAsk { time: Duration::ZERO, ..ask("n1", &window, LIMIT, 1) };
    assert_eq!(store.acquire(&asked).await.unwrap().amount, pico(LIMIT));
    drop(writer.try_append(&row("r", 1, 400_000)));
    assert!(writer.flush(SOON).await);
    assert_eq!(store.expire(Duration::from_secs(3600)).await.unwrap(), 0, "its grace is not over");
    assert_eq!(store.expire(Duration::ZERO).await.unwrap(), 1);
    let view = store.window(&window).await.unwrap();
    assert_eq!((view.spent, view.unknown, view.committed), (pico(400_000), pico(600_000), pico(LIMIT)));
    assert!(store.acquire(&ask("n2", &window, 1, 1)).await.unwrap().dry);
    // A row that comes late tells some of it.
    drop(writer.try_append(&row("r", 2, 100_000)));
    assert!(writer.flush(SOON).await);
    assert_eq!(store.window(&window).await.unwrap().unknown, pico(500_000));
    assert_eq!(store.release_unknown(&window, "ada").await.unwrap(), pico(500_000));
    assert_eq!(store.release_unknown(&window, "ada").await.unwrap(), pico(0));
    let slice = store.acquire(&ask("n2", &window, LIMIT, 1)).await.unwrap();
    assert_eq!((slice.amount, slice.elsewhere), (pico(500_000), pico(500_000)));
    let log = store.audit(&AuditFilter::default(), &PageAsk::default()).await.unwrap().items;
    let [entry] = &*log else { panic!("{log:?}") };
    assert_eq!(
        (&*entry.actor, &*entry.action, &*entry.object),
        ("ada", "release_unknown", "team:search/day/hard")
    );
}

async fn what_cannot_be_released_yet_is_told(place: Place) {
    let store = place.open().await;
    let window = window(Scope::Team("search".into()), Mode::Hard, Timestamp::now());
    let asked = SliceAsk { time: Duration::ZERO, ..ask("n1", &window, LIMIT, 1) };
    assert_eq!(store.acquire(&asked).await.unwrap().amount, pico(LIMIT));
    let hour = Duration::from_secs(3600);
    let reports = SqlReports::reading(store.clone()).with_grace(hour);
    let release = async || reports.release_unknown(&window.budget, Timestamp::now(), "ada").await.unwrap();
    let told = release().await;
    assert_eq!((told.amount, told.waiting), (pico(0), pico(LIMIT)));
    let until = told.until.unwrap();
    assert!(until > Timestamp::now() && until <= Timestamp::now() + hour, "{until}");
    assert_eq!(store.expire(Duration::ZERO).await.unwrap(), 1);
    let done = release().await;
    assert_eq!(done, Released { amount: pico(LIMIT), waiting: pico(0), until: None });
}
