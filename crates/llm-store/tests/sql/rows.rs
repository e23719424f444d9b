//! Rows: each once, in the database as it was given, and in the counters of its budgets.

use llm_governance::report::{PageAsk, RowFilter};
use llm_governance::{Mode, Scope};
use llm_store::Stored;
use tokio::time::timeout;

use crate::harness::{Place, SOON, both, pico, row, running, window};

both!(
    a_row_is_kept_whole,
    rows_count_once,
    what_was_not_stored_is_replayed,
    more_than_memory_holds_waits_in_the_journal,
    a_row_that_is_refused_stops_no_other,
    a_name_that_was_used_before_loses_nothing,
);

async fn a_row_is_kept_whole(place: Place) {
    let store = place.open().await;
    let (writer, _task) = place.writer(&store, "n1");
    let mut one = row("r\0 1", 1, 1_234_567_890_123);
    one.served.model_asked = "x".repeat(100_000).into();
    one.error = Some(llm_types::ErrorKind::RateLimit);
    assert_eq!(timeout(SOON, writer.try_append(&one)).await.unwrap(), Stored::Journal);
    assert!(writer.flush(SOON).await);
    let page = store.rows(&RowFilter::default(), &PageAsk::default()).await.unwrap();
    let [kept] = &*page.items else { panic!("{page:?}") };
    assert_eq!((&*kept.request, kept.attempt, kept.time), ("r\u{fffd} 1", 1, one.time));
    assert_eq!((kept.cost, &kept.usage), (one.cost, &one.usage));
    assert_eq!((&*kept.team, &*kept.key, &*kept.node), ("search", "", "n1"));
    assert_eq!(kept.model_asked.len(), 256);
    assert_eq!(kept.error.as_deref(), Some("rate_limit"));
    assert_eq!(kept.items, [("input".to_owned(), 100, Some(one.cost))]);
    assert_eq!(
        kept.booked,
        ["team:search/day/hard@2026-11-21T00:00:00Z", "global/day/soft@2026-11-21T00:00:00Z"]
    );
    assert_eq!((kept.latency, kept.first_token), (one.latency, one.first_token));
    assert!(store.rate("r\u{fffd} 1", 0.75).await.unwrap());
    assert!(!store.rate("nobody", 0.75).await.unwrap());
    let page =
        store.rows(&RowFilter { failed: true, ..RowFilter::default() }, &PageAsk::default()).await.unwrap();
    assert_eq!(page.items.first().and_then(|row| row.quality), Some(0.75));
}

async fn rows_count_once(place: Place) {
    let store = place.open().await;
    let (writer, task) = place.writer(&store, "n1");
    for nth in 0..500 {
        // Some requests have two attempts.
        drop(writer.try_append(&row(&format!("r{}", nth / 2), 1 + nth % 2, i128::from(nth))));
    }
    assert!(writer.flush(SOON).await);
    // What a life that was killed leaves behind may have been stored already: all of it, or the first part.
    task.abort();
    // Until it is gone it may store what follows.
    let _ = task.await;
    for nth in 500..600 {
        let receipt = writer.try_append(&row(&format!("r{}", nth / 2), 1 + nth % 2, i128::from(nth)));
        assert_eq!(receipt.await, Stored::Journal);
    }
    drop(writer);
    let (writer, task) = place.writer(&store, "n2");
    assert!(writer.drain(SOON).await);
    task.await.unwrap();
    let sum = pico((0..600).sum());
    let time = row("r", 1, 0).time;
    for mode in [Mode::Hard, Mode::Soft] {
        let scope = if mode == Mode::Hard { Scope::Team("search".into()) } else { Scope::Global };
        assert_eq!(store.window(&window(scope, mode, time)).await.unwrap().spent, sum);
    }
    let sums = store.spend(&Scope::Team("search".into())).await.unwrap();
    assert_eq!((sums.attempts, sums.requests, sums.cost), (600, 300, sum));
    let status = writer.status();
    assert_eq!((status.replayed, status.duplicates, status.waiting), (100, 0, 0), "only what was not stored");
    let (mut seen, mut ask) = (Vec::new(), Some(PageAsk::first(64)));
    while let Some(next) = ask {
        let page = store.rows(&RowFilter::default(), &next).await.unwrap();
        seen.extend(page.items.iter().map(|row| (row.request.clone(), row.attempt)));
        ask = next.after(&page);
    }
    assert_eq!(seen.len(), 600);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 600);
}

