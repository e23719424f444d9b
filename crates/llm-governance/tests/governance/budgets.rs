//! Budgets one step at a time: nesting, windows, clamping, overruns, thresholds, what dropping does.

use std::time::Duration;

use llm_governance::{
    Basis, Budget, Change, Charge, Event, Group, Mode, Period, PriceBound, Scope, Terms, Window,
};
use llm_types::ErrorKind;

use crate::harness::{at, costing, facts, gate, key, pico, put, put_key, stand, who, with_budgets};

const NOON: &str = "2026-03-01T12:00:00Z";

fn hard(limit: i128) -> Budget {
    Budget::hard(pico(limit), Period::Day)
}

fn terms(limit: i128) -> Terms {
    with_budgets([hard(limit)])
}

#[test]
fn a_request_must_fit_into_every_budget_it_falls_under() {
    let mut of_key = key("sk-1", terms(1_000));
    of_key.team = Some("t".into());
    let mut team = Group::new(terms(700));
    team.organisation = Some("o".into());
    let (gate, _) = gate([
        put("organisation:o", terms(500)),
        Change::Put(Scope::Team("t".into()), Box::new(team)),
        put("global", terms(2_000)),
        put("model:m", terms(2_000)),
        put("provider:p", terms(100)),
        put_key(of_key),
    ]);
    let now = at(NOON);
    let who = who(&gate, "sk-1", now);
    let refused = gate.try_admit(&who, &costing(501), now).unwrap_err();
    assert_eq!((refused.error.kind, refused.error.status().as_u16()), (ErrorKind::Budget, 402));
    assert!(refused.error.message.contains("organisation:o"), "{}", refused.error);
    // Nothing was taken by the refusal.
    let mut grant = gate.try_admit(&who, &costing(500), now).unwrap();
    let scopes = ["organisation:o", "team:t", "global", "model:m"];
    let key_scope = format!("key:{}", who.key_id().unwrap());
    for scope in scopes.into_iter().chain([&*key_scope]) {
        assert_eq!(stand(&gate, scope, now), (0, 500), "{scope}");
    }
    // The provider's budget is met once the provider is known; the grant stays as it is.
    let bound = PriceBound::fixed(pico(101));
    let refused = grant.try_attempt("p", Some(&bound), now).unwrap_err();
    assert!(refused.error.message.contains("provider:p"), "{}", refused.error);
    assert_eq!(stand(&gate, "team:t", now), (0, 500));
    // The first attempt takes over what was reserved, at its own bound; the second needs its own.
    let first = grant.try_attempt("q", Some(&PriceBound::fixed(pico(450))), now).unwrap();
    assert_eq!(stand(&gate, "organisation:o", now), (0, 450));
    let second = grant.try_attempt("p", Some(&PriceBound::fixed(pico(50))), now).unwrap();
    assert_eq!((stand(&gate, "organisation:o", now), stand(&gate, "provider:p", now)), ((0, 500), (0, 50)));
    assert!(grant.try_attempt("q", Some(&PriceBound::fixed(pico(1))), now).is_err());
    let settled = second.settle(Charge::reported(pico(20)));
    assert_eq!((settled.bookings.len(), settled.overrun), (6, false));
    first.release();
    drop(grant);
    assert_eq!((stand(&gate, "global", now), stand(&gate, "provider:p", now)), ((20, 0), (20, 0)));
}

#[test]
fn what_was_sent_is_charged_and_what_was_not_is_given_back() {
    let (gate, watch) = gate([put_key(key("sk-1", terms(1_000)))]);
    let now = at(NOON);
    let who = who(&gate, "sk-1", now);
    let scope = format!("key:{}", who.key_id().unwrap());
    let start = || gate.try_admit(&who, &costing(100), now).unwrap();
    let bound = PriceBound::fixed(pico(100));
    drop(start());
    drop(start().try_attempt("p", Some(&bound), now).unwrap());
    assert_eq!(stand(&gate, &scope, now), (0, 0));
    let mut sent = start().try_attempt("p", Some(&bound), now).unwrap();
    sent.sent();
    drop(sent);
    assert_eq!(stand(&gate, &scope, now), (100, 0));
    let mut cut = start().try_attempt("p", Some(&bound), now).unwrap();
    cut.sent();
    cut.received(pico(7));
    drop(cut);
    assert_eq!(stand(&gate, &scope, now), (107, 0));
    let bases: Vec<_> = watch
        .take()
        .into_iter()
        .filter_map(|event| match event {
            Event::Abandoned(settled) => Some((settled.basis, settled.amount.pico())),
            _ => None,
        })
        .collect();
    assert_eq!(bases, [(Basis::Reserved, 100), (Basis::Received, 7)]);
}

