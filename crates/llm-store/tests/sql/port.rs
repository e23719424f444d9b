//! The port for reports on a database: what is asked is what was given, also after a restart.

use jiff::Timestamp;
use llm_governance::report::{AuditEntry, AuditFilter, GroupBy as By, PageAsk, ReportAsk, RowFilter};
use llm_governance::{Change, Error, Group, KeyId, KeyStore as _, Mode, Reports, Scope, Terms};
use llm_store::{KeptDecision, SqlReports, SqlStore};

use crate::harness::{Place, SOON, at, both, pico, row, window};

both!(
    readers_see_what_was_appended_before,
    what_is_booked_outlives_the_process,
    feedback_is_noted_on_every_attempt,
    actions_that_change_nothing_are_in_the_log,
    decisions_are_kept_and_the_oldest_go,
);

const NOON: &str = "2026-11-21T12:00:00Z";

fn asked(group_by: &[By], only: &[(By, &str)]) -> ReportAsk {
    let only = only.iter().map(|(by, word)| (*by, (*word).to_owned())).collect();
    ReportAsk {
        from: at("2026-11-21T00:00:00Z"),
        to: at("2026-11-22T00:00:00Z"),
        group_by: group_by.to_vec(),
        only,
        zone: llm_governance::Zone::UTC,
    }
}

async fn readers_see_what_was_appended_before(place: Place) {
    let store = place.open().await;
    // Rows are collected for longer than anybody waits, unless a reader is in a hurry.
    let mut options = place.options("n1");
    options.collect = SOON;
    let (writer, task) = crate::harness::running(&store, options);
    let reports = SqlReports::new(store, writer.clone());
    assert!(reports.is_durable());
    for nth in 1..=3 {
        reports.append(row(&format!("r{nth}"), 1, 100));
        let report = reports.usage(&asked(&[By::Day, By::Model], &[])).await.unwrap();
        let lines: Vec<_> = report.rows.iter().map(|line| (line.group.join(" "), line.sums.cost)).collect();
        assert_eq!(lines, [("2026-11-21 smart".to_owned(), pico(100 * nth))]);
        assert_eq!(reports.spent(&Scope::Team("search".into())).await.unwrap(), pico(100 * nth));
        let page = reports.rows(&RowFilter::default(), &PageAsk::default()).await.unwrap();
        assert_eq!(i128::try_from(page.items.len()).unwrap(), nth);
        assert_eq!(page.items[0].node, "n1");
    }
    let error = reports.usage(&asked(&[By::Tag, By::Deployment], &[])).await.unwrap_err();
    assert!(matches!(error, Error::NoSums(_)), "{error:?}");
    assert!(writer.drain(SOON).await);
    task.await.unwrap();
}

async fn what_is_booked_outlives_the_process(place: Place) {
    let scopes = [Scope::Team("search".into()), Scope::Global, Scope::Team("idle".into())];
    for life in 1..=2 {
        let store = place.open().await;
        let (writer, task) = place.writer(&store, &format!("n{life}"));
        let reports = SqlReports::new(store, writer.clone());
        reports.append(row(&format!("r{life}"), 1, 100));
        let booked = reports.booked(&scopes, at(NOON)).await.unwrap().unwrap();
        let mut found: Vec<_> =
            booked.iter().map(|one| (one.window.clone(), one.spent, one.unknown)).collect();
        found.sort_by_key(|(window, ..)| window.budget.to_string());
        let expect = [(Scope::Global, Mode::Soft), (Scope::Team("search".into()), Mode::Hard)]
            .map(|(scope, mode)| (window(scope, mode, at(NOON)), pico(100 * life), pico(0)));
        assert_eq!(found, expect);
        assert_eq!(reports.booked(&scopes, at("2026-11-22T12:00:00Z")).await.unwrap(), Some(Vec::new()));
        assert_eq!(reports.booked(&[], at(NOON)).await.unwrap(), Some(Vec::new()));
        assert!(writer.drain(SOON).await);
        task.await.unwrap();
    }
}

