//! Books in memory: sums, pages, and what is forgotten.

use std::sync::Arc;
use std::time::Duration;

use llm_governance::report::{AuditEntry, AuditFilter, GroupBy, PageAsk, ReportAsk, RowFilter};
use llm_governance::{Basis, KeyId, MemoryReports, Reports as _, RowOwner, RowServed, Scope, UsageRow};
use llm_types::{PicoUsd, Usage};

fn row(nth: u32, team: &str, cost: i128, tags: &[&str]) -> UsageRow {
    UsageRow {
        request: format!("r{nth}").into(),
        attempt: 1,
        time: format!("2026-11-{:02}T12:00:00Z", nth % 20 + 1).parse().unwrap(),
        who: RowOwner {
            key: Some(KeyId::of_name("k")),
            team: (!team.is_empty()).then(|| team.into()),
            ..RowOwner::default()
        },
        tags: tags.iter().map(|tag| Arc::from(*tag)).collect(),
        served: RowServed { model_asked: "smart".into(), provider: "openai".into(), ..RowServed::default() },
        usage: Usage { input: 10, output: 5, ..Usage::default() },
        items: Default::default(),
        cost: PicoUsd::from_pico(cost),
        basis: Basis::Reported,
        cost_incomplete: false,
        overrun: false,
        bookings: Default::default(),
        latency: Duration::from_millis(20),
        first_token: None,
        status: 200,
        error: None,
        cache: llm_governance::RowCache::Miss,
        quality: None,
    }
}

fn ask(group_by: &[GroupBy], only: &[(GroupBy, &str)]) -> ReportAsk {
    ReportAsk {
        from: "2026-11-01T00:00:00Z".parse().unwrap(),
        to: "2026-12-01T00:00:00Z".parse().unwrap(),
        group_by: group_by.to_vec(),
        only: only.iter().map(|(by, value)| (*by, (*value).to_owned())).collect(),
        zone: llm_governance::Zone::UTC,
    }
}

#[tokio::test]
async fn reports_are_sums_of_rows() {
    let books = MemoryReports::default();
    books.append(row(1, "a", 3, &["x", "y", "x"]));
    books.append(row(2, "a", 4, &["y"]));
    books.append(row(2, "", 5, &[]));
    let lines = async |group_by: &[GroupBy], only: &[(GroupBy, &str)]| {
        let report = books.usage(&ask(group_by, only)).await.unwrap();
        let line = |row: &llm_governance::report::ReportRow| {
            format!("{} {} {}", row.group.join("/"), row.sums.requests, row.sums.cost.pico())
        };
        report.rows.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(lines(&[], &[]).await, [" 3 12"]);
    assert_eq!(lines(&[GroupBy::Team], &[]).await, [" 1 5", "a 2 7"]);
    assert_eq!(
        lines(&[GroupBy::Day, GroupBy::Team], &[]).await,
        ["2026-11-02/a 1 3", "2026-11-03/ 1 5", "2026-11-03/a 1 4"]
    );
    // A row is in the sums of each of its tags, once; rows without tags are in those of no tag.
    assert_eq!(lines(&[GroupBy::Tag], &[]).await, [" 1 5", "x 1 3", "y 2 7"]);
    assert_eq!(lines(&[GroupBy::Tag], &[(GroupBy::Tag, "x")]).await, ["x 1 3"]);
    let all = [GroupBy::Model, GroupBy::Key, GroupBy::Team, GroupBy::Provider, GroupBy::Tag, GroupBy::Day];
    assert_eq!(lines(&all, &[]).await.len(), 4);
    assert_eq!(lines(&[GroupBy::Model], &[(GroupBy::Tag, "y")]).await, ["smart 2 7"]);
    assert_eq!(lines(&[], &[(GroupBy::Team, "b")]).await, [""; 0]);
}

#[tokio::test]
async fn old_rows_go_and_totals_stay() {
    let books = MemoryReports::keeping(5);
    for nth in 0..12 {
        books.append(row(nth, "a", 1, &[]));
    }
    // A report says from when it truly is.
    let whole = ReportAsk { from: "2026-01-01T00:00:00Z".parse().unwrap(), ..ask(&[], &[]) };
    let report = books.usage(&whole).await.unwrap();
    assert_eq!((report.from, report.rows[0].sums.attempts), (row(7, "a", 1, &[]).time, 5));
    let team = Scope::Team("a".into());
    assert_eq!(books.spent(&team).await.unwrap().pico(), 12);
    assert_eq!(books.spent(&Scope::Key(KeyId::of_name("k"))).await.unwrap().pico(), 12);
    assert_eq!(books.spent(&Scope::Team("b".into())).await.unwrap().pico(), 0);
    let mut page = PageAsk { limit: 2, cursor: None };
    let mut seen = Vec::new();
    loop {
        let rows = books.rows(&RowFilter::default(), &page).await.unwrap();
        seen.extend(rows.items.into_iter().map(|row| row.request));
        if rows.next.is_none() {
            break;
        }
        page.cursor = rows.next;
        // What comes meanwhile shifts nothing.
        books.append(row(12, "a", 1, &[]));
    }
    assert_eq!(seen.first().map(String::as_str), Some("r11"));
    assert!(seen.windows(2).all(|two| two[0] != two[1]), "{seen:?}");
    let only = RowFilter { request: Some("r11".to_owned()), failed: true, ..RowFilter::default() };
    assert!(books.rows(&only, &PageAsk::default()).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn actions_are_numbered_and_found() {
    let books = MemoryReports::default();
    for nth in 0..3 {
        let entry = AuditEntry {
            number: 0,
            at: "2026-11-21T00:00:00Z".parse().unwrap(),
            actor: "master".to_owned(),
            action: "create".to_owned(),
            object: format!("team:{nth}"),
            before: None,
            after: None,
            refused: None,
        };
        books.note(entry).await.unwrap();
    }
    let all = books.audit(&AuditFilter::default(), &PageAsk { limit: 2, cursor: None }).await.unwrap();
    assert_eq!(all.items.iter().map(|entry| entry.number).collect::<Vec<_>>(), [3, 2]);
    let rest = books.audit(&AuditFilter::default(), &PageAsk { limit: 2, cursor: all.next }).await.unwrap();
    assert_eq!((rest.items.len(), rest.next), (1, None));
    let one = AuditFilter { object: Some("team:1".to_owned()), ..AuditFilter::default() };
    assert_eq!(books.audit(&one, &PageAsk::default()).await.unwrap().items.len(), 1);
}