async fn what_was_not_stored_is_replayed(place: Place) {
    let store = place.open().await;
    // A life whose task never comes to anything.
    let (writer, task) = llm_store::RowWriter::start(&store, place.options("n1")).unwrap();
    for nth in 0..300 {
        assert_eq!(writer.try_append(&row(&format!("r{nth}"), 1, 7)).await, Stored::Journal);
    }
    drop((writer, task));
    // The next one stores half of what it has, and what is left.
    let (writer, task) = place.writer(&store, "n2");
    for nth in 300..400 {
        drop(writer.try_append(&row(&format!("r{nth}"), 1, 7)));
    }
    assert!(writer.drain(SOON).await);
    task.await.unwrap();
    assert_eq!(writer.status().replayed, 300);
    drop(writer);
    let team = Scope::Team("search".into());
    let day = window(team.clone(), Mode::Hard, row("r", 1, 0).time);
    assert_eq!(store.window(&day).await.unwrap().spent, pico(2800));
    let leases = store.leases(Some(&team), row("r", 1, 0).time).await.unwrap();
    let used: Vec<_> = leases.iter().map(|lease| (&*lease.node, lease.used)).collect();
    assert_eq!(used, [("n1", pico(2100)), ("n2", pico(700))], "each on the life that spent it");
    // Once more: there is nothing left.
    let (writer, task) = place.writer(&store, "n3");
    assert!(writer.drain(SOON).await);
    task.await.unwrap();
    assert_eq!(writer.status().replayed, 0);
    assert_eq!(store.window(&day).await.unwrap().spent, pico(2800));
}

async fn more_than_memory_holds_waits_in_the_journal(place: Place) {
    let store = place.open().await;
    let mut options = place.options("n1");
    (options.memory, options.batch) = (50, 20);
    let (writer, task) = llm_store::RowWriter::start(&store, options.clone()).unwrap();
    for nth in 0..2_000 {
        assert_eq!(writer.try_append(&row(&format!("r{nth}"), 1, 3)).await, Stored::Journal);
    }
    let task = tokio::spawn(task.run());
    for nth in 2_000..2_500 {
        assert_eq!(writer.try_append(&row(&format!("r{nth}"), 1, 3)).await, Stored::Journal);
    }
    assert!(writer.drain(SOON).await);
    task.await.unwrap();
    let status = writer.status();
    assert_eq!((status.stored, status.lost, status.duplicates), (2_500, 0, 0));
    let sums = store.spend(&Scope::Global).await.unwrap();
    assert_eq!((sums.attempts, sums.cost), (2_500, pico(7_500)));
    drop(writer);
    let (writer, _task) = running(&store, options);
    assert!(writer.drain(SOON).await);
    assert_eq!(writer.status().replayed, 0, "all was stored, so nothing was left");
}

async fn a_row_that_is_refused_stops_no_other(place: Place) {
    let store = place.open().await;
    let (writer, task) = place.writer(&store, "n1");
    for nth in 0..10 {
        let mut row = row(&format!("r{nth}"), 1, 7);
        match nth {
            3 => row.cost = llm_types::PicoUsd::MAX,
            // SQLite takes a zero byte, PostgreSQL does not.
            6 => {
                row.bookings =
                    [window(Scope::Team("a\0b".into()), Mode::Hard, row.time)].into_iter().collect()
            }
            _ => {}
        }
        drop(writer.try_append(&row));
    }
    assert!(writer.drain(SOON).await, "{:?}", writer.status());
    task.await.unwrap();
    let refused = if store.is_shared() { 2 } else { 1 };
    let status = writer.status();
    assert_eq!((status.stored, status.refused, status.waiting), (10 - refused, refused, 0));
    let sums = store.spend(&Scope::Global).await.unwrap();
    let left = 10 - refused;
    assert_eq!((sums.attempts, sums.cost), (left, pico(7 * i128::from(left))));
    let aside = std::fs::read_to_string(place.journal().join("refused.jsonl")).unwrap();
    assert_eq!(aside.lines().count(), usize::try_from(refused).unwrap());
    assert!(aside.contains(r#""request":"r3""#), "{aside}");
}

async fn a_name_that_was_used_before_loses_nothing(place: Place) {
    let store = place.open().await;
    for life in 0..3 {
        // One in the middle is not stored by its own life.
        let (writer, task) = llm_store::RowWriter::start(&store, place.options("n1")).unwrap();
        for nth in 0..5 {
            assert_eq!(writer.try_append(&row(&format!("{life}-{nth}"), 1, 7)).await, Stored::Journal);
        }
        if life != 1 {
            let task = tokio::spawn(task.run());
            assert!(writer.drain(SOON).await);
            task.await.unwrap();
        }
    }
    assert_eq!(store.spend(&Scope::Global).await.unwrap().cost, pico(15 * 7));
}
