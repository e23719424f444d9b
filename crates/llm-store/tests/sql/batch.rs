//! A batch has the money of its hard budgets for itself, and of all who see its end one books it.

use std::time::Duration;

use llm_governance::lease::SliceAsk;
use llm_governance::{Ledger as _, Mode, Scope};
use llm_store::{OpenBatch, SqlError};
use tokio::task::JoinSet;

use crate::harness::{Place, both, pico, row, window};

both!(
    its_money_outlives_its_gateway_and_is_booked_once,
    whoever_asks_first_looks_at_it,
    who_follows_it_and_who_finds_it_book_it_once,
);

const HOUR: Duration = Duration::from_secs(3600);

async fn its_money_outlives_its_gateway_and_is_booked_once(place: Place) {
    let store = place.open().await;
    let row = row("r1", 1, 300);
    let windows = row.bookings.to_vec();
    let hard = window(Scope::Team("search".into()), Mode::Hard, row.time);
    assert_eq!(hard, windows[0]);
    let ask = SliceAsk {
        node: "maker".into(),
        window: hard.clone(),
        end: hard.budget.window.span(hard.start).end,
        limit: pico(10_000),
        fixed: false,
        held: pico(0),
        missing: pico(1_000),
        least: pico(1_000),
        time: Duration::ZERO,
    };
    assert_eq!(store.acquire(&ask).await.unwrap().amount, pico(1_000));
    let batch = OpenBatch {
        request: "r1",
        body: "{}",
        amount: pico(1_000),
        windows: &windows,
        hold: HOUR,
        first: HOUR,
    };
    store.open_batch("maker", &batch).await.unwrap();
    assert!(store.open_batch("maker", &batch).await.is_err(), "it is there already");
    assert_eq!(store.batch("r1").await.unwrap().as_deref(), Some("{}"));
    // Who made it is gone: nothing is unknown, for the batch has its money.
    store.expire(Duration::ZERO).await.unwrap();
    let found = store.windows(&hard.budget.scope, row.time).await.unwrap();
    assert_eq!((found[0].held, found[0].view.unknown), (pico(1_000), pico(0)), "{found:?}");
    assert_eq!(found[0].view.committed, pico(1_000));

    let mut all = JoinSet::new();
    for _ in 0..6 {
        let (store, row, windows) = (store.clone(), row.clone(), windows.clone());
        all.spawn(async move { store.close_batch("r1", &windows, Some(&row), HOUR).await.unwrap() });
    }
    let won = all.join_all().await;
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
    for window in &windows {
        let view = store.window(window).await.unwrap();
        assert_eq!((view.spent, view.committed, view.unknown), (pico(300), pico(300), pico(0)));
    }
    assert_eq!(store.batch("r1").await.unwrap(), None);
    // That is known for longer than the row.
    let later = row.time.checked_add(HOUR).unwrap();
    assert_eq!(store.retire(Some(later)).await.unwrap().rows, 1);
    assert!(store.is_batch_noted("r1").await.unwrap());
    assert!(!store.claim_batch("r1", "late", Duration::ZERO).await.unwrap(), "it is booked");
}

/// Who made it did not hear that it is in the store, and books it by itself; somebody else finds it there.
async fn who_follows_it_and_who_finds_it_book_it_once(place: Place) {
    let store = place.open().await;
    let row = |request: &str| row(request, 1, 300);
    for request in ["followed", "left", "found"] {
        let windows = row(request).bookings.to_vec();
        let (body, amount) = ("{}", pico(0));
        let batch = OpenBatch { request, body, amount, windows: &windows, hold: HOUR, first: HOUR };
        store.open_batch("maker", &batch).await.unwrap();
    }
    let close = async |request: &str, hold| {
        let row = row(request);
        store.close_batch(request, &row.bookings, Some(&row), hold).await
    };
    assert!(store.claim_batch("followed", "maker", HOUR).await.unwrap());
    assert!(matches!(close("followed", HOUR).await, Err(SqlError::Claimed)));
    assert!(store.batch("followed").await.unwrap().is_some(), "it is looked at again");
    store.note_batch("followed", "maker").await.unwrap();
    assert!(!close("followed", HOUR).await.unwrap(), "its row is the maker's");
    assert_eq!(store.batch("followed").await.unwrap(), None);
    // A maker that died in between left it to others.
    assert!(store.claim_batch("left", "maker", HOUR).await.unwrap());
    assert!(close("left", Duration::ZERO).await.unwrap());
    assert!(close("found", HOUR).await.unwrap());
    assert!(!store.claim_batch("found", "maker", HOUR).await.unwrap());
    let row = row("found");
    let view = store.window(&row.bookings[0]).await.unwrap();
    assert_eq!(view.spent, pico(600), "two of three were booked here");
}

async fn whoever_asks_first_looks_at_it(place: Place) {
    let store = place.open().await;
    for (request, first) in [("now", Duration::ZERO), ("later", HOUR)] {
        let batch = OpenBatch { request, body: request, amount: pico(0), windows: &[], hold: HOUR, first };
        store.open_batch("maker", &batch).await.unwrap();
    }
    let mut all = JoinSet::new();
    for _ in 0..6 {
        let store = store.clone();
        all.spawn(async move { store.due_batches(None, 10, HOUR).await.unwrap().bodies });
    }
    let due: Vec<String> = all.join_all().await.concat();
    assert!(due.contains(&"now".to_owned()) && !due.contains(&"later".to_owned()), "{due:?}");
    // A page at a time.
    let (mut all, mut after) = (Vec::new(), Some(String::new()));
    while let Some(from) = after {
        let due = store.due_batches(Some(&from), 1, HOUR).await.unwrap();
        all.extend(due.bodies);
        after = due.next;
    }
    assert_eq!(all, ["later", "now"]);
    // Whoever starts looks at all of them; the next look is due when it is.
    assert!(!store.due_batches(None, 10, HOUR).await.unwrap().bodies.contains(&"later".to_owned()));
}
