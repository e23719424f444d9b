//! Many threads at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;

use llm_governance::{Budget, Change, Charge, Facts, Gate, Group, Now, Period, PriceBound, Scope};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use crate::harness::{
    Rows, assert_books_balance, assert_within_limits, at, costing, gate, key, pico, put, put_key, stand, who,
    with_budgets,
};

const THREADS: usize = 8;

fn total(limit: i128) -> [Budget; 1] {
    [Budget::hard(pico(limit), Period::Total)]
}

#[test]
fn of_500_at_once_as_many_get_in_as_fit() {
    let (gate, _) = gate([put_key(key("sk-1", with_budgets(total(100 * 1_000))))]);
    let now = at("2026-03-01T12:00:00Z");
    let (grants, refused) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    let start = Barrier::new(50);
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                start.wait();
                for _ in 0..10 {
                    match gate.try_admit(&who(&gate, "sk-1", now), &costing(1_000), now) {
                        Ok(grant) => grants.lock().unwrap().push(grant),
                        Err(refusal) => {
                            assert_eq!(refusal.error.status().as_u16(), 402);
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let grants = grants.into_inner().unwrap();
    assert_eq!((grants.len(), refused.into_inner()), (100, 400));
    // Each costs a tenth of its bound: what settling gave back is used up one by one.
    for mut grant in grants {
        let attempt = grant.try_attempt("p", Some(&PriceBound::fixed(pico(1_000))), now).unwrap();
        attempt.settle(Charge::reported(pico(100)));
    }
    let mut more = 0;
    let who = who(&gate, "sk-1", now);
    while let Ok(mut grant) = gate.try_admit(&who, &costing(1_000), now) {
        let attempt = grant.try_attempt("p", Some(&PriceBound::fixed(pico(1_000))), now).unwrap();
        attempt.settle(Charge::reported(pico(100)));
        more += 1;
    }
    let scope = format!("key:{}", who.key_id().unwrap());
    // 10,000 are spent at first, then 100 at a time while 1,000 are left.
    assert_eq!((more, stand(&gate, &scope, now)), (891, (99_100, 0)));
}

/// One thread's traffic; the rows of what it settled.
fn traffic(gate: &Gate, seed: u64, now: Now, rows: &Mutex<Rows>) {
    let mut random = SmallRng::seed_from_u64(seed);
    for _ in 0..1_500 {
        let secret = format!("sk-{}", random.random_range(0..6));
        let who = who(gate, &secret, now);
        let bound = PriceBound {
            fixed: pico(random.random_range(0..300)),
            per_output_token: pico(random.random_range(0..5)),
            output_tokens: random.random_range(0..100),
            clamp_to: random.random_bool(0.5).then_some(1),
        };
        let facts =
            Facts { model: "m", alias_of: None, route: "/", tags: &[], tokens: 0, bound: Some(bound) };
        let Ok(mut grant) = gate.try_admit(&who, &facts, now) else { continue };
        let mut attempts = Vec::new();
        for provider in ["p", "q"] {
            attempts.extend(grant.try_attempt(provider, Some(&bound), now).ok());
        }
        for mut attempt in attempts {
            attempt.sent();
            let amount = pico(random.random_range(0..=attempt.amount().pico()));
            match random.random_range(0..4) {
                0 => attempt.release(),
                1 => {
                    attempt.received(amount);
                    drop(attempt);
                }
                _ => {
                    let settled = attempt.settle(Charge::reported(amount));
                    rows.lock().unwrap().add(&settled);
                }
            }
        }
    }
}

#[test]
fn threads_never_exceed_a_budget_and_the_books_balance() {
    let mut changes = vec![
        put("global", with_budgets(total(900_000))),
        put("organisation:o", with_budgets(total(700_000))),
        put("provider:p", with_budgets(total(400_000))),
        put("model:m", with_budgets(total(850_000))),
    ];
    for (team, limit) in [("t", 300_000), ("u", 500_000)] {
        let mut group = Group::new(with_budgets(total(limit)));
        group.organisation = Some("o".into());
        changes.push(Change::Put(Scope::Team(team.into()), Box::new(group)));
    }
    for nth in 0..6 {
        let mut key = key(&format!("sk-{nth}"), with_budgets(total(200_000)));
        key.team = (nth < 5).then(|| if nth < 3 { "t" } else { "u" }.into());
        changes.push(put_key(key));
    }
    let (gate, watch) = gate(changes);
    let now = at("2026-03-01T12:00:00Z");
    let (rows, done) = (Mutex::new(Rows::default()), AtomicBool::new(false));
    let mut looks = 0_usize;
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|seed| {
                let (gate, rows) = (&gate, &rows);
                scope.spawn(move || traffic(gate, seed as u64, now, rows))
            })
            .collect();
        let watching = scope.spawn(|| {
            let mut looks = 0;
            while !done.load(Ordering::Relaxed) {
                assert_within_limits(&gate, now);
                looks += 1;
            }
            looks
        });
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        done.store(true, Ordering::Relaxed);
        looks = watching.join().unwrap();
    });
    assert!(looks > 0);
    let events = watch.take();
    let mut rows = rows.into_inner().unwrap();
    rows.add_abandoned(&events);
    let spent: i128 = gate.all_budgets(now).iter().map(|view| view.settled.pico()).sum();
    assert!(spent > 1_000_000, "the budgets were hardly used: {spent}");
    assert_books_balance(&gate, rows, &events, now);
}