#[test]
fn answers_are_shortened_to_what_is_affordable() {
    let (gate, _) = gate([put_key(key("sk-1", terms(1_000)))]);
    let now = at(NOON);
    let who = who(&gate, "sk-1", now);
    let bound =
        PriceBound { fixed: pico(100), per_output_token: pico(10), output_tokens: 4_096, clamp_to: Some(16) };
    let grant = gate.try_admit(&who, &facts(Some(bound)), now).unwrap();
    assert_eq!(grant.output_limit(), Some(90));
    let refused = gate.try_admit(&who, &facts(Some(bound)), now).unwrap_err();
    assert_eq!(refused.error.kind, ErrorKind::Budget);
    drop(grant);
    // The caller's own limit stays.
    let own = PriceBound { clamp_to: None, ..bound };
    assert!(gate.try_admit(&who, &facts(Some(own)), now).is_err());
    let small = PriceBound { output_tokens: 90, ..own };
    let grant = gate.try_admit(&who, &facts(Some(small)), now).unwrap();
    assert_eq!(grant.output_limit(), None);
    // Shortened again for a dearer provider, in exchange for what the grant held.
    let mut grant = grant;
    let dear = PriceBound { per_output_token: pico(30), ..bound };
    let attempt = grant.try_attempt("p", Some(&dear), now).unwrap();
    assert_eq!((attempt.output_limit(), attempt.amount()), (Some(30), pico(1_000)));
}

#[test]
fn without_a_bound_only_soft_budgets_let_in() {
    let soft = Budget::new(pico(10), Window::utc(Period::Day), Mode::Soft);
    let (gate, watch) = gate([
        put_key(key("sk-hard", terms(1_000))),
        put_key(key("sk-soft", with_budgets([soft]))),
        put_key(key("sk-none", Terms::default())),
    ]);
    let now = at(NOON);
    let refused = gate.try_admit(&who(&gate, "sk-hard", now), &facts(None), now).unwrap_err();
    assert_eq!(refused.error.public_code(), Some("cost_unbounded"));
    drop(gate.try_admit(&who(&gate, "sk-none", now), &facts(None), now).unwrap());
    let soft = who(&gate, "sk-soft", now);
    for _ in 0..3 {
        let mut grant = gate.try_admit(&soft, &facts(None), now).unwrap();
        let attempt = grant.try_attempt("p", None, now).unwrap();
        assert!(attempt.settle(Charge::reported(pico(7))).overrun);
    }
    let told: Vec<_> = watch
        .take()
        .into_iter()
        .filter_map(|event| match event {
            Event::Threshold { percent, spent, .. } => Some((percent, spent.pico())),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(50, 7), (80, 14), (100, 14)]);
}

#[test]
fn an_overrun_is_booked_and_closes_the_budget() {
    let (gate, watch) = gate([put_key(key("sk-1", terms(100)))]);
    let now = at(NOON);
    let who = who(&gate, "sk-1", now);
    let mut grant = gate.try_admit(&who, &costing(100), now).unwrap();
    let attempt = grant.try_attempt("p", Some(&PriceBound::fixed(pico(100))), now).unwrap();
    let settled = attempt.settle(Charge::reported(pico(130)));
    assert!(settled.overrun);
    let by = watch.take().into_iter().find_map(|event| match event {
        Event::Overrun { by, .. } => Some(by.pico()),
        _ => None,
    });
    assert_eq!(by, Some(30));
    // Above its limit it lets nothing in, not even what is free.
    assert!(gate.try_admit(&who, &costing(0), now).is_err());
    let later = at("2026-03-02T00:00:00Z");
    assert!(gate.try_admit(&who, &costing(100), later).is_ok());
}