async fn feedback_is_noted_on_every_attempt(place: Place) {
    let store = place.open().await;
    let (writer, task) = place.writer(&store, "n1");
    let reports = SqlReports::new(store, writer.clone());
    for (request, attempt) in [("a", 1), ("a", 2), ("b", 1)] {
        reports.append(row(request, attempt, 1));
    }
    assert!(reports.rate("a", 0.5).await.unwrap() && reports.rate("a", 0.25).await.unwrap());
    assert!(!reports.rate("nobody", 1.0).await.unwrap());
    let page = reports.rows(&RowFilter::default(), &PageAsk::default()).await.unwrap();
    let of = |request: &str| {
        page.items.iter().filter(|row| row.request == request).map(|row| row.quality).collect()
    };
    let (rated, other): (Vec<_>, Vec<_>) = (of("a"), of("b"));
    assert_eq!((rated, other), (vec![Some(0.25); 2], vec![None]));
    assert!(writer.drain(SOON).await);
    task.await.unwrap();
}

fn action(word: &str, refused: Option<&str>) -> AuditEntry {
    AuditEntry {
        number: 0,
        at: Timestamp::UNIX_EPOCH,
        actor: "ada".to_owned(),
        action: word.to_owned(),
        object: "deployment:smart/1".to_owned(),
        before: None,
        after: None,
        refused: refused.map(str::to_owned),
    }
}

async fn actions_that_change_nothing_are_in_the_log(place: Place) {
    let store = place.open().await;
    let scope = Scope::Team("search".into());
    let put = Change::Put(scope.clone(), Box::new(Group::new(Terms::default())));
    let seen = store.keep(&put, "grace").await.unwrap();
    store.note(action("drain", None)).await.unwrap();
    store.note(action("enable", Some("it is not\0 there"))).await.unwrap();
    let newest = store.keep_as(&put, "grace", "block").await.unwrap();
    // Who follows sees the changes alone.
    let (changes, revision) = store.since(seen).await.unwrap().unwrap();
    assert_eq!((changes.len(), revision), (1, newest));
    let again = place.open().await;
    let log = again.audit(&AuditFilter::default(), &PageAsk::default()).await.unwrap().items;
    let seen: Vec<_> =
        log.iter().map(|entry| (&*entry.action, &*entry.object, entry.refused.as_deref())).collect();
    assert_eq!(
        seen,
        [
            ("block", "team:search", None),
            ("enable", "deployment:smart/1", Some("it is not\u{fffd} there")),
            ("drain", "deployment:smart/1", None),
            ("create", "team:search", None),
        ]
    );
    assert!(log.iter().all(|entry| entry.at > Timestamp::UNIX_EPOCH));
    assert!(log.windows(2).all(|two| two[0].number > two[1].number));
    // Keys are not concerned.
    assert!(again.key(KeyId::of_name("k")).await.unwrap().is_none());
}

async fn decisions_are_kept_and_the_oldest_go(place: Place) {
    let store: SqlStore = place.open().await;
    let decision = |nth: i64, body: &str| KeptDecision {
        request: format!("r{nth}"),
        time: Timestamp::from_second(1_795_000_000 + nth).unwrap(),
        body: body.to_owned(),
    };
    let many: Vec<_> = (0..200).map(|nth| decision(nth, "{}")).collect();
    store.keep_decisions(&many).await.unwrap();
    // Of two on one request the later one, in one batch or in two.
    store.keep_decisions(&[decision(7, "1"), decision(7, "2")]).await.unwrap();
    store.keep_decisions(&[decision(8, "3")]).await.unwrap();
    let again = place.open().await;
    let found = async |nth: i64| again.decision(&format!("r{nth}")).await.unwrap();
    assert_eq!(
        (found(7).await, found(8).await, found(900).await),
        (Some("2".into()), Some("3".into()), None)
    );
    assert_eq!(store.trim_decisions(None, 200).await.unwrap(), 0);
    assert_eq!(store.trim_decisions(None, 150).await.unwrap(), 50);
    assert_eq!((found(49).await, found(50).await), (None, Some("{}".into())));
    let before = Timestamp::from_second(1_795_000_000 + 60).unwrap();
    assert_eq!(store.trim_decisions(Some(before), 150).await.unwrap(), 10);
    assert_eq!((found(59).await, found(60).await), (None, Some("{}".into())));
}
