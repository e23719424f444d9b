//! How long it takes to say who is asked.
//!
//! `cargo bench -p llm-router`. One pick of each strategy over a thousand deployments, a first step of a whole
//! request with and without its decision's record, and the same for the ten that are common.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use llm_router::{
    Allowance, Deployment, Facts, Group, Lease, Mask, Needs, PickCx, Pool, Price, RetryPolicy, Router, Step,
    Strategy,
};

/// A router of one group whose deployments have all been asked and have prices and limits that never bind.
fn router(deployments: usize, strategy: Strategy) -> Router<()> {
    priced(deployments, strategy, PRICES[1].1)
}

/// What each costs.
type Prices = fn(u64) -> u64;

const PRICES: [(&str, Prices); 3] = [("equal", |_| 0), ("rising", |nth| nth), ("falling", |nth| 1000 - nth)];

/// As [`router`], each at its own price.
fn priced(deployments: usize, strategy: Strategy, price: Prices) -> Router<()> {
    let allowance = Allowance { rpm: Some(1_000_000), tpm: Some(u32::MAX), max_parallel: Some(1_000_000) };
    let members = (0..deployments).map(|nth| {
        let input = 1_000_000 + price(nth as u64);
        let price = Price { input_pico_usd: input, output_pico_usd: 3 * input, request_pico_usd: 0 };
        let facts =
            Facts { price: Some(price), allowance, context_window: Some(128_000), ..Facts::default() };
        Deployment::new(format!("d{nth}"), 0, ()).with_facts(facts)
    });
    let group = Group::new("g", RetryPolicy::default(), members).with_strategy(strategy);
    // Only names could be wrong with it, and there is one.
    let Ok(router) = Router::builder().group(group).build() else { std::process::exit(1) };
    (0..4 * deployments).for_each(|_| drop(first(&router, &needs(), false)));
    router
}

fn needs() -> Arc<Needs> {
    Arc::new(Needs { input_tokens: 2_000, output_tokens: 500, stream: true, ..Needs::default() })
}

/// A request up to its answer.
fn first(router: &Router<()>, needs: &Arc<Needs>, sampled: bool) -> Option<Lease<()>> {
    let now = Instant::now();
    let group = router.find("g")?.group;
    let attempts = router.attempts(group, now, now + Duration::from_secs(60)).needing(Arc::clone(needs));
    let mut attempts = if sampled { attempts.sampled() } else { attempts };
    match attempts.next(now, None) {
        Step::Try(_) => attempts.answered(now + Duration::from_millis(1)),
        Step::Wait(_) | Step::Fail => None,
    }
}

fn picks(c: &mut Criterion) {
    for count in [10, 1000] {
        let mut bench = c.benchmark_group(format!("pick of {count}"));
        let named =
            Strategy::ALL.into_iter().map(|strategy| (strategy.name().to_owned(), strategy, PRICES[1].1));
        let costs = [None, Some(Duration::from_millis(500)), Some(Duration::from_micros(1))];
        let bounds = costs.into_iter().flat_map(|within| {
            let cheapest = Strategy::LowestCost(within);
            PRICES.map(|(prices, price)| {
                (format!("lowest-cost within {within:?}, {prices} prices"), cheapest, price)
            })
        });
        for (name, strategy, price) in named.chain(bounds) {
            let router = priced(count, strategy, price);
            let Some(found) = router.find("g") else { continue };
            let (seats, open) = (found.group.seats(), Mask::all(count));
            let cx = PickCx::new(Instant::now()).needing(&needs());
            let mut random = 1_u64;
            bench.bench_function(name, |bench| {
                bench.iter(|| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    found.group.picker.pick(&Pool::new(seats, black_box(&open)), &cx.with_random(random))
                });
            });
        }
    }
}

fn requests(c: &mut Criterion) {
    for count in [10, 1000] {
        for (name, sampled) in [("request", false), ("sampled request", true)] {
            let mut bench = c.benchmark_group(format!("{name} of {count}"));
            for strategy in [Strategy::Weighted, Strategy::LowestLatency] {
                let (router, needs) = (router(count, strategy), needs());
                bench.bench_function(strategy.name(), |bench| {
                    bench.iter_batched(
                        || (),
                        |()| first(&router, &needs, sampled),
                        BatchSize::NumIterations(64),
                    );
                });
            }
        }
    }
}

/// Requests of many sessions, each of which belongs to one of all.
fn sessions(c: &mut Criterion) {
    for count in [10, 1000] {
        let mut bench = c.benchmark_group(format!("request of {count}"));
        let router = router(count, Strategy::Weighted);
        let mut session = 1_u64;
        bench.bench_function("session", |bench| {
            bench.iter(|| {
                session = session.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let needs = Needs { session: Some(session), ..Needs::default() };
                first(&router, &Arc::new(needs), false)
            });
        });
    }
}

criterion_group!(benches, picks, requests, sessions);
criterion_main!(benches);
