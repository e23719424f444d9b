//! Limits at the gate: what a client is told, what is given back, and what happens when a shared store is away.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use llm_governance::limit::{LimitAsk, LimitDecision, LocalLimits};
use llm_governance::{
    Budget, Directory, Error, Facts, Gate, LimitStore, Limits, ModelLimits, Now, OnFailure, Period,
    PriceBound, Terms,
};
use llm_types::ErrorKind;

use crate::harness::{at, costing, gate, key, pico, put, put_key, who};

fn limits(rpm: u64, tpm: u64, parallel: u32) -> Terms {
    let limits = Limits { rpm: Some(rpm), tpm: Some(tpm), parallel: Some(parallel) };
    Terms { limits, ..Terms::default() }
}

#[test]
fn what_a_client_is_told_is_true() {
    let mut of_key = key("sk-1", limits(100, 1_000, 100));
    of_key.team = Some("t".into());
    let (gate, _) = gate([put("team:t", limits(2, 100_000, 100)), put_key(of_key)]);
    let now = at("2026-03-01T12:00:00Z");
    let who = who(&gate, "sk-1", now);
    let facts = Facts { tokens: 300, ..costing(0) };
    let grant = gate.try_admit(&who, &facts, now).unwrap();
    // Of each kind the tightest: requests of the team, tokens of the key.
    let left = grant.rate_limits();
    assert_eq!((left.requests.limit, left.requests.left), (Some(2), Some(1)));
    assert_eq!((left.tokens.limit, left.tokens.left), (Some(1_000), Some(700)));
    assert_eq!(left.requests.reset, Some(Duration::from_secs(30)));
    grant.finish(500, now);
    let second = gate.try_admit(&who, &facts, now).unwrap();
    assert_eq!(second.rate_limits().tokens.left, Some(200));
    let refused = gate.try_admit(&who, &facts, now).unwrap_err();
    let wait = refused.error.retry_after.unwrap();
    assert_eq!((refused.error.kind, wait), (ErrorKind::RateLimit, Duration::from_secs(30)));
    let words = &refused.error.message;
    assert!(words.contains("2 requests a minute for team:t") && words.contains("30 s"), "{words}");
    assert_eq!(refused.left.requests.left, Some(0));
    // It says when: not a moment earlier.
    assert!(gate.try_admit(&who, &facts, now.after(wait - Duration::from_millis(1))).is_err());
    assert!(gate.try_admit(&who, &facts, now.after(wait)).is_ok());
}

#[test]
fn a_refusal_by_a_budget_gives_the_place_back() {
    let mut terms = limits(1, 100, 1);
    terms.budgets.push(Budget::hard(pico(10), Period::Day));
    let (gate, _) = gate([put_key(key("sk-1", terms))]);
    let now = at("2026-03-01T12:00:00Z");
    let who = who(&gate, "sk-1", now);
    for _ in 0..3 {
        let refused = gate.try_admit(&who, &Facts { tokens: 100, ..costing(11) }, now).unwrap_err();
        assert_eq!(refused.error.kind, ErrorKind::Budget);
    }
    let mut grant = gate.try_admit(&who, &Facts { tokens: 100, ..costing(10) }, now).unwrap();
    let refused = gate.try_admit(&who, &costing(0), now).unwrap_err();
    assert_eq!(refused.error.kind, ErrorKind::RateLimit);
    // Dropped after an attempt: the tokens count as used.
    drop(grant.try_attempt("p", Some(&PriceBound::fixed(pico(10))), now).unwrap());
    drop(grant);
    let later = now.after(Duration::from_secs(61));
    let grant = gate.try_admit(&who, &Facts { tokens: 100, ..costing(10) }, later).unwrap();
    assert_eq!(grant.rate_limits().tokens.left, Some(0));
}

fn of_models(limits: &[(&str, u64)]) -> Terms {
    let of = |(model, rpm): &(&str, u64)| ModelLimits {
        model: (*model).into(),
        limits: Limits { rpm: Some(*rpm), ..Limits::default() },
    };
    Terms { model_limits: limits.iter().map(of).collect(), ..Terms::default() }
}

