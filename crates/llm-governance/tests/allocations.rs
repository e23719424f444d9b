//! A request allocates nothing, and a million keys are small.
//!
//! A binary of its own: it counts with the allocator.
#![cfg(test)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use llm_governance::{
    Budget, Change, Charge, Directory, Facts, Gate, Group, Key, KeyHash, KeyId, Limits, NewKey, Now, Period,
    PriceBound, Scope, Terms,
};
use llm_types::PicoUsd;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn note(count: usize, bytes: isize) {
    COUNT.with(|sum| sum.set(sum.get() + count));
    BYTES.with(|sum| sum.set(sum.get() + bytes));
}

#[expect(
    unsafe_code,
    reason = "an allocator cannot be had otherwise; each call goes to the system's unchanged"
)]
// SAFETY: every method hands its arguments to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // What an allocator hands out is a multiple of 16.
        note(1, layout.size().next_multiple_of(16).cast_signed());
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(0, -layout.size().next_multiple_of(16).cast_signed());
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

fn dollars(dollars: i128) -> PicoUsd {
    PicoUsd::from_pico(dollars * 1_000_000_000_000)
}

fn metered() -> Terms {
    let limits = Limits { rpm: Some(1_000_000), tpm: Some(1_000_000_000), parallel: Some(1_000) };
    let budgets = vec![Budget::hard(dollars(1_000_000), Period::Day)];
    Terms { limits, budgets, ..Terms::default() }
}

fn key(nth: u64, terms: Terms) -> Key {
    let secret = format!("sk-{nth}");
    let key = Key::new(KeyId::of_name(&secret), KeyHash::of(&secret));
    Key { terms: Arc::new(terms), team: Some("t".into()), ..key }
}

fn gate(terms: fn() -> Terms) -> Gate {
    let directory = Directory::new();
    let mut team = Group::new(terms());
    team.organisation = Some("o".into());
    directory
        .apply([
            Change::Put(Scope::Team("t".into()), Box::new(team)),
            Change::Put(Scope::Organisation("o".into()), Box::new(Group::new(terms()))),
            Change::PutKey(Box::new(key(1, terms()))),
        ])
        .unwrap();
    Gate::new(Arc::new(directory))
}

fn request(gate: &Gate) {
    let now = Now::read();
    let who = gate.directory().authenticate("sk-1", None, now).unwrap();
    let bound = Some(PriceBound {
        fixed: dollars(1),
        per_output_token: PicoUsd::from_pico(15_000_000),
        output_tokens: 4_096,
        clamp_to: Some(1),
    });
    let facts = Facts {
        model: "gpt-4o",
        alias_of: None,
        route: "/v1/chat/completions",
        tags: &[],
        tokens: 5_000,
        bound,
    };
    let mut grant = gate.try_admit(&who, &facts, now).unwrap();
    let mut attempt = grant.try_attempt("openai", bound.as_ref(), now).unwrap();
    attempt.sent();
    let settled = attempt.settle(Charge::reported(PicoUsd::from_pico(1_000)));
    assert!(!settled.overrun);
    grant.finish(1_000, now);
}

#[test]
fn a_request_allocates_nothing() {
    for (terms, name) in [(Terms::default as fn() -> Terms, "free"), (metered, "metered")] {
        let gate = gate(terms);
        // What is counted is made at the first use.
        request(&gate);
        assert_eq!(allocations(|| (0..100).for_each(|_| request(&gate))), 0, "{name}");
    }
}

/// Counters of a key that is used.
#[test]
fn a_key_in_use_is_small_too() {
    const KEYS: u64 = 10_000;
    let directory = Directory::new();
    let keys = (0..KEYS).map(|nth| {
        let key = Key { team: None, ..key(nth, metered()) };
        Change::PutKey(Box::new(key))
    });
    directory.apply(keys).unwrap();
    let gate = Gate::new(Arc::new(directory));
    let before = BYTES.with(Cell::get);
    let now = Now::read();
    for nth in 0..KEYS {
        let who = gate.directory().authenticate(&format!("sk-{nth}"), None, now).unwrap();
        let bound = Some(PriceBound::fixed(dollars(1)));
        let facts = Facts { model: "m", alias_of: None, route: "/", tags: &[], tokens: 1, bound };
        gate.try_admit(&who, &facts, now).unwrap().finish(1, now);
    }
    let bytes = i64::try_from(BYTES.with(Cell::get) - before).unwrap();
    let each = bytes / KEYS.cast_signed();
    println!("{each} bytes for the counters of a key");
    assert!((200..=1_200).contains(&each), "{each} bytes for the counters of a key");
}

#[test]
fn a_key_is_small() {
    const KEYS: u64 = 100_000;
    let (team, user): (Arc<str>, Arc<str>) = ("t".into(), "u".into());
    let terms = Arc::new(metered());
    let before = BYTES.with(Cell::get);
    let directory = Directory::new();
    let keys = (0..KEYS).map(|nth| {
        let key = Key { terms: Arc::clone(&terms), ..key(nth, Terms::default()) };
        Change::PutKey(Box::new(Key { team: Some(Arc::clone(&team)), user: Some(Arc::clone(&user)), ..key }))
    });
    directory.apply(keys).unwrap();
    let bytes = i64::try_from(BYTES.with(Cell::get) - before).unwrap();
    let each = bytes / KEYS.cast_signed();
    println!("{each} bytes for a key");
    assert!((100..=230).contains(&each), "{each} bytes for a key");
    assert_eq!(directory.key_count() as u64, KEYS);
    // One change copies one shard, not the table.
    let new = NewKey::generate().unwrap();
    let change = Change::PutKey(Box::new(Key::new(KeyId::generate().unwrap(), new.hash)));
    let count = allocations(|| directory.apply([change]).unwrap());
    assert!(count < 30, "{count} allocations for a change");
}
