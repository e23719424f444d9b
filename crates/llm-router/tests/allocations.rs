//! A pick allocates nothing, nor does a whole request that is not sampled.
//!
//! A binary of its own: it counts with the allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_router::{
    Allowance, BuildError, Deployment, Facts, Fallbacks, Group, Mask, Needs, PickCx, Pool, Prefixes,
    RetryPolicy, Router, Step, Strategy, Used,
};
use llm_types::{ApiError, ErrorKind};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[expect(
    unsafe_code,
    reason = "an allocator cannot be had otherwise; each call goes to the system's unchanged"
)]
// SAFETY: every method hands its arguments to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations<R>(run: impl FnOnce() -> R) -> usize {
    let before = COUNT.with(Cell::get);
    let result = run();
    let after = COUNT.with(Cell::get);
    drop(result);
    after - before
}

fn router(deployments: usize, strategy: Strategy) -> Result<Router<()>, BuildError> {
    let allowance = Allowance { rpm: Some(1000), tpm: Some(10_000_000), max_parallel: Some(1000) };
    let members = (0..deployments).map(|nth| {
        let facts = Facts { allowance, context_window: Some(4_000 + nth as u64), ..Facts::default() };
        Deployment::new(format!("d{nth}"), 0, ()).with_facts(facts)
    });
    let group = Group::new("g", RetryPolicy::default(), members).with_strategy(strategy);
    let spare = Group::new("spare", RetryPolicy::default(), [Deployment::new("s", 0, ())]);
    Router::builder().group(group.with_fallbacks(Fallbacks::to(["spare"]))).group(spare).build()
}

#[test]
fn a_pick_allocates_nothing() {
    for strategy in Strategy::ALL {
        for count in [1, 10, 1000] {
            let router = router(count, strategy).unwrap();
            let group = router.find("g").unwrap().group;
            let cx = PickCx::new(Instant::now());
            let got = allocations(|| {
                let open = Mask::all(count);
                (0..100).for_each(|random| {
                    let pool = Pool::new(group.seats(), &open);
                    assert!(group.picker.pick(&pool, &cx.with_random(random << 40)).is_some());
                });
            });
            assert_eq!(got, 0, "{strategy:?} over {count}");
        }
    }
}

#[test]
fn a_request_that_is_not_sampled_allocates_nothing() {
    for strategy in Strategy::ALL {
        for count in [1, 10, 1000] {
            let router = router(count, strategy).unwrap();
            let group = router.find("g").unwrap().group;
            let needs = || Needs {
                input_tokens: 3_000,
                output_tokens: 1_005,
                stream: true,
                session: Some(7),
                prefixes: Prefixes::of(&[b'x'; 9_000]),
                ..Needs::default()
            };
            let run = |needs: Arc<Needs>| {
                let now = Instant::now();
                let mut attempts = router.attempts(group, now, now + Duration::from_secs(60)).needing(needs);
                // A group of one is too small for the request, and refusing takes words.
                if let Step::Try(_) = attempts.next(now, None) {
                    let lease = attempts.answered(now).unwrap();
                    lease.finish(&Used { input_tokens: 3_000, output_tokens: 10, usd: Some(0.1) }, now);
                }
            };
            // The first prompt makes the table of prompts, and a thread's first draw its generator.
            run(Arc::new(needs()));
            let needs = Arc::new(needs());
            assert_eq!(allocations(|| run(needs)), 0, "{strategy:?} over {count}");
        }
    }
}

#[test]
fn a_failure_costs_its_own_copy_and_no_more() {
    let router = router(10, Strategy::LowestLatency).unwrap();
    let group = router.find("g").unwrap().group;
    let error = ApiError::upstream(ErrorKind::Unavailable, "down");
    let run = || {
        let now = Instant::now();
        let mut attempts = router.attempts(group, now, now + Duration::from_secs(60));
        assert!(matches!(attempts.next(now, None), Step::Try(_)));
        assert!(matches!(attempts.next(now, Some(&error)), Step::Try(_)));
        attempts.answered(now)
    };
    run();
    let copy = allocations(|| error.clone());
    assert_eq!(allocations(run), copy);
}

#[test]
fn a_sampled_request_allocates_its_record() {
    for strategy in Strategy::ALL {
        let router = router(10, strategy).unwrap();
        let group = router.find("g").unwrap().group;
        let run = || {
            let now = Instant::now();
            let mut attempts = router.attempts(group, now, now + Duration::from_secs(60)).sampled();
            assert!(matches!(attempts.next(now, None), Step::Try(_)));
            drop(attempts.answered(now));
            attempts.take_record()
        };
        run();
        let most = if strategy == Strategy::LowestLatency { 1 } else { 2 };
        assert!(allocations(run) <= most, "{strategy:?}: the record, and what is thought of more than two");
    }
}