#[test]
fn an_attempt_counts_in_the_window_it_was_reserved_in() {
    let week = Budget::new(pico(150), Window::utc(Period::Week), Mode::Hard);
    let (gate, watch) = gate([put_key(key("sk-1", with_budgets([hard(100), week])))]);
    // A Sunday.
    let (now, later) = (at("2026-03-01T23:59:59Z"), at("2026-03-02T00:00:00Z"));
    let who = who(&gate, "sk-1", now);
    let mut grant = gate.try_admit(&who, &costing(90), now).unwrap();
    let attempt = grant.try_attempt("p", Some(&PriceBound::fixed(pico(90))), now).unwrap();
    // Both windows are new, and the old ones still hold.
    let mut full = gate.try_admit(&who, &costing(100), later).unwrap();
    let scope = Scope::Key(who.key_id().unwrap());
    let views = gate.budgets(&scope, later);
    assert_eq!(views.iter().map(|view| view.reserved.pico()).collect::<Vec<_>>(), [100, 100]);
    assert_eq!(views.iter().map(|view| view.reserved_earlier.pico()).collect::<Vec<_>>(), [90, 90]);
    let settled = attempt.settle(Charge::reported(pico(60)));
    assert_eq!(settled.bookings[0].start, "2026-03-01T00:00:00Z".parse().unwrap());
    let closed: Vec<_> =
        watch.take().into_iter().filter(|event| matches!(event, Event::Closed { .. })).collect();
    assert_eq!(closed.len(), 2, "{closed:?}");
    assert_eq!(gate.budgets(&scope, later)[0].settled, pico(0));
    // The clock is set back: the window that is over stays over.
    assert!(gate.try_admit(&who, &costing(1), now).is_err());
    // What the grant holds moves to the window of its attempt.
    let next = at("2026-03-03T00:00:00Z");
    let moved = full.try_attempt("p", Some(&PriceBound::fixed(pico(50))), next).unwrap();
    let views = gate.budgets(&scope, next);
    let held: Vec<_> =
        views.iter().map(|view| (view.reserved.pico(), view.reserved_earlier.pico())).collect();
    assert_eq!(held, [(50, 0), (50, 0)]);
    moved.release();
}

#[test]
fn changed_terms_keep_what_is_counted() {
    let (gate, _) = gate([put_key(key("sk-1", terms(100)))]);
    let now = at(NOON);
    let spend = |amount| {
        let who = who(&gate, "sk-1", now);
        let mut grant = gate.try_admit(&who, &costing(amount), now)?;
        let attempt = grant.try_attempt("p", Some(&PriceBound::fixed(pico(amount))), now)?;
        Ok::<_, llm_governance::Refusal>(attempt.settle(Charge::reported(pico(amount))))
    };
    spend(90).unwrap();
    assert!(spend(20).is_err());
    let before = who(&gate, "sk-1", now);
    gate.directory().apply([put_key(key("sk-1", terms(120)))]).unwrap();
    spend(20).unwrap();
    // Whoever still has the old terms changes nothing back, and meets the same count.
    assert!(gate.try_admit(&before, &costing(11), now).is_err());
    assert!(gate.try_admit(&before, &costing(10), now).is_ok());
    gate.directory().replace([put_key(key("sk-1", terms(115)))]).unwrap();
    assert!(spend(6).is_err());
    spend(5).unwrap();
    // A budget that only tells now, and refuses again later, has spent what it has spent.
    let soft = Budget { mode: Mode::Soft, ..hard(115) };
    gate.directory().apply([put_key(key("sk-1", with_budgets([soft])))]).unwrap();
    spend(50).unwrap();
    gate.directory().apply([put_key(key("sk-1", terms(170)))]).unwrap();
    assert!(spend(6).is_err());
    spend(5).unwrap();
    // A key that was gone and comes back begins anew.
    let id = before.key_id().unwrap();
    gate.directory().apply([Change::RemoveKey(id)]).unwrap();
    gate.directory().apply([put_key(key("sk-1", terms(100)))]).unwrap();
    spend(100).unwrap();
}

#[test]
fn a_refusal_says_what_to_do_and_what_may_answer_instead() {
    let mut budget = hard(2_000_000_000_000);
    budget.fallbacks = vec!["cheap".into(), "free".into()];
    let (gate, _) = gate([put_key(key("sk-1", with_budgets([budget])))]);
    let now = at(NOON);
    let who = who(&gate, "sk-1", now);
    let held = gate.try_admit(&who, &costing(1_500_000_000_000), now).unwrap();
    let refused = gate.try_admit(&who, &costing(700_000_000_000), now).unwrap_err();
    assert_eq!(refused.instead.iter().map(|model| &**model).collect::<Vec<_>>(), ["cheap", "free"]);
    let words = &refused.error.message;
    assert!(words.contains("2.00 USD") && words.contains("yet cost 1.5 USD"), "{words}");
    assert!(words.contains("when those have ended"), "{words}");
    drop(held);
    let refused = gate.try_admit(&who, &costing(2_700_000_000_000), now).unwrap_err();
    assert!(refused.error.message.contains("until 2026-03-02T00:00:00Z"), "{}", refused.error);
    assert!(gate.try_admit(&who, &costing(0), now.after(Duration::from_secs(1))).is_ok());
}
