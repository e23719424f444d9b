//! What admission costs: alone, and a whole request from its key to its settlement.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use llm_governance::{
    Budget, Change, Charge, Directory, Facts, Gate, Group, Key, KeyHash, KeyId, Limits, Now, Period,
    PriceBound, Scope, Terms,
};
use llm_types::PicoUsd;

const SECRET: &str = "sk-0123456789abcdefghijklmnopqrstuvwxyz0123456";

fn metered() -> Terms {
    let limits = Limits { rpm: Some(90_000_000_000), tpm: Some(90_000_000_000), parallel: Some(1_000) };
    let limit = PicoUsd::from_pico(1_000_000_000_000_000_000);
    Terms { limits, budgets: vec![Budget::hard(limit, Period::Day)], ..Terms::default() }
}

/// A key in a team of an organisation, each with these terms.
fn gate(terms: fn() -> Terms) -> Gate {
    let directory = Directory::new();
    let mut team = Group::new(terms());
    team.organisation = Some("o".into());
    let key = Key::new(KeyId::of_name("bench"), KeyHash::of(SECRET));
    let key = Key { terms: Arc::new(terms()), team: Some("t".into()), ..key };
    let changes = [
        Change::Put(Scope::Team("t".into()), Box::new(team)),
        Change::Put(Scope::Organisation("o".into()), Box::new(Group::new(terms()))),
        Change::PutKey(Box::new(key)),
    ];
    directory.apply(changes).unwrap_or_default();
    Gate::new(Arc::new(directory))
}

fn facts() -> Facts<'static> {
    let bound = PriceBound {
        fixed: PicoUsd::from_pico(2_000_000_000),
        per_output_token: PicoUsd::from_pico(15_000_000),
        output_tokens: 1_000,
        clamp_to: Some(1),
    };
    Facts {
        model: "gpt-4o",
        alias_of: None,
        route: "/v1/chat/completions",
        tags: &[],
        tokens: 100,
        bound: Some(bound),
    }
}

fn admit(c: &mut Criterion) {
    let now = Now::read();
    for (name, terms) in [("free", Terms::default as fn() -> Terms), ("three budgets and limits", metered)] {
        let gate = gate(terms);
        let facts = facts();
        let Ok(who) = gate.directory().authenticate(SECRET, None, now) else { return };
        c.bench_function(&format!("authenticate, {name}"), |b| {
            b.iter(|| black_box(gate.directory().authenticate(black_box(SECRET), None, now).is_ok()));
        });
        c.bench_function(&format!("admit, {name}"), |b| {
            b.iter(|| {
                gate.try_admit(&who, black_box(&facts), now).map(|grant| grant.finish(100, now)).is_ok()
            });
        });
        c.bench_function(&format!("admit, attempt and settle, {name}"), |b| {
            b.iter(|| {
                let mut grant = gate.try_admit(&who, black_box(&facts), now).ok()?;
                let mut attempt = grant.try_attempt("openai", facts.bound.as_ref(), now).ok()?;
                attempt.sent();
                let settled = attempt.settle(Charge::reported(PicoUsd::ZERO));
                grant.finish(100, now);
                Some(settled)
            });
        });
    }
}

criterion_group!(benches, admit);
criterion_main!(benches);
