//! Full disks, databases that are away, and gateways that write at once.

use llm_governance::lease::SliceAsk;
use llm_governance::report::{PageAsk, RowFilter};
use llm_governance::{Change, Group, KeyStore as _, Ledger as _, Mode, Revision, Scope, Terms};
use llm_store::{RowWriter, Stored};
use tokio::time::timeout;

use crate::harness::{Place, SOON, both, pico, row, run, running, window};

both!(a_full_disk_is_told_and_loses_nothing_while_memory_lasts, gateways_that_write_at_once_do_not_deadlock);

async fn a_full_disk_is_told_and_loses_nothing_while_memory_lasts(place: Place) {
    let store = place.open().await;
    let mut options = place.options("n1");
    (options.memory, options.journal_limit, options.batch) = (100, 20_000, 30);
    let (writer, task) = RowWriter::start(&store, options).unwrap();
    let mut kept = Vec::new();
    let mut counts = [0_u64; 3];
    for nth in 0..1_000 {
        let request = format!("r{nth}");
        match writer.try_append(&row(&request, 1, 5)).await {
            Stored::Journal => counts[0] += 1,
            Stored::Memory => counts[1] += 1,
            Stored::Lost => {
                counts[2] += 1;
                continue;
            }
        }
        kept.push(request);
    }
    let [journal, memory, lost] = counts;
    assert!(journal > 10 && memory > 10 && lost > 500, "{counts:?}");
    let status = writer.status();
    assert_eq!((status.lost, status.appended), (lost, 1_000));
    assert!(status.degraded.is_some_and(|why| why.contains("limit of 20000 bytes")));
    // The database comes, and the journal gets room again.
    let _task = tokio::spawn(task.run());
    assert!(writer.flush(SOON).await);
    let mut nth = 0;
    while writer.status().degraded.is_some() {
        nth += 1;
        drop(writer.try_append(&row(&format!("s{nth}"), 1, 5)));
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert!(nth < 1_000, "{:?}", writer.status());
    }
    assert!(writer.drain(SOON).await);
    let (mut seen, mut ask) = (Vec::new(), Some(PageAsk::first(500)));
    while let Some(next) = ask {
        let page = store.rows(&RowFilter::default(), &next).await.unwrap();
        seen.extend(page.items.iter().map(|row| row.request.clone()));
        ask = next.after(&page);
    }
    let mut of_then: Vec<_> = seen.iter().filter(|request| request.starts_with('r')).cloned().collect();
    of_then.sort();
    kept.sort();
    assert_eq!(of_then, kept, "what was not lost is there, once");
    let spent = store.spend(&Scope::Global).await.unwrap().cost;
    assert_eq!(spent, pico(5 * i128::try_from(seen.len()).unwrap()));
}

async fn gateways_that_write_at_once_do_not_deadlock(place: Place) {
    let mut writers = Vec::new();
    let mut tasks = Vec::new();
    for node in ["n1", "n2", "n3"] {
        let store = place.open().await;
        let mut options = place.options(node);
        options.folder = place.dir.path().join(node);
        (options.batch, options.collect) = (20, std::time::Duration::ZERO);
        let (writer, task) = running(&store, options);
        writers.push((writer, store));
        tasks.push(task);
    }
    let rows = |nth: u64, of: u64| {
        let mut row = row(&format!("{of}/{nth}"), 1, 3);
        // All of them touch the same windows and sums, in another order each.
        let place = if of == 1 { nth % 17 } else { (1_000 - nth) % 17 };
        row.who.user = Some(format!("u{place}").into());
        row.served.deployment = format!("d{place}").into();
        row.bookings.push(window(Scope::User(format!("u{place}").into()), Mode::Hard, row.time));
        row
    };
    for nth in 0..400 {
        for (of, (writer, _)) in (0..).zip(&writers) {
            drop(writer.try_append(&rows(nth, of)));
        }
        if nth % 20 == 0 {
            let (_, store) = &writers[usize::try_from(nth / 20).unwrap() % 3];
            let scope = Scope::User(format!("u{}", nth % 17).into());
            let window = window(scope, Mode::Hard, row("r", 1, 0).time);
            let (end, limit) = (window.budget.window.span(window.start).end, pico(1_000_000));
            let time = std::time::Duration::from_secs(60);
            let (missing, least) = (pico(100), pico(1));
            let ask = SliceAsk {
                node: "n1".into(),
                window,
                end,
                limit,
                fixed: false,
                held: limit,
                missing,
                least,
                time,
            };
            timeout(SOON, store.acquire(&ask)).await.unwrap().unwrap();
        }
    }
    for (writer, _) in &writers {
        assert!(writer.drain(SOON).await, "{:?}", writer.status());
    }
    let (_, store) = &writers[0];
    let sums = store.spend(&Scope::Global).await.unwrap();
    assert_eq!((sums.attempts, sums.cost), (1_200, pico(3_600)));
    let mut spent = pico(0);
    for nth in 0..17 {
        let scope = Scope::User(format!("u{nth}").into());
        spent = spent.saturating_add(
            store.window(&window(scope, Mode::Hard, row("r", 1, 0).time)).await.unwrap().spent,
        );
    }
    assert_eq!(spent, pico(3_600));
}

#[test]
fn a_database_that_comes_back_gets_every_row_and_wakes_who_follows() {
    run(async {
        let mut place = Place::postgres();
        let store = place.open().await;
        let (writer, _task) = place.writer(&store, "n1");
        let mut changes = store.changes(Revision(0));
        let team = |id: &str| Change::Put(Scope::Team(id.into()), Box::new(Group::new(Terms::default())));
        store.keep(&team("a"), "root").await.unwrap();
        let seen = timeout(SOON, changes.changed()).await.unwrap();
        assert_eq!(writer.try_append(&row("before", 1, 2)).await, Stored::Journal);
        assert!(writer.flush(SOON).await);

        place.server.as_mut().unwrap().stop().unwrap();
        for nth in 0..500 {
            assert_eq!(writer.try_append(&row(&format!("r{nth}"), 1, 2)).await, Stored::Journal);
        }
        let window = window(Scope::Team("search".into()), Mode::Hard, row("r", 1, 0).time);
        let end = window.budget.window.span(window.start).end;
        let (limit, missing, least) = (pico(1_000), pico(10), pico(1));
        let time = std::time::Duration::from_secs(60);
        let ask = SliceAsk {
            node: "n1".into(),
            window,
            end,
            limit,
            fixed: false,
            held: limit,
            missing,
            least,
            time,
        };
        assert!(timeout(SOON, store.acquire(&ask)).await.unwrap().is_err(), "an answer, and a refusal");
        assert!(timeout(SOON, store.keep(&team("b"), "root")).await.unwrap().is_err());
        while writer.status().store_away.is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(writer.status().waiting, 500);
        let follower = tokio::spawn(async move { changes.changed().await });

        place.server.as_mut().unwrap().restart().unwrap();
        assert!(writer.flush(SOON).await, "{:?}", writer.status());
        assert_eq!(writer.status().store_away, None);
        let sums = store.spend(&Scope::Team("search".into())).await.unwrap();
        assert_eq!((sums.attempts, sums.cost), (501, pico(1_002)));
        store.acquire(&ask).await.unwrap();
        let newest = store.keep(&team("b"), "root").await.unwrap();
        assert!(newest > seen);
        assert_eq!(timeout(SOON, follower).await.unwrap().unwrap(), newest);
    });
}