#[test]
fn single_models_have_limits_of_their_own() {
    let terms = of_models(&[("smart", 2), ("open*", 1)]);
    let of_model = Limits { rpm: Some(3), ..Limits::default() };
    let of_model = Terms { limits: of_model, ..Terms::default() };
    let (gate, _) = gate([put_key(key("sk-1", terms)), put("model:cheap", of_model)]);
    let now = at("2026-03-01T12:00:00Z");
    let who = who(&gate, "sk-1", now);
    let ask = |model, alias_of| {
        let grant = gate.try_admit(&who, &Facts { model, alias_of, ..costing(0) }, now);
        grant.map(|grant| grant.finish(0, now)).map_err(|refused| refused.error.message.clone())
    };
    assert!(ask("smart", None).is_ok() && ask("clever", Some("smart")).is_ok());
    let words = ask("clever", Some("smart")).unwrap_err();
    assert!(words.contains("for key:") && words.contains("the model `smart`"), "{words}");
    // Together, by the pattern.
    assert!(ask("open-1", None).is_ok() && ask("open-2", None).is_err());
    // Once, whatever it is called, and for everybody.
    for _ in 0..3 {
        ask("cheap", Some("cheap")).unwrap();
    }
    assert!(ask("penny", Some("cheap")).unwrap_err().contains("for model:cheap"));
    assert!(ask("other", None).is_ok());
    // What is counted goes on under other limits of the same model.
    gate.directory().apply([put_key(key("sk-1", of_models(&[("smart", 3)])))]).unwrap();
    let who = crate::harness::who(&gate, "sk-1", now);
    let left = gate.try_admit(&who, &Facts { model: "smart", ..costing(0) }, now).unwrap();
    assert_eq!(left.rate_limits().requests.left, Some(0));
    assert!(gate.try_admit(&who, &Facts { model: "open-2", ..costing(0) }, now).is_ok());
}

/// A store that cannot be reached.
#[derive(Debug)]
struct Away;

#[async_trait]
impl LimitStore for Away {
    async fn take(&self, _: u64, _: &[LimitAsk], _: u64) -> Result<LimitDecision, Error> {
        Err(Error::Store("no route to host".into()))
    }

    fn end(&self, _: u64, _: &[LimitAsk], _: u64, _: Option<u64>) {}
}

fn sharing(store: Arc<dyn LimitStore>, on_failure: OnFailure) -> Gate {
    let directory = Directory::new();
    directory
        .apply([put_key(key("sk-1", limits(2, 1_000, 1))), put_key(key("sk-2", Terms::default()))])
        .unwrap();
    Gate::new(Arc::new(directory)).sharing_limits(store, on_failure)
}

/// As many as are let in at once, and the status of the next.
fn let_in(gates: &[&Gate], secret: &str) -> (usize, Option<u16>) {
    let mut count = 0;
    loop {
        let gate = gates[count % gates.len()];
        let who = who(gate, secret, Now::read());
        match gate.admit(&who, &costing(0)).now_or_never().unwrap() {
            // A place at a time; the requests of the minute stay counted.
            Ok(grant) => grant.finish(10, Now::read()),
            Err(refused) => return (count, Some(refused.error.status().as_u16())),
        }
        count += 1;
        if count == 20 {
            return (count, None);
        }
    }
}

#[test]
fn limits_are_shared_through_a_store() {
    let store: Arc<dyn LimitStore> = Arc::new(LocalLimits::default());
    let one = sharing(Arc::clone(&store), OnFailure::Refuse);
    let two = sharing(store, OnFailure::Refuse);
    assert_eq!(let_in(&[&one, &two], "sk-1"), (2, Some(429)));
    assert_eq!(let_in(&[&one, &two], "sk-2"), (20, None));
}

#[test]
fn without_the_store_a_node_counts_for_itself_or_refuses() {
    let local = sharing(Arc::new(Away), OnFailure::Local);
    assert_eq!(let_in(&[&local], "sk-1"), (2, Some(429)));
    let closed = sharing(Arc::new(Away), OnFailure::Refuse);
    assert_eq!(let_in(&[&closed], "sk-1"), (0, Some(503)));
    // Who has no limits does not depend on the store.
    assert_eq!(let_in(&[&closed], "sk-2"), (20, None));
}
