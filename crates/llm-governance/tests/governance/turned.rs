//! A request that turns to another model than it asked for: a fallback, its own or the group's.

use std::sync::Arc;

use futures_util::FutureExt as _;
use llm_governance::{
    Budget, Charge, Facts, Grant, Limits, ModelLimits, Period, PriceBound, Scope, Seating, Terms,
};
use llm_types::ErrorKind;

use crate::harness::{at, costing, gate, key, pico, put, put_key, stand, who, with_budgets};

const NOON: &str = "2026-03-01T12:00:00Z";

fn terms(limit: i128) -> Terms {
    with_budgets([Budget::hard(pico(limit), Period::Day)])
}

#[test]
fn a_model_that_a_request_turns_to_has_its_budgets_and_limits() {
    let one = Limits { parallel: Some(1), ..Limits::default() };
    let model_limits = vec![ModelLimits { model: "dear*".into(), limits: one }];
    let of_key = key("sk-1", Terms { model_limits, ..terms(1_000_000) });
    let (gate, _) = gate([put("model:cheap", terms(1_000)), put("model:dear", terms(100)), put_key(of_key)]);
    let now = at(NOON);
    let who = who(&gate, "sk-1", now);
    let start = || gate.try_admit(&who, &Facts { model: "cheap", ..costing(0) }, now).unwrap();
    let turn = |grant: &mut Grant, models: &[&str]| {
        let models: Vec<Arc<str>> = models.iter().map(|model| Arc::from(*model)).collect();
        grant.turn_to(&models).now_or_never().unwrap()
    };
    let bound = PriceBound::fixed(pico(60));
    let mut first = start();
    turn(&mut first, &["dear"]).unwrap();
    let attempt = first.try_attempt("p", Some(&bound), now).unwrap();
    assert_eq!((stand(&gate, "model:cheap", now), stand(&gate, "model:dear", now)), ((0, 60), (0, 60)));
    // There is no money for another there; back at the model that was asked for there is.
    turn(&mut first, &["dear", "dear-1"]).unwrap();
    let refused = first.try_attempt("p", Some(&bound), now).unwrap_err();
    assert!(refused.error.message.contains("model:dear"), "{}", refused.error);
    turn(&mut first, &[]).unwrap();
    let other = first.try_attempt("p", Some(&bound), now).unwrap();
    assert_eq!((stand(&gate, "model:cheap", now), stand(&gate, "model:dear", now)), ((0, 120), (0, 60)));
    other.release();
    // Its place is taken until it ends, also when it turned back.
    let mut second = start();
    let refused = turn(&mut second, &["dear"]).unwrap_err();
    assert_eq!(refused.error.kind, ErrorKind::RateLimit);
    assert!(second.try_attempt("p", Some(&bound), now).is_ok(), "it stays as it is");
    let settled = attempt.settle(Charge::reported(pico(10)));
    assert_eq!(settled.bookings.len(), 3);
    drop(first);
    turn(&mut second, &["dear"]).unwrap();
}

#[test]
fn what_is_within_a_request_pays_for_itself_and_what_nobody_let_in_is_booked() {
    let limits = Limits { rpm: Some(2), parallel: Some(1), ..Limits::default() };
    let (gate, _) = gate([put_key(key("sk-1", Terms { limits, ..terms(100) }))]);
    let now = at(NOON);
    let asks = who(&gate, "sk-1", now);
    let facts = costing(0);
    let mut session = gate.enter(&asks, &facts).now_or_never().unwrap().unwrap();
    let within = |seating| gate.enter_as(&asks, &facts, seating).now_or_never().unwrap();
    let bound = PriceBound::fixed(pico(60));
    let mut first = within(Seating::First).unwrap();
    let running = first.try_attempt("p", Some(&bound), now).unwrap();
    let mut second = within(Seating::Within).unwrap();
    assert_eq!(second.try_attempt("p", Some(&bound), now).unwrap_err().error.kind, ErrorKind::Budget);
    assert_eq!(within(Seating::Within).unwrap_err().error.kind, ErrorKind::RateLimit);
    let stray = session.attempt_begun("p").settle(Charge::reported(pico(70)));
    assert!(stray.overrun && stray.bookings.len() == 1, "{stray:?}");
    let settled = running.settle(Charge::reported(pico(50)));
    assert!(!settled.overrun, "{settled:?}");
    let scope = Scope::Key(asks.key_id().unwrap()).to_string();
    assert_eq!(stand(&gate, &scope, now), (120, 0));
}

#[test]
fn the_headers_tell_the_limits_of_the_model_that_it_turned_to_as_well() {
    let of = |rpm| Terms { limits: Limits { rpm: Some(rpm), ..Limits::default() }, ..Terms::default() };
    let all = [put("model:cheap", of(10)), put("model:dear", of(3)), put("model:free", of(50))];
    let (gate, _) = gate(all.into_iter().chain([put_key(key("sk-1", Terms::default()))]));
    let now = at(NOON);
    let who = who(&gate, "sk-1", now);
    let mut grant = gate.try_admit(&who, &Facts { model: "cheap", ..costing(0) }, now).unwrap();
    for (model, limit, left) in [("free", 10, 9), ("dear", 3, 2)] {
        grant.turn_to(&[Arc::from(model)]).now_or_never().unwrap().unwrap();
        let told = grant.rate_limits().requests;
        assert_eq!((told.limit, told.left), (Some(limit), Some(left)), "{model}");
    }
}
